import { BelfryError, errorText, type ErrorCode } from '../core/errors.ts';
import { ConnectionBreakError, type BreakKind, type BrokerAddress } from './observer.ts';

/** What the kernel, the resolver and OpenSSL say, in the words of the liveness table. */
const KIND_BY_CODE: Readonly<Record<string, BreakKind>> = {
  ECONNREFUSED: 'refused',
  ECONNRESET: 'reset',
  ECONNABORTED: 'reset',
  // A write after the peer's reset has arrived.
  EPIPE: 'reset',
  ETIMEDOUT: 'timeout',
  EHOSTUNREACH: 'no_route',
  ENETUNREACH: 'no_route',
  EHOSTDOWN: 'no_route',
  ENETDOWN: 'no_route',
  EADDRNOTAVAIL: 'no_route',
  // A local firewall rule.
  EPERM: 'no_route',
  EACCES: 'no_route',
  // This process has run out of something: it says nothing about the broker.
  EMFILE: 'local',
  ENFILE: 'local',
  ENOBUFS: 'local',
  ENOMEM: 'local',
  ENOTFOUND: 'dns',
  // An address that cannot be one.
  ERR_SOCKET_BAD_PORT: 'dns',
  EPROTO: 'tls',
};

const TLS_CODE = /^(ERR_SSL|ERR_TLS|ERR_OSSL|CERT_|UNABLE_TO_|SELF_SIGNED|DEPTH_ZERO|CRL_|HOSTNAME_MISMATCH|INVALID_CA|INVALID_PURPOSE)/;

/** Of the addresses behind one name, the one that says most decides: a refusal is the kernel's own word. */
const STRENGTH: readonly BreakKind[] = ['refused', 'reset', 'tls', 'timeout', 'no_route', 'dns', 'local'];

/** The kind of a socket's error. */
export function breakKindOf(error: unknown): BreakKind {
  if (error instanceof ConnectionBreakError) return error.kind;
  const several = severalErrors(error);
  if (several !== undefined) {
    const kinds = several.map(breakKindOf);
    return STRENGTH.find((kind) => kinds.includes(kind)) ?? 'reset';
  }
  const code = typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : '';
  const kind = KIND_BY_CODE[code];
  if (kind !== undefined) return kind;
  if (code.startsWith('EAI_')) return 'dns';
  if (TLS_CODE.test(code)) return 'tls';
  return 'reset';
}

/** The errors inside an `AggregateError`, which a name with several addresses gives. */
function severalErrors(error: unknown): readonly unknown[] | undefined {
  if (typeof error !== 'object' || error === null || !('errors' in error)) return undefined;
  return Array.isArray(error.errors) && error.errors.length > 0 ? error.errors : undefined;
}

const CODE_BY_KIND: Readonly<Record<BreakKind, ErrorCode>> = {
  refused: 'KAFKA_UNREACHABLE',
  reset: 'KAFKA_UNREACHABLE',
  closed: 'KAFKA_UNREACHABLE',
  dns: 'KAFKA_UNREACHABLE',
  no_route: 'KAFKA_UNREACHABLE',
  local: 'KAFKA_UNREACHABLE',
  timeout: 'KAFKA_TIMEOUT',
  tls: 'KAFKA_AUTH_FAILED',
  auth: 'KAFKA_AUTH_FAILED',
  protocol: 'KAFKA_MALFORMED',
};

/** The error of a connection that could not be made, or that broke under a request; its cause tells the kind. */
export function breakError(address: BrokerAddress, cause: ConnectionBreakError): BelfryError {
  return new BelfryError(CODE_BY_KIND[cause.kind], `${address.host}:${address.port}`, { cause });
}

/** The kind behind an error of `connect` or of a request; undefined where no connection broke. */
export function breakKindBehind(error: unknown): BreakKind | undefined {
  if (error instanceof ConnectionBreakError) return error.kind;
  return error instanceof BelfryError && error.cause instanceof ConnectionBreakError ? error.cause.kind : undefined;
}

/** A socket's error as the cause of a break; an error of several addresses names each once. */
export function socketBreak(error: unknown, context = ''): ConnectionBreakError {
  const inner = [...new Set((severalErrors(error) ?? [error]).map(errorText))].join(', ');
  return new ConnectionBreakError(breakKindOf(error), `${context}${inner}`.slice(0, 300), { cause: error });
}

/** Whether a connect failed without a word from the other side's kernel: no route, no such name, or packets lost on the way. */
export function isUnheard(error: unknown): boolean {
  const kind = breakKindBehind(error);
  if (kind === 'no_route' || kind === 'dns') return true;
  const cause = error instanceof BelfryError ? error.cause : error;
  return cause instanceof ConnectionBreakError && cause.unheard;
}

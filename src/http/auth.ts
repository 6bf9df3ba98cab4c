import { randomBytes, timingSafeEqual, createHash } from 'node:crypto';
import { isIP } from 'node:net';
import type { IncomingHttpHeaders } from 'node:http';
import { BelfryError } from '../core/errors.ts';

/** What a token may be used for; `operate` includes `read`. */
export type Scope = 'read' | 'operate';

export interface AccessOptions {
  /** The address Belfry listens on. */
  readonly listenHost: string;
  /** The host of the external address, where there is one. */
  readonly externalHost: string | undefined;
  /** Everything may be done with it. */
  readonly token: string;
}

/** A new token: 256 random bits. */
export function newToken(): string {
  return randomBytes(32).toString('base64url');
}

/** Who may ask for what. Loopback may read without a token; anything that changes something needs one everywhere. */
export class Access {
  readonly #tokenHash: Buffer;
  readonly #hosts: ReadonlySet<string>;
  readonly #loopback: boolean;

  constructor(options: AccessOptions) {
    this.#tokenHash = hash(options.token);
    this.#loopback = isLoopback(options.listenHost);
    this.#hosts = new Set(['localhost', options.listenHost, ...(options.externalHost === undefined ? [] : [options.externalHost])]);
  }

  /**
   * A page on the web may make a browser send requests here under a name that resolves to this machine (DNS
   * rebinding), so the Host must be an address or a known name, and an Origin must be one of ours. Throws `FORBIDDEN`.
   */
  checkOrigin(headers: IncomingHttpHeaders): void {
    const host = hostOf(headers.host ?? '');
    if (host === undefined || !this.#isOurs(host))
      throw new BelfryError('FORBIDDEN', `unknown Host ${JSON.stringify(headers.host ?? '')}: use an address, or set http.external_url`);
    const { origin } = headers;
    if (origin === undefined) return;
    const originHost = URL.canParse(origin) ? hostOf(new URL(origin).host) : undefined;
    if (originHost === undefined || !this.#isOurs(originHost))
      throw new BelfryError('FORBIDDEN', `requests from ${JSON.stringify(origin)} are not allowed`);
  }

  /** Throws `UNAUTHORIZED` where the request has no right to the scope. */
  require(scope: Scope, headers: IncomingHttpHeaders): void {
    if (scope === 'read' && this.#loopback) return;
    const given = /^Bearer (.+)$/i.exec(headers.authorization ?? '')?.[1];
    if (given !== undefined && timingSafeEqual(hash(given), this.#tokenHash)) return;
    throw new BelfryError(
      'UNAUTHORIZED',
      given === undefined
        ? 'needs the header Authorization: Bearer TOKEN (the token is in the file "token" of the data folder)'
        : 'wrong token',
    );
  }

  #isOurs(host: string): boolean {
    return isIP(host) !== 0 || this.#hosts.has(host);
  }
}

export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || host.startsWith('127.');
}

/** The host of `host:port` without port and brackets, in lower case. */
function hostOf(text: string): string | undefined {
  const match = /^(?:\[([^\]]+)\]|([^:[\]]+))(?::\d+)?$/.exec(text);
  return (match?.[1] ?? match?.[2])?.toLowerCase();
}

function hash(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

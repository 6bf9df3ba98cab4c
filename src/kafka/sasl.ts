import { createHash, createHmac, pbkdf2, randomBytes, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import { APIS } from './apis.ts';
import { KAFKA_ERROR, kafkaErrorName } from './error-codes.ts';
import { ConnectionBreakError, type PasswordSasl } from './observer.ts';
import type { Transport } from './transport.ts';

/** What is shown to a broker: a name and its password, or a token that somebody has given out. */
export type Proof = PasswordSasl | { readonly mechanism: 'OAUTHBEARER'; readonly token: string };

/** RFC 7628 §3.1: the answer to the server's error, after which it says that it has refused. */
export const AFTER_TOKEN_ERROR = '\u0001';

/** RFC 5802 and 7677 ask for at least 4096; a server that asks for very many would hold a thread for minutes. */
const MIN_ITERATIONS = 4096;
const MAX_ITERATIONS = 1_000_000;
const pbkdf2Async = promisify(pbkdf2);

/**
 * Proves who we are. Resolves with the session's lifetime in milliseconds, 0 where it does not end. Rejects with a
 * `ConnectionBreakError` of kind `auth` when the broker refuses, or with the error of a connection that broke.
 */
export async function authenticate(transport: Transport, sasl: Proof, timeoutMs: number): Promise<number> {
  const { reader } = await transport.request(APIS.saslHandshake, 1, (writer) => writer.string(sasl.mechanism), timeoutMs);
  const errorCode = reader.int16();
  const offered: string[] = [];
  for (let left = reader.arrayLength(2); left > 0; left--) offered.push(reader.string());
  if (errorCode !== KAFKA_ERROR.none) {
    throw refused(`the broker does not offer ${sasl.mechanism}, but ${offered.slice(0, 10).join(', ') || kafkaErrorName(errorCode)}`);
  }
  if (sasl.mechanism === 'OAUTHBEARER') return bearer(transport, sasl.token, timeoutMs);
  return sasl.mechanism === 'PLAIN' ? plain(transport, sasl, timeoutMs) : scram(transport, sasl, timeoutMs);
}

async function plain(transport: Transport, sasl: PasswordSasl, timeoutMs: number): Promise<number> {
  const { lifetimeMs } = await exchange(transport, Buffer.from(`\u0000${sasl.username}\u0000${sasl.password}`), timeoutMs);
  return lifetimeMs;
}

/** RFC 7628 as Kafka speaks it (KIP-255): no name and no host, only the token. */
export function bearerMessage(token: string): string {
  return `n,,\u0001auth=Bearer ${token}\u0001\u0001`;
}

/** What a server says instead of nothing when it does not take a token (RFC 7628 §3.2.2). Its status alone is shown. */
export function tokenErrorText(answer: Buffer): string {
  const status = /"status"\s*:\s*"([a-z_]{1,50})"/.exec(answer.toString('utf8', 0, 1000))?.[1];
  return `the token was not taken${status === undefined ? '' : `: ${status}`}`;
}

async function bearer(transport: Transport, token: string, timeoutMs: number): Promise<number> {
  const { bytes, lifetimeMs } = await exchange(transport, Buffer.from(bearerMessage(token)), timeoutMs);
  if (bytes.length === 0) return lifetimeMs;
  const why = tokenErrorText(bytes);
  // The broker has refused, whatever it says to this, if anything.
  await exchange(transport, Buffer.from(AFTER_TOKEN_ERROR), timeoutMs).catch((error: unknown) => {
    throw new ConnectionBreakError('auth', `authentication refused: ${why}`, { cause: error });
  });
  throw refused(why);
}

/** SCRAM without channel binding (RFC 5802), with the server's proof checked. */
async function scram(transport: Transport, sasl: PasswordSasl, timeoutMs: number): Promise<number> {
  const hash = sasl.mechanism === 'SCRAM-SHA-512' ? 'sha512' : 'sha256';
  const nonce = randomBytes(24).toString('base64url');
  const name = sasl.username.replaceAll('=', '=3D').replaceAll(',', '=2C');
  const clientFirst = `n=${name},r=${nonce}`;
  const first = await exchange(transport, Buffer.from(`n,,${clientFirst}`), timeoutMs);
  const serverFirst = first.bytes.toString('utf8');
  const asked = attributes(serverFirst);
  const serverNonce = asked.get('r') ?? '';
  const iterations = Number(asked.get('i'));
  const salt = Buffer.from(asked.get('s') ?? '', 'base64');
  if (!serverNonce.startsWith(nonce) || serverNonce === nonce) throw refused('SCRAM: the server did not extend our nonce');
  if (!(iterations >= MIN_ITERATIONS && iterations <= MAX_ITERATIONS))
    throw refused(`SCRAM: ${String(iterations)} iterations are not accepted`);

  const salted = await pbkdf2Async(sasl.password.normalize('NFKC'), salt, iterations, hash === 'sha512' ? 64 : 32, hash);
  const hmac = (key: Buffer, text: string): Buffer => createHmac(hash, key).update(text).digest();
  const clientKey = hmac(salted, 'Client Key');
  const storedKey = createHash(hash).update(clientKey).digest();
  const withoutProof = `c=biws,r=${serverNonce}`;
  const authMessage = `${clientFirst},${serverFirst},${withoutProof}`;
  const signature = hmac(storedKey, authMessage);
  const proof = Buffer.from(clientKey.map((byte, i) => byte ^ (signature[i] ?? 0)));
  const last = await exchange(transport, Buffer.from(`${withoutProof},p=${proof.toString('base64')}`), timeoutMs);

  const answer = attributes(last.bytes.toString('utf8'));
  const shown = Buffer.from(answer.get('v') ?? '', 'base64');
  const expected = hmac(hmac(salted, 'Server Key'), authMessage);
  if (shown.length !== expected.length || !timingSafeEqual(shown, expected)) {
    throw refused('SCRAM: the server could not prove that it knows the password');
  }
  return last.lifetimeMs;
}

async function exchange(transport: Transport, token: Buffer, timeoutMs: number): Promise<{ bytes: Buffer; lifetimeMs: number }> {
  const { reader } = await transport.request(APIS.saslAuthenticate, 1, (writer) => writer.bytes(token), timeoutMs);
  const errorCode = reader.int16();
  const message = reader.nullableString();
  const bytes = reader.bytes();
  const lifetimeMs = reader.int64();
  reader.expectEnd();
  if (errorCode !== KAFKA_ERROR.none) throw refused(message?.slice(0, 200) ?? kafkaErrorName(errorCode));
  return { bytes, lifetimeMs };
}

function attributes(text: string): ReadonlyMap<string, string> {
  return new Map(text.split(',').map((part) => [part.slice(0, 1), part.slice(2)]));
}

function refused(why: string): ConnectionBreakError {
  return new ConnectionBreakError('auth', `authentication refused: ${why}`);
}

import { createHash, createHmac, pbkdf2, randomBytes, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import { APIS } from './apis.ts';
import { KAFKA_ERROR, kafkaErrorName } from './error-codes.ts';
import { ConnectionBreakError, type KafkaSecurity } from './observer.ts';
import type { Transport } from './transport.ts';

type Sasl = NonNullable<KafkaSecurity['sasl']>;

/** RFC 5802 and 7677 ask for at least 4096; a server that asks for very many would hold a thread for minutes. */
const MIN_ITERATIONS = 4096;
const MAX_ITERATIONS = 1_000_000;
const pbkdf2Async = promisify(pbkdf2);

/**
 * Proves who we are. Resolves with the session's lifetime in milliseconds, 0 where it does not end. Rejects with a
 * `ConnectionBreakError` of kind `auth` when the broker refuses, or with the error of a connection that broke.
 */
export async function authenticate(transport: Transport, sasl: Sasl, timeoutMs: number): Promise<number> {
  const { reader } = await transport.request(APIS.saslHandshake, 1, (writer) => writer.string(sasl.mechanism), timeoutMs);
  const errorCode = reader.int16();
  const offered: string[] = [];
  for (let left = reader.arrayLength(2); left > 0; left--) offered.push(reader.string());
  if (errorCode !== KAFKA_ERROR.none) {
    throw refused(`the broker does not offer ${sasl.mechanism}, but ${offered.slice(0, 10).join(', ') || kafkaErrorName(errorCode)}`);
  }
  return sasl.mechanism === 'PLAIN' ? plain(transport, sasl, timeoutMs) : scram(transport, sasl, timeoutMs);
}

async function plain(transport: Transport, sasl: Sasl, timeoutMs: number): Promise<number> {
  const { lifetimeMs } = await exchange(transport, Buffer.from(`\u0000${sasl.username}\u0000${sasl.password}`), timeoutMs);
  return lifetimeMs;
}

/** SCRAM without channel binding (RFC 5802), with the server's proof checked. */
async function scram(transport: Transport, sasl: Sasl, timeoutMs: number): Promise<number> {
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

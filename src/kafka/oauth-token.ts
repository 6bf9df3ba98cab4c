import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { Clock } from '../core/clock.ts';
import { errorText } from '../core/errors.ts';
import { shownUrl } from '../core/secret.ts';
import { ConnectionBreakError, type TokenSource } from './observer.ts';

/** What a client says of itself to an authorization server (RFC 6749 §4.4, the client-credentials grant). */
export interface ClientCredentials {
  /** An http or https address. */
  readonly endpoint: string;
  readonly clientId: string;
  readonly clientSecret: string;
  readonly scope?: string;
  readonly audience?: string;
  /** PEM of the authorities to trust instead of the machine's own. */
  readonly ca?: string;
}

/** A token is some kilobytes at most; what is larger is something else. */
const MAX_ANSWER_BYTES = 256 * 1024;
const MAX_TOKEN_LENGTH = 64 * 1024;
/** RFC 6750 §2.1; nothing else may stand in the message to the broker. */
const TOKEN = /^[A-Za-z0-9._~+/-]+=*$/;
/** The answer's `error` (RFC 6749 §5.2); the description beside it is the server's own text and may hold anything. */
const ERROR_CODE = /^[a-z_]{1,50}$/;
const MAX_TIMEOUT_MS = 10_000;
/** Of a token whose lifetime nobody tells. */
const UNTOLD_LIFETIME_MS = 300_000;
const MAX_LIFETIME_MS = 24 * 3_600_000;
/** A new one is fetched when a fifth of the lifetime is left, or a quarter of a minute where the lifetime allows that. */
const RENEW_SHARE = 0.2;
const RENEW_BEFORE_MS = 15_000;
/** After a failure so long nobody is asked again: many brokers want the token of one endpoint. */
const FAILURE_KEPT_MS = 5000;

interface Held {
  readonly token: string;
  /** By `Clock.elapsed`. */
  readonly renewAt: number;
}

/** Tokens of one endpoint for the brokers of one cluster: fetched once for all who wait, kept, renewed before they end. */
export class ClientCredentialsTokens implements TokenSource {
  readonly #credentials: ClientCredentials;
  readonly #clock: Clock;
  #held: Held | undefined;
  #fetching: Promise<string> | undefined;
  #failure: { readonly error: ConnectionBreakError; readonly until: number } | undefined;

  constructor(credentials: ClientCredentials, clock: Clock) {
    this.#credentials = credentials;
    this.#clock = clock;
  }

  token(timeoutMs: number): Promise<string> {
    const now = this.#clock.elapsed();
    if (this.#held !== undefined && now < this.#held.renewAt) return Promise.resolve(this.#held.token);
    if (this.#failure !== undefined && now < this.#failure.until) return Promise.reject(this.#failure.error);
    this.#fetching ??= this.#fetch(Math.min(timeoutMs, MAX_TIMEOUT_MS)).finally(() => {
      this.#fetching = undefined;
    });
    return this.#fetching;
  }

  refused(token: string): void {
    if (this.#held?.token === token) this.#held = undefined;
  }

  async #fetch(timeoutMs: number): Promise<string> {
    const startedAt = this.#clock.elapsed();
    try {
      const { token, lifetimeMs } = tokenOf(await this.#exchange(timeoutMs), this.#clock.wall());
      const earlierMs = Math.max(lifetimeMs * RENEW_SHARE, Math.min(RENEW_BEFORE_MS, lifetimeMs / 2));
      this.#held = { token, renewAt: startedAt + lifetimeMs - earlierMs };
      this.#failure = undefined;
      return token;
    } catch (error) {
      const failure = this.#failed(errorText(error));
      this.#failure = { error: failure, until: this.#clock.elapsed() + FAILURE_KEPT_MS };
      throw failure;
    }
  }

  #failed(why: string): ConnectionBreakError {
    return new ConnectionBreakError('auth', `no token from ${shownUrl(this.#credentials.endpoint)}: ${why}`.slice(0, 300));
  }

  /** One request over a connection of its own. No redirect is followed: the secret is meant for nobody else. */
  #exchange(timeoutMs: number): Promise<Answer> {
    const { endpoint, clientId, clientSecret, scope, audience, ca } = this.#credentials;
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    const body = new URLSearchParams({
      grant_type: 'client_credentials',
      ...(scope === undefined ? {} : { scope }),
      ...(audience === undefined ? {} : { audience }),
    }).toString();
    // RFC 6749 §2.3.1: both are encoded as in a form before they become the user and password of HTTP Basic.
    const basic = Buffer.from(`${formEncoded(clientId)}:${formEncoded(clientSecret)}`).toString('base64');
    const headers = {
      accept: 'application/json',
      authorization: `Basic ${basic}`,
      'content-type': 'application/x-www-form-urlencoded',
      'content-length': String(Buffer.byteLength(body)),
    };
    const url = new URL(endpoint);
    const secure = url.protocol === 'https:';
    const tls = secure && ca !== undefined ? { ca } : {};
    const client = (secure ? httpsRequest : httpRequest)(url, { ...tls, method: 'POST', agent: false, headers });
    const timer = this.#clock.timer(timeoutMs, () => {
      client.destroy(new Error(`no whole answer within ${Math.round(timeoutMs)} ms`));
    });
    client.once('close', () => {
      timer.cancel();
      reject(new Error('the connection was closed'));
    });
    client.on('error', reject);
    client.once('response', (response) => {
      take(response).then((text) => resolve({ status: response.statusCode ?? 0, text }), reject);
    });
    client.end(body);
    return promise;
  }
}

interface Answer {
  readonly status: number;
  readonly text: string;
}

async function take(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_ANSWER_BYTES) throw new Error(`an answer of more than ${MAX_ANSWER_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** RFC 6749 §5.1 and §5.2. Nothing of the answer but its status and error code reaches an error: it may hold a token. */
function tokenOf({ status, text }: Answer, wallNow: number): { readonly token: string; readonly lifetimeMs: number } {
  const fields = jsonObject(text);
  if (status !== 200) {
    const code = fields?.['error'];
    throw new Error(`answered ${status}${typeof code === 'string' && ERROR_CODE.test(code) ? `, ${code}` : ''}`);
  }
  if (fields === undefined) throw new Error('its answer is no JSON object');
  const { access_token: token, token_type: type, expires_in: expiresIn } = fields;
  if (typeof token !== 'string' || token.length > MAX_TOKEN_LENGTH || !TOKEN.test(token)) throw new Error('its answer has no access_token');
  if (typeof type === 'string' && type.toLowerCase() !== 'bearer') throw new Error('its token is no bearer token');
  const toldMs = Number(expiresIn ?? Number.NaN) * 1000;
  const lifetimeMs = Number.isFinite(toldMs) && toldMs > 0 ? toldMs : (lifetimeInside(token, wallNow) ?? UNTOLD_LIFETIME_MS);
  return { token, lifetimeMs: Math.min(lifetimeMs, MAX_LIFETIME_MS) };
}

/** Of a token that is a JWT (RFC 7519): until its `exp`. */
function lifetimeInside(token: string, wallNow: number): number | undefined {
  const claims = jsonObject(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8'));
  const leftMs = Number(claims?.['exp'] ?? Number.NaN) * 1000 - wallNow;
  return Number.isFinite(leftMs) && leftMs > 0 ? leftMs : undefined;
}

function jsonObject(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? { ...value } : undefined;
  } catch {
    // What is no JSON has no fields; whoever needs them says so.
    return undefined;
  }
}

function formEncoded(text: string): string {
  return new URLSearchParams({ '': text }).toString().slice(1);
}

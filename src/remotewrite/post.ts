import { Agent as HttpAgent, type IncomingMessage, request as httpRequest } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import type { ConnectionOptions } from 'node:tls';
import type { Clock } from '../core/clock.ts';
import { errorText } from '../core/errors.ts';
import { parseRetryAfter } from '../core/retry-after.ts';
import { SecretMask } from '../core/secret.ts';
import type { RemoteWriteOptions, RemoteWriteTls } from './schema.ts';

const ANSWER_BYTES_MAX = 16 * 1024;
const SHOWN_MAX = 300;

/** How a request went. `text` says why it did not, in one line without a secret. */
export type Outcome =
  | { readonly kind: 'sent' }
  /** Not now: the destination is away, busy, or not as it should be. Milliseconds where it said when. */
  | { readonly kind: 'later'; readonly text: string; readonly retryAfterMs: number | undefined }
  /** It will never take this request. `isOfSamples`: for what is in it, so that it may take a part. */
  | { readonly kind: 'refused'; readonly text: string; readonly isOfSamples: boolean };

const TOO_MANY_REQUESTS = 429;
/**
 * Statuses that are about the destination and not about the samples: a token that is wrong, a receiver that is not switched
 * on. They are put right there; samples wait for it where the configuration says so, as the specification does not allow it.
 */
const OF_DESTINATION = [401, 403, 404, 405, 407, 408, 425];

/** Posts requests of remote write 1.0 over kept connections. */
export class RequestPoster {
  readonly #clock: Clock;
  readonly #options: RemoteWriteOptions;
  readonly #url: URL;
  readonly #tls: ConnectionOptions;
  readonly #agent: HttpAgent;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #mask: SecretMask;

  constructor(options: RemoteWriteOptions, clock: Clock) {
    this.#options = options;
    this.#clock = clock;
    this.#url = new URL(options.url.reveal());
    this.#tls = connectionOptions(options.tls);
    const agent = { keepAlive: true, maxSockets: options.queue.maxShards + 1, maxFreeSockets: 4 };
    this.#agent = this.#url.protocol === 'https:' ? new HttpsAgent({ ...agent, ...this.#tls }) : new HttpAgent(agent);
    this.#headers = {
      ...options.headers,
      ...authorization(options),
      'content-type': 'application/x-protobuf',
      'content-encoding': 'snappy',
      'user-agent': 'Belfry',
      'x-prometheus-remote-write-version': '0.1.0',
    };
    this.#mask = new SecretMask([options.url, options.basicAuth?.password, options.authorization?.credentials]);
  }

  /** Never rejects. */
  async post(body: Uint8Array, signal: AbortSignal): Promise<Outcome> {
    const first = await this.#once(body, signal, this.#agent);
    // A kept connection that the peer closed in the meantime says nothing about the peer: once more on a fresh one.
    return first ?? (await this.#once(body, signal, false)) ?? later('the connection was reset');
  }

  close(): void {
    this.#agent.destroy();
  }

  #once(body: Uint8Array, signal: AbortSignal, agent: HttpAgent | false): Promise<Outcome | undefined> {
    return new Promise((resolve) => {
      const isSecure = this.#url.protocol === 'https:';
      const request = (isSecure ? httpsRequest : httpRequest)(this.#url, {
        ...(isSecure ? this.#tls : {}),
        method: 'POST',
        agent,
        signal,
        headers: { ...this.#headers, 'content-length': String(body.length) },
      });
      let isLate = false;
      const timer = this.#clock.timer(this.#options.timeoutMs, () => {
        isLate = true;
        request.destroy();
      });
      request.once('close', () => {
        timer.cancel();
        resolve(later(isLate ? `no whole answer within ${this.#options.timeoutMs} ms` : 'the connection was closed'));
      });
      request.on('error', (error: NodeJS.ErrnoException) => {
        if (isLate) return;
        const isStale = request.reusedSocket && agent !== false && (error.code === 'ECONNRESET' || error.code === 'EPIPE');
        resolve(isStale ? undefined : later(this.#shown(errorText(error))));
      });
      request.once('response', (response) => this.#take(response, resolve));
      request.end(body);
    });
  }

  #take(response: IncomingMessage, resolve: (outcome: Outcome) => void): void {
    const status = response.statusCode ?? 0;
    const chunks: Buffer[] = [];
    let bytes = 0;
    const answer = (): void => {
      if (status >= 200 && status < 300) return resolve({ kind: 'sent' });
      const said = this.#shown(Buffer.concat(chunks).toString('utf8'));
      const text = `answered ${status}${said === '' ? '' : `: ${said}`}`;
      if (status >= 400 && status < 500 && !this.#isWaitedFor(status))
        return resolve({ kind: 'refused', text, isOfSamples: !OF_DESTINATION.includes(status) });
      const retryAfterMs = parseRetryAfter(response.headers['retry-after'], this.#clock.wall());
      return resolve({ kind: 'later', text: status < 400 ? `${text} (redirects are not followed)` : text, retryAfterMs });
    };
    response.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes <= ANSWER_BYTES_MAX) chunks.push(chunk);
      else {
        answer();
        response.destroy();
      }
    });
    response.once('end', answer);
    response.once('error', (error) => resolve(later(this.#shown(errorText(error)))));
  }

  #isWaitedFor(status: number): boolean {
    return status === TOO_MANY_REQUESTS || (this.#options.queue.retriesOn4xx && OF_DESTINATION.includes(status));
  }

  #shown(text: string): string {
    return this.#mask.over(text).replaceAll(/\s+/g, ' ').trim().slice(0, SHOWN_MAX);
  }
}

function later(text: string): Outcome {
  return { kind: 'later', text, retryAfterMs: undefined };
}

function authorization({ basicAuth, authorization: given }: RemoteWriteOptions): Record<string, string> {
  if (given !== undefined) return { authorization: `${given.type} ${given.credentials.reveal()}` };
  if (basicAuth === undefined) return {};
  return { authorization: `Basic ${Buffer.from(`${basicAuth.username}:${basicAuth.password.reveal()}`).toString('base64')}` };
}

function connectionOptions(tls: RemoteWriteTls | undefined): ConnectionOptions {
  if (tls === undefined) return {};
  return {
    rejectUnauthorized: tls.rejectUnauthorized,
    ...(tls.ca === undefined ? {} : { ca: tls.ca }),
    ...(tls.cert === undefined ? {} : { cert: tls.cert }),
    ...(tls.key === undefined ? {} : { key: tls.key.reveal() }),
    ...(tls.serverName === undefined ? {} : { servername: tls.serverName }),
  };
}

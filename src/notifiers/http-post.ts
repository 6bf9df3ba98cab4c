import { Agent as HttpAgent, request as httpRequest } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { BelfryError } from '../core/errors.ts';
import type { ClientRequest, IncomingHttpHeaders, IncomingMessage } from 'node:http';
import type { ConnectionOptions } from 'node:tls';
import type { Clock } from '../core/clock.ts';
import type { ClientTlsOptions } from './schema.ts';

const MAX_REDIRECTS = 3;
const MAX_SOCKETS = 10;

export interface HttpAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** The first bytes of the body, up to the limit; empty where the status alone was asked for. */
  readonly body: Buffer;
}

export interface HttpPostOptions {
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Buffer;
  /** Ends the attempt at once. */
  readonly signal: AbortSignal;
  /** For the whole attempt, from the connection to the answer's end. */
  readonly timeoutMs: number;
  /** True where a 2xx is all there is to know: the attempt then ends with the head of the answer. */
  readonly statusOnly?: boolean;
}

/**
 * Posts over HTTP with kept-alive connections. Every answer is an answer, whatever its status; what throws is
 * `DELIVERY_FAILED`, with no part of the address behind its host. Follows 307 and 308 on the same origin only, since
 * the body, and the credentials in its headers, are meant for nobody else.
 */
export class HttpPoster {
  readonly #clock: Clock;
  readonly #answerBytesMax: number;
  readonly #http: HttpAgent;
  readonly #https: HttpsAgent;
  readonly #tls: ConnectionOptions;
  #active = 0;
  #closed = false;

  constructor(options: { clock: Clock; tls: ClientTlsOptions; answerBytesMax?: number }) {
    const agent = { keepAlive: true, maxSockets: MAX_SOCKETS, maxFreeSockets: 2 };
    this.#clock = options.clock;
    this.#answerBytesMax = options.answerBytesMax ?? 65_536;
    this.#http = new HttpAgent(agent);
    this.#tls = {
      rejectUnauthorized: options.tls.rejectUnauthorized,
      ...(options.tls.ca === undefined ? {} : { ca: options.tls.ca }),
      ...(options.tls.serverName === undefined ? {} : { servername: options.tls.serverName }),
    };
    this.#https = new HttpsAgent({ ...agent, ...this.#tls });
  }

  async post(options: HttpPostOptions): Promise<HttpAnswer> {
    if (this.#closed) throw new BelfryError('DELIVERY_FAILED', 'the configuration was replaced');
    this.#active++;
    try {
      return await this.#follow(options);
    } finally {
      this.#active--;
      this.#release();
    }
  }

  async #follow(options: HttpPostOptions): Promise<HttpAnswer> {
    let { url } = options;
    const deadline = this.#clock.elapsed() + options.timeoutMs;
    for (let redirects = 0; ; redirects++) {
      const answer = await this.#attempt({ ...options, url, timeoutMs: Math.max(1, deadline - this.#clock.elapsed()) });
      const location = answer.headers.location;
      if ((answer.status !== 307 && answer.status !== 308) || location === undefined || !URL.canParse(location, url.href)) return answer;
      const next = new URL(location, url);
      if (next.origin !== url.origin || redirects === MAX_REDIRECTS) return answer;
      next.username = url.username;
      next.password = url.password;
      url = next;
    }
  }

  /** Takes no more posts; those in flight end first, so that a reload cuts none off half-told. */
  close(): void {
    this.#closed = true;
    this.#release();
  }

  #release(): void {
    if (!this.#closed || this.#active > 0) return;
    this.#http.destroy();
    this.#https.destroy();
  }

  /** A kept connection that the peer closed in the meantime says nothing about the peer: once more on a fresh one. */
  async #attempt(options: HttpPostOptions): Promise<HttpAnswer> {
    const first = await this.#once(options);
    if (first !== 'stale') return first;
    const second = await this.#once(options, { fresh: true });
    if (second !== 'stale') return second;
    throw new BelfryError('DELIVERY_FAILED', 'the connection was reset');
  }

  #once(options: HttpPostOptions, { fresh = false } = {}): Promise<HttpAnswer | 'stale'> {
    const { url, signal } = options;
    return new Promise((resolve, reject) => {
      if (signal.aborted) {
        reject(stopped());
        return;
      }
      const secure = url.protocol === 'https:';
      const agent = secure ? this.#https : this.#http;
      const request: ClientRequest = (secure ? httpsRequest : httpRequest)(url, {
        ...(secure ? this.#tls : {}),
        method: 'POST',
        agent: fresh ? false : agent,
        headers: { ...options.headers, 'content-length': String(Buffer.byteLength(options.body)) },
      });
      const onAbort = (): void => void request.destroy(stopped());
      const timer = this.#clock.timer(options.timeoutMs, () => {
        request.destroy(new BelfryError('DELIVERY_FAILED', `no whole answer within ${Math.round(options.timeoutMs)} ms`));
      });
      const release = (): void => {
        timer.cancel();
        signal.removeEventListener('abort', onAbort);
      };
      signal.addEventListener('abort', onAbort, { once: true });
      request.once('close', release);
      // The limit on the body and the timer also end what comes after the answer was taken.
      request.on('error', (error: NodeJS.ErrnoException) => {
        if (request.reusedSocket && (error.code === 'ECONNRESET' || error.code === 'EPIPE')) resolve('stale');
        else reject(error instanceof BelfryError ? error : new BelfryError('DELIVERY_FAILED', 'request failed', { cause: error }));
      });
      request.once('response', (response) => this.#take(request, response, options.statusOnly === true, resolve, reject));
      request.end(options.body);
    });
  }

  #take(
    request: ClientRequest,
    response: IncomingMessage,
    statusOnly: boolean,
    resolve: (answer: HttpAnswer) => void,
    reject: (error: Error) => void,
  ): void {
    const status = response.statusCode ?? 0;
    const chunks: Buffer[] = [];
    let size = 0;
    const answer = (): void =>
      resolve({ status, headers: response.headers, body: Buffer.concat(chunks).subarray(0, this.#answerBytesMax) });
    if (statusOnly && status >= 200 && status < 300) answer();
    response.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      size += chunk.length;
      if (size < this.#answerBytesMax) return;
      answer();
      request.destroy();
    });
    response.once('end', answer);
    response.once('error', (error) => reject(new BelfryError('DELIVERY_FAILED', 'the answer was cut off', { cause: error })));
  }
}

function stopped(): BelfryError {
  return new BelfryError('DELIVERY_FAILED', 'the attempt was stopped');
}

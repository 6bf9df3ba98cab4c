import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { ClientRequest, IncomingHttpHeaders, IncomingMessage } from 'node:http';
import type { z } from 'zod';
import type { Clock } from '../core/clock.ts';
import { BelfryError, errorText } from '../core/errors.ts';
import { shownUrl } from '../core/secret.ts';
import type { SecretReader } from './secret-reader.ts';

const MAX_ANSWER_BYTES = 8 * 1024 * 1024;

export interface JsonClientOptions {
  /** The address that every path is appended to. */
  readonly baseUrl: string;
  readonly clock: Clock;
  /** PEM of the authorities to trust instead of the machine's own; read for each request. */
  readonly ca?: SecretReader;
  /** The value of the header `authorization`; made for each request. */
  readonly authorization?: SecretReader;
}

export interface JsonRequest {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'PUT';
  /** Appended to the base address, with its query. */
  readonly path: string;
  /** Sent as it is, with `contentType`. */
  readonly body?: string;
  readonly contentType?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

export interface JsonAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** The parsed body; undefined where it is empty or no JSON. */
  readonly body: unknown;
  readonly text: string;
}

/**
 * One request at a time over a connection of its own: what an executor says is rare, and a kept connection that has died
 * unnoticed would cost it a heartbeat. Every status is an answer; no redirect is followed, since the credentials are
 * meant for nobody else. Rejects with `EXECUTOR_FAILED`, naming the host only.
 */
export class JsonClient {
  readonly #options: JsonClientOptions;
  readonly shownUrl: string;

  constructor(options: JsonClientOptions) {
    this.#options = options;
    this.shownUrl = shownUrl(options.baseUrl);
  }

  async request(request: JsonRequest): Promise<JsonAnswer> {
    const { baseUrl, ca, authorization } = this.#options;
    const url = new URL(baseUrl.replace(/\/+$/, '') + request.path);
    const headers: Record<string, string> = { accept: 'application/json', ...request.headers };
    if (authorization !== undefined) headers['authorization'] = authorization();
    if (request.body !== undefined) {
      headers['content-type'] = request.contentType ?? 'application/json';
      headers['content-length'] = String(Buffer.byteLength(request.body));
    }
    const secure = url.protocol === 'https:';
    const tls = secure && ca !== undefined ? { ca: ca() } : {};
    const {
      status,
      headers: answered,
      text,
    } = await this.#exchange(request, () => {
      return (secure ? httpsRequest : httpRequest)(url, { ...tls, method: request.method, agent: false, headers });
    });
    return { status, headers: answered, text, body: parsed(text) };
  }

  #exchange(request: JsonRequest, open: () => ClientRequest): Promise<{ status: number; headers: IncomingHttpHeaders; text: string }> {
    const { promise, resolve, reject } = Promise.withResolvers<{ status: number; headers: IncomingHttpHeaders; text: string }>();
    const fail = (error: unknown): void => reject(new BelfryError('EXECUTOR_FAILED', `${this.shownUrl}: ${errorText(error)}`));
    if (request.signal?.aborted === true) {
      fail(request.signal.reason);
      return promise;
    }
    const client = open();
    const onAbort = (): void => void client.destroy(new Error(errorText(request.signal?.reason)));
    const timer = this.#options.clock.timer(request.timeoutMs, () => {
      client.destroy(new Error(`no whole answer within ${Math.round(request.timeoutMs)} ms`));
    });
    request.signal?.addEventListener('abort', onAbort, { once: true });
    client.once('close', () => {
      timer.cancel();
      request.signal?.removeEventListener('abort', onAbort);
      fail(new Error('the connection was closed'));
    });
    client.on('error', fail);
    client.once('response', (response) => {
      take(response).then((text) => resolve({ status: response.statusCode ?? 0, headers: response.headers, text }), fail);
    });
    client.end(request.body);
    return promise;
  }
}

async function take(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_ANSWER_BYTES) throw new BelfryError('LIMIT_EXCEEDED', `an answer of more than ${MAX_ANSWER_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function parsed(text: string): unknown {
  if (text === '') return undefined;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    // Whoever needs JSON says so when it looks for its fields.
    return undefined;
  }
}

/** The body as the schema reads it. Throws `EXECUTOR_FAILED` where it is something else than `who` would say. */
export function readBody<T>({ body }: JsonAnswer, schema: z.ZodType<T>, who: string): T {
  const parsed = schema.safeParse(body);
  if (parsed.success) return parsed.data;
  throw new BelfryError('EXECUTOR_FAILED', `what answers is not ${who}, or another version of it`);
}

/** What an API said in its own words: `error` or `message` of a JSON body, else the first characters of the text. */
export function answerText({ body, text, status }: JsonAnswer): string {
  if (typeof body === 'object' && body !== null) {
    for (const key of ['error', 'message', 'errorMessage'] as const) {
      const said: unknown = Object.getOwnPropertyDescriptor(body, key)?.value;
      if (typeof said === 'string' && said !== '') return said.slice(0, 500);
    }
  }
  const start = text.replaceAll(/\s+/g, ' ').trim().slice(0, 200);
  return start === '' ? `HTTP status ${status}` : start;
}

import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import type { z } from 'zod';
import { BelfryError, errorText } from '../core/errors.ts';
import { isLoopback } from '../core/loopback.ts';
import type { CliContext } from './context.ts';

const REQUEST_TIMEOUT_MS = 30_000;
const MAX_ANSWER_BYTES = 256 * 1024 * 1024;

export interface ClientOptions {
  readonly url?: string;
  readonly data?: string;
}

/** Adds the options of every command that talks to the running process. */
export function withClientOptions(command: Command): Command {
  return command
    .option('--url <address>', 'where Belfry listens (BELFRY_URL)', undefined)
    .option('--data <folder>', 'its data folder, where the token is (or BELFRY_TOKEN)', undefined);
}

/** A body that is sent as JSON; a plain record is sent as a form. */
export class JsonBody {
  readonly text: string;

  constructor(value: object) {
    this.text = JSON.stringify(value);
  }
}

/** A body that is sent as it is. */
export class TextBody {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly contentType: string;

  constructor(bytes: Uint8Array, contentType: string) {
    this.bytes = new Uint8Array(bytes);
    this.contentType = contentType;
  }
}

type RequestBody = Readonly<Record<string, string>> | JsonBody | TextBody;

/** Talks to the running Belfry over HTTP. */
export class BelfryClient {
  readonly #url: string;
  readonly #token: string | undefined;
  readonly #signal: AbortSignal;

  constructor(options: ClientOptions, context: CliContext) {
    this.#url = addressOf(options.url ?? context.environment.url ?? 'http://127.0.0.1:9559');
    // The token of this machine's Belfry is told to no other, unless its folder was named.
    const local = options.data !== undefined || isLoopback(new URL(this.#url).hostname.replace(/^\[(.*)\]$/, '$1'));
    const folder = resolve(context.workingFolder, options.data ?? 'data');
    this.#token = context.environment.token ?? (local ? tokenIn(folder) : undefined);
    this.#signal = context.signal;
  }

  /** The answer's JSON; undefined where it has no body. Throws what the server said, in one sentence. */
  async request(method: 'GET' | 'POST' | 'DELETE', path: string, body?: RequestBody): Promise<unknown> {
    const { ok, status, text } = await this.probe(method, path, body);
    if (!ok) throw new BelfryError('BAD_REQUEST', sentenceOf(text, status));
    return text === '' ? undefined : parseJson(text, this.#url);
  }

  /** The answer as it is, whatever its status. Throws NOT_READY where there is none. */
  async probe(
    method: 'GET' | 'POST' | 'DELETE',
    path: string,
    body?: RequestBody,
  ): Promise<{ readonly ok: boolean; readonly status: number; readonly text: string }> {
    const response = await this.#send(method, path, body, AbortSignal.any([this.#signal, AbortSignal.timeout(REQUEST_TIMEOUT_MS)]));
    return { ok: response.ok, status: response.status, text: await this.#heard(textOf(response)) };
  }

  #send(method: 'GET' | 'POST' | 'DELETE', path: string, body: RequestBody | undefined, signal: AbortSignal): Promise<Response> {
    const isJson = body instanceof JsonBody;
    return this.#heard(
      fetch(this.#url + path, {
        method,
        headers: {
          ...(this.#token === undefined ? {} : { authorization: `Bearer ${this.#token}` }),
          ...(isJson ? { 'content-type': 'application/json' } : {}),
          ...(body instanceof TextBody ? { 'content-type': body.contentType } : {}),
        },
        signal,
        redirect: 'error',
        ...(body === undefined ? {} : { body: bodyOf(body) }),
      }),
    );
  }

  /** Says where there is no Belfry. */
  async #heard<Answer>(answer: Promise<Answer>): Promise<Answer> {
    try {
      return await answer;
    } catch (error) {
      if (error instanceof BelfryError) throw error;
      throw new BelfryError(
        'NOT_READY',
        `no answer from Belfry at ${this.#url} (${errorText(error)}); is it running? Say where with --url or BELFRY_URL`,
        { cause: error },
      );
    }
  }

  /** The lines of an answer that goes on for long, as they come. Throws what the server said where it refused. */
  async *lines(method: 'POST', path: string, body: JsonBody): AsyncGenerator<string, void> {
    const response = await this.#send(method, path, body, this.#signal);
    if (!response.ok) throw new BelfryError('BAD_REQUEST', sentenceOf(await textOf(response), response.status));
    const decoder = new TextDecoder();
    let rest = '';
    for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
      const pieces = (rest + decoder.decode(chunk, { stream: true })).split('\n');
      rest = pieces.pop() ?? '';
      if (rest.length > MAX_ANSWER_BYTES) throw new BelfryError('LIMIT_EXCEEDED', `a line of more than ${MAX_ANSWER_BYTES} characters`);
      yield* pieces;
    }
  }

  /** An answer that goes on for long, as it comes. Throws what the server said where it refused. */
  async *pieces(path: string): AsyncGenerator<Uint8Array, void> {
    const response = await this.#send('GET', path, undefined, this.#signal);
    if (!response.ok) throw new BelfryError('BAD_REQUEST', sentenceOf(await textOf(response), response.status));
    yield* (response.body ?? []) as AsyncIterable<Uint8Array>;
  }

  /** A request whose answer is checked: an answer of another shape is not Belfry's. */
  async ask<Schema extends z.ZodType>(schema: Schema, method: 'GET' | 'POST', path: string, body?: RequestBody): Promise<z.output<Schema>> {
    const parsed = schema.safeParse(await this.request(method, path, body));
    if (parsed.success) return parsed.data;
    throw new BelfryError('BAD_REQUEST', `what answers at ${this.#url} is not Belfry, or another version of it`);
  }
}

function bodyOf(body: RequestBody): string | URLSearchParams | Uint8Array<ArrayBuffer> {
  if (body instanceof JsonBody) return body.text;
  return body instanceof TextBody ? body.bytes : new URLSearchParams(body);
}

async function textOf({ body }: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of (body ?? []) as AsyncIterable<Uint8Array>) {
    size += chunk.length;
    if (size > MAX_ANSWER_BYTES) throw new BelfryError('LIMIT_EXCEEDED', `an answer of more than ${MAX_ANSWER_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function addressOf(text: string): string {
  const address = /^https?:\/\//i.test(text) ? text : `http://${text}`;
  if (!URL.canParse(address))
    throw new BelfryError('BAD_REQUEST', `not an address: ${JSON.stringify(text)} (such as http://127.0.0.1:9559)`);
  return address.replace(/\/+$/, '');
}

function parseJson(text: string, url: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw new BelfryError('BAD_REQUEST', `what answers at ${url} is not Belfry: no JSON`, { cause: error });
  }
}

function tokenIn(folder: string): string | undefined {
  try {
    return readFileSync(join(folder, 'token'), 'utf8').trim();
  } catch {
    // Reading needs no token on loopback; where one is needed the server says so.
    return undefined;
  }
}

function sentenceOf(text: string, status: number): string {
  try {
    const body = JSON.parse(text) as unknown;
    // Prometheus's API, go-openapi's envelope of Alertmanager's, and the bare sentence of its handlers.
    if (typeof body === 'string' && body !== '') return body;
    if (typeof body === 'object' && body !== null && 'error' in body && typeof body.error === 'string') return body.error;
    if (typeof body === 'object' && body !== null && 'message' in body && typeof body.message === 'string') return body.message;
  } catch {
    // Not JSON: the text itself is the sentence.
  }
  return text.trim() === '' ? `HTTP status ${status}` : text.trim();
}

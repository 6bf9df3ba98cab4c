import { type IncomingMessage, request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { Clock } from '../core/clock.ts';
import { errorText } from '../core/errors.ts';

/** Nobody who is asked here has more to say; the rest is not read. */
const BODY_BYTES_MAX = 16 * 1024;

/** Why there was no answer; low in cardinality, for labels. */
export type NoAnswer = 'refused' | 'timeout' | 'dns' | 'tls' | 'connection';

export type Answer =
  | { readonly kind: 'answer'; readonly status: number; readonly body: string }
  /** `text` holds no part of the address behind its host. */
  | { readonly kind: 'none'; readonly reason: NoAnswer; readonly text: string };

export interface GetOptions {
  readonly url: string;
  /** PEM text of the authority to trust instead of the system's. */
  readonly ca?: string | undefined;
  /** For the whole of it, from the connection to the answer's end. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  readonly clock: Clock;
}

/**
 * One GET on a connection of its own, so that each call proves the whole way anew. Every status is an answer, and no
 * redirect is followed; of the body the first 16 KiB are read. Never rejects.
 */
export async function getOnce(options: GetOptions): Promise<Answer> {
  try {
    return await get(options);
  } catch (error) {
    // What Node refuses before it connects, such as a `ca` that is none.
    return { kind: 'none', reason: reasonOf(error), text: errorText(error) };
  }
}

function get({ url, ca, timeoutMs, signal, clock }: GetOptions): Promise<Answer> {
  return new Promise((resolve) => {
    const target = new URL(url);
    const send = target.protocol === 'https:' ? httpsRequest : httpRequest;
    const headers = { 'user-agent': 'Belfry', accept: '*/*' };
    const request = send(target, { method: 'GET', agent: false, headers, signal, ...(ca === undefined ? {} : { ca }) });
    let isLate = false;
    const timer = clock.timer(timeoutMs, () => {
      isLate = true;
      request.destroy();
    });
    const settle = (answer: Answer): void => {
      timer.cancel();
      resolve(answer);
      request.destroy();
    };
    const fail = (error: unknown): void =>
      settle(
        isLate
          ? { kind: 'none', reason: 'timeout', text: `no whole answer within ${timeoutMs} ms` }
          : { kind: 'none', reason: reasonOf(error), text: errorText(error) },
      );
    request.on('error', fail);
    // Destroyed without an error, as by the timer after the head of the answer has come.
    request.once('close', () => fail(new Error('the connection was closed')));
    request.once('response', (response) =>
      readBody(response, (body) => settle({ kind: 'answer', status: response.statusCode ?? 0, body })),
    );
    request.end();
  });
}

function readBody(response: IncomingMessage, done: (body: string) => void): void {
  const chunks: Buffer[] = [];
  let bytes = 0;
  response.on('data', (chunk: Buffer) => {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes >= BODY_BYTES_MAX) done(text());
  });
  response.once('end', () => done(text()));
  const text = (): string => Buffer.concat(chunks).subarray(0, BODY_BYTES_MAX).toString('utf8');
}

function reasonOf(error: unknown): NoAnswer {
  const code = typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : '';
  if (code === 'ECONNREFUSED') return 'refused';
  if (code === 'ETIMEDOUT') return 'timeout';
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return 'dns';
  return /CERT|TLS|SSL|SIGNATURE|EPROTO/.test(code) ? 'tls' : 'connection';
}

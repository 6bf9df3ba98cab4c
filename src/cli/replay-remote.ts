import { z } from 'zod';
import type { ReplayProgress } from '../app/replay-run.ts';
import type { ReplayAnswer } from '../app/replay-spec.ts';
import { BelfryError } from '../core/errors.ts';
import { BelfryClient, JsonBody } from './client.ts';
import type { CliContext } from './context.ts';

const line = z.discriminatedUnion('type', [
  z.object({ type: z.literal('started'), id: z.string() }),
  z.object({ type: z.literal('progress'), start: z.number(), end: z.number(), at: z.number(), firings: z.number() }),
  z.object({ type: z.literal('error'), error: z.string() }),
  z.object({ type: z.literal('result'), answer: z.looseObject({ result: z.looseObject({ partial: z.boolean() }) }) }),
]);

/** A replay on a Belfry elsewhere. An interruption is passed on, and what was found so far is waited for. */
export async function remoteReplay(
  body: object,
  url: string,
  context: CliContext,
  onProgress: (progress: ReplayProgress) => void,
): Promise<ReplayAnswer> {
  const going = new AbortController();
  // The command's own signal asks for the end; what is on its way is still to come.
  const client = new BelfryClient({ url }, { ...context, signal: going.signal });
  let stopping: Promise<unknown> | undefined;
  for await (const text of client.lines('POST', '/api/belfry/v1/replay', new JsonBody(body))) {
    const said = line.safeParse(parsed(text));
    if (!said.success) throw new BelfryError('BAD_REQUEST', `what answers at ${url} is not Belfry, or another version of it`);
    const { data } = said;
    if (data.type === 'error') throw new BelfryError('BAD_REQUEST', data.error);
    // It is Belfry's own JSON, made from this very type.
    if (data.type === 'result') return data.answer as unknown as ReplayAnswer;
    if (data.type === 'started') {
      const stop = (): void => {
        stopping ??= client.request('DELETE', `/api/belfry/v1/replay/${encodeURIComponent(data.id)}`).catch(() => going.abort());
      };
      if (context.signal.aborted) stop();
      else context.signal.addEventListener('abort', stop, { once: true });
    } else onProgress({ startTs: data.start * 1000, endTs: data.end * 1000, atTs: data.at * 1000, firings: data.firings });
  }
  throw new BelfryError('BAD_REQUEST', `${url} ended its answer before the result`);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    // Shown as what it is: no line of Belfry's.
    return undefined;
  }
}

import { Readable } from 'node:stream';
import { z } from 'zod';
import { BelfryError } from '../../core/errors.ts';
import { parseDuration } from '../../core/duration.ts';
import { parseRfc3339 } from '../../core/rfc3339.ts';
import type { ReplayRequest } from '../replay-ports.ts';
import type { RouteContext } from '../server.ts';
import { parsed } from './parsed.ts';

const FILES_MAX = 100;
/** Read in one piece: what is larger is no rule file, and would hold the event loop. */
const BODY_MAX_BYTES = 2 * 1024 * 1024;
const TIME_SECONDS_MAX = 8.64e12;

const time = z.union([
  z.number().min(-TIME_SECONDS_MAX).max(TIME_SECONDS_MAX),
  z.string().transform((text, context) => {
    const ts = parseRfc3339(text);
    if (ts !== undefined) return ts / 1000;
    context.addIssue({ code: 'custom', message: 'expected Unix seconds or RFC 3339' });
    return z.NEVER;
  }),
]);

/** Seconds, or a text such as `7d`. */
function duration(leastSeconds: number) {
  const seconds = z.union([
    z.number(),
    z.string().transform((text, context) => {
      try {
        return parseDuration(text) / 1000;
      } catch (error) {
        context.addIssue({ code: 'custom', message: error instanceof BelfryError ? error.message : 'expected a duration such as 7d' });
        return z.NEVER;
      }
    }),
  ]);
  return seconds.refine((value) => value >= leastSeconds && value <= TIME_SECONDS_MAX, `must be at least ${leastSeconds} s`).optional();
}

const rules = z.union([
  z.literal('current'),
  z
    .array(z.strictObject({ name: z.string().min(1).max(1000), text: z.string() }))
    .min(1)
    .max(FILES_MAX),
  // One file's text, for those who write the request by hand.
  z.string().transform((text) => [{ name: 'rules.yaml', text }]),
]);

const body = z.strictObject({
  rules,
  compare: rules.optional(),
  start: time.optional(),
  end: time.optional(),
  since: duration(0.001),
  step: duration(1),
  warmup: duration(0),
  alert: z.string().min(1).optional(),
  cluster: z.string().min(1).optional(),
});

/** `POST /api/belfry/v1/replay`: rules over the stored history, told as lines of JSON while it goes on. */
export function replayRoutes({ server, access, ports: { replay } }: RouteContext): void {
  server.post('/api/belfry/v1/replay', { bodyLimit: BODY_MAX_BYTES }, async (request, reply) => {
    // It changes nothing, but takes a processor for minutes.
    access.require('operate', request.headers);
    const stream = await replay.start(requestOf(request.body));
    // Whoever goes away ends it.
    reply.raw.once('close', () => stream.end());
    if (request.socket.destroyed) stream.end();
    return reply.type('application/x-ndjson').send(Readable.from(stream.lines, { objectMode: false }));
  });

  server.delete('/api/belfry/v1/replay/:id', async (request, reply) => {
    access.require('operate', request.headers);
    replay.stop(parsed(z.object({ id: z.string() }), request.params).id);
    return reply.status(204).send();
  });
}

function requestOf(value: unknown): ReplayRequest {
  const { rules: wanted, start, end, since, step, warmup, compare, alert, cluster } = parsed(body, value);
  return {
    rules: wanted,
    ...(compare === undefined ? {} : { compare }),
    ...(start === undefined ? {} : { startTs: Math.round(start * 1000) }),
    ...(end === undefined ? {} : { endTs: Math.round(end * 1000) }),
    ...(since === undefined ? {} : { sinceMs: Math.round(since * 1000) }),
    ...(step === undefined ? {} : { stepMs: Math.round(step * 1000) }),
    ...(warmup === undefined ? {} : { warmupMs: Math.round(warmup * 1000) }),
    ...(alert === undefined ? {} : { alert }),
    ...(cluster === undefined ? {} : { cluster }),
  };
}

import { yieldToLoop } from '../../core/clock.ts';
import { BelfryError, errorText } from '../../core/errors.ts';
import { LIMITS } from '../../core/limits.ts';
import { readWriteRequest, type WrittenSeries } from '../../formats/remote-write.ts';
import { decompressSnappy } from '../../formats/snappy.ts';
import type { RemoteWritePort } from '../prometheus-ports.ts';
import type { RouteContext } from '../server.ts';

const PLAIN_TEXT = 'text/plain; charset=utf-8';

/** When a sender is to try again what could not be written to the disk. */
const RETRY_AFTER_SECONDS = 5;

/** Between as many series everything else gets its turn. */
const SERIES_PER_TURN = 500;

/**
 * `POST /api/v1/write`: Prometheus remote write 1.0. What can be kept is kept, and is on disk when it is answered; 400 says what
 * was refused, and a sender does not send it again (remote write specification, "Retries and backoff"); 503, and it does.
 */
export function remoteWriteRoutes({ server, access, ports }: RouteContext): void {
  void server.register(async (scope) => {
    // For this route alone: nobody else takes a body of bytes. What names no type comes here, too; other types have been refused.
    scope.addContentTypeParser(['application/x-protobuf', '*'], { parseAs: 'buffer' }, (_, body, done) => done(null, body));
    scope.post('/api/v1/write', {
      // Before the body is read: without a token nobody makes Belfry take one in.
      onRequest: async ({ headers }) => {
        access.require('write', headers);
        refuseOtherProtocols(headers['content-type'], headers['content-encoding']);
      },
      handler: async (request, reply) => {
        const refused = await keep(request.body, ports.remoteWrite);
        // Those who wait for the disk hold only their answer.
        request.body = undefined;
        try {
          await ports.remoteWrite.committed();
        } catch (error) {
          if (!(error instanceof BelfryError) || error.code !== 'STATE_NOT_DURABLE') throw error;
          return reply
            .status(503)
            .header('retry-after', RETRY_AFTER_SECONDS)
            .type(PLAIN_TEXT)
            .send(`${errorText(error)}\n`);
        }
        if (refused === '') return reply.status(204).send();
        return reply.status(400).type(PLAIN_TEXT).send(refused);
      },
    });
  });
}

/** Keeps what can be kept; what was refused, a line a reason. */
async function keep(body: unknown, remoteWrite: RemoteWritePort): Promise<string> {
  const series = await readAll(decompressSnappy(body instanceof Uint8Array ? body : new Uint8Array(0), LIMITS.remoteWriteBytes));
  const refused = new Map<string, { count: number; first: string }>();
  for (const [i, one] of series.entries()) {
    if (i % SERIES_PER_TURN === SERIES_PER_TURN - 1) await yieldToLoop();
    for (const { why, count, what } of remoteWrite.write(one)) {
      const before = refused.get(why);
      refused.set(why, { count: count + (before?.count ?? 0), first: before?.first ?? what });
    }
  }
  return Array.from(refused, ([why, { count, first }]) => `${why}: ${count} of the samples, first ${first}\n`).join('');
}

/** The whole request is understood before anything of it is kept. */
async function readAll(message: Uint8Array): Promise<readonly WrittenSeries[]> {
  const series: WrittenSeries[] = [];
  for (const one of readWriteRequest(message)) {
    if (series.push(one) % SERIES_PER_TURN === 0) await yieldToLoop();
  }
  return series;
}

/** Throws as 415, which tells a sender of another version to fall back to 1.0. */
function refuseOtherProtocols(type = '', encoding = 'snappy'): void {
  const [, proto = 'prometheus.WriteRequest'] = /;\s*proto\s*=\s*"?([^;"\s]+)/i.exec(type) ?? [];
  const isProtobuf = type === '' || /^application\/x-protobuf\b/i.test(type);
  if (isProtobuf && encoding.toLowerCase() === 'snappy' && proto === 'prometheus.WriteRequest') return;
  throw Object.assign(new Error(`only remote write 1.0 is taken, compressed by snappy, not ${JSON.stringify(`${type}, ${encoding}`)}`), {
    statusCode: 415,
  });
}

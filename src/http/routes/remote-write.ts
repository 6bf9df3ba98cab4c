import { yieldToLoop } from '../../core/clock.ts';
import { LIMITS } from '../../core/limits.ts';
import { readWriteRequest, type WrittenSeries } from '../../formats/remote-write.ts';
import { decompressSnappy } from '../../formats/snappy.ts';
import type { RouteContext } from '../server.ts';

/** Between as many series everything else gets its turn. */
const SERIES_PER_TURN = 500;

/**
 * `POST /api/v1/write`: Prometheus remote write 1.0. What can be kept is kept; 400 says what was refused, and a sender
 * does not send it again (remote write specification, "Retries and backoff").
 */
export function remoteWriteRoutes({ server, access, ports }: RouteContext): void {
  void server.register(async (scope) => {
    // For this route alone: nobody else takes a body of bytes.
    scope.addContentTypeParser('application/x-protobuf', { parseAs: 'buffer' }, (_, body, done) => done(null, body));
    scope.post('/api/v1/write', {
      // Before the body is read: without a token nobody makes Belfry take one in.
      onRequest: async ({ headers }) => {
        access.require('write', headers);
        refuseOtherProtocols(headers['content-type'], headers['content-encoding']);
      },
      handler: async ({ body }, reply) => {
        const block = body instanceof Uint8Array ? body : new Uint8Array(0);
        const message = decompressSnappy(block, LIMITS.remoteWriteBytes);
        const series = await readAll(message);
        const refused = new Map<string, { count: number; first: string }>();
        for (const [i, one] of series.entries()) {
          if (i % SERIES_PER_TURN === SERIES_PER_TURN - 1) await yieldToLoop();
          for (const { why, count, what } of ports.remoteWrite.write(one)) {
            const before = refused.get(why);
            refused.set(why, { count: count + (before?.count ?? 0), first: before?.first ?? what });
          }
        }
        if (refused.size === 0) return reply.status(204).send();
        const lines = Array.from(refused, ([why, { count, first }]) => `${why}: ${count} of the samples, first ${first}\n`);
        return reply.status(400).type('text/plain; charset=utf-8').send(lines.join(''));
      },
    });
  });
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

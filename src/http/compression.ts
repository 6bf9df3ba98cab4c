import { pipeline, Readable } from 'node:stream';
import { promisify } from 'node:util';
import { constants, createGzip, gzip } from 'node:zlib';
import type { FastifyInstance } from 'fastify';

/** Smaller answers are sent in one packet as they are. */
const LEAST_BYTES = 1024;
/** The text of answers repeats itself so much that more effort gains little. */
const OPTIONS = { level: constants.Z_BEST_SPEED };

const compress = promisify(gzip);

/** Has answers in JSON compressed where whoever asks takes that; in threads of their own, a long one as it is written. */
export function compressAnswers(server: FastifyInstance): void {
  server.addHook('onSend', async (request, reply, payload) => {
    const type = String(reply.getHeader('content-type') ?? '');
    if (request.method === 'HEAD' || reply.hasHeader('content-encoding') || !/^application\/json\b/.test(type)) return payload;
    if (!takesGzip(request.headers['accept-encoding'])) return payload;
    const small = typeof payload === 'string' ? payload.length < LEAST_BYTES : !(payload instanceof Readable);
    if (small) return payload;
    reply.header('content-encoding', 'gzip').header('vary', 'Accept-Encoding').removeHeader('content-length');
    if (typeof payload === 'string') return compress(payload, OPTIONS);
    const compressed = createGzip(OPTIONS);
    // An error of either ends both, and the answer with them; whoever reads it learns so from the connection.
    return payload instanceof Readable ? pipeline(payload, compressed, () => undefined) : payload;
  });
}

/** Whether `Accept-Encoding` names gzip and does not refuse it. */
function takesGzip(header: string | string[] | undefined): boolean {
  return String(header ?? '')
    .split(',')
    .some((one) => /^\s*(?:x-)?gzip\s*(?:;\s*q=(?!0(?:\.0*)?\s*$)[\d.]+\s*)?$/i.test(one));
}

import { pipeline, Readable } from 'node:stream';
import { promisify } from 'node:util';
import { constants, createGzip, gzip } from 'node:zlib';
import type { FastifyInstance, FastifyReply } from 'fastify';

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
    if (typeof payload === 'string') {
      if (payload.length < LEAST_BYTES) return payload;
      markCompressed(reply);
      return compress(payload, OPTIONS);
    }
    if (!(payload instanceof Readable)) return payload;
    markCompressed(reply);
    // An error of either ends both, and the answer with them; whoever reads it learns so from the connection.
    return pipeline(payload, createGzip(OPTIONS), () => undefined);
  });
}

function markCompressed(reply: FastifyReply): void {
  reply.header('content-encoding', 'gzip').header('vary', 'Accept-Encoding').removeHeader('content-length');
}

/** Whether `Accept-Encoding` names gzip and does not refuse it. */
function takesGzip(header: string | string[] | undefined): boolean {
  return String(header ?? '')
    .split(',')
    .some((one) => /^\s*(?:x-)?gzip\s*(?:;\s*q=(?!0(?:\.0*)?\s*$)[\d.]+\s*)?$/i.test(one));
}

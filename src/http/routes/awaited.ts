import type { FastifyRequest } from 'fastify';

/** Runs until its result is there or whoever asked has gone; `gone` is aborted then, and may be at other ends too. */
export async function whileAwaited<T>(
  { raw }: FastifyRequest,
  run: (signal: AbortSignal) => Promise<T>,
  gone = new AbortController(),
): Promise<T> {
  const end = (): void => gone.abort();
  raw.socket.once('close', end);
  // One that is closed already does not say so again.
  if (raw.socket.destroyed) end();
  try {
    return await run(gone.signal);
  } finally {
    raw.socket.off('close', end);
  }
}

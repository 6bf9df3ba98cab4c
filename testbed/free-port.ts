import { randomInt } from 'node:crypto';
import net from 'node:net';
import { tryHostLock } from './host-lock.ts';
import type { HostLock } from './host-lock.ts';

/** A port of 127.0.0.1 which no other testbed of this host is given until it is released. */
export interface ReservedPort {
  readonly port: number;
  release(): Promise<void>;
}

/**
 * Below the kernel's ephemeral range (32768 and up): a port of a broker that was killed must still be free when the
 * broker comes back, so no outgoing connection may be given it as its source port in the meantime.
 */
const FIRST_PORT = 20_000;
const LAST_PORT = 32_000;

/** Reserves a free port of 127.0.0.1. It is not listened on: the caller does that, as often as it likes. */
export async function reservePort(): Promise<ReservedPort> {
  for (let attempt = 0; attempt < 200; attempt += 1) {
    const port = randomInt(FIRST_PORT, LAST_PORT);
    const lock: HostLock | undefined = await tryHostLock(`port-${port}`);
    if (lock === undefined) continue;
    if (await isFree(port)) return { port, release: () => lock.release() };
    await lock.release();
  }
  throw new Error(`testbed: no free port between ${FIRST_PORT} and ${LAST_PORT}`);
}

function isFree(port: number): Promise<boolean> {
  const server = net.createServer();
  return new Promise((resolve) => {
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}

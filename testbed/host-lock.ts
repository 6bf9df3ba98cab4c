import net from 'node:net';

/**
 * A lock that all processes of this host see and that the kernel releases when its holder dies, SIGKILL included:
 * an abstract unix socket (Linux) bound to the lock's name. No stale lock files, hence no guessing about them.
 */
export interface HostLock extends AsyncDisposable {
  release(): Promise<void>;
}

/** Takes the lock `name`, or answers `undefined` when another process (or this one) holds it. */
export async function tryHostLock(name: string): Promise<HostLock | undefined> {
  const server = net.createServer((socket) => socket.destroy());
  const taken = await new Promise<boolean>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => (error.code === 'EADDRINUSE' ? resolve(false) : reject(error)));
    server.listen(`\0belfry-testbed/${name}`, () => resolve(true));
  });
  if (!taken) return undefined;
  server.unref();
  const release = (): Promise<void> => new Promise((resolve) => server.close(() => resolve()));
  return { release, [Symbol.asyncDispose]: release };
}

/** Waits up to `timeoutMs` for the lock `name`; `onWait` is called once when somebody else holds it. */
export async function hostLock(name: string, timeoutMs: number, onWait?: () => void): Promise<HostLock> {
  const deadline = performance.now() + timeoutMs;
  for (let first = true; ; first = false) {
    const lock = await tryHostLock(name);
    if (lock !== undefined) return lock;
    if (first) onWait?.();
    if (performance.now() > deadline) throw new Error(`testbed: the lock ${name} was not free within ${timeoutMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

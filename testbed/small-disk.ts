import { spawn, spawnSync } from 'node:child_process';
import type { ChildProcess, SpawnSyncReturns } from 'node:child_process';
import { mkdir, readdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { MissingToolError } from './kafka-dist.ts';

/** Why there can be no small disk on this machine, in one line; undefined where there can. */
export function missingSmallDisk(): string | undefined {
  const { status, stderr } = spawnSync('unshare', ['-rm', 'sh', '-c', 'mount -t tmpfs -o size=1m tmpfs /mnt'], { encoding: 'utf8' });
  return status === 0
    ? undefined
    : `testbed: a small disk needs unshare -rm (util-linux, user namespaces): ${(stderr ?? 'not found').trim()}`;
}

/**
 * A tmpfs of a given size in a mount namespace of its own, made with the rights of an ordinary user (`unshare -rm`): it can
 * be filled without touching any file system of the machine. A sleeping process holds the namespace, so that a broker
 * finds its data again after a restart; the kernel removes both with this process.
 */
export class SmallDisk {
  readonly pid: number;
  /** The mount seen from outside the namespace. */
  readonly outsidePath: string;
  readonly #holder: ChildProcess;

  private constructor(holder: ChildProcess, pid: number, mountPoint: string) {
    this.#holder = holder;
    this.pid = pid;
    this.outsidePath = path.join('/proc', String(pid), 'root', mountPoint);
  }

  /** Mounts `sizeBytes` at `mountPoint`; throws where the machine does not permit user namespaces. */
  static async mount(mountPoint: string, sizeBytes: number, owner: string): Promise<SmallDisk> {
    await mkdir(mountPoint, { recursive: true });
    const script = 'mount -t tmpfs -o size="$1" tmpfs "$2" && echo mounted && exec sleep infinity';
    const holder = spawn('unshare', ['-rm', 'setpriv', '--pdeathsig', 'KILL', 'sh', '-c', script, 'sh', String(sizeBytes), mountPoint], {
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    let errors = '';
    holder.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text));
    const mounted = await new Promise<boolean>((resolve) => {
      holder.stdout.once('data', () => resolve(true));
      holder.once('error', (error) => {
        errors += error.message;
        resolve(false);
      });
      holder.once('exit', () => resolve(false));
    });
    if (!mounted || holder.pid === undefined) {
      throw new MissingToolError(`testbed: no small disk for ${owner}: unshare -rm is not permitted here: ${errors.trim()}`);
    }
    return new SmallDisk(holder, holder.pid, mountPoint);
  }

  /** Runs a program where it is mounted, with the rights of who may mount there. */
  run(command: readonly string[]): SpawnSyncReturns<string> {
    return spawnSync('nsenter', ['--preserve-credentials', '-U', '-m', '-t', String(this.pid), ...command], { encoding: 'utf8' });
  }

  async clear(): Promise<void> {
    for (const name of await readdir(this.outsidePath)) await rm(path.join(this.outsidePath, name), { recursive: true, force: true });
  }

  async unmount(): Promise<void> {
    if (this.#holder.exitCode !== null || this.#holder.signalCode !== null) return;
    const exited = new Promise((resolve) => this.#holder.once('exit', resolve));
    this.#holder.kill('SIGKILL');
    await exited;
  }
}

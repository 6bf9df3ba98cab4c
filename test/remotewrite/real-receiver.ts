import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { reservePort, type ReservedPort } from '../../testbed/free-port.ts';

export const missingPrometheus =
  spawnSync('prometheus', ['--version']).status === 0 ? undefined : 'prometheus (Debian package prometheus) is not installed';

/** A real Prometheus that takes remote write, and comes back on its data after it was killed. */
export class RealReceiver {
  readonly #folder = mkdtempSync(join(tmpdir(), 'belfry-prometheus-'));
  #port: ReservedPort | undefined;
  #process: ChildProcess | undefined;

  /** Where its blocks are; they may be there before it starts, of whatever age. */
  get data(): string {
    return join(this.#folder, 'data');
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port?.port}`;
  }

  async start(): Promise<void> {
    this.#port ??= await reservePort();
    writeFileSync(join(this.#folder, 'prometheus.yml'), '{}\n');
    this.#process = spawn(
      'prometheus',
      [
        `--config.file=${join(this.#folder, 'prometheus.yml')}`,
        `--storage.tsdb.path=${this.data}`,
        '--storage.tsdb.retention.time=100y',
        `--web.listen-address=127.0.0.1:${this.#port.port}`,
        '--web.enable-remote-write-receiver',
        '--log.level=error',
      ],
      { stdio: 'ignore' },
    );
    for (;;) {
      const isReady = await fetch(`${this.url}/-/ready`).then(
        ({ ok }) => ok,
        () => false,
      );
      if (isReady) return;
      if (this.#process.exitCode !== null) throw new Error('prometheus has ended');
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  async kill(): Promise<void> {
    if (this.#process === undefined || this.#process.exitCode !== null) return;
    const ended = once(this.#process, 'exit');
    this.#process.kill('SIGKILL');
    await ended;
  }

  async stop(): Promise<void> {
    await this.kill();
    await this.#port?.release();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

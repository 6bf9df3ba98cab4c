import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { spawnGuarded, type GuardedProcess } from '../testbed/guarded-process.ts';

const READY_TIMEOUT_MS = 30_000;
const POLL_MS = 200;

/** `2.42.0`, as `prometheus` or `promtool` calls itself; undefined where it is not installed. */
export function versionOf(command: string): string | undefined {
  return /version (\S+)/.exec(spawnSync(command, ['--version'], { encoding: 'utf8' }).stdout ?? '')?.[1];
}

export interface RunningPrometheus {
  readonly url: string;
  readonly process: GuardedProcess;
}

/** Starts a Prometheus with its data and its `configuration` in `dir`; whoever starts it ends it. Rejects, having ended it, where it does not become ready. */
export async function startPrometheus(options: {
  readonly dir: string;
  readonly port: number;
  /** YAML. */
  readonly configuration: string;
  readonly args?: readonly string[];
}): Promise<RunningPrometheus> {
  const file = (name: string): string => join(options.dir, name);
  writeFileSync(file('prometheus.yml'), options.configuration);
  const url = `http://127.0.0.1:${options.port}`;
  const running = spawnGuarded({
    command: 'prometheus',
    args: [
      `--config.file=${file('prometheus.yml')}`,
      `--storage.tsdb.path=${file('data')}`,
      `--web.listen-address=127.0.0.1:${options.port}`,
      '--log.level=warn',
      ...(options.args ?? []),
    ],
    logPath: file('prometheus.log'),
  });
  try {
    await untilReady(url, file('prometheus.log'));
    return { url, process: running };
  } catch (error) {
    running.kill('SIGKILL');
    await running.exited;
    throw error;
  }
}

async function untilReady(url: string, log: string): Promise<void> {
  const deadline = performance.now() + READY_TIMEOUT_MS;
  for (;;) {
    try {
      if ((await fetch(`${url}/-/ready`)).ok) return;
    } catch {
      // Its port is not open yet.
    }
    if (performance.now() > deadline) throw new Error(`Prometheus does not become ready: ${readFileSync(log, 'utf8').slice(-500)}`);
    await sleep(POLL_MS);
  }
}

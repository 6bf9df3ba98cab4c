import { join } from 'node:path';
import { createQueryPort } from '../../src/app/query-port.ts';
import { SystemClock, yieldToLoop } from '../../src/core/clock.ts';
import { silentLogger } from '../../src/core/log.ts';
import { silentMeter } from '../../src/core/meter.ts';
import { startHttpServer } from '../../src/http/server.ts';
import { prepare } from '../../src/promql/prepare.ts';
import { openSampleStore, type SampleStore } from '../../src/store/sample-store.ts';
import { serverWith } from '../../test/http/harness.ts';
import { dataOf, INTERVAL_MS, queriesOf } from './data.ts';

/** What the process is asked to do, as its only argument in JSON. */
export interface StageConfig {
  readonly instances: number;
  readonly rows: number;
  /** Of the first row. */
  readonly startTs: number;
  /** Where queries end, and how many steps of `stepMs` before it they begin. */
  readonly endTs: number;
  readonly steps: number;
  readonly stepMs: number;
  readonly repeats: number;
  readonly quick: boolean;
  readonly dir: string;
}

/** In milliseconds of the process's own time, one a repeat; other work on the machine moves that less than the clock. */
export interface InProcess {
  readonly name: string;
  readonly instantMs: readonly number[];
  readonly rangeMs: readonly number[];
}

/** What it tells as one line of JSON; then it answers at `url` until it is killed. */
export interface StageResult {
  readonly url: string;
  readonly series: number;
  readonly inProcess: readonly InProcess[];
}

async function fill(store: SampleStore, { instances, rows, startTs }: StageConfig): Promise<void> {
  const targets = dataOf(instances);
  const values = new Float64Array(targets[0]?.labels.length ?? 0);
  const layouts = targets.map(({ labels }) => ({ series: labels }));
  for (let row = 0; row < rows; row++) {
    for (const [i, target] of targets.entries()) {
      target.values(row, values);
      const layout = layouts[i];
      if (layout !== undefined) store.writer.target(target.id).append(startTs + row * INTERVAL_MS, layout, values);
    }
    if (row % 20 !== 0) continue;
    store.flush();
    await yieldToLoop();
  }
}

/** Processor time of this thread; the collector's helpers are left out, as they are of what the loop waits for. */
function cpuMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}

/** Each figure is the mean of `times`: the kernel counts a thread's time coarsely. */
function measure(run: () => unknown, repeats: number, times: number): readonly number[] {
  run();
  return Array.from({ length: repeats }, () => {
    const begin = cpuMs();
    for (let i = 0; i < times; i++) run();
    return (cpuMs() - begin) / times;
  });
}

function inProcess(store: SampleStore, config: StageConfig): readonly InProcess[] {
  const { endTs, steps, stepMs, repeats } = config;
  const found: InProcess[] = [];
  const range = { startTs: endTs - (steps - 1) * stepMs, endTs, stepMs };
  for (const { name, text, instantOnly } of queriesOf(config.quick)) {
    // Each time anew, as over HTTP; a rule's plan stays open, and is faster.
    const instantMs = measure(() => prepare(text).instant(store.reader, endTs), repeats, 5);
    const rangeMs = instantOnly === true ? [] : measure(() => prepare(text).range(store.reader, range), repeats, 1);
    found.push({ name, instantMs, rangeMs });
  }
  return found;
}

const config = JSON.parse(process.argv[2] ?? '{}') as StageConfig;
const clock = new SystemClock();
const store = openSampleStore({
  path: join(config.dir, 'samples.db'),
  clock,
  log: silentLogger,
  meter: silentMeter,
  retentionMs: 86_400_000,
});
await fill(store, config);
const { serverOptions } = serverWith({ ports: { query: createQueryPort(store.reader, clock) } });
const server = await startHttpServer(serverOptions);
const result: StageResult = { url: server.url, series: store.stats().liveSeries, inProcess: inProcess(store, config) };
process.stdout.write(`${JSON.stringify(result)}\n`);

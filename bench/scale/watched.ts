import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { SimulatedFleet } from '../../testbed/simulated/fleet.ts';
import type { TrafficCounts } from '../../testbed/simulated/traffic.ts';
import { Stage, type StageOptions } from '../../testbed/stage.ts';
import type { BenchContext } from '../bench.ts';
import { quantileOf } from '../statistics.ts';
import type { ProbeLine } from './loop-probe.ts';

const PROBE = new URL('loop-probe.ts', import.meta.url).href;
const TICKS_PER_SECOND = 100;
const KINDS_OF_COLLECTION = 6;

/** How a stretch of time went for the measured process. */
export interface Stretch {
  readonly seconds: number;
  /** Event loop, in ms. */
  readonly heldMaxMs: number;
  readonly heldP99Ms: number;
  readonly heldOver50: number;
  /** The most that was computed in one turn of the event loop: what is left of `heldMaxMs` where nobody else needs a processor. */
  readonly computedMaxMs: number;
  readonly computedOver50: number;
  readonly rssMaxBytes: number;
  readonly rssLastBytes: number;
  readonly heapBytes: number;
  readonly arrayBufferBytes: number;
  readonly cores: number;
  readonly diskBytes: number;
  readonly traffic: readonly TrafficCounts[];
  /** Collector → seconds that its last collection took, the longest of all clusters. */
  readonly collectionSeconds: Readonly<Record<string, number>>;
  readonly series: number;
  readonly samplesPerSecond: number;
}

/** A Belfry of its own process in front of simulated clusters, and what can be read of it from outside. */
export class Watched implements AsyncDisposable {
  readonly stage: Stage;
  readonly fleet: SimulatedFleet;
  readonly #probe: string;

  private constructor(stage: Stage, fleet: SimulatedFleet, probe: string) {
    this.stage = stage;
    this.fleet = fleet;
    this.#probe = probe;
  }

  /** `probe` is a file that does not exist yet. */
  static async start(fleet: SimulatedFleet, probe: string, options: Partial<StageOptions>, context: BenchContext): Promise<Watched> {
    const profile = context.values['cpu-prof'];
    const more = context.values['node-options'];
    const flags = [
      `--import=${PROBE}`,
      ...(typeof more === 'string' ? [more] : []),
      ...(typeof profile === 'string' ? ['--cpu-prof', `--cpu-prof-dir=${profile}`] : []),
    ];
    const stage = await Stage.start({
      clusters: fleet.shapes.map((_, i) => ({ name: clusterName(i), brokers: fleet.bootstrap(i) })),
      ...options,
      env: { NODE_OPTIONS: flags.join(' '), BELFRY_BENCH_PROBE: probe },
    });
    return new Watched(stage, fleet, probe);
  }

  /** Lets time pass and tells how it went. */
  async during(seconds: number): Promise<Stretch> {
    const begin = performance.now();
    const beginAt = Date.now();
    const cpu = cpuSeconds(this.stage.belfry.pid);
    const disk = folderBytes(this.stage.dataPath);
    const samples = await this.#own('belfry_store_samples_appended_total');
    await this.fleet.tell({ do: 'reset' });
    await sleep(seconds * 1000);
    const traffic = await this.fleet.counts();
    const took = (performance.now() - begin) / 1000;
    const cores = (cpuSeconds(this.stage.belfry.pid) - cpu) / took;
    const diskBytes = folderBytes(this.stage.dataPath) - disk;
    const stretch = { ...heldOf(this.linesSince(beginAt)), seconds: took, cores, diskBytes, traffic };
    return {
      ...stretch,
      collectionSeconds: await this.collectionSeconds(),
      series: await this.#own('belfry_store_series'),
      samplesPerSecond: ((await this.#own('belfry_store_samples_appended_total')) - samples) / took,
    };
  }

  linesSince(at: number): readonly ProbeLine[] {
    if (!existsSync(this.#probe)) return [];
    const lines = readFileSync(this.#probe, 'utf8').split('\n').filter(Boolean);
    return lines.map((line) => JSON.parse(line) as ProbeLine).filter((line) => line.at >= at);
  }

  async collectionSeconds(): Promise<Readonly<Record<string, number>>> {
    const longest: Record<string, number> = {};
    for (const { labels, value } of await this.#metrics('belfry_kafka_collection_duration_seconds')) {
      const collector = /collector="([^"]+)"/.exec(labels)?.[1] ?? '';
      longest[collector] = Math.max(longest[collector] ?? 0, value);
    }
    return longest;
  }

  /**
   * Waits until every kind of collection has worked once in every cluster. Tells how many seconds Belfry had computed since its
   * start, on all its threads, when the first Metadata of every cluster was read.
   */
  async allCollected(timeoutMs: number): Promise<number> {
    const deadline = performance.now() + timeoutMs;
    const wanted = this.fleet.shapes.length * KINDS_OF_COLLECTION;
    let seconds: number | undefined;
    for (;;) {
      const collected = await this.#metrics('belfry_kafka_collection_duration_seconds');
      const done = collected.length;
      if (collected.filter(({ labels }) => labels.includes('collector="metadata"')).length >= this.fleet.shapes.length)
        seconds ??= cpuSeconds(this.stage.belfry.pid);
      if (done >= wanted) return seconds ?? Number.NaN;
      if (performance.now() > deadline) throw new Error(`after ${timeoutMs} ms ${done} of ${wanted} collections have worked`);
      await sleep(500);
    }
  }

  /** Lets what the start has left be written and collected. Tells of the time since Belfry's start. */
  async settle(ms: number): Promise<ReturnType<typeof heldOf>> {
    await sleep(ms);
    return heldOf(this.linesSince(0));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stage[Symbol.asyncDispose]();
  }

  async #own(name: string): Promise<number> {
    return (await this.#metrics(name)).reduce((sum, { value }) => sum + value, 0);
  }

  async #metrics(name: string): Promise<{ labels: string; value: number }[]> {
    const text = await (await this.stage.belfry.request('GET', '/metrics')).text();
    return text
      .split('\n')
      .filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `))
      .map((line) => ({ labels: line.slice(name.length, line.lastIndexOf(' ')), value: Number(line.slice(line.lastIndexOf(' ') + 1)) }));
  }
}

export function clusterName(i: number): string {
  return `sim-${String(i).padStart(2, '0')}`;
}

export function heldOf(lines: readonly ProbeLine[]): {
  heldMaxMs: number;
  heldP99Ms: number;
  heldOver50: number;
  computedMaxMs: number;
  computedOver50: number;
  rssMaxBytes: number;
  rssLastBytes: number;
  heapBytes: number;
  arrayBufferBytes: number;
} {
  const late = lines.flatMap(({ lateMs }) => lateMs);
  const computed = lines.flatMap(({ computedMs }) => computedMs);
  const looks = lines.reduce((sum, line) => sum + line.looks, 0);
  const all = [...Array.from({ length: Math.max(0, looks - late.length) }, () => 0), ...late].toSorted((a, b) => a - b);
  const last = lines.at(-1);
  return {
    heldMaxMs: all.at(-1) ?? Number.NaN,
    heldP99Ms: quantileOf(all, 0.99),
    heldOver50: late.filter((ms) => ms > 50).length,
    computedMaxMs: Math.max(0, ...computed),
    computedOver50: computed.filter((ms) => ms > 50).length,
    rssMaxBytes: Math.max(0, ...lines.map(({ rssBytes }) => rssBytes)),
    rssLastBytes: last?.rssBytes ?? Number.NaN,
    heapBytes: last?.heapBytes ?? Number.NaN,
    arrayBufferBytes: last?.arrayBufferBytes ?? Number.NaN,
  };
}

/** User and system time of a process so far. */
export function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

export function folderBytes(folder: string): number {
  if (!existsSync(folder)) return 0;
  return readdirSync(folder, { recursive: true, encoding: 'utf8' }).reduce((sum, name) => {
    const entry = statSync(join(folder, name), { throwIfNoEntry: false });
    return sum + (entry?.isFile() === true ? entry.size : 0);
  }, 0);
}

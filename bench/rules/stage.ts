import Database from 'better-sqlite3';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { tuneHeap } from '../../bin/memory.mjs';
import { ScrapeTarget } from '../../src/collectors/scrape/scrape-target.ts';
import { Scheduler } from '../../src/collectors/scheduler.ts';
import { ManualClock, SystemClock, type Clock } from '../../src/core/clock.ts';
import { Labels } from '../../src/core/labels.ts';
import { silentLogger } from '../../src/core/log.ts';
import { silentMeter, type Meter } from '../../src/core/meter.ts';
import type { Layout } from '../../src/core/sample.ts';
import type { AlertStateStore } from '../../src/core/state.ts';
import { PageLayouts } from '../../src/formats/page-layout.ts';
import { prepare } from '../../src/promql/prepare.ts';
import { RuleEngine } from '../../src/rules/engine.ts';
import { parseRuleFiles } from '../../src/rules/load.ts';
import { openSampleStore, type SampleStore } from '../../src/store/sample-store.ts';
import { CLUSTER, fleetOf, INTERVAL_MS, JOB, RULES, ruleFile, type FleetTarget } from './fleet.ts';

/** What the process is asked to do, as its only argument in JSON. */
export interface StageConfig {
  /** Rows by hand on a clock by hand, or scrapes over loopback in real time. */
  readonly mode: 'direct' | 'live';
  readonly targets: number;
  /** Rows of history that each target starts with. */
  readonly prefillRows: number;
  /** Evaluations to measure. */
  readonly rounds: number;
  readonly dir: string;
  /** Of the exporters; only in live mode. */
  readonly port: number;
}

/** What it answers, as one line of JSON. */
export interface StageResult {
  readonly series: number;
  /** Of all rules once; in direct mode with their processor time, which other work on the machine moves less. */
  readonly evaluationsMs: readonly number[];
  readonly evaluationsCpuMs: readonly number[];
  readonly firstMs: number;
  /** The least time of each kind of rule, all rules of the kind together: expressions alone, without alerts. */
  readonly kindsMs: Readonly<Record<string, number>>;
  /** Of the whole process over the measured rounds. */
  readonly cores: number;
  readonly rssBytes: number;
  readonly samplesPerSecond: number;
  /** Of the blocks in the file. */
  readonly bytesPerSample: number | null;
  readonly loopDelayP99Ms: number | null;
  readonly loopDelayMaxMs: number | null;
}

const KIND_ROUNDS = 30;
const LOOP_RESOLUTION_MS = 10;
const META = ['up', 'scrape_duration_seconds', 'scrape_samples_scraped', 'scrape_samples_post_metric_relabeling', 'scrape_series_added'];
/** Evaluations that are not counted: the first ones run in the interpreter. */
const WARM_UP_ROUNDS = 2;

/** Alert state that nobody keeps: what it costs to keep is measured elsewhere. */
const forgetful: AlertStateStore = {
  durable: true,
  durably: (write) => {
    write();
    return true;
  },
  loadAlerts: () => [],
  saveAlert: () => undefined,
  deleteAlert: () => undefined,
};

/** Collects what the rule engine says of its evaluations. */
class EvaluationTimes {
  readonly ms: number[] = [];
  readonly meter: Meter = {
    ...silentMeter,
    histogram: (name) => ({
      observe: (seconds, labels) => {
        if (name === 'belfry_rule_group_evaluation_duration_seconds' && labels?.['trigger'] === 'slot') this.ms.push(seconds * 1000);
      },
    }),
  };
}

/** The part of Belfry that is measured: store, scrapers, rules. */
class Stage {
  readonly config: StageConfig;
  readonly store: SampleStore;
  readonly engine: RuleEngine;
  readonly times = new EvaluationTimes();
  readonly #path: string;

  constructor(config: StageConfig, clock: Clock) {
    this.config = config;
    this.#path = join(config.dir, `samples-${config.mode}-${config.targets}.db`);
    this.store = openSampleStore({ path: this.#path, clock, log: silentLogger, meter: silentMeter, retentionMs: 86_400_000 });
    const { reader: querier, writer } = this.store;
    const sink = { receive: (): void => undefined };
    this.engine = new RuleEngine({ querier, writer, state: forgetful, sink, clock, logger: silentLogger, meter: this.times.meter });
    this.engine.replace(parseRuleFiles([{ path: 'rules.yml', text: ruleFile() }], { evaluationIntervalMs: INTERVAL_MS }));
  }

  kinds(ts: number): Record<string, number> {
    const least: Record<string, number> = {};
    const rules = RULES.map(({ kind, expr }) => ({ kind, prepared: prepare(expr) }));
    for (let round = 0; round < KIND_ROUNDS; round++) {
      const took: Record<string, number> = {};
      for (const { kind, prepared } of rules) {
        const begin = performance.now();
        prepared.instant(this.store.reader, ts);
        took[kind] = (took[kind] ?? 0) + performance.now() - begin;
      }
      for (const [kind, ms] of Object.entries(took)) least[kind] = Math.min(least[kind] ?? Infinity, ms);
    }
    return least;
  }

  /** Closes the store. Bytes of its blocks by their samples; null where it has none. */
  close(): number | null {
    this.engine.stop();
    this.store.close();
    const file = new Database(this.#path, { readonly: true });
    const row = file.prepare('SELECT sum(length(bytes)) AS bytes, sum(samples) AS samples FROM blocks').get() as {
      bytes: number | null;
      samples: number | null;
    };
    file.close();
    return row.bytes === null || row.samples === null ? null : row.bytes / row.samples;
  }
}

/** Appends rows to the targets as their scrapes would. */
class RowMaker {
  readonly #store: SampleStore;
  readonly #targets: readonly { readonly id: string; readonly fleet: FleetTarget; readonly layout: Layout }[];
  readonly #values: Float64Array;

  constructor(store: SampleStore, fleet: readonly FleetTarget[], idOf: (target: FleetTarget) => string) {
    this.#store = store;
    this.#targets = fleet.map((target) => ({ id: idOf(target), fleet: target, layout: layoutOf(target) }));
    this.#values = new Float64Array((fleet[0]?.size ?? 0) + META.length);
  }

  /** One row of every target, spread over the interval that ends with `ts`. */
  append(ts: number): void {
    for (const [i, { id, fleet, layout }] of this.#targets.entries()) {
      const at = ts - INTERVAL_MS + 1 + Math.floor((i * INTERVAL_MS) / this.#targets.length);
      fleet.values(at, this.#values);
      this.#values.set([1, 0.001, fleet.size, fleet.size, 0], fleet.size);
      this.#store.writer.target(id).append(at, layout, this.#values);
    }
  }

  async prefill(rows: number, untilTs: number): Promise<void> {
    for (let row = rows - 1; row >= 0; row--) {
      this.append(untilTs - row * INTERVAL_MS);
      if (row % 10 !== 0) continue;
      this.#store.flush();
      await sleep(0);
    }
  }
}

function layoutOf(target: FleetTarget): Layout {
  const meta = META.map((name) => Labels.of({ __name__: name, cluster: CLUSTER, instance: target.instance, job: JOB }));
  return { series: [...target.labels(), ...meta] };
}

function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

async function direct(config: StageConfig): Promise<StageResult> {
  const clock = new ManualClock(1_800_000_000_000);
  const stage = new Stage(config, clock);
  const rows = new RowMaker(stage.store, fleetOf(config.targets), ({ instance }) => `scrape/${CLUSTER}/${JOB}/${instance}`);
  stage.engine.start();
  await clock.advance(INTERVAL_MS);
  // Time goes on from slot to slot: as in real life the newest row is never younger than the evaluation.
  await clock.advance((stage.engine.snapshot()[0]?.lastEvaluation ?? 0) + INTERVAL_MS - clock.now());
  await rows.prefill(config.prefillRows, clock.now());
  const evaluationsMs: number[] = [];
  const evaluationsCpuMs: number[] = [];
  let busyMs = 0;
  for (let round = 0; round < WARM_UP_ROUNDS + config.rounds; round++) {
    const before = cpuMs();
    rows.append(clock.now() + INTERVAL_MS);
    const cpu = cpuMs();
    const begin = performance.now();
    await clock.advance(INTERVAL_MS);
    evaluationsMs.push(performance.now() - begin);
    evaluationsCpuMs.push(cpuMs() - cpu);
    stage.store.flush();
    if (round >= WARM_UP_ROUNDS) busyMs += cpuMs() - before;
  }
  const { liveSeries } = stage.store.stats();
  return {
    series: liveSeries,
    evaluationsMs: evaluationsMs.slice(WARM_UP_ROUNDS),
    evaluationsCpuMs: evaluationsCpuMs.slice(WARM_UP_ROUNDS),
    firstMs: evaluationsMs[0] ?? Number.NaN,
    kindsMs: stage.kinds(clock.now()),
    cores: busyMs / config.rounds / INTERVAL_MS,
    rssBytes: process.memoryUsage.rss(),
    samplesPerSecond: liveSeries / (INTERVAL_MS / 1000),
    bytesPerSample: stage.close(),
    loopDelayP99Ms: null,
    loopDelayMaxMs: null,
  };
}

function scrapeTargets(stage: Stage, clock: Clock): readonly ScrapeTarget[] {
  const { port, targets } = stage.config;
  const layouts = new PageLayouts();
  const source = { scheme: 'http', host: '127.0.0.1', port, basicAuth: undefined, bearerToken: undefined, tls: undefined } as const;
  return fleetOf(targets).map(
    ({ path, instance }) =>
      new ScrapeTarget({
        job: JOB,
        source: { ...source, path },
        labels: { cluster: CLUSTER, instance },
        intervalMs: INTERVAL_MS,
        timeoutMs: INTERVAL_MS - 500,
        honorTimestamps: true,
        layouts,
        writer: stage.store.writer,
        clock,
        log: silentLogger,
        meter: silentMeter,
      }),
  );
}

async function live(config: StageConfig): Promise<StageResult> {
  const clock = new SystemClock();
  const stage = new Stage(config, clock);
  const targets = scrapeTargets(stage, clock);
  await new RowMaker(stage.store, fleetOf(config.targets), ({ index }) => targets[index]?.id ?? '').prefill(
    config.prefillRows,
    clock.now(),
  );
  // What only the history from before needed is no part of the figures; a common collection leaves its pages behind.
  globalThis.gc?.({ type: 'major', execution: 'sync', flavor: 'last-resort' });
  stage.store.start();
  stage.engine.start();
  const scheduler = new Scheduler({ clock, log: silentLogger, meter: silentMeter });
  for (const target of targets) scheduler.add(target);
  const { ms } = stage.times;
  const evaluations = async (count: number): Promise<void> => {
    while (ms.length < count) await sleep(50);
  };
  await evaluations(WARM_UP_ROUNDS);
  const delay = monitorEventLoopDelay({ resolution: LOOP_RESOLUTION_MS });
  delay.enable();
  const [begin, cpu, samples] = [performance.now(), cpuMs(), stage.store.stats().samplesAppended];
  await evaluations(WARM_UP_ROUNDS + config.rounds);
  const tookMs = performance.now() - begin;
  const cores = (cpuMs() - cpu) / tookMs;
  delay.disable();
  const after = stage.store.stats();
  const rssBytes = process.memoryUsage.rss();
  await scheduler.stop();
  for (const target of targets) target.close();
  return {
    series: after.liveSeries,
    evaluationsMs: ms.slice(WARM_UP_ROUNDS),
    evaluationsCpuMs: [],
    firstMs: ms[0] ?? Number.NaN,
    kindsMs: stage.kinds(clock.now()),
    cores,
    rssBytes,
    samplesPerSecond: (after.samplesAppended - samples) / (tookMs / 1000),
    bytesPerSample: stage.close(),
    loopDelayP99Ms: delay.percentile(99) / 1e6 - LOOP_RESOLUTION_MS,
    loopDelayMaxMs: delay.max / 1e6 - LOOP_RESOLUTION_MS,
  };
}

tuneHeap();
const config = JSON.parse(process.argv[2] ?? '{}') as StageConfig;
process.stdout.write(`${JSON.stringify(await (config.mode === 'live' ? live(config) : direct(config)))}\n`);

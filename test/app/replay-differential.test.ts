import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { stringify } from 'yaml';
import { makeTempDir, removeTempDir } from '../../testbed/temp-dir.ts';
import { intervalsOf, LiveRun, metric, replayed, rulesOf, T0, type Interval } from './replay-harness.ts';

const SEED = Number(process.env['BELFRY_REPLAY_SEED'] ?? 20_261_123);
const RUNS = Number(process.env['BELFRY_REPLAY_RUNS'] ?? 12);
const SCRAPE_MS = 15_000;
const STEPS = 120;

const EXPRESSIONS: readonly string[] = [
  'up == 0',
  'load > 2',
  'rate(requests_total[1m]) > 1.5',
  'increase(requests_total[3m]) < 60',
  'avg_over_time(load[2m]) > 1.5',
  'max_over_time(load[10m] offset 5m) > 2 unless load > 2',
  'changes(load[5m]) > 4',
  'sum by (cluster) (load) > 4',
  'absent(up{i="2"})',
  'job:load:sum > 4',
  'rate(job:load:sum[2m]) > 0.01',
  'count by (cluster) (ALERTS{alertstate="firing",alertname!="Self"}) > 1',
  'topk(1, load) > 1',
  'pushed > 1',
  'min_over_time(pushed[90s]) > 0',
  'load / on (i, cluster) group_left () pushed > 1',
  'max_over_time(rate(requests_total[1m])[4m:30s]) > 2',
  'predict_linear(load[5m], 300) > 4',
  'load >= load offset 1m and load > 0',
  'load == load offset -30s',
  'time() - timestamp(up) > 30',
];
const SUFFIXES = ['', '30s', '1m', '100s', '3m'];

const rule = fc.record({
  expr: fc.constantFrom(...EXPRESSIONS),
  for: fc.constantFrom(...SUFFIXES),
  keep: fc.constantFrom('', '', '45s', '2m'),
  noData: fc.constantFrom('', '', 'keep', 'alert', 'resolve'),
  recover: fc.boolean(),
});
const group = fc.record({
  interval: fc.constantFrom('15s', '30s', '25s', '1m'),
  offset: fc.constantFrom('', '', '20s'),
  limit: fc.constantFrom(0, 0, 0, 3),
  rules: fc.array(rule, { minLength: 1, maxLength: 5 }),
});
/** What happens at a scrape of a target: a row, nothing at all, the target fails, or one series is missing. */
const event = fc.constantFrom('row', 'row', 'row', 'row', 'row', 'row', 'gap', 'fail', 'missing', 'long gap', 'nan');
const scenario = fc.record({
  groups: fc.array(group, { minLength: 1, maxLength: 3 }),
  events: fc.array(fc.tuple(event, event, event), { minLength: STEPS, maxLength: STEPS }),
  values: fc.array(fc.nat(4), { minLength: 4 * STEPS, maxLength: 4 * STEPS }),
  rows: fc.constantFrom(16, 17, 40, 120),
  strictSlots: fc.boolean(),
  flushes: fc.constantFrom(3, 10, 1000),
});
type Scenario = typeof scenario extends fc.Arbitrary<infer T> ? T : never;

function fileOf({ groups }: Scenario): string {
  return stringify({
    groups: groups.map(({ interval, offset, limit, rules }, g) => ({
      name: `g${g}`,
      interval,
      ...(offset === '' ? {} : { query_offset: offset }),
      ...(limit === 0 ? {} : { limit }),
      rules: [
        ...(g === 0 ? [{ record: 'job:load:sum', expr: 'sum by (cluster) (load)' }] : []),
        ...rules.map((one, r) => ({
          alert: `A${g}${r}`,
          expr: one.expr,
          ...(one.for === '' ? {} : { for: one.for }),
          ...(one.keep === '' ? {} : { keep_firing_for: one.keep }),
          annotations: {
            summary: '{{ $value }} {{ query "count(up)" | first | value }}',
            ...(one.noData === '' ? {} : { belfry_no_data: one.noData }),
            ...(one.recover && one.expr === 'load > 2' ? { belfry_recover: 'load < 1' } : {}),
          },
        })),
      ],
    })),
  });
}

class Fleet {
  readonly #live: LiveRun;
  readonly #scenario: Scenario;
  readonly #quietUntil = [0, 0];
  #requests = 0;

  constructor(live: LiveRun, one: Scenario) {
    this.#live = live;
    this.#scenario = one;
  }

  step(step: number): void {
    const { events, values } = this.#scenario;
    this.#requests += values[4 * step + 3] === 0 ? -this.#requests : 10 * (values[4 * step + 3] ?? 0);
    for (const target of [0, 1]) {
      const happens = events[step]?.[target] ?? 'row';
      if (happens === 'long gap') this.#quietUntil[target] = step + 24;
      if (step < (this.#quietUntil[target] ?? 0) || happens === 'gap') continue;
      if (happens === 'fail') this.#live.store.writer.target(`t${target}`).markStale(this.#live.clock.now());
      else this.#row(target, happens, values[4 * step + target] ?? 0);
    }
    this.#push(step);
  }

  #row(target: number, happens: string, value: number): void {
    const labels = { i: String(target + 1), cluster: target === 0 ? 'dal' : 'fra' };
    this.#live.row(`t${target}`, [
      [metric('up', labels), value === 4 ? 0 : 1],
      [metric('load', labels), happens === 'missing' ? undefined : happens === 'nan' ? Number.NaN : value],
      [metric('requests_total', labels), this.#requests],
    ]);
  }

  /** Samples with times of their own, some of them later than they say. */
  #push(step: number): void {
    const happens = this.#scenario.events[step]?.[2] ?? 'row';
    if (happens !== 'row') return;
    const value = this.#scenario.values[4 * step + 2] ?? 0;
    this.#live.store.writer.target('push').appendAt(this.#live.clock.now(), metric('pushed', { i: '1', cluster: 'dal' }), value);
    if (value > 2)
      this.#live.store.writer.target('push').appendAt(this.#live.clock.now(), metric('pushed', { i: '2', cluster: 'fra' }), value);
  }
}

describe('a replay over what a live run has stored', () => {
  let root: string;
  beforeAll(async () => {
    root = await makeTempDir();
  });
  afterAll(() => removeTempDir(root));

  it(`has every firing of the live run, to the millisecond, and no other (seed ${SEED})`, async () => {
    let firings = 0;
    await fc.assert(
      fc.asyncProperty(scenario, async (one) => {
        const { live, again } = await bothOf(one, await mkdtemp(join(root, 'run-')));
        firings += live.length;
        expect(again).toEqual(live);
      }),
      { seed: SEED, numRuns: RUNS, endOnFailure: true },
    );
    expect(firings).toBeGreaterThan(5 * RUNS);
  }, 180_000);
});

async function bothOf(one: Scenario, folder: string): Promise<{ live: readonly Interval[]; again: readonly Interval[] }> {
  const ruleSet = rulesOf(fileOf(one));
  const run = new LiveRun(folder, ruleSet, { rows: one.rows, strictSlots: one.strictSlots });
  const fleet = new Fleet(run, one);
  // The history begins when the engine does.
  run.row('begin', [[metric('begin', {}), 1]]);
  // Scrapes do not fall on slots: a sample that comes at the time of an evaluation may be seen by it or not.
  await run.clock.advance(3);
  for (let step = 0; step < STEPS; step++) {
    await run.clock.advance(SCRAPE_MS);
    fleet.step(step);
    if (step % one.flushes === one.flushes - 1) run.store.flush();
  }
  const live = run.finish();
  const endTs = run.clock.now();
  const result = await replayed({ samplesPath: run.samplesPath, ruleSet, warmupMs: 0, startTs: T0, endTs, strictSlots: one.strictSlots });
  run.close();
  return { live, again: intervalsOf(result) };
}

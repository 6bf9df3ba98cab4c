import { describe, expect, it } from '@jest/globals';
import { ManualClock } from '../../src/core/clock.ts';
import { silentLogger } from '../../src/core/log.ts';
import { silentMeter } from '../../src/core/meter.ts';
import { prepare, type Prepared } from '../../src/promql/prepare.ts';
import type { Querier } from '../../src/promql/querier.ts';
import { openSampleStore, type SampleStore } from '../../src/store/sample-store.ts';
import { layout, metric, T0 } from '../store/fixture.ts';
import { Random } from './expression-generator.ts';
import { show, shownOrRefused, showMatrix } from './evaluating.ts';

const STEP_MS = 15_000;
const ROWS = 400;
const SEED = 20_261_124;

/**
 * Three targets with more rows than are kept raw, so that most lie in sealed blocks: series that come and go, targets
 * that pause, counters that fall, NaN; and series that bring times of their own.
 */
function filled(): SampleStore {
  const random = new Random(SEED);
  const clock = new ManualClock(T0 + ROWS * STEP_MS + 60_000);
  const store = openSampleStore({ path: ':memory:', clock, log: silentLogger, meter: silentMeter, retentionMs: 86_400_000 });
  for (let target = 0; target < 3; target++) {
    const writer = store.writer.target(`t${target}`);
    const all = [0, 1, 2, 3].map((k) => metric(k < 2 ? 'a_total' : 'b', `k=${k}`, `instance=${target}`));
    let shown = all;
    let paused = 0;
    const values = all.map(() => random.below(100));
    for (let row = 0; row < ROWS; row++) {
      const ts = T0 + row * STEP_MS + 137 * target;
      if (random.chance(0.02)) shown = all.filter(() => random.chance(0.7));
      if (random.chance(0.01)) {
        paused = random.below(25);
        if (random.chance(0.6)) writer.markStale(ts);
      }
      if (paused-- > 0) continue;
      for (const [i, value] of values.entries()) values[i] = random.chance(0.02) ? 0 : value + random.below(9);
      const cells = shown.map((one) => (random.chance(0.01) ? Number.NaN : (values[all.indexOf(one)] ?? 0)));
      writer.append(ts, layout(...shown), Float64Array.from(cells));
    }
  }
  for (let row = 0; row < ROWS; row += 3) store.writer.target('own').appendAt(T0 + row * STEP_MS + 5, metric('b', 'k=9'), row);
  store.flush();
  return store;
}

const TEXTS = [
  'b',
  'a_total offset 3m',
  'timestamp(b)',
  'sum by (k) (b)',
  'rate(a_total[1m])',
  'rate(a_total[10m])',
  'sum by (k) (increase(a_total[5m]))',
  'avg_over_time(b[3m] offset 2m)',
  'quantile_over_time(0.3, b[5m])',
  'predict_linear(b[5m], 600)',
  'predict_linear(b[5m] @ end(), 600)',
  'quantile_over_time(scalar(b{k="9"}) / 400, b[5m])',
  'max_over_time(rate(a_total[2m])[5m:30s])',
  'max_over_time((sum by (k) (b))[7m:] offset 1m)',
  'changes(b[4m]) > bool 3',
  'b - b offset 10m',
  'a_total and on (instance) (b > 50)',
  'absent(b{k="9"})',
  'rate(a_total[1m] @ end())',
  'last_over_time(b[1m])',
].map((text): readonly [string, Prepared] => [text, prepare(text)]);

/** Gives another object each time, so that a plan never stays open. */
function fickle(inner: Querier): Querier {
  return {
    select: (matchers, minTs, maxTs) => {
      const selection = inner.select(matchers, minTs, maxTs);
      return {
        n: selection.n,
        labels: (index) => selection.labels(index),
        instant: (ts, lookbackMs, out) => selection.instant(ts, lookbackMs, out),
        window: (index, fromTs, toTs, into) => selection.window(index, fromTs, toTs, into),
        history: (index, fromTs, toTs, into) => selection.history?.(index, fromTs, toTs, into) ?? 0,
        openRuns: (fromTs, toTs) => selection.openRuns?.(fromTs, toTs) ?? 0,
        readRun: (run, into) => selection.readRun?.(run, into) ?? false,
      };
    },
  };
}

describe('a range over sealed history', () => {
  const store = filled();
  const querier = store.reader;
  const ranges = [
    { startTs: T0, endTs: T0 + ROWS * STEP_MS, stepMs: 45_000 },
    { startTs: T0 + 200 * STEP_MS + 1, endTs: T0 + 380 * STEP_MS, stepMs: STEP_MS },
    { startTs: T0 + 390 * STEP_MS, endTs: T0 + 399 * STEP_MS, stepMs: 5000 },
    { startTs: T0 + 100 * STEP_MS, endTs: T0 + 100 * STEP_MS, stepMs: 5000 },
  ];

  it.each(TEXTS)('gives at each step what an instant query gives there: %s', (text, prepared) => {
    for (const range of ranges) {
      const points = new Map<string, number>();
      for (const { labels, timestamps, values } of prepared.range(querier, range).series)
        for (const [i, value] of values.entries()) points.set(`${labels.toString()}@${timestamps[i]}`, value);
      const steps = new Map<string, number>();
      // The end is that of the range: `@ end()` means it.
      const fixed = text.replaceAll('@ end()', `@ ${range.endTs / 1000}`);
      const single = fixed === text ? prepared : prepare(fixed);
      for (let ts = range.startTs; ts <= range.endTs; ts += range.stepMs) {
        const value = single.instant(querier, ts);
        if (value.type !== 'vector') throw new TypeError(value.type);
        for (let i = 0; i < value.n; i++) steps.set(`${value.labels(i).toString()}@${ts}`, value.values[i] ?? 0);
      }
      expect(points).toEqual(steps);
    }
  });

  it.each(TEXTS)('gives the same in slices, whether its plan stays open or not: %s', async (_, prepared) => {
    const [range = { startTs: 0, endTs: 0, stepMs: 1 }] = ranges;
    const whole = showMatrix(prepared.range(querier, range));
    for (const source of [querier, fickle(querier)]) {
      const random = new Random(SEED);
      let at = 0;
      const now = (): number => (at += random.below(10) < 2 ? 30 : 1);
      expect(
        await shownOrRefused(async () => showMatrix(await prepared.rangeInSlices(source, range, { now }, async () => undefined))),
      ).toEqual(whole);
    }
  });

  it.each([
    ...TEXTS,
    ...['b[1h]', 'max_over_time(b[90m:45s])[10m:1m]', 'scalar(b{k="9"})', '"text"'].map((text) => [text, prepare(text)] as const),
  ])('gives in slices at one time what it gives in one piece: %s', async (_, prepared) => {
    for (const source of [querier, fickle(querier)]) {
      const random = new Random(SEED);
      for (const row of [110, 250, 399]) {
        let at = 0;
        const now = (): number => (at += random.below(10) < 2 ? 30 : 1);
        const ts = T0 + row * STEP_MS + 4000;
        const whole = await shownOrRefused(async () => show(prepared.instant(querier, ts)));
        const sliced = async (): Promise<readonly string[]> =>
          show(await prepared.instantInSlices(source, ts, { now }, async () => undefined));
        expect(await shownOrRefused(sliced)).toEqual(whole);
      }
    }
  });

  it('reads sealed history in slices, and ends where a turn says so', async () => {
    let at = 0;
    let turns = 0;
    const turn = async (): Promise<void> => {
      if (++turns > 5) throw new Error('canceled');
    };
    const running = prepare('avg_over_time(b[90m])').instantInSlices(querier, T0 + 399 * STEP_MS, { now: () => (at += 30) }, turn);
    await expect(running).rejects.toThrow('canceled');
  });
});

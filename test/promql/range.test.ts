import { describe, expect, it } from '@jest/globals';
import { Labels } from '../../src/core/labels.ts';
import { BelfryError } from '../../src/core/errors.ts';
import { prepare, type Prepared } from '../../src/promql/prepare.ts';
import { showMatrix, shownOrRefused } from './evaluating.ts';
import { ExpressionGenerator, generateSeries, Random } from './expression-generator.ts';
import { load, MemoryQuerier } from './memory-querier.ts';

const data = load(`
load 1m
  c_total{i="1"} 0+60x10
  c_total{i="2"} 0+120x5 stale
  g{i="1"} 1 2 3 _ _ _ _ _ 4
`);

function range(text: string, startSeconds: number, endSeconds: number, stepSeconds: number): readonly string[] {
  const times = { startTs: startSeconds * 1000, endTs: endSeconds * 1000, stepMs: stepSeconds * 1000 };
  return showMatrix(prepare(text).range(data, times));
}

describe('range queries', () => {
  it.each([
    ['g', 0, 240, 60, ['g{i="1"} 1@0 2@60 3@120 3@180 3@240']],
    // The lookback of 5 minutes is open on the left: the sample at 120 is not seen at 420.
    ['g', 360, 480, 60, ['g{i="1"} 3@360 4@480']],
    // A staleness marker ends a series at once.
    ['c_total{i="2"}', 240, 420, 60, ['c_total{i="2"} 480@240 600@300']],
    ['rate(c_total[2m])', 60, 180, 60, ['{i="1"} 0.5@60 1@120 1@180', '{i="2"} 1@60 2@120 2@180']],
    ['sum(c_total)', 240, 360, 60, ['{} 720@240 900@300 360@360']],
    ['c_total @ 60', 60, 120, 60, ['c_total{i="1"} 60@60 60@120', 'c_total{i="2"} 120@60 120@120']],
    ['c_total{i="1"} @ end() - c_total{i="1"} @ start()', 60, 120, 60, ['{i="1"} 60@60 60@120']],
    ['c_total{i="1"} offset -1m', 60, 120, 60, ['c_total{i="1"} 120@60 180@120']],
    ['time()', 0, 20, 10, ['{} 0@0 10@10 20@20']],
    ['vector(time()) > 5', 0, 20, 10, ['{} 10@10 20@20']],
    ['5', 0, 25, 10, ['{} 5@0 5@10 5@20']],
    // Series come sorted by their labels, whatever order they were found in.
    ['sort_desc(c_total)', 120, 120, 60, ['c_total{i="1"} 120@120', 'c_total{i="2"} 240@120']],
    ['topk(1, c_total)', 240, 420, 60, ['c_total{i="1"} 360@360 420@420', 'c_total{i="2"} 480@240 600@300']],
    ['absent(c_total{i="2"})', 300, 420, 60, ['{i="2"} 1@360 1@420']],
  ])('%s from %d to %d by %d', (text, start, end, step, expected) => {
    expect(range(text, start, end, step)).toEqual(expected);
  });

  it('resolve every selector once', () => {
    const querier = new MemoryQuerier();
    querier.series.push(...data.series);
    prepare('sum(rate(c_total[2m])) / count(g) + max_over_time(g[5m:1m])').range(querier, { startTs: 0, endTs: 600_000, stepMs: 15_000 });
    expect(querier.selects).toBe(3);
  });

  it('refuse what is no range', () => {
    expect(() => range('c_total[5m]', 0, 10, 10)).toThrow('invalid expression type "range vector" for range query');
    expect(() => range('"a"', 0, 10, 10)).toThrow('invalid expression type "string" for range query');
    expect(() => range('1', 0, 10, 0)).toThrow('zero or negative query resolution step');
    expect(() => range('1', 10, 0, 1)).toThrow('end timestamp must not be before start time');
  });

  it('give at each step what an instant query gives there', () => {
    const random = new Random(20_261_122);
    const querier = new MemoryQuerier();
    for (const { name, labels, points } of generateSeries(random, 0, 160))
      querier.series.push({ labels: Labels.of({ __name__: name, ...labels }), points });
    const generator = new ExpressionGenerator(random);
    for (let round = 0; round < 400; round++) {
      const text = generator.expression();
      // The bounds of an instant query are its own time.
      const prepared = preparedForRange(text);
      if (prepared === undefined || /@ (start|end)/.test(text)) continue;
      const startTs = 900_000 + random.below(600_000);
      const times = { startTs, endTs: startTs + 5 * 47_000, stepMs: 47_000 };
      const steps = new Map<string, number>();
      const atSteps = outcome(() => {
        for (let ts = startTs; ts <= times.endTs; ts += times.stepMs) {
          const value = prepared.instant(querier, ts);
          if (value.type === 'scalar') steps.set(`{}@${ts}`, value.value);
          if (value.type === 'vector')
            for (let i = 0; i < value.n; i++) steps.set(`${value.labels(i).toString()}@${ts}`, value.values[i] ?? 0);
        }
      });
      const points = new Map<string, number>();
      const atOnce = outcome(() => {
        for (const { labels, timestamps, values } of prepared.range(querier, times).series)
          for (const [i, value] of values.entries()) points.set(`${labels.toString()}@${timestamps[i]}`, value);
      });
      expect([text, atOnce]).toEqual([text, atSteps]);
      if (atOnce === 'done') expect([text, points]).toEqual([text, steps]);
    }
  });
});

/** Undefined for what has no range, or is no expression at all: some that are generated are refused. */
function preparedForRange(text: string): Prepared | undefined {
  try {
    const prepared = prepare(text);
    return prepared.type === 'vector' || prepared.type === 'scalar' ? prepared : undefined;
  } catch (error) {
    if (error instanceof BelfryError) return undefined;
    throw error;
  }
}

function outcome(run: () => void): string {
  try {
    run();
    return 'done';
  } catch (error) {
    return error instanceof Error ? 'refused' : 'crashed';
  }
}

describe('a range in slices', () => {
  /** A clock that says of each piece of work at random that it took long, so that slices have all sizes. */
  const moody = (random: Random): (() => number) => {
    let at = 0;
    return () => (at += random.below(10) < 3 ? 30 : 1);
  };

  it('gives what the whole gives, whatever the slices', async () => {
    const seed = 20_261_123;
    const random = new Random(seed);
    const querier = new MemoryQuerier();
    for (const { name, labels, points } of generateSeries(random, 0, 160))
      querier.series.push({ labels: Labels.of({ __name__: name, ...labels }), points });
    const generator = new ExpressionGenerator(random);
    for (let round = 0; round < 300; round++) {
      const text = generator.expression();
      const prepared = preparedForRange(text);
      if (prepared === undefined) continue;
      const times = { startTs: 600_000, endTs: 600_000 + 60_000 * (1 + random.below(40)), stepMs: 45_000 };
      const whole = await shownOrRefused(async () => showMatrix(prepared.range(querier, times)));
      const sliced = await shownOrRefused(async () =>
        showMatrix(await prepared.rangeInSlices(querier, times, { now: moody(random) }, async () => undefined)),
      );
      expect([seed, text, sliced]).toEqual([seed, text, whole]);
    }
  });

  it('gives others a turn before each slice, and works on at least a part of a step in it', async () => {
    let turns = 0;
    let at = 0;
    const times = { startTs: 0, endTs: 600_000, stepMs: 60_000 };
    await prepare('c_total').rangeInSlices(data, times, { now: () => (at += 100) }, async () => void turns++);
    // One to begin with, and after each of the 11 steps at least.
    expect(turns).toBeGreaterThanOrEqual(12);
    turns = 0;
    await prepare('c_total').rangeInSlices(data, times, { now: () => 0 }, async () => void turns++);
    expect(turns).toBe(1);
  });

  it('ends when its time is over', async () => {
    let at = 0;
    const running = prepare('c_total').rangeInSlices(
      data,
      { startTs: 0, endTs: 600_000, stepMs: 1000 },
      { now: () => (at += 10), deadlineMs: 200 },
      async () => undefined,
    );
    await expect(running).rejects.toMatchObject({ code: 'PROMQL_TIMEOUT' });
  });
});

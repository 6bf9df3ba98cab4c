import { describe, expect, it } from '@jest/globals';
import { BelfryError } from '../../src/core/errors.ts';
import { prepare } from '../../src/promql/prepare.ts';
import type { EvalOptions } from '../../src/promql/exec.ts';
import { evalAt, show } from './evaluating.ts';
import { load } from './memory-querier.ts';

const data = load(`
load 10s
  metric{i="1"} 0+1x60
  metric{i="2"} 0+2x60
`);

describe('selectors', () => {
  const odd = load('load 1m\n  {"my.metric","zone.name"="eu"} 1\n  up{job="a"} 1\n  up{job="b"} 0\n  up 2');

  it.each([
    ['{"my.metric"}', ['{"my.metric", "zone.name"="eu"} 1']],
    ['{"zone.name"=~"e."}', ['{"my.metric", "zone.name"="eu"} 1']],
    ['up{job!=""}', ['up{job="a"} 1', 'up{job="b"} 0']],
    ['up{job=""}', ['up 2']],
    ['up{job=~"a|"}', ['up{job="a"} 1', 'up 2']],
    ['up{job!~"a|b"}', ['up 2']],
    ['{__name__=~"u.",job="a"}', ['up{job="a"} 1']],
    ['up{job="a",job!="a"}', []],
  ])('%s', (text, expected) => {
    expect(evalAt(odd, '1m', text)).toEqual(expected);
  });

  it('take the lookback they are given', () => {
    expect(evalAt(odd, '6m', 'up{job="a"}')).toEqual([]);
    expect(evalAt(odd, '6m', 'up{job="a"}', { lookbackMs: 361_000 })).toEqual(['up{job="a"} 1']);
  });

  it('give windows as they are', () => {
    expect(evalAt(data, '1m', 'metric{i="1"}[20s]')).toEqual(['metric{i="1"} 5@50 6@60']);
    expect(evalAt(data, '1m', 'metric{i="1"}[20s] offset 10s')).toEqual(['metric{i="1"} 4@40 5@50']);
    expect(evalAt(data, '1m', 'metric{i="1"}[20s] @ 30')).toEqual(['metric{i="1"} 2@20 3@30']);
  });
});

describe('a range vector', () => {
  const unordered = load('load 1m\n  b{i="2"} 4 4\n  b{i="10"} 3 3\n  a{j="1"} 2 2\n  a{i="x",j="1"} 1 1');
  const expected = ['a{i="x", j="1"} 1@60', 'a{j="1"} 2@60', 'b{i="10"} 3@60', 'b{i="2"} 4@60'];

  it.each(['{__name__=~"a|b"}[1m]', '({__name__=~"b|a"}[1m])', '{__name__=~".+"}[1m:1m]'])(
    'has its series by their labels: %s',
    async (text) => {
      expect(evalAt(unordered, '1m', text)).toEqual(expected);
      expect(show(await prepare(text).instantInSlices(unordered, 60_000, {}, async () => undefined))).toEqual(expected);
    },
  );
});

describe('subqueries', () => {
  it.each([
    // Steps stand on multiples of the step; the left edge is open.
    ['metric{i="1"}[40s:20s]', '100s', ['metric{i="1"} 8@80 10@100']],
    ['metric{i="1"}[40s:20s]', '105s', ['metric{i="1"} 8@80 10@100']],
    ['metric{i="1"}[40s:20s] offset 20s', '100s', ['metric{i="1"} 6@60 8@80']],
    ['metric{i="1"}[40s:20s] @ 60', '100s', ['metric{i="1"} 4@40 6@60']],
    ['metric{i="1"}[2m:]', '2m', ['metric{i="1"} 6@60 12@120']],
    ['sum_over_time(metric{i="1"}[40s:20s])', '100s', ['{i="1"} 18']],
    ['max_over_time(sum(metric)[1m:10s])', '100s', ['{} 30']],
    ['rate(sum(metric)[1m:10s])', '100s', ['{} 0.3']],
    ['sum_over_time(sum_over_time(metric{i="1"}[20s:10s])[20s:10s])', '100s', ['{i="1"} 36']],
    ['count_over_time((metric > 15)[1m:10s])', '100s', ['{i="2"} 3']],
    ['min_over_time((time() - 40)[1m:20s])', '100s', undefined],
  ])('%s at %s', (text, at, expected) => {
    if (expected === undefined) expect(() => evalAt(data, at, text)).toThrow('subquery is only allowed on instant vector');
    else expect(evalAt(data, at, text)).toEqual(expected);
  });
});

describe('what an evaluation tells beside its result', () => {
  function told(text: string): readonly string[] {
    const { warnings, infos } = prepare(text).instant(data, 100_000);
    return [...warnings, ...infos];
  }

  it.each([
    ['rate(metric[1m])', ['PromQL info: metric might not be a counter, name does not end in _total/_sum/_count/_bucket: "metric" (1:6)']],
    [
      'rate({__name__=~"metric"}[1m])',
      ['PromQL info: metric might not be a counter, name does not end in _total/_sum/_count/_bucket: "metric" (1:6)'],
    ],
    ['delta(metric[1m])', []],
    ['rate(none[1m])', []],
    ['quantile(\n  2, metric)', ['PromQL warning: quantile value should be between 0 and 1, got 2 (2:3)']],
    ['quantile_over_time(-0.5, metric[1m])', ['PromQL warning: quantile value should be between 0 and 1, got -0.5 (1:20)']],
    ['histogram_quantile(0.5, metric)', ['PromQL warning: bucket label "le" is missing or has a malformed value of "" (1:25)']],
  ])('%s', (text, expected) => {
    expect(told(text)).toEqual(expected);
  });

  describe('of buckets that had to be mended', () => {
    const falling = load(`
load 1m
  h_bucket{le="1"} 10 10 300
  h_bucket{le="2"} 9 12 150
  h_bucket{le="4.5"} 20 11.5 400
  h_bucket{le="+Inf"} 20 12 400
  i_bucket{of="i",le="0.25"} 3 3 3
  i_bucket{of="i",le="0.5"} 1 3 3
  i_bucket{of="i",le="+Inf"} 3 3 3
`);
    const begin =
      'PromQL info: input to histogram_quantile needed to be fixed for monotonicity ' +
      '(see https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile), ';
    const rangeOf = (text: string): readonly string[] =>
      prepare(text, { experimentalFunctions: true }).range(falling, { startTs: 0, endTs: 120_000, stepMs: 60_000 }).infos;

    it.each([
      [
        'an instant',
        'histogram_quantile(0.5, h_bucket)',
        'from buckets 2 to 2, with a max diff of 1, over 1 samples from 1970-01-01T00:00:00Z to 1970-01-01T00:00:00Z (1:25)',
      ],
      [
        'several histograms',
        'histogram_quantile(0.5, {__name__=~"._bucket"})',
        'from buckets 0.5 to 2, with a max diff of 2, over 2 samples from 1970-01-01T00:00:00Z to 1970-01-01T00:00:00Z (1:25)',
      ],
    ])('tells at once of %s', (_, text, told) => {
      expect(prepare(text).instant(falling, 0).infos).toEqual([begin + told]);
    });

    it.each([
      [
        'all steps',
        'histogram_quantile(0.5, h_bucket)',
        'from buckets 2 to 4.5, with a max diff of 1.5e+02, over 3 samples from 1970-01-01T00:00:00Z to 1970-01-01T00:02:00Z (1:25)',
      ],
      [
        'all places, with the position of the first',
        'histogram_quantile(0.5, h_bucket) + histogram_quantile(0.9, h_bucket)',
        'from buckets 2 to 4.5, with a max diff of 1.5e+02, over 6 samples from 1970-01-01T00:00:00Z to 1970-01-01T00:02:00Z (1:25)',
      ],
      [
        'all quantiles, with the position of their label',
        'histogram_quantiles(i_bucket, "q", 0.5, 0.9)',
        'from buckets 0.5 to 0.5, with a max diff of 2, over 2 samples from 1970-01-01T00:00:00Z to 1970-01-01T00:00:00Z (1:31)',
      ],
    ])('tells over a range of %s', (_, text, told) => {
      expect(rangeOf(text)).toEqual([begin + told]);
    });
  });
});

describe('limits', () => {
  function refused(text: string, options: EvalOptions): string {
    try {
      prepare(text).range(data, { startTs: 0, endTs: 100_000, stepMs: 10_000 }, options);
    } catch (error) {
      if (error instanceof BelfryError) return `${error.code} ${error.message}`;
      throw error;
    }
    return 'done';
  }

  it('end a query that would hold too many samples', () => {
    const message = 'PROMQL_LIMIT query processing would load too many samples into memory in query execution';
    expect(refused('metric', { maxSamples: 22 })).toBe('done');
    expect(refused('metric', { maxSamples: 21 })).toBe(message);
    expect(refused('sum_over_time(metric[100s])', { maxSamples: 9 })).toBe(message);
    expect(refused('sum(sum_over_time(metric[50s:1s]))', { maxSamples: 100 })).toBe(message);
    expect(refused('1', { maxSamples: 10 })).toBe(message);
  });

  it('end a selector that resolves to too many series', () => {
    expect(refused('metric', { maxSeries: 2 })).toBe('done');
    expect(refused('metric', { maxSeries: 1 })).toBe('PROMQL_LIMIT selector resolves to 2 series, more than the 1 allowed');
  });

  it('end a query past its deadline', () => {
    let now = 0;
    const clock = (): number => (now += 10);
    expect(refused('metric', { now: clock, deadlineMs: 1e9 })).toBe('done');
    expect(refused('max_over_time(metric[100s:1s])', { now: clock, deadlineMs: now + 5 })).toBe(
      'PROMQL_TIMEOUT query timed out in expression evaluation',
    );
  });
});

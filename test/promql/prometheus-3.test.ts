import { describe, expect, it } from '@jest/globals';
import { evalAt, showMatrix } from './evaluating.ts';
import { load } from './memory-querier.ts';
import { prepare } from '../../src/promql/prepare.ts';

/**
 * Where Prometheus 3.x answers otherwise than the 2.42 that the differential test runs against: its changes one by
 * one, with where they come from (files of prometheus/prometheus).
 */
const data = load(`
load 1m
  n 0 1 2 3 4 5 6 7 8 9 10
  start_total _ _ _ _ _ _ 9 19 29 39 49
  v{i="1"} 1
  v{i="2"} 2
  high{i="1"} Inf
  high{i="2"} 1
  one{g="x"} 1
  many{g="x",i="1"} 1
  many{g="x",i="2"} 2
  a_bucket{le="1"} 1
  a_bucket{le="+Inf"} 2
  b_bucket{le="1"} 10
  b_bucket{le="+Inf"} 20
`);

describe('Prometheus 3.x, not 2.42', () => {
  it.each([
    ['range selectors are open on the left (docs/migration.md)', '5m', 'count_over_time(n[2m])', ['{} 2']],
    ['so is the lookback (docs/migration.md)', '5m', 'v', []],
    ['and subqueries (promql/engine.go, SubqueryExpr)', '5m', 'count_over_time(n[2m:1m])', ['{} 2']],
    // 9 at 6m, 40 more by 10m, window from 0: half an interval (30 s) is nearer than the zero point (54 s).
    ['the zero point is looked for after the threshold (functions.go, extrapolatedRate)', '10m', 'increase(start_total[10m])', ['{} 45']],
    ['the deviation of an infinity is NaN (engine.go, aggregation)', '0', 'stddev(high{i="1"})', ['{} NaN']],
    ['an exact rank needs no neighbour (quantile.go, quantile)', '0', 'quantile(0, high)', ['{} 1']],
    ['atan2 drops the metric name (engine.go, changesMetricSchema)', '0', 'v{i="1"} atan2 0', ['{i="1"} 1.57079632679']],
    ['durations are numbers (parser/generated_parser.y, number_duration_literal)', '0', '1m30s * 2', ['180']],
    ['ranges are numbers too', '5m', 'count_over_time(n[120])', ['{} 2']],
    ['histogram_fraction takes classic histograms (quantile.go, BucketFraction)', '0', 'histogram_fraction(0, 1, a_bucket)', ['{} 0.5']],
    ['names are in quotes within braces (parser/generated_parser.y, metric_identifier)', '0', '{"v", "i"="2"}', ['v{i="2"} 2']],
    ['a quantile is warned of, not refused (util/annotations)', '0', 'quantile(2, v)', ['{} +Inf']],
  ])('%s', (_, at, text, expected) => {
    expect(evalAt(data, at, text)).toEqual(expected);
  });

  it('histograms of different names stay apart (engine.go, resetHistograms)', () => {
    expect(() => evalAt(data, '0', 'histogram_quantile(0.5, {__name__=~"[ab]_bucket"})')).toThrow(
      'vector cannot contain metrics with the same labelset',
    );
  });

  it.each([
    '-{__name__=~"early|late"}',
    'max_over_time({__name__=~"early|late"}[1m])',
    'max_over_time((-{__name__=~"early|late"})[1m:1m])',
  ])(
    'series that are equal without their names are one where they do not meet (3.9 and later; engine.go, mergeSeriesWithSameLabelset): %s',
    (text) => {
      const renamed = load('load 1m\n  early 1 2 stale _ _\n  late _ _ _ 3 4 5 6');
      const value = prepare(text).range(renamed, { startTs: 0, endTs: 240_000, stepMs: 60_000 });
      const sign = text.includes('-{') ? -1 : 1;
      expect(showMatrix(value)).toEqual([`{} ${sign}@0 ${2 * sign}@60 ${3 * sign}@180 ${4 * sign}@240`]);
    },
  );

  it('matches must be unique even where a comparison lets none through (engine.go, VectorBinop)', () => {
    expect(() => evalAt(data, '0', 'many > on(g) (one * 100)')).toThrow('many-to-one matching must be explicit');
  });

  it('a sort over a range is warned of (util/annotations)', () => {
    const { series, warnings, infos } = prepare('sort_desc(v)').range(data, { startTs: 0, endTs: 60_000, stepMs: 60_000 });
    expect(showMatrix({ type: 'matrix', series, warnings, infos })).toEqual(['v{i="1"} 1@0 1@60', 'v{i="2"} 2@0 2@60']);
    expect(warnings).toEqual(['PromQL warning: sort is ineffective for range queries since results are always ordered by labels (1:1)']);
  });
});

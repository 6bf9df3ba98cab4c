import { describe, expect, it } from '@jest/globals';
import { Labels } from '../../src/core/labels.ts';
import { formatFloat } from '../../src/core/number-format.ts';
import { labelsHash, xxHash64 } from '../../src/promql/labels-hash.ts';
import { prepare } from '../../src/promql/prepare.ts';
import type { ParseOptions } from '../../src/promql/parse.ts';
import { evalSorted, showMatrix } from './evaluating.ts';
import { load } from './memory-querier.ts';

/** What Prometheus 3.x keeps behind `--enable-feature`, and the differential test's 2.42 does not have. */
const EVERYTHING: ParseOptions = {
  experimentalFunctions: true,
  durationExpressions: true,
  extendedRangeSelectors: true,
  binopFillModifiers: true,
};

const disks = load(`
load 1m
  used{disk="a"} 3 4 _ 6
  used{disk="b"} 5 _ 7 8
  size{disk="b"} 10 10 10 10
  size{disk="c"} 20 _ 20 20
  part{disk="a",part="1"} 1
  part{disk="a",part="2"} 2
  part{disk="z",part="1"} 9
  model{disk="a",made="x"} 100
  model{disk="q",made="y"} 200
`);

function over(text: string, endS: number, stepS = 60, startS = 0): readonly string[] {
  const range = { startTs: startS * 1000, endTs: endS * 1000, stepMs: stepS * 1000 };
  return showMatrix(prepare(text, EVERYTHING).range(disks, range));
}

describe('fill, fill_left and fill_right (engine.go, VectorBinop)', () => {
  it.each([
    ['used + fill(1) size', ['{disk="a"} 4', '{disk="b"} 15', '{disk="c"} 21']],
    ['used + fill_left(-2) size', ['{disk="b"} 15', '{disk="c"} 18']],
    ['used + fill_right (+Inf) size', ['{disk="a"} +Inf', '{disk="b"} 15']],
    ['used - FILL_RIGHT(1) fill_left(2) size', ['{disk="a"} 2', '{disk="b"} -5', '{disk="c"} -18']],
    ['used < fill(4) size', ['used{disk="a"} 3', 'used{disk="b"} 5', '{disk="c"} 4']],
    ['used > bool fill(3) size', ['{disk="a"} 0', '{disk="b"} 0', '{disk="c"} 0']],
    [
      'part * on(disk) group_left(made) fill(7) model',
      ['{disk="a", made="x", part="1"} 100', '{disk="a", made="x", part="2"} 200', '{disk="q", made="y"} 1400', '{disk="z", part="1"} 63'],
    ],
    // The sides are exchanged before they are filled.
    ['model * on(disk) group_right fill_left(7) part', ['{disk="a", part="1"} 100', '{disk="a", part="2"} 200', '{disk="q"} 1400']],
    [
      'model * on(disk) group_right fill_right(7) part',
      ['{disk="a", part="1"} 100', '{disk="a", part="2"} 200', '{disk="z", part="1"} 63'],
    ],
    ['used + fill_left(1) nothing', []],
    ['nothing + fill_left(1) used', ['{disk="a"} 4', '{disk="b"} 6']],
    ['used + ignoring(disk) fill(0) size', 'many-to-many matching not allowed'],
  ])('%s', (text, expected) => {
    const run = (): readonly string[] => evalSorted(disks, '0', text, EVERYTHING);
    if (typeof expected === 'string') expect(run).toThrow(expected);
    else expect(run()).toEqual(expected.toSorted());
  });

  it('fills at each step what is not there then', () => {
    expect(over('min_over_time(used[1ms]) + fill(100) min_over_time(size[1ms])', 180)).toEqual([
      '{disk="a"} 103@0 104@60 106@180',
      '{disk="b"} 15@0 110@60 17@120 18@180',
      '{disk="c"} 120@0 120@120 120@180',
    ]);
  });

  it('are names of metrics elsewhere, and printed as they are meant', () => {
    const text = (expr: string): string => prepare(expr, EVERYTHING).print();
    expect(text('a + fill')).toBe('a + fill');
    expect(text('fill_left + on(b) group_left() fill_right(2) fill_left(1e-7) fill{c="d"}')).toBe(
      'fill_left + on (b) group_left () fill_left (1e-07) fill_right (2) fill{c="d"}',
    );
    expect(text('a > fill(NaN) b')).toBe('a > fill (NaN) b');
  });

  it.each([
    ['a and fill(0) b', '1:1 filling in missing series not allowed for set operators'],
    ['a + fill(0) 1', '1:1 filling in missing series only allowed between instant vectors'],
    ['a + fill(b) c', '1:10 unexpected identifier "b" in fill, expected a number'],
    ['a + fill(1) fill_left(2) c', '1:13 unexpected identifier "fill_left", expected an expression'],
    ['fill(1)', '1:1 unexpected identifier "fill", expected an expression'],
  ])('%s is refused', (text, expected) => {
    expect(refusal(text)).toBe(expected);
  });
});

function refusal(text: string): string {
  try {
    prepare(text, EVERYTHING);
  } catch (error) {
    const { message, position } = error as { message: string; position?: { line: number; column: number } };
    return `${position?.line}:${position?.column} ${message}`;
  }
  return 'accepted';
}

describe('times of the query, and the less and the greater of two numbers', () => {
  it.each([
    ['start() + 0 * end()', '{} 60@60 60@120 60@180'],
    ['vector(end())', '{} 180@60 180@120 180@180'],
    ['range() / step()', '{} 2@60 2@120 2@180'],
    ['min_of(time(), 100)', '{} 60@60 100@120 100@180'],
    ['max_of(-1, NaN)', '{} NaN@60 NaN@120 NaN@180'],
    // Of the whole query, within subqueries too.
    ['max_over_time(vector(start())[2m:30s])', '{} 60@60 60@120 60@180'],
  ])('%s', (text, expected) => {
    expect(over(text, 180, 60, 60)).toEqual([expected]);
  });

  it('have no step and no range at one time', () => {
    const at = (text: string, ts: number): unknown => prepare(text, EVERYTHING).instant(disks, ts);
    expect(at('start() + end() + range() + step()', 90_000)).toMatchObject({ type: 'scalar', value: 180 });
    const prepared = prepare('vector(start())', EVERYTHING);
    expect([1000, 2000].map((ts) => prepared.instant(disks, ts))).toMatchObject([{ values: [1] }, { values: [2] }].map(asArray));
  });
});

function asArray({ values }: { readonly values: readonly number[] }): object {
  return { values: Float64Array.from(values) };
}

describe('limit_ratio (engine.go, RatioSampler)', () => {
  const names = Array.from({ length: 400 }, (_, i) => `  probe{n="${i}"} ${i}`);
  const many = load(`load 1m\n${names.join('\n')}`);
  const count = (text: string): readonly string[] => evalSorted(many, '0', `count(${text})`, EVERYTHING);

  it.each([
    ['limit_ratio(0.3, probe) or limit_ratio(-0.7, probe)', ['{} 400']],
    ['limit_ratio(0.3, probe) and limit_ratio(-0.7, probe)', []],
    ['limit_ratio(0.3, probe) unless limit_ratio(0.5, probe)', []],
    ['limit_ratio by (n) (1, probe)', ['{} 400']],
    ['limit_ratio(-1, probe)', ['{} 400']],
    ['limit_ratio(0, probe)', []],
  ])('%s', (text, expected) => {
    expect(count(text)).toEqual(expected);
  });

  it('takes about that share', () => {
    expect(Number(count('limit_ratio(0.25, probe)')[0]?.slice(3))).toBeCloseTo(100, -1.6);
  });

  it('warns of what is more than everything, and fails of NaN', () => {
    const { warnings } = prepare('limit_ratio(-1.5, probe)', EVERYTHING).instant(many, 0);
    expect(warnings).toEqual(['PromQL warning: ratio value should be between -1 and 1, got -1.5, capping to -1 (1:13)']);
    expect(() => count('limit_ratio(NaN, probe)')).toThrow('Ratio value is NaN');
  });

  it('goes by xxHash64', () => {
    // Values as the reference implementation gives them.
    const hashes = ['', 'a', 'abc', 'Nobody inspects the spammish repetition'].map((text) => xxHash64(Buffer.from(text)).toString(16));
    expect(hashes).toEqual(['ef46db3751d8e999', 'd24ec4f1a98c6e5b', '44bc2cf5ad770999', 'fbcea83c8a378bf1']);
    const long = 'v'.repeat(300);
    const bytes = Buffer.concat([Buffer.of(1), Buffer.from('a'), Buffer.of(255, 300 - 256, 1, 0), Buffer.from(long)]);
    expect(labelsHash(Labels.of({ a: long }))).toBe(xxHash64(bytes));
  });
});

describe('durations that depend on the query (promql/durations.go)', () => {
  it.each([
    ['count_over_time(used[step()])', ['{disk="a"} 1@60 1@180', '{disk="b"} 1@120 1@180']],
    ['count_over_time(used[2 * Step() + 1ms])', ['{disk="a"} 2@60 2@120 2@180', '{disk="b"} 1@60 2@120 2@180']],
    ['count_over_time(used[range()])', ['{disk="a"} 2@60 1@120 1@180', '{disk="b"} 1@60 1@120 2@180']],
    ['count_over_time(used[min_of(range(), 1m, )])', 'unexpected ","'],
    ['last_over_time(used[max_of(90s, step())] offset -step())', ['used{disk="a"} 4@60 6@120 6@180', 'used{disk="b"} 7@60 8@120 8@180']],
    ['used{disk="a"} offset (step() - 1m)', ['used{disk="a"} 4@60 4@120 6@180']],
    ['used{disk="a"} offset step() * 0', ['{disk="a"} 0@60 0@120 0@180']],
    ['sum_over_time(used{disk="a"}[range():step() / 2])', ['{disk="a"} 10@60 15@120 18@180']],
    ['x[step()]', 'must be Scalar or instant Vector'],
    ['rate(x[step() - 1m])', 'duration must be greater than 0'],
    ['x offset (1s / (step() - 60))', 'division by zero'],
    ['x offset (1s % 0)', 'modulo by zero'],
    ['x offset (step() * 1e30)', 'duration out of range'],
  ])('%s', (text, expected) => {
    const run = (): readonly string[] => over(text, 180, 60, 60);
    if (typeof expected === 'string') expect(run).toThrow(expected);
    else expect(run()).toEqual(expected);
  });

  it('have neither step nor range at one time', () => {
    const at = (text: string): readonly string[] => evalSorted(disks, '1m', text, EVERYTHING);
    expect(at('used offset step()')).toEqual(at('used'));
    expect(at('used offset step()')).toEqual(at('used'));
    expect(() => at('rate(used[range()])')).toThrow('duration must be greater than 0');
  });

  it.each([
    ['a[ 5m*2 ]', 'a[5m * 2]'],
    ['a[-5m+1h]', 'a[-5m + 1h]'],
    ['a[-2 ^ 2 * -(7)] offset +(90)', 'a[-2 ^ 2 * -(7)] offset (90)'],
    ['a[STEP()+1s:RANGE()/100] @ 5 offset -Max_Of(1, 2.50)', 'a[step() + 1s:range() / 100] @ 5.000 offset -max_of(1, 2.5)'],
    ['a[min(1h, 2d)]', 'a[min_of(1h, 2d)]'],
    ['a offset (5)', 'a offset (5)'],
  ])('%s is printed as %s', (text, expected) => {
    expect(prepare(text, EVERYTHING).print()).toBe(expected);
  });

  it.each([
    ['a[step]', '1:7 unexpected "]" in duration, expected "("'],
    ['a[step()/0s]', '1:9 division by zero'],
    ['a[steps()]', '1:3 unexpected identifier "steps" in duration, expected a number or duration'],
    ['a offset step()[5m]', '1:16 no offset modifiers allowed before range'],
    ['a offset step() offset 5m', '1:17 offset may not be set multiple times'],
  ])('%s is refused', (text, expected) => {
    expect(refusal(text)).toBe(expected);
  });
});

describe('anchored and smoothed (functions.go, extendedRate)', () => {
  const counters = load(`
load 1m
  c_total{i="up"} 0 10 20 30 40 50
  c_total{i="fell"} 30 50 10 30 _ _
  c_total{i="late"} _ _ _ 100
  c_total{i="ended"} 5 9 stale
`);
  const at = (time: string, text: string): readonly string[] => evalSorted(counters, time, text, EVERYTHING);

  it.each([
    // (90s, 210s] holds the samples of 2m and 3m; those of 1m and 4m are beside it.
    ['3m30s', 'increase(c_total[2m] anchored)', ['{i="fell"} 30', '{i="late"} 0', '{i="up"} 20']],
    ['3m30s', 'increase(c_total{i="up"}[2m] smoothed)', ['{i="up"} 20']],
    // From 50 to 10 it starts at 0: 5 at the left end, 30 at the right one, which is the last there is.
    ['3m30s', 'increase(c_total{i="fell"}[2m] smoothed)', ['{i="fell"} 25']],
    ['3m30s', 'delta(c_total{i="fell"}[2m] smoothed)', ['{i="fell"} 0']],
    ['3m30s', 'rate(c_total{i="up"}[2m] smoothed)', ['{i="up"} 0.166666666667']],
    ['3m30s', 'changes(c_total{i=~"up|fell"}[2m] anchored)', ['{i="fell"} 2', '{i="up"} 2']],
    ['3m30s', 'resets(c_total{i=~"up|fell"}[2m] anchored)', ['{i="fell"} 1', '{i="up"} 0']],
    // A sample is in front, none within.
    ['3m30s', 'increase(c_total{i="up"}[30s] anchored)', []],
    ['3m30s', 'increase(c_total{i="up"}[20s] smoothed)', ['{i="up"} 3.33333333333']],
    ['4m30s', 'increase(c_total{i="up"}[1m] smoothed offset 1m)', ['{i="up"} 10']],
    ['9m', 'increase(c_total{i="up"}[1m] smoothed @ 210)', ['{i="up"} 10']],
    ['2m30s', 'c_total smoothed', ['c_total{i="ended"} 9', 'c_total{i="fell"} 20', 'c_total{i="up"} 25']],
    ['1m15s', 'c_total{i="fell"} smoothed', ['c_total{i="fell"} 40']],
    ['1m15s', 'c_total{i="fell"} smoothed offset -1m', ['c_total{i="fell"} 15']],
    ['8m', 'c_total smoothed', ['c_total{i="up"} 50']],
    ['2m30s', 'c_total{i="up"} anchored', ['c_total{i="up"} 20']],
    ['2m30s', '(c_total{i="up"}[1m] smoothed)', ['c_total{i="up"} 15@90 20@120 25@150']],
    ['2m30s', 'c_total{i="up"}[1m] anchored', ['c_total{i="up"} 10@90 20@120 20@150']],
  ])('at %s %s', (time, text, expected) => {
    expect(at(time, text)).toEqual(expected);
  });

  it('gives over a range what it gives at each of its times', () => {
    const text = 'rate(c_total[90s] smoothed) + on(i) c_total smoothed';
    const range = { startTs: 45_000, endTs: 300_000, stepMs: 15_000 };
    const { series } = prepare(text, EVERYTHING).range(counters, range);
    for (const { labels, timestamps, values } of series)
      for (const [i, ts] of timestamps.entries())
        expect(at(`${ts}ms`, text)).toContain(`${labels.toString()} ${formatFloat(Number(values[i]?.toPrecision(12)))}`);
    expect(series.length).toBe(4);
  });

  it.each([
    ['deriv(c_total[5m] smoothed)', '1:7 smoothed modifier can only be used with: delta, increase, rate - not with deriv'],
    ['changes((c_total[5m] smoothed))', '1:10 smoothed modifier can only be used with: delta, increase, rate - not with changes'],
    [
      'absent_over_time(x[5m] anchored)',
      '1:18 anchored modifier can only be used with: changes, delta, increase, rate, resets - not with absent_over_time',
    ],
    ['x[5m] anchored smoothed', '1:1 anchored and smoothed modifiers cannot be used together'],
    ['x[5m:1m] smoothed', '1:1 smoothed modifier is not supported for subqueries'],
    ['sum(x) anchored', '1:1 anchored modifier must be preceded by an instant vector selector or range vector selector'],
  ])('%s is refused', (text, expected) => {
    expect(refusal(text)).toBe(expected);
  });

  it.each([
    ['rate(a[5m] offset 1m SMOOTHED)', 'rate(a[5m] smoothed offset 1m)'],
    ['a smoothed @ 5 offset 1m', 'a @ 5.000 smoothed offset 1m'],
    ['changes(a[5m] anchored @ end())', 'changes(a[5m] anchored @ end())'],
    ['sum by (smoothed) (anchored{smoothed="a"} + smoothed)', 'sum by (smoothed) (anchored{smoothed="a"} + smoothed)'],
  ])('%s is printed as %s', (text, expected) => {
    expect(prepare(text, EVERYTHING).print()).toBe(expected);
  });
});

describe('info (promql/info.go)', () => {
  const hosts = load(`
load 1m
  cpu{instance="h1",job="node",core="0"} 1 2 3
  cpu{instance="h2",job="node",core="0"} 4 5 6
  bare 7 7 7
  target_info{instance="h1",job="node",os="linux",core="none",zone="a"} 1 stale
  target_info{instance="h1",job="node",os="bsd",zone="b"} _ 1 1
  chip_info{instance="h1",job="node",chip="x"} 1 1 1
  chip_info{instance="h2",job="node",chip="y"} 1 1 1
  site_info{job="node",site="s"} 1 1 1
`);
  const at = (time: string, text: string): readonly string[] => evalSorted(hosts, time, text, EVERYTHING);

  it.each([
    ['0', 'info(cpu)', ['cpu{core="0", instance="h1", job="node", os="linux", zone="a"} 1', 'cpu{core="0", instance="h2", job="node"} 4']],
    ['0', 'info(cpu, {zone=~".+"})', ['cpu{core="0", instance="h1", job="node", zone="a"} 1']],
    [
      '2m',
      'info(cpu, {zone=~".*"})',
      ['cpu{core="0", instance="h1", job="node", zone="b"} 3', 'cpu{core="0", instance="h2", job="node"} 6'],
    ],
    ['0', 'info(cpu, {zone="b"})', []],
    ['1m', 'sum by (chip) (info(cpu, {__name__="chip_info"}))', ['{chip="x"} 2', '{chip="y"} 5']],
    // What only says which not means all others whose names end so.
    ['1m', 'group by (chip, os) (info(cpu, {__name__!="target_info"}))', ['{chip="x"} 1', '{chip="y"} 1']],
    // An info series that lacks an identifying label that others have belongs to none of them.
    ['1m', 'info(cpu{instance="h2"}, {__name__="site_info"})', ['cpu{core="0", instance="h2", job="node"} 5']],
    ['1m', 'info(sum by (job) (cpu), {__name__="site_info"})', ['{job="node", site="s"} 7']],
    ['1m', 'info(bare)', ['bare 7']],
    ['1m', 'info(chip_info{chip="x"}, {__name__=~"chip_.*|target_.*"})', ['chip_info{chip="x", instance="h1", job="node"} 1']],
    ['2m', 'info(cpu{instance="h1"} @ 0, {os=~".+"})', ['cpu{core="0", instance="h1", job="node", os="bsd"} 1']],
    ['2m', 'info(nothing)', []],
  ])('at %s %s', (time, text, expected) => {
    expect(at(time, text)).toEqual(expected);
  });

  it('looks at each step at what there is then', () => {
    const range = { startTs: 0, endTs: 120_000, stepMs: 60_000 };
    expect(showMatrix(prepare('info(cpu{instance="h1"} @ 0, {os=~".+"})', EVERYTHING).range(hosts, range))).toEqual([
      'cpu{core="0", instance="h1", job="node", os="bsd"} 1@60 1@120',
      'cpu{core="0", instance="h1", job="node", os="linux"} 1@0',
    ]);
  });

  it('fails of info series that say different things', () => {
    const both = load('load 1m\n  v{job="j"} 1\n  a_info{job="j",x="1"} 1\n  b_info{job="j",x="2"} 1\n  b_info{job="j",y="1"} 1');
    const run = (text: string) => () => evalSorted(both, '0', text, EVERYTHING);
    expect(run('info(v, {__name__=~"._info", x=~".+"})')).toThrow('conflicting label: x');
    expect(run('info(v, {__name__="b_info"})')).toThrow(
      'found duplicate series for info metric: existing b_info{job="j", x="2"} @ 0, new b_info{job="j", y="1"} @ 0',
    );
  });

  it.each([
    ['info(x, y)', '1:9 expected label selectors only, got vector selector instead'],
    ['info(x, {a="b"} + 1)', '1:9 expected label selectors only'],
    ['info(x[5m])', '1:6 expected type instant vector in call to function "info", got range vector'],
    ['info(x, {a=""}, 1)', '1:1 expected at most 2 argument(s) in call to "info", got 3'],
    ['info(x, {})', 'accepted'],
  ])('%s is refused', (text, expected) => {
    expect(refusal(text)).toBe(expected);
  });
});

describe('histogram_quantiles', () => {
  const buckets = load(`
load 1m
  took_bucket{le="1",path="/"} 10
  took_bucket{le="3",path="/"} 20
  took_bucket{le="+Inf",path="/"} 20
  q 0.5
`);

  it('is histogram_quantile several times', () => {
    expect(evalSorted(buckets, '0', 'histogram_quantiles(took_bucket, "q", 0.25, 1, 0.75)', EVERYTHING)).toEqual([
      '{path="/", q="0.25"} 0.5',
      '{path="/", q="0.75"} 2',
      '{path="/", q="1.0"} 3',
    ]);
    expect(evalSorted(buckets, '0', 'histogram_quantiles(took_bucket, "path", scalar(q), NaN)', EVERYTHING)).toEqual([
      '{path="0.5"} 1',
      '{path="NaN"} NaN',
    ]);
  });

  it('warns of each that is no quantile, and fails of one given twice', () => {
    const { warnings } = prepare('histogram_quantiles(took_bucket, "q", 2, -1)', EVERYTHING).instant(buckets, 0);
    expect(warnings).toEqual([
      'PromQL warning: quantile value should be between 0 and 1, got 2 (1:39)',
      'PromQL warning: quantile value should be between 0 and 1, got -1 (1:42)',
    ]);
    expect(() => evalSorted(buckets, '0', 'histogram_quantiles(took_bucket, "q", 0.5, 0.5)', EVERYTHING)).toThrow('same labelset');
  });

  it('takes ten of them', () => {
    const ten = Array.from({ length: 10 }, (_, i) => `0.${i}`).join(', ');
    expect(refusal(`histogram_quantiles(x, "q", ${ten})`)).toBe('accepted');
    expect(refusal(`histogram_quantiles(x, "q", ${ten}, 1)`)).toContain('expected at most 12 argument(s)');
    expect(refusal('histogram_quantiles(x, "q")')).toContain('expected at least 3 argument(s)');
  });
});

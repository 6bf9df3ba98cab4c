import { describe, expect, it } from '@jest/globals';
import { evalAt, evalSorted } from './evaluating.ts';
import { load } from './memory-querier.ts';

const counters = load(`
load 1m
  requests_total{job="api",instance="0"} 0+10x20
  requests_total{job="api",instance="1"} 0+20x20
  reset_total 0 10 20 5 15 25
  one_total 7
  gauge 5 3 8 NaN 8 2
  late_total _ _ _ 100 110 120
  big_total 1000+10x20
  ends_total 0+10x4
`);

describe('rates', () => {
  it.each([
    // Windows are open on the left: the sample at 5m is not in (5m, 10m].
    ['10m', 'count_over_time(requests_total{instance="0"}[5m])', ['{instance="0", job="api"} 5']],
    ['10m', 'rate(requests_total[5m])', ['{instance="0", job="api"} 0.166666666667', '{instance="1", job="api"} 0.333333333333']],
    ['10m', 'increase(requests_total{instance="0"}[5m])', ['{instance="0", job="api"} 50']],
    ['10m', 'delta(requests_total{instance="0"}[5m])', ['{instance="0", job="api"} 50']],
    ['10m', 'irate(requests_total{instance="0"}[5m])', ['{instance="0", job="api"} 0.166666666667']],
    ['10m', 'idelta(requests_total{instance="0"}[5m])', ['{instance="0", job="api"} 10']],
    // 0 10 20 5 15 25: 20 up, a reset, 25 up.
    ['5m', 'increase(reset_total[6m])', ['{} 45']],
    ['5m', 'resets(reset_total[6m])', ['{} 1']],
    ['3m', 'irate(reset_total[2m])', ['{} 0.0833333333333']],
    // One sample has no rate.
    ['5m', 'rate(one_total[10m])', []],
    ['5m', 'rate(gauge[1m])', []],
    // A series that starts in the window is extrapolated by half an interval, not to the window's edge …
    ['5m', 'delta(late_total[30m])', ['{} 25']],
    // … and no further than where a counter would have been zero.
    ['4m', 'increase(ends_total[30m])', ['{} 40']],
    ['20m', 'increase(big_total[30m])', ['{} 205']],
    // The end likewise: the last sample is at 4m, the window ends at 8m.
    ['8m', 'increase(ends_total[10m])', ['{} 45']],
  ])('at %s %s', (at, text, expected) => {
    expect(evalAt(counters, at, text)).toEqual(expected);
  });
});

describe('over time', () => {
  it.each([
    ['sum_over_time(reset_total[6m])', '75'],
    ['avg_over_time(reset_total[6m])', '12.5'],
    ['min_over_time(gauge[6m])', '2'],
    ['max_over_time(gauge[6m])', '8'],
    ['count_over_time(gauge[6m])', '6'],
    ['sum_over_time(gauge[6m])', 'NaN'],
    ['last_over_time(reset_total[6m])', '25'],
    ['first_over_time(reset_total[6m])', '0'],
    ['present_over_time(gauge[6m])', '1'],
    ['changes(gauge[6m])', '5'],
    ['resets(gauge[6m])', '2'],
    ['stdvar_over_time(reset_total[6m])', '72.9166666667'],
    ['stddev_over_time(reset_total[6m])', '8.5391256383'],
    ['quantile_over_time(0.5, reset_total[6m])', '12.5'],
    ['quantile_over_time(-1, reset_total[6m])', '-Inf'],
    ['quantile_over_time(2, reset_total[6m])', '+Inf'],
    ['quantile_over_time(0, gauge[6m])', 'NaN'],
    ['mad_over_time(reset_total[6m])', '7.5'],
    ['deriv(requests_total{instance="0"}[5m])', '0.166666666667'],
    ['deriv(one_total[10m])', undefined],
    ['predict_linear(requests_total{instance="0"}[5m], 60)', '60'],
  ])('%s', (text, expected) => {
    const lines = evalAt(counters, '5m', text);
    expect(lines.map((line) => line.split(' ').at(-1))).toEqual(expected === undefined ? [] : [expected]);
  });

  it('keeps the metric name of the last value only', () => {
    expect(evalAt(counters, '5m', 'last_over_time(reset_total[6m])')).toEqual(['reset_total 25']);
    expect(evalAt(counters, '5m', 'max_over_time(reset_total[6m])')).toEqual(['{} 25']);
  });

  it('has slope 0 exactly for what does not change, and none for infinities', () => {
    const flat = load('load 1m\n  flat 493.7x10\n  high Infx10');
    expect(evalAt(flat, '5m', 'deriv(flat[5m])')).toEqual(['{} 0']);
    expect(evalAt(flat, '5m', 'predict_linear(flat[5m], 3600)')).toEqual(['{} 493.7']);
    expect(evalAt(flat, '5m', 'deriv(high[5m])')).toEqual(['{} NaN']);
  });

  it('sums and averages without losing small terms or overflowing', () => {
    const wild = load('load 1m\n  tiny 1 1e100 1 -1e100\n  huge 1.7e308 1.7e308 1.7e308\n  infs Inf 1 Inf\n  both Inf -Inf');
    expect(evalAt(wild, '3m', 'sum_over_time(tiny[5m])')).toEqual(['{} 2']);
    expect(evalAt(wild, '3m', 'avg_over_time(tiny[5m])')).toEqual(['{} 0.5']);
    expect(evalAt(wild, '3m', 'avg_over_time(huge[5m]) / 1e308')).toEqual(['{} 1.7']);
    expect(evalAt(wild, '3m', 'sum_over_time(huge[5m])')).toEqual(['{} +Inf']);
    expect(evalAt(wild, '3m', 'avg_over_time(infs[5m])')).toEqual(['{} +Inf']);
    expect(evalAt(wild, '3m', 'sum_over_time(both[5m])')).toEqual(['{} NaN']);
  });
});

const values = load(`
load 1m
  v{x="1"} 1.5
  v{x="2"} -2.5
  v{x="3"} NaN
  v{x="4"} Inf
`);

describe('functions of each value', () => {
  it.each([
    ['abs(v)', '1.5 2.5 NaN +Inf'],
    ['ceil(v)', '2 -2 NaN +Inf'],
    ['floor(v)', '1 -3 NaN +Inf'],
    ['round(v)', '2 -2 NaN +Inf'],
    ['round(v, 0.4)', '1.6 -2.4 NaN +Inf'],
    ['clamp(v, -1, 1)', '1 -1 NaN 1'],
    ['clamp(v, 1, -1)', ''],
    ['clamp_min(v, 0)', '1.5 0 NaN +Inf'],
    ['clamp_max(v, 0)', '0 -2.5 NaN 0'],
    ['sgn(v)', '1 -1 NaN 1'],
    ['exp(v)', '4.48168907034 0.0820849986239 NaN +Inf'],
    ['ln(v)', '0.405465108108 NaN NaN +Inf'],
    ['log2(v)', '0.584962500721 NaN NaN +Inf'],
    ['log10(v)', '0.176091259056 NaN NaN +Inf'],
    ['sqrt(v)', '1.22474487139 NaN NaN +Inf'],
    ['deg(v)', '85.9436692696 -143.239448783 NaN +Inf'],
    ['rad(v)', '0.0261799387799 -0.0436332312999 NaN +Inf'],
    ['-v', '-1.5 2.5 NaN -Inf'],
    ['sin(v)', '0.997494986604 -0.598472144104 NaN NaN'],
    ['atanh(v / 10)', '0.151140435936 -0.255412811883 NaN NaN'],
    ['timestamp(v)', '0 0 0 0'],
    ['timestamp(-v)', '60 60 60 60'],
  ])('%s', (text, expected) => {
    const lines = evalAt(values, '1m', text);
    expect(lines.map((line) => line.split(' ').at(-1)).join(' ')).toBe(expected);
    expect(lines.every((line) => line.startsWith('{x="'))).toBe(true);
  });

  it('sorts NaN last in both directions', () => {
    const last = (text: string): string =>
      evalAt(values, '1m', text)
        .map((line) => line.split(' ').at(-1))
        .join(' ');
    expect(last('sort(v)')).toBe('-2.5 1.5 +Inf NaN');
    expect(last('sort_desc(v)')).toBe('+Inf 1.5 -2.5 NaN');
    expect(last('sort_by_label_desc(v, "x")')).toBe('+Inf NaN -2.5 1.5');
  });

  it('turns vectors into scalars and back', () => {
    expect(evalAt(values, '1m', 'scalar(v)')).toEqual(['NaN']);
    expect(evalAt(values, '1m', 'scalar(v{x="1"})')).toEqual(['1.5']);
    expect(evalAt(values, '1m', 'vector(scalar(v{x="1"}) + 1)')).toEqual(['{} 2.5']);
    expect(evalAt(values, '90s', 'time()')).toEqual(['90']);
    expect(evalAt(values, '1m', 'pi()')).toEqual(['3.14159265359']);
  });
});

describe('dates, in UTC', () => {
  it.each([
    // 2024-02-29 23:59:58, a Thursday.
    ['minute', 1_709_251_198, 59],
    ['hour', 1_709_251_198, 23],
    ['day_of_week', 1_709_251_198, 4],
    ['day_of_month', 1_709_251_198, 29],
    ['day_of_year', 1_709_251_198, 60],
    ['days_in_month', 1_709_251_198, 29],
    ['month', 1_709_251_198, 2],
    ['year', 1_709_251_198, 2024],
    ['year', -1, 1969],
    ['day_of_year', -1, 365],
    ['day_of_year', 1_735_603_200, 366],
    ['days_in_month', 4_105_123_200, 28],
    ['year', -62_135_596_800, 1],
  ])('%s of %d is %d', (name, seconds, expected) => {
    expect(evalAt(values, '0', `${name}(vector(${seconds}))`)).toEqual([`{} ${expected}`]);
  });

  it('take the time of the evaluation where no vector is given', () => {
    expect(evalAt(values, '25h', 'hour()')).toEqual(['{} 1']);
    expect(evalAt(values, '25h', 'day_of_month()')).toEqual(['{} 2']);
  });

  it('agree with the calendar on every day of eight hundred years', () => {
    for (let day = -146_097; day < 146_097; day += 13) {
      const date = new Date(day * 86_400_000);
      const text = `year(vector(${day * 86_400})) * 10000 + month(vector(${day * 86_400})) * 100 + day_of_month(vector(${day * 86_400}))`;
      const expected = date.getUTCFullYear() * 10_000 + (date.getUTCMonth() + 1) * 100 + date.getUTCDate();
      if (evalAt(values, '0', text)[0] !== `{} ${expected}`) expect(evalAt(values, '0', text)).toEqual([`{} ${expected}`]);
    }
  });
});

describe('absence', () => {
  it.each([
    ['absent(v)', []],
    ['absent(none{a="b",c=~"d",e!="f"})', ['{a="b"} 1']],
    ['absent(none{a="b",a="c",d="e"})', ['{d="e"} 1']],
    ['absent((none{a="b"}))', ['{a="b"} 1']],
    ['absent(sum(none{a="b"}))', ['{} 1']],
    ['absent_over_time(none{a="b"}[5m])', ['{a="b"} 1']],
    ['absent_over_time(v[5m])', []],
    ['absent_over_time((sum(none))[5m:1m])', ['{} 1']],
  ])('%s', (text, expected) => {
    expect(evalAt(values, '1m', text)).toEqual(expected);
  });
});

describe('labels', () => {
  const hosts = load('load 1m\n  up{host="a-1",zone="eu"} 1\n  up{host="b-2"} 1');

  it.each([
    ['label_replace(up, "n", "$2/$1", "host", "(.*)-(.*)")', ['up{host="a-1", n="1/a", zone="eu"} 1', 'up{host="b-2", n="2/b"} 1']],
    ['label_replace(up, "zone", "x", "host", "b.*")', ['up{host="a-1", zone="eu"} 1', 'up{host="b-2", zone="x"} 1']],
    // The whole value must match.
    ['label_replace(up, "n", "x", "host", "a")', ['up{host="a-1", zone="eu"} 1', 'up{host="b-2"} 1']],
    ['label_replace(up, "zone", "", "zone", "eu")', ['up{host="a-1"} 1', 'up{host="b-2"} 1']],
    ['label_replace(up, "__name__", "down", "", "")', ['down{host="a-1", zone="eu"} 1', 'down{host="b-2"} 1']],
    [
      'label_replace(up, "a.b", "${first}", "host", "(?P<first>.).*")',
      ['up{"a.b"="a", host="a-1", zone="eu"} 1', 'up{"a.b"="b", host="b-2"} 1'],
    ],
    ['label_join(up, "j", "+", "zone", "host")', ['up{host="a-1", j="eu+a-1", zone="eu"} 1', 'up{host="b-2", j="+b-2"} 1']],
    ['label_join(up, "zone", ",")', ['up{host="a-1"} 1', 'up{host="b-2"} 1']],
  ])('%s', (text, expected) => {
    expect(evalSorted(hosts, '1m', text)).toEqual(expected);
  });

  it.each([
    ['label_replace(label_join(up, "zone", ""), "host", "same", "", "")', 'vector cannot contain metrics with the same labelset'],
    ['label_replace(up, "", "x", "host", ".*")', 'invalid destination label name in label_replace(): '],
    ['label_replace(up, "n", "x", "host", "(")', 'invalid regular expression in label_replace(): ('],
    ['label_join(up, "j", "+", "")', 'invalid source label name in label_join(): '],
  ])('%s is refused', (text, message) => {
    expect(() => evalAt(hosts, '1m', text)).toThrow(message);
  });
});

describe('classic histograms', () => {
  const buckets = load(`
load 5m
  h_bucket{le="0.1",job="a"} 0+5x10
  h_bucket{le="0.2",job="a"} 0+7x10
  h_bucket{le="1e0",job="a"} 0+11x10
  h_bucket{le="+Inf",job="a"} 0+12x10
  noinf_bucket{le="0.1"} 0+1x10
  noinf_bucket{le="0.2"} 0+2x10
  one_bucket{le="+Inf"} 0+1x10
  low_bucket{le="-1"} 0+5x10
  low_bucket{le="0"} 0+8x10
  low_bucket{le="+Inf"} 0+10x10
  falls_bucket{le="1"} 10
  falls_bucket{le="2"} 9
  falls_bucket{le="3"} 20
  falls_bucket{le="+Inf"} 20
  empty_bucket{le="1"} 0
  empty_bucket{le="+Inf"} 0
`);

  it.each([
    ['histogram_quantile(0, h_bucket)', '0'],
    ['histogram_quantile(0.2, h_bucket)', '0.048'],
    ['histogram_quantile(0.5, h_bucket)', '0.15'],
    ['histogram_quantile(0.9, h_bucket)', '0.96'],
    // In the highest bucket: the bound below it.
    ['histogram_quantile(1, h_bucket)', '1'],
    ['histogram_quantile(-0.1, h_bucket)', '-Inf'],
    ['histogram_quantile(1.1, h_bucket)', '+Inf'],
    ['histogram_quantile(NaN, h_bucket)', 'NaN'],
    ['histogram_quantile(0.5, rate(h_bucket[15m]))', '0.15'],
    ['histogram_quantile(0.5, noinf_bucket)', 'NaN'],
    ['histogram_quantile(0.5, one_bucket)', 'NaN'],
    ['histogram_quantile(0.5, empty_bucket offset 50m)', 'NaN'],
    // The lowest bucket's bound where it is not above 0.
    ['histogram_quantile(0.3, low_bucket)', '-1'],
    ['histogram_quantile(0.65, low_bucket)', '-0.5'],
    ['histogram_quantile(0.5, falls_bucket offset 50m)', '1'],
    ['histogram_quantile(0.75, falls_bucket offset 50m)', '2.5'],
    ['histogram_fraction(0, 0.1, h_bucket)', '0.416666666667'],
    ['histogram_fraction(0.1, 0.6, h_bucket)', '0.333333333333'],
    ['histogram_fraction(-Inf, +Inf, h_bucket)', '1'],
    ['histogram_fraction(0.5, 0.5, h_bucket)', '0'],
  ])('%s', (text, expected) => {
    const lines = evalAt(buckets, '50m', text);
    expect(lines.map((line) => line.split(' ').at(-1))).toEqual([expected]);
  });

  it('keeps histograms apart by their other labels', () => {
    expect(evalSorted(buckets, '50m', 'histogram_quantile(0.5, {__name__=~"h_bucket|low_bucket"})')).toEqual(['{job="a"} 0.15', '{} -1']);
    expect(() => evalAt(buckets, '50m', 'histogram_quantile(0.5, {__name__=~"noinf_bucket|low_bucket"})')).toThrow(
      'vector cannot contain metrics with the same labelset',
    );
  });
});

import { describe, expect, it } from '@jest/globals';
import { BelfryError } from '../../src/core/errors.ts';
import { prepare } from '../../src/promql/prepare.ts';
import { show } from './evaluating.ts';
import { load } from './memory-querier.ts';

/** The corners of PromQL as Prometheus 3.x has them: what each expression gives at ten minutes, or how it is refused. */
const data = load(`
load 1m
  n 0 1 2 3 4 5 6 7 8 9 10
  v{i="1"} 1x10
  v{i="2"} 2x10
  one{g="x"} 5x10
  old 1x5
  ended 1x8 stale
  nn{i="1"} _ _ _ _ _ _ NaN 1 NaN 3 NaN
  c_total{i="1"} 0+60x10
  reset_total 0 60 120 0 60 120 180 0 60 120 180
  h_bucket{le="0.1"} 1x10
  h_bucket{le="1"} 5x10
  h_bucket{le="+Inf"} 4x10
  open_bucket{le="0.1"} 1x10
  open_bucket{le="1"} 5x10
  odd_bucket{le="x"} 1x10
  hex_bucket{le="0x1p-2"} 2x10
  hex_bucket{le="inf"} 4x10
  nan_bucket{le="1"} 1x10
  nan_bucket{le="+Inf"} 1x10
  nan_bucket{le="NaN"} 1x10
`);
const AT = 600_000;

const VALUES: readonly (readonly [text: string, ...expected: string[]])[] = [
  // Precedence and signs.
  ['-1 ^ 2', '-1'],
  ['2 ^ -1 ^ 2', '0.5'],
  ['-2 ^ 0.5', '-1.41421356237'],
  ['2 ^ 3 ^ 2', '512'],
  ['1 + 2 * 3 % 2', '1'],
  ['1 - -1', '2'],
  ['-5 % 3', '-2'],
  ['1 == bool 1', '1'],
  ['NaN == bool NaN', '0'],
  ['NaN != bool NaN', '1'],
  ['1 / 0', '+Inf'],
  ['0 / 0', 'NaN'],
  ['-1 / 0', '-Inf'],
  ['1 atan2 0', '1.57079632679'],
  // Literals.
  ['0x1F', '31'],
  ['017', '15'],
  ['1_000', '1000'],
  ['.5', '0.5'],
  ['5.', '5'],
  ['1e3', '1000'],
  ['+Inf', '+Inf'],
  ['nan', 'NaN'],
  ['1h30m', '5400'],
  ['1m30s * 2', '180'],
  ["'it\\'s'", '"it\'s"'],
  ['`raw\\n`', '"raw\\\\n"'],
  ['"a\\u00e9\\x41\\101"', '"aéAA"'],
  ['# a comment\nv{i="1"} # and more', 'v{i="1"} 1'],
  // Selectors.
  ['{__name__=~"v|one"}', 'one{g="x"} 5', 'v{i="1"} 1', 'v{i="2"} 2'],
  ['{"v", "i"="2"}', 'v{i="2"} 2'],
  ['{"v", i="2",}', 'v{i="2"} 2'],
  ['v{i="1",}', 'v{i="1"} 1'],
  ['v{"i"="1"}', 'v{i="1"} 1'],
  ['v{i=~"1|"}', 'v{i="1"} 1'],
  ['v{nowhere=""}', 'v{i="1"} 1', 'v{i="2"} 2'],
  ['v{i!~"1"}', 'v{i="2"} 2'],
  ['{"my.metric"}'],
  // Words of the language as names.
  ['sum'],
  ['by{on="1",offset="2",bool="3"}'],
  ['offset'],
  ['sum(sum)'],
  ['sum by (by, on, offset, group_left) (v)', '{} 3'],
  ['SUM(v)', '{} 3'],
  ['v AND v{i="1"}', 'v{i="1"} 1'],
  ['sum (v) by (i,)', '{i="1"} 1', '{i="2"} 2'],
  ['sum by ("i") (v)', '{i="1"} 1', '{i="2"} 2'],
  // Lookback, staleness, windows open on the left.
  ['old'],
  ['old offset 1s', 'old 1'],
  ['ended'],
  ['ended offset 2m', 'ended 1'],
  ['count_over_time(n[2m])', '{} 2'],
  ['count_over_time(n[2m] offset 1s)', '{} 2'],
  ['sum_over_time(n[1m])', '{} 10'],
  ['last_over_time(ended[5m])', 'ended 1'],
  ['n @ 60', 'n 1'],
  ['n @ 60 offset 1m', 'n 0'],
  ['n offset 1m @ 60', 'n 0'],
  ['n @ 1m', 'n 1'],
  ['n offset -1m', 'n 10'],
  ['n @ start() + n @ end()', '{} 20'],
  ['sum_over_time(n[2m] @ 120 offset 1m)', '{} 1'],
  // Subqueries.
  ['count_over_time(n[3m:1m])', '{} 3'],
  ['count_over_time(n[3m:])', '{} 3'],
  ['count_over_time(n[3m:1m] offset 30s)', '{} 3'],
  ['sum_over_time(n[3m:] @ 180)', '{} 6'],
  ['max_over_time(sum(v)[5m:30s])', '{} 3'],
  ['count_over_time(vector(1)[1m:10s])', '{} 6'],
  ['sum_over_time((n > 8)[5m:1m])', '{} 19'],
  // Functions over windows.
  ['min_over_time(nn[5m])', '{i="1"} 1'],
  ['max_over_time(nn[5m])', '{i="1"} 3'],
  ['min_over_time(nn[1m])', '{i="1"} NaN'],
  ['changes(nn[5m])', '{i="1"} 4'],
  ['resets(reset_total[10m])', '{} 2'],
  ['changes(n[3m])', '{} 2'],
  ['rate(c_total[5m])', '{i="1"} 1'],
  ['increase(c_total[5m])', '{i="1"} 300'],
  ['rate(c_total[1m])'],
  ['irate(reset_total[4m])', '{} 1'],
  ['idelta(n[5m])', '{} 1'],
  ['delta(n[5m])', '{} 5'],
  ['deriv(n[5m]) * 60', '{} 1'],
  ['predict_linear(n[5m], 60)', '{} 11'],
  ['stdvar_over_time(n[3m])', '{} 0.666666666667'],
  ['quantile_over_time(0.5, n[4m])', '{} 8.5'],
  ['present_over_time(n[5m])', '{} 1'],
  // Names.
  ['v > 1', 'v{i="2"} 2'],
  ['v > bool 1', '{i="1"} 0', '{i="2"} 1'],
  ['-v', '{i="1"} -1', '{i="2"} -2'],
  ['+v', 'v{i="1"} 1', 'v{i="2"} 2'],
  ['abs(v{i="1"})', '{i="1"} 1'],
  ['v and v', 'v{i="1"} 1', 'v{i="2"} 2'],
  ['topk(1, v)', 'v{i="2"} 2'],
  ['max by (__name__) (v)', 'v 2'],
  ['sum without (i) (v)', '{} 3'],
  ['label_replace(v{i="1"}, "__name__", "w", "", "")', 'w{i="1"} 1'],
  // Matching.
  ['v + on(i) group_left v', '{i="1"} 2', '{i="2"} 4'],
  ['v * on() group_left(g) one', '{g="x", i="1"} 5', '{g="x", i="2"} 10'],
  ['one - on() group_right() v', '{i="1"} 4', '{i="2"} 3'],
  ['v + on(i) v{i="1"}', '{i="1"} 2'],
  ['v == v', 'v{i="1"} 1', 'v{i="2"} 2'],
  ['v == on(i) v', '{i="1"} 1', '{i="2"} 2'],
  ['v unless on() one'],
  ['v unless on(i) one', 'v{i="1"} 1', 'v{i="2"} 2'],
  ['v or on() one', 'v{i="1"} 1', 'v{i="2"} 2'],
  ['v and on() vector(1)', 'v{i="1"} 1', 'v{i="2"} 2'],
  // Aggregations.
  ['topk(0, v)'],
  ['topk(-1, v)'],
  ['topk(1.9, v)', 'v{i="2"} 2'],
  ['bottomk(5, v)', 'v{i="1"} 1', 'v{i="2"} 2'],
  ['count_values("i", v)', '{i="1"} 1', '{i="2"} 1'],
  ['count_values without (i) ("x", v * 0)', '{x="0"} 2'],
  ['group(v)', '{} 1'],
  ['stddev(v)', '{} 0.5'],
  ['quantile(0.5, v)', '{} 1.5'],
  ['sum(nowhere)'],
  ['count(nowhere) or vector(0)', '{} 0'],
  // Absence.
  ['absent(v)'],
  ['absent(nope{a="b",c=~"d"})', '{a="b"} 1'],
  ['absent(nope{a="b",a="c"})', '{} 1'],
  ['absent(sum(nope{a="b"}))', '{} 1'],
  ['absent_over_time(nope{a="b"}[5m])', '{a="b"} 1'],
  ['absent_over_time(nope{a="b"}[5m:1m])', '{} 1'],
  ['absent_over_time(v[5m])'],
  // Values and times.
  ['round(vector(-2.5))', '{} -2'],
  ['round(vector(7), 5)', '{} 5'],
  ['clamp(v, 2, 1)'],
  ['clamp(v, NaN, 1)', '{i="1"} NaN', '{i="2"} NaN'],
  ['sgn(vector(-3))', '{} -1'],
  ['day_of_year(vector(1709251200))', '{} 61'],
  ['days_in_month(vector(1708000000))', '{} 29'],
  ['month(vector(-1))', '{} 12'],
  ['minute()', '{} 10'],
  ['timestamp(v{i="1"} offset 1m)', '{i="1"} 540'],
  ['timestamp(v{i="1"} + 0)', '{i="1"} 600'],
  ['scalar(v)', 'NaN'],
  ['scalar(v{i="1"})', '1'],
  ['vector(1) + time()', '{} 601'],
  // Labels.
  ['label_replace(v{i="1"}, "j", "x-$1", "i", "(.*)")', 'v{i="1", j="x-1"} 1'],
  ['label_replace(v{i="1"}, "j", "x", "i", "2")', 'v{i="1"} 1'],
  ['label_replace(v{i="1"}, "i", "", "", "")', 'v 1'],
  ['label_replace(v{i="1"}, "j", "${1}0", "i", "(.+)")', 'v{i="1", j="10"} 1'],
  ['label_join(v{i="1"}, "j", "-", "i", "nowhere", "i")', 'v{i="1", j="1--1"} 1'],
  ['label_join(v{i="1"}, "a.b", "-", "i")', 'v{"a.b"="1", i="1"} 1'],
  // Histograms.
  ['histogram_quantile(0.5, open_bucket)', '{} NaN'],
  ['histogram_quantile(-1, h_bucket)', '{} -Inf'],
  ['histogram_quantile(2, h_bucket)', '{} +Inf'],
  ['histogram_quantile(0.5, odd_bucket)'],
  ['histogram_quantile(0.5, hex_bucket)', '{} 0.25'],
  ['histogram_quantile(0.5, nan_bucket)', '{} NaN'],
];

describe('at ten minutes', () => {
  it.each(VALUES.map(([text, ...expected]) => [text, expected] as const))('%s', (text, expected) => {
    const value = prepare(text).instant(data, AT);
    expect(value.type === 'vector' ? show(value).toSorted() : show(value)).toEqual(expected);
  });
});

const REFUSALS: readonly (readonly [text: string, place: string, message: string])[] = [
  ['', '1:1', 'no expression found in input'],
  ['(', '1:1', 'unclosed left parenthesis'],
  ['v}', '1:2', 'unexpected right brace'],
  ['1 +', '1:4', 'unexpected end of input'],
  ['a b', '1:3', 'unexpected identifier "b"'],
  ['v{i=}', '1:5', 'in label matching, expected string'],
  ['v{i=~"["}', '1:6', 'error parsing regexp: missing closing ]'],
  ['v{,}', '1:3', 'unexpected ","'],
  ['sum by i (v)', '1:8', 'in grouping opts, expected "("'],
  ['v[5m', '1:5', 'in range, expected "]"'],
  ['v[0s]', '1:3', 'duration must be greater than 0'],
  ['v[5m:0s]', '1:6', 'duration must be greater than 0'],
  ['v[30s1m]', '1:3', 'not a valid duration string'],
  ['"unterminated', '1:1', 'unterminated quoted string'],
  ['"\\q"', '1:2', 'unknown escape sequence'],
  ['v & v', '1:3', "unexpected character: '&'"],
  ['foo(v)', '1:1', 'unknown function with name "foo"'],
  ['holt_winters(n[5m], 0.5, 0.5)', '1:1', 'unknown function with name "holt_winters"'],
  ['{}', '1:1', 'vector selector must contain at least one non-empty matcher'],
  ['{i=~".*"}', '1:1', 'vector selector must contain at least one non-empty matcher'],
  ['v{__name__="v"}', '1:1', 'metric name must not be set twice: "v" or "v"'],
  ['v{"w"}', '1:1', 'metric name must not be set twice: "v" or "w"'],
  ['rate(v)', '1:6', 'expected type range vector in call to function "rate", got instant vector'],
  ['sum(v[5m])', '1:5', 'expected type instant vector in aggregation expression, got range vector'],
  ['vector(v)', '1:8', 'expected type scalar in call to function "vector", got instant vector'],
  ['topk(v)', '1:1', 'wrong number of arguments for aggregate expression provided, expected 2, got 1'],
  ['sum(1, v)', '1:1', 'wrong number of arguments for aggregate expression provided, expected 1, got 2'],
  ['hour(v, v)', '1:1', 'expected at most 1 argument(s) in call to "hour", got 2'],
  ['pi(1)', '1:1', 'expected 0 argument(s) in call to "pi", got 1'],
  ['1 > 2', '1:3', 'comparisons between scalars must use BOOL modifier'],
  ['v + bool v', '1:3', 'bool modifier can only be used on comparison operators'],
  ['v and 1', '1:1', 'set operator "and" not allowed in binary scalar expression'],
  ['v and on(i) group_left v', '1:1', 'no grouping allowed for "and" operation'],
  ['v + on(i) group_left(i) v', '1:3', 'label "i" must not occur in ON and GROUP clause at once'],
  ['1 + on(i) v', '1:1', 'vector matching only allowed between instant vectors'],
  ['v[5m] + 1', '1:1', 'binary expression must contain only scalar and instant vector types'],
  ['-"a"', '1:1', 'unary expression only allowed on expressions of type scalar or instant vector, got "string"'],
  ['1[5m:1m]', '1:1', 'subquery is only allowed on instant vector, got scalar instead'],
  ['(v)[5m]', '1:4', 'ranges only allowed for vector selectors'],
  ['v offset 1m offset 2m', '1:13', 'offset may not be set multiple times'],
  ['v @ 1 @ 2', '1:7', '@ <timestamp> may not be set multiple times'],
  ['v @ Inf', '1:5', 'timestamp out of bounds for @ modifier'],
  ['(v) offset 1m', '1:1', 'offset modifier must be preceded by an instant vector selector or range vector selector or a subquery'],
  // Experimental in 3.x.
  ['limitk(1, v)', '1:1', 'experimental'],
  ['limit_ratio(0.5, v)', '1:1', 'experimental'],
  ['info(v)', '1:1', 'experimental'],
  ['sort_by_label(v, "i")', '1:1', 'experimental'],
  ['mad_over_time(n[5m])', '1:1', 'experimental'],
  ['double_exponential_smoothing(n[5m], 0.5, 0.5)', '1:1', 'experimental'],
  ['v[5m * 2]', '1:6', 'experimental'],
  ['v offset (5m)', '1:10', 'experimental'],
  ['n anchored', '1:3', 'experimental'],
  ['histogram_avg(v)', '1:1', 'native histograms'],
];

it.each(REFUSALS)('refuses %s at %s: %s', (text, place, message) => {
  const refusal = refusalOf(text);
  expect([`${refusal?.position?.line}:${refusal?.position?.column}`, refusal?.message]).toEqual([place, expect.stringContaining(message)]);
});

it.each([
  ['v * on() group_left(i) v{i="1"}', 'multiple matches for labels: grouping labels must ensure unique matches'],
  ['v * on() v{i="1"}', 'multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)'],
  [
    'v == on() v',
    'found duplicate series for the match group {} on the right hand-side of the operation: [{__name__="v", i="2"}, {__name__="v", i="1"}];' +
      'many-to-many matching not allowed: matching labels must be unique on one side',
  ],
  ['label_replace(v, "i", "x", "", "")', 'vector cannot contain metrics with the same labelset'],
  ['abs({__name__=~"n|old|one", g=""} offset 5m)', 'vector cannot contain metrics with the same labelset'],
  ['label_replace(v, "i", "x", "i", "(")', 'invalid regular expression in label_replace(): ('],
  ['topk(NaN, v)', 'Parameter value is NaN'],
  ['topk(1e30, v)', 'Scalar value 1e+30 overflows int64'],
  ['topk(-12e18, v)', 'Scalar value -1.2e+19 overflows int64'],
  ['count_values("", v)', 'invalid label name ""'],
])('%s cannot be worked out: %s', (text, message) => {
  expect(() => prepare(text).instant(data, AT)).toThrow(message);
});

it.each([
  ['rate(n[5m])', 'PromQL info: metric might not be a counter, name does not end in _total/_sum/_count/_bucket: "n" (1:6)'],
  ['quantile(2, v)', 'PromQL warning: quantile value should be between 0 and 1, got 2 (1:10)'],
  ['quantile(1e6, v)', 'PromQL warning: quantile value should be between 0 and 1, got 1e+06 (1:10)'],
  ['quantile(999999, v)', 'PromQL warning: quantile value should be between 0 and 1, got 999999 (1:10)'],
  ['quantile_over_time(-0.1, n[5m])', 'PromQL warning: quantile value should be between 0 and 1, got -0.1 (1:20)'],
  [
    'histogram_quantile(0.9, h_bucket)',
    'PromQL info: input to histogram_quantile needed to be fixed for monotonicity ' +
      '(see https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile), ' +
      'from buckets +Inf to +Inf, with a max diff of 1, over 1 samples from 1970-01-01T00:10:00Z to 1970-01-01T00:10:00Z (1:25)',
  ],
  ['histogram_quantile(0.5, odd_bucket)', 'PromQL warning: bucket label "le" is missing or has a malformed value of "x" (1:25)'],
])('%s is answered, and told of: %s', (text, message) => {
  const { warnings, infos } = prepare(text).instant(data, AT);
  expect([...warnings, ...infos]).toEqual([message]);
});

function refusalOf(text: string): BelfryError | undefined {
  try {
    prepare(text);
    return undefined;
  } catch (error) {
    if (error instanceof BelfryError) return error;
    throw error;
  }
}

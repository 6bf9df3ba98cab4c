import { describe, expect, it } from '@jest/globals';
import { evalAt, evalSorted } from './evaluating.ts';
import { load } from './memory-querier.ts';

const data = load(`
load 1m
  a{i="1",g="x"} 10
  a{i="2",g="x"} 20
  a{i="3",g="y"} 30
  b{i="1"} 1
  b{i="2"} 2
  b{i="4"} 4
  per_group{g="x",owner="ann"} 100
  per_group{g="y"} 200
`);

describe('scalars', () => {
  it.each([
    ['1 + 2 * 3', '7'],
    ['7 % 3', '1'],
    ['-7 % 3', '-1'],
    ['7 % 0', 'NaN'],
    ['1 / 0', '+Inf'],
    ['-1 / 0', '-Inf'],
    ['0 / 0', 'NaN'],
    ['2 ^ 10', '1024'],
    ['1 ^ NaN', '1'],
    ['1 ^ Inf', '1'],
    ['(-1) ^ Inf', '1'],
    ['NaN ^ 0', '1'],
    ['1 atan2 1', '0.785398163397'],
    ['1 > bool 2', '0'],
    ['1 <= bool 1', '1'],
    ['NaN == bool NaN', '0'],
    ['NaN != bool NaN', '1'],
    ['5m + 1', '301'],
    ['-(1 + 2)', '-3'],
  ])('%s is %s', (text, expected) => {
    expect(evalAt(data, '0', text)).toEqual([expected]);
  });
});

describe('a vector and a scalar', () => {
  it.each([
    ['b * 2', ['{i="1"} 2', '{i="2"} 4', '{i="4"} 8']],
    ['10 - b', ['{i="1"} 9', '{i="2"} 8', '{i="4"} 6']],
    ['2 ^ b', ['{i="1"} 2', '{i="2"} 4', '{i="4"} 16']],
    ['b > 1', ['b{i="2"} 2', 'b{i="4"} 4']],
    // The vector's value is kept, on whichever side it stands.
    ['1 < b', ['b{i="2"} 2', 'b{i="4"} 4']],
    ['2 >= b', ['b{i="1"} 1', 'b{i="2"} 2']],
    ['b != 2', ['b{i="1"} 1', 'b{i="4"} 4']],
    ['b == bool 2', ['{i="1"} 0', '{i="2"} 1', '{i="4"} 0']],
    ['2 > bool b', ['{i="1"} 1', '{i="2"} 0', '{i="4"} 0']],
    ['b == NaN', []],
  ])('%s', (text, expected) => {
    expect(evalSorted(data, '0', text)).toEqual(expected);
  });
});

describe('two vectors', () => {
  it.each([
    ['b + b', ['{i="1"} 2', '{i="2"} 4', '{i="4"} 8']],
    ['a + b', []],
    ['a / on(i) b', ['{i="1"} 10', '{i="2"} 10']],
    ['a - ignoring(g) b', ['{i="1"} 9', '{i="2"} 18']],
    ['a > ignoring(g) b * 10', []],
    ['a >= ignoring(g) b * 10', ['a{i="1"} 10', 'a{i="2"} 20']],
    ['a >= on(i) b * 10', ['{i="1"} 10', '{i="2"} 20']],
    ['b > b - 1', ['b{i="1"} 1', 'b{i="2"} 2', 'b{i="4"} 4']],
    ['a == bool ignoring(g) b * 10', ['{i="1"} 1', '{i="2"} 1']],
    ['a / on(g) group_left per_group', ['{g="x", i="1"} 0.1', '{g="x", i="2"} 0.2', '{g="y", i="3"} 0.15']],
    [
      'a / on(g) group_left(owner) per_group',
      ['{g="x", i="1", owner="ann"} 0.1', '{g="x", i="2", owner="ann"} 0.2', '{g="y", i="3"} 0.15'],
    ],
    [
      'per_group / on(g) group_right(owner) a',
      ['{g="x", i="1", owner="ann"} 10', '{g="x", i="2", owner="ann"} 5', '{g="y", i="3"} 6.66666666667'],
    ],
    ['a < on(g) group_left per_group', ['a{g="x", i="1"} 10', 'a{g="x", i="2"} 20', 'a{g="y", i="3"} 30']],
    ['per_group > on(g) group_right a', ['a{g="x", i="1"} 100', 'a{g="x", i="2"} 100', 'a{g="y", i="3"} 200']],
    // Where the name is matched by, only what filters keeps it; where it is brought along, it is lost with bool alone.
    ['b / on(__name__, i) b', ['{i="1"} 1', '{i="2"} 1', '{i="4"} 1']],
    ['b{i="4"} - on(__name__) b{i="4"}', ['{} 0']],
    ['b <= bool on(i, __name__) b', ['{i="1"} 1', '{i="2"} 1', '{i="4"} 1']],
    ['b <= on(i, __name__) b', ['b{i="1"} 1', 'b{i="2"} 2', 'b{i="4"} 4']],
    ['a + on(i) group_left(__name__) b', ['b{g="x", i="1"} 11', 'b{g="x", i="2"} 22']],
    ['a > bool on(i) group_left(__name__) b', ['{g="x", i="1"} 1', '{g="x", i="2"} 1']],
    ['a * on() group_left sum(b)', ['{g="x", i="1"} 70', '{g="x", i="2"} 140', '{g="y", i="3"} 210']],
  ])('%s', (text, expected) => {
    expect(evalSorted(data, '0', text)).toEqual(expected);
  });

  it.each([
    [
      'per_group / on(g) a',
      'found duplicate series for the match group {g="x"} on the right hand-side of the operation: ' +
        '[{__name__="a", g="x", i="2"}, {__name__="a", g="x", i="1"}];many-to-many matching not allowed: matching labels must be unique on one side',
    ],
    ['a / on(g) per_group', 'multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)'],
    ['a > on(g) per_group', 'multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)'],
    ['a / on() group_left b', 'found duplicate series for the match group {} on the right hand-side'],
    ['b + on() group_right a', 'found duplicate series for the match group {} on the left hand-side'],
    ['-{__name__=~"a|b",i=~"1|2",g=""} + abs({__name__=~"b|c"})', undefined],
  ])('%s', (text, message) => {
    if (message === undefined) expect(() => evalAt(data, '0', text)).not.toThrow();
    else expect(() => evalAt(data, '0', text)).toThrow(message);
  });

  it('refuses results that only differed by name', () => {
    const twins = load('load 1m\n  x{i="1"} 1\n  y{i="1"} 2');
    for (const text of [
      '-{i="1"}',
      'abs({i="1"})',
      '{i="1"} + 1',
      'rate({i="1"}[5m])',
      'max_over_time({i="1"}[5m])',
      '{i="1"} / on(__name__) {i="1"}',
    ]) {
      if (text.startsWith('rate')) expect(evalAt(twins, '0', text)).toEqual([]);
      else expect(() => evalAt(twins, '0', text)).toThrow('vector cannot contain metrics with the same labelset');
    }
  });
});

describe('set operators', () => {
  it.each([
    ['b and on(i) a', ['b{i="1"} 1', 'b{i="2"} 2']],
    ['b unless on(i) a', ['b{i="4"} 4']],
    ['b or on(i) a', ['a{g="y", i="3"} 30', 'b{i="1"} 1', 'b{i="2"} 2', 'b{i="4"} 4']],
    ['a and ignoring(g) b', ['a{g="x", i="1"} 10', 'a{g="x", i="2"} 20']],
    ['b and none', []],
    ['b unless none', ['b{i="1"} 1', 'b{i="2"} 2', 'b{i="4"} 4']],
    ['none or b', ['b{i="1"} 1', 'b{i="2"} 2', 'b{i="4"} 4']],
    ['b and on() vector(1)', ['b{i="1"} 1', 'b{i="2"} 2', 'b{i="4"} 4']],
    ['b > 1 or b < 2', ['b{i="1"} 1', 'b{i="2"} 2', 'b{i="4"} 4']],
    ['b > 1 and b < 4 or b == 1', ['b{i="1"} 1', 'b{i="2"} 2']],
  ])('%s', (text, expected) => {
    expect(evalSorted(data, '0', text)).toEqual(expected);
  });
});

describe('aggregations', () => {
  it.each([
    ['sum(a)', ['{} 60']],
    ['sum by (g) (a)', ['{g="x"} 30', '{g="y"} 30']],
    ['sum without (i) (a)', ['{g="x"} 30', '{g="y"} 30']],
    ['sum by (nope) (a)', ['{} 60']],
    ['sum by (__name__) ({__name__=~"a|b"})', ['a 60', 'b 7']],
    ['sum(none)', []],
    ['avg by (g) (a)', ['{g="x"} 15', '{g="y"} 30']],
    ['min by (g) (a)', ['{g="x"} 10', '{g="y"} 30']],
    ['max by (g) (a)', ['{g="x"} 20', '{g="y"} 30']],
    ['count by (g) (a)', ['{g="x"} 2', '{g="y"} 1']],
    ['group by (g) (a)', ['{g="x"} 1', '{g="y"} 1']],
    ['stddev by (g) (a)', ['{g="x"} 5', '{g="y"} 0']],
    ['stdvar by (g) (a)', ['{g="x"} 25', '{g="y"} 0']],
    ['quantile by (g) (0.25, a)', ['{g="x"} 12.5', '{g="y"} 30']],
    ['count_values("v", a / 10)', ['{v="1"} 1', '{v="2"} 1', '{v="3"} 1']],
    ['count_values by (g) ("v", a > bool 15)', ['{g="x", v="0"} 1', '{g="x", v="1"} 1', '{g="y", v="1"} 1']],
    ['count_values without (i, g) ("v", a > bool 15)', ['{v="0"} 1', '{v="1"} 2']],
  ])('%s', (text, expected) => {
    expect(evalSorted(data, '0', text)).toEqual(expected);
  });

  it.each([
    ['topk(2, a)', ['a{g="y", i="3"} 30', 'a{g="x", i="2"} 20']],
    ['bottomk(2, a)', ['a{g="x", i="1"} 10', 'a{g="x", i="2"} 20']],
    ['topk by (g) (1, a)', ['a{g="x", i="2"} 20', 'a{g="y", i="3"} 30']],
    ['topk(9, b)', ['b{i="4"} 4', 'b{i="2"} 2', 'b{i="1"} 1']],
    ['topk(1.9, b)', ['b{i="4"} 4']],
    ['topk(0, b)', []],
    ['topk(-1, b)', []],
    ['topk(scalar(b{i="2"}), a)', ['a{g="y", i="3"} 30', 'a{g="x", i="2"} 20']],
    ['limitk(1, b)', ['b{i="1"} 1']],
  ])('%s keeps elements as they are, in order', (text, expected) => {
    expect(evalAt(data, '0', text)).toEqual(expected);
  });

  it('takes a parameter only where it is a number that fits', () => {
    expect(() => evalAt(data, '0', 'topk(NaN, a)')).toThrow('Parameter value is NaN');
    expect(() => evalAt(data, '0', 'topk(1e99, a)')).toThrow('Scalar value 1e+99 overflows int64');
  });

  it('treats NaN and infinities by the rules', () => {
    const odd = load(
      'load 1m\n  n{i="1"} NaN\n  n{i="2"} 1\n  n{i="3"} 2\n  high{i="1"} Inf\n  high{i="2"} 1\n  big{i="1"} 1.7e308\n  big{i="2"} 1.7e308',
    );
    expect(evalAt(odd, '0', 'min(n)')).toEqual(['{} 1']);
    expect(evalAt(odd, '0', 'max(n)')).toEqual(['{} 2']);
    expect(evalAt(odd, '0', 'max(n{i="1"})')).toEqual(['{} NaN']);
    expect(evalAt(odd, '0', 'sum(n)')).toEqual(['{} NaN']);
    expect(evalAt(odd, '0', 'topk(3, n)')).toEqual(['n{i="3"} 2', 'n{i="2"} 1', 'n{i="1"} NaN']);
    expect(evalAt(odd, '0', 'bottomk(2, n)')).toEqual(['n{i="2"} 1', 'n{i="3"} 2']);
    expect(evalAt(odd, '0', 'quantile(0, n)')).toEqual(['{} NaN']);
    expect(evalAt(odd, '0', 'quantile(1, high)')).toEqual(['{} +Inf']);
    expect(evalAt(odd, '0', 'avg(high)')).toEqual(['{} +Inf']);
    expect(evalAt(odd, '0', 'stddev(high)')).toEqual(['{} NaN']);
    expect(evalAt(odd, '0', 'stddev(high{i="1"})')).toEqual(['{} NaN']);
    expect(evalAt(odd, '0', 'avg(big) / 1e308')).toEqual(['{} 1.7']);
  });
});

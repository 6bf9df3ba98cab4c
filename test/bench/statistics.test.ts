import { describe, expect, it } from '@jest/globals';
import { distributionOf, milliseconds, quantileOf } from '../../bench/statistics.ts';

describe('a distribution', () => {
  it.each([
    [[10, 20, 30, 40], 0.5, 20],
    [[10, 20, 30], 0.5, 20],
    [[10], 0.99, 10],
    [Array.from({ length: 100 }, (_, i) => i + 1), 0.99, 99],
    [Array.from({ length: 30 }, (_, i) => i + 1), 0.99, 30],
    [[10, Infinity], 0.5, 10],
    [[10, Infinity], 0.9, Infinity],
  ])('of %j has the quantile %d at %d: a sample that was there, never one between', (sorted, quantile, expected) => {
    expect(quantileOf(sorted, quantile)).toBe(expected);
  });

  it('counts a miss as a miss and as infinity', () => {
    expect(distributionOf([30, undefined, 10, 20])).toEqual({
      count: 4,
      misses: 1,
      min: 10,
      p50: 20,
      p90: Infinity,
      p99: Infinity,
      max: Infinity,
    });
  });

  it('of nothing is nothing', () => {
    expect(distributionOf([]).p50).toBeNaN();
    expect(distributionOf([]).misses).toBe(0);
  });

  it.each([
    [84.4, '84 ms'],
    [0.84, '0.8 ms'],
    [-3.25, '-3.3 ms'],
    [Infinity, 'miss'],
    [Number.NaN, '-'],
  ])('writes %d as %s', (value, text) => {
    expect(milliseconds(value)).toBe(text);
  });
});

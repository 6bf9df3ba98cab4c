import { expect, it } from '@jest/globals';
import { isOurRate, markedRate } from '../../../src/executor/rebalance/throttle.ts';

it.each([
  [50_000_000, 49_999_559],
  [10_000, 9559],
  [1, 9559],
  [1_234_567, 1_229_559],
])('a throttle of %i bytes per second is set as %i, which is known as ours', (wanted, set) => {
  expect(markedRate(wanted)).toBe(set);
  expect(isOurRate(String(set))).toBe(true);
});

it.each([undefined, '', '1000000', '9223372036854775807', 'abc9559', '10'])('a rate of %p is not ours', (value) => {
  expect(isOurRate(value)).toBe(false);
});

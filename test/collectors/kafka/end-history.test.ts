import { describe, expect, it } from '@jest/globals';
import { EndHistory } from '../../../src/collectors/kafka/end-history.ts';

const MINUTE = 60_000;

/** Partition 0 of `t` had these ends at these seconds. */
function history(...ends: readonly (readonly [second: number, end: number])[]): EndHistory {
  const past = new EndHistory();
  for (const [second, end] of ends) past.add(second * 1000, new Map([['t', Float64Array.of(end)]]));
  return past;
}

describe('how far a consumer is behind, in time', () => {
  const grown = history([0, 100], [30, 160], [60, 220]);

  it.each([
    ['at the end: not at all', grown, 220, 60, 0],
    ['beyond the end, having committed after it was read', grown, 230, 60, 0],
    ['between two ends: as the log grew evenly', grown, 189, 60, 15],
    ['exactly at an earlier end: since its next record', grown, 159, 60, 30],
    ['before all that is known: at least since the first look', grown, 10, 60, 60],
    ['time goes on while nothing is read', grown, 189, 90, 45],
    ['an end that stood still: since it moved on', history([0, 100], [30, 100], [60, 100], [90, 101]), 100, 90, 0],
    ['one record behind, long after it came', history([0, 100], [30, 101], [60, 101], [90, 101]), 100, 90, 60],
    ['an unknown end in between is passed over', history([0, 100], [30, Number.NaN], [60, 220]), 159, 60, 30],
  ])('%s', (_, past, committed, nowSeconds, seconds) => {
    expect(past.ageMs('t', 0, committed, nowSeconds * 1000)).toBeCloseTo(seconds * 1000, -1);
  });

  it('is unknown where the end is', () => {
    expect(grown.ageMs('other', 0, 1, 0)).toBeUndefined();
    expect(grown.ageMs('t', 7, 1, 0)).toBeUndefined();
    expect(history([0, 5], [30, Number.NaN]).ageMs('t', 0, 1, 0)).toBeUndefined();
  });

  it('is known for a day, the past being kept ever more thinly', () => {
    const past = new EndHistory();
    const rounds = 3 * 24 * 120;
    for (let round = 0; round <= rounds; round++) past.add(round * 30_000, new Map([['t', Float64Array.of(round * 10)]]));
    expect(past.length).toBeLessThan(110);
    const now = rounds * 30_000;
    for (const minutes of [1, 10, 60, 600, 1200]) {
      const age = past.ageMs('t', 0, rounds * 10 - minutes * 20 - 1, now) ?? 0;
      expect(Math.abs(age / MINUTE - minutes)).toBeLessThan(1);
    }
  });
});

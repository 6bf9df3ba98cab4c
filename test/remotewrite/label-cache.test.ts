import { describe, expect, it } from '@jest/globals';
import { Labels } from '../../src/core/labels.ts';
import { LabelCache } from '../../src/remotewrite/label-cache.ts';

/** One fills a chunk, of which a cache has 64. */
const LONG = 'x'.repeat(800);

function cacheOf(): { cache: LabelCache; made: number[] } {
  const made: number[] = [];
  const cache = new LabelCache({
    labelsOf: (series) => {
      made.push(series);
      return Labels.of({ __name__: `m${series}`, long: LONG });
    },
    relabel: (labels) => (labels.metricName === 'm3' ? undefined : labels),
    chunkBytes: 1000,
    externalLabels: { region: 'south' },
  });
  return { cache, made };
}

const range = (from: number, to: number): readonly number[] => Array.from({ length: to - from }, (_, i) => from + i);

describe('the labels of series that are sent', () => {
  it('are made once, with those of the destination, and not at all where the series is left out', () => {
    const { cache, made } = cacheOf();
    for (let i = 0; i < 3; i++) for (const series of [1, 2, 3]) expect(cache.get(series) === undefined).toBe(series === 3);
    expect(made).toEqual([1, 2, 3]);
    expect(Buffer.from(cache.get(1)!).toString('latin1')).toContain('region');
    expect([cache.isSent(2), cache.isSent(3)]).toEqual([true, false]);
  });

  it('stay where more series are asked for round by round than there is room for', () => {
    const { cache, made } = cacheOf();
    for (let round = 0; round < 4; round++) for (const series of range(10, 10 + 80)) cache.get(series);
    // 64 have a place and stay, but for a few of the first rounds; the others are made each time.
    expect(made.length).toBeLessThan(80 + 3 * 30);
    expect(cache.bytes).toBeLessThan(64 * 1000 + 12 * 1024 + 1);
  });

  it('give their room to others when nobody asks for them any more', () => {
    const { cache, made } = cacheOf();
    for (const series of range(100, 164)) cache.get(series);
    for (let round = 0; round < 6; round++) for (const series of range(200, 264)) cache.get(series);
    const before = made.length;
    for (const series of range(200, 264)) expect(cache.get(series)!.length).toBeGreaterThan(LONG.length);
    expect(made.length - before).toBeLessThan(10);
  });

  it.each(range(0, 3))('are those of their series, wherever they are: seed %i', (seed) => {
    const { cache } = cacheOf();
    for (let i = 0; i < 400; i++) {
      const series = 1000 + ((i * (7 + 2 * seed)) % 90);
      expect(Buffer.from(cache.get(series)!.subarray(0, 20)).toString('latin1')).toContain(`m${series}`);
    }
  });
});

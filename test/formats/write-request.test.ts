import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { Labels } from '../../src/core/labels.ts';
import { readWriteRequest } from '../../src/formats/remote-write.ts';
import { SnappyCompressor } from '../../src/formats/snappy-compress.ts';
import { decompressSnappy } from '../../src/formats/snappy.ts';
import { encodeLabels, WriteRequestEncoder } from '../../src/formats/write-request.ts';

describe('a Snappy block that Belfry makes', () => {
  const compressor = new SnappyCompressor();
  const roundTrip = (bytes: Uint8Array): Uint8Array => decompressSnappy(compressor.compress(bytes), bytes.length);

  it('holds what was put into it', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.uint8Array({ maxLength: 300 }), fc.integer({ min: 1, max: 400 })), { maxLength: 30 }), (runs) => {
        const bytes = Buffer.concat(runs.flatMap(([run, times]) => Array.from({ length: times }, () => run)));
        expect(Buffer.from(roundTrip(bytes)).equals(bytes)).toBe(true);
      }),
      { seed: 20_261_123, numRuns: 200 },
    );
  });

  it.each([0, 1, 14, 15, 16, 59, 60, 61, 65_535, 65_536, 65_537, 200_000])('of %d bytes, alike or all different', (length) => {
    const alike = new Uint8Array(length).fill(7);
    const different = Uint8Array.from({ length }, (_, i) => Math.imul(i + 1, 0x9e3779b1) >>> 24);
    expect(Buffer.from(roundTrip(alike)).equals(alike)).toBe(true);
    expect(Buffer.from(roundTrip(different)).equals(different)).toBe(true);
  });

  it('is a fraction of repeated text, and hardly longer than noise', () => {
    const text = Buffer.from('{cluster="orders-dal", topic="payments", partition="17"} '.repeat(1000));
    expect(compressor.compress(text).length).toBeLessThan(text.length / 15);
    const noise = Uint8Array.from({ length: 100_000 }, (_, i) => Math.imul(i + 1, 0x9e3779b1) >>> 24);
    expect(compressor.compress(noise).length).toBeLessThan(noise.length * 1.01);
  });
});

describe('a write request that Belfry makes', () => {
  const columns = (samples: readonly (readonly [ts: number, value: number | 'stale'])[]) => ({
    ts: Float64Array.from(samples, ([ts]) => ts),
    values: Float64Array.from(samples, ([, value]) => (value === 'stale' ? 0 : value)),
    stale: Uint8Array.from(samples, ([, value]) => (value === 'stale' ? 1 : 0)),
  });

  it('says the same when it is read', () => {
    const samples = [
      [1_700_000_000_000, 0.1],
      [1_700_000_000_001, -0],
      [1_700_000_000_002, Number.NaN],
      [1_700_000_000_003, 'stale'],
      [1_700_000_000_004, -Infinity],
      [-1, 5e-324],
      [0, 1],
      [127, 1],
      [128, 1],
      [2 ** 31, 1],
      [2 ** 52, 1],
    ] as const;
    const encoder = new WriteRequestEncoder();
    for (const name of ['first', 'again']) {
      encoder.begin();
      encoder.series(encodeLabels(Labels.of({ __name__: name, topic: 'zahlungen-ü' })), columns(samples), 0, 5);
      encoder.metadata({ name: 'first', type: 'counter', help: 'Was it?' });
      encoder.series(encodeLabels(Labels.of({ __name__: 'other' })), columns(samples), 5, samples.length);
      const read = [...readWriteRequest(encoder.message())];
      const told = (from: number, to?: number) =>
        samples.slice(from, to).map(([ts, value]) => ({ ts, value: value === 'stale' ? undefined : value }));
      expect(read).toEqual([
        {
          labels: [
            ['__name__', name],
            ['topic', 'zahlungen-ü'],
          ],
          samples: told(0, 5),
          histograms: 0,
        },
        { labels: [['__name__', 'other']], samples: told(5), histograms: 0 },
      ]);
    }
  });

  it('writes the bits that Prometheus knows: its marker and its NaN', () => {
    const encoder = new WriteRequestEncoder();
    encoder.begin();
    encoder.series(
      new Uint8Array(0),
      columns([
        [1, 'stale'],
        [1, Number.NaN],
      ]),
      0,
      2,
    );
    const message = Buffer.from(encoder.message()).toString('hex');
    expect(message).toContain('09020000000000f07f1001');
    expect(message).toContain('09010000000000f87f1001');
  });
});

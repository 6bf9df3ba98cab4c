import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { BelfryError } from '../../src/core/errors.ts';
import { readWriteRequest } from '../../src/formats/remote-write.ts';
import { decompressSnappy } from '../../src/formats/snappy.ts';
import { encodeWriteRequest, field, type SentSeries, snappyLiterals, varint } from './remote-write-encoder.ts';

const SEED = 20_261_122;
const MAX = 1_000_000;
const bytes = (...parts: readonly (string | readonly number[])[]): Buffer =>
  Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : Buffer.from([...part]))));

describe('a Snappy block', () => {
  it.each<readonly [string, Buffer, string]>([
    ['nothing', bytes([0]), ''],
    ['a literal', bytes([5, 4 << 2], 'hello'), 'hello'],
    ['a literal whose length has a byte of its own', bytes([70, 60 << 2, 69], 'x'.repeat(70)), 'x'.repeat(70)],
    ['a literal whose length has two bytes', bytes([0xac, 2, 61 << 2, 0x2b, 1], 'x'.repeat(300)), 'x'.repeat(300)],
    ['a copy with an offset of one byte', bytes([8, 3 << 2], 'abcd', [1, 4]), 'abcdabcd'],
    ['a copy with an offset of two bytes', bytes([8, 3 << 2], 'abcd', [(3 << 2) | 2, 4, 0]), 'abcdabcd'],
    ['a copy with an offset of four bytes', bytes([8, 3 << 2], 'abcd', [(3 << 2) | 3, 4, 0, 0, 0]), 'abcdabcd'],
    ['a copy that overlaps what it makes', bytes([9, 0], 'a', [(7 << 2) | 2, 1, 0]), 'aaaaaaaaa'],
  ])('with %s', (_, block, text) => {
    expect(Buffer.from(decompressSnappy(block, MAX)).toString()).toBe(text);
  });

  it.each<readonly [string, Buffer, string]>([
    ['nothing at all', bytes([]), 'does not begin with a length'],
    ['a length without an end', bytes([0x80, 0x80, 0x80, 0x80, 0x80, 1]), 'does not begin with a length'],
    ['a length of more than 32 bits', bytes([0xff, 0xff, 0xff, 0xff, 0x7f]), 'does not begin with a length'],
    ['more than it can hold', bytes([0xa0, 0x8d, 6, 0]), 'longer than it can be'],
    ['less than it says', bytes([5, 0], 'a'), 'ends after 1 of 5 bytes'],
    ['a literal over its end', bytes([5, 4 << 2], 'hell'), 'a literal runs over the end'],
    ['a literal longer than all', bytes([2, 4 << 2], 'hello'), 'a literal runs over the end'],
    ['half a length of a literal', bytes([5, 61 << 2, 1]), 'ends within a literal'],
    ['half a copy', bytes([5, 0], 'a', [2]), 'ends within a copy'],
    ['a copy of nothing', bytes([5, 0], 'a', [1, 0]), 'a copy of what is not there'],
    ['a copy from before the beginning', bytes([5, 0], 'a', [1, 2]), 'a copy of what is not there'],
    ['a copy over the end', bytes([3, 0], 'a', [1, 1]), 'a copy of what is not there'],
  ])('with %s is refused', (_, block, text) => {
    expect(() => decompressSnappy(block, MAX)).toThrow(text);
    expect(() => decompressSnappy(block, MAX)).toThrow(expect.objectContaining({ code: 'BAD_REQUEST' }));
  });

  it('longer than is accepted is refused before there is room for it', () => {
    expect(() => decompressSnappy(bytes([0xff, 0xff, 0xff, 0xff, 0x0f]), MAX)).toThrow(expect.objectContaining({ code: 'LIMIT_EXCEEDED' }));
  });
});

const read = (message: Uint8Array) => [...readWriteRequest(message)];

describe('a write request', () => {
  it('has series with labels and samples', () => {
    const message = encodeWriteRequest([
      {
        labels: { __name__: 'up', job: 'ünï' },
        samples: [
          [1_700_000_000_123, 1.5],
          [-5, -Infinity],
        ],
      },
      {
        labels: [
          ['b', '1'],
          ['a', ''],
        ],
        samples: [],
        histograms: 2,
      },
    ]);
    expect(read(message)).toEqual([
      {
        labels: [
          ['__name__', 'up'],
          ['job', 'ünï'],
        ],
        samples: [
          { ts: 1_700_000_000_123, value: 1.5 },
          { ts: expect.closeTo(-5, -2), value: -Infinity },
        ],
        histograms: 0,
      },
      {
        labels: [
          ['b', '1'],
          ['a', ''],
        ],
        samples: [],
        histograms: 2,
      },
    ]);
  });

  it('tells the end of a series from a value that is no number', () => {
    const [series] = read(
      encodeWriteRequest([
        {
          labels: { __name__: 'a' },
          samples: [
            [1, 'stale'],
            [2, Number.NaN],
            [3, 0],
          ],
        },
      ]),
    );
    expect(series?.samples).toEqual([
      { ts: 1, value: undefined },
      { ts: 2, value: Number.NaN },
      { ts: 3, value: 0 },
    ]);
  });

  it('tells of a label that is no UTF-8, and of what comes after it', () => {
    const broken = field(1, field(1, Buffer.concat([field(1, Buffer.from('a')), field(2, Buffer.from([0x78, 0xc3, 0x28]))])));
    expect(read(Buffer.concat([broken, encodeWriteRequest([{ labels: { b: 'c' }, samples: [] }])]))).toEqual([
      { labels: [['a', 'x\ufffd(']], samples: [], histograms: 0, isBroken: true },
      { labels: [['b', 'c']], samples: [], histograms: 0 },
    ]);
  });

  it('may leave out what is zero or empty', () => {
    expect(read(bytes([0x0a, 4, 0x0a, 0, 0x12, 0]))).toEqual([{ labels: [['', '']], samples: [{ ts: 0, value: 0 }], histograms: 0 }]);
  });

  it('may have what is not known here', () => {
    const unknown = bytes(
      [0x78, 0x96, 1],
      [0x79, 1, 2, 3, 4, 5, 6, 7, 8],
      field(15, Buffer.from('x')).toString('latin1'),
      [0x7d, 1, 2, 3, 4],
    );
    const known = encodeWriteRequest([{ labels: { a: 'b' }, samples: [] }]);
    expect(read(Buffer.concat([unknown, field(3, Buffer.from('metadata')), known]))).toHaveLength(1);
  });

  it.each<readonly [string, Buffer, string]>([
    ['a length over its end', bytes([0x0a, 5, 1]), '5 bytes where 1 are left'],
    ['an inner length over its own end', bytes([0x0a, 2, 0x0a, 2, 0, 0]), '2 bytes where 0 are left'],
    ['a huge length', bytes([0x0a], [...varint(2 ** 53)]), 'bytes where 0 are left'],
    ['a number without an end', bytes([0x80]), 'ends within a number'],
    ['a number of eleven bytes', bytes([0x78, ...Array.from({ length: 11 }, () => 0x80)]), 'more than ten bytes'],
    ['a field without a number', bytes([0x02, 0]), 'a field without a number'],
    ['a group', bytes([0x0b]), 'wire type 3 where 2 belongs'],
    ['an unknown group', bytes([0x7b]), 'wire type 3'],
    ['a value of another type', bytes([0x0a, 4, 0x12, 2, 0x08, 1]), 'wire type 0 where 1 belongs'],
    ['half a value', bytes([0x0a, 5, 0x12, 3, 0x09, 1, 2]), 'ends within a number'],
  ])('with %s is refused', (_, message, text) => {
    expect(() => read(message)).toThrow(text);
    expect(() => read(message)).toThrow(expect.objectContaining({ code: 'BAD_REQUEST' }));
  });
});

const sent: fc.Arbitrary<readonly SentSeries[]> = fc.array(
  fc.record({
    labels: fc.array(fc.tuple(fc.string({ unit: 'grapheme' }), fc.string({ unit: 'grapheme' })), { maxLength: 4 }),
    samples: fc.array(fc.tuple(fc.integer({ min: 0, max: 8.64e15 }), fc.double()), { maxLength: 4 }),
    histograms: fc.nat(2),
  }),
  { maxLength: 5 },
);

describe('whatever is sent', () => {
  it('comes out as it went in', () => {
    fc.assert(
      fc.property(sent, (series) => {
        const back = read(decompressSnappy(snappyLiterals(encodeWriteRequest(series)), MAX));
        expect(back).toEqual(
          series.map(({ labels, samples, histograms }) => ({ labels, samples: samples.map(([ts, value]) => ({ ts, value })), histograms })),
        );
      }),
      { seed: SEED },
    );
  });

  it('never does worse than to be refused, however it is damaged', () => {
    const damage = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 8 });
    const handled = (work: () => unknown): void => {
      try {
        work();
      } catch (error) {
        if (!(error instanceof BelfryError)) throw error;
      }
    };
    fc.assert(
      fc.property(sent, damage, fc.nat(), (series, changes, cut) => {
        for (const good of [encodeWriteRequest(series), snappyLiterals(encodeWriteRequest(series))]) {
          const bad = Buffer.from(good.subarray(0, good.length - (cut % (good.length + 1))));
          for (const [at, byte] of changes) if (bad.length > 0) bad[at % bad.length] = byte;
          handled(() => read(bad));
          handled(() => decompressSnappy(bad, MAX));
        }
      }),
      { seed: SEED, numRuns: 2000 },
    );
  });
});

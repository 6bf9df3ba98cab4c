import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { BitReader } from '../../src/store/bit-reader.ts';
import { BitWriter } from '../../src/store/bit-writer.ts';
import { DecodedBlock } from '../../src/store/block-codec.ts';
import { ColumnCodec } from '../../src/store/column-codec.ts';
import { ABSENT_HIGH, NAN_HIGH, STALE_HIGH } from '../../src/store/sample-codes.ts';

// The same values in every run.
fc.configureGlobal({ seed: 20_261_123 });

const codec = new ColumnCodec();

function wordsOf(values: readonly (number | 'absent' | 'stale')[]): Uint32Array {
  const cells = new Float64Array(values.length);
  const words = new Uint32Array(cells.buffer);
  for (const [i, value] of values.entries()) {
    if (typeof value === 'number' && value === value) cells[i] = value;
    else words[2 * i + 1] = value === 'absent' ? ABSENT_HIGH : value === 'stale' ? STALE_HIGH : NAN_HIGH;
  }
  return words;
}

function encode(values: readonly (number | 'absent' | 'stale')[]): Uint8Array {
  const out = new BitWriter();
  codec.encode(wordsOf(values), values.length, out);
  return out.take();
}

function decode(bytes: Uint8Array, n: number): Uint32Array {
  const words = new Uint32Array(2 * n);
  codec.decode(new BitReader(bytes), n, words);
  return words;
}

const sums = (steps: readonly number[]): number[] => steps.map((_, i) => steps.slice(0, i + 1).reduce((sum, step) => sum + step, 0));
const repeat = (n: number, value: (i: number) => number): number[] => Array.from({ length: n }, (_, i) => value(i));

describe('a column of cells', () => {
  const any = fc.double({ noDefaultInfinity: false });
  const cell = fc.oneof(
    { weight: 6, arbitrary: fc.integer({ min: -1_000_000, max: 1_000_000 }) },
    { weight: 3, arbitrary: fc.integer({ min: -99_999, max: 99_999 }).map((int) => int / 1000) },
    { weight: 2, arbitrary: any },
    { weight: 1, arbitrary: fc.constantFrom(-0, 0, NaN, Infinity, -Infinity, 2 ** 53, -(2 ** 53), 2 ** 49, 5e-324, 0.1, 1e300) },
    { weight: 1, arbitrary: fc.constantFrom('absent' as const, 'stale' as const) },
  );
  const column = fc.oneof(
    fc.array(cell, { maxLength: 130 }),
    fc.array(fc.integer({ min: 0, max: 2 ** 45 }), { maxLength: 130 }),
    fc.array(fc.maxSafeInteger(), { maxLength: 20 }),
    fc.array(any, { maxLength: 130 }),
    // Sums and quotients that just miss a decimal, walks of doubles, steps now and then, scatter around a line.
    fc.array(fc.integer({ min: 0, max: 100_000 }), { maxLength: 130 }).map((ints) => ints.map((int) => int * 0.001)),
    fc.array(fc.integer({ min: -1000, max: 1000 }), { maxLength: 130 }).map((ints) => ints.map((int, i) => Math.exp(i / 100) + int * 1e-9)),
    fc.array(fc.constantFrom(0, 0, 0, 0, 0, 0, 1, 500), { maxLength: 130 }).map(sums),
    fc
      .tuple(fc.array(fc.nat(2 ** 30), { maxLength: 130 }), fc.integer({ min: -(2 ** 40), max: 2 ** 40 }))
      .map(([ints, slope]) => ints.map((int, i) => int + slope * i)),
    fc.array(fc.nat(2_000_000_000), { maxLength: 130 }).map((ints) => ints.map((int) => int / 1e9)),
  );

  it('comes back bit for bit', () => {
    fc.assert(
      fc.property(column, (values) => {
        expect(decode(encode(values), values.length)).toEqual(wordsOf(values));
      }),
      { numRuns: 1000 },
    );
  });

  it.each([
    ['constants', repeat(120, () => 42), 2],
    ['constant fractions', repeat(120, () => 0.25), 3],
    ['times on a steady beat', repeat(120, (i) => 1_700_000_000_000 + 5000 * i), 12],
    ['counters with small noise', repeat(120, (i) => 1_000_000 + 100 * i + ((i * 7919) % 4)), 60],
    ['gauges of three decimals', repeat(120, (i) => 20 + ((i * 7919) % 100) / 1000), 118],
    ['nanoseconds as seconds', repeat(120, (i) => 20_000 + ((i * 7919) % 1000)).map((ns) => ns / 1e9), 165],
    ['milliseconds times 0.001', repeat(120, (i) => (1_000_000 + 12 * i + ((i * 7919) % 5)) * 0.001), 90],
    ['percentiles that were interpolated', repeat(120, (i) => 3 + 0.95 * (5 + (i % 7)) - 0.95 * 5), 140],
    ['two bursts of a counter', repeat(120, (i) => 12 + (i > 40 ? 90_000 : 0) + (i > 77 ? 5 : 0)), 14],
    ['scatter around a line', repeat(120, (i) => 1e12 + 123_456 * i + ((i * 7919) % 1024)), 162],
    ['averages that decay', repeat(120, (i) => 5.123 * Math.exp(-i / 300)), 700],
  ])('of %s is short', (_, values, bytes) => {
    expect(encode(values).length).toBeLessThanOrEqual(bytes);
  });

  it('that was damaged is refused or read as other numbers, never a crash', () => {
    fc.assert(
      fc.property(column, fc.nat(), fc.nat(255), (values, at, byte) => {
        const bytes = encode(values);
        bytes[at % Math.max(1, bytes.length)] = byte;
        try {
          decode(bytes, values.length);
        } catch (error) {
          expect(error).toMatchObject({ code: 'STORE_CORRUPT' });
        }
      }),
    );
  });
});

it('a block of garbage is refused', () => {
  fc.assert(
    fc.property(fc.constantFrom(1, 2), fc.uint8Array({ maxLength: 60 }), (version, bytes) => {
      try {
        const block = new DecodedBlock(Uint8Array.of(version, ...bytes), 0, 1, codec);
        for (const id of block.ids()) block.column(id);
      } catch (error) {
        expect(error).toMatchObject({ code: 'STORE_CORRUPT' });
      }
    }),
  );
});

describe('a block of version 1', () => {
  /** As the program of then wrote it: 16 rows of the columns below. */
  const BLOCK =
    'AQAQDwOAoKv++WKQTgDWta1rWAgUAgYCBgsGDQYPBnsGEAZnAQ4hMgPQDyIBkslkslkoMwACAqE68nrlPNCdAAQACgSSSSSSSSSSSSSSQAU/9qCeZn87zdme' +
    'i3JHE7uz4ff/3bPXQsJlWAAPG7zcv6VIABPfzHz2rDgANZeN7t7OLdjxXDn1uGT7M+oJ5mfzvNhTFg62ltTjxCqpJzRnhPgh7pSOenblGsORVZhNsFVCWa6j' +
    'FTSgJ3GT15++96xT07bxu/B7NX9oOAsIDAYMBgwGDAYAAgAxjAANCAcMBwwHDAcMf/AAAAAAAADAX//g9/jfkPIgAdZ4Bx+Q8iAB1nv/wAAAAAAAC/jfkPIg' +
    'AdZ4Bx+Q8iAB1nv/wAAAAAAAC/jfkPIgAdZ4Bx+Q8iAB1nv/wAAAAAAAC/jfkPIgAdZw';
  const COLUMNS: readonly ((row: number) => number | 'absent' | 'stale')[] = [
    () => 7,
    () => 0.25,
    (row) => 1000 + 17 * row + (row % 3),
    (row) => ((row * row * 37) % 11) / 1000,
    (row) => row * row * 5,
    (row) => Math.sqrt(row + 2),
    (row) => (row % 4 === 3 ? 'stale' : row),
    (row) => [NaN, Infinity, -0, 1e300][row % 4]!,
  ];

  it('is read as it was written', () => {
    const block = new DecodedBlock(Buffer.from(BLOCK, 'base64'), 0, 1, codec);
    for (const [i, of] of COLUMNS.entries()) {
      const column = block.column(10 + 3 * i);
      expect(column?.words).toEqual(wordsOf(repeat(16, (row) => row).map((row) => of(row))));
      expect([...(column?.ts ?? [])]).toEqual(repeat(16, (row) => 1_700_000_000_000 + row * 5000 + (row % 2)));
    }
  });

  it.each([0, 3, 255])('is told from one of version %i, which is refused', (version) => {
    const bytes = Buffer.from(BLOCK, 'base64');
    bytes[0] = version;
    expect(() => new DecodedBlock(bytes, 0, 1, codec)).toThrow(expect.objectContaining({ code: 'STORE_CORRUPT' }));
  });
});

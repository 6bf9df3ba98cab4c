import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { BitReader } from '../../src/store/bit-reader.ts';
import { BitWriter } from '../../src/store/bit-writer.ts';
import { DecodedBlock } from '../../src/store/block-codec.ts';
import { ColumnCodec } from '../../src/store/column-codec.ts';
import { ABSENT_HIGH, NAN_HIGH, STALE_HIGH } from '../../src/store/sample-codes.ts';

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
    ['gauges of three decimals', repeat(120, (i) => 20 + ((i * 7919) % 100) / 1000), 125],
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
    fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
      try {
        const block = new DecodedBlock(Uint8Array.of(1, ...bytes), 0, 1, codec);
        for (const id of block.ids()) block.column(id);
      } catch (error) {
        expect(error).toMatchObject({ code: 'STORE_CORRUPT' });
      }
    }),
  );
});

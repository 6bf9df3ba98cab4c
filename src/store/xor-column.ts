import { corrupt, type BitReader } from './bit-reader.ts';
import type { BitWriter } from './bit-writer.ts';

/**
 * Doubles as their difference in bits from the one before (Pelkonen et al., "Gorilla", VLDB 2015, section 4.1.2, with
 * a 6-bit length): 0 = the same; 10 = within the last window of bits; 11 = leading zeros (5), length - 1 (6), the bits.
 */
export function writeXor(words: Uint32Array, n: number, out: BitWriter): void {
  let low = words[0]!;
  let high = words[1]!;
  out.bits32(high, 32);
  out.bits32(low, 32);
  let leading = -1;
  let trailing = 0;
  for (let i = 1; i < n; i++) {
    const xorLow = (words[2 * i]! ^ low) >>> 0;
    const xorHigh = (words[2 * i + 1]! ^ high) >>> 0;
    low = words[2 * i]!;
    high = words[2 * i + 1]!;
    if (xorLow === 0 && xorHigh === 0) {
      out.bits(0, 1);
      continue;
    }
    const zeros = Math.min(31, leadingZeros(xorHigh, xorLow));
    const ends = trailingZeros(xorHigh, xorLow);
    if (leading >= 0 && zeros >= leading && ends >= trailing) out.bits(2, 2);
    else {
      leading = zeros;
      trailing = ends;
      out.bits(3, 2);
      out.bits(leading, 5);
      out.bits(63 - leading - trailing, 6);
    }
    writeWindow(out, xorHigh, xorLow, trailing, 64 - leading - trailing);
  }
  out.align();
}

/** The bits of `writeXor`. */
export function xorBits(words: Uint32Array, n: number): number {
  let bits = 64 + n - 1;
  let leading = -1;
  let trailing = 0;
  for (let i = 1; i < n; i++) {
    const xorLow = (words[2 * i]! ^ words[2 * i - 2]!) >>> 0;
    const xorHigh = (words[2 * i + 1]! ^ words[2 * i - 1]!) >>> 0;
    if (xorLow === 0 && xorHigh === 0) continue;
    const zeros = Math.min(31, leadingZeros(xorHigh, xorLow));
    const ends = trailingZeros(xorHigh, xorLow);
    if (leading < 0 || zeros < leading || ends < trailing) {
      leading = zeros;
      trailing = ends;
      bits += 11;
    }
    bits += 65 - leading - trailing;
  }
  return bits;
}

export function readXor(from: BitReader, n: number, words: Uint32Array): void {
  let high = from.bits32(32);
  let low = from.bits32(32);
  let length = 0;
  let trailing = 0;
  words[0] = low;
  words[1] = high;
  for (let i = 1; i < n; i++) {
    if (from.bits(1) === 1) {
      if (from.bits(1) === 1) {
        const leading = from.bits(5);
        length = from.bits(6) + 1;
        trailing = 64 - leading - length;
      }
      if (length === 0 || trailing < 0) throw corrupt('a window of bits has no place');
      const bitsHigh = length > 32 ? from.bits32(length - 32) : 0;
      const bitsLow = from.bits32(Math.min(32, length));
      high = (high ^ shiftedHigh(bitsHigh, bitsLow, trailing)) >>> 0;
      low = (low ^ (trailing >= 32 ? 0 : bitsLow << trailing)) >>> 0;
    }
    words[2 * i] = low;
    words[2 * i + 1] = high;
  }
}

function writeWindow(out: BitWriter, high: number, low: number, trailing: number, length: number): void {
  let right = low;
  let left = high;
  if (trailing >= 32) {
    right = high >>> (trailing - 32);
    left = 0;
  } else if (trailing > 0) {
    right = ((low >>> trailing) | (high << (32 - trailing))) >>> 0;
    left = high >>> trailing;
  }
  if (length > 32) out.bits32(left, length - 32);
  out.bits32(right, Math.min(32, length));
}

/** The high word of a 64-bit number shifted left. */
function shiftedHigh(high: number, low: number, by: number): number {
  if (by === 0) return high;
  return by >= 32 ? low << (by - 32) : (high << by) | (low >>> (32 - by));
}

function leadingZeros(high: number, low: number): number {
  return high === 0 ? 32 + Math.clz32(low) : Math.clz32(high);
}

function trailingZeros(high: number, low: number): number {
  return low === 0 ? 63 - Math.clz32(high & -high) : 31 - Math.clz32(low & -low);
}

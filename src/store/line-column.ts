import { corrupt, type BitReader } from './bit-reader.ts';
import type { BitWriter } from './bit-writer.ts';

/** Above that distances would not be exact. */
const MAX_RANGE = 2 ** 51;

/**
 * Whole numbers that scatter around a straight line: a gauge with noise around its level, a counter whose rate is steady
 * and whose page is read a little earlier or later each time. What is kept of each is its distance from the line. The
 * differences of neighbours, which the other codes keep, would have the scatter twice.
 */
export class LineFit {
  /** What the line rises from the first number to the last, whole. */
  rise = 0;
  /** The least distance from the line through zero, and how far the greatest is above it. */
  base = 0;
  range = Infinity;

  /** Fits the line to `n` numbers, at least two, by least squares. False where they reach too far around it. */
  fit(ints: Float64Array, n: number): boolean {
    let sum = 0;
    let weighted = 0;
    const middle = (n - 1) / 2;
    for (let i = 0; i < n; i++) {
      const fromFirst = ints[i]! - ints[0]!;
      sum += fromFirst;
      weighted += fromFirst * (i - middle);
    }
    // The sum of the squares of i - middle is n (n² - 1) / 12.
    this.rise = Math.round((weighted * 12 * (n - 1)) / (n * (n * n - 1)));
    let least = Infinity;
    let most = -Infinity;
    for (let i = 0; i < n; i++) {
      const distance = ints[i]! - lineAt(this.rise, i, n);
      if (distance < least) least = distance;
      if (distance > most) most = distance;
    }
    this.base = least;
    this.range = most - least;
    return Number.isSafeInteger(this.rise) && Math.abs(this.rise) < MAX_RANGE && this.range < MAX_RANGE && Math.abs(least) < 2 ** 52;
  }

  /** Bits of the distances, without those of the line. */
  bits(n: number): number {
    return n * Math.log2(this.range + 1);
  }
}

/** The line: its base, its rise, the range; then each distance in as few whole bits as the range allows (truncated binary). */
export function writeLine(fit: LineFit, ints: Float64Array, n: number, out: BitWriter): void {
  out.zigzag(fit.base);
  out.zigzag(fit.rise);
  out.varint(fit.range);
  const width = bitWidth(fit.range);
  // Numbers below `short` take a bit less than the others.
  const short = 2 ** width - fit.range - 1;
  for (let i = 0; i < n && width > 0; i++) {
    const value = ints[i]! - lineAt(fit.rise, i, n) - fit.base;
    if (value < short) out.wide(value, width - 1);
    else out.wide(value + short, width);
  }
  out.align();
}

export function readLine(from: BitReader, n: number, ints: Float64Array): void {
  const base = from.zigzag();
  const rise = from.zigzag();
  const range = from.varint();
  if (range >= MAX_RANGE) throw corrupt(`numbers reach ${range} around their line`);
  const width = bitWidth(range);
  const short = 2 ** width - range - 1;
  for (let i = 0; i < n; i++) {
    let value = width > 0 ? from.wide(width - 1) : 0;
    if (value >= short && width > 0) value = 2 * value + from.bits(1) - short;
    ints[i] = value + base + lineAt(rise, i, n);
  }
}

/** The line through zero with that rise over n numbers, rounded down at number i. The same floats give the same. */
function lineAt(rise: number, i: number, n: number): number {
  return Math.floor((rise * i) / (n - 1));
}

/** Of the numbers 0 to `range`. */
function bitWidth(range: number): number {
  return range < 2 ** 32 ? 32 - Math.clz32(range) : 64 - Math.clz32(range / 2 ** 32);
}

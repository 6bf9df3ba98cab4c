import type { BitReader } from './bit-reader.ts';
import { MAX_RICE_BITS, type BitWriter } from './bit-writer.ts';
import { corrupt } from './bit-reader.ts';

/** Above that a second difference, doubled for its sign, would not be exact. */
const MAX_INTEGER = 2 ** 49;
export const MAX_SCALE = 6;
const POWERS = Array.from({ length: MAX_SCALE + 1 }, (_, exponent) => 10 ** exponent);

/**
 * The smallest number of decimals with which all values are whole numbers, exactly (`ints / 10^scale === values`), or
 * -1. Negative zero is none. Fills `ints`.
 */
export function asIntegers(values: Float64Array, n: number, ints: Float64Array): number {
  let scale = 0;
  for (let i = 0; i < n; i++) {
    const value = values[i]!;
    if (value === 0 ? Object.is(value, -0) : !(Math.abs(value) <= MAX_INTEGER)) return -1;
    while (Math.round(value * POWERS[scale]!) / POWERS[scale]! !== value) if (++scale > MAX_SCALE) return -1;
  }
  const power = POWERS[scale]!;
  for (let i = 0; i < n; i++) {
    const int = Math.round(values[i]! * power);
    if (Math.abs(int) > MAX_INTEGER || int / power !== values[i]!) return -1;
    ints[i] = int === 0 ? 0 : int;
  }
  return scale;
}

/** About how many bits the two codes of differences below take for at least two numbers. */
export class DifferenceCosts {
  first = 0;
  second = 0;

  of(ints: Float64Array, n: number): void {
    const mean = meanDifference(ints, n);
    let before = ints[1]! - ints[0]!;
    let first = fold(before - mean);
    let second = 0;
    for (let i = 2; i < n; i++) {
      const difference = ints[i]! - ints[i - 1]!;
      first += fold(difference - mean);
      second += fold(difference - before);
      before = difference;
    }
    this.first = riceCost(first, n - 1);
    this.second = riceCost(second, n - 2);
  }
}

/** At least two numbers: the first one, the mean difference, and each difference from that by Rice's code. */
export function writeDifferences(ints: Float64Array, n: number, out: BitWriter): void {
  const mean = meanDifference(ints, n);
  out.zigzag(ints[0]!);
  out.zigzag(mean);
  let sum = 0;
  for (let i = 1; i < n; i++) sum += fold(ints[i]! - ints[i - 1]! - mean);
  const k = riceBits(sum, n - 1);
  out.byte(k);
  if (sum === 0) return;
  for (let i = 1; i < n; i++) out.rice(fold(ints[i]! - ints[i - 1]! - mean), k);
  out.align();
}

/** At least two numbers: the first one, the first difference, and each change of the difference by Rice's code. */
export function writeSecondDifferences(ints: Float64Array, n: number, out: BitWriter): void {
  out.zigzag(ints[0]!);
  out.zigzag(ints[1]! - ints[0]!);
  let sum = 0;
  for (let i = 2; i < n; i++) sum += fold(ints[i]! - 2 * ints[i - 1]! + ints[i - 2]!);
  const k = riceBits(sum, n - 2);
  out.byte(k);
  if (sum === 0) return;
  for (let i = 2; i < n; i++) out.rice(fold(ints[i]! - 2 * ints[i - 1]! + ints[i - 2]!), k);
  out.align();
}

export function readDifferences(from: BitReader, n: number, scale: number, values: Float64Array): void {
  const power = powerOf(scale);
  let int = from.zigzag();
  const mean = from.zigzag();
  const k = riceBitsOf(from);
  values[0] = int / power;
  for (let i = 1; i < n; i++) {
    int += mean + (k === ALL_ZERO ? 0 : unfold(from.rice(k)));
    values[i] = int / power;
  }
}

export function readSecondDifferences(from: BitReader, n: number, scale: number, values: Float64Array): void {
  const power = powerOf(scale);
  let int = from.zigzag();
  let difference = from.zigzag();
  const k = riceBitsOf(from);
  values[0] = int / power;
  for (let i = 1; i < n; i++) {
    if (i > 1 && k !== ALL_ZERO) difference += unfold(from.rice(k));
    int += difference;
    values[i] = int / power;
  }
}

export function powerOf(scale: number): number {
  const power = POWERS[scale];
  if (power === undefined) throw corrupt(`scale ${scale}`);
  return power;
}

/** Stands for the number of remainder bits where every residual is zero and none is written. */
const ALL_ZERO = 0xff;

function riceBits(sum: number, count: number): number {
  if (sum === 0) return ALL_ZERO;
  // Rice's code is shortest where 2^k is about the mean times ln 2.
  return Math.max(0, Math.min(MAX_RICE_BITS, Math.round(Math.log2((sum / count) * Math.LN2))));
}

/** A number takes its unary quotient, which ends with a zero, and k bits; half a unit of the quotient is lost on average. */
function riceCost(sum: number, count: number): number {
  const k = riceBits(sum, count);
  return k === ALL_ZERO ? 0 : count * (k + (k === 0 ? 1 : 0.5)) + sum / 2 ** k;
}

function riceBitsOf(from: BitReader): number {
  const k = from.byte();
  if (k !== ALL_ZERO && k > MAX_RICE_BITS) throw corrupt(`${k} remainder bits`);
  return k;
}

function meanDifference(ints: Float64Array, n: number): number {
  return Math.round((ints[n - 1]! - ints[0]!) / (n - 1));
}

function fold(value: number): number {
  return value >= 0 ? 2 * value : -2 * value - 1;
}

function unfold(value: number): number {
  return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
}

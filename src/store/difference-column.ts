import { corrupt, type BitReader } from './bit-reader.ts';
import { MAX_RICE_BITS, type BitWriter } from './bit-writer.ts';

/** Stands for the number of remainder bits where every residual is zero and none is written. */
const ALL_ZERO = 0xff;

/** About how many bits the codes of differences below take for at least two numbers. */
export class DifferenceCosts {
  first = 0;
  second = 0;
  least = 0;
  sparse = 0;
  /** What more than half of all differences are, where there is such a one; otherwise any. */
  usual = 0;
  /** The least difference. */
  floor = 0;

  of(ints: Float64Array, n: number): void {
    const mean = meanDifference(ints, n);
    let before = ints[1]! - ints[0]!;
    let first = 0;
    let second = 0;
    let sum = 0;
    let votes = 0;
    this.floor = Infinity;
    for (let i = 1; i < n; i++) {
      const difference = ints[i]! - ints[i - 1]!;
      first += fold(difference - mean);
      second += fold(difference - before);
      sum += difference;
      before = difference;
      if (difference < this.floor) this.floor = difference;
      // Boyer and Moore's vote: whoever has the majority is left.
      if (votes === 0) this.usual = difference;
      votes += difference === this.usual ? 1 : -1;
    }
    this.first = riceCost(first, n - 1);
    this.second = riceCost(second, n - 2);
    this.least = riceCost(sum - this.floor * (n - 1), n - 1);
    this.sparse = this.#sparse(ints, n);
  }

  #sparse(ints: Float64Array, n: number): number {
    let others = 0;
    let sum = 0;
    for (let i = 1; i < n; i++) {
      const difference = ints[i]! - ints[i - 1]!;
      if (difference === this.usual) continue;
      others++;
      sum += fold(difference - this.usual) - 1;
    }
    // A byte that says how the gaps are kept, and one of this code's name.
    return 16 + riceCost(sum, others) + riceCost(n - 1 - others, others);
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
  if (k === ALL_ZERO) return;
  for (let i = 1; i < n; i++) out.rice(fold(ints[i]! - ints[i - 1]! - mean), k);
  out.align();
}

export function readDifferences(from: BitReader, n: number, ints: Float64Array): void {
  let int = from.zigzag();
  const mean = from.zigzag();
  const k = riceBitsOf(from);
  ints[0] = int;
  for (let i = 1; i < n; i++) {
    int += mean + (k === ALL_ZERO ? 0 : unfold(from.rice(k)));
    ints[i] = int;
  }
}

/** As above, from the least difference on: counters that now and then count much. */
export function writeFromLeast(ints: Float64Array, n: number, floor: number, out: BitWriter): void {
  out.zigzag(ints[0]!);
  out.zigzag(floor);
  let sum = 0;
  for (let i = 1; i < n; i++) sum += ints[i]! - ints[i - 1]! - floor;
  const k = riceBits(sum, n - 1);
  out.byte(k);
  if (k === ALL_ZERO) return;
  for (let i = 1; i < n; i++) out.rice(ints[i]! - ints[i - 1]! - floor, k);
  out.align();
}

export function readFromLeast(from: BitReader, n: number, ints: Float64Array): void {
  let int = from.zigzag();
  const floor = from.zigzag();
  const k = riceBitsOf(from);
  ints[0] = int;
  for (let i = 1; i < n; i++) {
    int += floor + (k === ALL_ZERO ? 0 : from.rice(k));
    ints[i] = int;
  }
}

/** At least two numbers: the first one, the first difference, and each change of the difference by Rice's code. */
export function writeSecondDifferences(ints: Float64Array, n: number, out: BitWriter): void {
  out.zigzag(ints[0]!);
  out.zigzag(ints[1]! - ints[0]!);
  let sum = 0;
  for (let i = 2; i < n; i++) sum += fold(changeAt(ints, i));
  const k = riceBits(sum, n - 2);
  out.byte(k);
  if (k === ALL_ZERO) return;
  for (let i = 2; i < n; i++) out.rice(fold(changeAt(ints, i)), k);
  out.align();
}

export function readSecondDifferences(from: BitReader, n: number, ints: Float64Array): void {
  let int = from.zigzag();
  let difference = from.zigzag();
  const k = riceBitsOf(from);
  ints[0] = int;
  for (let i = 1; i < n; i++) {
    if (i > 1 && k !== ALL_ZERO) difference += unfold(from.rice(k));
    int += difference;
    ints[i] = int;
  }
}

/** At least two numbers of which most differ from the one before by the same: how many lie between two others, and the others. */
export function writeSparse(ints: Float64Array, n: number, usual: number, out: BitWriter): void {
  let others = 0;
  let sum = 0;
  for (let i = 1; i < n; i++) {
    const difference = ints[i]! - ints[i - 1]!;
    if (difference === usual) continue;
    others++;
    sum += fold(difference - usual) - 1;
  }
  out.zigzag(ints[0]!);
  out.zigzag(usual);
  out.varint(others);
  const kOfGaps = riceBits(n - 1 - others, others);
  const k = riceBits(sum, others);
  out.byte(kOfGaps);
  out.byte(k);
  let gap = 0;
  for (let i = 1; i < n; i++) {
    const difference = ints[i]! - ints[i - 1]!;
    if (difference === usual) {
      gap++;
      continue;
    }
    if (kOfGaps !== ALL_ZERO) out.rice(gap, kOfGaps);
    if (k !== ALL_ZERO) out.rice(fold(difference - usual) - 1, k);
    gap = 0;
  }
  out.align();
}

export function readSparse(from: BitReader, n: number, ints: Float64Array): void {
  let int = from.zigzag();
  const usual = from.zigzag();
  const others = from.count(n);
  const kOfGaps = riceBitsOf(from);
  const k = riceBitsOf(from);
  let i = 0;
  ints[i++] = int;
  for (let left = others; left > 0; left--) {
    let gap = kOfGaps === ALL_ZERO ? 0 : from.rice(kOfGaps);
    if (i + gap >= n) throw corrupt('a column is longer than its block');
    for (; gap > 0; gap--) ints[i++] = int += usual;
    int += usual + unfold(1 + (k === ALL_ZERO ? 0 : from.rice(k)));
    ints[i++] = int;
  }
  while (i < n) ints[i++] = int += usual;
}

/** Whole numbers around zero by Rice's code. */
export function writeSmall(ints: Float64Array, n: number, out: BitWriter): void {
  let sum = 0;
  for (let i = 0; i < n; i++) sum += fold(ints[i]!);
  const k = riceBits(sum, n);
  out.byte(k);
  if (k === ALL_ZERO) return;
  for (let i = 0; i < n; i++) out.rice(fold(ints[i]!), k);
  out.align();
}

export function readSmall(from: BitReader, n: number, ints: Float64Array): void {
  const k = riceBitsOf(from);
  for (let i = 0; i < n; i++) ints[i] = k === ALL_ZERO ? 0 : unfold(from.rice(k));
  from.align();
}

/** About the bits of `writeSmall`. */
export function smallCost(ints: Float64Array, n: number): number {
  let sum = 0;
  for (let i = 0; i < n; i++) sum += fold(ints[i]!);
  return 8 + riceCost(sum, n);
}

/** In an order in which every step is exact. */
function changeAt(ints: Float64Array, i: number): number {
  return ints[i]! - ints[i - 1]! - (ints[i - 1]! - ints[i - 2]!);
}

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

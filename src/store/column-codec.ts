import { corrupt, type BitReader } from './bit-reader.ts';
import type { BitWriter } from './bit-writer.ts';
import { asIntegers, asSteps, fromSteps, NearDecimals, powerOf } from './double-column.ts';
import { smallCost, writeSmall } from './difference-column.ts';
import { DIFFERENCES, IntCodec, LINE, SECOND_DIFFERENCES } from './int-column.ts';
import { ABSENT_HIGH, HIGH_WORD, NAN_HIGH, STALE_HIGH } from './sample-codes.ts';
import { readXor, writeXor, xorBits } from './xor-column.ts';

/** The lowest three bits of a column's first byte. */
const EMPTY = 0;
const CONSTANT_INTEGER = 1;
const CONSTANT_BITS = 2;
const XOR = 5;
/** A second byte says what the whole numbers stand for (its lower half) and their code (its upper half). */
const OTHER = 7;
/** The fourth bit: runs of cells that are no numbers come first. The higher bits: decimals. */
const HAS_RUNS = 8;
const SCALE_SHIFT = 4;

/** What whole numbers stand for: decimals, decimals that the values are only near to, steps between doubles. */
const EXACT = 0;
const NEAR = 1;
const STEPS = 2;

/** About what a first number and its first difference take. */
const HEADER_BITS = 64;

/** What a run of cells is. */
const NUMBERS = 0;
const RUN_HIGHS = [-1, ABSENT_HIGH, STALE_HIGH, NAN_HIGH];

/**
 * Turns columns of cells into bytes and back, bit for bit. Per column the shortest of: one constant; whole numbers of
 * the smallest decimal scale, by the best code of `IntCodec`; where the values are no decimals, those that they are near
 * to, or steps between doubles as such numbers, or differences in bits. Cells that are no numbers are taken out first, as
 * runs. Holds scratch memory: one instance, one use at a time.
 */
export class ColumnCodec {
  #values = new Float64Array(128);
  #words = new Uint32Array(this.#values.buffer);
  #ints = new Float64Array(128);
  readonly #intCodec = new IntCodec();
  readonly #near = new NearDecimals();
  #steps = new Float64Array(128);
  readonly #stepCodec = new IntCodec();

  /** `words` holds n doubles as pairs of 32-bit words. */
  encode(words: Uint32Array, n: number, out: BitWriter): void {
    this.#reserve(n);
    const runs = this.#compact(words, n);
    const count = this.#count;
    const flags = runs.length > 0 ? HAS_RUNS : 0;
    const begin = (kind: number, scale: number): void => {
      out.byte(kind | flags | (scale << SCALE_SHIFT));
      if (flags === 0) return;
      out.varint(runs.length);
      for (const run of runs) out.varint(run);
    };
    this.#write(count, begin, out);
  }

  /** Fills n doubles of `words`. Throws `STORE_CORRUPT`. */
  decode(from: BitReader, n: number, words: Uint32Array): void {
    this.#reserve(n);
    const first = from.byte();
    const runs: number[] = [];
    let count = n;
    if ((first & HAS_RUNS) !== 0) {
      count = 0;
      let total = 0;
      for (let left = from.count(n); left > 0; left--) {
        const run = from.varint();
        runs.push(run);
        total += run >>> 2;
        if ((run & 3) === NUMBERS) count += run >>> 2;
      }
      if (total !== n) throw corrupt(`runs of ${total} cells in a column of ${n}`);
    }
    this.#read(first & 7, count, first >>> SCALE_SHIFT, from);
    this.#spread(runs, count, words);
  }

  #count = 0;

  #reserve(n: number): void {
    if (n <= this.#values.length) return;
    this.#values = new Float64Array(2 * n);
    this.#words = new Uint32Array(this.#values.buffer);
    this.#ints = new Float64Array(2 * n);
    this.#steps = new Float64Array(2 * n);
  }

  /** Moves the numbers together into the scratch; returns the runs, none where all cells are numbers. */
  #compact(words: Uint32Array, n: number): number[] {
    const runs: number[] = [];
    let count = 0;
    let code = -1;
    let length = 0;
    let special = false;
    for (let i = 0; i < n; i++) {
      const low = words[2 * i]!;
      const high = words[2 * i + 1]!;
      const now = codeOf(high, low);
      if (now === NUMBERS) {
        this.#words[2 * count] = low;
        this.#words[2 * count++ + 1] = high;
      } else special = true;
      if (now !== code) {
        if (length > 0) runs.push(4 * length + code);
        code = now;
        length = 0;
      }
      length++;
    }
    if (length > 0) runs.push(4 * length + code);
    this.#count = count;
    return special ? runs : [];
  }

  #isConstant(count: number): boolean {
    const low = this.#words[0];
    const high = this.#words[1];
    for (let i = 1; i < count; i++) if (this.#words[2 * i] !== low || this.#words[2 * i + 1] !== high) return false;
    return true;
  }

  #write(count: number, begin: (kind: number, scale: number) => void, out: BitWriter): void {
    if (count === 0) {
      begin(EMPTY, 0);
      return;
    }
    const scale = asIntegers(this.#values, count, this.#ints);
    if (this.#isConstant(count)) {
      begin(scale < 0 ? CONSTANT_BITS : CONSTANT_INTEGER, Math.max(0, scale));
      if (scale < 0) writeXor(this.#words, 1, out);
      else out.zigzag(this.#ints[0]!);
      return;
    }
    if (scale < 0 || !this.#intCodec.choose(this.#ints, count)) {
      this.#writeDoubles(count, begin, out);
      return;
    }
    const { kind } = this.#intCodec;
    if (kind === DIFFERENCES || kind === SECOND_DIFFERENCES || kind === LINE) begin(kind, scale);
    else {
      begin(OTHER, scale);
      out.byte(EXACT | (kind << SCALE_SHIFT));
    }
    this.#intCodec.write(this.#ints, count, out);
  }

  /** Doubles that no decimals are: the shortest of three ways. */
  #writeDoubles(count: number, begin: (kind: number, scale: number) => void, out: BitWriter): void {
    const ints = this.#ints;
    const steps = this.#steps;
    asSteps(this.#words, count, steps);
    const asStepsBits = this.#stepCodec.choose(steps, count) ? this.#stepCodec.bits + HEADER_BITS : Infinity;
    const bits = Math.min(asStepsBits, xorBits(this.#words, count));
    const scale = this.#near.of(this.#values, this.#words, count, ints);
    if (scale >= 0 && this.#intCodec.choose(ints, count) && this.#intCodec.bits + smallCost(this.#near.steps, count) + HEADER_BITS < bits) {
      begin(OTHER, scale);
      out.byte(NEAR | (this.#intCodec.kind << SCALE_SHIFT));
      this.#intCodec.write(ints, count, out);
      writeSmall(this.#near.steps, count, out);
      return;
    }
    if (asStepsBits > bits) {
      begin(XOR, 0);
      writeXor(this.#words, count, out);
      return;
    }
    begin(OTHER, 0);
    out.byte(STEPS | (this.#stepCodec.kind << SCALE_SHIFT));
    writeXor(this.#words, 1, out);
    this.#stepCodec.write(steps, count, out);
  }

  #read(kind: number, count: number, scale: number, from: BitReader): void {
    if ((kind === EMPTY) !== (count === 0)) throw corrupt('a column lost its numbers');
    if (kind === EMPTY) return;
    if (kind === DIFFERENCES || kind === SECOND_DIFFERENCES || kind === LINE) this.#readDecimals(kind, count, scale, from);
    else if (kind === OTHER) this.#readOther(count, scale, from);
    else if (kind === XOR) readXor(from, count, this.#words);
    else if (kind === CONSTANT_INTEGER) this.#values.fill(from.zigzag() / powerOf(scale), 0, count);
    else {
      readXor(from, 1, this.#words);
      for (let i = 1; i < count; i++) {
        this.#words[2 * i] = this.#words[0]!;
        this.#words[2 * i + 1] = this.#words[1]!;
      }
    }
  }

  #readDecimals(kind: number, count: number, scale: number, from: BitReader): void {
    const power = powerOf(scale);
    this.#intCodec.read(kind, from, count, this.#ints);
    for (let i = 0; i < count; i++) this.#values[i] = this.#ints[i]! / power;
  }

  #readOther(count: number, scale: number, from: BitReader): void {
    const second = from.byte();
    const kind = second >>> SCALE_SHIFT;
    const what = second & 15;
    if (what === EXACT) this.#readDecimals(kind, count, scale, from);
    else if (what === NEAR) {
      this.#intCodec.read(kind, from, count, this.#ints);
      this.#near.read(from, count);
      this.#near.restore(this.#ints, count, scale, this.#words);
    } else if (what === STEPS) {
      readXor(from, 1, this.#words);
      from.align();
      const [low = 0, high = 0] = this.#words;
      this.#intCodec.read(kind, from, count, this.#ints);
      fromSteps(low, high, this.#ints, count, this.#words);
    } else throw corrupt(`whole numbers that stand for ${what}`);
  }

  #spread(runs: readonly number[], count: number, words: Uint32Array): void {
    if (runs.length === 0) {
      words.set(this.#words.subarray(0, 2 * count));
      return;
    }
    let to = 0;
    let from = 0;
    for (const run of runs) {
      for (let left = run >>> 2; left > 0; left--, to++) {
        const number = (run & 3) === NUMBERS;
        words[2 * to] = number ? this.#words[2 * from]! : 0;
        words[2 * to + HIGH_WORD] = number ? this.#words[2 * from + 1]! : RUN_HIGHS[run & 3]!;
        if (number) from++;
      }
    }
  }
}

function codeOf(high: number, low: number): number {
  // Infinity's exponent; below it are numbers.
  if ((high & 0x7fff_ffff) < 0x7ff0_0000 || low !== 0) return NUMBERS;
  const code = RUN_HIGHS.indexOf(high);
  return code < 0 ? NUMBERS : code;
}

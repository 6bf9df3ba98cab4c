import { corrupt, type BitReader } from './bit-reader.ts';
import type { BitWriter } from './bit-writer.ts';
import {
  asIntegers,
  DifferenceCosts,
  powerOf,
  readDifferences,
  readSecondDifferences,
  writeDifferences,
  writeSecondDifferences,
} from './int-column.ts';
import { LineFit, readLine, writeLine } from './line-column.ts';
import { ABSENT_HIGH, HIGH_WORD, NAN_HIGH, STALE_HIGH } from './sample-codes.ts';
import { readXor, writeXor } from './xor-column.ts';

/** The lowest three bits of a column's first byte. */
const EMPTY = 0;
const CONSTANT_INTEGER = 1;
const CONSTANT_BITS = 2;
const DIFFERENCES = 3;
const SECOND_DIFFERENCES = 4;
const XOR = 5;
const LINE = 6;
/** The fourth bit: runs of cells that are no numbers come first. The higher bits: decimals. */
const HAS_RUNS = 8;
const SCALE_SHIFT = 4;

/** What a run of cells is. */
const NUMBERS = 0;
const RUN_HIGHS = [-1, ABSENT_HIGH, STALE_HIGH, NAN_HIGH];

/**
 * Turns columns of cells into bytes and back, bit for bit. Per column the shortest of: one constant; whole numbers of
 * the smallest decimal scale, as differences or second differences by Rice's code; differences in bits. Cells that are
 * no numbers are taken out first, as runs. Holds scratch memory: one instance, one use at a time.
 */
export class ColumnCodec {
  #values = new Float64Array(128);
  #words = new Uint32Array(this.#values.buffer);
  #ints = new Float64Array(128);
  readonly #line = new LineFit();
  readonly #differences = new DifferenceCosts();

  /** `words` holds n doubles as pairs of 32-bit words. */
  encode(words: Uint32Array, n: number, out: BitWriter): void {
    this.#reserve(n);
    const runs = this.#compact(words, n);
    const count = this.#count;
    const flags = runs.length > 0 ? HAS_RUNS : 0;
    const scale = count === 0 ? -1 : asIntegers(this.#values, count, this.#ints);
    const kind = this.#kind(count, scale);
    out.byte(kind | flags | (scale > 0 ? scale << SCALE_SHIFT : 0));
    if (flags !== 0) {
      out.varint(runs.length);
      for (const run of runs) out.varint(run);
    }
    this.#write(kind, count, out);
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

  #kind(count: number, scale: number): number {
    if (count === 0) return EMPTY;
    if (this.#isConstant(count)) return scale < 0 ? CONSTANT_BITS : CONSTANT_INTEGER;
    if (scale < 0) return XOR;
    this.#differences.of(this.#ints, count);
    const { first, second } = this.#differences;
    if (this.#line.fit(this.#ints, count) && this.#line.bits(count) < Math.min(first, second)) return LINE;
    return second < first ? SECOND_DIFFERENCES : DIFFERENCES;
  }

  #isConstant(count: number): boolean {
    const low = this.#words[0];
    const high = this.#words[1];
    for (let i = 1; i < count; i++) if (this.#words[2 * i] !== low || this.#words[2 * i + 1] !== high) return false;
    return true;
  }

  #write(kind: number, count: number, out: BitWriter): void {
    if (kind === CONSTANT_INTEGER) out.zigzag(this.#ints[0]!);
    else if (kind === DIFFERENCES) writeDifferences(this.#ints, count, out);
    else if (kind === SECOND_DIFFERENCES) writeSecondDifferences(this.#ints, count, out);
    else if (kind === LINE) writeLine(this.#line, this.#ints, count, out);
    else if (kind !== EMPTY) writeXor(this.#words, kind === CONSTANT_BITS ? 1 : count, out);
  }

  #read(kind: number, count: number, scale: number, from: BitReader): void {
    if ((kind === EMPTY) !== (count === 0)) throw corrupt('a column lost its numbers');
    if (kind === EMPTY) return;
    if (kind === DIFFERENCES) readDifferences(from, count, scale, this.#values);
    else if (kind === SECOND_DIFFERENCES) readSecondDifferences(from, count, scale, this.#values);
    else if (kind === LINE) readLine(from, count, powerOf(scale), this.#values);
    else if (kind === XOR) readXor(from, count, this.#words);
    else if (kind === CONSTANT_INTEGER) this.#values.fill(from.zigzag() / powerOf(scale), 0, count);
    else if (kind === CONSTANT_BITS) {
      readXor(from, 1, this.#words);
      for (let i = 1; i < count; i++) {
        this.#words[2 * i] = this.#words[0]!;
        this.#words[2 * i + 1] = this.#words[1]!;
      }
    } else throw corrupt(`a column of kind ${kind}`);
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

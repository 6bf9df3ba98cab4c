import { corrupt, type BitReader } from './bit-reader.ts';
import type { BitWriter } from './bit-writer.ts';
import {
  DifferenceCosts,
  readDifferences,
  readFromLeast,
  readSecondDifferences,
  readSparse,
  writeDifferences,
  writeFromLeast,
  writeSecondDifferences,
  writeSparse,
} from './difference-column.ts';
import { LineFit, readLine, writeLine } from './line-column.ts';

/** How far whole numbers of one column may lie apart: a second difference, doubled for its sign, is exact then. */
const MAX_SPREAD = 2 ** 51;
/** A whole number, doubled for its sign, is exact. */
export const MAX_INTEGER = 2 ** 52 - 1;

/** The codes of whole numbers; their numbers are in the file. */
export const DIFFERENCES = 3;
export const SECOND_DIFFERENCES = 4;
export const LINE = 6;
const SPARSE = 8;
const FROM_LEAST = 9;

/** Whole numbers by the code that is about the shortest for them. */
export class IntCodec {
  /** What `choose` found: the code, and about how many bits it takes. */
  kind = 0;
  bits = 0;
  readonly #line = new LineFit();
  readonly #costs = new DifferenceCosts();

  /** For at least two numbers, which `write` is then to be given. False where they lie too far apart for any. */
  choose(ints: Float64Array, n: number): boolean {
    if (!areNear(ints, n)) return false;
    this.#costs.of(ints, n);
    const { first, second, least, sparse } = this.#costs;
    this.kind = DIFFERENCES;
    this.bits = first;
    this.#consider(SECOND_DIFFERENCES, second);
    this.#consider(SPARSE, sparse);
    this.#consider(FROM_LEAST, least + 8);
    if (this.#line.fit(ints, n)) this.#consider(LINE, this.#line.bits(n));
    return true;
  }

  write(ints: Float64Array, n: number, out: BitWriter): void {
    if (this.kind === DIFFERENCES) writeDifferences(ints, n, out);
    else if (this.kind === SECOND_DIFFERENCES) writeSecondDifferences(ints, n, out);
    else if (this.kind === LINE) writeLine(this.#line, ints, n, out);
    else if (this.kind === SPARSE) writeSparse(ints, n, this.#costs.usual, out);
    else writeFromLeast(ints, n, this.#costs.floor, out);
  }

  /** Throws `STORE_CORRUPT`. */
  read(kind: number, from: BitReader, n: number, ints: Float64Array): void {
    if (n < 2) throw corrupt('differences of a single number');
    if (kind === DIFFERENCES) readDifferences(from, n, ints);
    else if (kind === SECOND_DIFFERENCES) readSecondDifferences(from, n, ints);
    else if (kind === LINE) readLine(from, n, ints);
    else if (kind === SPARSE) readSparse(from, n, ints);
    else if (kind === FROM_LEAST) readFromLeast(from, n, ints);
    else throw corrupt(`whole numbers by code ${kind}`);
    from.align();
  }

  #consider(kind: number, bits: number): void {
    if (bits >= this.bits) return;
    this.kind = kind;
    this.bits = bits;
  }
}

function areNear(ints: Float64Array, n: number): boolean {
  let least = Infinity;
  let most = -Infinity;
  for (let i = 0; i < n; i++) {
    if (ints[i]! < least) least = ints[i]!;
    if (ints[i]! > most) most = ints[i]!;
  }
  return most - least <= MAX_SPREAD && most <= MAX_INTEGER && least >= -MAX_INTEGER;
}

import { BitReader, corrupt } from './bit-reader.ts';
import { BitWriter } from './bit-writer.ts';
import type { Lane } from './lane.ts';
import type { RowRing } from './row-ring.ts';
import { ABSENT_HIGH, HIGH_WORD, NAN_HIGH, STALE_HIGH } from './sample-codes.ts';

/** What a lane's entry in a record is. */
const ROWS = 0;
const KEYFRAME_ROWS = 1;
const POINTS = 2;
/** As ROWS, which version 1 wrote, with how many rows of the chain come before. */
const LINKED_ROWS = 3;
/** First varint of a cell; from FIRST_NUMBER on it is a number's difference, zigzag, and whether it counts thousandths. */
const RAW = 0;
const SPECIAL_HIGHS = [-1, ABSENT_HIGH, STALE_HIGH, NAN_HIGH];
const FIRST_NUMBER = 4;
const MAX_INTEGER = 2 ** 48;
const THOUSANDTHS = 1000;
const MAX_COLUMNS = 1_048_576;

export interface Chain {
  readonly length: number;
  readonly last: Float64Array;
  readonly beforeLast: Float64Array;
}

/** Receives a record's content in order. `rows` is called with the lane's columns as of then. */
export interface LogVisitor {
  /** False where the lane's entry in this record is of no use: then it is skipped, as what it builds on may be gone. */
  wants(lane: number): boolean;
  /** The series of a lane's columns from here on; only before rows of a keyframe. */
  columns(lane: number, ids: Int32Array): void;
  /** The newest rows of that lane's chain so far, and how many the chain has; undefined where there is none. */
  previous(lane: number): Chain | undefined;
  /** One row, as cells. The visitor may keep the words. */
  row(lane: number, ts: number, words: Uint32Array<ArrayBuffer>): void;
  point(lane: number, series: number, ts: number, words: Uint32Array): void;
}

/**
 * One log record: what came since the one before, over all lanes. Cells are whole numbers (or thousandths) as the
 * difference from what the last two rows of the chain foretell, or eight bytes. A chain begins with a keyframe, which
 * names its columns.
 */
export class LogEncoder {
  readonly #record = new BitWriter();
  /** The body of the entry that is being written; its length goes before it. */
  readonly #out = new BitWriter();
  readonly #rawWords = new Uint32Array(2);
  readonly #rawBytes = new Uint8Array(this.#rawWords.buffer);

  begin(): void {
    this.#record.reset();
  }

  take(): Uint8Array {
    return this.#record.take();
  }

  /** The ring's rows from `unlogged` on. Returns the row that the chain begins with; the caller keeps it once the record is safe. */
  rows(lane: Lane, ring: RowRing): number {
    const from = Math.max(ring.unlogged, ring.unsealed, ring.first);
    const keyframe = lane.keyframeDue || from - 2 < ring.first || from > ring.unlogged;
    const chainStart = keyframe ? from : lane.chainStart;
    this.#out.reset();
    if (keyframe) this.#columns(ring);
    else this.#out.varint(from - chainStart);
    this.#out.varint(ring.next - from);
    let before = 0;
    for (let row = from; row < ring.next; row++) {
      const ts = ring.ts[row % ring.rows]!;
      this.#out.zigzag(ts - before);
      before = ts;
      this.#row(ring, row, row - chainStart);
    }
    this.#entry(lane, keyframe ? KEYFRAME_ROWS : LINKED_ROWS);
    return chainStart;
  }

  /** The points of a side lane from each one's `unlogged` on. */
  points(lane: Lane): void {
    this.#out.reset();
    this.#out.varint(lane.side?.unloggedPoints ?? 0);
    for (const points of lane.side?.unlogged ?? []) {
      for (let point = points.unlogged; point < points.next; point++) {
        const slot = point % points.v.length;
        this.#out.varint(points.id);
        this.#out.zigzag(points.ts[slot]!);
        this.#raw(points.words, slot);
      }
    }
    this.#entry(lane, POINTS);
  }

  #entry(lane: Lane, kind: number): void {
    this.#record.varint(lane.id);
    this.#record.byte(kind);
    this.#record.varint(this.#out.length);
    this.#record.append(this.#out.bytes.subarray(0, this.#out.length));
  }

  #columns(ring: RowRing): void {
    this.#out.varint(ring.cols);
    let before = 0;
    for (let col = 0; col < ring.cols; col++) {
      this.#out.zigzag(ring.ids[col]! - before);
      before = ring.ids[col]!;
    }
  }

  /** `known` is how many rows of the chain come before. */
  #row(ring: RowRing, row: number, known: number): void {
    const { v, stride, rows, cols } = ring;
    const at = (row % rows) * stride;
    const last = known >= 1 ? ((row - 1) % rows) * stride : -1;
    const beforeLast = known >= 2 ? ((row - 2) % rows) * stride : -1;
    for (let col = 0; col < cols; col++) {
      const value = v[at + col]!;
      const one = last < 0 ? 0 : v[last + col]!;
      const two = beforeLast < 0 ? one : v[beforeLast + col]!;
      this.#cell(ring.words, at + col, value, one, two);
    }
  }

  #cell(words: Uint32Array, cell: number, value: number, one: number, two: number): void {
    if (value !== value) {
      const special = SPECIAL_HIGHS.indexOf(words[2 * cell + HIGH_WORD]!);
      if (special > 0) this.#out.byte(special);
      else this.#raw(words, cell, true);
      return;
    }
    if (Number.isInteger(value) && Math.abs(value) <= MAX_INTEGER && !Object.is(value, -0)) {
      this.#number(value - foretold(one, two), 0);
      return;
    }
    const thousandths = Math.round(value * THOUSANDTHS);
    if (thousandths !== 0 && Math.abs(thousandths) <= MAX_INTEGER && thousandths / THOUSANDTHS === value) {
      this.#number(thousandths - foretoldThousandths(one), 1);
    } else this.#raw(words, cell, true);
  }

  #number(difference: number, flag: number): void {
    this.#out.varint(FIRST_NUMBER + 2 * (difference >= 0 ? 2 * difference : -2 * difference - 1) + flag);
  }

  #raw(words: Uint32Array, cell: number, marked = false): void {
    if (marked) this.#out.byte(RAW);
    this.#rawWords[0] = words[2 * cell]!;
    this.#rawWords[1] = words[2 * cell + 1]!;
    this.#out.append(this.#rawBytes);
  }
}

/** Plays one record. Throws `STORE_CORRUPT`. */
export function playLog(bytes: Uint8Array, visitor: LogVisitor): void {
  const from = new BitReader(bytes);
  while (from.at < bytes.length) {
    const lane = from.varint();
    const kind = from.byte();
    const body = from.take(from.varint());
    if (!visitor.wants(lane)) continue;
    const entry = new BitReader(body);
    if (kind === POINTS) playPoints(entry, lane, visitor);
    else if (kind === ROWS || kind === KEYFRAME_ROWS || kind === LINKED_ROWS) playRows(entry, lane, kind, visitor);
    else throw corrupt(`a log entry of kind ${kind}`);
  }
}

function playRows(from: BitReader, lane: number, kind: number, visitor: LogVisitor): void {
  let one: Float64Array = new Float64Array(0);
  let two: Float64Array = new Float64Array(0);
  let known = 0;
  if (kind === KEYFRAME_ROWS) {
    const ids = new Int32Array(from.count(MAX_COLUMNS));
    for (let col = 0, id = 0; col < ids.length; col++) ids[col] = id += from.zigzag();
    visitor.columns(lane, ids);
    one = new Float64Array(ids.length);
    two = new Float64Array(ids.length);
  } else {
    const previous = visitor.previous(lane);
    if (previous === undefined || previous.length < 1) throw corrupt('a log record builds on rows that are not there');
    // A record between them that has gone would turn differences into other numbers.
    if (kind === LINKED_ROWS && from.varint() !== previous.length) throw corrupt('a log record is missing');
    one = previous.last;
    two = previous.beforeLast;
    known = previous.length;
  }
  let words = new Uint32Array(2 * one.length);
  let ts = 0;
  for (let left = from.varint(); left > 0; left--, known++) {
    ts += from.zigzag();
    const row = new Float64Array(words.buffer);
    for (let col = 0; col < row.length; col++) {
      const last = known >= 1 ? one[col]! : 0;
      readCell(from, words, row, col, last, known >= 2 ? two[col]! : last);
    }
    visitor.row(lane, ts, words);
    two = one;
    one = row;
    words = new Uint32Array(words.length);
  }
}

function readCell(from: BitReader, words: Uint32Array, row: Float64Array, col: number, one: number, two: number): void {
  const code = from.varint();
  if (code >= FIRST_NUMBER) {
    const folded = Math.floor((code - FIRST_NUMBER) / 2);
    const difference = folded % 2 === 0 ? folded / 2 : -(folded + 1) / 2;
    row[col] = (code - FIRST_NUMBER) % 2 === 1 ? (difference + foretoldThousandths(one)) / THOUSANDTHS : difference + foretold(one, two);
  } else if (code === RAW) readRaw(from, words, col);
  else {
    words[2 * col] = 0;
    words[2 * col + HIGH_WORD] = SPECIAL_HIGHS[code]!;
  }
}

function readRaw(from: BitReader, words: Uint32Array, cell: number): void {
  const bytes = from.take(8);
  const view = new DataView(bytes.buffer, bytes.byteOffset, 8);
  words[2 * cell] = view.getUint32(0, true);
  words[2 * cell + 1] = view.getUint32(4, true);
}

function playPoints(from: BitReader, lane: number, visitor: LogVisitor): void {
  const words = new Uint32Array(2);
  for (let left = from.varint(); left > 0; left--) {
    const series = from.varint();
    const ts = from.zigzag();
    readRaw(from, words, 0);
    visitor.point(lane, series, ts, words);
  }
}

/** The next of two whole numbers on a line; the last one where the other cannot tell, zero where neither can. */
function foretold(one: number, two: number): number {
  if (!isPlain(one)) return 0;
  return isPlain(two) ? 2 * one - two : one;
}

function foretoldThousandths(one: number): number {
  return Math.abs(one) <= MAX_INTEGER / THOUSANDTHS ? Math.round(one * THOUSANDTHS) : 0;
}

function isPlain(value: number): boolean {
  return Number.isInteger(value) && Math.abs(value) <= MAX_INTEGER;
}

import { ABSENT_HIGH, HIGH_WORD, NAN_HIGH, STALE_HIGH } from './sample-codes.ts';
import type { SeriesId } from './series-table.ts';

/** A column that no series of the layout feeds. */
export const NO_SOURCE = -1;

let rings = 0;

/**
 * The newest rows of up to 1,024 columns of one target, raw: one timestamp a row, cells row by row. Rows are numbered
 * from 0 as they come; row r lies in slot r % rows. A cell is a number, a scraped NaN, *stale* (the series had a
 * sample in the row before and has none here) or *absent* (it had none there either), so that a reader never has to
 * look at an older row to know that a series has ended.
 */
export class RowRing {
  /** Of all rings that there ever were in this process. */
  readonly serial = ++rings;
  readonly rows: number;
  /** Columns in use, and the room for columns in a row. */
  cols: number;
  stride: number;
  /** The number of the next row, of the first row that is not in a sealed block, and of the first not in the log. */
  next = 0;
  unsealed = 0;
  unlogged = 0;
  /** When the lane's last row before those that are here was: nothing of it lies in between. */
  beforeTs: number;
  readonly ts: Float64Array;
  v: Float64Array;
  words: Uint32Array;
  /** Which series each column is. */
  ids: Int32Array;
  /** Where in the target's current layout each column's value comes from. */
  source: Int32Array;
  /** Per column the last row whose value fell below the one before it or was no number; -1 where there was none. */
  irregular: Int32Array;

  constructor(rows: number, capacity: number, beforeTs = -Infinity) {
    this.rows = rows;
    this.beforeTs = beforeTs;
    this.cols = 0;
    this.stride = capacity;
    this.ts = new Float64Array(rows);
    this.v = new Float64Array(rows * capacity);
    this.words = new Uint32Array(this.v.buffer);
    this.ids = new Int32Array(capacity);
    this.source = new Int32Array(capacity);
    this.irregular = new Int32Array(capacity);
  }

  get count(): number {
    return Math.min(this.next, this.rows);
  }

  /** The oldest row that is still here. */
  get first(): number {
    return this.next - this.count;
  }

  get lastTs(): number {
    return this.next === 0 ? -Infinity : this.ts[(this.next - 1) % this.rows]!;
  }

  get firstTs(): number {
    return this.next === 0 ? Infinity : this.ts[this.first % this.rows]!;
  }

  get bytes(): number {
    return this.v.byteLength + this.ts.byteLength + 12 * this.stride;
  }

  /** Adds a column for a series; the rows that are here are absent in it. */
  addColumn(id: SeriesId, source: number): number {
    if (this.cols === this.stride) this.#widen(Math.max(this.cols + 8, Math.ceil(this.cols * 1.25)));
    const col = this.cols++;
    this.ids[col] = id;
    this.source[col] = source;
    this.irregular[col] = -1;
    for (let row = this.first; row < this.next; row++) this.#mark((row % this.rows) * this.stride + col, ABSENT_HIGH);
    return col;
  }

  /** Appends a row from a layout's values. The caller has checked that `ts` is after the last row and that a slot is free. */
  append(ts: number, values: Float64Array, absent: Uint8Array | undefined): void {
    const slot = this.next % this.rows;
    const at = slot * this.stride;
    const before = this.next === 0 ? -1 : ((this.next - 1) % this.rows) * this.stride;
    const { v, source, irregular, cols, next } = this;
    for (let col = 0; col < cols; col++) {
      const from = source[col]!;
      if (from === NO_SOURCE || (absent !== undefined && absent[from] === 1)) {
        this.#end(at + col, before < 0 ? -1 : before + col);
        irregular[col] = next;
        continue;
      }
      const value = values[from]!;
      if (value !== value) {
        this.#mark(at + col, NAN_HIGH);
        irregular[col] = next;
        continue;
      }
      v[at + col] = value;
      // Written so that a NaN before counts as irregular too.
      if (before >= 0 && !(value >= v[before + col]!)) irregular[col] = next;
    }
    this.#close(slot, ts);
  }

  /** Appends a row in which no series has a sample. */
  appendNothing(ts: number): void {
    const slot = this.next % this.rows;
    const before = this.next === 0 ? -1 : ((this.next - 1) % this.rows) * this.stride;
    for (let col = 0; col < this.cols; col++) {
      this.#end(slot * this.stride + col, before < 0 ? -1 : before + col);
      this.irregular[col] = this.next;
    }
    this.#close(slot, ts);
  }

  /** Appends a row cell by cell, as it was logged: `cells` holds this ring's codes in its words. */
  appendCells(ts: number, cells: Uint32Array): void {
    const slot = this.next % this.rows;
    this.words.set(cells.subarray(0, 2 * this.cols), 2 * slot * this.stride);
    this.irregular.fill(this.next, 0, this.cols);
    this.#close(slot, ts);
  }

  /** True when some series has a sample in the last row. */
  get lastRowHasSamples(): boolean {
    if (this.next === 0) return false;
    const at = ((this.next - 1) % this.rows) * this.stride;
    for (let col = 0; col < this.cols; col++) if (!this.isEmpty(at + col)) return true;
    return false;
  }

  /** Absent or stale. */
  isEmpty(cell: number): boolean {
    const value = this.v[cell]!;
    if (value === value) return false;
    const high = this.words[2 * cell + HIGH_WORD];
    return high === ABSENT_HIGH || high === STALE_HIGH;
  }

  isStale(cell: number): boolean {
    return this.v[cell] !== this.v[cell] && this.words[2 * cell + HIGH_WORD] === STALE_HIGH;
  }

  /** The newest row at or before `ts`, or one less than the oldest row here. */
  rowAt(ts: number): number {
    let low = this.first;
    let high = this.next;
    if (high > low && this.ts[(high - 1) % this.rows]! <= ts) return high - 1;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.ts[middle % this.rows]! <= ts) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }

  /** True when the column has neither a sample nor a staleness marker in any row that is here. */
  isDead(col: number): boolean {
    for (let row = this.first; row < this.next; row++) {
      const cell = (row % this.rows) * this.stride + col;
      if (this.v[cell] === this.v[cell] || this.words[2 * cell + HIGH_WORD] !== ABSENT_HIGH) return false;
    }
    return true;
  }

  /** Drops all columns but these, which move together in their order. */
  keepColumns(kept: readonly number[]): void {
    const { words, ids, source, irregular, stride } = this;
    const narrow = Math.max(8, kept.length);
    const cells = new Float64Array(this.rows * narrow);
    const to = new Uint32Array(cells.buffer);
    for (let slot = 0; slot < this.rows; slot++) {
      for (let i = 0; i < kept.length; i++) {
        const from = 2 * (slot * stride + kept[i]!);
        to[2 * (slot * narrow + i)] = words[from]!;
        to[2 * (slot * narrow + i) + 1] = words[from + 1]!;
      }
    }
    this.ids = new Int32Array(narrow);
    this.source = new Int32Array(narrow);
    this.irregular = new Int32Array(narrow);
    for (const [i, col] of kept.entries()) {
      this.ids[i] = ids[col]!;
      this.source[i] = source[col]!;
      this.irregular[i] = irregular[col]!;
    }
    this.v = cells;
    this.words = to;
    this.stride = narrow;
    this.cols = kept.length;
  }

  /** The row in a slot is complete. */
  #close(slot: number, ts: number): void {
    if (this.next >= this.rows) this.beforeTs = this.ts[slot]!;
    this.ts[slot] = ts;
    this.next++;
  }

  #end(cell: number, before: number): void {
    this.#mark(cell, before < 0 || this.isEmpty(before) ? ABSENT_HIGH : STALE_HIGH);
  }

  #mark(cell: number, high: number): void {
    this.words[2 * cell] = 0;
    this.words[2 * cell + HIGH_WORD] = high;
  }

  #widen(stride: number): void {
    const cells = new Float64Array(this.rows * stride);
    const words = new Uint32Array(cells.buffer);
    for (let slot = 0; slot < this.rows; slot++) {
      words.set(this.words.subarray(2 * slot * this.stride, 2 * (slot * this.stride + this.cols)), 2 * slot * stride);
    }
    this.v = cells;
    this.words = words;
    this.ids = widened(this.ids, stride);
    this.source = widened(this.source, stride);
    this.irregular = widened(this.irregular, stride);
    this.stride = stride;
  }
}

function widened(from: Int32Array, length: number): Int32Array {
  const to = new Int32Array(length);
  to.set(from);
  return to;
}

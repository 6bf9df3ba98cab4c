import { BelfryError } from '../core/errors.ts';
import { ColumnScratch } from './block-codec.ts';
import { firstAfter, type DecodedColumn } from './lane-reader.ts';
import type { PointOut, RunOut } from './reader-types.ts';
import { ABSENT_HIGH, HIGH_WORD, STALE_HIGH } from './sample-codes.ts';
import type { SeriesId } from './series-table.ts';

/** A block, or a part of the log, as a window takes it in. */
export interface ColumnSource {
  column(id: SeriesId): DecodedColumn | undefined;
  /** The same in memory that is used again, where the source can; only the first `ts.length` cells count. */
  read?(id: SeriesId, into: ColumnScratch): DecodedColumn | undefined;
}

const scratch = new ColumnScratch();

/** What the windows of a replay that has the machine to itself may take. */
export const DEFAULT_WINDOW_BYTES = 1024 * 1024 * 1024;

/** The memory that all windows of a replay share. */
export class WindowBudget {
  readonly maxBytes: number;
  bytes = 0;

  constructor(maxBytes: number) {
    this.maxBytes = maxBytes;
  }

  /** Throws `LIMIT_EXCEEDED`. */
  grow(by: number): void {
    this.bytes += by;
    if (this.bytes <= this.maxBytes) return;
    throw new BelfryError(
      'LIMIT_EXCEEDED',
      `what the rules look back on needs more than ${Math.round(this.maxBytes / 2 ** 20)} MiB at a time: ` +
        `replay fewer rules, or shorter windows${this.maxBytes < DEFAULT_WINDOW_BYTES ? ', or run belfry replay on the data folder' : ''}`,
    );
  }
}

interface KnownWindow {
  fromTs: number;
  toTs: number;
  version: number;
  first: number;
  end: number;
  offsets: Int32Array;
  timestamps: Float64Array;
}

const KNOWN_WINDOWS = 8;
const FIRST_ROWS = 64;
const NO_OFFSETS = new Int32Array(0);
const NO_TIMES = new Float64Array(0);

/**
 * The rows of one lane that a moving window needs, with the columns that somebody asked for: row by row, as in the rings of
 * the live store, so that the same kernels read them. Rows ahead of the present are here too, a block is taken in whole;
 * every read says up to when it may see.
 */
export class LaneRows {
  /** Rows that ended so long before the present are let go. */
  readonly keepMs: number;
  readonly #budget: WindowBudget;
  readonly #wanted: SeriesId[] = [];
  readonly #columns = new Map<SeriesId, number>();
  #ids: SeriesId[] = [];
  #stride = 0;
  #ts: Float64Array = NO_TIMES;
  #offsets: Int32Array = NO_OFFSETS;
  #cells: Float64Array = NO_TIMES;
  #words = new Uint32Array(0);
  #irregular: Int32Array = NO_OFFSETS;
  #n = 0;
  /** How many rows have been let go: the number of the oldest row here. */
  #gone = 0;
  /** Moves when rows or columns have another place. */
  #version = 0;
  readonly #windows: KnownWindow[] = [];
  #oldestWindow = 0;
  /** The one that was asked for last: most selectors of a group have the same. */
  #last: KnownWindow | undefined;
  /** Columns have been asked for since it was filled. */
  isBehind = true;

  constructor(keepMs: number, budget: WindowBudget) {
    this.keepMs = keepMs;
    this.#budget = budget;
  }

  /** Moves when series have columns that they had not. */
  get columnsVersion(): number {
    return this.#stride === 0 ? 0 : this.#ids.length;
  }

  has(id: SeriesId): boolean {
    return this.#columns.has(id);
  }

  want(id: SeriesId): void {
    if (this.#columns.has(id)) return;
    this.#columns.set(id, -1);
    this.#wanted.push(id);
    this.isBehind = true;
  }

  /** Its place in a row; -1 where no row so far had it. */
  columnOf(id: SeriesId): number {
    return this.#columns.get(id) ?? -1;
  }

  /** Begins anew, to be filled with all that is wanted by now. */
  reset(): void {
    this.#gone += this.#n;
    this.#n = 0;
    this.#version++;
    this.isBehind = false;
  }

  /** Lets go what is older than the window at `now`, and takes in the rows of a source after the newest row that is here. */
  append(source: ColumnSource, now: number): void {
    let times: Float64Array | undefined;
    let first = 0;
    let at = 0;
    for (const id of this.#wanted) {
      const column = source.read === undefined ? source.column(id) : source.read(id, scratch);
      if (column === undefined) continue;
      if (times === undefined) {
        times = column.ts;
        first = firstAfter(times, this.#n === 0 ? now - this.keepMs : Math.max(now - this.keepMs, this.#ts[this.#n - 1]!));
        if (first === times.length) return;
        at = this.#room(times, first, now);
      }
      this.#fill(this.#place(id), column, first, at);
    }
  }

  /** The newest row at or before `ts`; -1 where there is none. */
  rowAt(ts: number): number {
    return firstAfter(this.#ts, ts, this.#n) - 1;
  }

  tsOf(row: number): number {
    return this.#ts[row]!;
  }

  /** The cells of all rows, and the codes in them; a row begins at `offsetOf`. */
  get cells(): Float64Array {
    return this.#cells;
  }

  offsetOf(row: number): number {
    return row * this.#stride;
  }

  /** Absent or stale; of a cell that is NaN. */
  isEmpty(cell: number): boolean {
    const high = this.#words[2 * cell + HIGH_WORD];
    return high === ABSENT_HIGH || high === STALE_HIGH;
  }

  window(col: number, fromTs: number, toTs: number, into: PointOut, n: number): number {
    const known = this.#window(fromTs, toTs);
    into.reserve(n + known.end - known.first);
    const { timestamps, values } = into;
    for (let row = known.first; row < known.end; row++) {
      const cell = row * this.#stride + col;
      const value = this.#cells[cell]!;
      if (value !== value && this.isEmpty(cell)) continue;
      timestamps[n] = this.#ts[row]!;
      values[n++] = value;
    }
    return n;
  }

  /** Shows the rows in (fromTs, toTs]. */
  show(fromTs: number, toTs: number, into: RunOut): void {
    const known = this.#window(fromTs, toTs);
    const { first, end } = known;
    into.rows = end - first;
    into.firstRow = this.#gone + first;
    into.firstAt = first * this.#stride;
    into.lastAt = (end - 1) * this.#stride;
    into.firstTs = this.#ts[first] ?? 0;
    into.lastTs = this.#ts[end - 1] ?? 0;
    into.all = known;
    into.cells = this.#cells;
    into.irregular = this.#irregular;
  }

  #window(fromTs: number, toTs: number): KnownWindow {
    const last = this.#last;
    if (last !== undefined && last.fromTs === fromTs && last.toTs === toTs && last.version === this.#version) return last;
    for (const known of this.#windows) {
      if (known.fromTs !== fromTs || known.toTs !== toTs || known.version !== this.#version) continue;
      this.#last = known;
      return known;
    }
    const first = firstAfter(this.#ts, fromTs, this.#n);
    const end = Math.max(first, firstAfter(this.#ts, toTs, this.#n));
    const window: KnownWindow = {
      fromTs,
      toTs,
      version: this.#version,
      first,
      end,
      offsets: this.#offsets.subarray(first, end),
      timestamps: this.#ts.subarray(first, end),
    };
    this.#windows[this.#oldestWindow] = window;
    this.#oldestWindow = (this.#oldestWindow + 1) % KNOWN_WINDOWS;
    this.#last = window;
    return window;
  }

  /** Makes room for the rows from `first` on, their cells absent, and returns the first one's place. */
  #room(times: Float64Array, first: number, now: number): number {
    const gone = this.#n === 0 ? 0 : firstAfter(this.#ts, now - this.keepMs, this.#n);
    if (gone > 0) {
      this.#ts.copyWithin(0, gone, this.#n);
      this.#words.copyWithin(0, 2 * gone * this.#stride, 2 * this.#n * this.#stride);
      this.#n -= gone;
      this.#gone += gone;
    }
    this.#version++;
    const rows = times.length - first;
    if (this.#n + rows > this.#ts.length)
      this.#resize(Math.max(FIRST_ROWS, this.#n + rows, Math.ceil(1.2 * this.#ts.length)), this.#stride);
    const at = this.#n;
    this.#ts.set(times.subarray(first), at);
    this.#n += rows;
    this.#blank(at, this.#n, 0, this.#stride);
    return at;
  }

  #place(id: SeriesId): number {
    const known = this.columnOf(id);
    if (known >= 0) return known;
    const col = this.#ids.length;
    if (col === this.#stride) this.#resize(this.#ts.length, Math.max(this.#wanted.length, col + 8));
    this.#ids.push(id);
    this.#columns.set(id, col);
    this.#irregular[col] = this.#gone;
    return col;
  }

  #fill(col: number, column: DecodedColumn, first: number, at: number): void {
    const { ts, v, words } = column;
    const cells = this.#cells;
    const stride = this.#stride;
    let before = at > 0 ? cells[(at - 1) * stride + col]! : Number.NEGATIVE_INFINITY;
    let irregular = -1;
    for (let i = first, cell = at * stride + col; i < ts.length; i++, cell += stride) {
      const value = v[i]!;
      if (value === value) cells[cell] = value;
      else {
        this.#words[2 * cell] = words[2 * i]!;
        this.#words[2 * cell + HIGH_WORD] = words[2 * i + 1]!;
      }
      if (!(value >= before)) irregular = at + i - first;
      before = value;
    }
    if (irregular >= 0) this.#irregular[col] = this.#gone + irregular;
  }

  #resize(rows: number, stride: number): void {
    this.#budget.grow(8 * rows * stride - 8 * this.#cells.length);
    const cells = new Float64Array(rows * stride);
    const words = new Uint32Array(cells.buffer);
    const old = this.#stride;
    if (old === stride) words.set(this.#words.subarray(0, 2 * this.#n * old));
    else for (let row = 0; row < this.#n; row++) words.set(this.#words.subarray(2 * row * old, 2 * (row + 1) * old), 2 * row * stride);
    const ts = new Float64Array(rows);
    ts.set(this.#ts.subarray(0, this.#n));
    const irregular = new Int32Array(stride);
    irregular.set(this.#irregular);
    this.#cells = cells;
    this.#words = words;
    this.#ts = ts;
    this.#irregular = irregular;
    this.#stride = stride;
    this.#offsets = Int32Array.from({ length: rows }, (_, row) => row * stride);
    this.#version++;
    this.#blank(0, this.#n, old, stride);
  }

  /** Writes `absent` into the cells of these rows and columns. */
  #blank(fromRow: number, toRow: number, fromCol: number, toCol: number): void {
    if (fromCol === toCol) return;
    for (let row = fromRow; row < toRow; row++) {
      for (let cell = row * this.#stride + fromCol; cell < row * this.#stride + toCol; cell++) {
        this.#words[2 * cell] = 0;
        this.#words[2 * cell + HIGH_WORD] = ABSENT_HIGH;
      }
    }
  }
}

import type { RunBuffer } from './querier.ts';

/** Cells that all windows together keep at most: 8 MB. */
const KEPT_CELLS_MAX = 1_000_000;
/** Of one window; a larger one is read anew each time. */
const CELLS_MAX = KEPT_CELLS_MAX / 4;
/** So many rows more than the window has fit in before what is left of it is moved to the beginning. */
const SPARE_ROWS = 32;
/** What lies in fewer rows is read as fast where it lies. */
const ROWS_MIN = 8;

/** The windows that are kept, the one used longest ago first. */
const kept = new Set<GatheredColumns>();
let keptCells = 0;

/**
 * The cells of a selection's windows, series by series, kept from one evaluation to the next. In a store's rows the cells of one
 * series lie far apart, each on a memory page of its own; but a cell does not change any more, so that of a window which has moved
 * on only the newest rows are to be read.
 */
export class GatheredColumns {
  #series = 0;
  /** Of each series, in cells. */
  #room = 0;
  #cells = new Float64Array(0);
  /** Per series: whose cells there are, and from which row on; where they begin, and how many there are. */
  #sources = new Int32Array(0);
  #columns = new Int32Array(0);
  #firstRows = new Int32Array(0);
  #starts = new Int32Array(0);
  #counts = new Int32Array(0);

  /** Makes room for windows of so many rows; false where they are too few or too large to be kept. */
  open(series: number, rows: number): boolean {
    if (this.#series === series && this.hasRoom(rows)) {
      kept.delete(this);
      kept.add(this);
      return true;
    }
    const room = rows + SPARE_ROWS;
    if (rows < ROWS_MIN || series * room > CELLS_MAX) return false;
    this.drop();
    this.#series = series;
    this.#room = room;
    this.#cells = new Float64Array(series * room);
    this.#sources = new Int32Array(series);
    this.#columns = new Int32Array(series);
    this.#firstRows = new Int32Array(series);
    this.#starts = new Int32Array(series);
    this.#counts = new Int32Array(series);
    kept.add(this);
    keptCells += this.#cells.length;
    for (const oldest of kept) {
      if (keptCells <= KEPT_CELLS_MAX) break;
      oldest.drop();
    }
    return true;
  }

  hasRoom(rows: number): boolean {
    return this.#room >= rows;
  }

  /** Keeps nothing. */
  drop(): void {
    if (!kept.delete(this)) return;
    keptCells -= this.#cells.length;
    this.#cells = new Float64Array(0);
    this.#series = 0;
    this.#room = 0;
  }

  /** The window of one series of a run that is shown, whose column is `col`. False where a cell is NaN: a marker perhaps. */
  read(run: RunBuffer, series: number, col: number, into: Float64Array): boolean {
    this.#renew(run, series, col);
    const at = series * this.#room + (this.#starts[series] ?? 0);
    return copyNumbers(this.#cells, at, run.rows, into);
  }

  #renew(run: RunBuffer, series: number, col: number): void {
    const { rows, firstRow, source } = run;
    const gone = firstRow - (this.#firstRows[series] ?? 0);
    let count = (this.#counts[series] ?? 0) - gone;
    let start = (this.#starts[series] ?? 0) + gone;
    const goesOn = this.#sources[series] === source && this.#columns[series] === col && gone >= 0 && count >= 0 && count <= rows;
    const at = series * this.#room;
    if (!goesOn) {
      this.#sources[series] = source;
      this.#columns[series] = col;
      start = 0;
      count = 0;
    } else if (start + rows > this.#room) {
      this.#cells.copyWithin(at, at + start, at + start + count);
      start = 0;
    }
    if (count < rows) gather(run, col, count, this.#cells, at + start);
    this.#firstRows[series] = firstRow;
    this.#starts[series] = start;
    this.#counts[series] = rows;
  }
}

/** Reads a column's cells from the given row of the window on. */
function gather({ cells, all: { offsets }, rows }: RunBuffer, col: number, from: number, into: Float64Array, at: number): void {
  for (let row = from; row < rows; row++) into[at + row] = cells[(offsets[row] ?? 0) + col] ?? 0;
}

function copyNumbers(from: Float64Array, at: number, count: number, into: Float64Array): boolean {
  for (let i = 0; i < count; i++) {
    const value = from[at + i] ?? 0;
    if (value !== value) return false;
    into[i] = value;
  }
  return true;
}

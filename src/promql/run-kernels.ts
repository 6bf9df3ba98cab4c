import { GatheredColumns } from './gathered-columns.ts';
import type { RunBuffer, RunTable } from './querier.ts';
import { regressionOver, RegressionTimes, type RangeKernel, type WindowContext } from './range-kernels.ts';

/** What a kernel says of a series: its samples must be read one by one, a value comes out, or nothing does. */
export const READ = 0;
export const VALUE = 1;
export const NOTHING = 2;

/** Results by series; grown by their owner. */
export interface RunResults {
  values: Float64Array;
  states: Uint8Array;
}

/**
 * Works out all series of a run that has at least `minPoints` rows; the values are those that the window function's own
 * kernel gives, bit for bit. True where every series has a value; only otherwise the states are told.
 */
export interface RunKernel {
  run(run: RunBuffer, window: WindowContext, results: RunResults): boolean;
  /**
   * As `run`, of many runs at once: `done[r]` is 1 where every series of run r has its value, the others are to be run by
   * themselves. Says how many are done.
   */
  runAll?(table: RunTable, window: WindowContext, values: Float64Array, done: Uint8Array): number;
}

/** Gathers each series' cells into a column, and keeps them for the next evaluation where there is one. */
class Columns {
  column = new Float64Array(128);
  readonly #kept = new GatheredColumns();
  #isKept = false;
  #lastTs = Number.NaN;

  /** Begins with a run of a selection; what is evaluated once only is not kept. */
  begin({ rows, columns }: RunBuffer, { evalTs }: WindowContext): void {
    if (this.column.length < rows) this.column = new Float64Array(2 * rows);
    if (evalTs !== this.#lastTs) {
      const isFirst = Number.isNaN(this.#lastTs);
      this.#lastTs = evalTs;
      this.#isKept = !isFirst && this.#kept.open(columns.length, rows);
    } else if (this.#isKept) this.#isKept = this.#kept.hasRoom(rows) || this.#kept.open(columns.length, rows);
  }

  /** False where a cell is NaN: a marker perhaps. */
  read(run: RunBuffer, series: number, col: number): boolean {
    return this.#isKept ? this.#kept.read(run, series, col, this.column) : gather(run, col, this.column);
  }
}

/** Any window function: each series' cells are gathered into a column for its kernel. */
export class GatheringKernel implements RunKernel {
  readonly #kernel: RangeKernel;
  readonly #columns = new Columns();

  constructor(kernel: RangeKernel) {
    this.#kernel = kernel;
  }

  run(run: RunBuffer, window: WindowContext, { values, states }: RunResults): boolean {
    const { run: kernel } = this.#kernel;
    const { from, to, rows, columns } = run;
    const { timestamps } = run.all;
    const gathered = this.#columns;
    gathered.begin(run, window);
    let all = true;
    for (let i = from; i < to; i++) {
      const col = columns[i] ?? -1;
      if (col >= 0 && gathered.read(run, i, col)) {
        values[i] = kernel(timestamps, gathered.column, rows, window);
        states[i] = VALUE;
      } else {
        states[i] = READ;
        all = false;
      }
    }
    return all;
  }
}

/** False where a cell is NaN: a marker perhaps. */
function gather({ cells, all: { offsets }, rows }: RunBuffer, col: number, into: Float64Array): boolean {
  for (let row = 0; row < rows; row++) {
    const value = cells[(offsets[row] ?? 0) + col] ?? 0;
    if (value !== value) return false;
    into[row] = value;
  }
  return true;
}

/**
 * `rate`, `increase` and `delta`: what depends on the times alone is worked out once a run, and of a series without resets
 * only the first and the last cell are read. As `extrapolated` in range-kernels.ts.
 */
export class ExtrapolatingKernel implements RunKernel {
  readonly #counter: boolean;
  readonly #perSecond: boolean;
  readonly #edges: Edges = { sampled: 0, toStart: 0, toEnd: 0, seconds: 1 };
  readonly #rows: EdgeRows = {
    cells: NO_CELLS,
    irregular: NO_COLUMNS,
    columns: NO_COLUMNS,
    firstRow: 0,
    firstAt: 0,
    lastAt: 0,
  };

  constructor({ counter, perSecond }: { readonly counter: boolean; readonly perSecond: boolean }) {
    this.#counter = counter;
    this.#perSecond = perSecond;
  }

  run(run: RunBuffer, window: WindowContext, results: RunResults): boolean {
    const edges = this.#edges;
    this.#look(run.rows, run.firstTs, run.lastTs, window);
    const all = this.#counter ? allCounters : allGauges;
    if (all(run, run.from, run.to, edges, results.values)) return true;
    for (let i = run.from; i < run.to; i++) this.#single(run, i, results);
    return false;
  }

  runAll(table: RunTable, window: WindowContext, values: Float64Array, done: Uint8Array): number {
    const { runs, starts, sources, places, rows, firstTs, lastTs, columns } = table;
    const edges = this.#edges;
    const edge = this.#rows;
    edge.columns = columns;
    let count = 0;
    for (let run = 0; run < runs; run++) {
      const source = sources[run] ?? null;
      const at = places[run] ?? 0;
      done[run] = 0;
      if (source === null || (rows[at] ?? 0) < 2) continue;
      this.#look(rows[at] ?? 0, firstTs[at] ?? 0, lastTs[at] ?? 0, window);
      edge.cells = source.v;
      edge.irregular = source.irregular;
      edge.firstRow = table.firstRow[at] ?? 0;
      edge.firstAt = table.firstAt[at] ?? 0;
      edge.lastAt = table.lastAt[at] ?? 0;
      const from = starts[run] ?? 0;
      const to = starts[run + 1] ?? 0;
      if (!(this.#counter ? allCounters(edge, from, to, edges, values) : allGauges(edge, from, to, edges, values))) continue;
      done[run] = 1;
      count++;
    }
    return count;
  }

  #look(rows: number, firstTs: number, lastTs: number, window: WindowContext): void {
    const edges = this.#edges;
    const sampled = (lastTs - firstTs) / 1000;
    const average = sampled / (rows - 1);
    const threshold = average * 1.1;
    const toStart = (firstTs - window.fromTs) / 1000;
    const toEnd = (window.toTs - lastTs) / 1000;
    edges.sampled = sampled;
    edges.toStart = toStart >= threshold ? average / 2 : toStart;
    edges.toEnd = toEnd >= threshold ? average / 2 : toEnd;
    edges.seconds = this.#perSecond ? (window.toTs - window.fromTs) / 1000 : 1;
  }

  /** A series of a run in which some have resets, gaps or NaN. */
  #single(run: RunBuffer, i: number, { values, states }: RunResults): void {
    const col = run.columns[i] ?? -1;
    const difference = col < 0 ? NaN : scanned(run, col, this.#counter);
    // Infinities that cancel each other out are read one by one as well: they are rare.
    states[i] = difference === difference ? VALUE : READ;
    const first = run.cells[run.firstAt + col] ?? 0;
    values[i] = extrapolated(difference, this.#counter && first >= 0 ? first : Infinity, this.#edges);
  }
}

/** Seconds: what the samples cover, how far it is extended to both sides, and what a rate is per. */
interface Edges {
  sampled: number;
  toStart: number;
  toEnd: number;
  seconds: number;
}

/** A counter is never extrapolated beyond the time where it would have been zero; what is none began at infinity. */
function extrapolated(difference: number, first: number, { sampled, toStart, toEnd, seconds }: Edges): number {
  const toZero = sampled * (first / difference);
  const start = difference > 0 && toZero < toStart ? toZero : toStart;
  return difference * ((sampled + start + toEnd) / sampled / seconds);
}

/** Where the cells of the window's first and last row lie, and which series of which columns they are. */
interface EdgeRows {
  cells: Float64Array;
  irregular: Int32Array;
  columns: Int32Array;
  firstRow: number;
  firstAt: number;
  lastAt: number;
}

const NO_CELLS = new Float64Array(0);
const NO_COLUMNS = new Int32Array(0);

/**
 * False, and nothing is told, where a series from … to-1 has a reset or not a number in each row. A division is spared where
 * the first value is so large that zero lies well before the window.
 */
function allCounters(rows: EdgeRows, from: number, to: number, edges: Edges, values: Float64Array): boolean {
  const { cells, columns, irregular, firstRow, firstAt, lastAt } = rows;
  const { sampled, toStart, toEnd, seconds } = edges;
  const factor = (sampled + toStart + toEnd) / sampled / seconds;
  const far = 2 * toStart;
  for (let i = from; i < to; i++) {
    const col = columns[i] ?? -1;
    if (col < 0 || (irregular[col] ?? 0) > firstRow) return false;
    const first = cells[firstAt + col] ?? 0;
    const difference = (cells[lastAt + col] ?? 0) - first;
    if (difference !== difference) return false;
    let extended = factor;
    // First what is the same for nearly all: which counters stand still, no processor foresees.
    if (!(sampled * first > far * difference) && difference > 0 && first >= 0) {
      const toZero = sampled * (first / difference);
      if (toZero < toStart) extended = (sampled + toZero + toEnd) / sampled / seconds;
    }
    values[i] = difference * extended;
  }
  return true;
}

/** As `allCounters`; a value that falls makes a gauge irregular, too. */
function allGauges(rows: EdgeRows, from: number, to: number, edges: Edges, values: Float64Array): boolean {
  const { cells, columns, irregular, firstRow, firstAt, lastAt } = rows;
  const { sampled, toStart, toEnd, seconds } = edges;
  const factor = (sampled + toStart + toEnd) / sampled / seconds;
  for (let i = from; i < to; i++) {
    const col = columns[i] ?? -1;
    if (col < 0 || (irregular[col] ?? 0) > firstRow) return false;
    const difference = (cells[lastAt + col] ?? 0) - (cells[firstAt + col] ?? 0);
    if (difference !== difference) return false;
    values[i] = difference * factor;
  }
  return true;
}

/** Last less first cell, and for a counter what it had reached at each reset; NaN where a cell is. */
function scanned(run: RunBuffer, col: number, counter: boolean): number {
  const { rows, cells, irregular, firstRow } = run;
  const { offsets } = run.all;
  const first = cells[run.firstAt + col] ?? 0;
  let result = (cells[run.lastAt + col] ?? 0) - first;
  if ((irregular[col] ?? 0) <= firstRow) return result;
  let previous = first;
  for (let row = 1; row < rows; row++) {
    const value = cells[(offsets[row] ?? 0) + col] ?? 0;
    if (value !== value) return NaN;
    if (counter && value < previous) result += previous;
    previous = value;
  }
  return result;
}

/** `predict_linear`: the sums over the times are those of the whole run. */
class PredictingKernel implements RunKernel {
  readonly #times = new RegressionTimes();
  readonly #columns = new Columns();

  run(run: RunBuffer, window: WindowContext, { values, states }: RunResults): boolean {
    const { from, to, rows, columns } = run;
    const times = this.#times;
    const gathered = this.#columns;
    times.set(run.all.timestamps, rows, window.evalTs);
    gathered.begin(run, window);
    let all = true;
    for (let i = from; i < to; i++) {
      const col = columns[i] ?? -1;
      if (col >= 0 && gathered.read(run, i, col)) {
        const { slope, intercept } = regressionOver(times, gathered.column);
        values[i] = slope * window.param + intercept;
        states[i] = VALUE;
      } else {
        states[i] = READ;
        all = false;
      }
    }
    return all;
  }
}

/** The kernel of a window function over runs. */
export function runKernelOf(func: string, kernel: RangeKernel): RunKernel {
  if (func === 'rate') return new ExtrapolatingKernel({ counter: true, perSecond: true });
  if (func === 'increase') return new ExtrapolatingKernel({ counter: true, perSecond: false });
  if (func === 'delta') return new ExtrapolatingKernel({ counter: false, perSecond: false });
  if (func === 'predict_linear') return new PredictingKernel();
  return new GatheringKernel(kernel);
}

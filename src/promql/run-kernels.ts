import type { RunBuffer } from './querier.ts';
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
}

/** Any window function: each series' cells are gathered into a column for its kernel. */
export class GatheringKernel implements RunKernel {
  readonly #kernel: RangeKernel;
  #column = new Float64Array(128);

  constructor(kernel: RangeKernel) {
    this.#kernel = kernel;
  }

  run(run: RunBuffer, window: WindowContext, { values, states }: RunResults): boolean {
    const { run: kernel } = this.#kernel;
    const { from, to, rows, columns } = run;
    const { timestamps } = run.all;
    if (this.#column.length < rows) this.#column = new Float64Array(2 * rows);
    const column = this.#column;
    let all = true;
    for (let i = from; i < to; i++) {
      const col = columns[i] ?? -1;
      if (col >= 0 && gather(run, col, column)) {
        values[i] = kernel(timestamps, column, rows, window);
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

  constructor({ counter, perSecond }: { readonly counter: boolean; readonly perSecond: boolean }) {
    this.#counter = counter;
    this.#perSecond = perSecond;
  }

  run(run: RunBuffer, window: WindowContext, results: RunResults): boolean {
    const { rows, firstTs, lastTs } = run;
    const edges = this.#edges;
    const sampled = (lastTs - firstTs) / 1000;
    const average = sampled / (rows - 1);
    const threshold = average * 1.1;
    edges.sampled = sampled;
    edges.toStart = (firstTs - window.fromTs) / 1000;
    edges.toEnd = (window.toTs - lastTs) / 1000;
    if (edges.toStart >= threshold) edges.toStart = average / 2;
    if (edges.toEnd >= threshold) edges.toEnd = average / 2;
    edges.seconds = this.#perSecond ? (window.toTs - window.fromTs) / 1000 : 1;
    if (this.#counter ? allCounters(run, edges, results.values) : allGauges(run, edges, results.values)) return true;
    for (let i = run.from; i < run.to; i++) this.#single(run, i, results);
    return false;
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

/** False, and nothing is told, where a series has a reset or not a number in each row. */
function allCounters(run: RunBuffer, { sampled, toStart, toEnd, seconds }: Edges, values: Float64Array): boolean {
  const { from, to, cells, columns, irregular, firstRow, firstAt, lastAt } = run;
  const factor = (sampled + toStart + toEnd) / sampled / seconds;
  for (let i = from; i < to; i++) {
    const col = columns[i] ?? -1;
    if (col < 0 || (irregular[col] ?? 0) > firstRow) return false;
    const first = cells[firstAt + col] ?? 0;
    const difference = (cells[lastAt + col] ?? 0) - first;
    if (difference !== difference) return false;
    const toZero = sampled * (first / difference);
    const clipped = toZero < toStart && difference > 0 && first >= 0;
    values[i] = difference * (clipped ? (sampled + toZero + toEnd) / sampled / seconds : factor);
  }
  return true;
}

/** As `allCounters`; a value that falls makes a gauge irregular, too. */
function allGauges(run: RunBuffer, { sampled, toStart, toEnd, seconds }: Edges, values: Float64Array): boolean {
  const { from, to, cells, columns, irregular, firstRow, firstAt, lastAt } = run;
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
  #column = new Float64Array(128);

  run(run: RunBuffer, window: WindowContext, { values, states }: RunResults): boolean {
    const { from, to, rows, columns } = run;
    const times = this.#times;
    times.set(run.all.timestamps, rows, window.evalTs);
    if (this.#column.length < rows) this.#column = new Float64Array(2 * rows);
    const column = this.#column;
    let all = true;
    for (let i = from; i < to; i++) {
      const col = columns[i] ?? -1;
      if (col >= 0 && gather(run, col, column)) {
        const { slope, intercept } = regressionOver(times, column);
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

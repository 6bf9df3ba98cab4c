import type { RunBuffer } from './querier.ts';
import type { RangeKernel, WindowContext } from './range-kernels.ts';

/** What a kernel says of a series: nothing comes out, a value does, or its samples must be read one by one. */
export const NOTHING = 0;
export const VALUE = 1;
export const READ = 2;

/** Results by series; grown by their owner. */
export interface RunResults {
  values: Float64Array;
  states: Uint8Array;
}

/**
 * Works out all series of a run that has at least `minPoints` rows; the values are those that the window function's own
 * kernel gives, bit for bit.
 */
export interface RunKernel {
  run(run: RunBuffer, window: WindowContext, results: RunResults): void;
}

/** Any window function: each series' cells are gathered into a column for its kernel. */
export class GatheringKernel implements RunKernel {
  readonly #kernel: RangeKernel;
  #column = new Float64Array(128);

  constructor(kernel: RangeKernel) {
    this.#kernel = kernel;
  }

  run(run: RunBuffer, window: WindowContext, { values, states }: RunResults): void {
    const { run: kernel } = this.#kernel;
    const { from, to, rows, timestamps, columns } = run;
    if (this.#column.length < rows) this.#column = new Float64Array(2 * rows);
    const column = this.#column;
    for (let i = from; i < to; i++) {
      const col = columns[i] ?? -1;
      if (col >= 0 && gather(run, col, column)) {
        values[i] = kernel(timestamps, column, rows, window);
        states[i] = VALUE;
      } else states[i] = READ;
    }
  }
}

/** False where a cell is NaN: a marker perhaps. */
function gather({ cells, offsets, rows }: RunBuffer, col: number, into: Float64Array): boolean {
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

  run(run: RunBuffer, window: WindowContext, results: RunResults): void {
    const { rows, timestamps } = run;
    const edges = this.#edges;
    differences(run, this.#counter, results);
    const sampled = ((timestamps[rows - 1] ?? 0) - (timestamps[0] ?? 0)) / 1000;
    const average = sampled / (rows - 1);
    const threshold = average * 1.1;
    edges.sampled = sampled;
    edges.toStart = ((timestamps[0] ?? 0) - window.fromTs) / 1000;
    edges.toEnd = (window.toTs - (timestamps[rows - 1] ?? 0)) / 1000;
    if (edges.toStart >= threshold) edges.toStart = average / 2;
    if (edges.toEnd >= threshold) edges.toEnd = average / 2;
    edges.seconds = this.#perSecond ? (window.toTs - window.fromTs) / 1000 : 1;
    if (this.#counter) extrapolateCounters(run, edges, results);
    else scale(run, edges, results);
  }
}

/** Seconds: what the samples cover, how far it is extended to both sides, and what a rate is per. */
interface Edges {
  sampled: number;
  toStart: number;
  toEnd: number;
  seconds: number;
}

/** Last less first cell, and for a counter what it had reached at each reset. */
function differences(run: RunBuffer, counter: boolean, { values, states }: RunResults): void {
  const { from, to, rows, cells, columns, irregular, firstRow, offsets } = run;
  const firstAt = offsets[0] ?? 0;
  const lastAt = offsets[rows - 1] ?? 0;
  for (let i = from; i < to; i++) {
    const col = columns[i] ?? -1;
    if (col < 0) {
      states[i] = READ;
      continue;
    }
    const first = cells[firstAt + col] ?? 0;
    let result = (cells[lastAt + col] ?? 0) - first;
    if (first !== first) result = NaN;
    else if ((irregular[col] ?? 0) > firstRow) result = scanned(run, col, result, counter);
    values[i] = result;
    // Infinities that cancel each other out are read one by one as well: they are rare.
    states[i] = result === result ? VALUE : READ;
  }
}

/** NaN where a cell is. */
function scanned({ rows, cells, offsets }: RunBuffer, col: number, difference: number, counter: boolean): number {
  let result = difference;
  let previous = cells[(offsets[0] ?? 0) + col] ?? 0;
  for (let row = 1; row < rows; row++) {
    const value = cells[(offsets[row] ?? 0) + col] ?? 0;
    if (value !== value) return NaN;
    if (counter && value < previous) result += previous;
    previous = value;
  }
  return result;
}

/** A counter is never extrapolated beyond the time where it would have been zero. */
function extrapolateCounters(run: RunBuffer, edges: Edges, { values, states }: RunResults): void {
  const { from, to, cells, columns, offsets } = run;
  const { sampled, toStart, toEnd, seconds } = edges;
  const firstAt = offsets[0] ?? 0;
  const factor = (sampled + toStart + toEnd) / sampled / seconds;
  for (let i = from; i < to; i++) {
    if (states[i] !== VALUE) continue;
    const result = values[i] ?? 0;
    const first = cells[firstAt + (columns[i] ?? 0)] ?? 0;
    const toZero = sampled * (first / result);
    if (result > 0 && first >= 0 && toZero < toStart) values[i] = result * ((sampled + toZero + toEnd) / sampled / seconds);
    else values[i] = result * factor;
  }
}

function scale({ from, to }: RunBuffer, { sampled, toStart, toEnd, seconds }: Edges, { values, states }: RunResults): void {
  const factor = (sampled + toStart + toEnd) / sampled / seconds;
  for (let i = from; i < to; i++) if (states[i] === VALUE) values[i] = (values[i] ?? 0) * factor;
}

/** The kernel of a window function over runs. */
export function runKernelOf(func: string, kernel: RangeKernel): RunKernel {
  if (func === 'rate') return new ExtrapolatingKernel({ counter: true, perSecond: true });
  if (func === 'increase') return new ExtrapolatingKernel({ counter: true, perSecond: false });
  if (func === 'delta') return new ExtrapolatingKernel({ counter: false, perSecond: false });
  return new GatheringKernel(kernel);
}

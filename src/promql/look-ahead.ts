import type { Budget, Exec } from './exec.ts';
import type { LabelWork } from './space.ts';

/** What is known of a cell: 0, nothing, so that it is to be read; a value; or that there is none. */
export const FOUND = 1;
export const MISSING = 2;

/** Cells that all parts of an evaluation together work out ahead at most, but for one step of each: 18 MB. */
const CELLS_MAX = 2_000_000;
const CELL_BYTES = 9;

/** A part of an evaluation that reads much of the store, and that can do so in pieces before `eval` is called. */
export interface Piece {
  /** Works towards `eval(ts)` until that is enough. True where nothing is left to do. */
  prepare(ts: number, enough: () => boolean): boolean;
}

/** Prepares every piece of an evaluation for a step; true where all are ready. */
export function prepareAll(exec: Exec, ts: number, enough: () => boolean): boolean {
  return exec.pieces.every((piece) => piece.prepare(ts, enough));
}

/** As `prepareAll`, of what is worked out from labels alone, whatever the step. */
export function prepareLabels(exec: Exec, enough: () => boolean): boolean {
  return exec.pieces.every((piece) => !(piece instanceof LabelPiece) || piece.prepare(exec.startTs, enough));
}

export function never(): boolean {
  return false;
}

const LOOKS_A_CLOCK = 64;

/** What is kept of a series' labels by its number, roughly. */
const LOOK_BYTES = 8;

/** Has what is worked out once a series, from its labels, worked out before the step that would otherwise take long. */
export class LabelPiece implements Piece {
  readonly #budget: Budget;
  readonly #work: LabelWork;
  #next = 0;

  constructor(budget: Budget, work: LabelWork) {
    this.#budget = budget;
    this.#work = work;
    if (work.into !== undefined) work.into.budget ??= budget;
  }

  prepare(_: number, enough: () => boolean): boolean {
    const { space, look } = this.#work;
    const size = space.known ?? 0;
    if (this.#next >= size) return true;
    for (let counted = this.#next; this.#next < size;) {
      look(this.#next++);
      if (this.#next % LOOKS_A_CLOCK !== 0 && this.#next < size) continue;
      this.#budget.room((this.#next - counted) * LOOK_BYTES);
      counted = this.#next;
      if (enough()) return this.#next >= size;
    }
    return true;
  }
}

/** How the cells of one series are worked out: `steps` of them from `firstTs` on, each `stride` after the one before. */
export type FillSeries = (id: number, firstTs: number, steps: number, cells: Cells, at: number, stride: number) => void;

/** Cells by step and series. */
export interface Cells {
  values: Float64Array;
  states: Uint8Array;
}

/**
 * The values of some steps, worked out series by series: each series is read of the store once for all of them, which
 * decodes a sealed block once and not once a step.
 */
export class LookAhead {
  readonly cells: Cells = { values: new Float64Array(0), states: new Uint8Array(0) };
  readonly #exec: Exec;
  readonly #fill: FillSeries;
  #n = 0;
  #firstTs = 0;
  #steps = 0;
  #next = 0;
  /** Which series are wanted. */
  #wanted: Uint8Array = new Uint8Array(0);

  constructor(exec: Exec, fill: FillSeries) {
    this.#exec = exec;
    this.#fill = fill;
  }

  /** Makes a part of the evaluation known that looks ahead over so many series. */
  enlist(piece: Piece, series: number): void {
    this.#exec.pieces.push(piece);
    this.#exec.budget.aheadSeries += series;
  }

  /** Where the cells of a step begin; -1 where they are not known. */
  rowOf(ts: number): number {
    const step = (ts - this.#firstTs) / this.#exec.stepMs;
    return this.#next === this.#n && step >= 0 && step < this.#steps ? step * this.#n : -1;
  }

  wants(id: number): boolean {
    return this.#wanted[id] === 1;
  }

  /** True where the step is worked on or done. */
  covers(ts: number): boolean {
    const step = (ts - this.#firstTs) / this.#exec.stepMs;
    return step >= 0 && step < this.#steps;
  }

  /**
   * Begins with the steps from `ts` on. `wanted[id]` is 1 for the series that are worth it; `readyAt` tells of a step
   * whether it needs no help any more, and neither do those after it.
   */
  begin(ts: number, wanted: Uint8Array, readyAt: (ts: number) => boolean): void {
    const { aheadTs, budget, stepMs } = this.#exec;
    this.#n = wanted.length;
    this.#wanted = wanted;
    this.#firstTs = ts;
    const left = Math.floor((aheadTs - ts) / stepMs) + 1;
    const room = Math.floor(CELLS_MAX / Math.max(1, budget.aheadSeries));
    this.#steps = firstReady(Math.max(1, Math.min(left, room)), (step) => readyAt(ts + step * stepMs));
    this.#next = 0;
    const size = this.#steps * this.#n;
    if (this.cells.values.length < size) {
      budget.room((size - this.cells.values.length) * CELL_BYTES);
      this.cells.values = new Float64Array(size);
      this.cells.states = new Uint8Array(size);
    }
  }

  /** True where all wanted series are done. */
  work(enough: () => boolean): boolean {
    const { budget } = this.#exec;
    for (; this.#next < this.#n; this.#next++) {
      if (this.#wanted[this.#next] !== 1) continue;
      this.#fill(this.#next, this.#firstTs, this.#steps, this.cells, this.#next, this.#n);
      budget.tick(this.#steps);
      if (enough()) {
        this.#next++;
        return this.#next === this.#n;
      }
    }
    return true;
  }
}

/** The first step from 1 on that is ready, where the last one is; otherwise all of them. */
function firstReady(steps: number, ready: (step: number) => boolean): number {
  if (steps === 1 || !ready(steps - 1)) return steps;
  let low = 0;
  let high = steps - 1;
  while (high - low > 1) {
    const middle = (low + high) >>> 1;
    if (ready(middle)) high = middle;
    else low = middle;
  }
  return high;
}

import { METRIC_NAME } from '../core/labels.ts';
import type { Matcher } from '../core/matcher.ts';
import type { MatrixSelector, VectorSelector } from './ast.ts';
import type { Exec } from './exec.ts';
import { FOUND, LookAhead, MISSING, type Cells, type Piece } from './look-ahead.ts';
import { MarkedBuffer, RunBuffer, type PointBuffer, type RunTable, type Selection } from './querier.ts';
import { SelectionSpace, Vec, type Space, type VectorOp } from './space.ts';

/** A part of a plan that gives windows of points: a range selector or a subquery. */
export interface MatrixOp {
  readonly space: Space;
  /** How many series there are; their ids are 0 … n-1. */
  readonly n: number;
  readonly rangeMs: number;
  /** The end of the window when the evaluation stands at `ts`; it starts `rangeMs` before, exclusive. */
  windowEnd(ts: number): number;
  /** The points of one series in (toTs - rangeMs, toTs], oldest first; returns how many. */
  window(id: number, toTs: number, into: PointBuffer): number;
  /** The points of one series in (fromTs, toTs], where many windows of it are to be read at once. */
  span?(id: number, fromTs: number, toTs: number, into: PointBuffer): number;
  /** The series in runs, where a store shows them so; see `Selection`. None where there are no runs. */
  openRuns?(toTs: number): number | undefined;
  readRun?(run: number, into: RunBuffer): boolean;
  /** All runs at once; false where a store does not show them so. */
  readRuns?(toTs: number, into: RunTable): boolean;
}

function hasOneName(matchers: readonly Matcher[]): boolean {
  return matchers.some(({ name, op, value }) => name === METRIC_NAME && op === '=' && value !== '');
}

/** Whether all series of a selection lie in runs that are shown as they are, at a window. */
function isShown(selection: Selection, fromTs: number, toTs: number, run: RunBuffer): boolean {
  const runs = selection.readRun === undefined ? undefined : selection.openRuns?.(fromTs, toTs);
  if (runs === undefined) return false;
  for (let at = 0; at < runs; at++) if (selection.readRun?.(at, run) !== true) return false;
  return true;
}

/** An instant selector; with `timestamps`, it gives the samples' times in seconds instead of their values. */
export class InstantSelectorOp implements VectorOp, Piece {
  readonly space: Space;
  readonly #selector: VectorSelector;
  readonly #exec: Exec;
  readonly #selection: Selection;
  readonly #timestamps: boolean;
  readonly #out = new Vec();
  readonly #ahead: LookAhead;
  readonly #points = new MarkedBuffer();
  readonly #run = new RunBuffer();

  constructor(selector: VectorSelector, exec: Exec, timestamps = false) {
    this.#selector = selector;
    this.#exec = exec;
    this.#timestamps = timestamps;
    this.#selection = exec.select(selector.matchers, selector, exec.lookbackMs);
    this.space = new SelectionSpace(this.#selection, hasOneName(selector.matchers));
    const { n } = this.#selection;
    this.#ahead = new LookAhead(exec, (id, ts, steps, cells, at, stride) => this.#fill(id, ts, steps, cells, at, stride));
    if (this.#selection.history !== undefined) this.#ahead.enlist(this, n);
  }

  /** Rows in memory are read fast enough; what lies in sealed blocks is read ahead. */
  prepare(ts: number, enough: () => boolean): boolean {
    const ahead = this.#ahead;
    if (!ahead.covers(ts)) {
      if (this.#ready(ts)) return true;
      ahead.begin(ts, new Uint8Array(this.#selection.n).fill(1), (at) => this.#ready(at));
    }
    return ahead.work(enough);
  }

  eval(ts: number): Vec {
    const { n } = this.#selection;
    const out = this.#out;
    out.reset(n);
    const row = this.#ahead.rowOf(ts);
    if (row >= 0) keepFound(this.#ahead.cells, row, n, out);
    else {
      const columns = this.#exec.columns(n);
      this.#selection.instant(this.#exec.reference(this.#selector, ts), this.#exec.lookbackMs, columns);
      const { values, present, timestamps } = columns;
      keepPresent(this.#timestamps ? timestamps : values, present, n, out);
    }
    if (this.#timestamps) for (let i = 0; i < out.n; i++) out.values[i] = (out.values[i] ?? 0) / 1000;
    this.#exec.budget.transient(out.n);
    this.#exec.budget.looked(out.n);
    this.#exec.budget.tick(n);
    return out;
  }

  #ready(ts: number): boolean {
    const toTs = this.#exec.reference(this.#selector, ts);
    return isShown(this.#selection, toTs - this.#exec.lookbackMs, toTs, this.#run);
  }

  #fill(id: number, firstTs: number, steps: number, { values, states }: Cells, at: number, stride: number): void {
    const { stepMs, lookbackMs } = this.#exec;
    const points = this.#points;
    const first = this.#exec.reference(this.#selector, firstTs);
    const last = this.#exec.reference(this.#selector, firstTs + (steps - 1) * stepMs);
    const count = this.#selection.history?.(id, first - lookbackMs, last, points) ?? 0;
    const { timestamps, stale } = points;
    const from = this.#timestamps ? timestamps : points.values;
    const byMs = last === first ? 0 : stepMs;
    let next = 0;
    for (let step = 0; step < steps; step++) {
      const toTs = first + step * byMs;
      while (next < count && (timestamps[next] ?? 0) <= toTs) next++;
      const cell = at + step * stride;
      const found = next > 0 && (timestamps[next - 1] ?? 0) > toTs - lookbackMs && stale[next - 1] === 0;
      states[cell] = found ? FOUND : MISSING;
      if (found) values[cell] = from[next - 1] ?? 0;
    }
  }
}

function keepFound({ values, states }: Cells, row: number, n: number, out: Vec): void {
  const { ids, values: into } = out;
  let count = 0;
  for (let i = 0; i < n; i++) {
    if (states[row + i] !== FOUND) continue;
    ids[count] = i;
    into[count++] = values[row + i] ?? 0;
  }
  out.n = count;
}

function keepPresent(column: Float64Array, present: Uint8Array, n: number, out: Vec): void {
  const { ids, values } = out;
  let count = 0;
  for (let i = 0; i < n; i++) {
    if (present[i] === 0) continue;
    ids[count] = i;
    values[count++] = column[i] ?? 0;
  }
  out.n = count;
}

export class RangeSelectorOp implements MatrixOp {
  readonly space: Space;
  readonly n: number;
  readonly rangeMs: number;
  readonly #expr: MatrixSelector;
  readonly #exec: Exec;
  readonly #selection: Selection;

  constructor(expr: MatrixSelector, exec: Exec) {
    this.#expr = expr;
    this.#exec = exec;
    this.rangeMs = expr.rangeMs;
    this.#selection = exec.select(expr.selector.matchers, expr, expr.rangeMs);
    this.n = this.#selection.n;
    this.space = new SelectionSpace(this.#selection, hasOneName(expr.selector.matchers));
  }

  windowEnd(ts: number): number {
    return this.#exec.reference(this.#expr, ts);
  }

  window(id: number, toTs: number, into: PointBuffer): number {
    const count = this.#selection.window(id, toTs - this.rangeMs, toTs, into);
    this.#exec.budget.transient(count);
    this.#exec.budget.looked(count);
    return count;
  }

  span(id: number, fromTs: number, toTs: number, into: PointBuffer): number {
    return this.#selection.window(id, fromTs, toTs, into);
  }

  openRuns(toTs: number): number | undefined {
    return this.#selection.readRun === undefined ? undefined : this.#selection.openRuns?.(toTs - this.rangeMs, toTs);
  }

  readRun(run: number, into: RunBuffer): boolean {
    return this.#selection.readRun?.(run, into) ?? false;
  }

  readRuns(toTs: number, into: RunTable): boolean {
    if (this.#selection.readRuns === undefined) return false;
    this.#selection.readRuns(toTs - this.rangeMs, toTs, into);
    return true;
  }
}

import { METRIC_NAME } from '../core/labels.ts';
import type { Matcher } from '../core/matcher.ts';
import type { MatrixSelector, VectorSelector } from './ast.ts';
import type { Exec } from './exec.ts';
import type { InstantColumns, PointBuffer, RunBuffer, Selection } from './querier.ts';
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
  /** The series in runs, where a store shows them so; see `Selection`. None where there are no runs. */
  openRuns?(toTs: number): number | undefined;
  readRun?(run: number, into: RunBuffer): boolean;
}

function hasOneName(matchers: readonly Matcher[]): boolean {
  return matchers.some(({ name, op, value }) => name === METRIC_NAME && op === '=' && value !== '');
}

/** An instant selector; with `timestamps`, it gives the samples' times in seconds instead of their values. */
export class InstantSelectorOp implements VectorOp {
  readonly space: Space;
  readonly #selector: VectorSelector;
  readonly #exec: Exec;
  readonly #selection: Selection;
  readonly #columns: InstantColumns;
  readonly #timestamps: boolean;
  readonly #out = new Vec();

  constructor(selector: VectorSelector, exec: Exec, timestamps = false) {
    this.#selector = selector;
    this.#exec = exec;
    this.#timestamps = timestamps;
    this.#selection = exec.select(selector.matchers, selector, exec.lookbackMs);
    this.space = new SelectionSpace(this.#selection, hasOneName(selector.matchers));
    const { n } = this.#selection;
    this.#columns = { values: new Float64Array(n), timestamps: new Float64Array(n), present: new Uint8Array(n) };
  }

  eval(ts: number): Vec {
    const { n } = this.#selection;
    this.#selection.instant(this.#exec.reference(this.#selector, ts), this.#exec.lookbackMs, this.#columns);
    const { values, present, timestamps } = this.#columns;
    const out = this.#out;
    out.reset(n);
    keepPresent(this.#timestamps ? timestamps : values, present, n, out);
    if (this.#timestamps) for (let i = 0; i < out.n; i++) out.values[i] = (out.values[i] ?? 0) / 1000;
    this.#exec.budget.transient(out.n);
    this.#exec.budget.tick(n);
    return out;
  }
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
    return count;
  }

  openRuns(toTs: number): number | undefined {
    return this.#selection.readRun === undefined ? undefined : this.#selection.openRuns?.(toTs - this.rangeMs, toTs);
  }

  readRun(run: number, into: RunBuffer): boolean {
    return this.#selection.readRun?.(run, into) ?? false;
  }
}

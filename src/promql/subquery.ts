import type { Subquery } from './ast.ts';
import type { Exec } from './exec.ts';
import type { PointBuffer } from './querier.ts';
import type { MatrixOp } from './selectors.ts';
import type { Space, VectorOp } from './space.ts';

/** The points of one series so far; small at first, since there may be very many. */
class Column {
  timestamps = new Float64Array(16);
  values = new Float64Array(16);
  n = 0;

  push(ts: number, value: number): void {
    if (this.n === this.values.length) {
      const { timestamps, values } = this;
      this.timestamps = new Float64Array(this.n * 2);
      this.values = new Float64Array(this.n * 2);
      this.timestamps.set(timestamps);
      this.values.set(values);
    }
    this.timestamps[this.n] = ts;
    this.values[this.n] = value;
    this.n++;
  }

  /** The index of the first point after `ts`. */
  after(ts: number): number {
    let low = 0;
    let high = this.n;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.timestamps[middle] ?? 0) <= ts) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/**
 * A subquery: its inner expression evaluated once at every multiple of the step that any window needs, kept in
 * columns, and read like a range selector.
 */
export class SubqueryOp implements MatrixOp {
  readonly space: Space;
  readonly rangeMs: number;
  readonly #expr: Subquery;
  readonly #exec: Exec;
  readonly #columns: (Column | undefined)[] = [];

  constructor(expr: Subquery, exec: Exec, open: (exec: Exec) => VectorOp) {
    this.#expr = expr;
    this.#exec = exec;
    this.rangeMs = expr.rangeMs;
    const stepMs = expr.stepMs ?? exec.defaultStepMs;
    const startTs = exec.reference(expr, exec.startTs) - expr.rangeMs;
    const endTs = exec.reference(expr, exec.endTs);
    // Steps stand at multiples of the step, whatever the query's own times are; the window is open on the left.
    let firstTs = stepMs * Math.trunc(startTs / stepMs);
    while (firstTs <= startTs) firstTs += stepMs;
    const child = exec.child(firstTs, Math.max(firstTs, endTs), stepMs);
    const inner = open(child);
    this.space = inner.space;
    for (let ts = firstTs; ts <= endTs; ts += stepMs) this.#take(ts, inner);
  }

  get n(): number {
    return this.#columns.length;
  }

  windowEnd(ts: number): number {
    return this.#exec.reference(this.#expr, ts);
  }

  window(id: number, toTs: number, into: PointBuffer): number {
    const column = this.#columns[id];
    if (column === undefined) return 0;
    const from = column.after(toTs - this.rangeMs);
    const to = column.after(toTs);
    if (to <= from) return 0;
    into.reserve(to - from);
    into.timestamps.set(column.timestamps.subarray(from, to));
    into.values.set(column.values.subarray(from, to));
    return to - from;
  }

  #take(ts: number, inner: VectorOp): void {
    const vec = inner.eval(ts);
    this.#exec.budget.hold(vec.n);
    for (let i = 0; i < vec.n; i++) {
      const id = vec.ids[i] ?? 0;
      (this.#columns[id] ??= new Column()).push(ts, vec.values[i] ?? 0);
    }
  }
}

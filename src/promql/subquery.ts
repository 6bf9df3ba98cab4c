import type { Subquery } from './ast.ts';
import type { Exec } from './exec.ts';
import { never, prepareAll, type Piece } from './look-ahead.ts';
import type { PointBuffer } from './querier.ts';
import type { MatrixOp } from './selectors.ts';
import type { Space, Vec, VectorOp } from './space.ts';

const POINTS_AT_FIRST = 16;
/** Bytes of a column without points, about as many as V8 has for two typed arrays. */
const COLUMN_BYTES = 400;
/** A longer column grows by half and not to twice as much: not much more is to be there than is counted. */
const DOUBLES_UP_TO = 4096;
/** After so many elements it is looked whether that is enough: columns may have to grow. */
const ELEMENTS_A_LOOK = 256;

/** The points of one series that a window may still ask for; small at first, since there may be very many. */
class Column {
  timestamps = new Float64Array(POINTS_AT_FIRST);
  values = new Float64Array(POINTS_AT_FIRST);
  first = 0;
  n = 0;

  push(ts: number, value: number): void {
    if (this.n === this.values.length) this.#makeRoom();
    this.timestamps[this.n] = ts;
    this.values[this.n] = value;
    this.n++;
  }

  /** The index of the first point after `ts`. */
  after(ts: number): number {
    let low = this.first;
    let high = this.n;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.timestamps[middle] ?? 0) <= ts) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Over the points that were dropped where they are at least half of all, otherwise twice as much. */
  #makeRoom(): void {
    const { timestamps, values, first, n } = this;
    if (2 * first < n) {
      const size = n < DOUBLES_UP_TO ? n * 2 : Math.ceil(n * 1.5);
      this.timestamps = new Float64Array(size);
      this.values = new Float64Array(size);
    }
    this.timestamps.set(timestamps.subarray(first, n));
    this.values.set(values.subarray(first, n));
    this.first = 0;
    this.n = n - first;
  }
}

/**
 * A subquery: its inner expression evaluated once at every multiple of the step that any window needs, as far as the
 * windows have come, and read like a range selector. Windows only ever move on, so that points behind them are dropped.
 */
export class SubqueryOp implements MatrixOp, Piece {
  readonly space: Space;
  readonly rangeMs: number;
  readonly #expr: Subquery;
  readonly #exec: Exec;
  readonly #inside: Exec;
  readonly #inner: VectorOp;
  readonly #columns: (Column | undefined)[] = [];
  readonly #endTs: number;
  #nextTs: number;
  /** The vector of the step that is being taken over, and which of its elements comes next. */
  #taking: Vec | undefined;
  #nextElement = 0;

  constructor(expr: Subquery, exec: Exec, open: (exec: Exec) => VectorOp) {
    this.#expr = expr;
    this.#exec = exec;
    this.rangeMs = expr.rangeMs;
    const stepMs = expr.stepMs ?? exec.defaultStepMs;
    const startTs = exec.reference(expr, exec.startTs) - expr.rangeMs;
    this.#endTs = exec.reference(expr, exec.endTs);
    // Steps stand at multiples of the step, whatever the query's own times are; the window is open on the left.
    let firstTs = stepMs * Math.trunc(startTs / stepMs);
    while (firstTs <= startTs) firstTs += stepMs;
    this.#nextTs = firstTs;
    this.#inside = exec.child(firstTs, Math.max(firstTs, this.#endTs), stepMs);
    this.#inner = open(this.#inside);
    this.space = this.#inner.space;
    exec.pieces.push(this);
  }

  get n(): number {
    return this.#columns.length;
  }

  prepare(ts: number, enough: () => boolean): boolean {
    return this.#advance(this.#exec.reference(this.#expr, ts), enough);
  }

  windowEnd(ts: number): number {
    const toTs = this.#exec.reference(this.#expr, ts);
    this.#advance(toTs, never);
    return toTs;
  }

  window(id: number, toTs: number, into: PointBuffer): number {
    const column = this.#columns[id];
    if (column === undefined) return 0;
    const from = column.after(toTs - this.rangeMs);
    const to = column.after(toTs);
    this.#exec.budget.hold(column.first - from);
    column.first = from;
    if (to <= from) return 0;
    into.reserve(to - from);
    into.timestamps.set(column.timestamps.subarray(from, to));
    into.values.set(column.values.subarray(from, to));
    return to - from;
  }

  /** Evaluates the steps up to a time; true where all are done. */
  #advance(toTs: number, enough: () => boolean): boolean {
    const untilTs = Math.min(toTs, this.#endTs);
    if (this.#nextTs > untilTs) return true;
    this.#inside.aheadTs = Math.min(this.#inside.endTs, this.#exec.reference(this.#expr, this.#exec.aheadTs));
    while (this.#nextTs <= untilTs) {
      if (this.#taking === undefined && !prepareAll(this.#inside, this.#nextTs, enough)) return false;
      if (!this.#take(this.#nextTs, enough)) return false;
      this.#nextTs += this.#inside.stepMs;
      if (enough()) return this.#nextTs > untilTs;
    }
    return true;
  }

  #take(ts: number, enough: () => boolean): boolean {
    if (this.#taking === undefined) {
      this.#taking = this.#inner.eval(ts);
      this.#nextElement = 0;
      this.#exec.budget.hold(this.#taking.n);
    }
    const vec = this.#taking;
    while (this.#nextElement < vec.n) {
      const at = this.#nextElement++;
      (this.#columns[vec.ids[at] ?? 0] ??= this.#newColumn()).push(ts, vec.values[at] ?? 0);
      if (this.#nextElement % ELEMENTS_A_LOOK === 0 && enough()) return false;
    }
    this.#taking = undefined;
    return true;
  }

  #newColumn(): Column {
    this.#exec.budget.room(COLUMN_BYTES);
    return new Column();
  }
}

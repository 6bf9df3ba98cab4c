import type { Extended, MatrixSelector, VectorSelector } from './ast.ts';
import type { Exec } from './exec.ts';
import { PointBuffer } from './querier.ts';
import { RANGE_KERNELS, type RangeKernel, type WindowContext } from './range-kernels.ts';
import { RangeSelectorOp, type MatrixOp } from './selectors.ts';
import { Vec, type Space, type VectorOp } from './space.ts';

interface RateKind {
  readonly counter: boolean;
  readonly perSecond: boolean;
}

const RATES: Readonly<Record<string, RateKind>> = {
  rate: { counter: true, perSecond: true },
  increase: { counter: true, perSecond: false },
  delta: { counter: false, perSecond: false },
};

/** The points of one series, those beside the window among them. */
interface Points {
  readonly ts: Float64Array;
  readonly vs: Float64Array;
  readonly n: number;
}

/**
 * A range selector that takes in the samples beside its range, as far as the lookback goes: with `anchored` those before it,
 * with `smoothed` on both sides. A series without a sample in the range or, smoothed, behind it has none at all. (Prometheus
 * 3.x, promql/engine.go, matrixSelector.) For functions; see `BoundedRangeOp` for the range by itself.
 */
export class ExtendedRangeOp implements MatrixOp {
  readonly space: Space;
  readonly n: number;
  readonly rangeMs: number;
  readonly #afterMs: number;
  readonly #wide: RangeSelectorOp;

  constructor(expr: MatrixSelector, exec: Exec) {
    const { rangeMs, offsetMs } = expr;
    this.#afterMs = expr.extended === 'smoothed' ? exec.lookbackMs : 0;
    const wideMs = rangeMs + exec.lookbackMs + this.#afterMs;
    this.#wide = new RangeSelectorOp({ ...expr, rangeMs: wideMs, offsetMs: offsetMs - this.#afterMs }, exec);
    this.space = this.#wide.space;
    this.n = this.#wide.n;
    this.rangeMs = rangeMs;
  }

  windowEnd(ts: number): number {
    return this.#wide.windowEnd(ts) - this.#afterMs;
  }

  window(id: number, toTs: number, into: PointBuffer): number {
    const n = this.#wide.window(id, toTs + this.#afterMs, into);
    if (n === 0) return 0;
    const { timestamps } = into;
    const last = this.#afterMs === 0 ? n - 1 : firstFrom(timestamps, n - 1, toTs);
    return (timestamps[last] ?? 0) > toTs - this.rangeMs ? n : 0;
  }
}

/** The range of such a selector by itself: its points, and one at each end. */
export class BoundedRangeOp implements MatrixOp {
  readonly space: Space;
  readonly n: number;
  readonly rangeMs: number;
  readonly #inner: ExtendedRangeOp;
  readonly #smoothed: boolean;
  readonly #points = new PointBuffer();

  constructor(expr: MatrixSelector, exec: Exec) {
    this.#inner = new ExtendedRangeOp(expr, exec);
    this.#smoothed = expr.extended === 'smoothed';
    this.space = this.#inner.space;
    this.n = this.#inner.n;
    this.rangeMs = expr.rangeMs;
  }

  windowEnd(ts: number): number {
    return this.#inner.windowEnd(ts);
  }

  window(id: number, toTs: number, into: PointBuffer): number {
    const n = this.#inner.window(id, toTs, this.#points);
    if (n === 0) return 0;
    const { timestamps: ts, values: vs } = this.#points;
    const fromTs = toTs - this.rangeMs;
    const { first, last, left, right } = ends({ ts, vs, n }, { fromTs, toTs }, this.#smoothed, false);
    into.reserve(last - first + 3);
    into.timestamps[0] = fromTs;
    into.values[0] = left;
    let count = 1;
    for (let i = first; i <= last; i++) {
      into.timestamps[count] = ts[i] ?? 0;
      into.values[count++] = vs[i] ?? 0;
    }
    into.timestamps[count] = toTs;
    into.values[count++] = right;
    return count;
  }
}

/** `rate`, `increase`, `delta`, `changes` and `resets` over such a range. (promql/functions.go, extendedRate.) */
export function extendedKernel(func: string, extended: Extended): RangeKernel {
  const kind = RATES[func];
  if (kind !== undefined) return { minPoints: 1, run: (ts, vs, n, window) => rate({ ts, vs, n }, window, extended === 'smoothed', kind) };
  const plain = RANGE_KERNELS.get(func);
  if (plain === undefined) throw new TypeError(`no kernel for ${func}`);
  const run: RangeKernel['run'] = (ts, vs, n, window) => {
    const first = firstBefore(ts, n - 1, window.fromTs);
    return plain.run(ts.subarray(first), vs.subarray(first), n - first, window);
  };
  return { minPoints: 1, run };
}

function rate(points: Points, window: WindowContext, smoothed: boolean, { counter, perSecond }: RateKind): number {
  const { first, last, left, right } = ends(points, window, smoothed, counter);
  let result = right - left;
  if (counter) {
    let previous = left;
    for (let i = first; i <= last; i++) {
      const value = points.vs[i] ?? 0;
      if (value < previous) result += previous;
      previous = value;
    }
    if (right < previous) result += previous;
  }
  return perSecond ? result / ((window.toTs - window.fromTs) / 1000) : result;
}

/** The values at both ends of the window, and which points lie strictly between them. */
function ends(
  { ts, vs, n }: Points,
  { fromTs, toTs }: Pick<WindowContext, 'fromTs' | 'toTs'>,
  smoothed: boolean,
  counter: boolean,
): { readonly first: number; readonly last: number; readonly left: number; readonly right: number } {
  const first = firstBefore(ts, n - 1, fromTs);
  const last = smoothed ? firstFrom(ts, n - 1, toTs) : n - 1;
  const at = (i: number, time: number): number => between({ ts, vs, n }, i, time, counter);
  const left = smoothed && (ts[first] ?? 0) < fromTs ? at(first, fromTs) : (vs[first] ?? 0);
  const right = smoothed && last > 0 && (ts[last] ?? 0) > toTs ? at(last - 1, toTs) : (vs[last] ?? 0);
  return { first: (ts[first] ?? 0) <= fromTs ? first + 1 : first, last: (ts[last] ?? 0) >= toTs ? last - 1 : last, left, right };
}

/** Between point i and the next; a counter that falls there starts at 0. */
function between({ ts, vs }: Points, i: number, time: number, counter: boolean): number {
  const y2 = vs[i + 1] ?? 0;
  const given = vs[i] ?? 0;
  const y1 = counter && y2 < given ? 0 : given;
  const from = ts[i] ?? 0;
  return y1 + ((y2 - y1) * (time - from)) / ((ts[i + 1] ?? 0) - from);
}

/** The newest of the first n points up to a time; the first one where there is none. */
function firstBefore(ts: Float64Array, n: number, time: number): number {
  let i = 0;
  while (i < n && (ts[i] ?? 0) <= time) i++;
  return Math.max(0, i - 1);
}

/** The oldest of the first n points from a time on; n where there is none. */
function firstFrom(ts: Float64Array, n: number, time: number): number {
  let i = 0;
  while (i < n && (ts[i] ?? 0) < time) i++;
  return i;
}

/** `x smoothed`: each series' value at the time itself, between the samples around it; behind the last one, that. */
export class SmoothedSelectorOp implements VectorOp {
  readonly space: Space;
  readonly #matrix: RangeSelectorOp;
  readonly #lookbackMs: number;
  readonly #points = new PointBuffer();
  readonly #out = new Vec();

  constructor(selector: VectorSelector, exec: Exec) {
    this.#lookbackMs = exec.lookbackMs;
    const { from, to, offsetMs, at } = selector;
    const wide = { kind: 'matrix', selector, rangeMs: 2 * exec.lookbackMs, offsetMs: offsetMs - exec.lookbackMs, from, to } as const;
    this.#matrix = new RangeSelectorOp(at === undefined ? wide : { ...wide, at }, exec);
    this.space = this.#matrix.space;
  }

  eval(ts: number): Vec {
    const out = this.#out;
    const points = this.#points;
    const endTs = this.#matrix.windowEnd(ts);
    const atTs = endTs - this.#lookbackMs;
    out.reset(this.#matrix.n);
    for (let id = 0; id < this.#matrix.n; id++) {
      const n = this.#matrix.window(id, endTs, points);
      const { timestamps, values } = points;
      const next = firstFrom(timestamps, n, atTs);
      if (next < n && timestamps[next] === atTs) out.push(id, values[next] ?? 0);
      else if (next === n && n > 0) out.push(id, values[n - 1] ?? 0);
      else if (next > 0) out.push(id, between({ ts: timestamps, vs: values, n }, next - 1, atTs, false));
    }
    return out;
  }
}

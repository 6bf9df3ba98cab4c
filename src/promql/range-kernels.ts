import { compensate } from './kahan.ts';
import { quantileOf } from './quantile.ts';

/** What a window function may need besides the points. Times are milliseconds. */
export interface WindowContext {
  /** The evaluation's time, before `offset` and `@`. */
  evalTs: number;
  /** The window is (fromTs, toTs]. */
  fromTs: number;
  toTs: number;
  /** The function's scalar arguments. */
  param: number;
  param2: number;
}

/** Works out one value from the first n points, oldest first; called with at least `minPoints` of them. */
export interface RangeKernel {
  readonly minPoints: number;
  readonly run: (ts: Float64Array, vs: Float64Array, n: number, window: WindowContext) => number;
}

/**
 * The change over the window, extrapolated to its edges: to an edge where the nearest point is at most 1.1 average
 * intervals away, by half an interval otherwise, and for a counter never beyond the time where it would have been
 * zero. (Prometheus 3.x, promql/functions.go, extrapolatedRate.)
 */
function extrapolated(
  ts: Float64Array,
  vs: Float64Array,
  n: number,
  window: WindowContext,
  { counter, perSecond }: { readonly counter: boolean; readonly perSecond: boolean },
): number {
  const first = vs[0] ?? 0;
  const firstTs = ts[0] ?? 0;
  const lastTs = ts[n - 1] ?? 0;
  let result = (vs[n - 1] ?? 0) - first;
  if (counter) {
    let previous = first;
    for (let i = 1; i < n; i++) {
      const value = vs[i] ?? 0;
      if (value < previous) result += previous;
      previous = value;
    }
  }
  const sampled = (lastTs - firstTs) / 1000;
  const average = sampled / (n - 1);
  const threshold = average * 1.1;
  let toStart = (firstTs - window.fromTs) / 1000;
  let toEnd = (window.toTs - lastTs) / 1000;
  if (toStart >= threshold) toStart = average / 2;
  if (counter && result > 0 && first >= 0) {
    const toZero = sampled * (first / result);
    if (toZero < toStart) toStart = toZero;
  }
  if (toEnd >= threshold) toEnd = average / 2;
  let factor = (sampled + toStart + toEnd) / sampled;
  if (perSecond) factor /= (window.toTs - window.fromTs) / 1000;
  return result * factor;
}

const RATE = { counter: true, perSecond: true };
const INCREASE = { counter: true, perSecond: false };
const DELTA = { counter: false, perSecond: false };

function rate(ts: Float64Array, vs: Float64Array, n: number, window: WindowContext): number {
  return extrapolated(ts, vs, n, window, RATE);
}

function increase(ts: Float64Array, vs: Float64Array, n: number, window: WindowContext): number {
  return extrapolated(ts, vs, n, window, INCREASE);
}

function delta(ts: Float64Array, vs: Float64Array, n: number, window: WindowContext): number {
  return extrapolated(ts, vs, n, window, DELTA);
}

function irate(ts: Float64Array, vs: Float64Array, n: number): number {
  const last = vs[n - 1] ?? 0;
  const previous = vs[n - 2] ?? 0;
  const seconds = ((ts[n - 1] ?? 0) - (ts[n - 2] ?? 0)) / 1000;
  return (last < previous ? last : last - previous) / seconds;
}

function idelta(_: Float64Array, vs: Float64Array, n: number): number {
  return (vs[n - 1] ?? 0) - (vs[n - 2] ?? 0);
}

/** The sums of a regression that depend on the times alone: of x and x² for x = seconds since an origin. */
export class RegressionTimes {
  x = new Float64Array(128);
  n = 0;
  sumX = 0;
  sumX2 = 0;

  set(ts: Float64Array, n: number, originTs: number): void {
    if (this.x.length < n) this.x = new Float64Array(2 * n);
    const column = this.x;
    let [sumX, errX, sumX2, errX2] = [0, 0, 0, 0];
    for (let i = 0; i < n; i++) {
      const x = ((ts[i] ?? 0) - originTs) / 1000;
      column[i] = x;
      let total = sumX + x;
      errX = compensate(x, sumX, total, errX);
      sumX = total;
      total = sumX2 + x * x;
      errX2 = compensate(x * x, sumX2, total, errX2);
      sumX2 = total;
    }
    this.n = n;
    this.sumX = sumX + errX;
    this.sumX2 = sumX2 + errX2;
  }
}

const times = new RegressionTimes();

/** Least squares over x = seconds since `originTs`; a constant series has slope 0 exactly. */
function regression(ts: Float64Array, vs: Float64Array, n: number, originTs: number): { slope: number; intercept: number } {
  times.set(ts, n, originTs);
  return regressionOver(times, vs);
}

/** Least squares over times whose sums are known. */
export function regressionOver(times: RegressionTimes, vs: Float64Array): { slope: number; intercept: number } {
  const { n, sumX, sumX2 } = times;
  const first = vs[0] ?? 0;
  if (isConstant(vs, n, first))
    return Number.isFinite(first) || Number.isNaN(first) ? { slope: 0, intercept: first } : { slope: NaN, intercept: NaN };
  const sums = sumQuickly(times, vs) ? quickSums : sumCarefully(times, vs);
  const { sumY, sumXY } = sums;
  const slope = (sumXY - (sumX * sumY) / n) / (sumX2 - (sumX * sumX) / n);
  return { slope, intercept: sumY / n - (slope * sumX) / n };
}

const quickSums = { sumY: 0, sumXY: 0 };

/**
 * The compensated sums of y and xy without a branch: what an addition rounds away is worked out as Knuth's TwoSum does, which
 * gives the same number, as it is exact. False where an infinity has come in, and with it another rule.
 */
function sumQuickly({ x: xs, n }: RegressionTimes, vs: Float64Array): boolean {
  let [sumY, errY, sumXY, errXY] = [0, 0, 0, 0];
  for (let i = 0; i < n; i++) {
    const y = vs[i] ?? 0;
    const xy = (xs[i] ?? 0) * y;
    const totalY = sumY + y;
    const addedY = totalY - sumY;
    errY += sumY - (totalY - addedY) + (y - addedY);
    sumY = totalY;
    const totalXY = sumXY + xy;
    const addedXY = totalXY - sumXY;
    errXY += sumXY - (totalXY - addedXY) + (xy - addedXY);
    sumXY = totalXY;
  }
  quickSums.sumY = sumY + errY;
  quickSums.sumXY = sumXY + errXY;
  return Number.isFinite(quickSums.sumY) && Number.isFinite(quickSums.sumXY);
}

function sumCarefully({ x: xs, n }: RegressionTimes, vs: Float64Array): { sumY: number; sumXY: number } {
  let [sumY, errY, sumXY, errXY] = [0, 0, 0, 0];
  for (let i = 0; i < n; i++) {
    const y = vs[i] ?? 0;
    const xy = (xs[i] ?? 0) * y;
    let total = sumY + y;
    errY = compensate(y, sumY, total, errY);
    sumY = total;
    total = sumXY + xy;
    errXY = compensate(xy, sumXY, total, errXY);
    sumXY = total;
  }
  return { sumY: sumY + errY, sumXY: sumXY + errXY };
}

function isConstant(vs: Float64Array, n: number, first: number): boolean {
  for (let i = 1; i < n; i++) if (vs[i] !== first) return false;
  return true;
}

function deriv(ts: Float64Array, vs: Float64Array, n: number): number {
  return regression(ts, vs, n, ts[0] ?? 0).slope;
}

function predictLinear(ts: Float64Array, vs: Float64Array, n: number, window: WindowContext): number {
  const { slope, intercept } = regression(ts, vs, n, window.evalTs);
  return slope * window.param + intercept;
}

function changes(_: Float64Array, vs: Float64Array, n: number): number {
  let count = 0;
  let previous = vs[0] ?? 0;
  for (let i = 1; i < n; i++) {
    const value = vs[i] ?? 0;
    if (value !== previous && !(Number.isNaN(value) && Number.isNaN(previous))) count++;
    previous = value;
  }
  return count;
}

function resets(_: Float64Array, vs: Float64Array, n: number): number {
  let count = 0;
  for (let i = 1; i < n; i++) if ((vs[i] ?? 0) < (vs[i - 1] ?? 0)) count++;
  return count;
}

function sumOverTime(_: Float64Array, vs: Float64Array, n: number): number {
  let sum = 0;
  let error = 0;
  for (let i = 0; i < n; i++) {
    const value = vs[i] ?? 0;
    const total = sum + value;
    error = compensate(value, sum, total, error);
    sum = total;
  }
  return sum === Infinity || sum === -Infinity ? sum : sum + error;
}

/** The sum by the count, or, once the sum overflows, a running mean. */
function avgOverTime(_: Float64Array, vs: Float64Array, n: number): number {
  let sum = vs[0] ?? 0;
  let error = 0;
  for (let i = 1; i < n; i++) {
    const value = vs[i] ?? 0;
    const total = sum + value;
    if (total === Infinity || total === -Infinity) return runningMean(vs, i, n, sum / i, error / i);
    error = compensate(value, sum, total, error);
    sum = total;
  }
  return sum / n + error / n;
}

function runningMean(vs: Float64Array, from: number, n: number, mean: number, error: number): number {
  let currentMean = mean;
  let currentError = error;
  for (let i = from; i < n; i++) {
    const keep = i / (i + 1);
    const term = (vs[i] ?? 0) / (i + 1);
    const scaled = keep * currentMean;
    const total = scaled + term;
    currentError = compensate(term, scaled, total, keep * currentError);
    currentMean = total;
  }
  return currentMean + currentError;
}

function minOverTime(_: Float64Array, vs: Float64Array, n: number): number {
  let least = vs[0] ?? 0;
  for (let i = 1; i < n; i++) {
    const value = vs[i] ?? 0;
    if (value < least || Number.isNaN(least)) least = value;
  }
  return least;
}

function maxOverTime(_: Float64Array, vs: Float64Array, n: number): number {
  let most = vs[0] ?? 0;
  for (let i = 1; i < n; i++) {
    const value = vs[i] ?? 0;
    if (value > most || Number.isNaN(most)) most = value;
  }
  return most;
}

/** Welford's update with compensated mean and squares. */
function stdvarOverTime(_: Float64Array, vs: Float64Array, n: number): number {
  let [mean, meanError, squares, squaresError] = [0, 0, 0, 0];
  for (let i = 0; i < n; i++) {
    const value = vs[i] ?? 0;
    const distance = value - (mean + meanError);
    const step = distance / (i + 1);
    let total = mean + step;
    meanError = compensate(step, mean, total, meanError);
    mean = total;
    const square = distance * (value - (mean + meanError));
    total = squares + square;
    squaresError = compensate(square, squares, total, squaresError);
    squares = total;
  }
  return (squares + squaresError) / n;
}

function stddevOverTime(ts: Float64Array, vs: Float64Array, n: number): number {
  return Math.sqrt(stdvarOverTime(ts, vs, n));
}

function quantileOverTime(_: Float64Array, vs: Float64Array, n: number, window: WindowContext): number {
  return quantileOf(window.param, vs.slice(0, n));
}

/** The median distance from the median; one NaN makes it undefined. */
function madOverTime(_: Float64Array, vs: Float64Array, n: number): number {
  const values = vs.slice(0, n);
  if (values.some((value) => Number.isNaN(value))) return NaN;
  const median = quantileOf(0.5, values);
  return quantileOf(
    0.5,
    values.map((value) => Math.abs(value - median)),
  );
}

function tsOfExtreme(ts: Float64Array, vs: Float64Array, n: number, sign: 1 | -1): number {
  let at = 0;
  for (let i = 1; i < n; i++) {
    const best = vs[at] ?? 0;
    if (sign * (vs[i] ?? 0) >= sign * best || Number.isNaN(best)) at = i;
  }
  return (ts[at] ?? 0) / 1000;
}

/** Holt's linear method; the arguments are the smoothing and the trend factor. */
function doubleExponentialSmoothing(_: Float64Array, vs: Float64Array, n: number, window: WindowContext): number {
  const { param: smoothing, param2: factor } = window;
  let before = 0;
  let smoothed = vs[0] ?? 0;
  let trend = (vs[1] ?? 0) - smoothed;
  for (let i = 1; i < n; i++) {
    if (i > 1) trend = factor * (smoothed - before) + (1 - factor) * trend;
    const next = smoothing * (vs[i] ?? 0) + (1 - smoothing) * (smoothed + trend);
    before = smoothed;
    smoothed = next;
  }
  return smoothed;
}

/** The window functions by name. */
export const RANGE_KERNELS: ReadonlyMap<string, RangeKernel> = new Map<string, RangeKernel>([
  ['rate', { minPoints: 2, run: rate }],
  ['increase', { minPoints: 2, run: increase }],
  ['delta', { minPoints: 2, run: delta }],
  ['irate', { minPoints: 2, run: irate }],
  ['idelta', { minPoints: 2, run: idelta }],
  ['deriv', { minPoints: 2, run: deriv }],
  ['predict_linear', { minPoints: 2, run: predictLinear }],
  ['changes', { minPoints: 1, run: changes }],
  ['resets', { minPoints: 1, run: resets }],
  ['sum_over_time', { minPoints: 1, run: sumOverTime }],
  ['avg_over_time', { minPoints: 1, run: avgOverTime }],
  ['min_over_time', { minPoints: 1, run: minOverTime }],
  ['max_over_time', { minPoints: 1, run: maxOverTime }],
  ['count_over_time', { minPoints: 1, run: (_, __, n) => n }],
  ['present_over_time', { minPoints: 1, run: () => 1 }],
  ['last_over_time', { minPoints: 1, run: (_, vs, n) => vs[n - 1] ?? 0 }],
  ['stddev_over_time', { minPoints: 1, run: stddevOverTime }],
  ['stdvar_over_time', { minPoints: 1, run: stdvarOverTime }],
  ['quantile_over_time', { minPoints: 1, run: quantileOverTime }],
  ['mad_over_time', { minPoints: 1, run: madOverTime }],
  ['first_over_time', { minPoints: 1, run: (_, vs) => vs[0] ?? 0 }],
  ['ts_of_first_over_time', { minPoints: 1, run: (ts) => (ts[0] ?? 0) / 1000 }],
  ['ts_of_last_over_time', { minPoints: 1, run: (ts, _, n) => (ts[n - 1] ?? 0) / 1000 }],
  ['ts_of_max_over_time', { minPoints: 1, run: (ts, vs, n) => tsOfExtreme(ts, vs, n, 1) }],
  ['ts_of_min_over_time', { minPoints: 1, run: (ts, vs, n) => tsOfExtreme(ts, vs, n, -1) }],
  ['double_exponential_smoothing', { minPoints: 2, run: doubleExponentialSmoothing }],
]);

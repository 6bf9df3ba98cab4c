import type { Lifted } from './lifted-buckets.ts';

/**
 * The q-quantile of values, interpolated between the two nearest; sorts the array in place, NaN first. NaN for no
 * values or a q of NaN, an infinity for a q outside 0..1.
 */
export function quantileOf(q: number, values: Float64Array): number {
  const n = values.length;
  if (n === 0 || Number.isNaN(q)) return NaN;
  if (q < 0) return -Infinity;
  if (q > 1) return Infinity;
  sortNaNFirst(values);
  const rank = q * (n - 1);
  const lower = Math.max(0, Math.floor(rank));
  const upper = Math.min(n - 1, lower + 1);
  const weight = rank - Math.floor(rank);
  // Without this an infinite neighbour would give NaN.
  if (weight === 0) return values[lower] ?? 0;
  return (values[lower] ?? 0) * (1 - weight) + (values[upper] ?? 0) * weight;
}

/** Typed arrays sort NaN last; here it counts as smallest. */
function sortNaNFirst(values: Float64Array): void {
  values.sort();
  let nans = 0;
  while (nans < values.length && Number.isNaN(values[values.length - 1 - nans])) nans++;
  if (nans > 0 && nans < values.length) {
    values.copyWithin(nans, 0, values.length - nans);
    values.fill(NaN, 0, nans);
  }
}

/** The cumulative buckets of one classic histogram: upper bounds and counts, in any order. */
export interface Buckets {
  readonly bounds: number[];
  readonly counts: number[];
}

const SMALL_DELTA = 1e-12;
const SMALLEST_NORMAL = 2 ** -1022;

/**
 * The q-quantile of a classic histogram, interpolated within the bucket that holds it. Buckets are sorted, those with
 * equal bounds added up; counts that fall are lifted to the one before, which is told as `lifted` unless it is a
 * matter of rounding (1e-12 relative). NaN without a +Inf bucket, with fewer than two buckets or no observation; the
 * lowest bucket starts at 0 if its bound is above 0, the highest gives the bound below it. (Prometheus 3.x,
 * promql/quantile.go, BucketQuantile.)
 */
export function bucketQuantile(q: number, buckets: Buckets): { value: number; lifted?: Lifted | undefined } {
  if (Number.isNaN(q)) return { value: NaN };
  if (q < 0) return { value: -Infinity };
  if (q > 1) return { value: Infinity };
  const { bounds, counts } = merged(buckets);
  if (bounds.at(-1) !== Infinity) return { value: NaN };
  const lifted = makeMonotonic(bounds, counts);
  const n = bounds.length;
  const observations = counts[n - 1] ?? 0;
  if (n < 2 || observations === 0) return { value: NaN };
  const rank = q * observations;
  let b = counts.findIndex((count) => count >= rank);
  if (b < 0 || b >= n - 1) b = n - 1;
  const bound = bounds[b] ?? 0;
  if (b === n - 1) return { value: bounds[n - 2] ?? NaN, lifted };
  if (b === 0 && bound <= 0) return { value: bound, lifted };
  const start = b > 0 ? (bounds[b - 1] ?? 0) : 0;
  const below = b > 0 ? (counts[b - 1] ?? 0) : 0;
  const share = (rank - below) / ((counts[b] ?? 0) - below);
  return { value: start + (bound - start) * share, lifted };
}

/**
 * The share of a classic histogram's observations between two values, interpolated within the buckets they fall into.
 * NaN without a +Inf bucket or observations. (Prometheus 3.x, promql/quantile.go, BucketFraction.)
 */
export function bucketFraction(lower: number, upper: number, buckets: Buckets): number {
  const { bounds, counts } = merged(buckets);
  if (bounds.at(-1) !== Infinity) return NaN;
  const observations = counts.at(-1) ?? 0;
  if (observations === 0 || Number.isNaN(lower) || Number.isNaN(upper)) return NaN;
  if (lower >= upper) return 0;
  const below = (value: number): number => Math.min(observations, rankOf(value, bounds, counts));
  return (below(upper) - below(lower)) / observations;
}

/** How many observations lie below a value; without end where it lies beyond every bucket. */
function rankOf(value: number, bounds: readonly number[], counts: readonly number[]): number {
  let start = (bounds[0] ?? 0) <= 0 ? -Infinity : 0;
  let rank = 0;
  for (const [index, end] of bounds.entries()) {
    if (start >= value) return rank;
    const count = counts[index] ?? 0;
    if (end > value) return start === -Infinity ? count : rank + ((count - rank) * (value - start)) / (end - start);
    start = end;
    rank = count;
  }
  return Infinity;
}

function merged(buckets: Buckets): { bounds: number[]; counts: number[] } {
  const order = buckets.bounds.map((_, index) => index).sort((a, b) => ascending(buckets.bounds[a] ?? 0, buckets.bounds[b] ?? 0));
  const bounds: number[] = [];
  const counts: number[] = [];
  for (const index of order) {
    const bound = buckets.bounds[index] ?? 0;
    const count = buckets.counts[index] ?? 0;
    const last = bounds.length - 1;
    if (last >= 0 && bounds[last] === bound) counts[last] = (counts[last] ?? 0) + count;
    else {
      bounds.push(bound);
      counts.push(count);
    }
  }
  return { bounds, counts };
}

/** Subtraction would give NaN for two infinities. */
function ascending(a: number, b: number): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function makeMonotonic(bounds: readonly number[], counts: number[]): Lifted | undefined {
  let lifted: Lifted | undefined;
  let previous = counts[0] ?? 0;
  for (let i = 1; i < counts.length; i++) {
    const count = counts[i] ?? 0;
    if (count === previous) continue;
    if (almostEqual(previous, count)) counts[i] = previous;
    else if (count < previous) {
      counts[i] = previous;
      const bound = bounds[i] ?? 0;
      lifted ??= { minBound: bound, maxBound: bound, maxFall: 0 };
      lifted.maxBound = bound;
      lifted.maxFall = Math.max(lifted.maxFall, previous - count);
    } else previous = count;
  }
  return lifted;
}

function almostEqual(a: number, b: number): boolean {
  if (Number.isNaN(a) && Number.isNaN(b)) return true;
  const sum = Math.abs(a) + Math.abs(b);
  const difference = Math.abs(a - b);
  if (a === 0 || b === 0 || sum < SMALLEST_NORMAL) return difference < SMALL_DELTA * SMALLEST_NORMAL;
  return difference / Math.min(sum, Number.MAX_VALUE) < SMALL_DELTA;
}

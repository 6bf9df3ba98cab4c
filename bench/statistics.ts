/** Of samples in milliseconds; a miss counts as infinity, so that it shows in every figure that it touches. */
export interface Distribution {
  readonly count: number;
  readonly misses: number;
  readonly min: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly max: number;
}

/** The distribution of `samples`; undefined is a miss. NaN everywhere where there are none. */
export function distributionOf(samples: readonly (number | undefined)[]): Distribution {
  const sorted = samples.map((sample) => sample ?? Infinity).toSorted((a, b) => a - b);
  return {
    count: sorted.length,
    misses: sorted.filter((sample) => sample === Infinity).length,
    min: sorted[0] ?? Number.NaN,
    p50: quantileOf(sorted, 0.5),
    p90: quantileOf(sorted, 0.9),
    p99: quantileOf(sorted, 0.99),
    max: sorted.at(-1) ?? Number.NaN,
  };
}

/** The nearest rank (the smallest sample that at least this part of them does not exceed): never between a hit and a miss. */
export function quantileOf(sorted: readonly number[], quantile: number): number {
  const rank = Math.max(1, Math.ceil(quantile * sorted.length));
  return sorted[rank - 1] ?? Number.NaN;
}

/** `84 ms`, `0.8 ms`, `miss` for infinity, `-` where there is nothing. */
export function milliseconds(value: number): string {
  if (Number.isNaN(value)) return '-';
  if (value === Infinity) return 'miss';
  return `${Math.abs(value) < 10 ? value.toFixed(1) : Math.round(value)} ms`;
}

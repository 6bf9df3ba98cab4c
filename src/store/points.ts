import type { PointOut } from './reader-types.ts';

/** Points of one series; grows with what is read. */
export class Points implements PointOut {
  timestamps = new Float64Array(256);
  values = new Float64Array(256);

  reserve(count: number): void {
    if (count <= this.values.length) return;
    const timestamps = new Float64Array(count * 2);
    const values = new Float64Array(count * 2);
    timestamps.set(this.timestamps);
    values.set(this.values);
    this.timestamps = timestamps;
    this.values = values;
  }
}

/** Merges `m` points into the first `n` of `into` by time; where both have one at a time, the first stays. */
export function merge(into: PointOut, n: number, from: PointOut, m: number): number {
  if (m === 0) return n;
  const timestamps = into.timestamps.slice(0, n);
  const values = into.values.slice(0, n);
  into.reserve(n + m);
  let out = 0;
  for (let i = 0, j = 0; i < n || j < m; out++) {
    const left = i < n ? timestamps[i]! : Infinity;
    const right = j < m ? from.timestamps[j]! : Infinity;
    into.timestamps[out] = Math.min(left, right);
    into.values[out] = left <= right ? values[i]! : from.values[j]!;
    if (left <= right) i++;
    if (right <= left) j++;
  }
  return out;
}

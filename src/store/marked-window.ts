import { firstAfter, type DecodedColumn, type LaneParts } from './lane-reader.ts';
import { Points } from './points.ts';
import type { MarkedOut } from './reader-types.ts';
import type { RowRing } from './row-ring.ts';
import { ABSENT_HIGH, HIGH_WORD, STALE_HIGH } from './sample-codes.ts';
import type { SideSeries } from './side-points.ts';

/** Samples and staleness markers, for those who look for the newest one at many times. */
export const HISTORY: LaneParts<MarkedOut> = { column: columnHistory, ring: ringHistory, side: sideHistory };

function columnHistory({ ts, v, words }: DecodedColumn, fromTs: number, toTs: number, into: MarkedOut, n: number): number {
  const start = firstAfter(ts, fromTs);
  const end = firstAfter(ts, toTs);
  into.reserve(n + end - start);
  for (let i = start; i < end; i++) n = put(into, n, ts[i]!, v[i]!, words[2 * i + HIGH_WORD]!);
  return n;
}

function ringHistory(ring: RowRing, col: number, fromTs: number, toTs: number, into: MarkedOut, n: number): number {
  const end = ring.rowAt(toTs) + 1;
  const start = Math.max(ring.first, ring.rowAt(fromTs) + 1);
  if (end <= start) return n;
  into.reserve(n + end - start);
  for (let row = start; row < end; row++) {
    const slot = row % ring.rows;
    const cell = slot * ring.stride + col;
    n = put(into, n, ring.ts[slot]!, ring.v[cell]!, ring.words[2 * cell + HIGH_WORD]!);
  }
  return n;
}

function sideHistory(points: SideSeries, fromTs: number, toTs: number, into: MarkedOut, n: number): number {
  into.reserve(n + points.count);
  for (let point = points.first; point < points.next; point++) {
    const slot = point % points.v.length;
    const ts = points.ts[slot]!;
    if (ts > fromTs && ts <= toTs) n = put(into, n, ts, points.v[slot]!, points.words[2 * slot + HIGH_WORD]!);
  }
  return n;
}

/** Absent cells say nothing. */
function put(into: MarkedOut, n: number, ts: number, value: number, high: number): number {
  const isNumber = value === value;
  if (!isNumber && high === ABSENT_HIGH) return n;
  into.timestamps[n] = ts;
  into.values[n] = value;
  into.stale[n] = !isNumber && high === STALE_HIGH ? 1 : 0;
  return n + 1;
}

export class MarkedPoints extends Points implements MarkedOut {
  stale = new Uint8Array(256);

  override reserve(count: number): void {
    super.reserve(count);
    if (this.stale.length === this.values.length) return;
    const { stale } = this;
    this.stale = new Uint8Array(this.values.length);
    this.stale.set(stale);
  }
}

/** Merges `m` points into the first `n` of `into` by time; of two at one time the one that is no marker counts, else the first. */
export function mergeHistory(into: MarkedOut, n: number, from: MarkedOut, m: number): number {
  if (m === 0) return n;
  const [timestamps, values, stale] = [into.timestamps.slice(0, n), into.values.slice(0, n), into.stale.slice(0, n)];
  into.reserve(n + m);
  let out = 0;
  for (let i = 0, j = 0; i < n || j < m; out++) {
    const left = i < n ? timestamps[i]! : Infinity;
    const right = j < m ? from.timestamps[j]! : Infinity;
    const takeLeft = left < right || (left === right && (stale[i] === 0 || from.stale[j] === 1));
    into.timestamps[out] = Math.min(left, right);
    into.values[out] = takeLeft ? values[i]! : from.values[j]!;
    into.stale[out] = takeLeft ? stale[i]! : from.stale[j]!;
    if (left <= right) i++;
    if (right <= left) j++;
  }
  return out;
}

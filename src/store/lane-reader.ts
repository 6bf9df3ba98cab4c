import type { Lane } from './lane.ts';
import type { PointOut } from './reader-types.ts';
import type { RowRing } from './row-ring.ts';
import { ABSENT_HIGH, HIGH_WORD, STALE_HIGH } from './sample-codes.ts';
import type { SeriesId } from './series-table.ts';
import type { SideSeries } from './side-points.ts';

/** One series of a sealed block, decoded: ascending times and cells as in a ring. */
export interface DecodedColumn {
  readonly ts: Float64Array;
  readonly v: Float64Array;
  /** The same memory as `v`. */
  readonly words: Uint32Array;
}

/** A sealed block that overlaps a time; decoded when a column of it is asked for. */
export interface BlockHandle {
  readonly minTs: number;
  readonly maxTs: number;
  /** The series it has columns of. */
  ids(): Int32Array;
  column(id: SeriesId): DecodedColumn | undefined;
}

/** Where sealed blocks come from. */
export interface BlockSource {
  /** The lane's blocks with samples in (fromTs, toTs], oldest first. */
  blocks(lane: Lane, fromTs: number, toTs: number): readonly BlockHandle[];
}

/** The newest cell found; written by `newestIn`. */
export interface FoundCell {
  ts: number;
  value: number;
  stale: boolean;
}

/** Absent or stale. */
function isEmpty(v: Float64Array, words: Uint32Array, cell: number): boolean {
  if (v[cell] === v[cell]) return false;
  const high = words[2 * cell + HIGH_WORD];
  return high === ABSENT_HIGH || high === STALE_HIGH;
}

/** The first index of the first n times whose time is after `ts`. */
export function firstAfter(times: Float64Array, ts: number, n = times.length): number {
  if (n > 0 && times[n - 1]! <= ts) return n;
  let low = 0;
  let high = n;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (times[middle]! <= ts) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Appends the samples of one ring column in (fromTs, toTs] from position `n`; returns the next position. */
export function ringWindow(ring: RowRing, col: number, fromTs: number, toTs: number, into: PointOut, n: number): number {
  const end = ring.rowAt(toTs) + 1;
  const start = Math.max(ring.first, ring.rowAt(fromTs) + 1);
  if (end <= start) return n;
  into.reserve(n + end - start);
  const { timestamps, values } = into;
  const { v, ts, rows, stride } = ring;
  let slot = start % rows;
  for (let row = start; row < end; row++) {
    const cell = slot * stride + col;
    const value = v[cell]!;
    if (value === value || !ring.isEmpty(cell)) {
      timestamps[n] = ts[slot]!;
      values[n++] = value;
    }
    if (++slot === rows) slot = 0;
  }
  return n;
}

function sideWindow(points: SideSeries, fromTs: number, toTs: number, into: PointOut, n: number): number {
  into.reserve(n + points.count);
  for (let point = points.first; point < points.next; point++) {
    const slot = point % points.v.length;
    const ts = points.ts[slot]!;
    if (ts <= fromTs || ts > toTs || points.isEmpty(slot)) continue;
    into.timestamps[n] = ts;
    into.values[n++] = points.v[slot]!;
  }
  return n;
}

function columnWindow(column: DecodedColumn, fromTs: number, toTs: number, into: PointOut, n: number): number {
  const start = firstAfter(column.ts, fromTs);
  const end = firstAfter(column.ts, toTs);
  into.reserve(n + end - start);
  for (let i = start; i < end; i++) {
    if (isEmpty(column.v, column.words, i)) continue;
    into.timestamps[n] = column.ts[i]!;
    into.values[n++] = column.v[i]!;
  }
  return n;
}

/** How each form in which a lane holds a series is appended from position `n` on; each returns the next position. */
export interface LaneParts<Out> {
  column(column: DecodedColumn, fromTs: number, toTs: number, into: Out, n: number): number;
  ring(ring: RowRing, col: number, fromTs: number, toTs: number, into: Out, n: number): number;
  side(points: SideSeries, fromTs: number, toTs: number, into: Out, n: number): number;
}

/** A series in a lane; `col` is -1 for one without a column there, which has only blocks. */
export interface LanePlace {
  readonly lane: Lane;
  readonly id: SeriesId;
  readonly col: number;
}

/** The samples alone. */
export const SAMPLES: LaneParts<PointOut> = { column: columnWindow, ring: ringWindow, side: sideWindow };

/**
 * Appends what a lane holds of a series in (fromTs, toTs], oldest first: from sealed blocks up to where the raw rows
 * begin, then from those.
 */
export function laneWindow<Out>(
  parts: LaneParts<Out>,
  source: BlockSource,
  { lane, id, col }: LanePlace,
  fromTs: number,
  toTs: number,
  into: Out,
): number {
  const points = col >= 0 ? lane.side?.series[col] : undefined;
  const ring = col >= 0 ? lane.ring : null;
  const rawFrom = ring?.firstTs ?? points?.firstTs ?? Infinity;
  let n = 0;
  if (fromTs < rawFrom - 1) {
    const blocksTo = Math.min(toTs, rawFrom - 1);
    for (const block of source.blocks(lane, fromTs, blocksTo)) {
      const column = block.column(id);
      if (column !== undefined) n = parts.column(column, fromTs, blocksTo, into, n);
    }
  }
  if (toTs < rawFrom) return n;
  if (ring !== null) return parts.ring(ring, col, fromTs, toTs, into, n);
  return points === undefined ? n : parts.side(points, fromTs, toTs, into, n);
}

/**
 * The newest sample or staleness marker of a series in one lane in (ts - lookbackMs, ts], absent cells passed over.
 * False where there is none.
 */
export function newestIn(
  source: BlockSource,
  lane: Lane,
  id: SeriesId,
  col: number,
  ts: number,
  lookbackMs: number,
  found: FoundCell,
): boolean {
  const from = ts - lookbackMs;
  const points = col >= 0 ? lane.side?.series[col] : undefined;
  const ring = col >= 0 ? lane.ring : null;
  if (ring !== null && newestInRing(ring, col, from, ts, found)) return true;
  if (points !== undefined && newestInSide(points, from, ts, found)) return true;
  const rawFrom = ring?.firstTs ?? points?.firstTs ?? Infinity;
  const to = Math.min(ts, rawFrom - 1);
  if (from >= to) return false;
  const blocks = source.blocks(lane, from, to);
  for (let i = blocks.length - 1; i >= 0; i--) {
    const column = blocks[i]!.column(id);
    if (column === undefined) continue;
    for (let at = firstAfter(column.ts, to) - 1; at >= 0 && column.ts[at]! > from; at--) {
      if (column.v[at] !== column.v[at] && column.words[2 * at + HIGH_WORD] === ABSENT_HIGH) continue;
      return tell(found, column.ts[at]!, column.v[at]!, isEmpty(column.v, column.words, at));
    }
  }
  return false;
}

function newestInRing(ring: RowRing, col: number, from: number, ts: number, found: FoundCell): boolean {
  for (let row = ring.rowAt(ts); row >= ring.first; row--) {
    const slot = row % ring.rows;
    if (ring.ts[slot]! <= from) return false;
    const cell = slot * ring.stride + col;
    if (ring.v[cell] !== ring.v[cell] && ring.words[2 * cell + HIGH_WORD] === ABSENT_HIGH) continue;
    return tell(found, ring.ts[slot]!, ring.v[cell]!, ring.isEmpty(cell));
  }
  return false;
}

function newestInSide(points: SideSeries, from: number, ts: number, found: FoundCell): boolean {
  const point = points.pointAt(ts);
  if (point < points.first) return false;
  const slot = point % points.v.length;
  if (points.ts[slot]! <= from) return false;
  return tell(found, points.ts[slot]!, points.v[slot]!, points.isEmpty(slot));
}

function tell(found: FoundCell, ts: number, value: number, stale: boolean): true {
  found.ts = ts;
  found.value = value;
  found.stale = stale;
  return true;
}

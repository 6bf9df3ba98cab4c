import type { Labels } from '../core/labels.ts';
import type { Matcher } from '../core/matcher.ts';
import type { Head } from './head.ts';
import type { Lane } from './lane.ts';
import { laneWindow, newestIn, ringWindow, type BlockSource, type FoundCell } from './lane-reader.ts';
import type { InstantOut, PointOut, SeriesFilter, SeriesSelection } from './reader-types.ts';
import type { RowRing } from './row-ring.ts';
import type { ResolvedSet } from './selection-cache.ts';
import { union } from './postings.ts';
import type { SeriesId } from './series-table.ts';

/** The read side of the store. Synchronous; a selection holds until control returns to the event loop. */
export class Reader {
  readonly #head: Head;
  readonly #source: BlockSource;

  constructor(head: Head, source: BlockSource) {
    this.#head = head;
    this.#source = source;
  }

  /** The series that all matchers accept and that may have samples in [minTs, maxTs]. */
  select(matchers: readonly Matcher[], minTs: number, _maxTs: number): SeriesSelection {
    const set = this.#head.selections.get(matchers);
    this.#refreshLive(set);
    if (minTs > set.restMaxTs) return new Selected(this.#head, this.#source, set.live, set.live.length, 2 * set.version);
    return new Selected(this.#head, this.#source, set.ids.values, set.ids.length, 2 * set.version + 1);
  }

  /** Distinct label names, sorted. */
  labelNames(filter: SeriesFilter = {}): readonly string[] {
    return limited(this.#head.index.names(this.#filtered(filter)).toSorted(), filter.limit);
  }

  /** Distinct values of a label, sorted. */
  labelValues(name: string, filter: SeriesFilter = {}): readonly string[] {
    return limited(this.#head.index.values(name, this.#filtered(filter)).toSorted(), filter.limit);
  }

  /** The label sets of the series, by age. */
  series(filter: SeriesFilter = {}): readonly Labels[] {
    const ids = this.#filtered(filter) ?? this.#head.index.resolve([]);
    return Array.from(filter.limit === undefined ? ids : ids.subarray(0, filter.limit), (id) => this.#head.series.labels(id));
  }

  /** How many series the filter accepts. */
  seriesCount(filter: SeriesFilter = {}): number {
    return this.#filtered(filter)?.length ?? this.#head.series.size;
  }

  /** Undefined for all series: nothing was asked. */
  #filtered({ matcherSets, minTs, maxTs }: SeriesFilter): Int32Array | undefined {
    const sets = matcherSets ?? [];
    if (sets.length === 0 && minTs === undefined && maxTs === undefined) return undefined;
    const { index, series } = this.#head;
    const ids = union(sets.length === 0 ? [index.resolve([])] : sets.map((matchers) => index.resolve(matchers)), series.end);
    if (minTs === undefined && maxTs === undefined) return ids;
    return ids.filter((id) => this.#lastTs(id) >= (minTs ?? -Infinity) && this.#head.bornTs(id) <= (maxTs ?? Infinity));
  }

  /** The time of a series' newest sample, or a little later. */
  #lastTs(id: SeriesId): number {
    const { places } = this.#head;
    const retired = places.retiredTs(id);
    if (retired !== undefined) return retired;
    const lane = this.#head.lane(places.lane(id));
    return lane?.ring?.lastTs ?? lane?.side?.series[places.col(id)]?.lastTs ?? -Infinity;
  }

  /** Splits the set's series into those with a column in memory and the rest, when that may have changed. */
  #refreshLive(set: ResolvedSet): void {
    const { places } = this.#head;
    if (set.liveVersion === set.version && set.livePlaces === places.version) return;
    const live = new Int32Array(set.ids.length);
    let n = 0;
    set.restMaxTs = -Infinity;
    for (let i = 0; i < set.ids.length; i++) {
      const id = set.ids.values[i]!;
      const retiredTs = places.retiredTs(id);
      if (retiredTs === undefined) live[n++] = id;
      else if (retiredTs > set.restMaxTs) set.restMaxTs = retiredTs;
    }
    // A set that lost a series to the past reads differently from before.
    if (set.livePlaces !== places.version && n !== set.live.length && set.liveVersion === set.version) set.version++;
    set.live = live.slice(0, n);
    set.liveVersion = set.version;
    set.livePlaces = places.version;
  }
}

function limited(names: readonly string[], limit: number | undefined): readonly string[] {
  return limit === undefined ? names : names.slice(0, limit);
}

class Selected implements SeriesSelection {
  readonly n: number;
  readonly ids: Int32Array;
  readonly version: number;
  readonly #head: Head;
  readonly #source: BlockSource;
  readonly #found: FoundCell = { ts: 0, value: 0, stale: false };

  constructor(head: Head, source: BlockSource, ids: Int32Array, n: number, version: number) {
    this.#head = head;
    this.#source = source;
    this.ids = ids;
    this.n = n;
    this.version = version;
  }

  labels(index: number): Labels {
    return this.#head.series.labels(this.ids[index]!);
  }

  /** Neighbours in a selection mostly share a ring, so the row is found once for each run of them. */
  instant(ts: number, lookbackMs: number, out: InstantOut): void {
    const { places } = this.#head;
    const anyOthers = places.hasOthers;
    let laneId = -1;
    let ring: RowRing | null = null;
    let row = -1;
    for (let i = 0; i < this.n; i++) {
      const id = this.ids[i]!;
      const idLane = places.lane(id);
      if (idLane !== laneId) {
        laneId = idLane;
        ring = this.#head.lane(laneId)?.ring ?? null;
        row = ring === null ? -1 : ring.rowAt(ts);
      }
      const col = places.col(id);
      const readable = ring !== null && col >= 0 && row >= ring.first && ring.next > 0;
      if (!readable || (anyOthers && places.others(id) !== undefined)) this.#instantAnywhere(i, id, ts, lookbackMs, out);
      else instantCell(ring!, row, col, ts - lookbackMs, i, out);
    }
  }

  window(index: number, fromTs: number, toTs: number, into: PointOut): number {
    const { places } = this.#head;
    const id = this.ids[index]!;
    const lane = this.#head.lane(places.lane(id));
    if (lane === undefined) return 0;
    const col = places.col(id);
    const others = places.hasOthers ? places.others(id) : undefined;
    if (others === undefined && col >= 0 && lane.ring !== null && lane.ring.firstTs <= fromTs) {
      return ringWindow(lane.ring, col, fromTs, toTs, into, 0);
    }
    let n = laneWindow(this.#source, lane, id, col, fromTs, toTs, into);
    for (const other of others ?? []) {
      const found = this.#head.lane(other);
      if (found === undefined) continue;
      const points: PointOut = new Points();
      n = merge(into, n, points, laneWindow(this.#source, found, id, found.columnOf(id), fromTs, toTs, points));
    }
    return n;
  }

  /** The slow way: blocks, side points and several lanes. Of two samples at one time the one that is no marker counts. */
  #instantAnywhere(i: number, id: SeriesId, ts: number, lookbackMs: number, out: InstantOut): void {
    const { places } = this.#head;
    const found = this.#found;
    let bestTs = -Infinity;
    out.present[i] = 0;
    const look = (lane: Lane | undefined, col: number): void => {
      if (lane === undefined || !newestIn(this.#source, lane, id, col, ts, lookbackMs, found)) return;
      if (found.ts < bestTs || (found.ts === bestTs && (found.stale || out.present[i] === 1))) return;
      bestTs = found.ts;
      out.present[i] = found.stale ? 0 : 1;
      out.values[i] = found.value;
      out.timestamps[i] = found.ts;
    };
    look(this.#head.lane(places.lane(id)), places.col(id));
    for (const other of places.others(id) ?? []) {
      const lane = this.#head.lane(other);
      if (lane !== undefined) look(lane, lane.columnOf(id));
    }
  }
}

/** In a ring an absent cell means that the series had ended by then, so the newest row decides alone. */
function instantCell(ring: RowRing, row: number, col: number, afterTs: number, i: number, out: InstantOut): void {
  const slot = row % ring.rows;
  const cell = slot * ring.stride + col;
  const ts = ring.ts[slot]!;
  const value = ring.v[cell]!;
  const present = ts > afterTs && (value === value || !ring.isEmpty(cell));
  out.present[i] = present ? 1 : 0;
  out.values[i] = value;
  out.timestamps[i] = ts;
}

class Points implements PointOut {
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
function merge(into: PointOut, n: number, from: PointOut, m: number): number {
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

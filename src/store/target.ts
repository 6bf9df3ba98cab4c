import { BelfryError } from '../core/errors.ts';
import type { Labels } from '../core/labels.ts';
import type { Layout, LayoutChange, TargetWriter } from '../core/sample.ts';
import type { Head } from './head.ts';
import type { Lane } from './lane.ts';
import { NO_COLUMN } from './places.ts';
import { NO_SOURCE } from './row-ring.ts';
import type { SeriesId } from './series-table.ts';
import type { SideSeries } from './side-points.ts';

/** How far a changed layout is searched for a series of the layout before, by identity. */
const LOOK_AHEAD = 32;
/** Columns of one ring; a wider target has several. */
export const MAX_LANE_COLUMNS = 1024;

/** One target's rings, and the writer that fills them. */
export class Target implements TargetWriter {
  readonly id: string;
  readonly lanes: Lane[] = [];
  side: Lane | null = null;
  lastTs: number;
  /** Rows that its new rings have at most. */
  rawRows = Infinity;
  readonly #head: Head;
  #layout: Layout | undefined;
  #ids: Int32Array = new Int32Array(0);
  #columns = 0;
  #closed = false;

  /** Rows up to `lastTs` are in blocks already. */
  constructor(id: string, head: Head, lastTs: number) {
    this.id = id;
    this.#head = head;
    this.lastTs = lastTs;
  }

  append(ts: number, layout: Layout, values: Float64Array, absent?: Uint8Array): void {
    this.#admit(ts);
    if (ts <= this.lastTs) this.#refuseOrder(ts);
    if (layout !== this.#layout) this.#reconcile(layout, ts);
    if (values.length < this.#ids.length) throw new BelfryError('INTERNAL', 'a row has fewer values than its layout has series');
    for (const lane of this.lanes) {
      this.#head.makeRoom(lane);
      lane.ring!.append(ts, values, absent);
    }
    this.lastTs = ts;
    this.#head.samplesAppended += this.#columns;
  }

  appendAt(ts: number, series: Labels, value: number): void {
    this.#admit(ts);
    const store = this.#head.sideOf(this);
    const points = this.#pointsOf(store, this.#head.seriesId(series, ts));
    if (points.full) this.#head.seal(store);
    if (points.append(ts, value)) this.#head.samplesAppended++;
  }

  endAt(ts: number, series: Labels): void {
    this.#admit(ts);
    const { places } = this.#head;
    const id = this.#head.series.find(series);
    const lanes = [places.lane(id), ...(places.others(id) ?? [])].map((lane) => this.#head.lane(lane));
    // Also where its points are all in blocks, as after a restart.
    if (id < 0 || !lanes.some((lane) => lane?.isSide === true && lane.target === this.id)) return;
    const store = this.#head.sideOf(this);
    const points = this.#pointsOf(store, id);
    if (points.full) this.#head.seal(store);
    points.markStale(ts);
  }

  #pointsOf(store: Lane, id: SeriesId): SideSeries {
    let col = store.side!.columnOf(id);
    if (col < 0) {
      if (store.side!.series.length >= this.#head.limits.seriesPerTarget) this.#refuseCount(store.side!.series.length + 1);
      col = store.side!.add(id, this.#head.sealedEnd(store, id));
      this.#head.place(id, store, col);
    }
    return store.side!.series[col]!;
  }

  markStale(ts: number): void {
    this.#admit(ts);
    if (this.side !== null) {
      for (const points of this.side.side!.series) {
        if (points.full) this.#head.seal(this.side);
        points.markStale(ts);
      }
    }
    if (!this.lanes.some(({ ring }) => ring!.lastRowHasSamples)) return;
    if (ts <= this.lastTs) this.#refuseOrder(ts);
    for (const lane of this.lanes) {
      this.#head.makeRoom(lane);
      lane.ring!.appendNothing(ts);
    }
    this.lastTs = ts;
  }

  /** Takes all lanes from the target, which starts without any. */
  takeLanes(): readonly Lane[] {
    const lanes = this.side === null ? this.lanes.slice() : [...this.lanes, this.side];
    this.lanes.length = 0;
    this.side = null;
    this.#layout = undefined;
    return lanes;
  }

  /** Takes a lane that was read back from the file. */
  adopt(lane: Lane): void {
    if (lane.ring === null) this.side = lane;
    else {
      this.lanes.push(lane);
      this.lastTs = Math.max(this.lastTs, lane.ring.lastTs);
    }
  }

  /** The time of the newest sample; -Infinity where there is none. */
  get newestTs(): number {
    let newest = this.lastTs;
    for (const points of this.side?.side?.series ?? []) newest = Math.max(newest, points.lastTs);
    return newest;
  }

  /** Nothing can be written through this writer any more. */
  close(): void {
    this.#closed = true;
  }

  #admit(ts: number): void {
    if (this.#closed) throw new BelfryError('NOT_FOUND', `target ${this.id} has been removed`);
    if (!Number.isSafeInteger(ts)) throw new BelfryError('BAD_REQUEST', `timestamp ${ts} is no whole number of milliseconds`);
  }

  /** Points the columns at the new layout's values; series it has and the rings have not get columns. All or nothing. */
  #reconcile(layout: Layout, ts: number): void {
    const change = layout.change?.before === this.#layout ? layout.change : undefined;
    const series = change === undefined ? layout.series : undefined;
    const count = change?.columns.length ?? series?.length ?? 0;
    if (count > this.#head.limits.seriesPerTarget) this.#refuseCount(count);
    const labelsOf = (column: number): Labels => series?.[column] ?? change!.series(column);
    const ids = change === undefined ? this.#resolve(series!) : this.#resolveChange(change);
    let unknown = 0;
    for (const id of ids) if (id < 0) unknown++;
    if (unknown > 0) {
      this.#head.reserveSeries(unknown);
      for (let i = 0; i < ids.length; i++) if (ids[i]! < 0) ids[i] = this.#head.seriesId(labelsOf(i), ts);
    }
    for (const { ring } of this.lanes) ring!.source.fill(NO_SOURCE);
    const homeless: number[] = [];
    this.#columns = 0;
    for (let i = 0; i < ids.length; i++) if (!this.#feed(ids[i]!, i)) homeless.push(i);
    if (homeless.length > 0) this.#settle(homeless, ids);
    this.#layout = layout;
    this.#ids = ids;
  }

  /** Points the series' column at the i-th value; false where this target has no column for it. */
  #feed(id: SeriesId, i: number): boolean {
    const lane = this.#laneWith(id);
    if (lane === undefined) return false;
    const ring = lane.ring!;
    const col = this.#head.places.lane(id) === lane.id ? this.#head.places.col(id) : ring.ids.subarray(0, ring.cols).indexOf(id);
    if (col === NO_COLUMN) return false;
    if (ring.source[col] !== NO_SOURCE) this.#head.duplicateSeries++;
    else {
      ring.source[col] = i;
      this.#columns++;
    }
    return true;
  }

  #laneWith(id: SeriesId): Lane | undefined {
    const lane = this.#head.lane(this.#head.places.lane(id));
    if (lane?.target === this.id && lane.ring !== null) return lane;
    for (const other of this.#head.places.others(id) ?? []) {
      const found = this.#head.lane(other);
      if (found?.target === this.id && found.ring !== null) return found;
    }
    return undefined;
  }

  /** Gives columns to series that have none here: first in rings with room, then in new ones. */
  #settle(homeless: readonly number[], ids: Int32Array): void {
    let at = 0;
    for (const lane of this.lanes) {
      for (let room = MAX_LANE_COLUMNS - lane.ring!.cols; room > 0 && at < homeless.length; room--)
        at = this.#home(homeless, at, ids, lane);
    }
    const left = homeless.length - at;
    const width = Math.ceil(left / Math.max(1, Math.ceil(left / MAX_LANE_COLUMNS)));
    while (at < homeless.length) {
      const lane = this.#head.newRowLane(this, width, ids.length);
      for (let room = width; room > 0 && at < homeless.length; room--) at = this.#home(homeless, at, ids, lane);
    }
  }

  #home(homeless: readonly number[], at: number, ids: Int32Array, lane: Lane): number {
    const i = homeless[at]!;
    // A series twice in one layout: the first sample counts.
    if (this.#feed(ids[i]!, i)) return at + 1;
    const col = lane.ring!.addColumn(ids[i]!, i);
    lane.keyframeDue = true;
    this.#head.place(ids[i]!, lane, col);
    this.#columns++;
    return at + 1;
  }

  /** The ids of a layout's series, -1 for new ones. Most series of a changed layout are the same objects as before. */
  #resolve(series: readonly Labels[]): Int32Array {
    const before = this.#layout === undefined || this.#layout.madeWhenRead === true ? [] : this.#layout.series;
    const ids = new Int32Array(series.length);
    let at = 0;
    for (let i = 0; i < ids.length; i++) {
      const labels = series[i]!;
      let same = at;
      const end = Math.min(before.length, at + LOOK_AHEAD);
      while (same < end && before[same] !== labels) same++;
      if (same < end) {
        ids[i] = this.#ids[same]!;
        at = same + 1;
      } else ids[i] = this.#head.series.find(labels);
    }
    return ids;
  }

  /** As `#resolve`, of a layout that says what it has of the one before. */
  #resolveChange(change: LayoutChange): Int32Array {
    const { columns } = change;
    const ids = new Int32Array(columns.length);
    for (let i = 0; i < ids.length; i++) ids[i] = columns[i]! >= 0 ? this.#ids[columns[i]!]! : this.#head.series.find(change.series(i));
    return ids;
  }

  #refuseOrder(ts: number): never {
    this.#head.outOfOrder++;
    throw new BelfryError('STORE_OUT_OF_ORDER', `target ${this.id}: row at ${ts} is not after the one at ${this.lastTs}`);
  }

  #refuseCount(count: number): never {
    const limit = this.#head.limits.seriesPerTarget;
    throw new BelfryError('STORE_LIMIT', `target ${this.id} has ${count} series, more than the limit of ${limit}`);
  }
}

import { BelfryError } from '../core/errors.ts';
import type { Labels } from '../core/labels.ts';
import type { SampleWriter, TargetHint, TargetWriter } from '../core/sample.ts';
import { Archives } from './archives.ts';
import { InvertedIndex } from './inverted-index.ts';
import { Lane, SideStore } from './lane.ts';
import { Places } from './places.ts';
import { RowRing } from './row-ring.ts';
import { SelectionCache } from './selection-cache.ts';
import { SeriesTable, type SeriesId } from './series-table.ts';
import { NO_POINTS, type PointsEnd } from './side-points.ts';
import { MAX_LANE_COLUMNS, Target } from './target.ts';
import { WindowTables } from './window-tables.ts';

export interface StoreLimits {
  /** Series of one target. */
  readonly seriesPerTarget: number;
  /** Series within the retention, over all targets. */
  readonly series: number;
  /** Rows kept raw, and sealed together. */
  readonly rows: number;
  /** Bytes of one target's raw rows: a wide target keeps fewer rows. */
  readonly ringBytesPerTarget: number;
  /** Bytes of sealed blocks held in memory. */
  readonly sealedBytes: number;
  /** Bytes of blocks read back from the file and decoded. */
  readonly cacheBytes: number;
}

const MIN_ROWS = 16;

/** What the head asks of the part that keeps blocks. */
export interface Sealer {
  /** Encodes the rows that no block has yet; afterwards the ring may overwrite them. */
  seal(lane: Lane): void;
  nextLaneId(): number;
  /** The series' newest sample in the lane's blocks, as far as one is found near its end. */
  sealedEnd(lane: Lane, id: SeriesId): PointsEnd;
}

/**
 * The samples in memory: every series, its place, and the rings. Synchronous, no I/O of its own. The numbers it
 * counts are read by the metrics.
 */
export class Head implements SampleWriter {
  readonly series = new SeriesTable();
  readonly index = new InvertedIndex(this.series);
  readonly selections = new SelectionCache(this.index, this.series);
  readonly places = new Places();
  readonly archives = new Archives();
  readonly windows = new WindowTables();
  readonly targets = new Map<string, Target>();
  readonly limits: StoreLimits;
  /** By lane id; holes are lanes that have gone. */
  readonly lanes: (Lane | undefined)[] = [];
  /** Born since the last flush; the flush empties them. */
  newSeries: SeriesId[] = [];
  /** Series, lane, series, lane … */
  newPlaces: number[] = [];
  /** Begun, or taken up again. */
  newLanes: Lane[] = [];
  newlyRetired: { id: SeriesId; lastTs: number }[] = [];
  /** Series that are in the file and were born earlier than it says. */
  bornEarlier: SeriesId[] = [];
  samplesAppended = 0;
  outOfOrder = 0;
  duplicateSeries = 0;
  readonly #sealer: Sealer;
  readonly #bornTs: number[] = [];
  /** Lanes without raw rows, by target: should it write again, it goes on with them. */
  readonly #resting = new Map<string, Lane[]>();

  constructor(limits: StoreLimits, sealer: Sealer) {
    this.limits = limits;
    this.#sealer = sealer;
  }

  target(id: string, hint: TargetHint = {}): TargetWriter {
    const target = this.openTarget(id);
    target.rawRows = hint.rawRows ?? target.rawRows;
    return target;
  }

  openTarget(id: string): Target {
    let target = this.targets.get(id);
    if (target === undefined) {
      const resting = (this.#resting.get(id) ?? []).filter(({ isSide }) => !isSide);
      target = new Target(id, this, Math.max(-Infinity, ...resting.map(({ sealedMaxTs }) => sealedMaxTs)));
      this.targets.set(id, target);
    }
    return target;
  }

  removeTarget(id: string): void {
    const target = this.targets.get(id);
    if (target === undefined) return;
    this.targets.delete(id);
    this.parkTarget(target);
    target.close();
  }

  /** Gives back the memory of a target's rings; should it write again, it gets new ones. */
  parkTarget(target: Target): void {
    for (const lane of target.takeLanes()) this.#park(lane);
  }

  /** Parks the targets that have written nothing since then. */
  parkIdle(since: number): void {
    for (const target of this.targets.values()) if (target.newestTs < since) this.parkTarget(target);
  }

  /** Forgets series for good. Returns the symbols that nothing uses any more. */
  expire(ids: readonly SeriesId[]): readonly number[] {
    const gone = new Uint8Array(this.series.end);
    for (const id of ids) {
      gone[id] = 1;
      this.places.remove(id);
      this.archives.remove(id);
    }
    this.selections.expired(ids, gone);
    this.index.remove(ids, gone);
    return this.series.remove(ids);
  }

  lane(id: number): Lane | undefined {
    return id < 0 ? undefined : this.lanes[id];
  }

  /** The id of a series, which is born with its first sample at `ts` if it is new. Throws `STORE_LIMIT`. */
  seriesId(labels: Labels, ts: number): SeriesId {
    const known = this.series.find(labels);
    if (known >= 0) return known;
    this.reserveSeries(1);
    const id = this.series.add(labels);
    this.admit(id, ts);
    this.newSeries.push(id);
    return id;
  }

  /** Puts a series that the table has into the index. */
  admit(id: SeriesId, bornTs: number): void {
    this.index.add(id);
    this.#bornTs[id] = bornTs;
    this.selections.born(id);
  }

  bornTs(id: SeriesId): number {
    return this.#bornTs[id] ?? -Infinity;
  }

  /** A sample of the series from before its birth was brought in. */
  bornBefore(id: SeriesId, ts: number): void {
    if (ts >= this.bornTs(id)) return;
    this.#bornTs[id] = ts;
    this.bornEarlier.push(id);
  }

  /** Throws `STORE_LIMIT` where there is no room for that many more series. */
  reserveSeries(count: number): void {
    if (this.series.size + count <= this.limits.series) return;
    throw new BelfryError('STORE_LIMIT', `${count} more series would exceed the limit of ${this.limits.series} series`);
  }

  /** Gives a series its place in a lane of a target that writes it. */
  place(id: SeriesId, lane: Lane, col: number): void {
    const known = this.places.has(id, lane.id);
    const current = this.lane(this.places.lane(id));
    // The lane that is read fastest stays with the target that was first, as long as that one still writes.
    if (current !== undefined && current !== lane && this.places.col(id) >= 0) this.places.addOther(id, lane.id);
    else this.places.set(id, lane.id, col);
    if (!known) this.newPlaces.push(id, lane.id);
  }

  /** Seals before a ring would overwrite a row that no block has, or when the lane's turn has come. */
  makeRoom(lane: Lane): void {
    if (isDue(lane)) this.seal(lane);
  }

  /** A lane of at least so many cells that is sealed before its next row. */
  dueLane(cellsLeast: number): Lane | undefined {
    return this.lanes.find((lane) => lane !== undefined && isDue(lane) && lane.ring!.cols * lane.ring!.rows >= cellsLeast);
  }

  seal(lane: Lane): void {
    this.#sealer.seal(lane);
    if (lane.ring !== null) {
      lane.sealAt = lane.ring.next + lane.ring.rows;
      this.#dropDeadColumns(lane, lane.ring);
    }
  }

  /** A new ring of a target. */
  newRowLane(target: Target, width: number, columnsOfTarget: number): Lane {
    const affordable = Math.floor(this.limits.ringBytesPerTarget / 8 / Math.max(1, columnsOfTarget));
    const rows = Math.max(Math.min(MIN_ROWS, this.limits.rows), Math.min(this.limits.rows, target.rawRows, affordable));
    const lane = this.#takeLane(target.id, false);
    lane.ring = new RowRing(rows, Math.min(width, MAX_LANE_COLUMNS), lane.sealedMaxTs);
    lane.rows = rows;
    this.spreadSeal(lane, lane.ring);
    target.lanes.push(lane);
    return lane;
  }

  /** Keeps a lane without raw rows for the day when its target writes again. */
  rest(lane: Lane): void {
    const resting = this.#resting.get(lane.target);
    if (resting === undefined) this.#resting.set(lane.target, [lane]);
    else resting.push(lane);
  }

  /** Forgets a lane that has nothing left. */
  dropLane(id: number): void {
    const target = this.lanes[id]?.target ?? '';
    const left = this.#resting.get(target)?.filter((lane) => lane.id !== id) ?? [];
    if (left.length === 0) this.#resting.delete(target);
    else this.#resting.set(target, left);
    this.lanes[id] = undefined;
    this.newLanes = this.newLanes.filter((lane) => lane.id !== id);
    this.places.removeLane(id);
    this.archives.removeLane(id);
  }

  sealedEnd(lane: Lane, id: SeriesId): PointsEnd {
    return this.places.has(id, lane.id) ? this.#sealer.sealedEnd(lane, id) : NO_POINTS;
  }

  /** Seals without giving columns back, while the log is played: it names columns by their place. */
  sealRaw(lane: Lane): void {
    this.#sealer.seal(lane);
  }

  /** Sets when the lane is sealed next, by a share of what it has room for that depends on its number. */
  spreadSeal(lane: Lane, ring: RowRing): void {
    const room = ring.rows - (ring.next - ring.unsealed);
    lane.sealAt = ring.next + Math.ceil(room / 2) + ((lane.id * 37) % Math.max(1, Math.floor(room / 2)));
  }

  sideOf(target: Target): Lane {
    if (target.side !== null) return target.side;
    const lane = this.#takeLane(target.id, true);
    lane.side = new SideStore();
    target.side = lane;
    return lane;
  }

  /** A resting lane of the target, or a new one. */
  #takeLane(target: string, isSide: boolean): Lane {
    const resting = this.#resting.get(target) ?? [];
    const at = resting.findIndex((lane) => lane.isSide === isSide);
    const lane = resting[at] ?? new Lane(this.#sealer.nextLaneId(), target, isSide);
    if (at >= 0) resting.splice(at, 1);
    this.lanes[lane.id] = lane;
    this.newLanes.push(lane);
    return lane;
  }

  /** Seals what a lane still has raw and gives its memory back; its history stays. */
  #park(lane: Lane): void {
    const lastTs = lane.ring === null ? Math.max(...lane.side!.series.map((points) => points.lastTs), -Infinity) : lane.ring.lastTs;
    this.#sealer.seal(lane);
    const ids = lane.ring === null ? lane.side!.series.map(({ id }) => id) : lane.ring.ids.subarray(0, lane.ring.cols);
    lane.ring = null;
    lane.side = null;
    this.rest(lane);
    for (const id of ids) this.#unplace(id, lane, lastTs);
  }

  /** The series has no column in that lane any more; another lane where it has one becomes its place. */
  #unplace(id: SeriesId, lane: Lane, lastTs: number): void {
    if (this.places.lane(id) !== lane.id) return;
    this.places.retire(id, lane.id, lastTs);
    this.newlyRetired.push({ id, lastTs });
    for (const other of this.places.others(id) ?? []) {
      const found = this.lane(other);
      const col = found?.columnOf(id) ?? -1;
      if (col < 0) continue;
      this.places.set(id, other, col);
      return;
    }
  }

  /** Columns of series that have been gone for a whole ring are given back once they are a quarter of it. */
  #dropDeadColumns(lane: Lane, ring: RowRing): void {
    const dead: number[] = [];
    const kept: number[] = [];
    for (let col = 0; col < ring.cols; col++) (ring.source[col]! < 0 && ring.isDead(col) ? dead : kept).push(col);
    if (dead.length === 0 || dead.length * 4 < ring.cols) return;
    const gone = dead.map((col) => ring.ids[col]!);
    const oldestTs = ring.firstTs;
    ring.keepColumns(kept);
    lane.keyframeDue = true;
    for (let col = 0; col < ring.cols; col++) {
      if (this.places.lane(ring.ids[col]!) === lane.id) this.places.set(ring.ids[col]!, lane.id, col);
    }
    for (const id of gone) this.#unplace(id, lane, oldestTs);
  }
}

function isDue({ ring, sealAt }: Lane): boolean {
  return ring !== null && (ring.next - ring.unsealed >= ring.rows || ring.next >= sealAt);
}

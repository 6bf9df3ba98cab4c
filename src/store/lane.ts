import type { SealedBlock } from './sealed-block.ts';
import type { RowRing } from './row-ring.ts';
import type { SeriesId } from './series-table.ts';
import { type PointsEnd, SideSeries } from './side-points.ts';

/**
 * A run of one target's samples: up to 1,024 columns that share their timestamps (`ring`), or series with timestamps
 * of their own (`side`). Its number stays the same across restarts, and its sealed blocks carry it.
 */
export class Lane {
  readonly id: number;
  readonly target: string;
  /** It is for series with timestamps of their own. */
  readonly isSide: boolean;
  /** Rows of its ring, whether it has one now or not; 0 for a side lane. */
  rows = 0;
  ring: RowRing | null = null;
  side: SideStore | null = null;
  /** The newest sealed blocks, oldest first, in memory. */
  sealed: SealedBlock[] = [];
  /** The times of the oldest and the newest sample in blocks that are only in the file, and the newest of those blocks. */
  storedMinTs = Infinity;
  storedMaxTs = -Infinity;
  storedMaxId = -1;
  /** The ring's row number at which the next block is sealed. */
  sealAt = 0;
  /** Log rows that hold rows of this lane which no stored block has. */
  logRows: number[] = [];
  /** The next log record must stand by itself; otherwise records since this row build on each other. */
  keyframeDue = true;
  chainStart = 0;

  constructor(id: number, target: string, isSide: boolean) {
    this.id = id;
    this.target = target;
    this.isSide = isSide;
  }

  /** The time of the newest sample in a block; -Infinity where there is none. */
  get sealedMaxTs(): number {
    return Math.max(this.storedMaxTs, this.sealed.at(-1)?.maxTs ?? -Infinity);
  }

  /** The column of a series here, -1 where it has none. */
  columnOf(id: SeriesId): number {
    if (this.ring !== null) return this.ring.ids.subarray(0, this.ring.cols).indexOf(id);
    return this.side === null ? -1 : this.side.columnOf(id);
  }

  /** True when nothing of it is left anywhere. */
  get isEmpty(): boolean {
    return this.ring === null && this.side === null && this.sealed.length === 0 && this.storedMaxTs === -Infinity;
  }
}

/** The series of a target whose samples carry their own timestamps. */
export class SideStore {
  readonly series: SideSeries[] = [];
  /** Those with points that the log has not. */
  readonly unlogged: SideSeries[] = [];
  readonly #byId = new Map<SeriesId, number>();

  /** The column of a series, -1 where it has none. */
  columnOf(id: SeriesId): number {
    return this.#byId.get(id) ?? -1;
  }

  /** Samples of the series up to `floor` are in blocks. */
  add(id: SeriesId, floor: PointsEnd): number {
    const col = this.series.push(new SideSeries(id, floor, this.unlogged)) - 1;
    this.#byId.set(id, col);
    return col;
  }

  /** The log has all points. */
  logged(): void {
    for (const points of this.unlogged) points.unlogged = points.next;
    this.unlogged.length = 0;
  }

  /** A block has all points. */
  sealed(): void {
    this.logged();
    for (const points of this.series) points.unsealed = points.next;
  }

  /** What no block has is logged once more. */
  logAgain(): void {
    this.unlogged.length = 0;
    for (const points of this.series) {
      points.unlogged = points.unsealed;
      if (points.unlogged < points.next) this.unlogged.push(points);
    }
  }

  get unloggedPoints(): number {
    let count = 0;
    for (const { next, unlogged } of this.unlogged) count += next - unlogged;
    return count;
  }

  get unsealedPoints(): number {
    let points = 0;
    for (const series of this.series) points += series.next - series.unsealed;
    return points;
  }

  get bytes(): number {
    let bytes = 0;
    for (const series of this.series) bytes += 16 * series.v.length;
    return bytes;
  }
}

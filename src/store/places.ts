import { Int32List } from './int-list.ts';
import type { SeriesId } from './series-table.ts';

const NO_LANE = -1;
/** The column of a series that has history in its lane but no column in the ring any more. */
export const NO_COLUMN = -1;

/**
 * Where the samples of each series are: its lane (a run of rows with its sealed blocks) and its column there. Nearly
 * every series has one lane for life; one that two targets write, or that came back after its target had gone, has
 * others besides.
 */
export class Places {
  readonly #lanes = new Int32List(1024);
  readonly #cols = new Int32List(1024);
  readonly #others = new Map<SeriesId, number[]>();
  /** The newest sample of series without a column, in ms. */
  readonly #retired = new Map<SeriesId, number>();
  /** Moves when a series loses its column or gets one again. */
  version = 0;
  /** Moves when a series that has had a place has another one, or samples in one lane more or less. */
  moves = 0;

  /** The lane of a series, -1 where it has none (yet). */
  lane(id: SeriesId): number {
    return id < this.#lanes.length ? this.#lanes.values[id]! : NO_LANE;
  }

  col(id: SeriesId): number {
    return id < this.#cols.length ? this.#cols.values[id]! : NO_COLUMN;
  }

  others(id: SeriesId): readonly number[] | undefined {
    return this.#others.get(id);
  }

  get hasOthers(): boolean {
    return this.#others.size > 0;
  }

  /** The place where the series is written now; another lane that it had before is kept as one of the others. */
  set(id: SeriesId, lane: number, col: number): void {
    const before = this.lane(id);
    if (before !== NO_LANE && (before !== lane || this.col(id) !== col)) this.moves++;
    this.#lanes.put(id, lane, NO_LANE);
    if (before !== NO_LANE && before !== lane) this.addOther(id, before);
    this.#cols.put(id, col, NO_COLUMN);
    const others = this.#others.get(id);
    if (others?.includes(lane) === true)
      this.#setOthers(
        id,
        others.filter((other) => other !== lane),
      );
    if (col !== NO_COLUMN && this.#retired.delete(id)) this.version++;
  }

  /** A lane that holds samples of the series besides its place. True when it is new. */
  addOther(id: SeriesId, lane: number): boolean {
    const others = this.#others.get(id) ?? [];
    if (this.lane(id) === lane || others.includes(lane)) return false;
    this.#setOthers(id, [...others, lane]);
    return true;
  }

  has(id: SeriesId, lane: number): boolean {
    return this.lane(id) === lane || this.#others.get(id)?.includes(lane) === true;
  }

  /** The series lost its column in that lane; `lastTs` bounds its newest sample there. */
  retire(id: SeriesId, lane: number, lastTs: number): void {
    if (this.lane(id) !== lane) return;
    this.#cols.put(id, NO_COLUMN, NO_COLUMN);
    this.#retired.set(id, lastTs);
    this.version++;
    this.moves++;
  }

  /** The newest sample of a series without a column; undefined where it has one. */
  retiredTs(id: SeriesId): number | undefined {
    return this.#retired.get(id);
  }

  get retired(): ReadonlyMap<SeriesId, number> {
    return this.#retired;
  }

  /** Forgets an expired series. */
  remove(id: SeriesId): void {
    this.moves++;
    this.#lanes.put(id, NO_LANE, NO_LANE);
    this.#cols.put(id, NO_COLUMN, NO_COLUMN);
    this.#others.delete(id);
    this.#retired.delete(id);
  }

  /** Forgets a lane that has neither rows nor blocks any more. */
  removeLane(lane: number): void {
    for (const [id, others] of this.#others) {
      if (others.includes(lane))
        this.#setOthers(
          id,
          others.filter((other) => other !== lane),
        );
    }
  }

  #setOthers(id: SeriesId, lanes: number[]): void {
    this.moves++;
    if (lanes.length === 0) this.#others.delete(id);
    else this.#others.set(id, lanes);
  }
}

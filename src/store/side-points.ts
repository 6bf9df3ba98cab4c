import { BelfryError } from '../core/errors.ts';
import { ABSENT_HIGH, HIGH_WORD, NAN_HIGH, STALE_HIGH } from './sample-codes.ts';
import type { SeriesId } from './series-table.ts';

/** Points of one series kept raw; with as many unsealed the store is sealed. */
export const SIDE_POINTS = 120;
const FIRST_CAPACITY = 8;

/** The newest point that a series has elsewhere: its cell as in a ring, in two words. */
export interface PointsEnd {
  readonly ts: number;
  readonly words: Uint32Array;
}

/** Of a series that has none. */
export const NO_POINTS: PointsEnd = { ts: -Infinity, words: Uint32Array.of(0, ABSENT_HIGH) };

/** The newest points of a series whose samples carry their own timestamps. Point p lies in slot p % capacity. */
export class SideSeries {
  readonly id: SeriesId;
  readonly #floor: PointsEnd;
  readonly #changed: SideSeries[];
  next = 0;
  unsealed = 0;
  unlogged = 0;
  ts = new Float64Array(FIRST_CAPACITY);
  v = new Float64Array(FIRST_CAPACITY);
  words = new Uint32Array(this.v.buffer);

  /** Samples of the series up to `floor` are elsewhere. Goes into `changed` with the first point that the log has not. */
  constructor(id: SeriesId, floor: PointsEnd, changed: SideSeries[] = []) {
    this.id = id;
    this.#floor = floor;
    this.#changed = changed;
  }

  get count(): number {
    return Math.min(this.next, this.v.length);
  }

  get first(): number {
    return this.next - this.count;
  }

  get lastTs(): number {
    return this.next === 0 ? this.#floor.ts : this.ts[(this.next - 1) % this.v.length]!;
  }

  get firstTs(): number {
    return this.next === 0 ? Infinity : this.ts[this.first % this.v.length]!;
  }

  get full(): boolean {
    return this.next - this.unsealed >= SIDE_POINTS;
  }

  /** Appends a sample; one that is here already is ignored. True where it was taken. Throws `STORE_OUT_OF_ORDER`, `STORE_DUPLICATE`. */
  append(ts: number, value: number): boolean {
    if (ts <= this.lastTs) {
      if (this.#has(ts, value)) return false;
      if (ts === this.lastTs) {
        throw new BelfryError('STORE_DUPLICATE', `another value at ${ts}, the time of the newest sample`);
      }
      throw new BelfryError('STORE_OUT_OF_ORDER', `sample at ${ts} is not after the newest one at ${this.lastTs}`);
    }
    const slot = this.#newSlot();
    if (value === value) this.v[slot] = value;
    else this.#mark(slot, NAN_HIGH);
    this.ts[slot] = ts;
    this.next++;
    return true;
  }

  /** Ends the series at `ts`, unless it has ended already or has a newer sample. */
  markStale(ts: number): boolean {
    if (ts <= this.lastTs || (this.next === 0 ? isEmptyCell(this.#floor.words, 0) : this.#isStale(this.next - 1))) return false;
    const slot = this.#newSlot();
    this.#mark(slot, STALE_HIGH);
    this.ts[slot] = ts;
    this.next++;
    return true;
  }

  /** Takes a point as it was logged: its cell is this ring's code in two words. An older one is known already. */
  restore(ts: number, words: Uint32Array): void {
    if (ts <= this.lastTs) return;
    const slot = this.#slot();
    this.words[2 * slot] = words[0]!;
    this.words[2 * slot + 1] = words[1]!;
    this.ts[slot] = ts;
    this.unlogged = ++this.next;
  }

  /** The newest point at or before `ts`, or one less than the oldest here. */
  pointAt(ts: number): number {
    let point = this.next - 1;
    while (point >= this.first && this.ts[point % this.v.length]! > ts) point--;
    return point;
  }

  /** Stale, or absent (which a point never is). */
  isEmpty(slot: number): boolean {
    return this.v[slot] !== this.v[slot] && isEmptyCell(this.words, slot);
  }

  /** Whoever was not answered sends a sample again, and all that it has sent after it. */
  #has(ts: number, value: number): boolean {
    const point = this.pointAt(ts);
    if (point < this.first) {
      const { ts: floorTs, words } = this.#floor;
      return this.next === 0 && ts === floorTs && !isEmptyCell(words, 0) && Object.is(new Float64Array(words.buffer)[0], value);
    }
    const slot = point % this.v.length;
    return this.ts[slot] === ts && !this.isEmpty(slot) && Object.is(this.v[slot], value);
  }

  #isStale(point: number): boolean {
    return this.isEmpty(point % this.v.length);
  }

  #mark(slot: number, high: number): void {
    this.words[2 * slot] = 0;
    this.words[2 * slot + HIGH_WORD] = high;
  }

  #newSlot(): number {
    if (this.unlogged === this.next) this.#changed.push(this);
    return this.#slot();
  }

  /** The slot of the next point; while it is short the ring grows instead of losing a point. */
  #slot(): number {
    if (this.next >= this.v.length && this.v.length < SIDE_POINTS) this.#grow();
    return this.next % this.v.length;
  }

  #grow(): void {
    const capacity = Math.min(SIDE_POINTS, this.v.length * 2);
    const ts = new Float64Array(capacity);
    const words = new Uint32Array(2 * capacity);
    for (let point = this.first; point < this.next; point++) {
      const from = point % this.v.length;
      const to = point % capacity;
      ts[to] = this.ts[from]!;
      words[2 * to] = this.words[2 * from]!;
      words[2 * to + 1] = this.words[2 * from + 1]!;
    }
    this.ts = ts;
    this.words = words;
    this.v = new Float64Array(words.buffer);
  }
}

function isEmptyCell(words: Uint32Array, cell: number): boolean {
  const high = words[2 * cell + HIGH_WORD];
  return high === STALE_HIGH || high === ABSENT_HIGH;
}

import { yieldToLoop } from '../core/clock.ts';
import { BelfryError } from '../core/errors.ts';
import type { Labels } from '../core/labels.ts';
import { archiveTarget } from './archives.ts';
import { BlockEncoder } from './block-codec.ts';
import type { BlockStore } from './block-store.ts';
import type { Head } from './head.ts';
import { Lane } from './lane.ts';
import { Points } from './points.ts';
import type { PointOut, SeriesFilter } from './reader-types.ts';
import type { Reader } from './reader.ts';
import { HIGH_WORD, NAN_HIGH } from './sample-codes.ts';
import { Selected } from './selected.ts';
import type { SeriesId } from './series-table.ts';
import { NO_POINTS, SideSeries } from './side-points.ts';

/** So many samples stand in one block: it is decoded whole series by whole series, and encoded in some milliseconds. */
const SAMPLES_A_BLOCK = 20_000;
/** A sample may be so far ahead of now. */
const AHEAD_MAX_MS = 60_000;
const SERIES_A_TURN = 200;

/** Samples of one series, in any order. */
export interface BroughtSeries {
  readonly labels: Labels;
  readonly ts: readonly number[];
  readonly values: readonly number[];
}

/** What became of samples that were brought in. */
export interface BroughtCounts {
  stored: number;
  /** The store has them already. */
  known: number;
  /** It has another value at that time, which stays. */
  conflicting: number;
  /** Before the retention, and after now. */
  tooOld: number;
  tooNew: number;
  /** Of series that there is no room for. */
  overLimit: number;
}

interface Admitted {
  readonly labels: Labels;
  id: SeriesId;
  readonly ts: Float64Array;
  readonly values: Float64Array;
}

export interface BackfillParts {
  readonly head: Head;
  readonly blocks: BlockStore;
  readonly reader: Reader;
  /** False where what is written is gone with the process. */
  readonly isDurable: boolean;
  /** Writes names, and a piece of the blocks that wait for it, to the file; false where that failed. */
  readonly flush: () => boolean;
  readonly cutoff: () => number;
  readonly now: () => number;
}

/** History that is brought in whole, at whatever time it was, and that is read out whole. */
export class Backfill {
  readonly #parts: BackfillParts;
  readonly #encoder = new BlockEncoder();

  constructor(parts: BackfillParts) {
    this.#parts = parts;
  }

  /**
   * Keeps samples in blocks of their own, in the file when this resolves. What is there already is not kept twice, so that
   * a transfer that was cut off can be begun again. Rejects with `STATE_NOT_DURABLE` where the file cannot be written.
   */
  async store(brought: readonly BroughtSeries[]): Promise<BroughtCounts> {
    if (!this.#parts.isDurable) throw notWritten();
    const counts: BroughtCounts = { stored: 0, known: 0, conflicting: 0, tooOld: 0, tooNew: 0, overLimit: 0 };
    const admitted: Admitted[] = [];
    for (const [i, series] of brought.entries()) {
      if (i % SERIES_A_TURN === SERIES_A_TURN - 1) await yieldToLoop();
      const one = this.#admit(series, counts);
      if (one !== undefined) admitted.push(one);
    }
    while (admitted.length > 0 && !(await this.#seal(admitted)));
    // Also what is there already may be in memory only, where the file could not be written before.
    await this.#write();
    return counts;
  }

  async #write(): Promise<void> {
    while (this.#parts.blocks.pending.length > 0) {
      if (!this.#parts.flush()) throw notWritten();
      await yieldToLoop();
    }
  }

  /** The series that a filter accepts, by number. */
  series(filter: SeriesFilter): readonly { readonly id: SeriesId; readonly labels: Labels }[] {
    const { head, reader } = this.#parts;
    return reader.series(filter).flatMap((labels) => {
      const id = head.series.find(labels);
      return id < 0 ? [] : [{ id, labels }];
    });
  }

  /** The samples of one series in (fromTs, toTs], oldest first, staleness markers left out. Returns how many. */
  read(id: SeriesId, fromTs: number, toTs: number, into: PointOut): number {
    const { head, blocks } = this.#parts;
    return head.series.exists(id) ? new Selected(head, blocks, Int32Array.of(id), 0).window(0, fromTs, toTs, into) : 0;
  }

  /** What of a series is to be kept: in order, each time once, within the retention, and not there yet. */
  #admit({ labels, ts, values }: BroughtSeries, counts: BroughtCounts): Admitted | undefined {
    const { head } = this.#parts;
    const [oldest, newest] = [this.#parts.cutoff(), this.#parts.now() + AHEAD_MAX_MS];
    const order = Array.from(ts.keys()).filter((i) => {
      if (ts[i]! < oldest) counts.tooOld++;
      else if (ts[i]! > newest) counts.tooNew++;
      else return true;
      return false;
    });
    order.sort((a, b) => ts[a]! - ts[b]!);
    const [first, last] = [order[0], order.at(-1)];
    if (first === undefined || last === undefined) return undefined;
    const known = this.#known(head.series.find(labels), ts[first]! - 1, ts[last]!);
    const kept: number[] = [];
    for (const i of order) {
      const before = kept.at(-1);
      const value = before !== undefined && ts[before] === ts[i] ? values[before] : known.get(ts[i]!);
      if (value === undefined) kept.push(i);
      else if (Object.is(value, values[i])) counts.known++;
      else counts.conflicting++;
    }
    const [born] = kept;
    if (born === undefined) return undefined;
    try {
      const id = head.seriesId(labels, ts[born]!);
      head.bornBefore(id, ts[born]!);
      counts.stored += kept.length;
      return { labels, id, ts: Float64Array.from(kept, (i) => ts[i]!), values: Float64Array.from(kept, (i) => values[i]!) };
    } catch (error) {
      if (!(error instanceof BelfryError) || error.code !== 'STORE_LIMIT') throw error;
      counts.overLimit += kept.length;
      return undefined;
    }
  }

  #known(id: SeriesId, fromTs: number, toTs: number): ReadonlyMap<number, number> {
    const known = new Map<number, number>();
    if (id < 0) return known;
    const points = new Points();
    const n = this.read(id, fromTs, toTs, points);
    for (let i = 0; i < n; i++) known.set(points.timestamps[i]!, points.values[i]!);
    return known;
  }

  /**
   * A lane of its own, in blocks by time: it is written at once and never again. False where a series has been forgotten
   * meanwhile, as too old: they are known again, and it is to be done once more.
   */
  async #seal(admitted: readonly Admitted[]): Promise<boolean> {
    const { head, blocks } = this.#parts;
    const laneId = blocks.nextLaneId();
    const archive = new Lane(laneId, archiveTarget(laneId), true);
    const borders = bordersOf(admitted);
    const sealed: { minTs: number; maxTs: number; samples: number; bytes: Uint8Array }[] = [];
    const starts = new Int32Array(admitted.length);
    for (const border of borders) {
      const pieces: SideSeries[] = [];
      let minTs = Infinity;
      let maxTs = -Infinity;
      for (const [i, { id, ts, values }] of admitted.entries()) {
        const from = starts[i]!;
        let to = from;
        while (to < ts.length && ts[to]! <= border) to++;
        starts[i] = to;
        if (to === from) continue;
        pieces.push(piece(id, ts.slice(from, to), values.slice(from, to)));
        minTs = Math.min(minTs, ts[from]!);
        maxTs = Math.max(maxTs, ts[to - 1]!);
      }
      if (pieces.length === 0) continue;
      sealed.push({ minTs, maxTs, bytes: this.#encoder.side(pieces), samples: this.#encoder.samples });
      await yieldToLoop();
    }
    const forgotten = admitted.filter(({ id }) => !head.series.exists(id));
    for (const one of forgotten) one.id = head.seriesId(one.labels, one.ts[0]!);
    if (forgotten.length > 0) return false;
    // From here on without a pause: the series, where they are, and the blocks appear together.
    head.lanes[archive.id] = archive;
    head.newLanes.push(archive);
    for (const block of sealed) blocks.add(archive, block);
    for (const { id, ts } of admitted) this.#place(id, archive.id, ts.at(-1)!);
    return true;
  }

  #place(id: SeriesId, lane: number, lastTs: number): void {
    const { places, archives, newPlaces, newlyRetired } = this.#parts.head;
    archives.add(id, lane);
    archives.reaches(lane, lastTs);
    newPlaces.push(id, lane);
    // One that is not written any more has its newest sample later now; one that is, has its own place.
    const isLive = places.lane(id) >= 0 && places.retiredTs(id) === undefined;
    if (isLive || lastTs <= (places.retiredTs(id) ?? -Infinity)) return;
    places.retire(id, places.lane(id), lastTs);
    newlyRetired.push({ id, lastTs });
  }
}

/** The ends of as many spans of time as give blocks of a good size. */
function bordersOf(admitted: readonly Admitted[]): readonly number[] {
  let [minTs, maxTs, samples] = [Infinity, -Infinity, 0];
  for (const { ts } of admitted) {
    minTs = Math.min(minTs, ts[0]!);
    maxTs = Math.max(maxTs, ts.at(-1)!);
    samples += ts.length;
  }
  const spans = Math.ceil(samples / SAMPLES_A_BLOCK);
  return Array.from({ length: spans }, (_, i) => (i === spans - 1 ? maxTs : minTs + ((maxTs - minTs) * (i + 1)) / spans));
}

function notWritten(): BelfryError {
  return new BelfryError('STATE_NOT_DURABLE', 'samples.db cannot be written: bring the samples again when it can');
}

/** Points as the encoder of blocks takes them. */
function piece(id: SeriesId, ts: Float64Array, values: Float64Array): SideSeries {
  const series = new SideSeries(id, NO_POINTS);
  const words = new Uint32Array(values.buffer);
  for (let i = 0; i < values.length; i++) {
    if (values[i] === values[i]) continue;
    words[2 * i] = 0;
    words[2 * i + HIGH_WORD] = NAN_HIGH;
  }
  series.ts = ts as Float64Array<ArrayBuffer>;
  series.v = values as Float64Array<ArrayBuffer>;
  series.words = words as Uint32Array<ArrayBuffer>;
  series.next = ts.length;
  return series;
}

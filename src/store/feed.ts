import type { Labels } from '../core/labels.ts';
import type { Head } from './head.ts';
import type { Lane, SideStore } from './lane.ts';
import type { BlockSource, DecodedColumn } from './lane-reader.ts';
import type { RowRing } from './row-ring.ts';
import { ABSENT_HIGH, HIGH_WORD, STALE_HIGH } from './sample-codes.ts';
import type { SeriesId } from './series-table.ts';
import type { SideSeries } from './side-points.ts';

/** What is behind is read in slices of time, all lanes of one before the next: whoever gets it wants it nearly in order. */
const SLICE_MS = 60_000;
/** Where nothing was found the slices grow, so that a long pause is soon passed over. */
const SLICE_MAX_MS = 900_000;
/** Samples with times of their own come in any order over the series: after a kill so much is read again. */
const OVERLAP_MS = 60_000;
/** Columns of a block between which others may get their turn. */
const COLUMNS_A_STEP = 64;

/** Samples are handed to whoever sends them on. */
export interface FeedSink {
  sample(series: SeriesId, ts: number, value: number, stale: boolean): void;
}

/** How far one lane has been read. */
interface Cursor {
  /** Rows, or points in blocks, up to then. */
  ts: number;
  /** A side lane's points that were in blocks when this process began are still to be read, up to then. */
  blocksTo: number;
  /** Of the series of a side lane that have no column: the newest point that was read. */
  readonly sentOf: Map<SeriesId, number>;
  /** The points that `sentNext` counts in, by column; and the time of the newest that was read. */
  store: SideStore | null;
  sentNext: Float64Array;
  sentTs: Float64Array;
}

/** Everything that is appended, in the order of each series, read from the rings and blocks that are there anyway. */
export class Feed {
  readonly #head: Head;
  readonly #blocks: BlockSource;
  readonly #isLeftOut: (lane: Lane) => boolean;

  /** `isLeftOut`: lanes of history that was brought in later and is not news. */
  constructor(head: Head, blocks: BlockSource, isLeftOut: (lane: Lane) => boolean) {
    this.#head = head;
    this.#blocks = blocks;
    this.#isLeftOut = isLeftOut;
  }

  open(position: string | undefined): FeedReader {
    const parsed = position === undefined ? undefined : parsePosition(position);
    const isLost = position !== undefined && parsed === undefined;
    return new FeedReader({ head: this.#head, blocks: this.#blocks, isLeftOut: this.#isLeftOut, position: parsed, isLost });
  }

  labels(series: SeriesId): Labels | undefined {
    return this.#head.series.exists(series) ? this.#head.series.labels(series) : undefined;
  }
}

interface Position {
  readonly readTo: number;
  readonly isEnd: boolean;
  readonly lanes: ReadonlyMap<number, number>;
}

interface FeedReaderParts {
  readonly head: Head;
  readonly blocks: BlockSource;
  readonly isLeftOut: (lane: Lane) => boolean;
  readonly position: Position | undefined;
  readonly isLost: boolean;
}

class FeedReader {
  readTo: number;
  readonly isLost: boolean;
  readonly #head: Head;
  readonly #blocks: BlockSource;
  readonly #isLeftOut: (lane: Lane) => boolean;
  readonly #cursors = new Map<number, Cursor>();
  #sliceMs = SLICE_MS;
  #found = 0;

  constructor({ head, blocks, isLeftOut, position, isLost }: FeedReaderParts) {
    this.isLost = isLost;
    this.#head = head;
    this.#blocks = blocks;
    this.#isLeftOut = isLeftOut;
    this.readTo = position?.readTo ?? -Infinity;
    for (const lane of head.lanes) if (lane !== undefined && !isLeftOut(lane)) this.#cursors.set(lane.id, cursorAt(lane, position));
  }

  *read(now: number, oldestTs: number, sink: FeedSink): Generator<void, void> {
    const to = this.readTo === -Infinity ? now : Math.min(now, Math.max(this.readTo, oldestTs) + this.#sliceMs);
    const counted: FeedSink = {
      sample: (series, ts, value, stale) => {
        this.#found++;
        sink.sample(series, ts, value, stale);
      },
    };
    this.#found = 0;
    for (let id = 0; id < this.#head.lanes.length; id++) {
      const lane = this.#head.lanes[id];
      if (lane === undefined) this.#cursors.delete(id);
      else if (!this.#isLeftOut(lane)) yield* this.#readLane(lane, oldestTs, to, counted);
    }
    this.#sliceMs = this.#found > 0 ? SLICE_MS : Math.min(SLICE_MAX_MS, this.#sliceMs * 2);
    this.readTo = to;
  }

  position(isEnd: boolean): string {
    const lanes: [number, number][] = [];
    for (const [id, cursor] of this.#cursors) {
      const ts = sideTs(cursor);
      if (Number.isFinite(ts)) lanes.push([id, ts]);
    }
    return JSON.stringify({ v: 1, readTo: this.readTo, isEnd, lanes });
  }

  *#readLane(lane: Lane, oldestTs: number, to: number, sink: FeedSink): Generator<void, void> {
    let cursor = this.#cursors.get(lane.id);
    if (cursor === undefined) this.#cursors.set(lane.id, (cursor = newCursor(-Infinity)));
    if (lane.isSide) {
      yield* this.#readSide(lane, cursor, oldestTs, to, sink);
      return;
    }
    const { ring } = lane;
    let from = Math.max(cursor.ts, oldestTs);
    if (from < (ring?.beforeTs ?? Infinity) && from < lane.sealedMaxTs) {
      const until = Math.min(to, (ring?.firstTs ?? Infinity) - 1);
      yield* this.#readBlocks(lane, from, until, (column, id) => void readColumn(column, id, from, until, sink));
      cursor.ts = Math.max(cursor.ts, Math.min(until, lane.sealedMaxTs));
      // Rows that have gone from the ring in the meantime are in blocks: they are the next slice's.
      if (ring === null || ring !== lane.ring || ring.beforeTs > until) return;
      from = Math.max(cursor.ts, oldestTs);
    }
    if (ring === null || ring.lastTs <= from) return;
    cursor.ts = Math.max(cursor.ts, readRing(ring, from, to, sink));
    yield;
  }

  *#readBlocks(lane: Lane, from: number, until: number, visit: (column: DecodedColumn, id: SeriesId) => void): Generator<void, void> {
    for (const block of this.#blocks.blocks(lane, from, until)) {
      for (const [i, id] of block.ids().entries()) {
        if (i % COLUMNS_A_STEP === COLUMNS_A_STEP - 1) yield;
        const column = block.column(id);
        if (column !== undefined) visit(column, id);
      }
      yield;
    }
  }

  *#readSide(lane: Lane, cursor: Cursor, oldestTs: number, to: number, sink: FeedSink): Generator<void, void> {
    // Points that were put away before they were all read are still there: this holds them.
    if (cursor.store !== null && cursor.store !== lane.side) {
      this.#readPoints(lane, cursor.store, cursor, oldestTs, to, sink);
      if (cursor.store.series.some((points, col) => cursor.sentNext[col]! < points.next)) return;
    }
    if (cursor.store !== lane.side) changeStore(cursor, lane.side);
    const from = Math.max(cursor.ts, oldestTs);
    if (from < cursor.blocksTo) {
      yield* this.#readBlocks(lane, from, to, (column, id) => {
        const sent = Math.max(sentTs(cursor, id), from);
        setSent(cursor, id, readColumn(column, id, sent, to, sink));
      });
      cursor.ts = Math.min(to, cursor.blocksTo);
    }
    if (lane.side === null || lane.side !== cursor.store) return;
    this.#readPoints(lane, lane.side, cursor, oldestTs, to, sink);
    yield;
  }

  #readPoints(lane: Lane, store: SideStore, cursor: Cursor, oldestTs: number, to: number, sink: FeedSink): void {
    reserve(cursor, store.series);
    for (const [col, points] of store.series.entries()) {
      if (cursor.sentNext[col] === points.next) continue;
      if (cursor.sentNext[col]! < points.first) {
        const from = Math.max(cursor.sentTs[col]!, oldestTs);
        const until = Math.min(to, points.firstTs - 1);
        for (const block of this.#blocks.blocks(lane, from, until)) {
          const column = block.column(points.id);
          if (column === undefined) continue;
          cursor.sentTs[col] = Math.max(cursor.sentTs[col]!, readColumn(column, points.id, from, until, sink));
        }
        if (to < points.firstTs) continue;
        cursor.sentNext[col] = points.first;
      }
      readSeries(points, col, cursor, oldestTs, to, sink);
    }
  }
}

/** The points of one series that are here and have not been sent, up to `to`. */
function readSeries(points: SideSeries, col: number, cursor: Cursor, oldestTs: number, to: number, sink: FeedSink): void {
  for (let point = cursor.sentNext[col]!; point < points.next; point++) {
    const slot = point % points.v.length;
    const ts = points.ts[slot]!;
    if (ts > to) return;
    cursor.sentNext[col] = point + 1;
    if (ts <= cursor.sentTs[col]!) continue;
    cursor.sentTs[col] = ts;
    if (ts > oldestTs) tell(sink, points.id, ts, points.v[slot]!, points.words[2 * slot + HIGH_WORD]!);
  }
}

/** Rows in (from, to], column by column. Returns the time of the newest of them, or `from`. */
function readRing(ring: RowRing, from: number, to: number, sink: FeedSink): number {
  const start = Math.max(ring.first, ring.rowAt(from) + 1);
  const end = ring.rowAt(to) + 1;
  if (end <= start) return from;
  const { v, words, ts, rows, stride, ids } = ring;
  for (let col = 0; col < ring.cols; col++) {
    for (let row = start; row < end; row++) {
      const slot = row % rows;
      const cell = slot * stride + col;
      tell(sink, ids[col]!, ts[slot]!, v[cell]!, words[2 * cell + HIGH_WORD]!);
    }
  }
  return ts[(end - 1) % rows]!;
}

/** Returns the time of the newest sample in (from, to], or `from`. */
function readColumn({ ts, v, words }: DecodedColumn, id: SeriesId, from: number, to: number, sink: FeedSink): number {
  let last = from;
  for (let i = 0; i < ts.length; i++) {
    if (ts[i]! <= from) continue;
    if (ts[i]! > to) break;
    last = ts[i]!;
    tell(sink, id, ts[i]!, v[i]!, words[2 * i + HIGH_WORD]!);
  }
  return last;
}

function tell(sink: FeedSink, id: SeriesId, ts: number, value: number, high: number): void {
  if (value === value) sink.sample(id, ts, value, false);
  else if (high !== ABSENT_HIGH) sink.sample(id, ts, Number.NaN, high === STALE_HIGH);
}

/** All up to then has been read: to the oldest of what has not, or to the newest of all. */
function sideTs({ ts, blocksTo, sentOf, store, sentNext, sentTs: sent }: Cursor): number {
  // What is in blocks comes first.
  if (ts < blocksTo) return ts;
  let newest = ts;
  let oldest = Infinity;
  for (const at of sentOf.values()) newest = Math.max(newest, at);
  for (const [col, points] of (store?.series ?? []).entries()) {
    const at = sent[col] ?? -Infinity;
    newest = Math.max(newest, at);
    const next = sentNext[col] ?? 0;
    if (next >= points.next) continue;
    // Of what has gone from here it is only known that it is newer than what was read.
    oldest = Math.min(oldest, next < points.first ? at : Math.max(at, points.ts[next % points.v.length]! - 1));
  }
  return Math.min(newest, oldest);
}

function cursorAt(lane: Lane, position: Position | undefined): Cursor {
  const sealedTo = lane.sealedMaxTs;
  if (!lane.isSide) {
    return newCursor(
      position === undefined ? Math.max(sealedTo, lane.ring?.lastTs ?? -Infinity) : (position.lanes.get(lane.id) ?? -Infinity),
    );
  }
  const known = position?.lanes.get(lane.id) ?? -Infinity;
  const floor = position === undefined ? Infinity : known - (position.isEnd ? 0 : OVERLAP_MS);
  const cursor = newCursor(position === undefined ? sealedTo : floor);
  cursor.blocksTo = sealedTo;
  cursor.store = lane.side;
  reserve(cursor, lane.side?.series ?? []);
  for (const [col, points] of (lane.side?.series ?? []).entries()) {
    // Later points of a series may still be older than the newest of another.
    cursor.sentTs[col] = Math.min(floor, points.lastTs);
    if (position === undefined) cursor.sentNext[col] = points.next;
  }
  return cursor;
}

function newCursor(ts: number): Cursor {
  return { ts, blocksTo: -Infinity, sentOf: new Map(), store: null, sentNext: new Float64Array(0), sentTs: new Float64Array(0) };
}

/** The time of the newest point of a series that was read. */
function sentTs(cursor: Cursor, id: SeriesId): number {
  const col = cursor.store?.columnOf(id) ?? -1;
  return (col < 0 ? cursor.sentOf.get(id) : cursor.sentTs[col]) ?? -Infinity;
}

function setSent(cursor: Cursor, id: SeriesId, ts: number): void {
  const col = cursor.store?.columnOf(id) ?? -1;
  if (col < 0) cursor.sentOf.set(id, ts);
  else {
    reserve(cursor, cursor.store?.series ?? []);
    cursor.sentTs[col] = ts;
  }
}

/** The lane has other points now: all of them are new. */
function changeStore(cursor: Cursor, store: SideStore | null): void {
  for (const [col, points] of (cursor.store?.series ?? []).entries()) cursor.sentOf.set(points.id, cursor.sentTs[col] ?? -Infinity);
  cursor.store = store;
  cursor.sentNext = new Float64Array(0);
  cursor.sentTs = new Float64Array(0);
  reserve(cursor, store?.series ?? []);
}

/** Room for all columns; of a new one, what was read of its series before it had one. */
function reserve(cursor: Cursor, series: readonly SideSeries[]): void {
  const before = cursor.sentNext.length;
  if (series.length <= before) return;
  const [next, ts] = [new Float64Array(series.length), new Float64Array(series.length)];
  next.set(cursor.sentNext);
  ts.set(cursor.sentTs);
  for (let col = before; col < series.length; col++) {
    ts[col] = cursor.sentOf.get(series[col]!.id) ?? -Infinity;
    cursor.sentOf.delete(series[col]!.id);
  }
  cursor.sentNext = next;
  cursor.sentTs = ts;
}

/** Undefined for one that is none, such as one that is damaged or of a later version. */
function parsePosition(text: string): Position | undefined {
  let found: unknown;
  try {
    found = JSON.parse(text);
  } catch {
    return undefined; // As any other text that is none: the reader says so.
  }
  if (!isPosition(found)) return undefined;
  // A reader that had read nothing is at no time, which JSON has no number for.
  return { readTo: found.readTo ?? -Infinity, isEnd: found.isEnd, lanes: new Map(found.lanes) };
}

interface WrittenPosition {
  readonly readTo: number | null;
  readonly isEnd: boolean;
  readonly lanes: readonly (readonly [lane: number, ts: number])[];
}

function isPosition(found: unknown): found is WrittenPosition {
  if (typeof found !== 'object' || found === null || !('v' in found && 'readTo' in found && 'isEnd' in found && 'lanes' in found))
    return false;
  const { v, readTo, isEnd, lanes } = found;
  if (v !== 1 || !(readTo === null || typeof readTo === 'number') || typeof isEnd !== 'boolean' || !Array.isArray(lanes)) return false;
  return lanes.every(
    (entry: unknown) => Array.isArray(entry) && entry.length === 2 && Number.isSafeInteger(entry[0]) && typeof entry[1] === 'number',
  );
}

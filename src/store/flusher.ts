import { BitWriter } from './bit-writer.ts';
import type { BlockStore } from './block-store.ts';
import type { Head } from './head.ts';
import type { Lane } from './lane.ts';
import { LogEncoder } from './log-codec.ts';
import { pack, type SampleFile } from './sample-file.ts';
import type { SealedBlock } from './sealed-block.ts';
import type { SeriesId } from './series-table.ts';

/** A log row is freed after that at the latest: lanes that fill slowly are logged again, whole. */
const MAX_LOG_AGE_MS = 1_800_000;
/** To compress and write so many bytes of a sealed block takes as long as to log a cell. */
const BLOCK_BYTES_A_CELL = 6;
/** So many log rows are deleted in one piece; those that are left are of no use, and of no harm. */
const DELETIONS_A_PIECE = 500;
/** So many symbols, series or places are written in one piece: about 5 ms. */
const NAMES_A_PIECE = 2000;

/**
 * Writes what is new since the last flush, in one transaction: names, sealed blocks, one log row. A log row is
 * deleted with the last block that makes it superfluous. What a failed flush could not write, the next one writes.
 */
export class Flusher {
  readonly #head: Head;
  readonly #blocks: BlockStore;
  readonly #file: SampleFile;
  readonly #encoder = new LogEncoder();
  readonly #writer = new BitWriter();
  /** Per log row how many lanes still need it, and when it was written. */
  readonly #logRows = new Map<number, { lanes: number; ts: number }>();
  /** Log rows that nobody needs and that are still in the file. */
  #gone: number[] = [];
  #symbolsWritten = 0;
  /** The lane that the next piece of a flush begins with. */
  #nextLane = 0;
  nextLog = 1;

  constructor(head: Head, blocks: BlockStore, file: SampleFile) {
    this.#head = head;
    this.#blocks = blocks;
    this.#file = file;
  }

  /** Takes over a log row that was found in the file, and who needs it. */
  adoptLog(id: number, ts: number, lanes: readonly Lane[]): void {
    this.#logRows.set(id, { lanes: lanes.length, ts });
    for (const lane of lanes) lane.logRows.push(id);
    this.nextLog = Math.max(this.nextLog, id + 1);
  }

  /** Everything before that is in the file. */
  adoptSymbols(end: number): void {
    this.#symbolsWritten = end;
  }

  /** The file is a new one, and empty: all names are written again, and the rows that no block has. */
  beginAnew(): void {
    const { series, places, lanes } = this.#head;
    this.#logRows.clear();
    this.#gone = [];
    this.#symbolsWritten = 0;
    this.#nextLane = 0;
    this.#head.newSeries = [];
    this.#head.newPlaces = [];
    for (let id = 0; id < series.end; id++) {
      if (!series.exists(id)) continue;
      this.#head.newSeries.push(id);
      for (const lane of [places.lane(id), ...(places.others(id) ?? [])]) if (lane >= 0) this.#head.newPlaces.push(id, lane);
    }
    this.#head.newLanes = lanes.filter((lane) => lane !== undefined);
    this.#head.newlyRetired = [...places.retired].map(([id, lastTs]) => ({ id, lastTs }));
    for (const lane of this.#head.newLanes) {
      lane.storedMinTs = Infinity;
      lane.storedMaxTs = -Infinity;
      lane.storedMaxId = -1;
      lane.logRows = [];
      lane.keyframeDue = true;
      if (lane.ring !== null) lane.ring.unlogged = lane.ring.unsealed;
      lane.side?.logAgain();
    }
    this.#blocks.beginAnew();
    // What was brought in was in the file alone.
    this.#head.archives.clear();
  }

  /**
   * Writes some of the names when a burst of new series has left more than a flush should write at once. True when it
   * wrote some: then flush later. Throws what SQLite throws.
   */
  writeNamesAhead(): boolean {
    const { series, newSeries, newPlaces } = this.#head;
    const { end } = series.symbols;
    if (end - this.#symbolsWritten > NAMES_A_PIECE) {
      const until = this.#symbolsWritten + NAMES_A_PIECE;
      this.#file.transaction(() => this.#writeSymbols(until));
      this.#symbolsWritten = until;
    } else if (newSeries.length > NAMES_A_PIECE) {
      this.#file.transaction(() => {
        this.#writeSymbols(end);
        this.#writeSeries(newSeries.slice(0, NAMES_A_PIECE));
      });
      this.#symbolsWritten = end;
      newSeries.splice(0, NAMES_A_PIECE);
    } else if (newPlaces.length > 2 * NAMES_A_PIECE) {
      this.#file.transaction(() => this.#writePlaces(newPlaces.slice(0, 2 * NAMES_A_PIECE)));
      newPlaces.splice(0, 2 * NAMES_A_PIECE);
    } else return false;
    return true;
  }

  /**
   * Writes everything that is new, or a piece of it that ends with the lane whose rows bring it to `maxCells`. True when
   * there are lanes left that the next call goes on with: each lane's log stands by itself, so that a file which has
   * some of them has lost nothing of the others. Throws what SQLite throws; then nothing was written or forgotten.
   */
  flush(now: number, maxCells = Infinity): boolean {
    const pending = pieceOf(this.#blocks.pending, maxCells);
    // Blocks that are left keep their lanes from being logged: what the log had of them next would follow a gap.
    const lanes = pending.length < this.#blocks.pending.length ? [] : this.#lanesOf(maxCells);
    this.#write(now, pending, lanes);
    if (this.#blocks.pending.length > 0) return true;
    const last = lanes.at(-1);
    this.#nextLane = maxCells === Infinity || last === undefined || last.id + 1 >= this.#head.lanes.length ? 0 : last.id + 1;
    return this.#nextLane > 0;
  }

  /** The lanes of those targets that have something the file has not. */
  unwritten(targets: ReadonlySet<string>): Lane[] {
    const sealed = new Set(this.#blocks.pending.map(({ lane }) => lane));
    return this.#head.lanes.filter(
      (lane) => lane !== undefined && targets.has(lane.target) && (sealed.has(lane.id) || hasUnlogged(lane)),
    ) as Lane[];
  }

  /**
   * Writes what is new of some of the given lanes, and takes these from the list; of all the blocks that wait, those of the
   * targets. True when there are lanes left. Throws what SQLite throws; then nothing was written or forgotten.
   */
  commit(now: number, queue: Lane[], targets: ReadonlySet<string>, maxCells: number): boolean {
    const theirs = this.#blocks.pending.filter(({ lane }) => targets.has(this.#head.lane(lane)?.target ?? ''));
    const pending = pieceOf(theirs, maxCells);
    let count = 0;
    if (pending.length === theirs.length)
      for (let cells = 0; count < queue.length && cells < maxCells; count++) cells += unloggedCells(queue[count]!);
    this.#write(now, pending, queue.slice(0, count));
    queue.splice(0, count);
    return queue.length > 0;
  }

  /** One transaction: names, sealed blocks, what is new of the lanes. */
  #write(now: number, pending: readonly SealedBlock[], lanes: readonly Lane[]): void {
    const overdue = lanes.filter((lane) => this.#markOverdue(lane, now));
    const logged = this.#encodeLog(lanes);
    const freed = this.#freed([...pending.map(({ logRows }) => logRows), ...overdue.map(({ logRows }) => logRows)]);
    const gone = [...this.#gone, ...[...freed].filter(([id, count]) => (this.#logRows.get(id)?.lanes ?? 0) <= count).map(([id]) => id)];
    const id = this.nextLog;
    this.#file.transaction(() => {
      this.#writeNames();
      for (const block of pending) {
        this.#file.insertBlock(block);
        this.#file.run('UPDATE lanes SET log_from = ? WHERE id = ?', id, block.lane);
      }
      for (const lane of overdue) this.#file.run('UPDATE lanes SET log_from = ? WHERE id = ?', id, lane.id);
      for (const row of gone.slice(0, DELETIONS_A_PIECE)) this.#file.run('DELETE FROM log WHERE id = ?', row);
      if (logged.length > 0) this.#file.run('INSERT INTO log VALUES (?, ?, ?)', id, now, pack(this.#encoder.take(), 1));
    });
    this.#gone = gone.slice(DELETIONS_A_PIECE);
    for (const block of pending) block.stored = true;
    this.#blocks.pending = this.#blocks.pending.filter(({ stored }) => !stored);
    for (const [row, count] of freed) this.#free(row, count);
    for (const lane of overdue) lane.logRows = [];
    if (logged.length > 0) this.#keepLogged(logged, id, now);
    this.#symbolsWritten = this.#head.series.symbols.end;
    this.#head.newSeries = [];
    this.#head.newPlaces = [];
    this.#head.newLanes = [];
    this.#head.newlyRetired = [];
    this.#head.bornEarlier = [];
  }

  /** The lanes of the next piece, those with nothing new among them. */
  #lanesOf(maxCells: number): readonly Lane[] {
    const lanes: Lane[] = [];
    let cells = 0;
    for (let id = maxCells === Infinity ? 0 : this.#nextLane; id < this.#head.lanes.length && cells < maxCells; id++) {
      const lane = this.#head.lanes[id];
      if (lane === undefined) continue;
      lanes.push(lane);
      cells += unloggedCells(lane);
    }
    return lanes;
  }

  /** True for a lane whose oldest log row should go: all that no block has of it is logged once more. */
  #markOverdue(lane: Lane, now: number): boolean {
    const oldest = lane.logRows[0];
    if (oldest === undefined || (this.#logRows.get(oldest)?.ts ?? now) > now - MAX_LOG_AGE_MS) return false;
    if (lane.ring !== null) lane.ring.unlogged = lane.ring.unsealed;
    lane.side?.logAgain();
    lane.keyframeDue = true;
    return true;
  }

  #encodeLog(lanes: readonly Lane[]): readonly { lane: Lane; chainStart: number }[] {
    const logged: { lane: Lane; chainStart: number }[] = [];
    this.#encoder.begin();
    for (const lane of lanes) {
      if (lane.ring !== null && lane.ring.unlogged < lane.ring.next) logged.push({ lane, chainStart: this.#encoder.rows(lane, lane.ring) });
      if (lane.side !== null && lane.side.unlogged.length > 0) {
        this.#encoder.points(lane);
        logged.push({ lane, chainStart: 0 });
      }
    }
    return logged;
  }

  #keepLogged(logged: readonly { lane: Lane; chainStart: number }[], id: number, now: number): void {
    for (const { lane, chainStart } of logged) {
      lane.chainStart = chainStart;
      lane.keyframeDue = false;
      lane.logRows.push(id);
      if (lane.ring !== null) lane.ring.unlogged = lane.ring.next;
      lane.side?.logged();
    }
    this.#logRows.set(id, { lanes: logged.length, ts: now });
    this.nextLog = id + 1;
  }

  #writeNames(): void {
    const { series, newSeries, newPlaces, newLanes, newlyRetired, bornEarlier } = this.#head;
    this.#writeSymbols(series.symbols.end);
    this.#writeSeries(newSeries);
    for (const { id, target, rows } of newLanes) {
      this.#file.run('INSERT INTO lanes VALUES (?, ?, ?, 0) ON CONFLICT (id) DO UPDATE SET rows = excluded.rows', id, target, rows);
    }
    this.#writePlaces(newPlaces);
    for (const id of bornEarlier) this.#file.run('UPDATE series SET born_ts = ? WHERE id = ?', this.#head.bornTs(id), id);
    for (const { id, lastTs } of newlyRetired) {
      this.#file.run('UPDATE series SET retired_ts = ? WHERE id = ?', Number.isFinite(lastTs) ? lastTs : null, id);
    }
  }

  #writeSymbols(end: number): void {
    const { symbols } = this.#head.series;
    for (let symbol = this.#symbolsWritten; symbol < end; symbol++) {
      const text = symbols.text(symbol);
      if (text !== '') this.#file.run('INSERT OR REPLACE INTO symbols VALUES (?, ?)', symbol, text);
    }
  }

  #writeSeries(ids: readonly SeriesId[]): void {
    const { series } = this.#head;
    for (const id of ids) {
      if (series.exists(id)) this.#file.run('INSERT INTO series VALUES (?, ?, NULL, ?)', id, this.#head.bornTs(id), this.#packLabels(id));
    }
    if (ids.length > 0) this.#file.run("INSERT OR REPLACE INTO counters VALUES ('next_series', ?)", series.end);
  }

  /** Series, lane, series, lane … */
  #writePlaces(places: readonly number[]): void {
    for (let i = 0; i < places.length; i += 2) this.#file.run('INSERT OR IGNORE INTO places VALUES (?, ?)', places[i], places[i + 1]);
  }

  #packLabels(id: SeriesId): Uint8Array {
    this.#writer.reset();
    for (const symbol of this.#head.series.pairs(id)) this.#writer.varint(symbol);
    return this.#writer.take();
  }

  #freed(lists: readonly (readonly number[])[]): Map<number, number> {
    const freed = new Map<number, number>();
    for (const list of lists) for (const row of list) freed.set(row, (freed.get(row) ?? 0) + 1);
    return freed;
  }

  #free(row: number, count: number): void {
    const entry = this.#logRows.get(row);
    if (entry === undefined) return;
    entry.lanes -= count;
    if (entry.lanes <= 0) this.#logRows.delete(row);
  }
}

/** The sealed blocks of the next piece. */
function pieceOf(pending: readonly SealedBlock[], maxCells: number): readonly SealedBlock[] {
  if (maxCells === Infinity) return pending;
  let bytes = 0;
  let count = 0;
  while (count < pending.length && bytes < maxCells * BLOCK_BYTES_A_CELL) bytes += pending[count++]!.bytes.length;
  return pending.slice(0, count);
}

function hasUnlogged({ ring, side }: Lane): boolean {
  if (ring !== null && ring.unlogged < ring.next) return true;
  return side !== null && side.unlogged.length > 0;
}

/** What a record with all that the log has not of a lane would have; the lane itself counts as one. */
function unloggedCells({ ring, side }: Lane): number {
  return 1 + (ring === null ? 0 : (ring.next - ring.unlogged) * ring.cols) + (side?.unloggedPoints ?? 0);
}

import { errorText } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import { isArchive } from './archives.ts';
import { BitReader, corrupt } from './bit-reader.ts';
import type { BlockStore } from './block-store.ts';
import type { Flusher } from './flusher.ts';
import type { Head } from './head.ts';
import { Lane, SideStore } from './lane.ts';
import { playLog, type Chain, type LogVisitor } from './log-codec.ts';
import { NO_COLUMN } from './places.ts';
import { NO_SOURCE, RowRing } from './row-ring.ts';
import { isCorruption, unpack, type SampleFile, type StoredSeries } from './sample-file.ts';
import type { SeriesId } from './series-table.ts';
import { NO_POINTS } from './side-points.ts';
import { isDiskTrouble } from './state/sqlite-error.ts';

/**
 * Brings the head to where the last flush left it: names, places, and the rings by playing the log. Throws
 * `STORE_CORRUPT`, or SQLite's error, where the names cannot be read; a damaged log costs only what it held.
 */
export function recover(head: Head, blocks: BlockStore, flusher: Flusher, file: SampleFile, log: Logger): void {
  const rows = loadNames(head, blocks, flusher, file);
  const player = new LogPlayer(head, rows);
  for (const { id, ts, bytes } of file.rows<{ id: number; ts: number; bytes: Uint8Array }>('SELECT id, ts, bytes FROM log ORDER BY id')) {
    try {
      player.begin(id);
      playLog(unpack(bytes), player);
      flusher.adoptLog(id, ts, [...player.needed]);
    } catch (error) {
      log.error('store_log_unreadable', { log_row: id, error: errorText(error) });
      tidy(file, 'DELETE FROM log WHERE id >= ?', id);
      // What was read of the damaged row is logged again.
      for (const { ring, side } of player.needed) {
        if (ring !== null) ring.unlogged = ring.unsealed;
        side?.logAgain();
      }
      break;
    }
  }
  settle(head, flusher);
  // Rows that no lane needs are left over from before.
  const needed = new Set(head.lanes.flatMap((lane) => lane?.logRows ?? []));
  for (const { id } of file.rows<{ id: number }>('SELECT id FROM log')) {
    if (!needed.has(id)) tidy(file, 'DELETE FROM log WHERE id = ?', id);
  }
}

/** A file without room is read all the same; what should go from it goes at a later start. */
function tidy(file: SampleFile, sql: string, id: number): void {
  try {
    file.run(sql, id);
  } catch (error) {
    if (!isDiskTrouble(error) || isCorruption(error)) throw error;
  }
}

interface LaneRows {
  /** Rows of the lane's ring, and the log row from which on the log has what no block has, without a gap. */
  readonly rows: number;
  readonly logFrom: number;
}

function loadNames(head: Head, blocks: BlockStore, flusher: Flusher, file: SampleFile): ReadonlyMap<number, LaneRows> {
  const { series } = head;
  for (const { id, text } of file.rows<{ id: number; text: string }>('SELECT id, text FROM symbols ORDER BY id')) {
    series.symbols.restore(id, text);
  }
  for (const row of file.rows<StoredSeries>('SELECT * FROM series ORDER BY id')) {
    series.restore(row.id, unpackLabels(head, row.labels));
    head.admit(row.id, row.born_ts);
  }
  const [next] = file.rows<{ value: number }>("SELECT value FROM counters WHERE name = 'next_series'");
  if (next !== undefined) series.skipTo(next.value);
  flusher.adoptSymbols(series.symbols.end);
  const rows = new Map<number, LaneRows>();
  for (const lane of file.rows<{ id: number; target: string; rows: number; log_from: number }>('SELECT * FROM lanes')) {
    head.lanes[lane.id] = new Lane(lane.id, lane.target, lane.rows === 0);
    rows.set(lane.id, { rows: lane.rows, logFrom: lane.log_from });
    blocks.nextLane = Math.max(blocks.nextLane, lane.id + 1);
    flusher.nextLog = Math.max(flusher.nextLog, lane.log_from);
  }
  for (const place of file.rows<{ series: SeriesId; lane: number }>('SELECT series, lane FROM places ORDER BY lane')) {
    const lane = head.lane(place.lane);
    if (lane === undefined || !series.exists(place.series)) continue;
    if (isArchive(lane)) head.archives.add(place.series, lane.id);
    else head.places.set(place.series, lane.id, NO_COLUMN);
  }
  for (const range of file.rows<{ lane: number; min: number; max: number; id: number }>(
    'SELECT lane, min(min_ts) AS min, max(max_ts) AS max, max(id) AS id FROM blocks GROUP BY lane',
  )) {
    const lane = head.lane(range.lane);
    blocks.nextBlock = Math.max(blocks.nextBlock, range.id + 1);
    if (lane === undefined) continue;
    lane.storedMinTs = range.min;
    lane.storedMaxTs = range.max;
    lane.storedMaxId = range.id;
    if (isArchive(lane)) head.archives.reaches(lane.id, range.max);
  }
  return rows;
}

function unpackLabels(head: Head, bytes: Uint8Array): readonly number[] {
  const from = new BitReader(bytes);
  const symbols: number[] = [];
  while (from.at < bytes.length) {
    const symbol = from.varint();
    if (head.series.symbols.text(symbol) === '') throw corrupt(`a label's text ${symbol} is missing`);
    symbols.push(symbol);
  }
  if (symbols.length % 2 !== 0) throw corrupt('a label has a name and no value');
  return symbols;
}

/** Gives the series their columns, retires those that have none, and starts new chains. */
function settle(head: Head, flusher: Flusher): void {
  for (const lane of head.lanes) {
    if (lane === undefined) continue;
    if (lane.ring !== null) for (let col = 0; col < lane.ring.cols; col++) head.place(lane.ring.ids[col]!, lane, col);
    for (const [col, points] of (lane.side?.series ?? []).entries()) head.place(points.id, lane, col);
    if (lane.ring !== null || lane.side !== null) head.openTarget(lane.target).adopt(lane);
    else head.rest(lane);
    lane.keyframeDue = true;
    if (lane.ring !== null) head.spreadSeal(lane, lane.ring);
  }
  for (let id = 0; id < head.series.end; id++) {
    if (!head.series.exists(id) || head.places.col(id) !== NO_COLUMN) continue;
    const lanes = [head.places.lane(id), ...(head.places.others(id) ?? []), ...head.archives.of(id)];
    const lastTs = Math.max(...lanes.map((lane) => head.lane(lane)?.storedMaxTs ?? -Infinity));
    head.places.retire(id, head.places.lane(id), Number.isFinite(lastTs) ? lastTs : head.bornTs(id));
  }
  head.newPlaces = [];
  flusher.nextLog = Math.max(1, flusher.nextLog);
}

class LogPlayer implements LogVisitor {
  /** Lanes that need the log row that is being played. */
  readonly needed = new Set<Lane>();
  readonly #head: Head;
  readonly #rows: ReadonlyMap<number, LaneRows>;
  readonly #chains = new Map<number, Chain>();
  #logId = 0;

  constructor(head: Head, rows: ReadonlyMap<number, LaneRows>) {
    this.#head = head;
    this.#rows = rows;
  }

  begin(logId: number): void {
    this.#logId = logId;
    this.needed.clear();
  }

  /** Rows that a block has are left to it: between them and later ones there may be rows that were never logged. */
  wants(lane: number): boolean {
    return this.#logId >= (this.#rows.get(lane)?.logFrom ?? Infinity);
  }

  previous(lane: number): Chain | undefined {
    return this.#chains.get(lane);
  }

  columns(laneId: number, ids: Int32Array): void {
    const lane = this.#lane(laneId);
    const none = new Float64Array(ids.length);
    this.#chains.set(laneId, { length: 0, last: none, beforeLast: none });
    const ring = lane.ring ?? this.#newRing(lane, ids.length);
    const wanted = new Set(ids);
    const kept: number[] = [];
    for (let col = 0; col < ring.cols; col++) if (wanted.has(ring.ids[col]!)) kept.push(col);
    if (kept.length < ring.cols) ring.keepColumns(kept);
    for (let col = 0; col < ids.length; col++) {
      if (!this.#head.series.exists(ids[col]!)) throw corrupt(`the log names a series ${ids[col]} that is not known`);
      if (col === ring.cols) ring.addColumn(ids[col]!, NO_SOURCE);
      else if (ring.ids[col] !== ids[col]) throw corrupt('the log has columns in another order');
    }
  }

  row(laneId: number, ts: number, words: Uint32Array<ArrayBuffer>): void {
    const lane = this.#lane(laneId);
    const before = this.#chains.get(laneId);
    if (before === undefined) throw corrupt('the log has a row without columns');
    this.#chains.set(laneId, { length: before.length + 1, last: new Float64Array(words.buffer), beforeLast: before.last });
    if (lane.ring === null || words.length !== 2 * lane.ring.cols) throw corrupt('the log has a row of another width');
    this.needed.add(lane);
    if (ts <= Math.max(lane.ring.lastTs, lane.sealedMaxTs)) return;
    if (lane.ring.next - lane.ring.unsealed >= lane.ring.rows) this.#head.sealRaw(lane);
    lane.ring.appendCells(ts, words);
    lane.ring.unlogged = lane.ring.next;
  }

  point(laneId: number, series: number, ts: number, words: Uint32Array): void {
    const lane = this.#lane(laneId);
    if (!this.#head.series.exists(series)) throw corrupt(`the log names a series ${series} that is not known`);
    lane.side ??= new SideStore();
    const known = lane.side.columnOf(series);
    const points = lane.side.series[known >= 0 ? known : lane.side.add(series, NO_POINTS)]!;
    if (points.full) this.#head.sealRaw(lane);
    points.restore(ts, words);
    this.needed.add(lane);
  }

  #lane(id: number): Lane {
    const lane = this.#head.lane(id);
    if (lane === undefined) throw corrupt(`the log names a lane ${id} that is not known`);
    return lane;
  }

  #newRing(lane: Lane, cols: number): RowRing {
    const rows = this.#rows.get(lane.id)?.rows ?? 0;
    if (rows < 1 || rows > 65_536) throw corrupt(`a ring of ${rows} rows`);
    lane.ring = new RowRing(rows, Math.max(1, cols), lane.sealedMaxTs);
    lane.rows = rows;
    return lane.ring;
  }
}

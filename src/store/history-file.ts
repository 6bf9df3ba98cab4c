import Database from 'better-sqlite3';
import { existsSync } from 'node:fs';
import { BelfryError, errorText } from '../core/errors.ts';
import { BitReader, corrupt } from './bit-reader.ts';
import { DecodedBlock } from './block-codec.ts';
import { ColumnCodec } from './column-codec.ts';
import { HistoryLog, type LoggedLane, type LogRow } from './history-log.ts';
import type { HistoryTail } from './history-tail.ts';
import { SCHEMA_VERSION, unpack, type StoredSeries } from './sample-file.ts';
import { sqliteCode } from './state/sqlite-error.ts';
import { SeriesTable, type SeriesId } from './series-table.ts';

const BUSY_TIMEOUT_MS = 5000;
/** Codes of SQLite that say nothing about what the file is. */
const UNREADABLE = /^SQLITE_(BUSY|LOCKED|CANTOPEN|READONLY|IOERR|PERM|AUTH|NOMEM)/;

/** Where a block is, without its bytes. */
export interface BlockRange {
  readonly id: number;
  readonly minTs: number;
  readonly maxTs: number;
}

/** What a lane has in the file: sealed blocks in the order they were sealed, and what the log has of it after them. */
export interface LaneContents {
  readonly blocks: readonly BlockRange[];
  readonly tail: HistoryTail | undefined;
}

/** The lanes that have something in a range, and the log that their tails are from. */
export interface HistoryContents {
  readonly lanes: ReadonlyMap<number, LaneContents>;
  readonly log: HistoryLog;
}

/** Every series of the file and where its samples are. */
export interface HistoryNames {
  readonly series: SeriesTable;
  /** Lane ids by series; nearly every series has one. */
  readonly lanes: ReadonlyMap<SeriesId, readonly number[]>;
  /** When each series was born, and when it was last given up: Infinity where it still has its place. */
  readonly bornTs: Float64Array;
  readonly retiredTs: Float64Array;
  /** The lanes whose samples carry times of their own. */
  readonly sideLanes: ReadonlySet<number>;
}

/**
 * A second, read-only connection to `samples.db`, beside a running Belfry too: it never writes, and holds the file only for
 * the moments in which it reads. Every method may throw SQLite's own errors.
 */
export class HistoryFile {
  readonly #db: Database.Database;
  readonly #path: string;
  readonly #checkpoint: () => void;
  readonly #codec = new ColumnCodec();
  readonly #block: Database.Statement;
  readonly #lane: Database.Statement;
  readonly #lost = new Set<number>();
  /** Records of the log that could not be read. */
  readonly #lostRecords = new Set<number>();

  /**
   * Throws `BAD_REQUEST` where there is no such file or it is not one of ours, `STORE_NEWER` for a later version. `checkpoint`
   * is called before each read; what it throws ends the read.
   */
  constructor(path: string, checkpoint: () => void) {
    this.#path = path;
    this.#checkpoint = checkpoint;
    try {
      this.#db = new Database(path, { readonly: true, fileMustExist: true, timeout: BUSY_TIMEOUT_MS });
    } catch (cause) {
      throw unreadable(path, cause);
    }
    try {
      const version = Number(this.#db.pragma('user_version', { simple: true }));
      if (version > SCHEMA_VERSION)
        throw new BelfryError('STORE_NEWER', `samples file has version ${version}; this program knows up to ${SCHEMA_VERSION}`);
      this.#block = this.#db.prepare('SELECT bytes FROM blocks WHERE id = ?');
      this.#lane = this.#db.prepare('SELECT id, min_ts, max_ts FROM blocks WHERE lane = ? AND max_ts > ? AND min_ts <= ? ORDER BY id');
    } catch (cause) {
      this.#db.close();
      if (cause instanceof BelfryError) throw cause;
      if (UNREADABLE.test(sqliteCode(cause))) throw unreadable(path, cause);
      throw new BelfryError('BAD_REQUEST', `${path} is no samples file of Belfry's: ${errorText(cause)}`, { cause });
    }
  }

  /** Blocks that could not be read, or that retention took away meanwhile, and records of the log. */
  get holes(): number {
    return this.#lost.size + this.#lostRecords.size;
  }

  /** Says that a block is a hole; the same one counts once. */
  lose(id: number): void {
    this.#lost.add(id);
  }

  close(): void {
    this.#db.close();
  }

  /** All labels and places, as of one moment; some 2 µs a series. */
  names(): HistoryNames {
    return this.#db.transaction(() => this.#names())();
  }

  #names(): HistoryNames {
    const series = new SeriesTable();
    for (const { id, text } of this.#rows<{ id: number; text: string }>('SELECT id, text FROM symbols ORDER BY id'))
      series.symbols.restore(id, text);
    const rows = this.#rows<StoredSeries>('SELECT * FROM series ORDER BY id');
    const bornTs = new Float64Array((rows.at(-1)?.id ?? -1) + 1);
    const retiredTs = new Float64Array(bornTs.length);
    for (const row of rows) {
      series.restore(row.id, this.#symbolsOf(series, row.labels));
      bornTs[row.id] = row.born_ts;
      retiredTs[row.id] = row.retired_ts ?? Infinity;
    }
    const sideLanes = new Set<number>();
    for (const { id } of this.#rows<{ id: number }>('SELECT id FROM lanes WHERE rows = 0')) sideLanes.add(id);
    const lanes = new Map<SeriesId, readonly number[]>();
    for (const place of this.#rows<{ series: number; lane: number }>('SELECT series, lane FROM places ORDER BY lane')) {
      const known = lanes.get(place.series);
      lanes.set(place.series, known === undefined ? [place.lane] : [...known, place.lane]);
    }
    return { series, lanes, bornTs, retiredTs, sideLanes };
  }

  /** The times of the oldest and newest samples there are; undefined where there are none. */
  bounds(): { readonly minTs: number; readonly maxTs: number } | undefined {
    return this.#db.transaction(() => {
      const [blocks] = this.#rows<{ min: number | null; max: number | null }>('SELECT min(min_ts) AS min, max(max_ts) AS max FROM blocks');
      // What cannot be read is told when it is read in earnest.
      const tails = this.#log().play({
        wants: () => true,
        keeps: () => false,
        onHole: () => undefined,
        checkpoint: this.#checkpoint,
      });
      let minTs = blocks?.min ?? Infinity;
      let maxTs = blocks?.max ?? -Infinity;
      for (const tail of tails.values()) {
        minTs = Math.min(minTs, tail.minTs);
        maxTs = Math.max(maxTs, tail.maxTs);
      }
      return maxTs < minTs ? undefined : { minTs, maxTs };
    })();
  }

  /** What all lanes have in (fromTs, toTs], as of one moment; of the log only series that `keeps` names can be read. */
  contents(fromTs: number, toTs: number, keeps: (id: SeriesId) => boolean): HistoryContents {
    return this.#db.transaction(() => {
      const lanes = new Map<number, { blocks: BlockRange[]; tail: HistoryTail | undefined }>();
      const rows = this.#rows<{ id: number; lane: number; min_ts: number; max_ts: number }>(
        'SELECT id, lane, min_ts, max_ts FROM blocks WHERE max_ts > ? AND min_ts <= ? ORDER BY id',
        fromTs,
        toTs,
      );
      for (const { id, lane, min_ts: minTs, max_ts: maxTs } of rows) {
        const known = lanes.get(lane);
        const range = { id, minTs, maxTs };
        if (known === undefined) lanes.set(lane, { blocks: [range], tail: undefined });
        else known.blocks.push(range);
      }
      const log = this.#log();
      for (const [lane, tail] of this.tailsOf(log, () => true, keeps)) {
        if (tail.maxTs <= fromTs || tail.minTs > toTs) continue;
        const known = lanes.get(lane);
        if (known === undefined) lanes.set(lane, { blocks: [], tail });
        else known.tail = tail;
      }
      return { lanes, log };
    })();
  }

  /** Plays a log that was read before, for lanes of which more is wanted now. */
  tailsOf(log: HistoryLog, wants: (lane: number) => boolean, keeps: (id: SeriesId) => boolean): ReadonlyMap<number, HistoryTail> {
    return log.play({ wants, keeps, onHole: (id) => this.#lostRecords.add(id), checkpoint: this.#checkpoint });
  }

  /** A lane's blocks with samples in (fromTs, toTs] as they are now. */
  blocksOf(lane: number, fromTs: number, toTs: number): readonly BlockRange[] {
    const rows = this.#lane.all(lane, fromTs, toTs) as { id: number; min_ts: number; max_ts: number }[];
    return rows.map(({ id, min_ts: minTs, max_ts: maxTs }) => ({ id, minTs, maxTs }));
  }

  /** A block, its columns not decoded yet; undefined where it has gone or cannot be read, which leaves a hole. */
  block({ id, minTs, maxTs }: BlockRange): DecodedBlock | undefined {
    this.#checkpoint();
    const row = this.#block.get(id) as { bytes: Uint8Array } | undefined;
    if (row === undefined) return undefined;
    try {
      return new DecodedBlock(unpack(row.bytes), minTs, maxTs, this.#codec);
    } catch (error) {
      if (!(error instanceof BelfryError)) throw error;
      this.lose(id);
      return undefined;
    }
  }

  /** As `block`, its bytes. Throws `STORE_CORRUPT`. */
  blockBytes({ id }: BlockRange): Uint8Array | undefined {
    const row = this.#block.get(id) as { bytes: Uint8Array } | undefined;
    if (row === undefined) this.lose(id);
    return row === undefined ? undefined : unpack(row.bytes);
  }

  /** The log as it is now. */
  #log(): HistoryLog {
    return new HistoryLog(
      this.#rows<LoggedLane>('SELECT id, rows, log_from, (SELECT max(max_ts) FROM blocks WHERE lane = lanes.id) AS sealed FROM lanes'),
      this.#rows<LogRow>('SELECT id, bytes FROM log ORDER BY id'),
    );
  }

  #rows<Row>(sql: string, ...values: readonly unknown[]): readonly Row[] {
    return this.#db.prepare(sql).all(...values) as Row[];
  }

  #symbolsOf(series: SeriesTable, bytes: Uint8Array): readonly number[] {
    const from = new BitReader(bytes);
    const symbols: number[] = [];
    while (from.at < bytes.length) {
      const symbol = from.varint();
      if (series.symbols.text(symbol) === '') throw corrupt(`${this.#path}: a label's text ${symbol} is missing`);
      symbols.push(symbol);
    }
    if (symbols.length % 2 !== 0) throw corrupt(`${this.#path}: a label has a name and no value`);
    return symbols;
  }
}

function unreadable(path: string, cause: unknown): BelfryError {
  // Readers keep their place in a small file beside it.
  const hint =
    /^SQLITE_(CANTOPEN|READONLY)/.test(sqliteCode(cause)) && existsSync(path)
      ? ': a file in a folder that may not be written to has to be copied first'
      : '';
  return new BelfryError('BAD_REQUEST', `${path} cannot be read: ${errorText(cause)}${hint}`, { cause });
}

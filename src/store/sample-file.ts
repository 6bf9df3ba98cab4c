import Database from 'better-sqlite3';
import { existsSync, renameSync } from 'node:fs';
import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { BelfryError, errorText } from '../core/errors.ts';
import { corrupt } from './bit-reader.ts';
import type { SealedBlock } from './sealed-block.ts';

/** `PRAGMA application_id` of a samples file: "BELs". */
const APPLICATION_ID = 0x42454c73;
const SCHEMA_VERSION = 1;
/** Labels, logs and blocks never come near this; a damaged length must not take all memory. */
const MAX_UNPACKED_BYTES = 512 * 1024 * 1024;

const SCHEMA = `
  CREATE TABLE symbols (id INTEGER PRIMARY KEY, text TEXT NOT NULL);
  CREATE TABLE series (id INTEGER PRIMARY KEY, born_ts INTEGER NOT NULL, retired_ts INTEGER, labels BLOB NOT NULL);
  CREATE TABLE lanes (id INTEGER PRIMARY KEY, target TEXT NOT NULL, rows INTEGER NOT NULL, log_from INTEGER NOT NULL);
  CREATE TABLE places (series INTEGER NOT NULL, lane INTEGER NOT NULL, PRIMARY KEY (series, lane)) WITHOUT ROWID;
  CREATE TABLE blocks (id INTEGER PRIMARY KEY, lane INTEGER NOT NULL, min_ts INTEGER NOT NULL, max_ts INTEGER NOT NULL,
    samples INTEGER NOT NULL, bytes BLOB NOT NULL);
  CREATE INDEX blocks_by_lane ON blocks (lane, id, min_ts, max_ts);
  CREATE INDEX blocks_by_time ON blocks (max_ts);
  CREATE TABLE log (id INTEGER PRIMARY KEY, ts INTEGER NOT NULL, bytes BLOB NOT NULL);
  CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
`;

export interface StoredSeries {
  readonly id: number;
  readonly born_ts: number;
  readonly retired_ts: number | null;
  readonly labels: Uint8Array;
}

export interface StoredBlockRange {
  readonly id: number;
  readonly min_ts: number;
  readonly max_ts: number;
}

/** The statements over one `samples.db`. Every method may throw SQLite's own errors. */
export class SampleFile {
  readonly #db: Database.Database;
  readonly #statements = new Map<string, Database.Statement>();

  /** Opens or begins a file; throws `STORE_NEWER` for one of a later version, `STORE_CORRUPT` for something else. */
  constructor(path: string) {
    this.#db = new Database(path);
    try {
      this.#prepare();
    } catch (error) {
      this.#db.close();
      throw error;
    }
  }

  #prepare(): void {
    const version = Number(this.#db.pragma('user_version', { simple: true }));
    const application = Number(this.#db.pragma('application_id', { simple: true }));
    if (version > SCHEMA_VERSION) {
      throw new BelfryError('STORE_NEWER', `samples file has version ${version}; this program knows up to ${SCHEMA_VERSION}`);
    }
    if (version !== 0 && application !== APPLICATION_ID) throw corrupt('the file is not one of ours');
    if (version === 0) {
      const [tables] = this.rows<{ n: number }>('SELECT count(*) AS n FROM sqlite_schema');
      if (tables?.n !== 0) throw corrupt('the file is not one of ours');
      this.#db.pragma('auto_vacuum = INCREMENTAL');
      this.#db.pragma('page_size = 8192');
    }
    this.#db.pragma('journal_mode = WAL');
    this.#db.pragma('synchronous = NORMAL');
    this.#db.pragma('temp_store = MEMORY');
    // A checkpoint holds the event loop: small ones, more often.
    this.#db.pragma('wal_autocheckpoint = 256');
    this.#db.pragma('journal_size_limit = 67108864');
    if (version > 0) return;
    this.transaction(() => {
      this.#db.exec(SCHEMA);
      this.#db.pragma(`application_id = ${APPLICATION_ID}`);
      this.#db.pragma(`user_version = ${SCHEMA_VERSION}`);
    });
  }

  /** All of it or nothing. */
  transaction(work: () => void): void {
    this.#db.transaction(work).immediate();
  }

  run(sql: string, ...values: readonly unknown[]): void {
    this.#statement(sql).run(...values);
  }

  /** Rows of a statement that this room wrote itself: the caller names their shape. */
  rows<Row>(sql: string, ...values: readonly unknown[]): readonly Row[] {
    return this.#statement(sql).all(...values) as Row[];
  }

  insertBlock({ id, lane, minTs, maxTs, samples, bytes }: SealedBlock): void {
    this.run('INSERT INTO blocks VALUES (?, ?, ?, ?, ?, ?)', id, lane, minTs, maxTs, samples, pack(bytes, 3));
  }

  /** A block's bytes; undefined where it has gone. */
  blockBytes(id: number): Uint8Array | undefined {
    const [row] = this.rows<{ bytes: Uint8Array }>('SELECT bytes FROM blocks WHERE id = ?', id);
    return row === undefined ? undefined : unpack(row.bytes);
  }

  /** A lane's blocks up to the given one that overlap [minTs, maxTs], in the order they were sealed. */
  blockRanges(lane: number, maxId: number, minTs: number, maxTs: number): readonly StoredBlockRange[] {
    return this.rows<StoredBlockRange>(
      'SELECT id, min_ts, max_ts FROM blocks WHERE lane = ? AND id <= ? AND max_ts >= ? AND min_ts <= ? ORDER BY id',
      lane,
      maxId,
      minTs,
      maxTs,
    );
  }

  /** Bytes in use, freed pages not counted. */
  get bytes(): number {
    const pragma = (name: string): number => Number(this.#db.pragma(name, { simple: true }));
    return (pragma('page_count') - pragma('freelist_count')) * pragma('page_size');
  }

  /** Gives up to that many free pages back to the file system. */
  shrink(pages: number): void {
    this.#db.pragma(`incremental_vacuum(${pages})`);
  }

  close(): void {
    this.#db.close();
  }

  #statement(sql: string): Database.Statement {
    let statement = this.#statements.get(sql);
    if (statement === undefined) this.#statements.set(sql, (statement = this.#db.prepare(sql)));
    return statement;
  }
}

/** Compresses what goes into the file, with a checksum. */
export function pack(bytes: Uint8Array, level: number): Uint8Array {
  return zstdCompressSync(bytes, { params: { [constants.ZSTD_c_compressionLevel]: level, [constants.ZSTD_c_checksumFlag]: 1 } });
}

/** Throws `STORE_CORRUPT`. */
export function unpack(bytes: Uint8Array): Uint8Array {
  try {
    return zstdDecompressSync(bytes, { maxOutputLength: MAX_UNPACKED_BYTES });
  } catch (error) {
    throw corrupt(errorText(error));
  }
}

/** True for errors that say the file itself is damaged, not the disk or the moment. */
export function isCorruption(error: unknown): boolean {
  if (error instanceof BelfryError) return error.code === 'STORE_CORRUPT';
  if (typeof error !== 'object' || error === null || !('code' in error)) return false;
  return typeof error.code === 'string' && /^SQLITE_(CORRUPT|NOTADB)/.test(error.code);
}

/** Renames a damaged file and its companions; returns the new name. */
export function setAside(path: string, suffix: string): string {
  for (const part of ['-wal', '-shm', '']) if (existsSync(path + part)) renameSync(path + part, `${path}.aside-${suffix}${part}`);
  return `${path}.aside-${suffix}`;
}

import Database from 'better-sqlite3';
import { existsSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { BelfryError, errorText } from '../core/errors.ts';
import { corrupt } from './bit-reader.ts';
import type { SealedBlock } from './sealed-block.ts';
import { isDamage, sqliteCode } from './state/sqlite-error.ts';

/** `PRAGMA application_id` of a samples file: "BELs". */
const APPLICATION_ID = 0x42454c73;
/** Version 2 has blocks that a program of version 1 cannot read; what version 1 wrote stays as it is. */
export const SCHEMA_VERSION = 2;
/** How hard zstd tries with blocks. */
export const BLOCK_LEVEL = 3;
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
  #db: Database.Database;
  readonly #statements = new Map<string, Database.Statement>();

  /**
   * Opens or begins a file; throws `STORE_NEWER` for one of a later version, `STORE_CORRUPT` for something else. `alone`
   * keeps other processes out, which spares the shared memory that a full disk has no room for.
   */
  constructor(path: string, options: { readonly alone?: boolean } = {}) {
    this.#db = this.#open(path, options.alone === true);
  }

  /** Lets the file go, for it to be put away; until `begin` every method throws. */
  letGo(): void {
    this.#db.close();
  }

  /** After `letGo`: begins a new file. */
  begin(path: string): void {
    this.#db = this.#open(path, false);
  }

  get isOpen(): boolean {
    return this.#db.open;
  }

  #open(path: string, alone: boolean): Database.Database {
    const db = new Database(path);
    this.#statements.clear();
    this.#db = db;
    try {
      if (alone) db.pragma('locking_mode = EXCLUSIVE');
      this.#prepare();
      return db;
    } catch (error) {
      db.close();
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
    // KiB. Everything is read in order or by key, seldom twice: a greater cache (the default is 16 MB) is memory for nothing.
    this.#db.pragma('cache_size = -4096');
    // A checkpoint holds the event loop: small ones, more often.
    this.#db.pragma('wal_autocheckpoint = 256');
    this.#db.pragma('journal_size_limit = 67108864');
    if (version > 0) {
      if (version < SCHEMA_VERSION) this.#db.pragma(`user_version = ${SCHEMA_VERSION}`);
      return;
    }
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
    this.run('INSERT INTO blocks VALUES (?, ?, ?, ?, ?, ?)', id, lane, minTs, maxTs, samples, pack(bytes, BLOCK_LEVEL));
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

  /** Bytes in use, freed pages not counted; 0 where the file cannot be asked, which the next write tells. */
  get bytes(): number {
    try {
      return (this.#number('page_count') - this.#number('freelist_count')) * this.#number('page_size');
    } catch (error) {
      if (this.#db.open && sqliteCode(error) === '') throw error;
      return 0;
    }
  }

  /** How many of its pages are free, 0 to 1. */
  get freeShare(): number {
    return this.#number('freelist_count') / Math.max(1, this.#number('page_count'));
  }

  /** Gives up to that many free pages back to the file system. True where it gave some. */
  shrink(pages: number): boolean {
    const before = this.#number('page_count');
    this.#db.pragma(`incremental_vacuum(${pages})`);
    return this.#number('page_count') < before;
  }

  #number(pragma: string): number {
    return Number(this.#db.pragma(pragma, { simple: true }));
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
  return error instanceof BelfryError ? error.code === 'STORE_CORRUPT' : isDamage(error);
}

/** So many files that were set aside are kept, the newest; nobody may ever look at them, and the disk is not without end. */
const ASIDE_KEPT = 3;

/** Renames a damaged file and its companions; returns the new name. */
export function setAside(path: string, suffix: string): string {
  const stem = `${basename(path)}.aside-`;
  for (const part of ['-wal', '-shm', '']) if (existsSync(path + part)) renameSync(path + part, `${path}.aside-${suffix}${part}`);
  const times = new Set(
    readdirSync(dirname(path)).flatMap((name) => (name.startsWith(stem) ? [name.slice(stem.length).split('Z')[0]] : [])),
  );
  for (const old of [...times].toSorted((a = '', b = '') => (a < b ? -1 : 1)).slice(0, -ASIDE_KEPT))
    for (const part of ['-wal', '-shm', '']) rmSync(`${path}.aside-${old}Z${part}`, { force: true });
  return `${path}.aside-${suffix}`;
}

import { closeSync, existsSync, mkdirSync, openSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import Sqlite from 'better-sqlite3';
import type { Clock, Timer } from '../../core/clock.ts';
import { BelfryError, errorText } from '../../core/errors.ts';
import type { Logger } from '../../core/log.ts';
import type { Counter, Gauge, Meter } from '../../core/meter.ts';
import type { StateStore } from '../../core/state.ts';
import { ChangeWriter, type EncodedChange } from './change-writer.ts';
import type { StateChange } from './changes.ts';
import { columnOf, decode, ENTITIES, type EntityName, type EntityRows } from './entities.ts';
import { fileSystemType, incomingPath, refuseNetworkFileSystem, type FileSystemTypeOf } from './file-system.ts';
import { acquireLock } from './lock.ts';
import { migrate, MIGRATIONS, refuseForeignFile } from './migrations.ts';
import { isDamage, isDiskTrouble, sqliteCode } from './sqlite-error.ts';

export interface StateDbOptions {
  /** Of the file `state.db`; its folder is made, and held with `belfry.lock`. */
  readonly path: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly meter: Meter;
  /** How long a write waits for a reader or a backup from outside. Default 1 s. */
  readonly busyTimeoutMs?: number;
  /** The file's largest size; beyond it writes fail as on a full disk. Default 4 GiB. */
  readonly limitBytes?: number;
  /** Changes that wait in memory for a disk that works again. Default 1,000,000. */
  readonly waitingChangesMax?: number;
  /** For tests. */
  readonly fileSystemType?: FileSystemTypeOf;
  /** For tests. */
  readonly migrations?: readonly string[];
}

const DEFAULTS = { busyTimeoutMs: 1000, limitBytes: 4 * 1024 ** 3, waitingChangesMax: 1_000_000, retryMs: 1000 };
const PAGE_BYTES = 4096;
/** What the write-ahead log is cut down to after it has grown. */
const WAL_BYTES = 16 * 1024 ** 2;

/**
 * Opens state.db and holds its folder. Errors: STORE_LOCKED, STORE_NEWER, STORE_CORRUPT, CONFIG_INVALID (a network
 * file system), STATE_NOT_DURABLE (read-only, or no room for a first file).
 */
export function openStateDb(options: StateDbOptions): StateDb {
  try {
    return openInFolder(options);
  } catch (error) {
    if (isDamage(error)) throw damaged(options.path, errorText(error), error);
    if (isDiskTrouble(error) || isFileTrouble(error)) throw cannotOpen(options.path, error);
    throw error;
  }
}

function openInFolder(options: StateDbOptions): StateDb {
  const { path, log } = options;
  const folder = dirname(path);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  refuseNetworkFileSystem(folder, options.fileSystemType ?? fileSystemType);
  const unlock = acquireLock(join(folder, 'belfry.lock'));
  let sqlite: Sqlite.Database | undefined;
  try {
    refuseHalfRestored(path);
    // Tokens are kept in it: no one else may read it. SQLite gives its side files the same mode.
    closeSync(openSync(path, 'a', 0o600));
    sqlite = openFile(options);
    migrate(sqlite, path, log, options.migrations ?? MIGRATIONS);
    return new StateDb(sqlite, options, unlock);
  } catch (error) {
    sqlite?.close();
    unlock();
    throw error;
  }
}

/** An empty state in its place would tell everything once more, and forget silences and holds. */
function refuseHalfRestored(path: string): void {
  const incoming = incomingPath(path);
  if (existsSync(path) || !existsSync(incoming)) return;
  throw new BelfryError(
    'STORE_CORRUPT',
    `a restore into ${dirname(path)} was cut off (${basename(incoming)} is there, ${basename(path)} is not): run belfry restore again. ` +
      `What was there before is in its newest folder replaced-…; without ${basename(incoming)} Belfry starts with an empty state`,
  );
}

/** On a disk without any room left there is none for SQLite's shared memory either, which one process alone does not need. */
function openFile(options: StateDbOptions): Sqlite.Database {
  const open = (alone: boolean): Sqlite.Database => {
    const sqlite = new Sqlite(options.path, { timeout: options.busyTimeoutMs ?? DEFAULTS.busyTimeoutMs });
    try {
      if (alone) sqlite.pragma('locking_mode = EXCLUSIVE');
      prepareFile(sqlite, options.path, options.limitBytes ?? DEFAULTS.limitBytes);
      return sqlite;
    } catch (error) {
      sqlite.close();
      throw error;
    }
  };
  try {
    return open(false);
  } catch (error) {
    if (!isDiskTrouble(error) || isDamage(error) || /BUSY|LOCKED/.test(sqliteCode(error))) throw error;
    options.log.warn('state_opened_alone', { error: errorText(error) });
    return open(true);
  }
}

function cannotOpen(path: string, error: unknown): BelfryError {
  return new BelfryError(
    'STATE_NOT_DURABLE',
    `${path} cannot be opened for writing (${errorText(error)}): Belfry needs a data folder of its own, writable and with room`,
    { cause: error },
  );
}

/** What the operating system says before SQLite is asked at all, such as EROFS, EACCES and ENOSPC. */
function isFileTrouble(error: unknown): boolean {
  return typeof error === 'object' && error !== null && 'syscall' in error;
}

function prepareFile(sqlite: Sqlite.Database, path: string, limitBytes: number): void {
  refuseForeignFile(sqlite, path);
  sqlite.pragma('journal_mode = WAL');
  sqlite.pragma('synchronous = FULL');
  sqlite.pragma('foreign_keys = ON');
  sqlite.pragma(`journal_size_limit = ${WAL_BYTES}`);
  sqlite.pragma(`max_page_count = ${Math.ceil(limitBytes / PAGE_BYTES)}`);
  const found = String(sqlite.pragma('quick_check(1)', { simple: true }));
  if (found !== 'ok') throw damaged(path, found);
}

function damaged(path: string, what: string, cause?: unknown): BelfryError {
  return new BelfryError(
    'STORE_CORRUPT',
    `${path} is damaged (${what.replaceAll(/\s+/g, ' ')}); restore a backup: ` +
      `belfry restore --from YOUR-BACKUP --to ${dirname(path)} --replace. ` +
      `Without a backup, put it aside (with ${basename(path)}-wal): Belfry then starts with an empty state`,
    { cause },
  );
}

/**
 * The state file. Memory is the truth while the process runs; `apply` is the only way to write. Changes that cannot be
 * written wait in memory, the latest for each key, and go first into the next transaction that works: nothing has to be
 * taken again from the rooms.
 */
export class StateDb implements StateStore {
  readonly path: string;
  /** How many times this file was opened; stands in every row that this process writes. */
  readonly epoch: number;
  readonly #sqlite: Sqlite.Database;
  readonly #writer: ChangeWriter;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #unlock: () => void;
  readonly #waitingMax: number;
  readonly #durableGauge: Gauge;
  readonly #lost: Counter;
  /** By entity and key, in the order in which the keys were first changed. */
  readonly #waiting = new Map<string, EncodedChange>();
  #open: EncodedChange[] | undefined;
  #durable = true;
  #retry: Timer | undefined;
  #closed = false;

  constructor(sqlite: Sqlite.Database, options: StateDbOptions, unlock: () => void) {
    this.path = options.path;
    this.#sqlite = sqlite;
    this.#clock = options.clock;
    this.#log = options.log;
    this.#unlock = unlock;
    this.#waitingMax = options.waitingChangesMax ?? DEFAULTS.waitingChangesMax;
    this.#durableGauge = options.meter.gauge('belfry_state_durable', '1, or 0 while state.db cannot be written');
    this.#lost = options.meter.counter('belfry_state_changes_lost_total', 'State changes that neither disk nor memory had room for');
    this.#durableGauge.set(1);
    const opened = Number(sqlite.prepare("SELECT value FROM setting WHERE key = 'epoch'").pluck().get() ?? 0);
    this.epoch = opened + 1;
    this.#writer = new ChangeWriter(sqlite, this.epoch);
    this.apply({ v: 1, kind: 'setting.put', row: { key: 'epoch', shard: '', value: String(this.epoch) } });
  }

  get durable(): boolean {
    return this.#durable;
  }

  /** Writes one change, within the transaction that is open or in one of its own. */
  apply(change: StateChange): void {
    if (this.#open === undefined) this.durably(() => this.apply(change));
    else this.#open.push(this.#writer.encode(change));
  }

  /**
   * Runs `write`, then writes what it applied in one transaction. If `write` throws, nothing is written. A nested call
   * joins; it returns whether the last transaction was durable, and only the outermost knows about this one.
   */
  durably(write: () => void): boolean {
    if (this.#open !== undefined) {
      write();
      return this.#durable;
    }
    const changes: EncodedChange[] = [];
    this.#open = changes;
    try {
      write();
    } finally {
      this.#open = undefined;
    }
    return changes.length === 0 ? this.#durable : this.#commit(changes);
  }

  /** Every row of an entity; for the start. `where` is SQL over its columns. */
  rows<E extends EntityName>(entity: E, where = '', ...params: readonly (string | number)[]): readonly EntityRows[E][] {
    const columns = Object.entries(ENTITIES[entity].columns);
    const select = `SELECT ${columns.map(([property]) => columnOf(property)).join(', ')} FROM ${entity}`;
    const found = this.#sqlite.prepare<unknown[], unknown[]>(where === '' ? select : `${select} WHERE ${where}`).raw();
    const rows: EntityRows[E][] = [];
    for (const values of found.iterate(...params)) {
      rows.push(
        Object.fromEntries(columns.map(([property, codec], i) => [property, decode(codec, values[i])])) as unknown as EntityRows[E],
      );
    }
    return rows;
  }

  /** Tries once more to write what waits, then lets the file and the folder go. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#retry?.cancel();
    if (this.#waiting.size > 0 && !this.#commit([])) this.#log.error('state_closed_not_durable', { changes: this.#waiting.size });
    this.#retry?.cancel();
    this.#sqlite.close();
    this.#unlock();
  }

  #commit(changes: readonly EncodedChange[]): boolean {
    if (this.#closed && changes.length > 0) throw new BelfryError('STOPPING', 'state.db is closed');
    try {
      this.#sqlite.exec('BEGIN IMMEDIATE');
      for (const change of this.#waiting.values()) this.#writeWaiting(change);
      for (const change of changes) this.#writer.write(change);
      this.#sqlite.exec('COMMIT');
    } catch (error) {
      if (this.#sqlite.inTransaction) this.#sqlite.exec('ROLLBACK');
      if (!isDiskTrouble(error)) throw new BelfryError('INTERNAL', `state change refused: ${errorText(error)}`, { cause: error });
      this.#keep(changes);
      this.#becomeDurable(false, errorText(error));
      return false;
    }
    this.#waiting.clear();
    this.#becomeDurable(true, '');
    return true;
  }

  /** One change that SQLite refuses for what it is must not hold back all others for ever. */
  #writeWaiting(change: EncodedChange): void {
    try {
      this.#writer.write(change);
    } catch (error) {
      if (isDiskTrouble(error)) throw error;
      this.#lost.add(1);
      this.#log.error('state_change_refused', { change: change.statementKey, error: errorText(error) });
    }
  }

  #keep(changes: readonly EncodedChange[]): void {
    for (const change of changes) {
      if (this.#waiting.size < this.#waitingMax || this.#waiting.has(change.key)) this.#waiting.set(change.key, change);
      else this.#lost.add(1);
    }
  }

  #becomeDurable(durable: boolean, why: string): void {
    if (!durable && !this.#closed) {
      this.#retry?.cancel();
      this.#retry = this.#clock.timer(DEFAULTS.retryMs, () => void this.#commit([]), { unref: true });
    }
    if (durable === this.#durable) return;
    this.#durable = durable;
    this.#durableGauge.set(durable ? 1 : 0);
    if (durable) this.#log.info('state_durable_again');
    else this.#log.error('state_not_durable', { error: why });
    if (durable) this.#retry?.cancel();
  }
}

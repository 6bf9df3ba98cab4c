import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { spawn } from 'node:child_process';
import { chmodSync, copyFileSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { ManualClock } from '../../../src/core/clock.ts';
import { BelfryError } from '../../../src/core/errors.ts';
import { silentLogger } from '../../../src/core/log.ts';
import { silentMeter, type Meter } from '../../../src/core/meter.ts';
import type { AlertStateRow } from '../../../src/core/state.ts';
import { AlertStore } from '../../../src/store/state/alert-store.ts';
import { MIGRATIONS } from '../../../src/store/state/migrations.ts';
import { SettingStore } from '../../../src/store/state/setting-store.ts';
import { openStateDb, type StateDb, type StateDbOptions } from '../../../src/store/state/state-db.ts';

let folder = '';
let path = '';
const clock = new ManualClock();
const opened: StateDb[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'belfry-state-'));
  path = join(folder, 'state.db');
});

afterEach(() => {
  for (const db of opened.splice(0)) db.close();
  rmSync(folder, { recursive: true });
});

function open(options: Partial<StateDbOptions> = {}): StateDb {
  const db = openStateDb({ path, clock, log: silentLogger, meter: silentMeter, ...options });
  opened.push(db);
  return db;
}

function codeOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (error instanceof BelfryError) return error.code;
    throw error;
  }
  return 'none';
}

function alertRow(alertKey: string, changes: Partial<AlertStateRow> = {}): AlertStateRow {
  return {
    ruleKey: 'rules.yaml/kafka/BrokerCrashed/0',
    alertKey,
    shard: 'orders-dal',
    labels: { alertname: 'BrokerCrashed', broker: '2' },
    annotations: { summary: 'broker 2 – crashed\n"now"' },
    state: 'firing',
    value: 1.5,
    activeAt: 1_700_000_000_000,
    firedAt: 1_700_000_000_001,
    resolvedAt: 0,
    lastSentAt: 0,
    keepFiringSince: 0,
    resolveReason: '',
    ...changes,
  };
}

describe('state.db keeps what was written', () => {
  it('gives every row back after it is opened again, and counts the openings', () => {
    const first = open();
    const rows = [alertRow('a'), alertRow('b', { value: NaN }), alertRow('c', { value: -Infinity, state: 'pending' })];
    const save = (): void => {
      for (const row of rows) new AlertStore(first).saveAlert(row);
    };
    expect(first.durably(save)).toBe(true);
    first.close();

    const second = open();
    expect(new AlertStore(second).loadAlerts()).toEqual(rows);
    expect([first.epoch, second.epoch]).toEqual([1, 2]);
  });

  it('overwrites by key and deletes by key', () => {
    const store = new AlertStore(open());
    store.saveAlert(alertRow('a'));
    store.saveAlert(alertRow('a', { state: 'inactive', resolvedAt: 5 }));
    store.saveAlert(alertRow('b'));
    store.deleteAlert(alertRow('b').ruleKey, 'b');
    expect(store.loadAlerts()).toEqual([alertRow('a', { state: 'inactive', resolvedAt: 5 })]);
  });

  it('keeps timers of groups and settings', () => {
    const db = open();
    new AlertStore(db).saveTimer('rules.yaml/kafka', 1_700_000_000_123);
    new SettingStore(db).save('token', 'hash');
    expect([...new AlertStore(db).loadTimers()]).toEqual([['rules.yaml/kafka', 1_700_000_000_123]]);
    expect(new SettingStore(db).load().get('token')).toBe('hash');
  });

  it('lets no one else read the file', () => {
    open();
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });
});

describe('durably', () => {
  it('writes all or nothing: an error in the middle leaves no trace', () => {
    const db = open();
    const store = new AlertStore(db);
    expect(() =>
      db.durably(() => {
        store.saveAlert(alertRow('a'));
        db.durably(() => store.saveAlert(alertRow('b')));
        throw new Error('stop');
      }),
    ).toThrow('stop');
    expect(store.loadAlerts()).toEqual([]);
    expect(db.durable).toBe(true);
  });

  it('refuses a value of the wrong type before anything is written', () => {
    const store = new AlertStore(open());
    expect(() => store.saveAlert(alertRow('a', { firedAt: NaN }))).toThrow('alert.put firedAt must be int');
    expect(store.loadAlerts()).toEqual([]);
  });
});

describe('when the disk does not take a write', () => {
  function gaugeMeter(): { meter: Meter; values: number[] } {
    const values: number[] = [];
    const meter: Meter = {
      ...silentMeter,
      gauge: (name) => ({
        set: (value) => void (name === 'belfry_state_durable' && values.push(value)),
        remove: () => undefined,
      }),
    };
    return { meter, values };
  }

  it('says so, goes on, and writes the latest of everything once the disk works again', async () => {
    const { meter, values } = gaugeMeter();
    const db = open({ busyTimeoutMs: 0, meter });
    const store = new AlertStore(db);
    store.saveAlert(alertRow('kept'));
    const other = new Sqlite(path);
    other.exec('BEGIN IMMEDIATE');
    expect(db.durably(() => store.saveAlert(alertRow('a')))).toBe(false);
    expect(db.durably(() => store.saveAlert(alertRow('a', { value: 7 })))).toBe(false);
    expect(db.durably(() => store.deleteAlert(alertRow('kept').ruleKey, 'kept'))).toBe(false);
    await clock.advance(5000);
    expect(db.durable).toBe(false);
    other.exec('ROLLBACK');
    other.close();
    await clock.advance(1000);
    expect(db.durable).toBe(true);
    expect(store.loadAlerts()).toEqual([alertRow('a', { value: 7 })]);
    expect(values).toEqual([1, 0, 1]);
    expect(clock.pendingTimers).toBe(0);
  });

  it('writes what waits together with the next write, without waiting for the timer', () => {
    const db = open({ busyTimeoutMs: 0 });
    const store = new AlertStore(db);
    const other = new Sqlite(path);
    other.exec('BEGIN IMMEDIATE');
    store.saveAlert(alertRow('a'));
    other.exec('ROLLBACK');
    other.close();
    expect(db.durably(() => store.saveAlert(alertRow('b')))).toBe(true);
    expect(store.loadAlerts().map(({ alertKey }) => alertKey)).toEqual(['a', 'b']);
  });

  it('treats a full file like a full disk, and loses nothing when rows make room', async () => {
    const db = open({ limitBytes: 400 * 1024 });
    const store = new AlertStore(db);
    let written = 0;
    const big = { annotations: { summary: 'x'.repeat(20_000) } };
    while (db.durable && written < 100) store.saveAlert(alertRow(`big-${written++}`, big));
    expect(db.durable).toBe(false);
    expect(written).toBeGreaterThan(3);
    for (let i = 0; i < written; i++) store.deleteAlert(alertRow('').ruleKey, `big-${i}`);
    store.saveAlert(alertRow('small'));
    await clock.advance(1000);
    expect(db.durable).toBe(true);
    expect(store.loadAlerts()).toEqual([alertRow('small')]);
  });

  it('keeps at most the given number of changes in memory', () => {
    const db = open({ busyTimeoutMs: 0, waitingChangesMax: 2 });
    const store = new AlertStore(db);
    const other = new Sqlite(path);
    other.exec('BEGIN IMMEDIATE');
    for (const key of ['a', 'b', 'c']) store.saveAlert(alertRow(key));
    store.saveAlert(alertRow('a', { value: 9 }));
    other.exec('ROLLBACK');
    other.close();
    store.saveAlert(alertRow('d'));
    expect(store.loadAlerts().map(({ alertKey, value }) => [alertKey, value])).toEqual([
      ['a', 9],
      ['b', 1.5],
      ['d', 1.5],
    ]);
  });
});

describe('opening', () => {
  it('refuses a second opening while the first lives', () => {
    open();
    expect(codeOf(() => open())).toBe('STORE_LOCKED');
  });

  it('takes over after a kill -9 of the process that had it, and finds what that one wrote', async () => {
    const script = `
      import { SystemClock } from ${JSON.stringify(join(import.meta.dirname, '../../../src/core/clock.ts'))};
      import { silentLogger } from ${JSON.stringify(join(import.meta.dirname, '../../../src/core/log.ts'))};
      import { silentMeter } from ${JSON.stringify(join(import.meta.dirname, '../../../src/core/meter.ts'))};
      import { openStateDb } from ${JSON.stringify(join(import.meta.dirname, '../../../src/store/state/state-db.ts'))};
      const db = openStateDb({ path: process.argv[1], clock: new SystemClock(), log: silentLogger, meter: silentMeter });
      db.apply({ v: 1, kind: 'setting.put', row: { key: 'k', shard: '', value: 'written' } });
      process.stdout.write('ready');
      process.stdin.resume();
    `;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script, path], { stdio: ['pipe', 'pipe', 'inherit'] });
    await new Promise((resolve) => child.stdout.once('data', resolve));
    expect(codeOf(() => open())).toBe('STORE_LOCKED');
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await gone;
    const db = open();
    expect(new SettingStore(db).load().get('k')).toBe('written');
  });

  it('copies the file before it migrates, and refuses it afterwards with the older binary', () => {
    const old = open();
    new AlertStore(old).saveAlert(alertRow('a'));
    old.close();
    const migrations = [...MIGRATIONS, 'CREATE TABLE later (id TEXT PRIMARY KEY) STRICT'];
    const migrated = open({ migrations });
    expect(new AlertStore(migrated).loadAlerts()).toEqual([alertRow('a')]);
    migrated.close();

    expect(codeOf(() => open())).toBe('STORE_NEWER');
    const copy = join(folder, `state.db.before-v${migrations.length}`);
    expect(existsSync(copy)).toBe(true);
    for (const name of readdirSync(folder)) if (/^state\.db(-wal|-shm)?$/.test(name)) rmSync(join(folder, name));
    copyFileSync(copy, path);
    chmodSync(path, 0o600);
    expect(new AlertStore(open()).loadAlerts()).toEqual([alertRow('a')]);
  });

  it('leaves the file at its version when a migration fails', () => {
    open().close();
    expect(() => open({ migrations: [...MIGRATIONS, 'CREATE TABLE later (id TEXT); SELECT nonsense'] })).toThrow('nonsense');
    open().close();
  });

  it.each([
    ['garbage', (at: string) => writeFileSync(at, 'garbage'.repeat(2000))],
    ['a file of another program', (at: string) => new Sqlite(at).exec('CREATE TABLE theirs (a)').close()],
  ])('names %s as STORE_CORRUPT and changes nothing in it', (_, make) => {
    make(path);
    const before = readFileSync(path);
    expect(codeOf(() => open())).toBe('STORE_CORRUPT');
    expect(readFileSync(path).equals(before)).toBe(true);
  });

  it('notices damaged pages and says how to restore', () => {
    const db = open();
    for (let i = 0; i < 200; i++) new AlertStore(db).saveAlert(alertRow(`alert-${i}`));
    db.close();
    const size = statSync(path).size;
    const raw = new Uint8Array(size - 8192).fill(0x5a);
    const whole = new Uint8Array(size);
    whole.set(new Uint8Array(Sqlite(path).serialize()).subarray(0, 8192));
    whole.set(raw, 8192);
    writeFileSync(path, whole);
    expect(() => open()).toThrow(/is damaged.*belfry restore --from YOUR-BACKUP --to \S+ --replace/);
  });

  it.each([
    [0x6969, 'NFS'],
    [0xff534d42 | 0, 'CIFS'],
    [0x01021997, '9p'],
  ])('refuses a network file system (%i)', (type, name) => {
    expect(() => open({ fileSystemType: () => type })).toThrow(`is on ${name}, a network file system`);
    expect(existsSync(path)).toBe(false);
  });
});

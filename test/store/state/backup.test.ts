import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { ManualClock } from '../../../src/core/clock.ts';
import { silentLogger } from '../../../src/core/log.ts';
import { silentMeter } from '../../../src/core/meter.ts';
import { backupState, restoreState } from '../../../src/store/state/backup.ts';
import { PilotStateStore } from '../../../src/store/state/pilot-store.ts';
import { openStateDb, type StateDb } from '../../../src/store/state/state-db.ts';

const WALL = Date.parse('2030-01-02T03:04:05Z');
const ABOUT = { version: '1.2.3', wall: WALL };

let folder: string;
let data: string;
let db: StateDb | undefined;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'belfry-backup-'));
  data = join(folder, 'data');
});
afterEach(() => {
  db?.close();
  db = undefined;
  rmSync(folder, { recursive: true, force: true });
});

function open(where = data): StateDb {
  db = openStateDb({ path: join(where, 'state.db'), clock: new ManualClock(WALL), log: silentLogger, meter: silentMeter });
  return db;
}

function setting(key: string, where = data): string | undefined {
  const file = new Sqlite(join(where, 'state.db'), { readonly: true });
  const value = file.prepare('SELECT value FROM setting WHERE key = ?').pluck().get(key) as string | undefined;
  file.close();
  return value;
}

function write(state: StateDb, key: string, value: string): void {
  state.apply({ v: 1, kind: 'setting.put', row: { key, shard: '', value } });
}

describe('a backup', () => {
  it('holds what was committed while the file is written to, and the files beside it, for the owner only', () => {
    const state = open();
    write(state, 'a', 'before');
    writeFileSync(join(data, 'token'), 'the token');
    const manifest = backupState(data, join(folder, 'copy'), ABOUT);
    write(state, 'a', 'after');

    expect(manifest).toMatchObject({ v: 1, takenAt: WALL, belfry: '1.2.3', files: [{ name: 'state.db' }, { name: 'token' }] });
    expect(setting('a', join(folder, 'copy'))).toBe('before');
    for (const name of readdirSync(join(folder, 'copy'))) expect(statSync(join(folder, 'copy', name)).mode & 0o777).toBe(0o600);
    expect(statSync(join(folder, 'copy')).mode & 0o777).toBe(0o700);
  });

  it('is of one moment: a transaction is in it whole or not at all', () => {
    const state = open();
    for (let round = 0; round < 20; round++) {
      state.durably(() => {
        for (const key of ['x', 'y']) write(state, key, String(round));
      });
      backupState(data, join(folder, `copy-${round}`), ABOUT);
      expect(setting('x', join(folder, `copy-${round}`))).toBe(setting('y', join(folder, `copy-${round}`)));
    }
  });

  it('never overwrites, and takes up what an earlier one left unfinished', () => {
    open();
    backupState(data, join(folder, 'copy'), ABOUT);
    expect(() => backupState(data, join(folder, 'copy'), ABOUT)).toThrow(expect.objectContaining({ code: 'CONFLICT' }));
    expect(readdirSync(folder)).not.toContain('copy.unfinished');
  });

  it('of a folder without a state is refused', () => {
    expect(() => backupState(folder, join(folder, 'copy'), ABOUT)).toThrow(expect.objectContaining({ code: 'NOT_FOUND' }));
    expect(existsSync(join(folder, 'copy'))).toBe(false);
  });
});

describe('a restore', () => {
  const copy = (): string => join(folder, 'copy');
  const take = (): void => {
    write(open(), 'a', 'saved');
    writeFileSync(join(data, 'token'), 'the token');
    backupState(data, copy(), ABOUT);
    db?.close();
  };

  it('brings back state and side files, and halts the auto-pilot', () => {
    take();
    const elsewhere = join(folder, 'elsewhere');
    expect(restoreState(copy(), elsewhere, { replace: false, wall: WALL }).putAside).toBeUndefined();
    expect(setting('a', elsewhere)).toBe('saved');
    expect(readFileSync(join(elsewhere, 'token'), 'utf8')).toBe('the token');
    expect(readFileSync(join(elsewhere, 'HALT'), 'utf8')).toContain('restored from a backup of 2030-01-02T03:04:05.000Z');
    open(elsewhere);
  });

  it('gives no fencing token twice', () => {
    const store = new PilotStateStore(open());
    store.durably(() => store.saveSetting('fencing_token', '7'));
    backupState(data, copy(), ABOUT);
    db?.close();
    restoreState(copy(), join(folder, 'elsewhere'), { replace: false, wall: WALL });
    expect(new PilotStateStore(open(join(folder, 'elsewhere'))).setting('fencing_token')).toBe('1000007');
  });

  it('puts what is there aside, and only when told to', () => {
    take();
    write(open(), 'a', 'newer');
    db?.close();
    expect(() => restoreState(copy(), data, { replace: false, wall: WALL })).toThrow(expect.objectContaining({ code: 'CONFLICT' }));
    expect(setting('a')).toBe('newer');
    const { putAside = '' } = restoreState(copy(), data, { replace: true, wall: WALL });
    expect(setting('a')).toBe('saved');
    expect(setting('a', putAside)).toBe('newer');
  });

  it('that is cut off leaves no state that Belfry would take for a new or an older one; run again it comes to its end', () => {
    take();
    const cutOff = join(folder, 'cut-off');
    mkdirSync(cutOff);
    // Killed when the old file was put aside, and not yet its log; the new one stands ready.
    copyFileSync(join(copy(), 'state.db'), join(cutOff, 'state.db.incoming'));
    writeFileSync(join(cutOff, 'state.db-wal'), 'the log of the old file');
    expect(() => open(cutOff)).toThrow(
      expect.objectContaining({ code: 'STORE_CORRUPT', message: expect.stringContaining('run belfry restore again') }),
    );
    expect(existsSync(join(cutOff, 'state.db'))).toBe(false);
    restoreState(copy(), cutOff, { replace: false, wall: WALL });
    expect(readdirSync(cutOff).filter((name) => /wal|incoming/.test(name))).toEqual([]);
    open(cutOff);
    expect(setting('a', cutOff)).toBe('saved');
  });

  it('that fails before anything was put aside leaves all as it was', () => {
    take();
    const elsewhere = join(folder, 'elsewhere');
    write(open(elsewhere), 'a', 'newer');
    db?.close();
    mkdirSync(join(elsewhere, `replaced-${new Date(WALL).toISOString().replaceAll(':', '')}`));
    expect(() => restoreState(copy(), elsewhere, { replace: true, wall: WALL })).toThrow('EEXIST');
    expect(readdirSync(elsewhere)).not.toContain('state.db.incoming');
    expect(setting('a', elsewhere)).toBe('newer');
  });

  it('is refused while a Belfry runs on the folder', () => {
    take();
    open();
    expect(() => restoreState(copy(), data, { replace: true, wall: WALL })).toThrow(expect.objectContaining({ code: 'STORE_LOCKED' }));
  });

  const damages: readonly [string, () => void, string][] = [
    ['cut short', () => truncateSync(join(copy(), 'state.db'), 4096), 'STORE_CORRUPT'],
    ['without its manifest', () => rmSync(join(copy(), 'backup.json')), 'NOT_FOUND'],
    ['with a manifest of garbage', () => writeFileSync(join(copy(), 'backup.json'), '{"v":1'), 'STORE_CORRUPT'],
    [
      'with a manifest that names other files',
      () => writeFileSync(join(copy(), 'backup.json'), manifestOf('../../etc/x')),
      'STORE_CORRUPT',
    ],
    ['without its token', () => rmSync(join(copy(), 'token')), 'STORE_CORRUPT'],
  ];
  it.each(damages)('of a backup %s changes nothing', (_, damage, code) => {
    take();
    damage();
    const before = readdirSync(data);
    expect(() => restoreState(copy(), data, { replace: true, wall: WALL })).toThrow(expect.objectContaining({ code }));
    expect(readdirSync(data)).toEqual(before);
    expect(setting('a')).toBe('saved');
  });

  it('of a newer Belfry is refused', () => {
    take();
    const file = new Sqlite(join(data, 'state.db'));
    file.pragma('user_version = 99');
    file.close();
    expect(() => backupState(data, join(folder, 'newer'), ABOUT)).toThrow(expect.objectContaining({ code: 'STORE_NEWER' }));
    expect(readdirSync(folder).toSorted()).toEqual(['copy', 'data']);
  });
});

function manifestOf(name: string): string {
  return JSON.stringify({ v: 1, takenAt: WALL, belfry: '1', schema: 2, files: [{ name, sha256: '', sizeBytes: 0 }] });
}

import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import Sqlite from 'better-sqlite3';
import { closeSync, mkdirSync, openSync, readFileSync, statSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { ManualClock } from '../../src/core/clock.ts';
import { silentLogger } from '../../src/core/log.ts';
import { silentMeter } from '../../src/core/meter.ts';
import { openStateDb, type StateDb } from '../../src/store/state/state-db.ts';
import { Shell, type RunResult } from '../cli/harness.ts';

let shell: Shell;
let data = '';
beforeEach(() => {
  shell = new Shell();
  data = join(shell.folder, 'data');
  mkdirSync(data);
  writeFileSync(join(shell.folder, 'belfry.yaml'), 'clusters: []\nhttp: {listen: "127.0.0.1:0"}\nhost: {collect: false}\n');
});
afterEach(() => shell.close());

const start = (folder = 'data'): Promise<RunResult> => shell.run('start', '--config', 'belfry.yaml', '--data', folder);

function open(): StateDb {
  return openStateDb({ path: join(data, 'state.db'), clock: new ManualClock(), log: silentLogger, meter: silentMeter });
}

/** Rows enough for several pages. */
function makeState(): void {
  const db = open();
  for (let i = 0; i < 200; i++) db.apply({ v: 1, kind: 'setting.put', row: { key: `k${i}`, shard: '', value: 'x'.repeat(500) } });
  db.close();
}

function overwrite(path: string, at: number, bytes: number): void {
  const fd = openSync(path, 'r+');
  writeSync(fd, Buffer.alloc(bytes, 0x5a), 0, bytes, at);
  closeSync(fd);
}

describe('Belfry does not start, and says why in one line,', () => {
  it('where state.db is damaged: with the command that brings a backup back, which works', async () => {
    makeState();
    expect((await shell.run('backup', '--data', data, '--to', 'copy')).failure).toBe('');
    const path = join(data, 'state.db');
    overwrite(path, 4096, statSync(path).size - 4096);
    const damaged = readFileSync(path);
    const { exitCode, failure } = await start();
    expect([exitCode, failure.split('\n')]).toEqual([1, [expect.stringContaining(`${path} is damaged`)]]);
    expect(readFileSync(path).equals(damaged)).toBe(true);
    const [, command = ''] = /(belfry restore \S+ \S+ \S+ \S+ \S+)\. /.exec(failure) ?? [];
    expect(command).toBe(`belfry restore --from YOUR-BACKUP --to ${data} --replace`);
    const restored = await shell.run(...command.replace('YOUR-BACKUP', 'copy').split(' ').slice(1));
    expect(restored.failure).toBe('');
    const db = open();
    expect(db.rows('setting', "key LIKE 'k%'")).toHaveLength(200);
    db.close();
  });

  it('where a newer Belfry has written it', async () => {
    makeState();
    const db = new Sqlite(join(data, 'state.db'));
    db.pragma('user_version = 999');
    db.close();
    expect(await start()).toMatchObject({
      exitCode: 1,
      failure: expect.stringMatching(/state\.db was written by a newer Belfry \(version 999/),
    });
  });

  it('where another Belfry has the folder', async () => {
    const held = open();
    const result = await start();
    held.close();
    expect(result).toMatchObject({ exitCode: 1, failure: expect.stringContaining('another Belfry is running on this folder') });
  });

  it('where the data folder is a file', async () => {
    writeFileSync(join(shell.folder, 'a-file'), '');
    expect(await start('a-file')).toMatchObject({
      exitCode: 1,
      failure: expect.stringMatching(/a-file.*cannot be opened for writing \(EEXIST/),
    });
  });
});

describe('a damaged write-ahead log of state.db', () => {
  it('costs what was in it, not the start', () => {
    makeState();
    const db = open();
    db.apply({ v: 1, kind: 'setting.put', row: { key: 'later', shard: '', value: '1' } });
    const files = ['state.db', 'state.db-wal'].map((name) => [name, readFileSync(join(data, name))] as const);
    db.close();
    for (const [name, bytes] of files) writeFileSync(join(data, name), bytes);
    overwrite(join(data, 'state.db-wal'), 0, files[1]?.[1].length ?? 0);
    const again = open();
    expect(again.rows('setting', "key LIKE 'k%'")).toHaveLength(200);
    again.close();
  });
});

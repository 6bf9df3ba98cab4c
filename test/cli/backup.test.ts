import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ManualClock } from '../../src/core/clock.ts';
import { silentLogger } from '../../src/core/log.ts';
import { silentMeter } from '../../src/core/meter.ts';
import { openStateDb } from '../../src/store/state/state-db.ts';
import { startHttpServer } from '../../src/http/server.ts';
import { serverWith } from '../http/harness.ts';
import { Shell } from './harness.ts';

let shell: Shell;
beforeEach(() => void (shell = new Shell()));
afterEach(() => shell.close());

function makeState(folder: string): void {
  openStateDb({ path: join(folder, 'state.db'), clock: new ManualClock(), log: silentLogger, meter: silentMeter }).close();
}

describe('backup and restore', () => {
  it('find the data folder in the configuration, and say what they did and what to do next', async () => {
    makeState(join(shell.folder, 'kept'));
    writeFileSync(join(shell.folder, 'belfry.yaml'), 'storage: {path: kept}\n');
    const backup = await shell.run('backup', '--to', 'copy');
    expect(backup.failure).toBe('');
    expect(backup.out).toMatch(/copy: state\.db \(\d+ bytes\), version \d+ of the state/);
    const refused = await shell.run('restore', '--from', 'copy');
    expect(refused.failure).toContain('--replace');
    const restored = await shell.run('restore', '--from', 'copy', '--replace');
    expect(restored.out).toMatch(/The state that was there is in .*replaced-/);
    expect(restored.out).toContain('belfry autopilot resume');
  });

  it('answer as JSON too', async () => {
    makeState(join(shell.folder, 'data'));
    const { out } = await shell.run('backup', '--data', 'data', '--to', 'copy', '--json');
    expect(JSON.parse(out)).toMatchObject({ backup: join(shell.folder, 'copy'), v: 1, belfry: '1.2.3' });
  });

  it('end with one line where there is nothing', async () => {
    mkdirSync(join(shell.folder, 'empty'));
    expect((await shell.run('backup', '--data', 'empty', '--to', 'copy')).failure).toContain('name the data folder with --data');
    expect((await shell.run('restore', '--from', 'empty', '--to', 'new')).failure).toContain('no backup');
    expect(existsSync(join(shell.folder, 'copy'))).toBe(false);
  });
});

describe('health', () => {
  it('tells a Belfry that answers from one that works', async () => {
    const made = serverWith();
    const server = await startHttpServer(made.serverOptions);
    shell.variables.url = server.url;
    expect(await shell.run('health')).toMatchObject({ out: 'Belfry is healthy.\n', failure: '' });
    expect(await shell.run('health', '--ready')).toMatchObject({ failure: '' });
    made.rooms.notReady = ['state is not durable'];
    expect((await shell.run('health', '--ready')).failure).toContain('state is not durable');
    expect(await shell.run('health')).toMatchObject({ failure: '' });
    await server.close();
    expect((await shell.run('health')).failure).toContain('no answer from Belfry');
  });
});

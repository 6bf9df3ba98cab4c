import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { spawnSync, type SpawnSyncReturns } from 'node:child_process';
import { readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describeWhere } from '../../testbed/skip.ts';
import { missingSmallDisk } from '../../testbed/small-disk.ts';
import { Stage } from '../../testbed/stage.ts';
import { belfry, type CliResult, ledger, NO_KAFKA, ownMetric, told, until } from '../acceptance/harness.ts';

/** Fires all named alerts, and the one about the disk as the default rules have it. */
const rulesFiring = (...names: readonly string[]): string => `groups:
  - name: fast
    interval: 1s
    rules:
      - {alert: BelfryStateNotDurable, expr: 'min by (instance) (belfry_state_durable) == 0', labels: {severity: critical}}
${names.map((name) => `      - {alert: ${name}, expr: 'vector(1)', labels: {severity: warning}}`).join('\n')}
`;

describeWhere(missingSmallDisk(), "the disk of Belfry's data folder is full", () => {
  let stage: Stage;

  beforeAll(async () => {
    stage = await Stage.start({ clusters: [NO_KAFKA], rules: rulesFiring('Before'), diskBytes: 6_000_000 });
    await told(stage, { alertname: 'Before', status: 'firing' });
  }, 180_000);
  afterAll(() => stage[Symbol.asyncDispose]());

  const fill = (): void => {
    for (const name of ['filler', 'filler-of-the-rest']) {
      try {
        writeFileSync(join(stage.dataPath, name), Buffer.alloc(8_000_000));
      } catch (error) {
        expect(error).toMatchObject({ code: 'ENOSPC' });
      }
    }
  };
  const makeRoom = (): void => {
    for (const name of ['filler', 'filler-of-the-rest']) rmSync(join(stage.dataPath, name), { force: true });
  };
  const startAgain = async (): Promise<void> => {
    await stage.startAgain();
    expect(stage.belfry.running).toBe(true);
  };

  it('tells what begins and ends then, and that its state is not durable; samples go on in memory', async () => {
    fill();
    stage.configure({ clusters: [NO_KAFKA], rules: rulesFiring('During') });
    await told(stage, { alertname: 'During', status: 'firing' });
    await told(stage, { alertname: 'Before', status: 'resolved' });
    await told(stage, { alertname: 'BelfryStateNotDurable', status: 'firing' });
    expect(await ownMetric(stage, 'belfry_state_durable')).toEqual(['belfry_state_durable 0']);
    await until(async () => (await ownMetric(stage, 'belfry_store_degraded'))[0] === 'belfry_store_degraded 1', 'belfry_store_degraded');
    const answer = await stage.belfry.request('GET', '/-/ready', { token: false });
    expect([answer.status, await answer.text()]).toEqual([503, expect.stringContaining('the state cannot be written to state.db')]);
    expect((await stage.belfry.request('GET', '/-/healthy', { token: false })).status).toBe(200);
    expect(await health(stage)).toMatchObject({ code: 1, err: expect.stringContaining('the state cannot be written to state.db') });
    const data = join(stage.dir, 'data');
    const backup = inside(stage, [process.execPath, resolve('bin/belfry.mjs'), 'backup', '--data', data, '--to', join(data, 'copy')]);
    expect([backup.status, backup.stderr]).toEqual([1, expect.stringMatching(/^belfry: .*state\.db could not be copied to .*\bfull/)]);
    expect(readdirSync(stage.dataPath).filter((name) => name.startsWith('copy'))).toEqual([]);
  }, 180_000);

  it('starts again all the same, after a kill -9 and after an orderly stop, and tells at least once', async () => {
    await stage.belfry.kill9();
    fill();
    const before = ledger(stage).filter((line) => line.includes('During')).length;
    await startAgain();
    await told(stage, { alertname: 'BelfryStateNotDurable', status: 'firing' });
    await until(() => ledger(stage).filter((line) => line.includes('During')).length > before, 'the alert that was not durable, once more');
    await stage.belfry.stop();
    fill();
    await startAgain();
    await stage.belfry.logged('started');
  }, 180_000);

  it('is durable again by itself once there is room, and forgets nothing from then on', async () => {
    makeRoom();
    await until(async () => (await ownMetric(stage, 'belfry_state_durable'))[0] === 'belfry_state_durable 1', 'state.db is written');
    await told(stage, { alertname: 'BelfryStateNotDurable', status: 'resolved' });
    expect(await health(stage)).toMatchObject({ code: 0, out: 'Belfry is ready.\n' });
    await until(async () => (await ownMetric(stage, 'belfry_store_degraded'))[0] === 'belfry_store_degraded 0', 'samples.db is written');
    const before = ledger(stage).length;
    await stage.belfry.kill9();
    await startAgain();
    await stage.belfry.logged('alerts_restored', ({ alerts }) => Number(alerts) >= 1);
    stage.configure({ clusters: [NO_KAFKA], rules: rulesFiring('During', 'After') });
    await told(stage, { alertname: 'After', status: 'firing' });
    expect(ledger(stage).slice(before)).toEqual(['firing After /']);
  }, 180_000);

  it('does the same where every write fails for another reason than room, as on a file system that turned read-only', async () => {
    expect(limitFiles(stage.belfry.pid, '0:')).toBe('');
    stage.configure({ clusters: [NO_KAFKA], rules: rulesFiring('During', 'After', 'Unwritten') });
    await told(stage, { alertname: 'Unwritten', status: 'firing' });
    const before = ledger(stage).length;
    await until(async () => (await ownMetric(stage, 'belfry_state_durable'))[0] === 'belfry_state_durable 0', 'state.db is not written');
    expect(limitFiles(stage.belfry.pid, 'unlimited:')).toBe('');
    await until(async () => (await ownMetric(stage, 'belfry_state_durable'))[0] === 'belfry_state_durable 1', 'state.db is written again');
    await stage.belfry.kill9();
    await startAgain();
    await stage.belfry.logged('alerts_restored', ({ alerts }) => Number(alerts) >= 3);
    expect(
      ledger(stage)
        .slice(before)
        .filter((line) => !line.includes('NotDurable')),
    ).toEqual([]);
  }, 180_000);

  it('does not start where the disk is read-only, and says so in one line', async () => {
    await stage.belfry.stop();
    const { stderr } = inside(stage, ['mount', '-o', 'remount,ro', join(stage.dir, 'data')]);
    expect(stderr).toBe('');
    await expect(stage.startAgain()).rejects.toThrow(/ended with 1: .*state\.db cannot be opened for writing/s);
  }, 180_000);
});

/** As a readiness probe asks. */
function health(stage: Stage): Promise<CliResult> {
  return belfry(['health', '--ready', '--url', stage.belfry.url, '--data', stage.dataPath]);
}

/** How large a file it may write from now on (a soft limit, so that it can be lifted); what went wrong. */
function limitFiles(pid: number, soft: string): string {
  return spawnSync('prlimit', ['--pid', String(pid), `--fsize=${soft}`], { encoding: 'utf8' }).stderr;
}

/** Runs a program where the small disk is mounted. */
function inside({ disk }: Stage, command: readonly string[]): SpawnSyncReturns<string> {
  if (disk === undefined) throw new Error('the stage has no small disk');
  return disk.run(command);
}

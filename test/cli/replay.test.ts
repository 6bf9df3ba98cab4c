import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { CliContext } from '../../src/cli/context.ts';
import { runProgram } from '../../src/cli/program.ts';
import { LiveRun, metric, rulesOf } from '../app/replay-harness.ts';
import { Shell, type RunResult } from './harness.ts';

const RULES = `groups:
  - name: disk
    interval: 30s
    rules:
      - record: instance:free:min
        expr: min by (cluster, instance) (free_ratio)
      - alert: DiskLow
        expr: instance:free:min < 0.15
        for: 5m
        labels: {severity: critical}
      - alert: Down
        expr: up == 0
        for: 10m
      - alert: NeverSeen
        expr: up > 5
      - alert: Broken
        expr: free_ratio / on () up
`;
const CONFIG = `storage: {path: data}
clusters:
  - {name: dal, brokers: ['localhost:9092'], owner: orders}
  - {name: fra, brokers: ['localhost:9093']}
owners:
  orders: {slack: {webhook_url: 'https://hooks.example.com/x'}}
  platform: {webhook: 'https://hooks.example.com/y'}
default_owner: platform
rules: [rules.yaml]
`;

/** Two hours: dal's disk is low for 40 minutes and for 6, fra's for 20; twice dal is down for 3 minutes. */
async function fill(folder: string): Promise<void> {
  const run = new LiveRun(folder, rulesOf('groups: []'), { rows: 40, strictSlots: true });
  for (let minute = 0; minute < 120; minute++) {
    await run.clock.advance(60_000);
    const isLow = (minute >= 20 && minute < 60) || (minute >= 80 && minute < 86);
    run.row('nodes', [
      [metric('up', { cluster: 'dal', instance: 'a' }), minute % 60 < 3 ? 0 : 1],
      [metric('free_ratio', { cluster: 'dal', instance: 'a' }), isLow ? 0.1 : 0.5],
      [metric('free_ratio', { cluster: 'fra', instance: 'b' }), minute >= 100 ? 0.14 : 0.5],
    ]);
  }
  run.finish();
  run.close();
}

describe('belfry replay', () => {
  const shell = new Shell();
  beforeAll(async () => {
    writeFileSync(join(shell.folder, 'rules.yaml'), RULES);
    writeFileSync(join(shell.folder, 'old.yaml'), RULES.replace('0.15', '0.12').replace('for: 5m', 'for: 8m'));
    writeFileSync(join(shell.folder, 'wrong.yaml'), 'groups: [{name: g, rules: [{alert: A, expr: "up >"}]}]');
    writeFileSync(join(shell.folder, 'belfry.yaml'), CONFIG);
    await fill(shell.folder);
  });
  afterAll(() => shell.close());

  const replay = (...args: readonly string[]): Promise<RunResult> => shell.run('replay', ...args, '--data', '.');

  it('says how often each rule would have fired, for how long, and whom it would have told', async () => {
    const { out, exitCode, failure } = await replay('rules.yaml');
    expect([exitCode, failure]).toEqual([0, '']);
    expect(out).toMatch(/^DiskLow +3 +2 +\S.* +35 m +- +owner\/orders, owner\/platform$/m);
    expect(out).toMatch(/^Down +0 +0 +- +- +2 \(≤ 3 m\) +-$/m);
    expect(out).toMatch(/^Never: NeverSeen$/m);
    expect(out).toMatch(/^orders +2 +2 /m);
    expect(out).toMatch(/^error: Broken: \d+ evaluations failed, the first at .*multiple matches for labels/m);
  });

  it('takes the rules of the configuration where no file is named', async () => {
    expect((await replay()).out).toBe((await replay('rules.yaml')).out);
  });

  it('gives the same JSON each time, with every interval', async () => {
    const [first, again] = [await replay('rules.yaml', '--json'), await replay('rules.yaml', '--json')];
    expect(again.out).toBe(first.out);
    const { rules, alerts, owners, partial } = JSON.parse(first.out) as Record<string, unknown[]>;
    expect([rules?.length, partial]).toEqual([5, false]);
    expect(alerts?.map((alert) => JSON.stringify(alert))[0]).toMatch(
      /"rule":"DiskLow","labels":\{"alertname":"DiskLow","cluster":"dal","instance":"a","severity":"critical"\},"firings":2,/,
    );
    expect(JSON.stringify(owners)).toContain('"receiver":"owner/orders","integration":"slack","pages":2');
  });

  it('compares: what is added, earlier and longer, and what that is in pages a week', async () => {
    const { out, exitCode } = await replay('rules.yaml', '--compare', 'old.yaml');
    expect(exitCode).toBe(0);
    expect(out).toMatch(/^changed +1 → 2 .*\+3 m +\{alertname="DiskLow", cluster="dal", instance="a"\}$/m);
    expect(out).toMatch(/^added +0 → 1 .*cluster="fra"/m);
    expect(out).toMatch(/^platform +0 → 1 +\+/m);
    expect((await replay('rules.yaml', '--compare', 'current')).out).toContain('every alert fires just as with the old rules');
  });

  it.each([
    [['--cluster', 'fra'], /^DiskLow +1 +1 /m, /orders/],
    [['--alert', 'Down'], /^Down +0 /m, /^DiskLow/m],
    [
      ['--start', '2023-11-14T23:00:00Z', '--end', '2023-11-14T23:20:00Z'],
      /^From 2023-11-14T23:00:00.000Z to 2023-11-14T23:20:00.000Z/,
      /fra/,
    ],
    [['--since', '30m'], /\(30 m\)/, /^Down/m],
    [['--step', '2m'], /^DiskLow +3 /m, /^note/m],
    [['--step', '7m'], /^note: with a step of five minutes or more/m, /^Nothing/],
  ])('%j', async (options, has, hasNot) => {
    const { out, failure } = await replay('rules.yaml', ...options);
    expect(failure).toBe('');
    expect(out).toMatch(has);
    expect(out).not.toMatch(hasNot);
  });

  it.each([
    [['wrong.yaml'], 1, 'wrong.yaml:1:'],
    [['missing.yaml'], 1, 'missing.yaml'],
    [['rules.yaml', '--start', '2020-01-01T00:00:00Z', '--end', '2020-01-02T00:00:00Z'], 1, 'the history is from 2023-11-14'],
    [['rules.yaml', '--since', 'yesterday'], 2, 'not a valid duration'],
    [['rules.yaml', '--start', 'noon'], 2, '--start'],
    [['rules.yaml', '--step', '1ms'], 2, 'too short'],
  ])('refuses %j with %d: %s', async (args, exitCode, text) => {
    const result = await replay(...args);
    expect(result.exitCode).toBe(exitCode);
    expect(result.failure).toContain(text);
  });

  it('prints what docs/replay.md shows', async () => {
    const page = readFileSync('docs/replay.md', 'utf8');
    const [, rules = ''] = /^```yaml\n(.*?)^```/ms.exec(page) ?? [];
    const [, example = ''] = /^```text\n(.*?)^```/ms.exec(page) ?? [];
    writeFileSync(join(shell.folder, 'shown.yaml'), rules);
    writeFileSync(join(shell.folder, 'shown-old.yaml'), rules.replace('0.15', '0.12').replace('for: 5m', 'for: 8m'));
    const { out } = await replay('shown.yaml', '--compare', 'shown-old.yaml');
    // When within its interval a group has its slots depends on the folder.
    const rounded = (text: string): string => text.replaceAll(/\d+ m( \d+ s)?|:\d\d(?= )/g, '#').replaceAll(/ +/g, ' ');
    expect(rounded(out)).toBe(rounded(example));
  });

  it('tells of the alert that is asked for only, and refuses a name that no rule makes', async () => {
    const [one, none] = [await replay('rules.yaml', '--alert', 'DiskLow'), await replay('rules.yaml', '--alert', 'DiskLaw')];
    expect(one.out).toMatch(/^DiskLow +3 /m);
    expect(one.out).not.toMatch(/^Never: /m);
    expect(none).toMatchObject({ out: '', failure: expect.stringContaining('no rule makes an alert called "DiskLaw"') });
    const old = RULES.replace('DiskLow', 'DiskLaw');
    writeFileSync(join(shell.folder, 'renamed.yaml'), old);
    expect((await replay('rules.yaml', '--compare', 'renamed.yaml', '--alert', 'DiskLaw')).failure).toBe('');
  });

  it('takes a file of rules with nothing in it for one that was cut off', async () => {
    writeFileSync(join(shell.folder, 'nothing.yaml'), '');
    for (const args of [['nothing.yaml'], ['rules.yaml', '--compare', 'nothing.yaml']])
      expect((await replay(...args)).failure).toContain('nothing.yaml is empty: write "groups: []" for no rules');
  });

  it('says where there is no history', async () => {
    const { failure } = await shell.run('replay', 'rules.yaml', '--data', 'nowhere');
    expect(failure).toMatch(/samples\.db cannot be read/);
  });

  describe('when it is interrupted', () => {
    /** As main does it: in a thread of its own, until the first sign of progress. */
    async function interrupted(...args: readonly string[]): Promise<{ out: string; exitCode: number }> {
      const stop = new AbortController();
      const { runReplay, ...context } = shell.context({});
      expect(runReplay).toBeDefined();
      let out = '';
      let exitCode = 0;
      const interruptible: CliContext = {
        ...context,
        signal: stop.signal,
        out: { isTerminal: false, write: (text) => void (out += text) },
        err: { isTerminal: true, write: () => stop.abort() },
        setExitCode: (code) => void (exitCode = code),
      };
      await runProgram(interruptible, ['replay', ...args, '--data', '.']);
      return { out, exitCode };
    }

    it('ends in the middle of a query, and says that what it tells is partial', async () => {
      const expr = 'count_over_time(count_over_time(up[1h:1ms])[1h:1ms]) > 0';
      writeFileSync(join(shell.folder, 'heavy.yaml'), `groups: [{name: g, rules: [{alert: Heavy, expr: "${expr}"}]}]`);
      const { out, exitCode } = await interrupted('heavy.yaml', '--warmup', '0s');
      expect(out).toMatch(/^PARTIAL: it was stopped\. /);
      // What was cut short is no failure of the rule.
      expect(out).not.toContain('error:');
      expect(exitCode).toBe(130);
    });

    it('has no result where nothing was evaluated yet', async () => {
      const stopped = shell.context({ signal: AbortSignal.abort() });
      await expect(runProgram(stopped, ['replay', 'rules.yaml', '--data', '.'])).rejects.toMatchObject({ code: 'STOPPING' });
    });
  });
});

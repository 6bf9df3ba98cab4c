import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ReplayJobs } from '../../src/app/replay-jobs.ts';
import type { ReplayAnswer } from '../../src/app/replay-spec.ts';
import { runProgram } from '../../src/cli/program.ts';
import { loadConfigOrThrow } from '../../src/config/load.ts';
import type { BelfryConfig } from '../../src/config/config.ts';
import { SystemClock } from '../../src/core/clock.ts';
import { BelfryError, errorText } from '../../src/core/errors.ts';
import { parseMatcher } from '../../src/core/parse-matcher.ts';
import { startHttpServer, type HttpServer } from '../../src/http/server.ts';
import { Shell } from '../cli/harness.ts';
import { RecordingLog } from './recording-log.ts';
import { serverWith, TOKEN, WITH_TOKEN } from '../http/harness.ts';
import { LiveRun, metric, rulesOf } from './replay-harness.ts';

const RULES = 'groups: [{name: g, rules: [{alert: Down, expr: "up == 0", for: 1m, labels: {team: a}}]}]';
const MINUTES = 600;

async function fill(folder: string): Promise<void> {
  const run = new LiveRun(folder, rulesOf('groups: []'), { rows: 120, strictSlots: true });
  for (let minute = 0; minute < MINUTES; minute++) {
    await run.clock.advance(60_000);
    run.row('node', [[metric('up', { cluster: 'dal' }), minute % 100 < 10 ? 0 : 1]]);
  }
  run.finish();
  run.close();
}

describe('replays of a running Belfry', () => {
  const shell = new Shell();
  const log = new RecordingLog();
  let jobs: ReplayJobs;
  let config: BelfryConfig;
  let http: HttpServer;

  beforeAll(async () => {
    writeFileSync(join(shell.folder, 'rules.yaml'), RULES);
    writeFileSync(join(shell.folder, 'belfry.yaml'), 'storage: {path: .}\nrules: [rules.yaml]\nclusters: []\n');
    await fill(shell.folder);
    const { environment, installation } = shell.context({});
    ({ config } = loadConfigOrThrow({
      path: 'belfry.yaml',
      environment,
      workingFolder: shell.folder,
      defaultRules: join(installation, 'rules.yaml'),
    }));
    jobs = new ReplayJobs({ config: () => config, clock: new SystemClock(), log });
    http = await startHttpServer({ ...serverWith({ ports: { replay: jobs } }).serverOptions, clock: new SystemClock() });
  });
  afterAll(async () => {
    await http.close();
    shell.close();
  });

  const post = (body: object, signal?: AbortSignal): Promise<Response> =>
    fetch(`${http.url}/api/belfry/v1/replay`, {
      method: 'POST',
      headers: { ...WITH_TOKEN, 'content-type': 'application/json' },
      body: JSON.stringify(body),
      ...(signal === undefined ? {} : { signal }),
    });

  it('tell what goes on, and at last the result, as lines of JSON', async () => {
    const lines = (await (await post({ rules: 'current' })).text()).trimEnd().split('\n');
    const said = lines.map((line) => JSON.parse(line) as { type: string; answer?: ReplayAnswer });
    expect([said[0]?.type, said.at(-1)?.type]).toEqual(['started', 'result']);
    const rules = said.at(-1)?.answer?.result.rules;
    expect(rules?.map(({ rule, firings, told }) => ({ rule, firings, told }))).toEqual([
      { rule: 'Down', firings: 6, told: ['owner/everyone'] },
    ]);
    expect(log.events('replay_ended')).toEqual(['done']);
  });

  it('refuse rules with mistakes before anything is answered', async () => {
    const answer = await post({ rules: 'groups: [{name: g, rules: [{alert: A, expr: "up >"}]}]' });
    expect([answer.status, await answer.text()]).toEqual([400, expect.stringContaining('rules.yaml:1:')]);
  });

  it('take experimental functions where the configuration does, as it is now', async () => {
    const body = { rules: 'groups: [{name: g, rules: [{alert: A, expr: "mad_over_time(up[5m]) > 0"}]}]' };
    const refused = await post(body);
    expect([refused.status, await refused.text()]).toEqual([400, expect.stringContaining('promql.experimental_functions')]);
    const before = config;
    config = { ...config, promql: { ...config.promql, experimentalFunctions: true } };
    try {
      const answer = await post(body);
      expect([answer.status, await answer.text()]).toEqual([200, expect.stringContaining('"type":"result"')]);
    } finally {
      config = before;
    }
  });

  it('inhibit as the running one does: in its expressions a dot is no line break', async () => {
    const rule = (name: string, note: string): string => `{alert: ${name}, expr: "up == 0", labels: {note: "${note}"}}`;
    const rules = [rule('Cause', 'two\\nlines'), rule('Told', ''), rule('Untold', '')];
    const inhibitRule = (source: string, target: string) => ({
      sourceMatchers: [parseMatcher(source)],
      targetMatchers: [parseMatcher(target)],
      equal: [],
    });
    const before = config;
    config = {
      ...before,
      inhibitRules: [inhibitRule('note=~two.lines', 'alertname=Told'), inhibitRule('note=~(?s)two.lines', 'alertname=Untold')],
    };
    try {
      const lines = (await (await post({ rules: `groups: [{name: g, rules: [${rules.join()}]}]` })).text()).trimEnd().split('\n');
      const { answer } = JSON.parse(lines.at(-1) ?? '') as { answer: ReplayAnswer };
      expect(answer.result.rules.map(({ told }) => told)).toEqual([['owner/everyone'], ['owner/everyone'], []]);
    } finally {
      config = before;
    }
  });

  it('run one at a time, and end when whoever asked goes away', async () => {
    const leaving = new AbortController();
    const first = await post({ rules: 'current', step: 1 }, leaving.signal);
    expect(first.status).toBe(200);
    expect((await post({ rules: 'current' })).status).toBe(409);
    const over = log.next('replay_ended');
    leaving.abort();
    expect(await over).toBe('abandoned');
    expect((await (await post({ rules: 'current' })).text()).includes('"type":"result"')).toBe(true);
  });

  it('end early at their id, with what was found so far', async () => {
    const stream = await jobs.start({ rules: 'current', stepMs: 1 });
    let text = '';
    for await (const piece of stream.lines) {
      text += piece;
      if (piece.startsWith('{"type":"progress"')) jobs.stop(/"started","id":"(\w+)"/.exec(text)?.[1] ?? '');
    }
    expect(text).toContain('"partial":true');
    expect(() => jobs.stop('X')).toThrow('no replay X is running');
  });

  it.each([
    ['windows', { windowBytes: 2000 }, /what the rules look back on needs more than .*or run belfry replay on the data folder/],
    ['heap', { heapMb: 4 }, /needs more memory than it may have beside a running Belfry.*or run belfry replay on the data folder/],
  ])('end by name where their %s would take too much of the process that watches', async (_, limits, text) => {
    const narrow = new ReplayJobs({ config: () => config, clock: new SystemClock(), log, ...limits });
    let said = '';
    try {
      for await (const piece of (await narrow.start({ rules: 'current', stepMs: 60_000 })).lines) said += piece;
    } catch (error) {
      said = JSON.stringify({ code: error instanceof BelfryError ? error.code : '', error: errorText(error) });
    }
    expect(said).toMatch(/"code":"LIMIT_EXCEEDED"/);
    expect(said).toMatch(text);
  });

  it('are there for the command line, files and all', async () => {
    writeFileSync(join(shell.folder, 'new.yaml'), RULES.replace('1m', '20m'));
    shell.variables.token = TOKEN;
    const { out, failure } = await shell.run('replay', 'new.yaml', '--compare', 'current', '--url', http.url);
    expect(failure).toBe('');
    expect(out).toMatch(/^removed +6 → 0 .*cluster="dal"/m);
    expect((await shell.run('replay', 'missing.yaml', '--url', http.url)).failure).toContain('missing.yaml');
  });

  it('end early from the command line, too', async () => {
    const stop = new AbortController();
    let out = '';
    const context = shell.context({
      signal: stop.signal,
      environment: { ...shell.context({}).environment, token: TOKEN },
      out: { isTerminal: false, write: (text) => void (out += text) },
      err: { isTerminal: true, write: () => stop.abort() },
    });
    await runProgram(context, ['replay', 'rules.yaml', '--step', '1s', '--url', http.url]);
    expect(out).toMatch(/^PARTIAL/);
  });
});

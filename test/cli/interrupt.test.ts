import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Shell } from './harness.ts';

const BELFRY = fileURLToPath(new URL('../../bin/belfry.mjs', import.meta.url));
/** Half a million evaluations: only a signal ends it within the time. */
const ENDLESS = `rule_files: [rules.yaml]
evaluation_interval: 1s
tests: [{interval: 1m, input_series: [{series: up, values: '1x9000'}], promql_expr_test: [{expr: up, eval_time: 9000m}]}]
`;

describe('Ctrl-C', () => {
  let shell: Shell;
  beforeEach(() => {
    shell = new Shell();
    shell.write('rules.yaml', 'groups: [{name: g, rules: [{record: "a:b", expr: "sum(rate(up[10h]))"}]}]');
    execFileSync('mkfifo', [join(shell.folder, 'endless.test.yaml')]);
  });
  afterEach(() => shell.close());

  it('ends belfry test while it evaluates', async () => {
    const options = { cwd: shell.folder, stdio: 'ignore', timeout: 25_000, killSignal: 'SIGKILL' } as const;
    const child = spawn(process.execPath, [BELFRY, 'test', 'endless.test.yaml'], options);
    const closed = once(child, 'close');
    // The command opens the pipe once it runs, and from then on does not give way to anything.
    await writeFile(join(shell.folder, 'endless.test.yaml'), ENDLESS);
    child.kill('SIGINT');
    expect(await closed).toEqual([null, 'SIGINT']);
  }, 40_000);
});

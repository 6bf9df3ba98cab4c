import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { execFileSync, spawnSync } from 'node:child_process';
import { copyFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describeWhere } from '../../testbed/skip.ts';
import { Shell } from './harness.ts';

const ROOT = join(import.meta.dirname, '../..');
const RULES = 'groups: [{name: g, rules: [{alert: Down, expr: up == 0, labels: {severity: page}}]}]\n';
const UP = `interval: 1m, input_series: [{series: 'up{broker="1"}', values: '0x10'}]`;
const DOWN = '{exp_labels: {severity: page, broker: "1"}}';
const alertTest = (name: string, alerts: string): string =>
  `  - {name: ${name}, ${UP}, alert_rule_test: [{eval_time: 5m, alertname: Down, exp_alerts: [${alerts}]}]}\n`;
const GOOD = `rule_files: [rules.yaml]\ntests:\n${alertTest('broker down', DOWN)}`;
const BAD = `rule_files: [rules.yaml]\ntests:\n${alertTest('broker down', DOWN)}${alertTest('nothing is down', '')}`;

let shell: Shell;
beforeEach(() => {
  shell = new Shell();
  shell.write('rules.yaml', RULES);
});
afterEach(() => shell.close());

describe('belfry test', () => {
  it('says that all is well, with 0', async () => {
    shell.write('good.test.yaml', GOOD);
    expect(await shell.run('test', 'good.test.yaml')).toEqual({ out: 'good.test.yaml: ok, 1 test\n', err: '', exitCode: 0, failure: '' });
  });

  it('shows what differs where, with 1', async () => {
    shell.write('bad.test.yaml', BAD);
    const { out, exitCode } = await shell.run('test', 'bad.test.yaml');
    expect([out.split('\n'), exitCode]).toEqual([
      [
        'bad.test.yaml:4 nothing is down',
        '  alertname: Down, time: 5m',
        '    + labels {alertname="Down", broker="1", severity="page"} annotations {}',
        'bad.test.yaml: 1 of 2 tests failed',
        '',
      ],
      1,
    ]);
  });

  it('warns of second documents, which are not read', async () => {
    shell.write('rules.yaml', `${RULES}---\ngroups: []\n`);
    shell.write('good.test.yaml', `${GOOD}---\ntests: []\n`);
    const { out, err } = await shell.run('test', 'good.test.yaml');
    expect(out).toBe('good.test.yaml: ok, 1 test\n');
    expect(err).toMatch(
      /^warning: good\.test\.yaml:\d+:1: a second YAML document.*\nwarning: rules\.yaml:\d+:1: a second YAML document.*\n$/,
    );
  });

  it('runs every file, also after one that failed or is none', async () => {
    shell.write('good.test.yaml', GOOD);
    shell.write('bad.test.yaml', BAD);
    shell.write('none.test.yaml', 'tests: 5\n');
    const { out, err, exitCode } = await shell.run('test', 'none.test.yaml', 'nowhere.yaml', 'bad.test.yaml', 'good.test.yaml');
    expect(exitCode).toBe(1);
    expect(out).toMatch(/^none.test.yaml: could not be run\nnowhere.yaml: could not be run\nbad.*\ngood.test.yaml: ok, 1 test\n$/s);
    expect(err).toMatch(/^none.test.yaml:1:8: tests: must be a list\nnowhere.yaml: ENOENT/);
  });

  it.each([
    [['--run', 'broker'], 'bad.test.yaml: ok, 1 test\n', 0],
    [['--run', '^nothing'], 'bad.test.yaml: 1 of 1 test failed\n', 1],
    [['--run', '^nothing', '--run', 'down$'], 'bad.test.yaml: 1 of 2 tests failed\n', 1],
    [['--run', 'nowhere'], 'bad.test.yaml: ok, 0 tests\n', 0],
  ])('%j', async (args, last, code) => {
    shell.write('bad.test.yaml', BAD);
    const { out, exitCode } = await shell.run('test', 'bad.test.yaml', ...args);
    expect([out.endsWith(last), exitCode]).toEqual([true, code]);
  });

  it.each([
    ['test', 'unnamed.test.yaml: ok, 1 test\n'],
    ['^$', 'unnamed.test.yaml: ok, 1 test\n'],
    ['', 'unnamed.test.yaml: ok, 2 tests\n'],
  ])('--run %j: a test without a name has an empty one', async (pattern, out) => {
    shell.write('unnamed.test.yaml', 'tests: [{}, {name: a test}]\n');
    expect(await shell.run('test', 'unnamed.test.yaml', '--run', pattern)).toMatchObject({ out, exitCode: 0 });
  });

  it('leaves out keys of rule files that Prometheus does not know where it is told to, none of its own', async () => {
    shell.write('foreign.yaml', 'groups: [{name: g, partial_response_strategy: warn, rules: [{record: one, expr: 1}]}]\n');
    const tests = 'rule_files: [foreign.yaml]\ntests: [{promql_expr_test: [{expr: one, exp_samples: [{labels: one, value: 1}]}]}]\n';
    shell.write('foreign.test.yaml', tests);
    shell.write('own.test.yaml', `${tests}owner: t\n`);
    expect((await shell.run('test', 'foreign.test.yaml')).exitCode).toBe(1);
    expect((await shell.run('test', '--ignore-unknown-fields', 'foreign.test.yaml')).exitCode).toBe(0);
    expect((await shell.run('test', '--ignore-unknown-fields', 'own.test.yaml')).exitCode).toBe(1);
  });

  it('refuses a pattern that is none', async () => {
    shell.write('good.test.yaml', GOOD);
    expect(await shell.run('test', 'good.test.yaml', '--run', '(')).toMatchObject({ exitCode: 1, failure: /regular expression/ });
  });

  it('gives its findings as JSON', async () => {
    shell.write('bad.test.yaml', BAD);
    const { out, exitCode } = await shell.run('test', '--json', 'bad.test.yaml');
    expect([JSON.parse(out), exitCode]).toEqual([
      {
        files: [
          {
            file: 'bad.test.yaml',
            passed: 1,
            tests: [
              { name: 'broker down', line: 3, passed: true },
              { name: 'nothing is down', line: 4, passed: false },
            ],
            failures: [
              {
                test: 'nothing is down',
                line: 4,
                message: expect.stringContaining('alertname: Down'),
                missing: [],
                unexpected: ['labels {alertname="Down", broker="1", severity="page"} annotations {}'],
              },
            ],
            problems: [],
            warnings: [],
          },
        ],
      },
      1,
    ]);
  });

  it('writes its findings as JUnit XML', async () => {
    shell.write('bad.test.yaml', BAD.replace('nothing is down', '"<nothing> & \\"all\\"\\u0007"'));
    shell.write('none.test.yaml', 'tests: 5\n');
    await shell.run('test', '--junit', 'out.xml', 'bad.test.yaml', 'none.test.yaml');
    expect(readFileSync(join(shell.folder, 'out.xml'), 'utf8').split('\n')).toEqual([
      '<?xml version="1.0" encoding="UTF-8"?>',
      '<testsuites>',
      '  <testsuite name="bad.test.yaml" tests="2" failures="1" errors="0">',
      '    <testcase name="broker down" classname="bad.test.yaml" file="bad.test.yaml" line="3"/>',
      '    <testcase name="&lt;nothing&gt; &amp; &quot;all&quot;\ufffd" classname="bad.test.yaml" file="bad.test.yaml" line="4">',
      expect.stringMatching(/^ {6}<failure message="alertname: Down, time: 5m">alertname: Down, time: 5m&#10; {2}\+ labels .*<\/failure>$/),
      '    </testcase>',
      '  </testsuite>',
      '  <testsuite name="none.test.yaml" tests="1" failures="0" errors="1">',
      '    <testcase name="none.test.yaml" classname="none.test.yaml">',
      '      <error message="none.test.yaml:1:8: tests: must be a list"/>',
      '    </testcase>',
      '  </testsuite>',
      '</testsuites>',
      '',
    ]);
  });

  it('shows what would steer a terminal', async () => {
    shell.write('bad.test.yaml', BAD.replace('name: nothing is down', 'name: "a\\e[2J"'));
    expect((await shell.run('test', 'bad.test.yaml')).out).toContain('bad.test.yaml:4 a\\x1b[2J\n');
  });

  it('follows directives where it is told to', async () => {
    shell.write('rules.yaml', 'groups: [{name: g, rules: [{alert: Down, expr: up == 0, annotations: {belfry_no_data: keep}}]}]\n');
    const text = `rule_files: [rules.yaml]\ntests:\n  - {interval: 1m, input_series: [{series: up, values: '0 0 stale'}], alert_rule_test: [{eval_time: 4m, alertname: Down, exp_alerts: [{}]}]}\n`;
    shell.write('keep.test.yaml', text);
    expect((await shell.run('test', 'keep.test.yaml')).exitCode).toBe(1);
    expect((await shell.run('test', '--obey-directives', 'keep.test.yaml')).exitCode).toBe(0);
  });

  it('is a command of the installation, for the default rules', () => {
    const belfry = (...args: readonly string[]) =>
      execFileSync(process.execPath, [join(ROOT, 'bin/belfry.mjs'), 'test', ...args], { cwd: shell.folder, encoding: 'utf8' });
    copyFileSync(join(ROOT, 'rules.yaml'), join(shell.folder, 'rules.yaml'));
    const text = readFileSync(join(ROOT, 'rules.test.yaml'), 'utf8');
    shell.write('rules.test.yaml', text);
    expect(belfry('rules.test.yaml')).toMatch(/^rules\.test\.yaml: ok, \d+ tests\n$/);
    // The broker of the first case never crashes now.
    const first = /- name: (.*)/.exec(text)?.[1] ?? '';
    shell.write(
      'rules.test.yaml',
      text.replace(/(reason="crashed"}', values: ')0x5 1x93 0x20/, (_, head: string) => `${head}0x118`),
    );
    expect(() => belfry('rules.test.yaml', '--run', `^${first}$`)).toThrow(expect.objectContaining({ status: 1 }));
  }, 180_000);
});

const missing = spawnSync('promtool', ['--version']).status === 0 ? undefined : 'promtool (Debian package prometheus) is not installed';

describeWhere(missing, 'belfry test beside promtool test rules', () => {
  it.each<readonly [string, Readonly<Record<string, string>>, readonly string[]]>([
    ['all pass', { 'a.yaml': GOOD }, ['a.yaml']],
    ['one test fails', { 'a.yaml': BAD }, ['a.yaml']],
    ['one file fails', { 'a.yaml': BAD, 'b.yaml': GOOD }, ['b.yaml', 'a.yaml']],
    ['no tests', { 'a.yaml': 'rule_files: [rules.yaml]\n' }, ['a.yaml']],
    ['no rule file matches', { 'a.yaml': GOOD.replace('rules.yaml', 'nowhere.yaml') }, ['a.yaml']],
    ['no rule file matches, and none is needed', { 'a.yaml': 'rule_files: ["none*.yaml", nowhere.yaml]\n' }, ['a.yaml']],
    ['no such file', {}, ['nowhere.yaml']],
    ['no file named', {}, []],
    ['a file that is no test', { 'a.yaml': 'tests: 5\n' }, ['a.yaml']],
    [
      'a rule file with a mistake',
      { 'rules.yaml': 'groups: [{name: g, rules: [{alert: Down, expr: "up ="}]}]\n', 'a.yaml': GOOD },
      ['a.yaml'],
    ],
  ])('%s: the same verdict', async (_, files, args) => {
    for (const [name, text] of Object.entries(files)) shell.write(name, text);
    const theirs = spawnSync('promtool', ['test', 'rules', ...args], { cwd: shell.folder }).status;
    const { exitCode } = await shell.run('test', ...args);
    expect(exitCode === 0).toBe(theirs === 0);
  });
});

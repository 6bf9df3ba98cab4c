import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { Shell } from './harness.ts';

let shell: Shell;
beforeEach(() => void (shell = new Shell()));
afterEach(() => shell.close());

function write(name: string, text: string): void {
  writeFileSync(join(shell.folder, name), text);
}

const RULES = 'groups: [{name: g, rules: [{alert: Down, expr: up == 0}, {record: "a:b", expr: up}]}]\n';
const CONFIG = 'rules: [rules.yaml]\nclusters: [{name: orders, brokers: [kafka1:9092]}]\n';

describe('belfry check', () => {
  it('takes belfry.yaml of this folder, and the rule files it names', async () => {
    write('belfry.yaml', CONFIG);
    write('rules.yaml', RULES);
    const { out, exitCode } = await shell.run('check');
    expect([out, exitCode]).toEqual([`${join(shell.folder, 'belfry.yaml')}: ok, 1 cluster, 0 owners, 2 rules\n`, 0]);
  });

  it('says so where there is none', async () => {
    expect((await shell.run('check')).failure).toBe('no belfry.yaml in this folder: name the files to check');
  });

  it('leaves out keys that Prometheus does not know where it is told to, but not in files of a configuration', async () => {
    write('belfry.yaml', CONFIG);
    write('rules.yaml', `${RULES.replace('name: g', 'name: g, namespace: n, source_tenants: [a]')}owner: {team: t}\n`);
    const run = async (...args: readonly string[]): Promise<readonly unknown[]> => {
      const { err, exitCode } = await shell.run('check', ...args);
      return [err.match(/unknown field/g)?.length ?? 0, exitCode];
    };
    expect(await run('rules.yaml')).toEqual([3, 1]);
    expect(await run('rules.yaml', '--ignore-unknown-fields')).toEqual([0, 0]);
    expect(await run('belfry.yaml', '--ignore-unknown-fields')).toEqual([3, 1]);
  });

  it('takes the one that the environment names', async () => {
    write('other.yaml', CONFIG);
    write('rules.yaml', RULES);
    shell.variables.configPath = 'other.yaml';
    expect((await shell.run('check')).out).toBe('other.yaml: ok, 1 cluster, 0 owners, 2 rules\n');
  });

  it('shows twenty mistakes as twenty lines', async () => {
    write('belfry.yaml', Array.from({ length: 20 }, (_, i) => `unknown_${i}: ${i}\n`).join(''));
    const { err, out, exitCode } = await shell.run('check', 'belfry.yaml');
    expect(err.trimEnd().split('\n')).toHaveLength(20);
    expect(err).toMatch(/^belfry\.yaml:1:1 unknown_0: unknown key/);
    expect([out, exitCode]).toEqual(['belfry.yaml: 20 mistakes\n', 1]);
  });

  it('shows the mistakes of a configuration and those of its rule files together', async () => {
    write('belfry.yaml', `${CONFIG}default_owner: nobody\n`);
    write('rules.yaml', 'groups: [{name: g, rules: [{alert: Down, expr: "up =="}]}]\n');
    const { err, out } = await shell.run('check', 'belfry.yaml');
    expect(err).toMatch(/belfry\.yaml:3:16 default_owner: no such owner: nobody/);
    expect(err).toMatch(/rules\.yaml:1:\d+: group "g"/);
    expect(out).toBe('belfry.yaml: 2 mistakes\n');
  });

  it('takes configurations, rule files and folders in one go', async () => {
    mkdirSync(join(shell.folder, 'rules.d'));
    write('rules.d/b.yml', RULES);
    write('rules.d/a.yaml', 'groups: []\n');
    write('rules.d/README.md', '# no rules\n');
    write('rules.d/.hidden.yaml', 'nonsense: 1\n');
    write('belfry.yaml', 'clusters: []\nrules: ["rules.d/*.y*ml"]\n');
    const { out } = await shell.run('check', 'belfry.yaml', 'rules.d');
    expect(out.split('\n')).toEqual([
      expect.stringContaining('belfry.yaml: ok'),
      'rules.d/a.yaml: ok, 0 rules',
      'rules.d/b.yml: ok, 2 rules',
      '',
    ]);
  });

  it.each([
    ['is not there', 'nowhere.yaml', /^nowhere\.yaml:1:1 cannot read it: ENOENT/],
    ['is a device', '/dev/zero', /^\/dev\/zero:1:1 cannot read it: not a file/],
  ])('goes on after a file that %s', async (_, file, expected) => {
    write('rules.yaml', RULES);
    const { err, out, exitCode } = await shell.run('check', file, 'rules.yaml');
    expect(err).toMatch(expected);
    expect(out).toContain('rules.yaml: ok, 2 rules\n');
    expect(exitCode).toBe(1);
  });

  it.each([
    [
      'the Kubernetes object around one',
      'apiVersion: monitoring.coreos.com/v1\nkind: PrometheusRule\nspec: {groups: []}\n',
      /^r\.yaml:1:1: .*under "spec"/,
    ],
    ['a list of groups', '- {name: a, rules: []}\n', /^r\.yaml:1:1: must be a mapping/],
  ])('takes %s for a rule file, and says in one line what is wrong', async (_, text, expected) => {
    write('r.yaml', text);
    const { err, out, exitCode } = await shell.run('check', 'r.yaml');
    expect(err).toMatch(expected);
    expect([out, exitCode]).toEqual(['r.yaml: 1 mistake\n', 1]);
    expect((await shell.run('check', '--ignore-unknown-fields', 'r.yaml')).exitCode).toBe(text.startsWith('-') ? 1 : 0);
  });

  it('needs no secret', async () => {
    write('belfry.yaml', 'rules: [rules.yaml]\nslack: {token_file: /run/secrets/slack}\n');
    write('rules.yaml', RULES);
    expect((await shell.run('check')).exitCode).toBe(0);
  });

  it('is read by machines with --json', async () => {
    write('belfry.yaml', 'x: 1\n');
    const { out, err } = await shell.run('check', 'belfry.yaml', '--json');
    expect(JSON.parse(out)).toMatchObject({ files: [{ file: 'belfry.yaml', problems: [expect.stringContaining('1:1 x: unknown key')] }] });
    expect(err).toBe('');
  });
});

describe('belfry check --lint', () => {
  const SUSPECT = 'groups: [{name: g, rules: [{alert: A, expr: belfry_nowhere == 1, for: 1s}]}]\n';

  it('tells what is most likely a mistake, and lets the check pass', async () => {
    write('rules.yaml', SUSPECT);
    const { out, err, exitCode } = await shell.run('check', 'rules.yaml');
    expect([err.trimEnd().split('\n'), out, exitCode]).toEqual([
      [
        expect.stringMatching(/^lint: rules\.yaml:1: .*belfry_nowhere.*\[unknown-metric\]$/),
        expect.stringMatching(/\[for-below-interval\]$/),
      ],
      'rules.yaml: ok, 1 rule, 2 findings of lint\n',
      0,
    ]);
  });

  it.each([
    [['--lint=none'], 0, 0],
    [['--lint=none', '--lint-fatal'], 0, 0],
    [['--lint=all', '--lint-fatal'], 2, 3],
    [['--lint=unknown-metric', '--lint-fatal'], 1, 3],
    [['--lint=raw-counter, recover-side', '--lint-fatal'], 0, 0],
  ])('%j', async (args, findings, code) => {
    write('rules.yaml', SUSPECT);
    const { err, exitCode } = await shell.run('check', 'rules.yaml', ...args);
    expect([err.split('\n').length - 1, exitCode]).toEqual([findings, code]);
  });

  it('with a mistake beside it is exit status 1', async () => {
    write('rules.yaml', SUSPECT.replace('}]}]', '}, {alert: B}]}]'));
    expect((await shell.run('check', 'rules.yaml', '--lint-fatal')).exitCode).toBe(1);
  });

  it('knows its own names', async () => {
    write('rules.yaml', SUSPECT);
    expect((await shell.run('check', 'rules.yaml', '--lint=unknown-metrics')).failure).toBe(
      'no lint is called "unknown-metrics", did you mean unknown-metric?',
    );
    write('rules.yaml', `# belfry:lint-disable raw-counters\n${RULES}`);
    expect((await shell.run('check', 'rules.yaml')).err).toBe('warning: rules.yaml:1: no lint is called raw-counters\n');
  });

  it('is in the JSON', async () => {
    write('rules.yaml', SUSPECT);
    const { out } = await shell.run('check', 'rules.yaml', '--json', '--lint=for-below-interval');
    expect(JSON.parse(out)).toMatchObject({ files: [{ lint: [{ file: 'rules.yaml', line: 1, lint: 'for-below-interval' }] }] });
  });

  it('asks the Belfry of --url which metrics it has seen, and of what type they are', async () => {
    const asked: string[] = [];
    const server = createServer((request, response) => {
      asked.push(request.url ?? '');
      const data = request.url === '/api/v1/metadata' ? { seen: [{ type: 'counter', help: '', unit: '' }] } : ['seen'];
      response.end(JSON.stringify({ status: 'success', data }));
    }).listen(0, '127.0.0.1');
    try {
      await once(server, 'listening');
      const address = server.address();
      const url = typeof address === 'object' ? `http://127.0.0.1:${address?.port}` : '';
      write('rules.yaml', 'groups: [{name: g, rules: [{alert: A, expr: seen > 0}, {alert: B, expr: jvm_threads > 1}]}]\n');
      const { err } = await shell.run('check', 'rules.yaml', '--url', url);
      expect(err).toMatch(/"A": seen > 0.*\[raw-counter\]\n.*"B": no series jvm_threads.*\[unknown-metric\]\n$/);
      expect(asked).toEqual(['/api/v1/label/__name__/values', '/api/v1/metadata']);
      // What only exporters give, nobody can judge who has not seen their pages.
      expect((await shell.run('check', 'rules.yaml')).err).toBe('');
    } finally {
      server.close();
    }
  });
});

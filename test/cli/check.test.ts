import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdirSync, writeFileSync } from 'node:fs';
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

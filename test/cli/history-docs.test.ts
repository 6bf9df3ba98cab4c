import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { execFile, execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { createBackfillPort } from '../../src/app/backfill-port.ts';
import { createQueryPort } from '../../src/app/query-port.ts';
import { loadConfig } from '../../src/config/load.ts';
import { ManualClock } from '../../src/core/clock.ts';
import { silentLogger } from '../../src/core/log.ts';
import { silentMeter } from '../../src/core/meter.ts';
import { type HttpServer, startHttpServer } from '../../src/http/server.ts';
import { openSampleStore, type SampleStore } from '../../src/store/sample-store.ts';
import { describeWhere } from '../../testbed/skip.ts';
import { NOW, serverWith, TOKEN } from '../http/harness.ts';
import { Shell } from './harness.ts';

const run = promisify(execFile);
const missing = spawnSync('promtool', ['--version']).status === 0 ? undefined : 'promtool (Debian package prometheus) is not installed';

function blocksOf(page: string, language: string): readonly string[] {
  const text = readFileSync(page, 'utf8');
  return [...text.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, 'gms'))].map(([, block = '']) => block);
}

const [importing = '', exporting = ''] = blocksOf('docs/backfill.md', 'sh');
const [out = '', into = ''] = blocksOf('docs/remote-write.md', 'yaml');
const sample = (name: string, ago: number): string => `${name}{n="1"} 1 ${NOW / 1000 - ago}\n# EOF\n`;

let cli: Shell;
let store: SampleStore;
let server: HttpServer;

beforeEach(async () => {
  cli = new Shell();
  const clock = new ManualClock(NOW);
  store = openSampleStore({ path: ':memory:', clock, log: silentLogger, meter: silentMeter, retentionMs: 15 * 86_400_000 });
  const ports = { backfill: createBackfillPort(store, async () => new Map(), clock), query: createQueryPort(store.reader, clock) };
  server = await startHttpServer(serverWith({ ports }).serverOptions);
  Object.assign(cli.variables, { url: server.url, token: TOKEN });
  mkdirSync(join(cli.folder, 'data'));
  const old = sample('kafka_brokers', 7200);
  for (const [name, content] of [
    ['old.om', old],
    ['old.om.gz', gzipSync(old)],
    ['more.om', sample('up', 3600)],
  ] as const)
    writeFileSync(join(cli.folder, name), content);
});

afterEach(async () => {
  await server.close();
  store.close();
  cli.close();
});

/** A shell takes the line apart, the command runs in this process: its standard input from a file, its output into one. */
async function belfry(line: string): Promise<string> {
  const [command = '', target] = line.replace(/ +#.*$/, '').split(' > ');
  const script = `belfry() { if [ "\${!#}" = - ]; then cat > piped.om; fi; printf '%s\\0' "$@"; }\n${command}`;
  const words = (await run('bash', ['-ec', script], { cwd: cli.folder })).stdout.split('\0').slice(0, -1);
  const told = await cli.run(...words.map((word) => (word === '-' ? 'piped.om' : word)));
  expect([line, told.exitCode, told.failure]).toEqual([line, 0, '']);
  if (target !== undefined) writeFileSync(join(cli.folder, target), told.out);
  return told.out;
}

async function bringIn(): Promise<readonly string[]> {
  const told: string[] = [];
  for (const line of importing.trim().split('\n')) told.push(await belfry(line));
  return told;
}

const isBelfry = (line: string): boolean => line.startsWith('belfry ');

describe('docs/backfill.md', () => {
  it('brings history in as it says', async () => {
    expect(await bringIn()).toEqual([
      '2 samples were brought in\n',
      '0 samples were brought in, 1 were there already\n',
      '1 sample was brought in\n',
    ]);
  });

  it('takes it out as it says', async () => {
    await bringIn();
    const lines = exporting.trim().split('\n').filter(isBelfry);
    expect(lines).toHaveLength(3);
    for (const line of lines) await belfry(line);
    expect(existsSync(join(cli.folder, 'kafka.om.gz'))).toBe(true);
    expect(readFileSync(join(cli.folder, 'up.om'), 'utf8')).toMatch(/# EOF\n$/);
  });
});

describeWhere(missing, 'docs/backfill.md, for promtool', () => {
  it('its command works', async () => {
    const [line = ''] = exporting
      .trim()
      .split('\n')
      .filter((command) => !isBelfry(command));
    writeFileSync(join(cli.folder, 'up.om'), sample('up', 3600));
    execFileSync('bash', ['-ec', line], { cwd: cli.folder, stdio: 'ignore' });
    expect(existsSync(join(cli.folder, 'prometheus-data'))).toBe(true);
  });
});

describe('docs/remote-write.md', () => {
  it('shows a destination that Belfry takes', () => {
    writeFileSync(join(cli.folder, 'token'), TOKEN);
    const path = join(cli.folder, 'belfry.yaml');
    const text = out.replace('/run/secrets/metrics-token', join(cli.folder, 'token'));
    writeFileSync(
      path,
      `clusters: [{name: orders, brokers: ['127.0.0.1:1'], owner: team}]\nowners: {team: {slack: '#team'}}\ndefault_owner: team\nslack: {token: x}\n${text}`,
    );
    const { problems, config } = loadConfig({
      path,
      environment: cli.context({}).environment,
      workingFolder: cli.folder,
      defaultRules: join(import.meta.dirname, '../../rules.yaml'),
    });
    expect(problems).toEqual([]);
    expect(config?.remoteWrite.map(({ name, externalLabels }) => [name, externalLabels])).toEqual([['metrics', { region: 'south' }]]);
  });
});

describeWhere(missing, 'docs/remote-write.md, for Prometheus', () => {
  it('shows a sender that Prometheus takes', () => {
    writeFileSync(join(cli.folder, 'belfry-token'), TOKEN);
    writeFileSync(join(cli.folder, 'prometheus.yml'), into);
    expect(execFileSync('promtool', ['check', 'config', 'prometheus.yml'], { cwd: cli.folder, encoding: 'utf8' })).toContain('SUCCESS');
  });
});

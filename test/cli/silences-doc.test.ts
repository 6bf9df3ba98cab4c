import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ManualClock } from '../../src/core/clock.ts';
import type { HttpServer } from '../../src/http/server.ts';
import type { SilenceBook } from '../../src/routing/silences.ts';
import { describeWhere } from '../../testbed/skip.ts';
import { NOW, TOKEN } from '../http/harness.ts';
import { alertNamed, listeningServer, statusOf } from '../http/quiet-rooms.ts';
import { missingAlertmanager } from '../http/real-alertmanager.ts';
import { Shell } from './harness.ts';

const run = promisify(execFile);
const PAGE = readFileSync('docs/silences.md', 'utf8');
const blocks = (language: string): readonly string[] =>
  [...PAGE.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, 'gms'))].map(([, text = '']) => text);
const [commands = '', files = '', tools = ''] = blocks('sh');
const [yaml = ''] = blocks('yaml');

let cli: Shell;
let server: HttpServer;
let silences: SilenceBook;

beforeAll(async () => {
  cli = new Shell();
  mkdirSync(join(cli.folder, 'data'));
  writeFileSync(join(cli.folder, 'data', 'token'), TOKEN);
  const crash = alertNamed('BrokerCrashed', { cluster: 'orders-dal', broker: '2' });
  ({ server, silences } = await listeningServer(() => [statusOf(crash, 'owner/orders')], new ManualClock(NOW)));
  cli.variables.url = server.url;
});

afterAll(async () => {
  silences.stop();
  await server.close();
  cli.close();
});

/** What a shell makes of the script, in our folder. */
async function shell(script: string, url = server.url): Promise<string> {
  const text = script.replaceAll('http://127.0.0.1:9559', url);
  return (await run('bash', ['-ec', text], { cwd: cli.folder, env: { ...process.env, HOME: cli.folder } })).stdout;
}

/** Runs the lines, each of which must end well: a shell takes them apart, the commands run in this process. */
async function belfry(lines: string): Promise<{ out: string; err: string }> {
  const all = { out: '', err: '' };
  for (const line of lines.trim().split('\n')) {
    const [command = '', file] = line.split(' > ');
    const words = (await shell(`belfry() { printf '%s\\0' "$@"; }\n${command}`)).split('\0').slice(0, -1);
    const { out, err, exitCode, failure } = await cli.run(...words);
    expect([line, exitCode, failure]).toEqual([line, 0, '']);
    if (file !== undefined) writeFileSync(join(cli.folder, file), out);
    all.out += out;
    all.err += err;
  }
  return all;
}

describe('docs/silences.md', () => {
  it('its commands do what it says', async () => {
    const { out, err } = await belfry(commands);
    expect(out).toContain('It matches 1 alert that fires now');
    expect(out).toContain('Nothing was silenced, this is what would be: cluster="orders-dal"');
    expect(err).toContain('No alert that fires now is matched by alertname="DiskLow"');
    expect(silences.list().map(({ comment }) => comment)).toEqual(['disk swap, ticket 4711', 'new disks come on Thursday']);
  });

  it('its files are taken', async () => {
    expect((await belfry(files)).out).toContain('unchanged');
    writeFileSync(join(cli.folder, 'silences.yaml'), yaml);
    expect((await belfry('belfry silence import silences.yaml --dry-run')).out).toContain(
      'made     -   cluster="orders-dal", alertname=~"Disk.*"',
    );
  });
});

describeWhere(missingAlertmanager, 'docs/silences.md, for amtool', () => {
  it('its commands work', async () => {
    const { server: present } = await listeningServer(() => []);
    try {
      expect(await shell(tools, present.url)).toMatch(/^[0-9a-f-]{36}\n$/);
    } finally {
      await present.close();
    }
  });
});

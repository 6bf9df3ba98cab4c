import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describeWhere } from '../../testbed/skip.ts';
import { loadOptionsOf } from '../../src/cli/config-options.ts';
import { printable, table } from '../../src/cli/table.ts';
import { Labels } from '../../src/core/labels.ts';
import { startHttpServer } from '../../src/http/server.ts';
import { alertingRule, firingAlert, NOW, ruleGroup, serverWith, TOKEN } from '../http/harness.ts';
import { Shell } from './harness.ts';

let shell: Shell;
let stop: () => Promise<void> = async () => undefined;
beforeEach(() => void (shell = new Shell()));
afterEach(async () => {
  await stop();
  stop = async () => undefined;
  shell.close();
});

/** A running Belfry with fake rooms, whose address the commands find in their environment. */
async function withServer() {
  const made = serverWith();
  const server = await startHttpServer(made.serverOptions);
  stop = () => server.close();
  shell.variables.url = server.url;
  return made.rooms;
}

describe('help', () => {
  it.each(['start', 'check', 'query', 'alerts', 'send-test', 'broker', 'agent'])('of %s teaches, and ends well', async (command) => {
    const { out, exitCode } = await shell.run(command, '--help');
    expect(exitCode).toBe(0);
    expect(out).toContain(`Usage: belfry ${command}`);
    expect(out.split('\n').every((line) => line.length <= 130)).toBe(true);
  });

  it.each([
    [['nope'], "unknown command 'nope'"],
    [['check', '--nope'], "unknown option '--nope'"],
    [['query'], 'missing required argument'],
    [['start', '--listen', 'nowhere'], 'not an address'],
    [['start', '--brokers', 'http://a:1'], 'not an address'],
    [['broker', 'forget', 'x', '--cluster', 'a'], 'expected a broker id'],
  ])('is pointed to where %j is not understood', async (args, expected) => {
    const { err, exitCode } = await shell.run(...args);
    expect(exitCode).not.toBe(0);
    expect(err).toContain(expected);
    expect(err).toContain('--help');
  });

  it('has a version', async () => {
    expect((await shell.run('--version')).out).toBe('1.2.3\n');
  });
});

describe('where the configuration is read from', () => {
  const found = (options: object) => {
    const { path, brokers } = loadOptionsOf(options, shell.context({}));
    return [path?.replace(`${shell.folder}/`, ''), brokers?.map(({ host, port }) => `${host}:${port}`)];
  };

  it('is the option, then the environment, then this folder, then nowhere', () => {
    expect(found({})).toEqual([undefined, undefined]);
    writeFileSync(join(shell.folder, 'belfry.yaml'), '');
    expect(found({})).toEqual(['belfry.yaml', undefined]);
    shell.variables.configPath = 'from-environment.yaml';
    expect(found({})).toEqual(['from-environment.yaml', undefined]);
    expect(found({ config: 'from-option.yaml' })).toEqual(['from-option.yaml', undefined]);
  });

  it('is nowhere where brokers are named', () => {
    writeFileSync(join(shell.folder, 'belfry.yaml'), '');
    shell.variables.configPath = 'from-environment.yaml';
    expect(found({ brokers: [{ host: 'a', port: 1 }] })).toEqual([undefined, ['a:1']]);
  });

  it('takes brokers of the environment without a configuration only', () => {
    shell.variables.kafkaBrokers = 'a, b:1';
    expect(found({})).toEqual([undefined, ['a:9092', 'b:1']]);
    expect(found({ config: 'c.yaml' })).toEqual(['c.yaml', undefined]);
  });

  it.each([
    ['brokers beside a configuration', { configPath: undefined }, ['start', '--config', 'a', '--brokers', 'b'], 'without a configuration'],
    ['bad brokers in the environment', { kafkaBrokers: 'a:b:c' }, ['start'], 'KAFKA_BROKERS: not an address'],
    ['a bad level in the environment', { logLevel: 'loud' }, ['start'], 'BELFRY_LOG_LEVEL: expected one of debug, info, warn, error'],
    ['an address that others reach', {}, ['start', '--listen', '0.0.0.0:0', '--brokers', 'a'], 'say --insecure'],
  ])('refuses %s', async (_, variables, args, expected) => {
    Object.assign(shell.variables, variables);
    expect((await shell.run(...args)).failure).toContain(expected);
  });
});

describe('talking to the running process', () => {
  const COMMANDS = [
    ['alerts'],
    ['query', 'up'],
    ['send-test', '--owner', 'orders'],
    ['broker', 'forget', '3', '--cluster', 'orders'],
  ] as const;

  it.each(COMMANDS)('says in one line that nothing answers: %s', async (...args) => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    server.close();
    const { failure, out, exitCode } = await shell.run(...args, '--url', `127.0.0.1:${port}`);
    expect(failure).toMatch(/^no answer from Belfry at http:\/\/127\.0\.0\.1:\d+ \(.*ECONNREFUSED.*\); is it running\? Say where/);
    expect([failure.includes('\n'), out, exitCode]).toEqual([false, '', 1]);
  });

  it.each(COMMANDS.slice(0, 3))('says in one line that something else answers: %s', async (...args) => {
    for (const body of ['<html>', '{"data": 5}', '[]']) {
      const server = createServer((_, response) => response.end(body)).listen(0, '127.0.0.1');
      await once(server, 'listening');
      const { failure } = await shell.run(...args, '--url', `http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
      expect(failure).toMatch(/^what answers at http:\S+ is not Belfry/);
      server.close();
      server.closeAllConnections();
    }
  });

  it('says what the server said', async () => {
    await withServer();
    expect((await shell.run('query', 'up{')).failure).not.toBe('');
    expect((await shell.run('send-test', '--owner', 'orders')).failure).toContain('needs the header Authorization');
    expect((await shell.run('query', '1', '--url', 'http://a b')).failure).toContain('not an address');
  });

  it.each([
    ['in the data folder here', 'data', []],
    ['in another folder', 'elsewhere', ['--data', 'elsewhere']],
  ])('finds the token %s', async (_, folder, more) => {
    const rooms = await withServer();
    mkdirSync(join(shell.folder, folder));
    writeFileSync(join(shell.folder, folder, 'token'), `${TOKEN}\n`);
    expect((await shell.run('broker', 'forget', '3', '--cluster', 'orders', ...more)).failure).toBe('');
    expect(rooms.calls).toEqual(['forget orders 3']);
  });

  it('takes the token of the environment, and a data folder by its whole path', async () => {
    const rooms = await withServer();
    mkdirSync(join(shell.folder, 'abs'));
    writeFileSync(join(shell.folder, 'abs', 'token'), TOKEN);
    expect((await shell.run('send-test', '--owner', 'x', '--data', join(shell.folder, 'abs'))).exitCode).toBe(0);
    shell.variables.token = TOKEN;
    expect((await shell.run('send-test', '--owner', 'y', '--json')).out).toContain('"delivered"');
    expect(rooms.calls).toEqual(['send-test x', 'send-test y']);
  });
});

describe('belfry alerts', () => {
  it('shows the worst first, then the oldest, what is pending last', async () => {
    const rooms = await withServer();
    const alert = (severity: string, cluster: string, state: 'firing' | 'pending' = 'firing', ageMs = 60_000) =>
      firingAlert({ alertname: 'A', severity, cluster }, { state, activeAt: NOW - ageMs });
    const alerts = [
      alert('info', 'e'),
      alert('critical', 'f', 'pending'),
      alert('odd', 'e2'),
      alert('warning', 'd'),
      alert('critical', 'b', 'firing', 60_000),
      alert('critical', 'a', 'firing', 120_000),
      alert('none', 'watchdog'),
    ];
    rooms.groups = [ruleGroup('g', 'f', [alertingRule('A', { alerts })])];
    const { out } = await shell.run('alerts');
    const rows = out
      .trimEnd()
      .split('\n')
      .map((line) => line.split(/\s+/).slice(0, 2).join(' '));
    expect(rows).toEqual(['STATE CLUSTER', 'CRITICAL a', 'CRITICAL b', 'WARNING d', 'INFO e', 'ODD e2', 'pending f']);
    expect((await shell.run('alerts', '--cluster', 'd', '--json')).out).toContain('"cluster": "d"');
    expect((await shell.run('alerts', '--cluster', 'nowhere')).out).toBe('No alerts.\n');
  });

  it('obeys nothing that a label says', async () => {
    const rooms = await withServer();
    const annotations = { summary: 'a\u001b[2Jb\nc\u202ed\u0000' };
    rooms.groups = [ruleGroup('g', 'f', [alertingRule('A', { alerts: [firingAlert({ alertname: 'X\r' }, { annotations })] })])];
    const { out } = await shell.run('alerts');
    expect(out.split('\n')).toHaveLength(3);
    expect(out).toContain('X\\x0d');
    expect(out).toContain('a\\x1b[2Jb\\x0ac\\u{202e}d\\x00');
  });
});

describe('belfry query', () => {
  it('prints a line a series, and says on standard error that there is none', async () => {
    const rooms = await withServer();
    rooms.querier.series.push({ labels: Labels.of({ __name__: 'up', a: 'x\ny' }), points: [{ ts: NOW, value: 1 }] });
    expect((await shell.run('query', 'up')).out).toBe('up{a="x\\ny"} 1\n');
    expect((await shell.run('query', 'up[1m]')).out).toBe('up{a="x\\ny"}\n  2023-11-14T22:13:20.000Z 1\n');
    expect(await shell.run('query', 'nope')).toMatchObject({ out: '', err: 'no series match\n', exitCode: 0 });
    expect((await shell.run('query', '1', '--time', '5', '--json')).out).toContain('"scalar"');
  });
});

describe('a table', () => {
  it('is as wide as its widest cells, the last column aside', () => {
    expect(
      table([
        ['A', 'B'],
        ['long', 'x'],
        ['', 'yy'],
      ]),
    ).toBe('A     B\nlong  x\n      yy\n');
  });

  it.each([
    ['plain ü€😀', 'plain ü€😀'],
    ['\u007f\u0085', '\\x7f\\x85'],
    ['\u2028\u200b\ufeff', '\\u{2028}\\u{200b}\\u{feff}'],
    ['\ud800', '\\u{d800}'],
  ])('shows %j as %s', (text, shown) => {
    expect(printable(text)).toBe(shown);
  });
});

const OLD_NODE = { env: { PATH: '/usr/bin:/usr/local/bin' }, encoding: 'utf8' } as const;
const systemNode = spawnSync('node', ['--version'], OLD_NODE).stdout ?? '';
const isOld = Number(/^v(\d+)/.exec(systemNode)?.[1] ?? 99) < 24;

describeWhere(isOld ? undefined : "the system's own Node is not older than 24", 'an old Node', () => {
  it('is told in one line what Belfry needs', () => {
    const { stderr, stdout, status } = spawnSync('node', [join(import.meta.dirname, '../../bin/belfry.mjs'), 'start'], OLD_NODE);
    expect(stderr).toMatch(/^belfry needs Node\.js 24\.6 or newer; this is \d+\.\d+\.\d+ .*\n$/);
    expect([stdout, status]).toEqual(['', 1]);
  });
});

import { describe, expect, it } from '@jest/globals';
import { spawn, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { serviceManagerOf, type Environment } from '../../src/config/env.ts';
import { ManualClock } from '../../src/core/clock.ts';
import { ServiceManager } from '../../src/watchdog/service-manager.ts';
import { describeWhere } from '../../testbed/skip.ts';
import { makeTempDir, removeTempDir } from '../../testbed/temp-dir.ts';
import { RecordingLogger } from './recording.ts';

function setUp(options: { watchdogMs?: number; send?: (variables: readonly string[]) => Promise<void> } = {}) {
  const clock = new ManualClock();
  const log = new RecordingLogger();
  const said: string[] = [];
  const state = { why: [] as string[] };
  const manager = new ServiceManager({
    notReady: () => state.why,
    watchdogMs: options.watchdogMs,
    clock,
    log,
    send: options.send ?? (async (variables) => void said.push(variables.join(' | '))),
  });
  return { clock, log, said, state, manager };
}

describe('systemd is told', () => {
  it('READY=1 once Belfry is ready, and only then', async () => {
    const { clock, said, state, manager } = setUp();
    state.why = ['rules have not been evaluated yet'];
    manager.start();
    await clock.advance(5000);
    manager.reloading();
    manager.reloaded();
    await clock.advance(0);
    expect(said).toEqual([]);
    state.why = [];
    await clock.advance(1000);
    expect(said).toEqual(['READY=1 | STATUS=watching']);
    await manager.stopping();
  });

  it('READY=1 after a minute all the same, with what is wrong as the status on one line', async () => {
    const { clock, said, state, manager } = setUp();
    state.why = ['the state cannot be written\nWATCHDOG=trigger', 'and more'];
    manager.start();
    await clock.advance(61_000);
    expect(said).toEqual(['READY=1 | STATUS=not ready: the state cannot be written WATCHDOG=trigger; and more']);
    await manager.stopping();
  });

  it('WATCHDOG=1 at every half of its time', async () => {
    const { clock, said, manager } = setUp({ watchdogMs: 30_000 });
    manager.start();
    await clock.advance(61_000);
    expect(said.filter((line) => line === 'WATCHDOG=1')).toHaveLength(4);
    await manager.stopping();
    expect(clock.pendingTimers).toBe(0);
  });

  it('nothing from an event loop that did not turn in time', async () => {
    const { clock, said, manager, log } = setUp({ watchdogMs: 30_000 });
    // The clock has moved on before the timer could run, as after a SIGSTOP.
    const elapsed = clock.elapsed.bind(clock);
    manager.start();
    clock.elapsed = () => elapsed() + 40_000;
    await clock.advance(15_000);
    expect(said).not.toContain('WATCHDOG=1');
    expect(log.lines).toEqual([expect.stringContaining('"watchdog_word_withheld","late_ms":40000')]);
    await clock.advance(15_000);
    expect(said.filter((line) => line === 'WATCHDOG=1')).toHaveLength(1);
    await manager.stopping();
  });

  it('RELOADING=1 and READY=1 around a reload, STOPPING=1 at the end, and nothing after that', async () => {
    const { said, manager } = setUp({ watchdogMs: 30_000 });
    manager.start();
    manager.reloading();
    manager.reloaded();
    await manager.stopping();
    manager.reloading();
    await manager.stopping();
    expect(said.map((line) => line.split(' ')[0])).toEqual(['READY=1', 'RELOADING=1', 'READY=1', 'STOPPING=1']);
  });

  it('as well as can be: that it cannot be told is logged once, and Belfry goes on', async () => {
    const { clock, log, manager } = setUp({ watchdogMs: 30_000, send: () => Promise.reject(new Error('spawn systemd-notify ENOENT')) });
    manager.start();
    await clock.advance(61_000);
    expect(log.lines).toEqual([expect.stringContaining('ENOENT')]);
    await manager.stopping();
  });
});

describe('what the environment says of a service manager', () => {
  const environmentOf = (variables: Readonly<Record<string, string>>) => ({ lookup: (name: string) => variables[name] }) as Environment;
  it.each([
    [{}, undefined],
    [{ WATCHDOG_USEC: '30000000' }, undefined],
    [{ NOTIFY_SOCKET: '/run/systemd/notify' }, { watchdogMs: undefined }],
    [{ NOTIFY_SOCKET: '@abstract', WATCHDOG_USEC: '30000000' }, { watchdogMs: 30_000 }],
    [{ NOTIFY_SOCKET: '/run/systemd/notify', WATCHDOG_USEC: 'often' }, { watchdogMs: undefined }],
  ])('%j', (variables, settings) => {
    expect(serviceManagerOf(environmentOf(variables))).toEqual(settings);
  });
});

/** Prints each datagram as a line of JSON, and closes what is sent with it, as systemd does to say that it has read it. */
const LISTENER = `
import json, os, socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
print('"listening"', flush=True)
while True:
    data, fds, _, _ = socket.recv_fds(s, 65536, 8)
    for fd in fds: os.close(fd)
    print(json.dumps(data.decode()), flush=True)
`;

const missing =
  spawnSync('systemd-notify', ['--version']).status !== 0
    ? 'systemd-notify is not there (on Debian: apt-get install systemd)'
    : spawnSync('python3', ['-c', 'import socket; socket.recv_fds']).status !== 0
      ? 'python3 (3.9 or later) is not there: it stands in for systemd'
      : undefined;

describeWhere(missing, 'the real systemd-notify', () => {
  it('tells a whole Belfry from READY to STOPPING', async () => {
    const dir = await makeTempDir();
    const path = join(dir, 'notify');
    const listener = spawn('python3', ['-c', LISTENER, path], { stdio: ['ignore', 'pipe', 'inherit'] });
    const heard: string[] = [];
    let wake = (): void => undefined;
    let rest = '';
    listener.stdout.on('data', (chunk: Buffer) => {
      const lines = (rest + chunk.toString()).split('\n');
      rest = lines.pop() ?? '';
      heard.push(...lines.map((line) => JSON.parse(line) as string));
      wake();
    });
    const hears = async (wanted: string, from = 0): Promise<void> => {
      while (!heard.slice(from).some((text) => text.split('\n').includes(wanted))) await new Promise<void>((resolve) => (wake = resolve));
    };
    await hears('listening');
    const rules = {
      groups: [{ name: 'quick', interval: '1s', rules: [{ alert: 'Watchdog', expr: 'vector(1)', labels: { severity: 'none' } }] }],
    };
    writeFileSync(join(dir, 'rules.yaml'), JSON.stringify(rules));
    const config = { rules: ['rules.yaml'], http: { listen: '127.0.0.1:0' }, host: { collect: false } };
    writeFileSync(join(dir, 'belfry.yaml'), JSON.stringify(config));
    const args = [join(import.meta.dirname, '../../bin/belfry.mjs'), 'start', '--config', join(dir, 'belfry.yaml')];
    const belfry = spawn(process.execPath, args, {
      cwd: dir,
      env: { ...process.env, NOTIFY_SOCKET: path, WATCHDOG_USEC: '1000000' },
      stdio: 'ignore',
    });
    const exited = new Promise<number | null>((resolve) => belfry.once('exit', resolve));
    try {
      await hears('READY=1');
      await hears('WATCHDOG=1');
      const before = heard.length;
      belfry.kill('SIGHUP');
      await hears('RELOADING=1', before);
      await hears('READY=1', before);
      belfry.kill('SIGTERM');
      await hears('STOPPING=1');
      expect(await exited).toBe(0);
    } finally {
      belfry.kill('SIGKILL');
      await exited;
      listener.kill();
      await new Promise((resolve) =>
        listener.exitCode === null && listener.signalCode === null ? listener.once('exit', resolve) : resolve(0),
      );
      await removeTempDir(dir);
    }
  }, 180_000);
});

import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Cluster } from '../../testbed/cluster.ts';
import { startTestbedExecutor, type TestbedExecutor } from '../../testbed/executor.ts';
import { Shell } from '../cli/harness.ts';
import { BelfryStandIn, SIGNING_KEY, TOKEN } from './belfry-stand-in.ts';

/** What of a cluster the testbed's executor touches, without a Kafka. */
class ClusterWithoutKafka {
  readonly bootstrap = ['127.0.0.1:1'];
  readonly users = {};
  readonly security = 'plaintext';
  readonly tls = undefined;
  readonly done: string[] = [];
  readonly running = new Set<number>();

  isRunning(id: number): boolean {
    return this.running.has(id);
  }

  port(): number {
    return 1;
  }

  logPath(): string {
    return '';
  }

  start(id: number): Promise<void> {
    this.done.push(`start ${id}`);
    return Promise.resolve();
  }
}

let folder: string;
let belfry: BelfryStandIn;
let executor: TestbedExecutor | undefined;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'belfry-executor-'));
  writeFileSync(join(folder, 'key'), `${SIGNING_KEY}\n`);
  belfry = await BelfryStandIn.start();
});

afterEach(async () => {
  await executor?.[Symbol.asyncDispose]();
  executor = undefined;
  await belfry.close();
  rmSync(folder, { recursive: true, force: true });
});

async function start(cluster: ClusterWithoutKafka): Promise<TestbedExecutor> {
  executor = await startTestbedExecutor({
    cluster: cluster as unknown as Cluster,
    clusterName: 'orders-dal',
    belfryUrl: belfry.url,
    token: TOKEN,
    signingKeyPath: join(folder, 'key'),
    probing: { every: '20ms' },
  });
  return executor;
}

describe('belfry executor', () => {
  it('repairs by its commands, and ends with status 0 when it is told to', async () => {
    const cluster = new ClusterWithoutKafka();
    const process = await start(cluster);
    const word = await belfry.lastWord(belfry.offer());
    // It is started, and still does not run.
    expect(word).toMatchObject({ status: 'failed', genuine: true });
    expect(cluster.done).toEqual(['start 2']);
    expect(process.acts).toEqual([expect.objectContaining({ verb: 'restart', broker: 2, fencingToken: 1, code: 0 })]);
    expect(await process.stop()).toBe(0);
  });

  it('does nothing while its stop file is there', async () => {
    const process = await start(new ClusterWithoutKafka());
    await belfry.polls.next();
    await process.halt(true);
    belfry.offer();
    await process.log.next(({ event }) => event === 'stop_file_found');
    expect(process.acts).toEqual([]);
    expect(belfry.leases.count).toBe(0);
  });
});

describe('belfry executor as a process of its own', () => {
  const ENTRY = join(import.meta.dirname, '../../bin/belfry.mjs');
  let held: Server;
  let isHeld: Promise<Socket>;

  beforeEach(async () => {
    held = createServer();
    isHeld = new Promise((resolve) => held.once('connection', resolve));
    await new Promise<void>((resolve) => held.listen(0, '127.0.0.1', resolve));
  });
  afterEach(() => void held.close());

  function run(command: readonly string[], ...words: readonly string[]): { child: ChildProcess; ended: Promise<number | null> } {
    const yaml = JSON.stringify({
      name: 'one',
      belfry: { url: belfry.url, token: TOKEN, signing_key: SIGNING_KEY },
      clusters: { 'orders-dal': { scale_in: [{ command }] } },
    });
    writeFileSync(join(folder, 'executor.yaml'), yaml);
    const child = spawn(process.execPath, [ENTRY, 'executor', ...words], { cwd: folder, stdio: 'ignore' });
    return { child, ended: new Promise((resolve) => child.once('exit', resolve)) };
  }

  it('takes what runs with it when a second signal ends it at once', async () => {
    const port = (held.address() as AddressInfo).port;
    const holds = `process.on('SIGTERM', () => undefined); require('node:net').connect(${port}, '127.0.0.1').resume();`;
    const { child, ended } = run(['node', '-e', holds]);
    belfry.offer({ action: 'scale_in' });
    const socket = await isHeld;
    const isGone = new Promise((resolve) => socket.on('error', () => undefined).once('close', resolve));
    // Two signals that come before the first is seen are one.
    const again = setInterval(() => child.kill('SIGINT'), 50);
    expect(await ended).toBe(130);
    clearInterval(again);
    await isGone;
  });

  it.each([
    ['SIGTERM', 0],
    ['SIGHUP', 0],
  ] as const)('ends in order on %s', async (signal, code) => {
    const { child, ended } = run(['node']);
    await belfry.polls.next();
    child.kill(signal);
    expect(await ended).toBe(code);
  });

  it.each([
    ['nothing is open', () => undefined, 0],
    ['an act failed', () => belfry.offer({ action: 'scale_in' }), 1],
    ['Belfry cannot be asked', () => (belfry.down = true), 1],
  ])('ends, asked --once, with a status that tells when %s', async (_, arrange, code) => {
    arrange();
    expect(await run(['node', '-e', 'process.exit(3)'], '--once').ended).toBe(code);
  });

  it('is not taken for done where a signal cut a command short', async () => {
    held.once('connection', () => child.kill('SIGINT'));
    const url = `http://127.0.0.1:${(held.address() as AddressInfo).port}`;
    const words = ['autopilot', 'halt', '--url', url, '--by', 'anna', '--reason', 'a test'];
    const child = spawn(process.execPath, [ENTRY, ...words], { cwd: folder, stdio: 'ignore' });
    expect(await new Promise((resolve) => child.once('exit', resolve))).toBe(130);
  });
});

describe('belfry executor --check and --dry-run', () => {
  let shell: Shell;
  beforeEach(() => {
    shell = new Shell();
  });
  afterEach(() => shell.close());

  it('names every mistake with its place', async () => {
    const yaml = `name: one
belfry: {url: 'http://127.0.0.1:1', token: t, signing_key: k}
clusters:
  orders-dal:
    repair: [{command: [ssh, '{hots}']}]
    scale_in: [{rebalance: kafka}, {unregister: true, webhook: true}]
    replace: [{kubernetes: scale_out}]
`;
    writeFileSync(join(shell.folder, 'executor.yaml'), yaml);
    const { err, out, exitCode } = await shell.run('executor', '--check');
    expect(err).toContain('unknown placeholder {hots}');
    expect(err).toMatch(/executor\.yaml:6:\d+ clusters\.orders-dal\.scale_in\[1\]: a step is exactly one of/);
    expect(out).toContain('mistakes: ');
    expect(exitCode).toBe(1);
  });

  it('tells Belfry what a dry run found, also where a secret cannot be read', async () => {
    const yaml = `name: one
belfry: {url: '${belfry.url}', token: ${JSON.stringify(TOKEN)}, signing_key: k}
clusters:
  orders-dal:
    webhook: {url: 'http://127.0.0.1:1', secret_file: not-there}
    scale_out: [{command: [node]}]
    repair: [{webhook: true}]
`;
    writeFileSync(join(shell.folder, 'executor.yaml'), yaml);
    const { out, exitCode } = await shell.run('executor', '--dry-run');
    expect(out).toContain('MISSING  orders-dal repair: webhook: cannot read not-there');
    expect(out).toContain('ok       belfry: Belfry was told of this dry run');
    expect(exitCode).toBe(1);
    expect(belfry.dryRuns).toEqual([expect.objectContaining({ executor: 'one', ok: false })]);
    expect(belfry.dryRuns[0]?.text).toContain('cannot read not-there');
  });
});

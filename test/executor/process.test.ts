import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
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

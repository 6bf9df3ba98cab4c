import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { startCluster, type Cluster } from '../../testbed/cluster.ts';
import { describeWithKafka } from '../../testbed/skip.ts';
import { Shell } from './harness.ts';

describe('belfry rebalance', () => {
  it.each([
    [['--drain', '3', '--elect'], 'one at a time'],
    [['--drain', 'three'], 'expected broker ids'],
    [['--replace', '2'], 'such as 2:4'],
    [['--throttle', '5'], 'at least 10kB'],
    [['--username', 'x'], '--username and --password-file go together'],
    [['--username', 'x', '--password-file', 'missing'], 'cannot read missing'],
    [['--cluster', 'x'], 'no cluster x'],
  ])('refuses %j', async (words, message) => {
    const shell = new Shell();
    const { failure, err } = await shell.run('rebalance', '--brokers', '127.0.0.1:1', ...words);
    expect(`${failure} ${err}`).toContain(message);
    shell.close();
  });
});

interface Ended {
  readonly out: string;
  readonly err: string;
  readonly code: number | null;
}

/** Runs the command as a process of its own; a signal is sent when its output first shows `at`. */
function belfry(words: readonly string[], interrupt?: { readonly signal: NodeJS.Signals; readonly at: RegExp }): Promise<Ended> {
  const child = spawn(process.execPath, [join(import.meta.dirname, '../../bin/belfry.mjs'), 'rebalance', ...words]);
  let out = '';
  let err = '';
  let sent = false;
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out += text;
    if (sent || interrupt?.at.test(out) !== true) return;
    sent = true;
    child.kill(interrupt.signal);
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => void (err += text));
  return new Promise((resolve) => {
    child.on('close', (code) => resolve({ out, err, code }));
  });
}

describeWithKafka('belfry rebalance on a real Kafka', () => {
  let cluster: Cluster;
  let at: readonly string[];

  beforeAll(async () => {
    cluster = await startCluster({ brokers: 3 });
    await cluster.createTopic('orders', { partitions: 12, replicas: 2 });
    await cluster.produce('orders', 12_000, 1000);
    at = ['--brokers', cluster.bootstrap.join(',')];
  }, 180_000);

  afterAll(async () => {
    await cluster[Symbol.asyncDispose]();
  });

  const copiesOn = async (id: number): Promise<number> =>
    [...(await cluster.view()).topics.values()].flat().filter(({ replicas }) => replicas.includes(id)).length;

  it('shows the plan and changes nothing', async () => {
    const { out, code } = await belfry([...at, '--drain', '3']);
    expect(code).toBe(0);
    expect(out).toMatch(/PARTITION +FROM +TO +TO COPY/);
    expect(out).toMatch(/^3 .*8 → 0/m);
    expect(out).toContain('8 partitions to move');
    expect(out).toContain('Nothing was changed');
    expect(await copiesOn(3)).toBe(8);
  }, 180_000);

  it('says what runs on when it is stopped', async () => {
    const words = [...at, '--drain', '3', '--throttle', '20kB', '--apply'];
    const { err, code } = await belfry(words, { signal: 'SIGINT', at: /[1-9]\d* running/ });
    expect(code).toBe(130);
    expect(err).toMatch(
      /stopped: \d+ of \d+ moves are done; \d+ running moves go on by themselves, their throttle stays on until the next run/,
    );
  }, 180_000);

  it('goes on after it was killed, and leaves no throttle behind', async () => {
    const killed = await belfry([...at, '--drain', '2', '--throttle', '30kB', '--apply'], { signal: 'SIGKILL', at: /[1-9]\d* running/ });
    expect(killed.code).toBeNull();
    const { out, code } = await belfry([...at, '--drain', '2', '--apply']);
    expect({ code, last: out.trim().split('\n').at(-1) }).toEqual({ code: 0, last: expect.stringMatching(/^done: /) as unknown });
    expect(await copiesOn(2)).toBe(0);
    expect(JSON.parse((await belfry([...at, '--clear-throttle', '--json'])).out)).toEqual({ removed: false });
  }, 180_000);

  it('prints the plan as JSON', async () => {
    const { out } = await belfry([...at, '--json']);
    const { request, moves, brokers } = JSON.parse(out) as {
      request: unknown;
      moves: { adding: number[] }[];
      brokers: { after: { copies: number }[] };
    };
    expect(request).toEqual({ kind: 'spread' });
    expect(moves.some(({ adding }) => adding.includes(2))).toBe(true);
    for (const { copies } of brokers.after) expect(Math.abs(copies - 8)).toBeLessThanOrEqual(1);
  }, 180_000);
});

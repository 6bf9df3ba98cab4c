import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { SystemClock } from '../../../src/core/clock.ts';
import { silentLogger } from '../../../src/core/log.ts';
import { KafkaClusterActs } from '../../../src/executor/kafka-acts.ts';
import type { RebalanceProgress, RebalanceRequest } from '../../../src/executor/ports.ts';
import { KafkaRebalancer, type KafkaRebalancerOptions } from '../../../src/executor/rebalance/kafka-rebalancer.ts';
import { isOurRate } from '../../../src/executor/rebalance/throttle.ts';
import { AdminConnector } from '../../../src/kafka/admin-connection.ts';
import { startCluster, type Cluster } from '../../../testbed/cluster.ts';
import type { PartitionView } from '../../../testbed/admin.ts';
import { OLDEST_KAFKA, NEWEST_KAFKA } from '../../../testbed/kafka-dist.ts';
import { describeWithKafka } from '../../../testbed/skip.ts';

const clock = new SystemClock();
const TIMEOUT_MS = 60_000;
const MB = 2 ** 20;
const RATES = ['leader.replication.throttled.rate', 'follower.replication.throttled.rate'];
const LISTS = ['leader.replication.throttled.replicas', 'follower.replication.throttled.replicas'];

function rebalancer(cluster: Cluster, options: Partial<KafkaRebalancerOptions> = {}): KafkaRebalancer {
  const bootstrap = cluster.runningBrokerIds.map((id) => ({ host: '127.0.0.1', port: cluster.port(id) }));
  return new KafkaRebalancer({ connector: new AdminConnector({ clock }), bootstrap, clock, log: silentLogger, pollMs: 100, ...options });
}

async function rebalance(
  cluster: Cluster,
  request: RebalanceRequest,
  options: Partial<KafkaRebalancerOptions> = {},
): Promise<RebalanceProgress[]> {
  const told: RebalanceProgress[] = [];
  await rebalancer(cluster, options).rebalance(request, (progress) => told.push(progress), new AbortController().signal);
  return told;
}

async function partitionsOf(cluster: Cluster): Promise<readonly PartitionView[]> {
  return [...(await cluster.view()).topics.values()].flat();
}

async function countOn(cluster: Cluster, id: number): Promise<{ replicas: number; leaders: number }> {
  const all = await partitionsOf(cluster);
  return {
    replicas: all.filter(({ replicas }) => replicas.includes(id)).length,
    leaders: all.filter(({ leader }) => leader === id).length,
  };
}

/** What is throttled, as the brokers tell: brokers with a rate of ours, topics with a list. */
async function throttled(cluster: Cluster): Promise<{ brokers: number[]; topics: string[] }> {
  const brokers: number[] = [];
  let topics: string[] = [];
  for (const id of cluster.runningBrokerIds) {
    const connection = await new AdminConnector({ clock }).connect({ host: '127.0.0.1', port: cluster.port(id) }, TIMEOUT_MS);
    const [broker] = await connection.describeConfigs([{ type: 'broker', name: String(id), keys: RATES }], TIMEOUT_MS);
    if (RATES.some((key) => isOurRate(broker?.values.get(key)))) brokers.push(id);
    const names = [...(await cluster.view()).topics.keys()];
    const told = await connection.describeConfigs(
      names.map((name) => ({ type: 'topic' as const, name, keys: LISTS })),
      TIMEOUT_MS,
    );
    topics = told.filter(({ values }) => LISTS.some((key) => (values.get(key) ?? '') !== '')).map(({ name }) => name);
    connection.close();
  }
  return { brokers, topics };
}

/** A move that takes long, and the moment when it has begun. */
async function stopInTheMiddle(cluster: Cluster, request: RebalanceRequest, options: Partial<KafkaRebalancerOptions>): Promise<unknown> {
  const stop = new AbortController();
  const onProgress = ({ text }: RebalanceProgress): void => {
    if (!text.includes(' 0 running')) stop.abort();
  };
  return rebalancer(cluster, options)
    .rebalance(request, onProgress, stop.signal)
    .then(
      () => 'it came to its end',
      (error: unknown) => error,
    );
}

for (const version of [OLDEST_KAFKA, NEWEST_KAFKA]) {
  describeWithKafka(
    `moving partitions on Kafka ${version}`,
    () => {
      let cluster: Cluster;

      beforeAll(async () => {
        // A broker that was killed is fenced, and may come back, when its session has run out: a short one keeps the test short.
        cluster = await startCluster({ brokers: 3, version, sessionTimeoutMs: 4000 });
        await cluster.createTopic('orders', { partitions: 12, replicas: 2 });
        await cluster.createTopic('payments', { partitions: 6, replicas: 3 });
        await cluster.produce('orders', 3000, 1000);
        await cluster.produce('payments', 3000, 1000);
      }, 180_000);

      afterAll(async () => {
        await cluster[Symbol.asyncDispose]();
      });

      it('makes the preferred replicas lead again', async () => {
        await cluster.stop(2);
        await cluster.start(2);
        await cluster.waitUntil((view) => [...view.topics.values()].flat().every(({ replicas, isr }) => isr.length === replicas.length));
        const told = await rebalance(cluster, { kind: 'elect_preferred' });
        await cluster.waitUntil((view) => [...view.topics.values()].flat().every(({ leader, replicas }) => leader === replicas[0]));
        expect(told.at(-1)?.text).toMatch(/^done: \d+ partitions have changed to the preferred leader$/);
      }, 60_000);

      it('spreads copies and leaders to a fourth broker, throttled while it does and no longer', async () => {
        expect(await cluster.addBroker()).toBe(4);
        const told = await rebalance(cluster, { kind: 'spread' }, { throttleBytesPerSecond: 50 * MB, movesInFlight: 3 });
        // 42 copies and 18 leaders over four brokers.
        for (const id of [1, 2, 3, 4]) {
          const { replicas, leaders } = await countOn(cluster, id);
          expect(replicas).toBeGreaterThanOrEqual(9);
          expect(leaders).toBeGreaterThanOrEqual(4);
        }
        expect(await throttled(cluster)).toEqual({ brokers: [], topics: [] });
        const last = told.at(-1);
        expect(last?.doneMoves).toBe(last?.totalMoves);
        expect((await rebalancer(cluster).plan({ kind: 'spread' })).moves).toEqual([]);
      }, 120_000);

      it('leaves moves and their throttle when it is stopped, and goes on where it was', async () => {
        await cluster.produce('payments', 6000, 1000);
        const slow = { throttleBytesPerSecond: 20_000, movesInFlight: 2 };
        const error = await stopInTheMiddle(cluster, { kind: 'drain', brokers: [4] }, slow);
        expect(error).toMatchObject({ code: 'STOPPING' });
        expect(String(error)).toMatch(
          /stopped: \d+ of \d+ moves are done; [12] running moves go on by themselves, their throttle stays on/,
        );
        expect((await throttled(cluster)).brokers).toEqual([1, 2, 3, 4]);
        await rebalance(cluster, { kind: 'drain', brokers: [4] });
        expect(await countOn(cluster, 4)).toEqual({ replicas: 0, leaders: 0 });
        expect(await throttled(cluster)).toEqual({ brokers: [], topics: [] });
      }, 120_000);

      it('takes moves back when it is stopped, where that is wanted', async () => {
        const before = (await partitionsOf(cluster)).map(({ replicas }) => replicas);
        const slow = { throttleBytesPerSecond: 10_000, movesInFlight: 4, onAbort: 'cancel' as const };
        const error = await stopInTheMiddle(cluster, { kind: 'replace', from: 3, to: 4 }, slow);
        expect(String(error)).toContain('none runs on');
        const after = (await partitionsOf(cluster)).map(({ replicas }) => replicas);
        expect(after.filter((replicas, i) => !replicas.every((id) => before[i]?.includes(id))).length).toBeLessThan(5);
        expect(await throttled(cluster)).toEqual({ brokers: [], topics: [] });
      }, 120_000);

      it('refuses to throttle where others do, and leaves theirs', async () => {
        await cluster.alterConfig('broker', '1', { 'leader.replication.throttled.rate': 1_000_000 });
        await expect(rebalance(cluster, { kind: 'drain', brokers: [4] }, { throttleBytesPerSecond: MB })).resolves.toBeDefined();
        await expect(rebalance(cluster, { kind: 'drain', brokers: [3] }, { throttleBytesPerSecond: MB })).rejects.toThrow(
          /a throttle that is not ours/,
        );
        await cluster.alterConfig('broker', '1', { 'leader.replication.throttled.rate': null });
      }, 120_000);

      it('moves nothing while something else is behind, except to replace what is dead', async () => {
        await cluster.createTopic('single', { replicas: [[2]] });
        await cluster.kill(2);
        await cluster.waitUntil((view) => !view.brokers.includes(2), { from: 1 });
        await expect(rebalance(cluster, { kind: 'spread' })).rejects.toThrow(/under-replicated: nothing is moved before that is mended/);
        await expect(rebalance(cluster, { kind: 'replace', from: 2, to: 4 })).rejects.toThrow(/no leader to copy from \(single-0\)/);
        await cluster.deleteTopic('single');
        await rebalance(cluster, { kind: 'replace', from: 2, to: 4 });
        expect(await countOn(cluster, 2)).toEqual({ replicas: 0, leaders: 0 });
        expect((await partitionsOf(cluster)).every(({ replicas, isr }) => isr.length === replicas.length)).toBe(true);
      }, 120_000);

      it('forgets a broker that holds nothing', async () => {
        const connection = await new AdminConnector({ clock }).connect({ host: '127.0.0.1', port: cluster.port(1) }, TIMEOUT_MS);
        expect(await connection.unregister(2, TIMEOUT_MS)).toBe(true);
        expect(await connection.unregister(2, TIMEOUT_MS)).toBe(false);
        connection.close();
      });

      it('unregisters what holds nothing once it is gone: waited for when it was only just stopped, refused when it stays', async () => {
        await cluster.start(2);
        const brokers = [1, 3].map((id) => ({ host: '127.0.0.1', port: cluster.port(id) }));
        const acts = (goneWithinMs: number): KafkaClusterActs =>
          new KafkaClusterActs({ name: 'c', brokers, security: {}, throttleBytes: undefined }, { clock, log: silentLogger, goneWithinMs });
        const { signal } = new AbortController();
        const confirm = (): Promise<void> => Promise.resolve();
        await expect(acts(0).unregister(2, signal, confirm)).rejects.toThrow(/broker 2 is alive/);
        const done = acts(30_000).unregister(2, signal, confirm);
        await cluster.stop(2);
        await done;
      }, 120_000);
    },
    version,
  );
}

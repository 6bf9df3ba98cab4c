import { afterAll, beforeAll, expect, it, jest } from '@jest/globals';
import { readFile, statfs } from 'node:fs/promises';
import net from 'node:net';
import type { Cluster } from '../../testbed/cluster.ts';
import { startCluster } from '../../testbed/cluster.ts';
import { missingTool, OLDEST_KAFKA } from '../../testbed/kafka-dist.ts';
import { describeWhere, describeWithKafka } from '../../testbed/skip.ts';
import { missingSmallDisk } from '../../testbed/small-disk.ts';
import { isAlive } from '../../testbed/temp-dir.ts';

jest.setTimeout(300_000);

describeWithKafka('a cluster of three brokers', () => {
  let cluster: Cluster;

  beforeAll(async () => {
    // A restarted broker is refused until its old session has run out: a short one keeps the test short.
    cluster = await startCluster({ sessionTimeoutMs: 3000, racks: ['a', 'b', 'c'] });
    await cluster.createTopic('orders', { partitions: 6, replicas: 3, config: { 'min.insync.replicas': 2 } });
    await cluster.createTopic('single', { replicas: [[1], [2], [3]] });
  });

  afterAll(async () => {
    await cluster[Symbol.asyncDispose]();
  });

  it('has brokers 1 to 3 and one controller, every broker knowing all others', async () => {
    expect(cluster.brokerIds).toEqual([1, 2, 3]);
    expect(cluster.controllerIds).toEqual([101]);
    for (const from of cluster.brokerIds) expect((await cluster.view([], from)).brokers).toEqual([1, 2, 3]);
    expect(await readFile(cluster.logPath(1), 'utf8')).toContain('Kafka Server started');
  });

  it('makes topics with the replicas asked for', async () => {
    const { topics } = await cluster.view();
    expect(topics.get('orders')?.map(({ replicas }) => replicas.length)).toEqual([3, 3, 3, 3, 3, 3]);
    expect(topics.get('single')?.map(({ replicas }) => replicas)).toEqual([[1], [2], [3]]);
    await cluster.produce('orders', 500, 200);
  });

  it('kill: a broker that is killed stays listed until its session ends, and its single partition has no leader then', async () => {
    const pid = cluster.pid(2);
    await cluster.kill(2);
    expect(isAlive(pid)).toBe(false);
    expect((await cluster.view()).brokers).toEqual([1, 2, 3]);
    const after = await cluster.waitUntil(({ brokers }) => !brokers.includes(2));
    expect(after.topics.get('single')?.map(({ leader }) => leader)).toEqual([1, -1, 3]);
    expect(after.topics.get('orders')?.every(({ leader, isr }) => leader !== 2 && !isr.includes(2))).toBe(true);
  });

  it('start: it comes back on its port with its data', async () => {
    const { port } = new URL(`http://${cluster.bootstrap[1] ?? ''}`);
    await cluster.start(2);
    expect(cluster.port(2)).toBe(Number(port));
    await cluster.waitUntil(({ topics }) => topics.get('orders')?.every(({ isr }) => isr.length === 3) === true);
    await cluster.electPreferredLeaders('orders');
    await cluster.waitUntil(({ topics }) => topics.get('orders')?.every(({ leader, replicas }) => leader === replicas[0]) === true);
  });

  it('stop: a broker that is stopped leaves the list before it is gone', async () => {
    await cluster.stop(3);
    expect((await cluster.view()).brokers).toEqual([1, 2]);
    cluster.slowStart(3, 1500);
    await cluster.start(3, { wait: false });
    expect(isAlive(cluster.pid(3))).toBe(true);
    await expect(connects(cluster.port(3))).resolves.toBe(false);
    await cluster.waitReady();
  });

  it('pause: a paused broker takes connections and answers nothing, and goes on when resumed', async () => {
    cluster.pause(1);
    await expect(connects(cluster.port(1))).resolves.toBe(true);
    expect(cluster.runningBrokerIds).toEqual([2, 3]);
    await cluster.waitUntil(({ brokers }) => !brokers.includes(1));
    cluster.resume(1);
    await cluster.waitReady();
  });

  it('a load goes on while a broker dies', async () => {
    const load = cluster.load({ topic: 'orders', bytesPerSecond: 200_000 });
    await until(() => load.records > 20);
    await cluster.kill(3);
    const before = load.records;
    await until(() => load.records > before + 50);
    await load.stop();
    await cluster.start(3);
  });

  it('reassign moves a partition, addBroker makes room for it, deleteTopic removes it', async () => {
    const id = await cluster.addBroker();
    expect(id).toBe(4);
    await cluster.reassign('single', { 0: [4] });
    await cluster.waitUntil(({ topics }) => topics.get('single')?.[0]?.replicas.join() === '4');
    await cluster.deleteTopic('single');
    expect((await cluster.view()).topics.has('single')).toBe(false);
  });

  it('removeData: a broker comes back empty and is filled again', async () => {
    await cluster.kill(2);
    await cluster.removeData(2);
    await cluster.start(2);
    await cluster.waitUntil(({ topics }) => topics.get('orders')?.every(({ isr }) => isr.length === 3) === true);
  });
});

describeWithKafka('a cluster with TLS, SASL and an authorizer', () => {
  it('lets in who has the password, and shows them what they were granted', async () => {
    await using cluster = await startCluster({ brokers: 1, controllers: 'combined', security: 'sasl_ssl', authorizer: true, jmx: true });
    await cluster.createTopic('orders');
    const seenBy = async (mechanism: 'PLAIN' | 'SCRAM-SHA-256' | 'SCRAM-SHA-512'): Promise<string[]> => {
      await using admin = await cluster.connectAs('alice', mechanism);
      return [...(await admin.view()).topics.keys()];
    };
    expect(await seenBy('PLAIN')).toEqual([]);
    await cluster.acl.grant({ principal: 'User:alice', resource: 'TOPIC', name: 'orders', operation: 'DESCRIBE' });
    for (const mechanism of ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512'] as const) expect(await seenBy(mechanism)).toEqual(['orders']);
    expect(await (await fetch(cluster.jmxUrl(1))).text()).toContain('kafka_server_replicamanager_underreplicatedpartitions');
  });
});

describeWithKafka(
  'a cluster of the oldest Kafka that is supported',
  () => {
    it('starts, and makes and fills a topic', async () => {
      await using cluster = await startCluster({ brokers: 1, controllers: 'combined', version: OLDEST_KAFKA });
      await cluster.createTopic('orders', { partitions: 2 });
      await cluster.produce('orders', 10);
    });
  },
  OLDEST_KAFKA,
);

describeWhere(missingTool() ?? missingSmallDisk(), 'a broker on a small disk', () => {
  it('can be filled without touching any other file system, and keeps its data over a restart', async () => {
    const options = {
      brokers: 1,
      sessionTimeoutMs: 3000,
      smallDisk: { id: 1, sizeBytes: 48 << 20 },
      brokerProps: { 'log.segment.bytes': 1 << 20 },
    };
    await using cluster = await startCluster({ ...options, controllers: 'combined' });
    await cluster.createTopic('orders');
    await cluster.produce('orders', 1000, 1000);
    await cluster.kill(1);
    await cluster.start(1);
    expect((await cluster.view()).topics.has('orders')).toBe(true);
    const { blocks, bsize } = await statfs(cluster.logDir(1));
    expect(blocks * bsize).toBe(48 << 20);
    await expect(cluster.produce('orders', 100_000, 1000)).rejects.toThrow();
  });
});

function connects(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 20));
}

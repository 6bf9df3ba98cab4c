import { describe, expect, it } from '@jest/globals';
import { ManualClock } from '../../../src/core/clock.ts';
import { BelfryError } from '../../../src/core/errors.ts';
import { silentLogger } from '../../../src/core/log.ts';
import { silentMeter } from '../../../src/core/meter.ts';
import type { Wake } from '../../../src/core/sample.ts';
import { KafkaCollector } from '../../../src/collectors/kafka/collector.ts';
import type { KafkaCollectorOptions } from '../../../src/collectors/kafka/options.ts';
import { FakeCluster } from './fake-cluster.ts';
import { HastyClock } from './hasty-clock.ts';
import { RecordingWriter } from './recording-writer.ts';

interface Setup extends AsyncDisposable {
  readonly clock: ManualClock;
  readonly cluster: FakeCluster;
  readonly collector: KafkaCollector;
  readonly writer: RecordingWriter;
  readonly wakes: Wake[];
}

/** Three brokers; `orders` RF 3, `single` RF 1 on each broker, internal topics. Started, its first answers in. */
async function started(
  change: (cluster: FakeCluster) => Partial<KafkaCollectorOptions> | undefined = () => undefined,
  clock = new ManualClock(1_700_000_000_000),
): Promise<Setup> {
  const cluster = new FakeCluster(clock, [1, 2, 3]);
  cluster.topics = [
    {
      name: 'orders',
      partitions: [1, 2, 3].map((leader, id) => ({ id, leader, replicas: [leader, (leader % 3) + 1, ((leader + 1) % 3) + 1] })),
    },
    { name: 'single', partitions: [1, 2, 3].map((leader, id) => ({ id, leader, replicas: [leader] })) },
    { name: '__consumer_offsets', internal: true, partitions: [{ id: 0, leader: 1, replicas: [1, 2, 3] }] },
  ];
  for (const topic of ['orders', '__consumer_offsets']) cluster.minIsr.set(topic, 2);
  cluster.minIsr.set('single', 1);
  cluster.ends.set('orders', [100, 200, 300]);
  const writer = new RecordingWriter();
  const wakes: Wake[] = [];
  const options = change(cluster) ?? {};
  const collector = new KafkaCollector({
    cluster: 'test',
    connector: cluster,
    bootstrap: cluster.bootstrap,
    clock,
    log: silentLogger,
    meter: silentMeter,
    writer,
    wake: (wake) => wakes.push(wake),
    random: () => 0.5,
    ...options,
  });
  collector.start();
  // The patient connections wait their turn, 50 ms each; the next tick of Metadata knows the topics' configuration.
  await clock.advance(0);
  await clock.advance(5000);
  return { clock, cluster, collector, writer, wakes, [Symbol.asyncDispose]: () => collector.stop() };
}

describe('a healthy cluster', () => {
  it('shows every count with 0, topics with kafka_exporter’s names, internal ones too', async () => {
    await using setup = await started();
    const { writer } = setup;
    expect(writer.of('kafka_brokers')).toEqual({ '': 3 });
    expect(writer.of('belfry_kafka_leaderless_partitions')).toEqual({ '{copies="one"}': 0, '{copies="many"}': 0 });
    for (const metric of ['under_replicated_partitions', 'under_min_isr_partitions', 'min_isr_unknown_topics', 'offline_replicas']) {
      expect([metric, writer.of(`belfry_kafka_${metric}`)]).toEqual([metric, { '': 0 }]);
    }
    expect(writer.of('kafka_topic_partitions')).toEqual({
      '{topic="orders"}': 3,
      '{topic="single"}': 3,
      '{topic="__consumer_offsets"}': 1,
    });
    expect(writer.of('kafka_topic_partition_leader')).toMatchObject({ '{partition="1", topic="orders"}': 2 });
    expect(writer.of('belfry_kafka_broker_registered')).toEqual({ '{broker="1"}': 1, '{broker="2"}': 1, '{broker="3"}': 1 });
    expect(writer.of('belfry_kafka_broker_leader_partitions')).toEqual({ '{broker="1"}': 3, '{broker="2"}': 2, '{broker="3"}': 2 });
    expect(writer.of('belfry_kafka_partitions')).toEqual({ '': 7 });
    expect(writer.of('belfry_kafka_least_in_sync_copies_elsewhere')).toEqual({ '{broker="1"}': 0, '{broker="2"}': 0, '{broker="3"}': 0 });
    expect(writer.of('belfry_kafka_quorum_has_leader')).toEqual({ '': 1 });
    expect(writer.of('belfry_kafka_topic_min_insync_replicas')).toMatchObject({ '{topic="orders"}': 2 });
    expect(writer.of('kafka_topic_partition_current_offset')).toMatchObject({ '{partition="2", topic="orders"}': 300 });
    expect(writer.of('belfry_kafka_topic_leaderless_partitions')).toEqual({});
    expect(Object.keys(writer.of('belfry_collector_last_success_timestamp_seconds')).toSorted()).toEqual(
      ['configs', 'lag', 'log_dirs', 'metadata', 'quorum', 'reassignments'].map((name) => `{collector="${name}"}`),
    );
  });

  it('keeps its layouts and wakes nobody while nothing changes', async () => {
    await using setup = await started();
    const { clock, writer, wakes } = setup;
    await clock.advance(5000);
    wakes.length = 0;
    await clock.advance(60_000);
    expect(wakes).toEqual([]);
    for (const [target, rows] of writer.rows)
      expect([target, new Set(rows.slice(-3).map(({ layout }) => layout)).size]).toEqual([target, 1]);
  });

  it('asks for Metadata every 5 s of one broker, and holds at most two connections to each', async () => {
    await using setup = await started();
    const { clock, cluster } = setup;
    cluster.requests.length = 0;
    await clock.advance(60_000);
    expect(cluster.requestsOf('Metadata')).toHaveLength(12);
    expect(new Set(cluster.requestsOf('Metadata')).size).toBe(1);
    expect(cluster.requestsOf('DescribeLogDirs')).toHaveLength(3);
    expect(cluster.requestsOf('connect')).toEqual([]);
    for (const id of cluster.brokerIds) expect(cluster.open.filter(({ brokerId }) => brokerId === id).length).toBeLessThanOrEqual(2);
  });
});

describe('an answer that is taken in piece by piece', () => {
  it('is not known before it has been taken in by whoever is told of it, and a stop waits for its rows', async () => {
    const waitFor: Promise<void>[] = [];
    await using setup = await started(() => ({ onMetadata: () => waitFor[0] }));
    const { clock, cluster, collector, writer } = setup;
    const before = collector.metadata;
    const held = Promise.withResolvers<void>();
    waitFor.push(held.promise);
    cluster.topics.push({ name: 'new', partitions: [{ id: 0, leader: 1, replicas: [1, 2, 3] }] });
    await clock.advance(5000);
    expect(collector.metadata).toBe(before);
    expect(writer.of('kafka_topic_partitions')).not.toHaveProperty('{topic="new"}');
    let stopped = false;
    const stopping = collector.stop().then(() => void (stopped = true));
    await clock.advance(0);
    expect(stopped).toBe(false);
    held.resolve();
    await stopping;
    expect(collector.metadata?.topics).toContain('new');
    expect(writer.of('kafka_topic_partitions')).toMatchObject({ '{topic="new"}': 1, '{topic="orders"}': 3 });
    expect(writer.of('belfry_kafka_partitions')).toEqual({ '': 8 });
  });

  it('gives the same series as in one go, whatever the slices', async () => {
    await using whole = await started();
    await using sliced = await started(undefined, new HastyClock(1_700_000_000_000));
    // Every pause is a turn of the event loop, and the clock gives few a step.
    for (let i = 0; i < 60; i++) await sliced.clock.advance(100);
    for (let i = 0; i < 60; i++) await whole.clock.advance(100);
    const names = (setup: Setup): string[] => [...setup.writer.samples.keys()].filter((name) => name.includes('topic=')).toSorted();
    expect(names(sliced)).toEqual(names(whole));
    for (const metric of [
      'kafka_topic_partition_leader',
      'kafka_topic_partition_current_offset',
      'belfry_kafka_topic_min_insync_replicas',
    ]) {
      expect(sliced.writer.of(metric)).toEqual(whole.writer.of(metric));
    }
  });
});

describe('a partition without a leader', () => {
  it('is reported beside everything else, and wakes the rules', async () => {
    await using setup = await started();
    const { clock, cluster, collector, writer, wakes } = setup;
    cluster.kill(2);
    wakes.length = 0;
    collector.lookNow({ brokerId: 2 });
    await clock.advance(0);
    await clock.advance(8000);
    cluster.fence(2);
    await clock.advance(200);
    expect(writer.of('belfry_kafka_leaderless_partitions')).toEqual({ '{copies="one"}': 1, '{copies="many"}': 0 });
    expect(writer.of('belfry_kafka_topic_leaderless_partitions')).toEqual({ '{copies="one", topic="single"}': 1 });
    expect(writer.of('kafka_topic_partition_leader')).not.toHaveProperty('{partition="1", topic="single"}');
    expect(writer.of('kafka_topic_partition_leader')).toMatchObject({ '{partition="0", topic="single"}': 1 });
    expect(writer.of('belfry_kafka_broker_registered')).toMatchObject({ '{broker="2"}': 0 });
    expect(writer.of('belfry_kafka_under_replicated_partitions')).toEqual({ '': 4 });
    expect(wakes.at(-1)?.metricNames.has('belfry_kafka_leaderless_partitions')).toBe(true);
    expect(wakes.at(-1)?.metricNames.has('kafka_topic_partitions')).toBe(false);
  });

  it('on a broker within its stop grace is counted so', async () => {
    await using setup = await started(() => ({ inStopGrace: () => new Set([2]) }));
    const { clock, cluster, writer } = setup;
    cluster.fence(2);
    await clock.advance(5000);
    expect(writer.of('belfry_kafka_leaderless_in_stop_grace_partitions')).toEqual({ '': 1 });
  });
});

describe('looks after an event', () => {
  it('reach the store within 250 ms of a fence that comes with the end of the session', async () => {
    await using setup = await started();
    const { clock, cluster, collector, writer } = setup;
    cluster.kill(2);
    collector.lookNow({ brokerId: 2 });
    await clock.advance(0);
    const delays: number[] = [];
    await clock.advance(7600);
    cluster.fence(2);
    while (writer.of('belfry_kafka_leaderless_partitions')['{copies="one"}'] === 0) {
      await clock.advance(10);
      delays.push(10);
    }
    expect(delays.length * 10).toBeLessThanOrEqual(250);
  });

  it('do not wait for a broker that hangs and was being asked', async () => {
    await using setup = await started(() => ({ brokerDownIds: () => new Set([1]) }));
    const { clock, cluster, collector } = setup;
    const asked = Number.parseInt(cluster.requestsOf('Metadata').at(-1) ?? '', 10);
    cluster.hung.add(asked);
    await clock.advance(5100);
    cluster.requests.length = 0;
    collector.lookNow({ brokerId: asked });
    await clock.advance(0);
    expect(cluster.requestsOf('Metadata').some((request) => !request.startsWith(`${asked} `))).toBe(true);
  });

  it('watch the brokers known to be down where none is named', async () => {
    await using setup = await started(() => ({ brokerDownIds: () => new Set([2]) }));
    const { clock, cluster, collector, writer } = setup;
    cluster.kill(2);
    collector.lookNow();
    await clock.advance(0);
    await clock.advance(8000);
    cluster.fence(2);
    await clock.advance(200);
    expect(writer.of('belfry_kafka_leaderless_partitions')['{copies="one"}']).toBe(1);
  });

  it('never ask the broker in question, and end when it has left and 5 s were quiet', async () => {
    await using setup = await started();
    const { clock, cluster, collector } = setup;
    cluster.kill(2);
    cluster.requests.length = 0;
    collector.lookNow({ brokerId: 2 });
    await clock.advance(0);
    await clock.advance(1000);
    expect(cluster.requests.filter((request) => request.startsWith('2 M'))).toEqual([]);
    const early = cluster.requestsOf('Metadata').length;
    expect(early).toBeGreaterThanOrEqual(4);
    expect(early).toBeLessThanOrEqual(8);
    cluster.fence(2);
    await clock.advance(8000);
    cluster.requests.length = 0;
    await clock.advance(20_000);
    expect(cluster.requestsOf('Metadata')).toHaveLength(4);
  });

  it('end after 60 s where the broker stays listed, having become slow', async () => {
    await using setup = await started();
    const { clock, cluster, collector } = setup;
    collector.lookNow({ brokerId: 2 });
    await clock.advance(0);
    await clock.advance(15_000);
    cluster.requests.length = 0;
    await clock.advance(40_000);
    const slow = cluster.requestsOf('Metadata').length;
    expect(slow).toBeGreaterThan(35);
    expect(slow).toBeLessThanOrEqual(50);
    await clock.advance(6000);
    cluster.requests.length = 0;
    await clock.advance(20_000);
    expect(cluster.requestsOf('Metadata')).toHaveLength(4);
  });

  it('cost at most a tenth of the time in full answers; brokers[] alone is asked around the end of the session', async () => {
    await using setup = await started();
    const { clock, cluster, collector } = setup;
    cluster.kill(2);
    cluster.answerMs = 200;
    collector.lookNow({ brokerId: 2 });
    await clock.advance(0);
    await clock.advance(4000);
    cluster.requests.length = 0;
    await clock.advance(6000);
    expect(cluster.requestsOf('Metadata').length).toBeLessThanOrEqual(5);
    expect(cluster.requestsOf('brokers').length).toBeGreaterThanOrEqual(8);
  });
});

describe('what a reassignment is adding', () => {
  it('is subtracted', async () => {
    await using setup = await started((cluster) => {
      cluster.reassignments = [{ topic: 'single', partition: 0, adding: [2], removing: [1] }];
      cluster.topics = cluster.topics.map((topic) =>
        topic.name === 'single' ? { ...topic, partitions: [{ id: 0, leader: 1, replicas: [2, 1], isr: [1] }] } : topic,
      );
      return undefined;
    });
    const { writer } = setup;
    expect(writer.of('belfry_kafka_reassigning_partitions')).toEqual({ '': 1 });
    expect(writer.of('belfry_kafka_under_replicated_partitions')).toEqual({ '': 0 });
    expect(writer.of('kafka_topic_partition_replicas')).toMatchObject({ '{partition="0", topic="single"}': 1 });
  });
});

describe('min.insync.replicas', () => {
  it('is unknown where it may not be read, and nothing is concluded from it', async () => {
    await using setup = await started((cluster) => {
      cluster.minIsr.delete('orders');
      cluster.topics = cluster.topics.map((topic) => ({
        ...topic,
        partitions: topic.partitions.map((partition) => ({ ...partition, isr: [partition.leader] })),
      }));
      return undefined;
    });
    const { writer } = setup;
    expect(writer.of('belfry_kafka_min_isr_unknown_topics')).toEqual({ '': 1 });
    expect(writer.of('belfry_kafka_topic_under_min_isr_partitions')).toEqual({ '{topic="__consumer_offsets"}': 1 });
  });

  it('of a new topic is read soon, not after five minutes', async () => {
    await using setup = await started();
    const { clock, cluster, writer } = setup;
    cluster.topics.push({ name: 'new', partitions: [{ id: 0, leader: 1, replicas: [1] }] });
    cluster.minIsr.set('new', 1);
    await clock.advance(15_000);
    expect(writer.of('belfry_kafka_min_isr_unknown_topics')).toEqual({ '': 0 });
    expect(writer.of('belfry_kafka_topic_min_insync_replicas')).toMatchObject({ '{topic="new"}': 1 });
  });
});

describe('consumer groups', () => {
  const withGroup = (cluster: FakeCluster): undefined => {
    cluster.groups.set('readers', { coordinator: 2, members: 2, committed: { orders: { 0: 90, 1: 250 }, gone: { 0: 5 } } });
    return undefined;
  };

  it('have members, offsets and a lag that is never below 0', async () => {
    await using setup = await started(withGroup);
    const { writer } = setup;
    expect(writer.of('kafka_consumergroup_members')).toEqual({ '{consumergroup="readers"}': 2 });
    expect(writer.of('kafka_consumergroup_lag')).toEqual({
      '{consumergroup="readers", partition="0", topic="orders"}': 10,
      '{consumergroup="readers", partition="1", topic="orders"}': 0,
    });
    expect(writer.of('kafka_consumergroup_lag_sum')).toEqual({ '{consumergroup="readers", topic="orders"}': 10 });
    expect(writer.of('kafka_consumergroup_current_offset_sum')).toEqual({ '{consumergroup="readers", topic="orders"}': 340 });
  });

  it('have their commits read before the ends of the logs', async () => {
    await using setup = await started(withGroup);
    const { requests } = setup.cluster;
    expect(requests.findLastIndex((request) => request.endsWith('OffsetFetch'))).toBeLessThan(
      requests.findIndex((request) => request.endsWith('ListOffsets')),
    );
  });

  it('of a dead coordinator become unknown, not zero', async () => {
    await using setup = await started(withGroup);
    const { clock, cluster, writer } = setup;
    cluster.kill(2);
    await clock.advance(30_000);
    expect(writer.of('kafka_consumergroup_members')).toEqual({});
    expect(writer.of('kafka_consumergroup_lag')).toEqual({});
    expect(writer.of('kafka_topic_partition_current_offset')).toMatchObject({ '{partition="0", topic="orders"}': 100 });
  });

  it('have no sum of lag while one of their partitions has no known end', async () => {
    await using setup = await started(withGroup);
    const { clock, cluster, writer } = setup;
    cluster.topics = cluster.topics.map((topic) =>
      topic.name === 'orders' ? { ...topic, partitions: topic.partitions.map((p) => (p.id === 1 ? { ...p, leader: -1 } : p)) } : topic,
    );
    await clock.advance(35_000);
    expect(writer.of('kafka_consumergroup_lag_sum')).toEqual({});
    expect(writer.of('kafka_consumergroup_lag')).toEqual({ '{consumergroup="readers", partition="0", topic="orders"}': 10 });
  });

  it('lag in seconds by the history of ends', async () => {
    await using setup = await started(withGroup);
    const { clock, cluster, writer } = setup;
    await clock.advance(120_000);
    cluster.ends.set('orders', [400, 250, 300]);
    await clock.advance(60_000);
    const seconds = writer.of('belfry_kafka_consumergroup_lag_seconds')['{consumergroup="readers", topic="orders"}'] ?? 0;
    expect(seconds).toBeGreaterThanOrEqual(120);
    expect(seconds).toBeLessThanOrEqual(190);
  });

  it('that may alert are named', async () => {
    await using setup = await started((cluster) => {
      withGroup(cluster);
      cluster.groups.set('others', { coordinator: 1, members: 0, committed: {} });
      return { groupWatched: (groupId) => groupId === 'readers' };
    });
    expect(setup.writer.of('belfry_kafka_consumergroup_watched')).toEqual({ '{consumergroup="readers"}': 1 });
    expect(setup.writer.of('kafka_consumergroup_members')).toEqual({ '{consumergroup="readers"}': 2, '{consumergroup="others"}': 0 });
  });

  it('beyond a filter are not asked about', async () => {
    await using setup = await started((cluster) => {
      withGroup(cluster);
      return { groupFilter: (groupId) => groupId.startsWith('x') };
    });
    expect(setup.writer.of('kafka_consumergroup_members')).toEqual({});
  });
});

describe('log dirs', () => {
  it('are told for each broker; an offline one has no size', async () => {
    await using setup = await started((cluster) => {
      const replicas = new Map([['orders', [0]]]);
      cluster.logDirs.set(1, [
        { path: '/a', errorCode: 0, totalBytes: 100, usableBytes: 30, usedBytes: 7, replicas, sizes: new Map([['orders', [7]]]) },
        { path: '/b', errorCode: 56, totalBytes: -1, usableBytes: -1, usedBytes: 0, replicas: new Map(), sizes: new Map() },
      ]);
      return undefined;
    });
    const { writer } = setup;
    expect(writer.of('belfry_kafka_log_dir_offline')).toEqual({ '{broker="1", log_dir="/a"}': 0, '{broker="1", log_dir="/b"}': 1 });
    expect(writer.of('belfry_kafka_log_dir_usable_bytes')).toEqual({ '{broker="1", log_dir="/a"}': 30 });
    expect(writer.of('belfry_kafka_log_dir_used_bytes')).toEqual({ '{broker="1", log_dir="/a"}': 7 });
  });
});

describe('the quorum', () => {
  it('has no leader when the brokers that answer name none', async () => {
    await using setup = await started();
    const { clock, cluster, writer, wakes } = setup;
    cluster.quorum = { ...cluster.quorum, leaderId: -1 };
    wakes.length = 0;
    await clock.advance(5000);
    expect(writer.of('belfry_kafka_quorum_has_leader')).toEqual({ '': 0 });
    expect(writer.of('belfry_kafka_quorum_leader')).toEqual({});
    expect(wakes.some(({ metricNames }) => metricNames.has('belfry_kafka_quorum_has_leader'))).toBe(true);
  });

  it('is asked for at every broker before it is said to have no leader, within the limit of connections', async () => {
    await using setup = await started();
    const { clock, cluster, writer } = setup;
    cluster.failing.set('DescribeQuorum', new BelfryError('KAFKA_TIMEOUT', 'no answer'));
    cluster.failing.set('ListPartitionReassignments', new BelfryError('KAFKA_TIMEOUT', 'no answer'));
    cluster.requests.length = 0;
    await clock.advance(5000);
    expect(new Set(cluster.requestsOf('DescribeQuorum')).size).toBe(3);
    expect(writer.of('belfry_kafka_quorum_has_leader')).toEqual({ '': 0 });
    for (const id of cluster.brokerIds) expect(cluster.open.filter(({ brokerId }) => brokerId === id).length).toBeLessThanOrEqual(2);
  });

  it('has one as long as some broker names it', async () => {
    await using setup = await started();
    const { clock, cluster, writer } = setup;
    for (const id of [1, 2]) cluster.failing.set(`${id} DescribeQuorum`, new BelfryError('KAFKA_TIMEOUT', 'no answer'));
    await clock.advance(15_000);
    expect(writer.of('belfry_kafka_quorum_has_leader')).toEqual({ '': 1 });
  });

  it('is unknown, not leaderless, when nobody may be asked', async () => {
    await using setup = await started((cluster) => {
      cluster.failing.set('DescribeQuorum', new BelfryError('KAFKA_PERMISSION_MISSING', 'no'));
      return undefined;
    });
    expect(setup.writer.of('belfry_kafka_quorum_has_leader')).toEqual({});
  });
});

describe('failures', () => {
  it('of one broker move Metadata to the next at once', async () => {
    await using setup = await started();
    const { clock, cluster, writer } = setup;
    const [asked = ''] = cluster.requestsOf('Metadata').slice(-1);
    cluster.kill(Number.parseInt(asked, 10));
    const before = writer.rows.get('kafka/test/health')?.length ?? 0;
    await clock.advance(5000);
    expect(writer.rows.get('kafka/test/health')?.length).toBe(before + 1);
  });

  it('write nothing, and end the series after three missed intervals', async () => {
    await using setup = await started();
    const { clock, cluster, writer } = setup;
    for (const id of cluster.brokerIds) cluster.kill(id);
    await clock.advance(9000);
    expect(writer.of('kafka_brokers')).toEqual({ '': 3 });
    await clock.advance(12_000);
    expect(writer.of('kafka_brokers')).toEqual({});
    expect(writer.of('kafka_topic_partition_leader')).toEqual({});
    expect(writer.of('belfry_collector_last_success_timestamp_seconds')).toHaveProperty('{collector="metadata"}');
    for (const id of cluster.brokerIds) cluster.alive.add(id);
    await clock.advance(10_000);
    expect(writer.of('kafka_brokers')).toEqual({ '': 3 });
  });

  it('of authentication are tried again after 60 s only', async () => {
    await using setup = await started((cluster) => {
      cluster.failing.set('connect', new BelfryError('KAFKA_AUTH_FAILED', 'no'));
      return undefined;
    });
    const { clock, cluster } = setup;
    await clock.advance(50_000);
    expect(cluster.requestsOf('connect')).toHaveLength(3);
    await clock.advance(15_000);
    expect(cluster.requestsOf('connect')).toHaveLength(6);
  });

  it('a bootstrap address that is no broker is passed over', async () => {
    await using setup = await started(() => ({
      bootstrap: [
        { host: 'fake', port: 9099 },
        { host: 'fake', port: 9002 },
      ],
    }));
    expect(setup.writer.of('kafka_brokers')).toEqual({ '': 3 });
  });
});

describe('stopping', () => {
  it('ends every connection and timer, is idempotent, and a later look is nothing', async () => {
    const setup = await started();
    const { clock, cluster, collector } = setup;
    collector.lookNow({ brokerId: 1 });
    await Promise.all([collector.stop(), collector.stop()]);
    collector.lookNow({ brokerId: 1 });
    cluster.requests.length = 0;
    await clock.advance(120_000);
    expect(cluster.requests).toEqual([]);
    expect(cluster.open).toEqual([]);
    expect(clock.pendingTimers).toBe(0);
  });
});

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Kafka, logLevel, type Consumer } from 'kafkajs';
import { KafkaCollector } from '../../src/collectors/kafka/collector.ts';
import { SystemClock } from '../../src/core/clock.ts';
import { silentLogger } from '../../src/core/log.ts';
import { silentMeter } from '../../src/core/meter.ts';
import type { Wake } from '../../src/core/sample.ts';
import { APIS, negotiate } from '../../src/kafka/apis.ts';
import { KafkaConnector } from '../../src/kafka/connection.ts';
import type { BrokerConnection, ClusterMetadata } from '../../src/kafka/observer.ts';
import { startCluster, type Cluster } from '../../testbed/cluster.ts';
import { SimulatedFleet } from '../../testbed/simulated/fleet.ts';
import { SimulatedPartitions } from '../../testbed/simulated/partitions.ts';
import { groupsOf, SMALL_SHAPE, topicsOf } from '../../testbed/simulated/shape.ts';
import { describeWithKafka } from '../../testbed/skip.ts';
import { RecordingWriter } from '../collectors/kafka/recording-writer.ts';

const TIMEOUT_MS = 60_000;
const OFFSETS_PARTITIONS = 3;
const SHAPE = {
  ...SMALL_SHAPE,
  topics: 3,
  singleCopyTopics: 1,
  partitionsPerTopic: 3,
  groups: 2,
  membersPerGroup: 1,
  offsetsPartitions: OFFSETS_PARTITIONS,
};
const TOPICS = topicsOf(SHAPE);
const NAMES = TOPICS.map(({ name }) => name);
const OWN = TOPICS.filter(({ internal }) => !internal);
const [FIRST = ''] = OWN.map(({ name }) => name);
const GROUPS = groupsOf(SHAPE, TOPICS);
const clock = new SystemClock();
const connector = new KafkaConnector({ clock });

function ascending(a: number, b: number): number {
  return a - b;
}

/** A Metadata answer by name: what both sides must say alike, whatever the order in which they say it. */
function viewOf(metadata: ClusterMetadata): object {
  const slice = (start: Int32Array, ids: Int32Array, p: number): number[] => [...ids.subarray(start[p], start[p + 1])].toSorted(ascending);
  return Object.fromEntries(
    metadata.topics.map((topic, t) => {
      const from = metadata.partitionStart[t] ?? 0;
      const count = (metadata.partitionStart[t + 1] ?? 0) - from;
      const partitions = Array.from({ length: count }, (_, i) => from + i).map((p) => ({
        id: metadata.partitionId[p],
        error: metadata.partitionError[p],
        leader: metadata.leaderId[p],
        replicas: slice(metadata.replicaStart, metadata.replicaIds, p),
        isr: slice(metadata.isrStart, metadata.isrIds, p),
        offline: slice(metadata.offlineStart, metadata.offlineIds, p),
      }));
      const sorted = partitions.toSorted((a, b) => (a.id ?? 0) - (b.id ?? 0));
      return [topic, { error: metadata.topicErrors[t], internal: metadata.topicInternal[t], partitions: sorted }];
    }),
  );
}

/** What an answer is made of: its fields, how many elements it has, and its error codes; not its numbers and names. */
function formOf(value: unknown, key = ''): unknown {
  if (typeof value === 'number') return /error/i.test(key) ? value : 'number';
  if (typeof value === 'string') return /state|type/i.test(key) ? value : 'string';
  if (ArrayBuffer.isView(value))
    return { length: (value as Int32Array).length, ...(/error/i.test(key) ? { values: [...(value as Int16Array)] } : {}) };
  if (Array.isArray(value)) return value.map((item) => formOf(item, key));
  if (value instanceof Map) return [...value.keys()].length > 0 ? [formOf([...value.keys()][0]), formOf([...value.values()][0])] : 'empty';
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, formOf(inner, name)]));
  }
  return value;
}

/** A member of the group, which has committed an offset for all that the group consumes. */
async function joinAndCommit(kafka: Kafka, { id, topics }: (typeof GROUPS)[number]): Promise<Consumer> {
  const member = kafka.consumer({ groupId: id, allowAutoTopicCreation: false, maxWaitTimeInMs: 100 });
  await member.connect();
  await member.subscribe({ topic: topics[0]?.name ?? '' });
  const joined = new Promise((resolve) => member.on(member.events.GROUP_JOIN, resolve));
  await member.run({ eachMessage: async () => undefined });
  await joined;
  const offsets = topics.flatMap(({ name, partitions }) =>
    Array.from({ length: partitions }, (_, partition) => ({ topic: name, partition, offset: '0' })),
  );
  await member.commitOffsets(offsets);
  return member;
}

describeWithKafka('a simulated cluster beside a real one of the same shape', () => {
  let real: Cluster;
  let fleet: SimulatedFleet;
  let consumer: Consumer;
  const connections = new Map<string, BrokerConnection>();

  const at = (side: 'real' | 'simulated', broker: number): BrokerConnection => {
    const connection = connections.get(`${side} ${broker}`);
    if (connection === undefined) throw new Error(`no connection to ${side} ${broker}`);
    return connection;
  };
  const portOf = (side: 'real' | 'simulated', broker: number): number => (side === 'real' ? real.port(broker) : fleet.port(0, broker));

  beforeAll(async () => {
    const brokerProps = { 'broker.heartbeat.interval.ms': 250, 'offsets.topic.num.partitions': OFFSETS_PARTITIONS };
    [real, fleet] = await Promise.all([
      startCluster({ brokers: 3, controllers: 'separate', sessionTimeoutMs: 5000, brokerProps }),
      SimulatedFleet.start([SHAPE]),
    ]);
    const partitions = new SimulatedPartitions(SHAPE, TOPICS);
    const replicas = ({ firstPartition, partitions: count }: (typeof TOPICS)[number]): (readonly number[])[] =>
      Array.from({ length: count }, (_, i) => partitions.replicasOf(firstPartition + i));
    // The offsets topic too: made by hand it has the simulated one's replicas.
    await Promise.all(
      TOPICS.map((topic) =>
        real.createTopic(topic.name, {
          replicas: replicas(topic),
          config: topic.internal ? { 'cleanup.policy': 'compact' } : { 'min.insync.replicas': 2 },
        }),
      ),
    );
    for (const broker of [1, 2, 3]) {
      for (const side of ['real', 'simulated'] as const) {
        connections.set(`${side} ${broker}`, await connector.connect({ host: '127.0.0.1', port: portOf(side, broker) }, TIMEOUT_MS));
      }
    }
    const kafka = new Kafka({ brokers: real.bootstrap, logLevel: logLevel.NOTHING });
    // The first group has a member that stays; the second commits and goes.
    const [member, ...others] = await Promise.all(GROUPS.map((group) => joinAndCommit(kafka, group)));
    if (member !== undefined) consumer = member;
    await Promise.all(others.map((other) => other.disconnect()));
  }, 180_000);

  afterAll(async () => {
    for (const connection of connections.values()) connection.close();
    await consumer.disconnect();
    await Promise.all([real[Symbol.asyncDispose](), fleet[Symbol.asyncDispose]()]);
  });

  it('is asked in the same versions', async () => {
    const versions = await Promise.all((['real', 'simulated'] as const).map((side) => at(side, 1).apiVersions(TIMEOUT_MS)));
    const [ofReal, ofSimulated] = versions.map((spoken) =>
      Object.values(APIS)
        .filter(({ name }) => !name.startsWith('Sasl'))
        .map((api) => [api.name, negotiate(api, spoken)]),
    );
    expect(ofSimulated).toEqual(ofReal);
  });

  it.each([
    ['all topics', undefined],
    ['brokers alone', []],
    ['one topic and one that is not there', [FIRST, 'nowhere']],
  ])('has the same Metadata: %s', async (_, topics) => {
    const [ofReal, ofSimulated] = await Promise.all(
      (['real', 'simulated'] as const).map((side) => at(side, 2).metadata(topics, TIMEOUT_MS)),
    );
    expect(viewOf(ofSimulated!)).toEqual(viewOf(ofReal!));
    expect(ofSimulated!.brokers.map(({ id }) => id).toSorted(ascending)).toEqual(ofReal!.brokers.map(({ id }) => id).toSorted(ascending));
  });

  const leader = new SimulatedPartitions(SHAPE, TOPICS).leader[OWN[0]?.firstPartition ?? 0] ?? 1;
  const other = (leader % 3) + 1;
  const groupIds = GROUPS.map(({ id }) => id);

  it.each<[string, (connection: BrokerConnection, broker: number) => Promise<unknown>]>([
    ['ListPartitionReassignments', (connection) => connection.listPartitionReassignments(TIMEOUT_MS)],
    [
      'DescribeConfigs of topics',
      (connection) => connection.describeConfigs([{ type: 'topic', name: FIRST, keys: ['min.insync.replicas'] }], TIMEOUT_MS),
    ],
    [
      'DescribeConfigs of no topic',
      (connection) => connection.describeConfigs([{ type: 'topic', name: 'nowhere', keys: ['min.insync.replicas'] }], TIMEOUT_MS),
    ],
    [
      'DescribeConfigs of a broker',
      (connection) =>
        connection.describeConfigs([{ type: 'broker', name: String(leader), keys: ['broker.session.timeout.ms'] }], TIMEOUT_MS),
    ],
    ['ListOffsets of the end', (connection) => connection.listOffsets(-1, new Map([[FIRST, [0]]]), TIMEOUT_MS)],
    ['ListOffsets of the start', (connection) => connection.listOffsets(-2, new Map([[FIRST, [0]]]), TIMEOUT_MS)],
    ['ListOffsets of nothing known', (connection) => connection.listOffsets(-1, new Map([['nowhere', [0]]]), TIMEOUT_MS)],
  ])('answers %s in the same form', async (_, ask) => {
    expect(formOf(await ask(at('simulated', leader), leader))).toEqual(formOf(await ask(at('real', leader), leader)));
  });

  it('does not answer for what another broker leads', async () => {
    const ask = (side: 'real' | 'simulated') => at(side, other).listOffsets(-1, new Map([[FIRST, [0]]]), TIMEOUT_MS);
    expect(formOf(await ask('simulated'))).toEqual(formOf(await ask('real')));
  });

  it('has the same groups, in the same states, with the same commits; those of other coordinators are refused alike', async () => {
    const all = async (side: 'real' | 'simulated'): Promise<object> => {
      const found: { listed: unknown[]; described: unknown[]; offsets: unknown[] } = { listed: [], described: [], offsets: [] };
      for (const broker of [1, 2, 3]) {
        const connection = at(side, broker);
        found.listed.push(...(await connection.listGroups(TIMEOUT_MS)));
        found.described.push(...(await connection.describeGroups(groupIds, 'classic', TIMEOUT_MS)).map((group) => ({ ...group })));
        for (const { groupId, errorCode, topics, partition } of await connection.offsetFetch(groupIds, TIMEOUT_MS)) {
          found.offsets.push({ groupId, errorCode, topics, partitions: [...partition].toSorted(ascending) });
        }
      }
      const sorted = (items: unknown[]): unknown[] => items.map((item) => JSON.stringify(item)).toSorted();
      return { listed: sorted(found.listed), described: sorted(found.described), offsets: sorted(found.offsets) };
    };
    expect(await all('simulated')).toEqual(await all('real'));
  });

  it('describes disks and the quorum with the same fields', async () => {
    const ask = async (side: 'real' | 'simulated'): Promise<unknown> => {
      const dirs = await at(side, 1).describeLogDirs(TIMEOUT_MS);
      const quorum = await at(side, 1).describeQuorum(TIMEOUT_MS);
      const kept = dirs.flatMap(({ replicas }) => [...replicas]).filter(([topic]) => NAMES.includes(topic));
      return {
        dirs: dirs.map(({ errorCode, totalBytes, usableBytes }) => ({ errorCode, total: totalBytes > 0, usable: usableBytes > 0 })),
        replicas: Object.fromEntries(kept.map(([topic, ids]) => [topic, ids.toSorted(ascending)])),
        quorum: { leader: quorum.leaderId > 0, voter: Object.keys(quorum.voters[0] ?? {}), observers: quorum.observers.length },
      };
    };
    expect(await ask('simulated')).toEqual(await ask('real'));
  });

  /** Runs a collector until it has read everything once; the names of its series, what differs by nature made alike. */
  async function seriesOf(side: 'real' | 'simulated', isDone: (writer: RecordingWriter) => boolean): Promise<readonly string[]> {
    const writer = new RecordingWriter();
    const { promise, resolve } = Promise.withResolvers<void>();
    const collector = new KafkaCollector({
      cluster: 'same',
      connector,
      bootstrap: [{ host: '127.0.0.1', port: portOf(side, 2) }],
      clock,
      log: silentLogger,
      meter: silentMeter,
      writer,
      wake: (_wake: Wake) => undefined,
    });
    const timer = setInterval(() => {
      collector.lookNow();
      if (isDone(writer)) resolve();
    }, 250);
    collector.start();
    await promise;
    clearInterval(timer);
    await collector.stop();
    const alike = [...writer.samples.keys()].map((name) =>
      name
        .replace(/address="[^"]*"/, 'address')
        .replace(/log_dir="[^"]*"/, 'dir')
        .replace(/node="\d+"/, 'node'),
    );
    return [...new Set(alike)].toSorted();
  }

  const allRead = (writer: RecordingWriter): boolean =>
    Object.keys(writer.of('kafka_consumergroup_lag')).length > 0 &&
    Object.keys(writer.of('belfry_kafka_log_dir_used_bytes')).length === 3 &&
    Object.keys(writer.of('belfry_kafka_topic_min_insync_replicas')).length > 0 &&
    writer.of('belfry_kafka_quorum_has_leader')[''] === 1 &&
    writer.of('belfry_kafka_min_isr_unknown_topics')[''] === 0 &&
    Object.values(writer.of('belfry_collector_last_success_timestamp_seconds')).length === 6;

  it('gives rise to the same series', async () => {
    const [ofReal, ofSimulated] = await Promise.all([seriesOf('real', allRead), seriesOf('simulated', allRead)]);
    expect(ofSimulated).toEqual(ofReal);
    expect(ofReal?.length).toBeGreaterThan(100);
  }, 180_000);

  it('loses a broker in the same way: leaders, ISRs, offline replicas, and what keeps one copy only', async () => {
    await consumer.disconnect();
    await real.kill(3);
    await fleet.tell({ do: 'kill', cluster: 0, broker: 3 });
    await fleet.tell({ do: 'fence', cluster: 0, broker: 3 });
    await real.waitUntil((view) => !view.brokers.includes(3), { from: 1 });
    const [ofReal, ofSimulated] = await Promise.all(
      (['real', 'simulated'] as const).map((side) => at(side, 1).metadata(undefined, TIMEOUT_MS)),
    );
    expect(viewOf(ofSimulated!)).toEqual(viewOf(ofReal!));
    expect([...ofReal!.partitionError]).toContain(5);
  }, 180_000);
});

describe('a simulated cluster', () => {
  it('is the same for the same seed', () => {
    expect(new SimulatedPartitions(SHAPE, TOPICS)).toEqual(new SimulatedPartitions(SHAPE, topicsOf(SHAPE)));
  });
});

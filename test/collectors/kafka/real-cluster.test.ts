import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { SystemClock } from '../../../src/core/clock.ts';
import { silentLogger } from '../../../src/core/log.ts';
import { silentMeter } from '../../../src/core/meter.ts';
import type { Wake } from '../../../src/core/sample.ts';
import { KafkaCollector } from '../../../src/collectors/kafka/collector.ts';
import { KafkaConnector } from '../../../src/kafka/connection.ts';
import { startCluster, type Cluster } from '../../../testbed/cluster.ts';
import { describeWithKafka } from '../../../testbed/skip.ts';
import { RecordingWriter } from './recording-writer.ts';

const clock = new SystemClock();

describeWithKafka('the collector on a real cluster', () => {
  let cluster: Cluster;
  let collector: KafkaCollector;
  const writer = new RecordingWriter();
  const waiting = new Set<(wake: Wake) => void>();

  /** Resolves at the first wake after which the samples are as wanted. */
  const until = (wanted: () => boolean): Promise<void> =>
    new Promise((resolve) => {
      const look = (): void => {
        if (!wanted()) return;
        waiting.delete(look);
        resolve();
      };
      waiting.add(look);
      look();
    });

  beforeAll(async () => {
    cluster = await startCluster({ brokers: 3, sessionTimeoutMs: 3000, brokerProps: { 'broker.heartbeat.interval.ms': 500 } });
    await cluster.createTopic('single', { replicas: [[1], [2], [3]] });
    await cluster.createTopic('orders', { partitions: 3, replicas: 3, config: { 'min.insync.replicas': 2 } });
    collector = new KafkaCollector({
      cluster: 'real',
      connector: new KafkaConnector({ clock }),
      bootstrap: [{ host: '127.0.0.1', port: cluster.port(2) }],
      clock,
      log: silentLogger,
      meter: silentMeter,
      writer,
      wake: (wake) => {
        for (const look of waiting) look(wake);
      },
    });
    collector.start();
  }, 180_000);

  afterAll(async () => {
    await collector.stop();
    await cluster[Symbol.asyncDispose]();
  });

  it('reads health, quorum, configuration', async () => {
    await until(() => writer.of('kafka_brokers')[''] === 3 && writer.of('belfry_kafka_quorum_has_leader')[''] === 1);
    collector.lookNow();
    await until(() => writer.of('belfry_kafka_min_isr_unknown_topics')[''] === 0);
    expect(writer.of('belfry_kafka_leaderless_partitions')).toEqual({ '{copies="one"}': 0, '{copies="many"}': 0 });
    expect(writer.of('kafka_topic_partition_in_sync_replica')).toMatchObject({ '{partition="0", topic="orders"}': 3 });
  }, 180_000);

  it('reports the one partition of a killed broker that has no other copy, and all the rest as it is', async () => {
    await cluster.kill(1);
    collector.lookNow({ brokerId: 1 });
    await until(() => writer.of('belfry_kafka_leaderless_partitions')['{copies="one"}'] === 1);
    expect(writer.of('kafka_brokers')).toEqual({ '': 2 });
    expect(writer.of('belfry_kafka_broker_registered')).toEqual({ '{broker="1"}': 0, '{broker="2"}': 1, '{broker="3"}': 1 });
    expect(writer.of('belfry_kafka_topic_leaderless_partitions')).toEqual({ '{copies="one", topic="single"}': 1 });
    expect(writer.of('kafka_topic_partition_leader')).not.toHaveProperty('{partition="0", topic="single"}');
    expect(writer.of('kafka_topic_partition_leader')).toMatchObject({ '{partition="1", topic="single"}': 2 });
    expect(writer.of('belfry_kafka_topic_under_replicated_partitions')).toMatchObject({ '{topic="orders"}': 3 });
    // The last copy is back when its broker is.
    await cluster.start(1);
    collector.lookNow();
    await until(() => writer.of('belfry_kafka_leaderless_partitions')['{copies="one"}'] === 0);
    expect(writer.of('kafka_brokers')).toEqual({ '': 3 });
  }, 180_000);
});

import { describe, expect, it } from '@jest/globals';
import { PACED_HANDSHAKES_PER_SECOND } from '../../src/app/cluster-watch.ts';
import { KafkaCollector } from '../../src/collectors/kafka/collector.ts';
import { HandshakePacer } from '../../src/collectors/liveness/handshake-pacer.ts';
import { ManualClock } from '../../src/core/clock.ts';
import { silentLogger } from '../../src/core/log.ts';
import { silentMeter } from '../../src/core/meter.ts';
import { FakeCluster } from '../collectors/kafka/fake-cluster.ts';
import { RecordingWriter } from '../collectors/kafka/recording-writer.ts';
import { FakeExpectedBrokersStore, WatchedCluster } from '../collectors/liveness/watched-cluster.ts';

const BROKERS = Array.from({ length: 30 }, (_, i) => i + 1);

/** The times of all connects in the first seconds of one cluster's liveness and collector, which share a line. */
async function connectsAtStart(store: FakeExpectedBrokersStore): Promise<number[]> {
  const clock = new ManualClock();
  const cluster = new FakeCluster(clock, BROKERS);
  cluster.topics = [{ name: 'orders', partitions: BROKERS.map((leader, id) => ({ id, leader, replicas: [leader] })) }];
  const times: number[] = [];
  const connector = {
    connect: (...args: Parameters<FakeCluster['connect']>) => {
      times.push(clock.now());
      return cluster.connect(...args);
    },
  };
  const shared = { clock, connector, bootstrap: cluster.bootstrap, line: new HandshakePacer(clock, PACED_HANDSHAKES_PER_SECOND) };
  const { liveness } = new WatchedCluster(clock, shared, store);
  const collector = new KafkaCollector({
    ...shared,
    cluster: 'orders-dal',
    log: silentLogger,
    meter: silentMeter,
    writer: new RecordingWriter(),
    wake: () => undefined,
    random: () => 0.5,
    onMetadata: (metadata) => liveness.observeMetadata(metadata),
    brokerDownIds: () => liveness.downIds,
  });
  liveness.start();
  collector.start();
  for (let i = 0; i < 160; i++) await clock.advance(50);
  liveness.stop();
  await collector.stop();
  return times;
}

function mostWithinASecond(times: readonly number[]): number {
  return Math.max(...times.map((from) => times.filter((at) => at >= from && at < from + 1000).length));
}

describe('the start in front of a cluster of 30 brokers', () => {
  it('makes at most 20 handshakes in any second, and all of them soon', async () => {
    const store = new FakeExpectedBrokersStore();
    const first = await connectsAtStart(store);
    expect(mostWithinASecond(first)).toBeLessThanOrEqual(20);
    // Liveness and the patient collections hold a connection to each broker.
    expect(first.length).toBeGreaterThanOrEqual(2 * BROKERS.length);
    expect(store.rows.size).toBe(BROKERS.length);
    // After a restart all are known and watched from the beginning.
    const again = await connectsAtStart(store);
    expect(again.length).toBeGreaterThanOrEqual(2 * BROKERS.length);
    expect(mostWithinASecond(again)).toBeLessThanOrEqual(20);
  });
});

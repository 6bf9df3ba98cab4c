import { afterAll, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { delay, SystemClock } from '../../../src/core/clock.ts';
import { KafkaConnector } from '../../../src/kafka/connection.ts';
import type { VerdictEvent } from '../../../src/collectors/liveness/liveness-events.ts';
import { startCluster, type Cluster } from '../../../testbed/cluster.ts';
import { describeWithKafka } from '../../../testbed/skip.ts';
import { WatchedCluster } from './watched-cluster.ts';

jest.setTimeout(300_000);

const clock = new SystemClock();

describeWithKafka('liveness on a real cluster', () => {
  let cluster: Cluster;
  let watched: WatchedCluster;

  beforeAll(async () => {
    // Kafka's own session time-out (9 s): what these tests prove depends on it.
    cluster = await startCluster();
    // Broker 3 leads nothing.
    const replicas = Array.from({ length: 12 }, (_, i) => (i % 2 === 0 ? [1, 2, 3] : [2, 1, 3]));
    await cluster.createTopic('orders', { replicas });
    await cluster.createTopic('single', { replicas: [[2], [2]] });
    const bootstrap = cluster.brokerIds.map((id) => ({ host: '127.0.0.1', port: cluster.port(id) }));
    watched = new WatchedCluster(clock, { connector: new KafkaConnector({ clock }), bootstrap });
    watched.liveness.start();
    await healthy();
  }, 180_000);

  afterAll(async () => {
    watched.liveness.stop();
    await cluster[Symbol.asyncDispose]();
  });

  beforeEach(async () => {
    await healthy();
    watched.events.length = 0;
  });

  /** Every broker up, in all its ISRs, with no verdict left. */
  async function healthy(): Promise<void> {
    const ids = cluster.brokerIds;
    await until(() => ids.every((id) => watched.up(id) === 1 && watched.of('belfry_broker_isr_restored', id) === 1));
    await until(() => ids.every((id) => watched.reasons(id).length === 0));
  }

  async function until(holds: () => boolean): Promise<void> {
    while (!holds()) await delay(clock, 20);
  }

  async function told(broker: number, verdict: VerdictEvent['verdict']): Promise<VerdictEvent> {
    for (;;) {
      const event = watched.events.find((one) => one.broker === broker && one.verdict === verdict);
      if (event !== undefined) return event;
      await new Promise<void>((resolve) => {
        const off = watched.liveness.onVerdict(() => {
          off();
          resolve();
        });
      });
    }
  }

  /** Sends the signal, waits for the verdict, and prints the milliseconds between them. */
  async function timed(broker: number, signal: NodeJS.Signals, verdict: VerdictEvent['verdict']): Promise<void> {
    const sentAt = clock.elapsed();
    process.kill(cluster.pid(broker), signal);
    await told(broker, verdict);
    const tookMs = clock.elapsed() - sentAt;
    process.stderr.write(`liveness: ${signal} of broker ${broker} → ${verdict}: ${tookMs.toFixed(1)} ms\n`);
  }

  /** Asks survivors until they no longer list the broker: when each was last asked and still did. */
  async function listedBy(survivors: readonly number[], broker: number): Promise<readonly { survivor: number; until: number }[]> {
    const connector = new KafkaConnector({ clock });
    return await Promise.all(
      survivors.map(async (survivor) => {
        const connection = await connector.connect({ host: '127.0.0.1', port: cluster.port(survivor) }, 2000);
        let last = 0;
        for (;;) {
          const { brokers, askedAt } = await connection.metadata([], 5000);
          if (!brokers.some(({ id }) => id === broker)) break;
          last = askedAt;
          await delay(clock, 3);
        }
        connection.close();
        return { survivor, until: last };
      }),
    );
  }

  describe('SIGKILL', () => {
    it.each([
      { broker: 2, name: 'a leader' },
      { broker: 3, name: 'a broker that leads nothing' },
    ])('of $name is a crash, told long before the cluster notices; restarted, it is restored', async ({ broker }) => {
      const killedAt = clock.now();
      await timed(broker, 'SIGKILL', 'crashed');
      const listed = await cluster.view();
      expect(listed.brokers).toContain(broker);
      const fencedAfter = await cluster.waitUntil(({ brokers }) => !brokers.includes(broker)).then(() => clock.now() - killedAt);
      process.stderr.write(`liveness: broker ${broker} fenced ${fencedAfter} ms after its SIGKILL\n`);
      // A later look sees it fenced: that is its session, not a stop.
      await delay(clock, 300);
      expect(watched.told(broker)).toEqual(['crashed']);
      await cluster.kill(broker);
      await cluster.start(broker);
      await told(broker, 'restored');
      expect(watched.told(broker)).toEqual(['crashed', 'up', 'restored']);
    });
  });

  it.each([
    { broker: 1, name: 'a leader' },
    { broker: 3, name: 'a broker that leads nothing' },
  ])('SIGTERM of $name is an orderly stop: no crash at any moment', async ({ broker }) => {
    const listed = listedBy(
      cluster.brokerIds.filter((id) => id !== broker),
      broker,
    );
    await timed(broker, 'SIGTERM', 'stopped');
    const { brokenAt } = await told(broker, 'stopped');
    for (const { survivor, until: last } of await listed) {
      process.stderr.write(`liveness: broker ${survivor} listed broker ${broker} until ${last - brokenAt} ms after its sockets closed\n`);
    }
    await cluster.stop(broker);
    await delay(clock, 500);
    expect(watched.told(broker)).toEqual(['stopped']);
    expect(watched.of('belfry_broker_stop_grace', broker)).toBe(1);
    await cluster.start(broker);
    await told(broker, 'up');
    expect(watched.reasons(broker)).toEqual([]);
  });

  it('SIGSTOP is a suspicion, then no answer; SIGCONT ends it', async () => {
    cluster.pause(2);
    await told(2, 'suspect');
    expect(watched.reasons(2)).toEqual(['suspect']);
    await told(2, 'not_answering');
    cluster.resume(2);
    await told(2, 'up');
    expect(watched.told(2)).toEqual(['suspect', 'not_answering', 'up']);
  });
});

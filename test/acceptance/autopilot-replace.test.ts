import { expect, it, jest } from '@jest/globals';
import { startCluster } from '../../testbed/cluster.ts';
import type { Cluster } from '../../testbed/cluster.ts';
import { describeWithKafka } from '../../testbed/skip.ts';
import { Pilot } from './autopilot-harness.ts';
import { now, report, told } from './harness.ts';

jest.setTimeout(300_000);

/** A broker whose disk holds what no Kafka of this cluster made: it ends whenever it is started. */
async function killForGood(cluster: Cluster, broker: number): Promise<void> {
  await cluster.kill(broker);
  await cluster.spoilData(broker);
}

describeWithKafka('the auto-pilot replaces', () => {
  it('a broker whose disk is destroyed, after its repairs have failed: a new broker has its partitions, and all copies are whole', async () => {
    await using cluster = await startCluster({ sessionTimeoutMs: 3000 });
    await cluster.createTopic('orders', { partitions: 6, replicas: 3, config: { 'min.insync.replicas': 2 } });
    await cluster.produce('orders', 500);
    await using pilot = await Pilot.start(cluster, {
      autopilot: {
        repair: { failures_before_replace: 2, unhealthy_before_replace: '3s', first_after: '500ms', backoff: ['1s'], verify_window: '3s' },
      },
    });
    const killedAt = now();
    await killForGood(cluster, 2);
    const replace = await pilot.untilIntent(
      ({ action, broker, state }) => action === 'replace' && broker === 2 && state === 'succeeded',
      120_000,
    );
    report(
      `disk destroyed → replace asked for ${seconds(replace.createdAt - killedAt)}, → verified ${seconds(replace.changedAt - killedAt)}`,
    );
    const view = await cluster.view();
    const partitions = [...view.topics.values()].flat();
    expect(partitions.filter(({ replicas }) => replicas.includes(2))).toEqual([]);
    expect(partitions.every(({ isr, replicas }) => isr.length === replicas.length)).toBe(true);
    expect(partitions.some(({ replicas }) => replicas.includes(4))).toBe(true);
    const edges = await pilot.edgesOf(2);
    expect(edges.filter((state) => state === 'repairing')).toHaveLength(2);
    expect(edges.slice(-4)).toEqual(['replace_pending', 'replacing', 'verifying', 'healthy']);
    expect(pilot.executor?.acts.map(({ verb, broker }) => [verb, broker])).toEqual([
      ['restart', 2],
      ['restart', 2],
      ['add', undefined],
    ]);
    await told(pilot.stage, { status: 'resolved', alertname: 'BrokerCrashed', broker: '2' }, { timeoutMs: 60_000 });
  });

  it('nobody who holds the last copy: a restart is tried, a replacement is refused, and a person is told of the partitions', async () => {
    await using cluster = await startCluster({ sessionTimeoutMs: 3000 });
    await cluster.createTopic('orders', { partitions: 3, replicas: 3 });
    await cluster.createTopic('single', { replicas: [[2]] });
    await cluster.produce('single', 10);
    await using pilot = await Pilot.start(cluster, {
      autopilot: {
        repair: { failures_before_replace: 1, unhealthy_before_replace: '2s', first_after: '500ms', backoff: ['1s'], verify_window: '2s' },
      },
    });
    const killedAt = now();
    await killForGood(cluster, 2);
    await pilot.untilState(2, 'needs_human', 120_000);
    report(`disk of a last copy destroyed → a person is asked ${seconds(now() - killedAt)}`);
    const own = (await pilot.state()).clusters[0]?.brokers.find(({ brokerId }) => brokerId === 2);
    expect(own?.note).toContain('single-0');
    await pilot.stage.slack.next(({ message }) => message?.text.includes('needs a person') === true && message.text.includes('single-0'), {
      timeoutMs: 20_000,
    });
    const leased = new Set((await pilot.acts()).map(({ intentId }) => intentId));
    const actions = (await pilot.intents()).filter(({ id }) => leased.has(id)).map(({ action }) => action);
    expect(actions).toEqual(['repair']);
    expect(pilot.executor?.acts.map(({ verb, broker }) => [verb, broker])).toEqual([['restart', 2]]);
  });
});

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}

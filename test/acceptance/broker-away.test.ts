import { afterAll, beforeAll, beforeEach, expect, it, jest } from '@jest/globals';
import { startCluster } from '../../testbed/cluster.ts';
import type { Cluster } from '../../testbed/cluster.ts';
import { describeWithKafka } from '../../testbed/skip.ts';
import { shippedRules } from '../../testbed/shipped-rules.ts';
import {
  allUp,
  evaluatedOnce,
  everythingElse,
  ledger,
  mended,
  passed,
  SILENCE,
  startWatching,
  told,
  toldEverywhere,
  withoutUpdates,
} from './harness.ts';

jest.setTimeout(300_000);

/** Pings ten times as often as by default, so that a silence of seconds is a long one. */
const QUICK_LIVENESS = { ping_interval: '200ms', ping_timeout: '200ms', not_answering_after: '1s' };

describeWithKafka('a broker that is away', () => {
  let cluster: Cluster;

  beforeAll(async () => {
    cluster = await startCluster({ sessionTimeoutMs: 3000 });
    await cluster.createTopic('orders', { partitions: 6, replicas: 3, config: { 'min.insync.replicas': 2 } });
    await cluster.produce('orders', 200);
  });

  beforeEach(async () => {
    await mended(cluster);
  });

  afterAll(async () => {
    await cluster[Symbol.asyncDispose]();
  });

  it('is told of when it was stopped and stays away longer than its grace', async () => {
    await using stage = await startWatching('orders-dal', cluster.bootstrap, { cluster: { stop_grace: '2s' } });
    await cluster.stop(3);
    const first = await toldEverywhere(stage, { status: 'firing', alertname: 'BrokerStopped', broker: '3' });
    expect(first.alert.labels['severity']).toBe('warning');
    await cluster.start(3);
    await toldEverywhere(stage, { status: 'resolved', alertname: 'BrokerStopped', broker: '3' }, { timeoutMs: 60_000 });
    expect(ledger(stage).filter((line) => line.includes('BrokerCrashed'))).toEqual([]);
  });

  it('that is silent for a moment only is suspect, and nobody is told', async () => {
    await using stage = await startWatching('orders-dal', cluster.bootstrap, {
      cluster: { liveness: { ...QUICK_LIVENESS, not_answering_after: '10s' } },
    });
    cluster.pause(2);
    await stage.belfry.queryUntil('belfry_broker_down_info{broker="2", reason="suspect"}', ([suspect]) => suspect?.value === 1);
    cluster.resume(2);
    await stage.belfry.queryUntil('belfry_broker_down_info{broker="2"} == 1', (reasons) => reasons.length === 0);
    await evaluatedOnce(stage);
    expect(await everythingElse(stage)).toEqual(SILENCE);
  });

  it('that hangs is suspect first, then does not answer, and is well again when it goes on', async () => {
    await using stage = await startWatching('orders-dal', cluster.bootstrap, {
      rules: shippedRules({ only: ['BrokerNotAnswering', 'BrokerCrashed'], for: { BrokerNotAnswering: '1s' } }),
      cluster: { liveness: QUICK_LIVENESS },
    });
    cluster.pause(2);
    await stage.belfry.queryUntil('belfry_broker_down_info{broker="2", reason="suspect"}', ([suspect]) => suspect?.value === 1);
    expect(ledger(stage)).toEqual([]);
    const first = await toldEverywhere(stage, { status: 'firing', alertname: 'BrokerNotAnswering', broker: '2' });
    expect(first.slack.message?.text).toContain('broker 2 does not answer');
    cluster.resume(2);
    await toldEverywhere(stage, { status: 'resolved', alertname: 'BrokerNotAnswering', broker: '2' }, { timeoutMs: 60_000 });
    await allUp(stage, 3);
    const { webhook } = await everythingElse(stage);
    expect(new Set(webhook)).toEqual(new Set(['firing BrokerNotAnswering orders-dal/2', 'resolved BrokerNotAnswering orders-dal/2']));
  });

  it('with all others is one message about the cluster, not one a broker', async () => {
    // Shorter than shipped, and still longer than three brokers take to come back one after the other.
    const rules = shippedRules({ for: { BrokerDown: '10s', CollectorStale: '10s' } });
    // Where brokers come back far apart, the auto-pilot says of the first that others are in trouble: that is another test's matter.
    await using stage = await startWatching('orders-dal', cluster.bootstrap, { rules, config: { autopilot: { mode: 'off' } } });
    // At one instant: on a busy machine the last would otherwise live long enough to tell of the first that it crashed.
    for (const id of cluster.brokerIds) cluster.pause(id);
    await Promise.all(cluster.brokerIds.map((id) => cluster.kill(id)));
    const first = await toldEverywhere(stage, { status: 'firing', alertname: 'ClusterUnreachable' });
    expect(first.alert.labels['severity']).toBe('critical');
    // Longer than the rules that must keep silent wait.
    await passed(stage, 11_000, ['brokers', 'watching']);
    expect(withoutUpdates(ledger(stage))).toEqual(['firing ClusterUnreachable orders-dal/']);

    await cluster.startAll();
    await told(stage, { status: 'resolved', alertname: 'ClusterUnreachable' }, { timeoutMs: 60_000 });
    await allUp(stage, 3);
    await evaluatedOnce(stage, ['brokers', 'partitions', 'watching']);
    const { webhook, slack } = await everythingElse(stage);
    expect(withoutUpdates(webhook)).toEqual(['firing ClusterUnreachable orders-dal/', 'resolved ClusterUnreachable orders-dal/']);
    expect(slack).toHaveLength(1);
  });
});

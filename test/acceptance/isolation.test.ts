import { afterAll, afterEach, beforeAll, expect, it, jest } from '@jest/globals';
import { startCluster } from '../../testbed/cluster.ts';
import type { Cluster } from '../../testbed/cluster.ts';
import { shippedRules } from '../../testbed/shipped-rules.ts';
import { describeWithKafka } from '../../testbed/skip.ts';
import type { Stage } from '../../testbed/stage.ts';
import { TcpProxy } from '../../testbed/tcp-proxy.ts';
import { allUp, evaluatedOnce, ledger, startWatching, told } from './harness.ts';

jest.setTimeout(300_000);

/** Everything five to ten times as fast as by default, so that a silence of seconds is a long one. */
const QUICK = {
  ping_interval: '200ms',
  ping_timeout: '200ms',
  connect_timeout: '500ms',
  not_answering_after: '1500ms',
  isolation_hold: '2s',
};

describeWithKafka('is it them, or us', () => {
  let cluster: Cluster;
  let stage: Stage;
  const brokers: TcpProxy[] = [];
  const references: TcpProxy[] = [];
  let toldBefore = 0;

  beforeAll(async () => {
    cluster = await startCluster();
    await cluster.createTopic('orders', { partitions: 6, replicas: 3 });
    for (const address of cluster.bootstrap) brokers.push(await TcpProxy.start(address));
    for (let i = 0; i < 2; i++) references.push(await TcpProxy.start());
    stage = await startWatching(
      'orders-dal',
      brokers.map(({ address }) => address),
      {
        cluster: { liveness: QUICK, addresses: Object.fromEntries(cluster.brokerIds.map((id, i) => [id, brokers[i]?.address])) },
        config: { watch: { references: references.map(({ address }) => address), start_grace: '0s' } },
        rules: shippedRules({ for: { BrokerUnreachableFromBelfry: '1s' } }),
      },
    );
  });

  afterEach(async () => {
    for (const proxy of [...brokers, ...references]) proxy.restore();
    await allUp(stage, 3);
    toldBefore = ledger(stage).length;
  });

  afterAll(async () => {
    await stage?.[Symbol.asyncDispose]();
    for (const proxy of [...brokers, ...references]) await proxy[Symbol.asyncDispose]();
    await cluster?.[Symbol.asyncDispose]();
  });

  const news = (): string[] => ledger(stage).slice(toldBefore);
  /** Each once: a message that grows tells again what it told before. */
  const fired = (): string[] => [...new Set(news().filter((line) => line.startsWith('firing')))];

  it('the way to one broker is gone: said to the platform team, and no crash', async () => {
    await brokers[1]?.blackhole();
    const alert = await told(stage, { status: 'firing', alertname: 'BrokerUnreachableFromBelfry', broker: '2' });
    expect(alert.labels).toMatchObject({ severity: 'warning', audience: 'platform' });
    brokers[1]?.restore();
    await told(stage, { status: 'resolved', alertname: 'BrokerUnreachableFromBelfry', broker: '2' });
    expect(fired()).toEqual(['firing BrokerUnreachableFromBelfry orders-dal/2']);
  });

  it('Belfry itself is stopped for ten seconds: nobody is told of anything', async () => {
    stage.belfry.signal('SIGSTOP');
    await new Promise((resolve) => setTimeout(resolve, 10_000));
    stage.belfry.signal('SIGCONT');
    await evaluatedOnce(stage);
    expect(await stage.belfry.query('belfry_broker_down_info == 1')).toEqual([]);
    expect(news()).toEqual([]);
  });

  it('all brokers are silent and a reference answers: one message about the cluster', async () => {
    await references[0]?.blackhole();
    await Promise.all(brokers.map((proxy) => proxy.blackhole()));
    await told(stage, { status: 'firing', alertname: 'ClusterUnreachable', cluster: 'orders-dal' });
    for (const proxy of brokers) proxy.restore();
    await told(stage, { status: 'resolved', alertname: 'ClusterUnreachable', cluster: 'orders-dal' });
    await allUp(stage, 3);
    await evaluatedOnce(stage, ['brokers']);
    expect(fired()).toEqual(['firing ClusterUnreachable orders-dal/']);
  });

  it('all brokers are silent and no reference answers: one message, about Belfry', async () => {
    await Promise.all([...brokers, ...references].map((proxy) => proxy.blackhole()));
    const alert = await told(stage, { status: 'firing', alertname: 'BelfryIsolated' });
    expect(alert.labels).toMatchObject({ severity: 'critical', audience: 'platform' });
    const held = await stage.belfry.query('belfry_cluster_verdicts_held{cluster="orders-dal"}');
    expect(held.map(({ value }) => value)).toEqual([1]);
    for (const proxy of [...brokers, ...references]) proxy.restore();
    await told(stage, { status: 'resolved', alertname: 'BelfryIsolated' });
    await allUp(stage, 3);
    await evaluatedOnce(stage, ['brokers']);
    expect(fired()).toEqual(['firing BelfryIsolated /']);
  });
});

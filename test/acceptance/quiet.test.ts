import { afterAll, beforeAll, beforeEach, expect, it, jest } from '@jest/globals';
import { startCluster } from '../../testbed/cluster.ts';
import type { Cluster } from '../../testbed/cluster.ts';
import { shippedRules } from '../../testbed/shipped-rules.ts';
import { describeWithKafka } from '../../testbed/skip.ts';
import type { Stage } from '../../testbed/stage.ts';
import { allUp, bodyOf, evaluatedOnce, everythingElse, ledger, mended, SILENCE, startWatching, told, until } from './harness.ts';

jest.setTimeout(300_000);

interface AlertOfApi {
  readonly labels: Readonly<Record<string, string>>;
  readonly startsAt: string;
  readonly status: { readonly state: string; readonly silencedBy: readonly string[] };
}

async function api<T>(stage: Stage, method: string, path: string, body?: unknown): Promise<T> {
  const { url, token } = stage.belfry;
  const response = await fetch(url + path, {
    method,
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
  const text = await response.text();
  return (text === '' ? undefined : JSON.parse(text)) as T;
}

/** The warning of that name as the API shows it, once it is suppressed. */
async function suppressed(stage: Stage, alertname: string): Promise<AlertOfApi> {
  let found: AlertOfApi | undefined;
  await until(async () => {
    const alerts = await api<readonly AlertOfApi[]>(stage, 'GET', '/api/v2/alerts');
    found = alerts.find(
      ({ labels, status }) => labels['alertname'] === alertname && labels['severity'] === 'warning' && status.state === 'suppressed',
    );
    return found !== undefined;
  }, `${alertname} suppressed`);
  if (found === undefined) throw new Error('it was there a moment ago');
  return found;
}

describeWithKafka('Belfry is quiet', () => {
  let cluster: Cluster;

  beforeAll(async () => {
    cluster = await startCluster({ sessionTimeoutMs: 3000 });
    await cluster.createTopic('orders', { partitions: 6, replicas: 3, config: { 'min.insync.replicas': 2 } });
    await cluster.createTopic('strict', { partitions: 3, replicas: 3, config: { 'min.insync.replicas': 3 } });
    await cluster.createTopic('single', { replicas: [[1], [2], [3]] });
    await cluster.produce('orders', 200);
  });

  beforeEach(async () => {
    await mended(cluster);
  });

  afterAll(async () => {
    await cluster[Symbol.asyncDispose]();
  });

  it('in a rolling restart, with topics of one copy, topics that need all their copies, and a broker that is slow to start', async () => {
    // The slow start takes longer than anything but an orderly stop is forgiven.
    const short = '3s';
    const names = ['LeaderLoss', 'UnderMinIsr', 'UnderReplicated', 'BrokerDown', 'BrokerUnreachableFromBelfry'];
    const rules = shippedRules({ for: Object.fromEntries(names.map((name) => [name, short])) });
    await using stage = await startWatching('orders-dal', cluster.bootstrap, { rules });
    for (const broker of cluster.brokerIds) {
      await cluster.stop(broker);
      await stage.belfry.queryUntil(`belfry_broker_stop_grace{broker="${broker}"}`, ([grace]) => grace?.value === 1);
      if (broker === 2) cluster.slowStart(broker, 8000);
      await cluster.start(broker);
      await allUp(stage, 3);
    }
    await evaluatedOnce(stage);
    expect(await everythingElse(stage)).toEqual(SILENCE);
  });

  it('under a silence, also across kill -9; what still fires when it ends is told once', async () => {
    await using stage = await startWatching('orders-dal', cluster.bootstrap);
    const now = Date.now();
    const { silenceID } = await api<{ silenceID: string }>(stage, 'POST', '/api/v2/silences', {
      matchers: [{ name: 'cluster', value: 'orders-dal', isRegex: false }],
      startsAt: new Date(now).toISOString(),
      endsAt: new Date(now + 3_600_000).toISOString(),
      createdBy: 'ann',
      comment: 'disks are replaced',
    });
    await cluster.kill(2);
    const before = await suppressed(stage, 'BrokerCrashed');
    expect(before.status.silencedBy).toEqual([silenceID]);

    await stage.belfry.kill9();
    await stage.startAgain();
    const after = await suppressed(stage, 'BrokerCrashed');
    expect([after.status.silencedBy, after.startsAt]).toEqual([[silenceID], before.startsAt]);
    await evaluatedOnce(stage);
    expect(ledger(stage)).toEqual([]);

    await api(stage, 'DELETE', `/api/v2/silence/${silenceID}`);
    const first = await told(stage, { status: 'firing', alertname: 'BrokerCrashed', broker: '2', severity: 'warning' });
    expect(Date.parse(first.startsAt)).toBe(Date.parse(before.startsAt));
    await evaluatedOnce(stage);
    const groups = stage.webhook.requests.all.map((request) => bodyOf(request).groupKey);
    expect(new Set(groups).size).toBe(1);
    expect(stage.slack.messages().filter(({ threadTs }) => threadTs === undefined)).toHaveLength(1);
  });

  it('in a maintenance window; what still fires when it closes is told', async () => {
    const window = { cluster: 'orders-dal', schedule: '* * * * *', for: '2m', name: 'rack move' };
    await using stage = await startWatching('orders-dal', cluster.bootstrap, { config: { maintenance: [window] } });
    await cluster.kill(3);
    await suppressed(stage, 'BrokerCrashed');
    expect(ledger(stage)).toEqual([]);
    stage.configure({ clusters: [{ name: 'orders-dal', brokers: cluster.bootstrap }] });
    await told(stage, { status: 'firing', alertname: 'BrokerCrashed', broker: '3' });
  });
});

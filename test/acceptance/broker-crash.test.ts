import { afterAll, beforeAll, beforeEach, expect, it, jest } from '@jest/globals';
import { startCluster } from '../../testbed/cluster.ts';
import type { Cluster } from '../../testbed/cluster.ts';
import { describeWithKafka } from '../../testbed/skip.ts';
import { Stage } from '../../testbed/stage.ts';
import { allUp, everythingElse, ledger, mended, now, report, startWatching, toldEverywhere, withoutUpdates } from './harness.ts';

jest.setTimeout(300_000);

/** Generous: a loaded machine of two cores. What is typical is printed, and measured by the bench. */
const TOLD_WITHIN_MS = 30_000;

describeWithKafka('a broker that crashes, under the shipped rules', () => {
  let cluster: Cluster;

  beforeAll(async () => {
    cluster = await startCluster({ sessionTimeoutMs: 3000 });
    // Broker 3 holds copies and leads nothing.
    const orders = [
      [1, 2, 3],
      [2, 1, 3],
      [1, 2, 3],
      [2, 1, 3],
    ] as const;
    await cluster.createTopic('orders', { replicas: orders, config: { 'min.insync.replicas': 2 } });
    await cluster.produce('orders', 200);
  });

  beforeEach(async () => {
    await mended(cluster);
  });

  afterAll(async () => {
    await cluster[Symbol.asyncDispose]();
  });

  it.each([
    { broker: 2, which: 'leads partitions' },
    { broker: 3, which: 'leads nothing' },
  ])('that $which: one message by each channel at once, and one resolve by each when it is back', async ({ broker }) => {
    await using stage = await startWatching('orders-dal', cluster.bootstrap);
    const wanted = { alertname: 'BrokerCrashed', broker: String(broker), cluster: 'orders-dal' };
    const killedAt = now();
    await cluster.kill(broker);
    const first = await toldEverywhere(stage, { ...wanted, status: 'firing' });
    const [slackMs = 0, mailMs = 0, webhookMs = 0] = [first.slack, first.mail, first.webhook].map(({ at }) => Math.round(at - killedAt));
    report(`broker ${broker} killed: Slack after ${slackMs} ms, mail ${mailMs} ms, webhook ${webhookMs} ms`);
    for (const ms of [slackMs, mailMs, webhookMs]) expect(ms).toBeLessThan(TOLD_WITHIN_MS);
    expect(first.alert.labels).toMatchObject({ severity: 'warning', action: 'repair' });
    expect(first.slack.message?.text).toMatch(new RegExp(`^WARNING orders-dal: .*broker ${broker} crashed \\d\\d:\\d\\d:\\d\\d UTC`));
    expect(first.mail.subject).toBe(`[WARNING] orders-dal: broker ${broker} crashed`);
    expect(first.slack.channelName).toBe('team');
    expect(first.mail.to).toEqual(['team@example.com']);

    await cluster.start(broker);
    const last = await toldEverywhere(stage, { ...wanted, status: 'resolved' }, { timeoutMs: 60_000 });
    expect(last.incident).toBe(first.incident);
    expect(last.mail.references).toContain(first.mail.messageId);
    // Edits ping nobody: the end is told in the thread, too.
    expect(last.slack.message?.ts).toBe(first.slack.message?.ts);
    const inThread = (text: string): boolean => text.includes('RESOLVED');
    await stage.slack.next(({ message }) => message?.threadTs === first.slack.message?.ts && inThread(message?.text ?? ''));
    await allUp(stage, 3);
    const { webhook, slack, mail } = await everythingElse(stage);
    expect(withoutUpdates(webhook)).toEqual(['firing', 'resolved'].map((status) => `${status} BrokerCrashed orders-dal/${broker}`));
    expect(slack.map((text) => text.slice(0, 19))).toEqual(['RESOLVED orders-dal']);
    expect(mail).toEqual(['WARNING', 'RESOLVED'].map((state) => `[${state}] orders-dal: broker ${broker} crashed`));
    expect(stage.slack.messages().filter(({ threadTs, text }) => threadTs !== undefined && inThread(text))).toHaveLength(1);
  });

  it('goes on collecting when the bootstrap broker is gone, and when Belfry itself starts without it', async () => {
    const [first = ''] = cluster.bootstrap;
    await using stage = await Stage.start({ clusters: [{ name: 'orders-dal', brokers: [first, cluster.bootstrap[1] ?? ''] }] });
    await allUp(stage, 3);
    await cluster.kill(1);
    await toldEverywhere(stage, { status: 'firing', alertname: 'BrokerCrashed', broker: '1' });
    await stage.belfry.queryUntil('kafka_brokers', ([brokers]) => brokers?.value === 2);
    await expectFreshMetadata(stage);

    await stage.belfry.stop();
    await stage.startAgain();
    await stage.belfry.queryUntil('up{job="kafka"} == 1', (up) => up.length === 2);
    await expectFreshMetadata(stage);
    await stage.belfry.queryUntil('ALERTS{alertname="BrokerCrashed", broker="1", alertstate="firing"}', (alerts) => alerts.length > 0);

    await cluster.start(1);
    await toldEverywhere(stage, { status: 'resolved', alertname: 'BrokerCrashed', broker: '1' }, { timeoutMs: 60_000 });
    const { slack, mail } = await everythingElse(stage);
    expect(slack).toHaveLength(1);
    expect(mail).toHaveLength(2);
  });

  it('stays the same alert when only its explanation changes', async () => {
    await using stage = await startWatching('orders-dal', cluster.bootstrap, {
      rules: JSON.stringify({
        groups: [
          {
            name: 'brokers',
            interval: '1s',
            rules: [
              {
                alert: 'BrokerAway',
                expr: 'max by (cluster, broker) (belfry_broker_down_info) == 1',
                annotations: { summary: 'broker {{ $labels.broker }} is away', belfry_cause: 'broker {{ $labels.broker }} is away' },
              },
            ],
          },
        ],
      }),
    });
    cluster.pause(2);
    const first = await toldEverywhere(stage, { status: 'firing', alertname: 'BrokerAway', broker: '2' });
    const reasonBefore = await stage.belfry.query('belfry_broker_down_info{broker="2"} == 1');
    await cluster.kill(2);
    await stage.belfry.queryUntil('belfry_broker_down_info{broker="2"} == 1', ([info]) => {
      return info !== undefined && info.metric['reason'] !== reasonBefore[0]?.metric['reason'];
    });
    await stage.belfry.queryUntil('ALERTS{alertname="BrokerAway", alertstate="firing"}', (alerts) => alerts.length === 1);
    await cluster.start(2);
    const last = await toldEverywhere(stage, { status: 'resolved', alertname: 'BrokerAway', broker: '2' }, { timeoutMs: 60_000 });
    expect(last.alert.startsAt).toBe(first.alert.startsAt);
    expect(ledger(stage)).toEqual(['firing BrokerAway orders-dal/2', 'resolved BrokerAway orders-dal/2']);
  });
});

async function expectFreshMetadata(stage: Stage): Promise<void> {
  const expression = 'timestamp(kafka_brokers)';
  const [before] = await stage.belfry.queryUntil(expression, (samples) => samples.length === 1);
  await stage.belfry.queryUntil(expression, ([sample]) => (sample?.value ?? 0) > (before?.value ?? 0) + 1);
}

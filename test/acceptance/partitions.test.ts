import { afterAll, beforeAll, beforeEach, expect, it, jest } from '@jest/globals';
import { rename, rm, statfs, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { startCluster } from '../../testbed/cluster.ts';
import type { Cluster } from '../../testbed/cluster.ts';
import { missingTool, NEWEST_KAFKA } from '../../testbed/kafka-dist.ts';
import { secondLogDir } from '../../testbed/node-config.ts';
import { describeWhere, describeWithKafka } from '../../testbed/skip.ts';
import { missingSmallDisk } from '../../testbed/small-disk.ts';
import { shippedRules } from '../../testbed/shipped-rules.ts';
import { commitOffset } from './consumer-group.ts';
import { allUp, evaluatedOnce, everythingElse, ledger, mended, passed, SILENCE, startWatching, told, withoutUpdates } from './harness.ts';

jest.setTimeout(300_000);

const SHORT = { LeaderLoss: '2s', UnderMinIsr: '2s', UnderReplicated: '2s' };
/** Looks as often as a second permits. */
const CADENCE = { metadata: '1s', log_dirs: '1s', consumer_groups: '1s' };
const THROTTLES = ['leader.replication.throttled.rate', 'follower.replication.throttled.rate'];

describeWithKafka('partitions', () => {
  let cluster: Cluster;

  beforeAll(async () => {
    // A directory that is gone is noticed at the next checkpoint.
    const brokerProps = { 'replica.high.watermark.checkpoint.interval.ms': 500 };
    cluster = await startCluster({ sessionTimeoutMs: 3000, twoLogDirs: true, brokerProps });
    await cluster.createTopic('orders', { partitions: 6, replicas: 3, config: { 'min.insync.replicas': 2 } });
    await cluster.createTopic('single', { replicas: [[1], [2], [3]] });
    await cluster.createTopic('moving', {
      replicas: [[1, 2]],
      config: { 'leader.replication.throttled.replicas': '*', 'follower.replication.throttled.replicas': '*' },
    });
    await cluster.produce('moving', 4000, 1000);
    await cluster.produce('orders', 200);
  });

  beforeEach(async () => {
    await mended(cluster);
  });

  afterAll(async () => {
    await cluster[Symbol.asyncDispose]();
  });

  it("that are well, or on their way to other brokers, are nobody's concern", async () => {
    await using stage = await startWatching('orders-dal', cluster.bootstrap, {
      // Moves and copies are asked for one after the other: on a busy machine they disagree for a few seconds.
      rules: shippedRules({ for: { ...SHORT, UnderReplicated: '8s' } }),
      cluster: { cadence: CADENCE },
    });
    const slow = Object.fromEntries(THROTTLES.map((key) => [key, 50_000]));
    await cluster.alterConfig('broker', '', slow);
    await cluster.reassign('moving', { 0: [1, 3] });
    await stage.belfry.queryUntil('belfry_kafka_reassigning_partitions', ([moving]) => moving?.value === 1);
    await passed(stage, 10_000);
    expect(await stage.belfry.query('belfry_kafka_under_replicated_partitions')).toMatchObject([{ value: 0 }]);
    expect(await stage.belfry.query('belfry_kafka_reassigning_partitions')).toMatchObject([{ value: 1 }]);
    const free = Object.fromEntries(THROTTLES.map((key) => [key, null]));
    await cluster.alterConfig('broker', '', free);
    await stage.belfry.queryUntil('belfry_kafka_reassigning_partitions', ([moving]) => moving?.value === 0);
    await evaluatedOnce(stage);
    expect(await everythingElse(stage)).toEqual(SILENCE);
  });

  it('without a leader or a copy are told of by topic, while all others go on being reported', async () => {
    await using stage = await startWatching('orders-dal', cluster.bootstrap, {
      rules: shippedRules({ for: SHORT, windows: { UnderReplicated: { '15m': '2s' } } }),
      cluster: { cadence: CADENCE },
    });
    await cluster.kill(2);
    const lost = await told(stage, { status: 'firing', alertname: 'LeaderLoss', copies: 'one' });
    expect(lost.labels['severity']).toBe('critical');
    expect(lost.annotations['belfry_effect']).toMatch(/^1 partition .*one copy.*\(single\)/s);
    // The ticket keeps silent beside the crash that explains it; that copies stay away is worth a page.
    const stuck = await told(stage, { status: 'firing', alertname: 'UnderReplicated' });
    expect(stuck.labels['severity']).toBe('critical');
    expect(stuck.annotations['summary']).toMatch(/^\d+ partitions lack a copy/);

    expect(await stage.belfry.query('kafka_topic_partition_leader{topic="single"}')).toHaveLength(2);
    expect(await stage.belfry.query('kafka_topic_partition_leader{topic="orders"}')).toHaveLength(6);
    const [before] = await stage.belfry.query('timestamp(kafka_brokers)');
    await stage.belfry.queryUntil('timestamp(kafka_brokers)', ([at]) => (at?.value ?? 0) > (before?.value ?? 0) + 1);
    // min.insync.replicas is 2, and two are in sync: no producer is refused.
    expect(ledger(stage).filter((line) => line.includes('UnderMinIsr'))).toEqual([]);

    await cluster.start(2);
    await told(stage, { status: 'resolved', alertname: 'LeaderLoss', copies: 'one' }, { timeoutMs: 60_000 });
    await allUp(stage, 3);
    await stage.belfry.queryUntil('ALERTS{alertstate="firing", severity!="none"}', (alerts) => alerts.length === 0);
  });

  it('that lack a copy on a broker that hangs are a ticket', async () => {
    await using stage = await startWatching('orders-dal', cluster.bootstrap, {
      rules: shippedRules({ only: ['UnderReplicated', 'UnderMinIsr'], for: SHORT }),
      cluster: { cadence: CADENCE },
    });
    cluster.pause(3);
    const ticket = await told(stage, { status: 'firing', alertname: 'UnderReplicated' });
    expect(ticket.labels['severity']).toBe('warning');
    cluster.resume(3);
    await told(stage, { status: 'resolved', alertname: 'UnderReplicated' }, { timeoutMs: 60_000 });
    const { webhook } = await everythingElse(stage);
    expect(withoutUpdates(webhook)).toEqual(['firing', 'resolved'].map((status) => `${status} UnderReplicated orders-dal/`));
  });

  it('whose consumer has stopped are told of where the owner asked for it', async () => {
    await cluster.createTopic('payments', { replicas: 3 });
    await cluster.produce('payments', 100);
    for (const group of ['payments-billing', 'adhoc-shell']) await commitOffset(cluster, group, 'payments', 100);
    await using stage = await startWatching('orders-dal', cluster.bootstrap, {
      rules: shippedRules({ windows: { ConsumerStopped: { '10m': '6s' } }, keepFiringFor: { ConsumerStopped: '1s' } }),
      cluster: { cadence: CADENCE, consumer_groups: { alert: 'payments-.*' } },
    });
    await using _load = cluster.load({ topic: 'payments', bytesPerSecond: 5000, recordBytes: 100 });
    await stage.belfry.queryUntil('kafka_consumergroup_lag_sum{topic="payments"} > 0', (lags) => lags.length === 2);
    const stopped = await told(stage, { status: 'firing', alertname: 'ConsumerStopped' }, { timeoutMs: 60_000 });
    expect(stopped.labels).toMatchObject({ consumergroup: 'payments-billing', topic: 'payments' });
    await commitOffset(cluster, 'payments-billing', 'payments', 150);
    await told(stage, { status: 'resolved', alertname: 'ConsumerStopped' }, { timeoutMs: 60_000 });
    const names = new Set(stage.webhook.requests.all.flatMap(({ body }) => body.match(/"consumergroup":"[^"]*"/g) ?? []));
    expect([...names]).toEqual(['"consumergroup":"payments-billing"']);
  });

  it('in a log directory that a broker has given up are told of with the broker; it is not called down', async () => {
    await cluster.createTopic('spread', { replicas: Array.from({ length: 6 }, () => [3, 1, 2]), config: { 'min.insync.replicas': 2 } });
    await using stage = await startWatching('orders-dal', cluster.bootstrap, {
      rules: shippedRules({ for: { ...SHORT, LogDirOffline: '1s' } }),
      cluster: { cadence: CADENCE },
    });
    const gone = secondLogDir(cluster.logDir(3));
    // In one step: the broker may be making files in it, which a removal piece by piece would stumble over.
    await rename(gone, `${gone}.gone`);
    await stage.belfry.queryUntil(`belfry_kafka_log_dir_offline{broker="3", log_dir="${gone}"}`, ([dir]) => dir?.value === 1);
    await stage.belfry.queryUntil('belfry_kafka_offline_replicas', ([replicas]) => (replicas?.value ?? 0) >= 3);
    const { labels, annotations } = await told(stage, { alertname: 'LogDirOffline', status: 'firing' });
    expect(labels).toMatchObject({ cluster: 'orders-dal', broker: '3', severity: 'critical' });
    expect(annotations['description']).toContain(gone);
    expect(await stage.belfry.query('up{job="kafka"} == 1')).toHaveLength(3);
    expect(ledger(stage).filter((line) => /Broker(Crashed|Stopped|Down)/.test(line))).toEqual([]);
  });
});

describeWhere(missingTool(NEWEST_KAFKA) ?? missingSmallDisk(), 'a disk that is nearly full', () => {
  it('is told of with what is left, and is over when there is room again', async () => {
    await using cluster = await startCluster({ brokers: 1, controllers: 'combined', smallDisk: { id: 1, sizeBytes: 96 << 20 } });
    await using stage = await startWatching('orders-dal', cluster.bootstrap, {
      rules: shippedRules({ for: { DiskLow: '1s' } }),
      cluster: { cadence: CADENCE },
    });
    await stage.belfry.queryUntil(
      'belfry_kafka_log_dir_usable_bytes / belfry_kafka_log_dir_total_bytes',
      ([free]) => (free?.value ?? 0) > 0.3,
    );
    const { bavail, blocks, bsize } = await statfs(cluster.logDir(1));
    const ballast = join(cluster.logDir(1), 'ballast');
    await writeFile(ballast, Buffer.alloc((bavail - Math.floor(blocks * 0.05)) * bsize));
    const full = await told(stage, { status: 'firing', alertname: 'DiskLow', severity: 'critical', broker: '1' });
    expect(full.annotations['summary']).toMatch(/^broker 1 has only [345](\.\d+)?% of its disk left/);
    await rm(ballast);
    await told(stage, { status: 'resolved', alertname: 'DiskLow', broker: '1' });
  });
});

import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { delay, SystemClock } from '../../src/core/clock.ts';
import { errorText } from '../../src/core/errors.ts';
import { silentLogger } from '../../src/core/log.ts';
import type { Meter } from '../../src/core/meter.ts';
import { silentMeter } from '../../src/core/meter.ts';
import { KafkaMessaging } from '../../src/kafka/messaging.ts';
import { PermissionBook } from '../../src/kafka/permission-book.ts';
import type { AclOptions } from '../../testbed/admin.ts';
import { startCluster, type Cluster } from '../../testbed/cluster.ts';
import { shippedRules } from '../../testbed/shipped-rules.ts';
import { describeWithKafka } from '../../testbed/skip.ts';
import { Stage } from '../../testbed/stage.ts';
import type { ToldAlert } from './harness.ts';

type Grant = Pick<AclOptions, 'resource' | 'name' | 'operation'>;

const CLUSTER = { resource: 'CLUSTER', name: 'kafka-cluster' } as const;
/** What docs/permissions.md says the watch needs, each by a name, and how Belfry calls it. */
const WATCH = {
  'describe-cluster': { acl: { ...CLUSTER, operation: 'DESCRIBE' }, missing: 'Describe Cluster' },
  'configs-cluster': { acl: { ...CLUSTER, operation: 'DESCRIBE_CONFIGS' }, missing: 'DescribeConfigs Cluster' },
  'describe-topics': { acl: { resource: 'TOPIC', name: '*', operation: 'DESCRIBE' }, missing: 'Describe Topic *' },
  'configs-topics': { acl: { resource: 'TOPIC', name: '*', operation: 'DESCRIBE_CONFIGS' }, missing: 'DescribeConfigs Topic *' },
  'describe-groups': { acl: { resource: 'GROUP', name: '*', operation: 'DESCRIBE' }, missing: 'Describe Group *' },
} as const satisfies Readonly<Record<string, { acl: Grant; missing: string }>>;

type GrantName = keyof typeof WATCH;
const GRANT_NAMES = Object.keys(WATCH) as GrantName[];

/** Facts that are unknown, which is no sample and not zero, without a grant; all of them are there with all grants. */
const UNKNOWN_WITHOUT: Readonly<Record<GrantName, readonly string[]>> = {
  'describe-cluster': ['belfry_kafka_quorum_has_leader', 'belfry_kafka_reassigning_partitions', 'belfry_kafka_log_dir_usable_bytes'],
  'configs-cluster': [],
  'describe-topics': [
    'belfry_kafka_under_replicated_partitions',
    'belfry_kafka_leaderless_partitions',
    'belfry_kafka_under_min_isr_partitions',
    'belfry_kafka_offline_replicas',
    'kafka_topic_partition_current_offset',
    'kafka_topic_partitions',
  ],
  'configs-topics': ['belfry_kafka_under_min_isr_partitions', 'belfry_kafka_topic_min_insync_replicas'],
  'describe-groups': ['kafka_consumergroup_lag_sum', 'kafka_consumergroup_current_offset_sum'],
};

const clock = new SystemClock();

describeWithKafka('on a cluster with an authorizer', () => {
  let cluster: Cluster;

  beforeAll(async () => {
    // One user a missing grant, named after it, and one with all of them.
    const users = Object.fromEntries(['everything', ...GRANT_NAMES, 'ops'].map((name) => [name, `${name}-secret`]));
    cluster = await startCluster({ brokers: 1, controllers: 'combined', security: 'sasl_plaintext', authorizer: true, users });
    await cluster.createTopic('orders', { partitions: 2, replicas: 1, config: { 'min.insync.replicas': 1 } });
    await cluster.produce('orders', 10);
    for (const user of ['everything', ...GRANT_NAMES])
      for (const name of GRANT_NAMES) if (name !== user) await allow(user, WATCH[name].acl);
    await withMessaging('admin', async (messaging) => hearOne(messaging, 'orders', 'billing'));
  }, 240_000);

  afterAll(async () => {
    await cluster[Symbol.asyncDispose]();
  });

  const allow = (user: string, acl: Grant): Promise<void> => cluster.acl.grant({ principal: `User:${user}`, ...acl });
  const forbid = (user: string, acl: Grant): Promise<void> => cluster.acl.revoke({ principal: `User:${user}`, ...acl });

  const withMessaging = async (
    user: string,
    work: (messaging: KafkaMessaging) => Promise<unknown>,
    permissions?: PermissionBook,
  ): Promise<void> => {
    const { username = '', password = '' } = cluster.users[user] ?? {};
    const messaging = new KafkaMessaging({
      brokers: [{ host: '127.0.0.1', port: cluster.port(1) }],
      security: { sasl: { mechanism: 'PLAIN', username, password } },
      clock,
      log: silentLogger,
      ...(permissions === undefined ? {} : { permissions }),
    });
    try {
      await work(messaging);
    } finally {
      await messaging.close();
    }
  };

  it('the watch needs five grants and no more; each that is missing is named, and what needs it is unknown', async () => {
    const cadence = { metadata: '1s', log_dirs: '1s', configs: '1s', consumer_groups: '1s' };
    await using stage = await Stage.start({
      clusters: ['everything', ...GRANT_NAMES].map((name) => ({
        name,
        brokers: cluster.bootstrap,
        cadence,
        sasl: { mechanism: 'plain', username: name, password: `${name}-secret` },
      })),
      rules: shippedRules({ only: ['BelfryPermissionMissing'], for: { BelfryPermissionMissing: '1s' } }),
    });
    const { belfry } = stage;
    const told = async (status: 'firing' | 'resolved', name: string, missing: string): Promise<void> => {
      await stage.webhook.requests.next(
        ({ json }) =>
          (json as { alerts: readonly ToldAlert[] }).alerts.some(
            ({ status: is, labels }) =>
              is === status &&
              labels['alertname'] === 'BelfryPermissionMissing' &&
              labels['cluster'] === name &&
              `${labels['operation']} ${labels['resource']}` === missing,
          ),
        { timeoutMs: 60_000 },
      );
    };
    await Promise.all(GRANT_NAMES.map((name) => told('firing', name, WATCH[name].missing)));
    const facts = [...new Set(Object.values(UNKNOWN_WITHOUT).flat())];
    // With everything, everything is known: first seen so, or a fact that is never there would be unknown to all.
    for (const fact of facts) await belfry.queryUntil(`${fact}{cluster="everything"}`, (samples) => samples.length > 0);
    for (const name of GRANT_NAMES) {
      const missing = await belfry.query(`belfry_permission_missing{cluster="${name}"} == 1`);
      expect(missing.map(({ metric }) => `${metric['operation']} ${metric['resource']}`)).toEqual([WATCH[name].missing]);
      // Waited for: a broker that is slow to refuse has no answer, which is a fact (no leader, say) until it has refused.
      for (const fact of UNKNOWN_WITHOUT[name]) await belfry.queryUntil(`${fact}{cluster="${name}"}`, (samples) => samples.length === 0);
    }
    const held = await belfry.query('belfry_permission_missing{cluster="everything"}');
    expect(Object.fromEntries(held.map(({ metric, value }) => [`${metric['operation']} ${metric['resource']}`, value]))).toEqual(
      Object.fromEntries(GRANT_NAMES.map((name) => [WATCH[name].missing, 0])),
    );

    // A grant that is taken away while Belfry runs is told of as well; one that is given ends the alert.
    await Promise.all([forbid('everything', WATCH['describe-groups'].acl), ...GRANT_NAMES.map((name) => allow(name, WATCH[name].acl))]);
    await Promise.all([
      told('firing', 'everything', 'Describe Group *'),
      ...GRANT_NAMES.map((name) => told('resolved', name, WATCH[name].missing)),
    ]);
    for (const name of GRANT_NAMES)
      for (const fact of UNKNOWN_WITHOUT[name]) await belfry.queryUntil(`${fact}{cluster="${name}"}`, (samples) => samples.length > 0);
    await belfry.queryUntil('kafka_consumergroup_lag_sum{cluster="everything"}', (samples) => samples.length === 0);
  }, 240_000);

  it('intents and acks need Create and Write, Read on a topic and on the group; the one that is missing is named', async () => {
    const gauge = new Map<string, number>();
    const meter: Meter = {
      ...silentMeter,
      gauge: () => ({
        set: (value, labels) => void gauge.set(`${labels?.['operation']} ${labels?.['resource']}`, value),
        remove: () => undefined,
      }),
    };
    const permissions = new PermissionBook({ cluster: 'ops', clock, log: silentLogger, meter });
    const attempt = (work: (messaging: KafkaMessaging) => Promise<unknown>): Promise<string> =>
      withMessaging('ops', work, permissions).then(
        () => 'done',
        (error: unknown) => errorText(error),
      );
    const send = (messaging: KafkaMessaging): Promise<void> => messaging.send({ topic: 'intents', key: 'a', value: 'b', headers: {} });
    const hear = (messaging: KafkaMessaging): Promise<void> => hearOne(messaging, 'acks', 'belfry-acks');
    const topic = (name: string, operation: Grant['operation']): Grant => ({ resource: 'TOPIC', name, operation });
    const group: Grant = { resource: 'GROUP', name: 'belfry-acks', operation: 'READ' };
    await cluster.createTopic('acks', { partitions: 1, replicas: 1 });
    await cluster.produce('acks', 1);

    expect(await attempt(send)).toMatch(/^no message to intents/);
    expect(permissions.missing).toEqual([{ operation: 'Write', resource: 'Topic intents' }]);
    await allow('ops', topic('intents', 'WRITE'));
    await attempt((messaging) => messaging.ensureTopic('intents'));
    expect(permissions.missing).toContainEqual({ operation: 'Create', resource: 'Topic intents' });
    await allow('ops', topic('intents', 'CREATE'));
    expect(await attempt((messaging) => messaging.ensureTopic('intents'))).toBe('done');
    expect([await attempt(send), permissions.missing]).toEqual(['done', []]);

    await allow('ops', group);
    expect(await attempt(hear)).not.toBe('done');
    expect(permissions.missing).toEqual([{ operation: 'Read', resource: 'Topic acks' }]);
    await allow('ops', topic('acks', 'READ'));
    await forbid('ops', group);
    expect(await attempt(hear)).not.toBe('done');
    expect(permissions.missing).toContainEqual({ operation: 'Read', resource: 'Group belfry-acks' });
    await allow('ops', group);
    expect([await attempt(hear), permissions.missing]).toEqual(['done', []]);
    expect(Object.fromEntries(gauge)).toEqual({
      'Create Topic intents': 0,
      'Write Topic intents': 0,
      'Read Topic acks': 0,
      'Read Group belfry-acks': 0,
    });
  }, 240_000);
});

/** Resolves with the first message; what is refused rejects. */
async function hearOne(messaging: KafkaMessaging, topic: string, groupId: string): Promise<void> {
  const heard = Promise.withResolvers<undefined>();
  for (let attempt = 1; ; attempt++) {
    const { ended } = await messaging.consume({ topic, groupId, onMessage: async () => heard.resolve(undefined) });
    const failure = await Promise.race([heard.promise, ended]);
    if (failure === undefined) return;
    // The coordinator of a group on a broker that has just started may still read its log; whoever consumes begins again.
    if (failure.code === 'KAFKA_PERMISSION_MISSING' || attempt === 100) throw failure;
    await delay(clock, 300);
  }
}

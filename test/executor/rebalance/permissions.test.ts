import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { delay, SystemClock } from '../../../src/core/clock.ts';
import { BelfryError, errorText } from '../../../src/core/errors.ts';
import { silentLogger } from '../../../src/core/log.ts';
import { KafkaClusterActs } from '../../../src/executor/kafka-acts.ts';
import { KafkaRebalancer } from '../../../src/executor/rebalance/kafka-rebalancer.ts';
import { AdminConnector } from '../../../src/kafka/admin-connection.ts';
import type { KafkaSecurity } from '../../../src/kafka/observer.ts';
import { startCluster, type Cluster } from '../../../testbed/cluster.ts';
import { describeWithKafka } from '../../../testbed/skip.ts';

const clock = new SystemClock();

describeWithKafka('what a rebalance must be allowed to do', () => {
  let cluster: Cluster;

  beforeAll(async () => {
    cluster = await startCluster({ brokers: 3, security: 'sasl_plaintext', authorizer: true, users: { bob: 'bob-secret' } });
    await cluster.createTopic('orders', { partitions: 6, replicas: 2 });
    const topics = { principal: 'User:belfry', resource: 'TOPIC', name: '*' } as const;
    const clusterOf = (user: string): { principal: string; resource: 'CLUSTER'; name: string } => ({
      principal: `User:${user}`,
      resource: 'CLUSTER',
      name: 'kafka-cluster',
    });
    for (const operation of ['DESCRIBE', 'DESCRIBE_CONFIGS'] as const) {
      await cluster.acl.grant({ ...clusterOf('belfry'), operation });
      await cluster.acl.grant({ ...topics, operation });
    }
  }, 120_000);

  afterAll(async () => {
    await cluster[Symbol.asyncDispose]();
  });

  const drain = async (broker: number): Promise<void> => {
    const as = (user: string): AdminConnector => new AdminConnector({ clock, security: credential(user) });
    const bootstrap = cluster.brokerIds.map((id) => ({ host: '127.0.0.1', port: cluster.port(id) }));
    const options = { reader: as('belfry'), connector: as('alice'), bootstrap, clock, log: silentLogger, pollMs: 100 };
    const rebalancer = new KafkaRebalancer({ ...options, throttleBytesPerSecond: 50_000_000 });
    await rebalancer.rebalance({ kind: 'drain', brokers: [broker] }, () => undefined, new AbortController().signal);
  };

  const credential = (user: string): KafkaSecurity => {
    const { username = '', password = '' } = cluster.users[user] ?? {};
    return { sasl: { mechanism: 'PLAIN', username, password } };
  };

  /** As the dry run of an executor, whose one credential reads and acts. */
  const look = async (user: string): Promise<void> => {
    const brokers = cluster.brokerIds.map((id) => ({ host: '127.0.0.1', port: cluster.port(id) }));
    const acts = new KafkaClusterActs(
      { name: 'orders-dal', brokers, security: credential(user), throttleBytes: undefined },
      { clock, log: silentLogger },
    );
    await acts.look(new AbortController().signal);
  };

  it('a dry run finds what is missing, one after the other, and changes nothing', async () => {
    const onCluster = { principal: 'User:bob', resource: 'CLUSTER', name: 'kafka-cluster' } as const;
    const onTopics = { principal: 'User:bob', resource: 'TOPIC', name: '*' } as const;
    const wanted = [
      { acl: { ...onCluster, operation: 'ALTER' }, named: /needs (Alter|Describe) on Cluster/ },
      { acl: { ...onTopics, operation: 'DESCRIBE' }, named: /Describe on all topics is needed/ },
      { acl: { ...onCluster, operation: 'ALTER_CONFIGS' }, named: /needs DescribeConfigs on Cluster, which AlterConfigs includes/ },
      {
        acl: { ...onTopics, operation: 'ALTER_CONFIGS' },
        named: /needs (AlterConfigs on that topic|DescribeConfigs on that topic, which AlterConfigs includes)/,
      },
    ] as const;
    const refusal = async (): Promise<string> =>
      look('bob').then(
        () => 'none',
        (error: unknown) => (error instanceof BelfryError && error.code === 'KAFKA_PERMISSION_MISSING' ? errorText(error) : String(error)),
      );
    /** Brokers hear of a grant or its end one after the other, each in its own time. */
    const soon = async (expected: RegExp): Promise<void> => {
      const deadline = clock.now() + 15_000;
      let answer = await refusal();
      for (; !expected.test(answer) && clock.now() < deadline; answer = await refusal()) await delay(clock, 100);
      expect(answer).toMatch(expected);
    };
    for (const { acl } of wanted) {
      await soon(/need/);
      await cluster.acl.grant(acl);
    }
    await soon(/^none$/);
    // Each of them is needed, and none of the others stands in for it.
    for (const { acl, named } of wanted) {
      await cluster.acl.revoke(acl);
      await soon(named);
      await cluster.acl.grant(acl);
      await soon(/^none$/);
    }
  }, 120_000);

  it('the watching user alone can plan and move nothing; the acting one needs three permissions and no more', async () => {
    const acting = { principal: 'User:alice', resource: 'CLUSTER', name: 'kafka-cluster' } as const;
    await expect(drain(3)).rejects.toMatchObject({ code: 'KAFKA_PERMISSION_MISSING' });
    await cluster.acl.grant({ ...acting, operation: 'ALTER_CONFIGS' });
    await expect(drain(3)).rejects.toMatchObject({ code: 'KAFKA_PERMISSION_MISSING' });
    await cluster.acl.grant({ principal: 'User:alice', resource: 'TOPIC', name: '*', operation: 'ALTER_CONFIGS' });
    await expect(drain(3)).rejects.toMatchObject({ code: 'KAFKA_PERMISSION_MISSING' });
    await cluster.acl.grant({ ...acting, operation: 'ALTER' });
    // A broker that has not heard of the grant yet refuses; a run that was refused is simply begun again.
    for (const deadline = clock.now() + 15_000; ;) {
      const refused = await drain(3).then(
        () => undefined,
        (error: unknown) => error,
      );
      if (refused === undefined) break;
      expect(refused).toMatchObject({ code: 'KAFKA_PERMISSION_MISSING' });
      expect(clock.now()).toBeLessThan(deadline);
    }
    const partitions = [...(await cluster.view()).topics.values()].flat();
    expect(partitions.filter(({ replicas }) => replicas.includes(3))).toEqual([]);
  }, 120_000);
});

import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { SystemClock } from '../../../src/core/clock.ts';
import type { BelfryError } from '../../../src/core/errors.ts';
import { silentLogger } from '../../../src/core/log.ts';
import { KafkaMessaging } from '../../../src/kafka/messaging.ts';
import { startCluster, type Cluster } from '../../../testbed/cluster.ts';
import { describeWithKafka } from '../../../testbed/skip.ts';

const clock = new SystemClock();
const INTENTS = 'belfry.intents';
const ACKS = 'belfry.acks';
const GROUP = 'belfry-acks';

describeWithKafka('what Belfry must be allowed to do on the cluster that carries intents', () => {
  let cluster: Cluster;

  beforeAll(async () => {
    cluster = await startCluster({ brokers: 1, controllers: 'combined', security: 'sasl_plaintext', authorizer: true });
  }, 120_000);

  afterAll(async () => {
    await cluster[Symbol.asyncDispose]();
  });

  const topic = (name: string, operation: 'CREATE' | 'DESCRIBE' | 'WRITE' | 'READ') =>
    ({ principal: 'User:belfry', resource: 'TOPIC', name, operation }) as const;
  const group = { principal: 'User:belfry', resource: 'GROUP', name: GROUP, operation: 'READ' } as const;

  /** Each attempt is a client of its own: nothing is remembered of what was allowed before. */
  const as = async <T>(work: (messaging: KafkaMessaging) => Promise<T>): Promise<T> => {
    const { username = '', password = '' } = cluster.users['belfry'] ?? {};
    const security = { sasl: { mechanism: 'PLAIN', username, password } } as const;
    const messaging = new KafkaMessaging({ brokers: [{ host: '127.0.0.1', port: cluster.port(1) }], security, clock, log: silentLogger });
    try {
      return await work(messaging);
    } finally {
      await messaging.close();
    }
  };
  const send = (): Promise<void> => as((messaging) => messaging.send({ topic: INTENTS, key: 'a', value: 'b', headers: {} }));
  const make = (name: string): Promise<boolean> => as((messaging) => messaging.ensureTopic(name));
  /** Until a message of the acks topic is here, or consuming has failed. */
  const consume = (): Promise<BelfryError | undefined> =>
    as(async (messaging) => {
      let arrived: () => void = () => undefined;
      const first = new Promise<undefined>((resolve) => (arrived = () => resolve(undefined)));
      const onMessage = (): Promise<void> => Promise.resolve(arrived());
      const { ended } = await messaging.consume({ topic: ACKS, groupId: GROUP, onMessage });
      return await Promise.race([first, ended]);
    });
  const failure = async (work: () => Promise<unknown>): Promise<unknown> => {
    try {
      return await work();
    } catch (error) {
      return error;
    }
  };
  const missing = expect.objectContaining({ code: 'KAFKA_PERMISSION_MISSING' });

  it('to send intents: Create and Write on their topic, which imply Describe', async () => {
    expect(await failure(send)).toEqual(missing);
    await cluster.acl.grant(topic(INTENTS, 'WRITE'));
    expect(await failure(() => make(INTENTS))).toEqual(missing);
    await cluster.acl.grant(topic(INTENTS, 'CREATE'));
    expect(await make(INTENTS)).toBe(true);
    await send();
    await cluster.acl.revoke(topic(INTENTS, 'WRITE'));
    expect(await failure(send)).toEqual(missing);
  }, 90_000);

  it('to hear acks: Read on their topic, which implies Describe, and on the group', async () => {
    await cluster.createTopic(ACKS, { partitions: 1, replicas: 1 });
    await cluster.produce(ACKS, 1, 10);
    await cluster.acl.grant(group);
    expect(await failure(consume)).toEqual(missing);
    await cluster.acl.grant(topic(ACKS, 'READ'));
    await cluster.acl.revoke(group);
    expect(await failure(consume)).toEqual(missing);
    await cluster.acl.grant(group);
    expect(await consume()).toBeUndefined();
  }, 90_000);
});

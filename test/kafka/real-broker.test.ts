import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { delay, SystemClock } from '../../src/core/clock.ts';
import { breakKindBehind } from '../../src/kafka/break.ts';
import { KafkaConnector } from '../../src/kafka/connection.ts';
import type { BrokerConnection, KafkaSecurity } from '../../src/kafka/observer.ts';
import { startCluster, type Cluster } from '../../testbed/cluster.ts';
import { NEWEST_KAFKA, OLDEST_KAFKA } from '../../testbed/kafka-dist.ts';
import { describeWithKafka } from '../../testbed/skip.ts';

const clock = new SystemClock();
const TIMEOUT_MS = 60_000;

describeWithKafka('a real broker behind TLS and SASL', () => {
  let cluster: Cluster;
  let ca: string;

  beforeAll(async () => {
    // A short session makes the connection prove itself anew while it stands.
    const brokerProps = { 'connections.max.reauth.ms': 2000 };
    cluster = await startCluster({ brokers: 1, controllers: 'combined', security: 'sasl_ssl', brokerProps });
    ca = readFileSync(cluster.tls?.caPath ?? '', 'utf8');
  }, 180_000);

  afterAll(async () => {
    await cluster[Symbol.asyncDispose]();
  });

  const connect = (security: KafkaSecurity): Promise<BrokerConnection> =>
    new KafkaConnector({ clock, security }).connect({ host: '127.0.0.1', port: cluster.port(1) }, TIMEOUT_MS);

  const admin = (mechanism: 'PLAIN' | 'SCRAM-SHA-256' | 'SCRAM-SHA-512', password?: string): KafkaSecurity => ({
    tls: { ca, rejectUnauthorized: true },
    sasl: { mechanism, username: 'admin', password: password ?? cluster.users['admin']?.password ?? '' },
  });

  const kindOf = async (work: Promise<unknown>): Promise<unknown> =>
    work.then(
      () => 'no failure',
      (error: unknown) => breakKindBehind(error),
    );

  it.each(['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512'] as const)(
    'lets us in with %s and tells when its certificate ends',
    async (mechanism) => {
      const connection = await connect(admin(mechanism));
      expect((await connection.metadata(undefined, TIMEOUT_MS)).clusterId).toBe(cluster.clusterId);
      expect(connection.certificateNotAfter).toBeGreaterThan(clock.now());
      connection.close();
    },
  );

  it.each(['PLAIN', 'SCRAM-SHA-512'] as const)('refuses a wrong password with %s', async (mechanism) => {
    expect(await kindOf(connect(admin(mechanism, 'wrong')))).toBe('auth');
  });

  it('is not believed without its certificate authority', async () => {
    expect(await kindOf(connect({ ...admin('PLAIN'), tls: { rejectUnauthorized: true } }))).toBe('tls');
  });

  it('closes at the first request when we do not say who we are', async () => {
    const connection = await connect({ tls: { ca, rejectUnauthorized: true } });
    expect(await kindOf(connection.metadata(undefined, TIMEOUT_MS))).toBe('auth');
  });

  it('never lets in a client without TLS', async () => {
    expect(['tls', 'closed', 'reset']).toContain(await kindOf(connect({})));
  });

  it('keeps a connection whose session would end, which proves itself anew', async () => {
    const [asking, pinging] = await Promise.all([connect(admin('SCRAM-SHA-256')), connect(admin('PLAIN'))]);
    // Longer than a session; without a new proof the broker closes at the first request after one, a ping too.
    for (let i = 0; i < 15; i++) {
      await Promise.all([asking.metadata([], TIMEOUT_MS), pinging.apiVersions(TIMEOUT_MS)]);
      await delay(clock, 200);
    }
    for (const { traffic } of [asking, pinging]) expect(traffic.requests).toBeGreaterThan(15 + 3);
    asking.close();
    pinging.close();
  }, 180_000);
});

for (const version of [OLDEST_KAFKA, NEWEST_KAFKA]) {
  describeWithKafka(
    `a real broker of Kafka ${version}`,
    () => {
      let cluster: Cluster;
      let connection: BrokerConnection;

      beforeAll(async () => {
        cluster = await startCluster({ brokers: 1, controllers: 'combined', version });
        await cluster.createTopic('orders', { partitions: 2, replicas: 1, config: { 'min.insync.replicas': 1 } });
        await cluster.produce('orders', 10);
        connection = await new KafkaConnector({ clock }).connect({ host: '127.0.0.1', port: cluster.port(1) }, TIMEOUT_MS);
      }, 180_000);

      afterAll(async () => {
        connection.close();
        await cluster[Symbol.asyncDispose]();
      });

      it('answers every request in a version that both speak', async () => {
        const metadata = await connection.metadata(undefined, TIMEOUT_MS);
        expect([metadata.clusterId, ...metadata.topics]).toEqual([cluster.clusterId, 'orders']);
        expect([...metadata.leaderId]).toEqual([1, 1]);
        expect((await connection.metadata([], TIMEOUT_MS)).topics).toEqual([]);

        const offsets = await connection.listOffsets(-1, new Map([['orders', [0, 1, 9]]]), TIMEOUT_MS);
        expect([...offsets.offset].reduce((sum, offset) => sum + Math.max(0, offset), 0)).toBe(10);
        expect(new Set(offsets.errorCode)).toEqual(new Set([0, 3]));

        const [dir] = await connection.describeLogDirs(TIMEOUT_MS);
        expect(dir?.errorCode).toBe(0);
        expect(dir?.totalBytes).toBeGreaterThan(0);
        expect(new Set(dir?.replicas.get('orders'))).toEqual(new Set([0, 1]));

        const quorum = await connection.describeQuorum(TIMEOUT_MS);
        expect(quorum).toMatchObject({ leaderId: 1, voters: [{ nodeId: 1 }] });
        expect(await connection.listPartitionReassignments(TIMEOUT_MS)).toEqual([]);

        const keys = ['min.insync.replicas'];
        const configs = await connection.describeConfigs(
          [
            { type: 'topic', name: 'orders', keys },
            { type: 'topic', name: 'nowhere', keys },
            { type: 'broker', name: '1', keys: ['broker.session.timeout.ms'] },
          ],
          TIMEOUT_MS,
        );
        expect(configs.map(({ name, errorCode, values }) => [name, errorCode, ...values.values()])).toEqual([
          ['orders', 0, '1'],
          ['nowhere', 3],
          ['1', 0, '9000'],
        ]);

        expect(await connection.listGroups(TIMEOUT_MS)).toEqual([]);
        expect(await connection.describeGroups(['nobody'], 'classic', TIMEOUT_MS)).toMatchObject([{ groupId: 'nobody', memberCount: 0 }]);
        expect(await connection.offsetFetch(['nobody'], TIMEOUT_MS)).toMatchObject([{ groupId: 'nobody', topics: [] }]);
      });

      it('ends its connections when it is killed, and refuses the next', async () => {
        const { ended } = connection;
        await cluster.kill(1);
        expect(['closed', 'reset']).toContain((await ended).kind);
        const again = new KafkaConnector({ clock }).connect({ host: '127.0.0.1', port: cluster.port(1) }, TIMEOUT_MS);
        await expect(again).rejects.toMatchObject({ code: 'KAFKA_UNREACHABLE', cause: { kind: 'refused' } });
      });
    },
    version,
  );
}

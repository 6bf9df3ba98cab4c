import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { delay, SystemClock } from '../../src/core/clock.ts';
import { breakKindBehind } from '../../src/kafka/break.ts';
import { KafkaConnector } from '../../src/kafka/connection.ts';
import type { BrokerConnection, KafkaSecurity } from '../../src/kafka/observer.ts';
import { startCluster, type Cluster } from '../../testbed/cluster.ts';
import { describeWithKafka } from '../../testbed/skip.ts';

const clock = new SystemClock();
const TIMEOUT_MS = 10_000;

describeWithKafka('a real broker behind TLS and SASL', () => {
  let cluster: Cluster;
  let ca: string;

  beforeAll(async () => {
    // A short session makes the connection prove itself anew while it stands.
    const brokerProps = { 'connections.max.reauth.ms': 1000 };
    cluster = await startCluster({ brokers: 1, controllers: 'combined', security: 'sasl_ssl', brokerProps });
    ca = readFileSync(cluster.tls?.caPath ?? '', 'utf8');
  }, 120_000);

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
    const connection = await connect(admin('SCRAM-SHA-256'));
    // Three sessions long; without a new proof the broker closes at the first request after one.
    for (let i = 0; i < 15; i++) {
      await connection.metadata([], TIMEOUT_MS);
      await delay(clock, 200);
    }
    expect(connection.traffic.requests).toBeGreaterThan(15 + 3);
    connection.close();
  }, 30_000);
});

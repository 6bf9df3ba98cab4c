import { describe, expect, it } from '@jest/globals';
import { ManualClock } from '../../../src/core/clock.ts';
import { BelfryError } from '../../../src/core/errors.ts';
import { HandshakePacer } from '../../../src/collectors/liveness/handshake-pacer.ts';
import { BrokerPool } from '../../../src/collectors/kafka/pool.ts';
import { FakeCluster } from './fake-cluster.ts';

function setup(): { clock: ManualClock; cluster: FakeCluster; pool: BrokerPool } {
  const clock = new ManualClock();
  const cluster = new FakeCluster(clock, [1, 2, 3]);
  const addresses = new Map([[3, { host: 'elsewhere', port: 9001 }]]);
  const pool = new BrokerPool({
    connector: cluster,
    clock,
    bootstrap: cluster.bootstrap,
    addresses,
    connectTimeoutMs: 1000,
    random: () => 1,
    line: new HandshakePacer(clock, 20),
  });
  pool.setBrokers([1, 2, 3].map((id) => ({ id, host: 'fake', port: 9000 + id, rack: undefined })));
  return { clock, cluster, pool };
}

const codeOf = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => 'connected',
    (error: unknown) => (error instanceof BelfryError ? error.code : error),
  );

describe('the pool of connections', () => {
  it('holds one connection a purpose and broker, shared by those who ask at once', async () => {
    const { clock, cluster, pool } = setup();
    const [a, b] = await Promise.all([pool.connection(1, 'health'), pool.connection(1, 'health')]);
    expect(a).toBe(b);
    const patient = pool.connection(1, 'lag');
    // It waits behind the one that could not wait.
    await clock.advance(50);
    expect(await patient).not.toBe(a);
    expect(cluster.requestsOf('connect')).toHaveLength(2);
  });

  it('makes a new one after the old one broke', async () => {
    const { cluster, pool } = setup();
    const first = await pool.connection(1, 'health');
    cluster.kill(1);
    await first.ended;
    cluster.alive.add(1);
    expect(await pool.connection(1, 'health')).not.toBe(first);
  });

  it('tries a broker that refuses after 0.1 s, and ever more rarely up to 5 s', async () => {
    const { clock, cluster, pool } = setup();
    cluster.alive.delete(1);
    const tries: number[] = [];
    const startedAt = clock.now();
    while (clock.now() - startedAt < 30_000) {
      const before = cluster.requestsOf('connect').length;
      expect(await codeOf(pool.connection(1, 'health'))).toBe('KAFKA_UNREACHABLE');
      if (cluster.requestsOf('connect').length > before) tries.push(clock.now() - startedAt);
      await clock.advance(50);
    }
    expect(tries).toEqual([0, 100, 300, 700, 1500, 3100, 6300, 11_300, 16_300, 21_300, 26_300]);
  });

  it('spreads the handshakes of patient work, 20 a second', async () => {
    const { clock, cluster, pool } = setup();
    const all = Promise.all([1, 2, 3].map((id) => pool.connection(id, 'lag')));
    await clock.advance(0);
    expect(cluster.requestsOf('connect')).toHaveLength(1);
    await clock.advance(100);
    await all;
    expect(cluster.requestsOf('connect')).toHaveLength(3);
  });

  it('reaches a broker where the configuration says, not where it says itself', async () => {
    const { cluster, pool } = setup();
    await pool.connection(3, 'health');
    expect(cluster.requests).toEqual(['1 connect']);
  });

  it('closes the connections to a broker that has moved or left', async () => {
    const { pool } = setup();
    const [stays, moves, leaves] = await Promise.all([1, 2, 3].map((id) => pool.connection(id, 'health')));
    pool.setBrokers([
      { id: 1, host: 'fake', port: 9001, rack: undefined },
      { id: 2, host: 'fake', port: 9003, rack: undefined },
    ]);
    expect(await Promise.all([moves?.ended, leaves?.ended])).toMatchObject([{ kind: 'local' }, { kind: 'local' }]);
    expect(await pool.connection(1, 'health')).toBe(stays);
    expect(await codeOf(pool.connection(3, 'health'))).toBe('KAFKA_UNREACHABLE');
  });

  it('closes all, also what is being made, and makes no more', async () => {
    const { cluster, pool } = setup();
    await pool.connection(1, 'health');
    const opening = pool.connection(2, 'health');
    pool.close();
    await opening;
    expect(await codeOf(pool.connection(3, 'health'))).toBe('STOPPING');
    expect(cluster.open).toEqual([]);
  });
});

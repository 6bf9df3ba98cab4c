import { afterAll, beforeAll, beforeEach, expect, it, jest } from '@jest/globals';
import { startCluster } from '../../testbed/cluster.ts';
import type { Cluster } from '../../testbed/cluster.ts';
import { reservePort } from '../../testbed/free-port.ts';
import { describeWithKafka } from '../../testbed/skip.ts';
import { Pilot } from './autopilot-harness.ts';
import { mended } from './harness.ts';

jest.setTimeout(240_000);

describeWithKafka('Belfry killed with -9 in the middle of a repair', () => {
  let cluster: Cluster;

  beforeAll(async () => {
    cluster = await startCluster({ sessionTimeoutMs: 3000 });
    await cluster.createTopic('orders', { partitions: 6, replicas: 3, config: { 'min.insync.replicas': 2 } });
    await cluster.produce('orders', 100);
  });

  beforeEach(async () => {
    await mended(cluster);
  });

  afterAll(async () => {
    await cluster[Symbol.asyncDispose]();
  });

  // A broker becomes suspect and unhealthy in one transaction.
  it.each(['unhealthy', 'repairing', 'recovering', 'verifying', 'healthy'])(
    'when the broker has become %s: goes on, and restarts it once',
    async (edge) => {
      const port = await reservePort();
      try {
        await using pilot = await Pilot.start(cluster, {
          // Belfry takes a while to be back on a slow machine, and its executor another to ask again.
          autopilot: { lease_ttl: '20s' },
          config: { http: { listen: `127.0.0.1:${port.port}` } },
        });
        if (edge === 'recovering') cluster.slowStart(2, 4000);
        await cluster.kill(2);
        await pilot.kill9At(2, edge);
        await pilot.untilState(2, 'healthy', 40_000);
        const edges = await pilot.edgesOf(2);
        expect([edges.filter((state) => state === 'repairing'), edges.at(-1)]).toEqual([['repairing'], 'healthy']);
        expect(await pilot.acts()).toHaveLength(1);
        expect(pilot.executor?.acts.map(({ verb, broker }) => `${verb} ${broker}`)).toEqual(['restart 2']);
        expect((await pilot.intents()).map(({ state }) => state)).toEqual(['succeeded']);
      } finally {
        await port.release();
      }
    },
  );
});

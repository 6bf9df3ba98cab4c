import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, it, jest } from '@jest/globals';
import { startCluster } from '../../testbed/cluster.ts';
import type { Cluster } from '../../testbed/cluster.ts';
import { describeWithKafka } from '../../testbed/skip.ts';
import { Pilot } from './autopilot-harness.ts';
import { mended, passed } from './harness.ts';

jest.setTimeout(240_000);

describeWithKafka('the auto-pilot holds back', () => {
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

  it('when two brokers are down at once: a person is asked, and nothing is done', async () => {
    await using pilot = await Pilot.start(cluster, { autopilot: { repair: { first_after: '3s' } } });
    await Promise.all([cluster.kill(2), cluster.kill(3)]);
    await pilot.untilState(2, 'needs_human');
    await pilot.untilState(3, 'needs_human');
    await passed(pilot.stage, 4000);
    expect(await pilot.acts()).toEqual([]);
    expect(cluster.isRunning(2) || cluster.isRunning(3)).toBe(false);
  });

  it('while its collectors are blind: nothing is done until the cluster is seen again', async () => {
    await using pilot = await Pilot.start(cluster, { autopilot: { stale_after: '2s', repair: { first_after: '1s' } } });
    cluster.pause(1);
    cluster.pause(3);
    await cluster.kill(2);
    await passed(pilot.stage, 6000);
    expect(await pilot.acts()).toEqual([]);
    cluster.resume(1);
    cluster.resume(3);
    await pilot.untilIntent(({ action, broker, state }) => action === 'repair' && broker === 2 && state === 'succeeded', 90_000);
  });

  it('while it is halted, by command or by a file that was put there while Belfry was down', async () => {
    await using pilot = await Pilot.start(cluster);
    expect((await pilot.post('/halt', { by: 'ops', reason: 'change freeze' })).status).toBe(200);
    await cluster.kill(2);
    await pilot.untilState(2, 'unhealthy');
    await passed(pilot.stage, 3000);
    expect(await pilot.acts()).toEqual([]);
    expect((await pilot.post('/resume', { by: 'ops', reason: 'freeze is over' })).status).toBe(200);
    await pilot.untilState(2, 'healthy', 90_000);

    await pilot.stage.belfry.stop();
    await pilot.executor?.[Symbol.asyncDispose]();
    const file = join(pilot.stage.dataPath, 'HALT');
    writeFileSync(file, 'by hand\n');
    await pilot.stage.startAgain();
    await pilot.startExecutor();
    const acts = (await pilot.acts()).length;
    await cluster.kill(2);
    await pilot.untilState(2, 'unhealthy');
    await passed(pilot.stage, 3000);
    expect(await pilot.acts()).toHaveLength(acts);
    const refused = await pilot.post('/resume', { by: 'ops', reason: 'why not' });
    expect([refused.status, await refused.text()]).toEqual([409, expect.stringContaining('HALT')]);
    rmSync(file);
    expect((await pilot.post('/resume', { by: 'ops', reason: 'mended' })).status).toBe(200);
    await pilot.untilState(2, 'healthy', 90_000);
  });
});

describeWithKafka('three clusters that break at once', () => {
  it('open the breaker: nothing is done until a person closes it', async () => {
    const clusters = await Promise.all([1, 2, 3].map(() => startCluster({ brokers: 2, sessionTimeoutMs: 3000, heapMb: 192 })));
    try {
      for (const each of clusters) await each.createTopic('orders', { partitions: 2, replicas: 2 });
      const named = Object.fromEntries(clusters.map((each, i) => [`local-${i + 1}`, each]));
      await using pilot = await Pilot.startMany(named, { autopilot: { repair: { first_after: '3s' } } });
      await Promise.all(clusters.map((each) => each.kill(2)));
      await pilot.untilBreakerOpen();
      await passed(pilot.stage, 4000);
      expect(await pilot.acts()).toEqual([]);
      expect((await pilot.post('/breaker/close', { by: 'ops', reason: 'a switch was down' })).status).toBe(200);
      expect((await pilot.state()).breaker ?? null).toBeNull();
    } finally {
      await Promise.all(clusters.map((each) => each[Symbol.asyncDispose]()));
    }
  });
});

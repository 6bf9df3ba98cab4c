import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, it, jest } from '@jest/globals';
import { startCluster } from '../../testbed/cluster.ts';
import type { Cluster } from '../../testbed/cluster.ts';
import { describeWithKafka } from '../../testbed/skip.ts';
import { FAST, Pilot } from './autopilot-harness.ts';
import { allUp, mended, passed } from './harness.ts';

jest.setTimeout(240_000);

describeWithKafka('the auto-pilot holds back', () => {
  let cluster: Cluster;

  beforeAll(async () => {
    cluster = await startCluster({ sessionTimeoutMs: 9000 });
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
    await using pilot = await Pilot.start(cluster, { autopilot: { repair: { ...FAST.repair, first_after: '3s' } } });
    await Promise.all([cluster.kill(2), cluster.kill(3)]);
    await pilot.untilState(2, 'needs_human');
    await pilot.untilState(3, 'needs_human');
    await passed(pilot.stage, 4000);
    expect(await pilot.acts()).toEqual([]);
    expect(cluster.isRunning(2) || cluster.isRunning(3)).toBe(false);
  });

  it('while its collectors are blind: nothing is even asked for until the cluster is seen again', async () => {
    await using pilot = await Pilot.start(cluster, { autopilot: { stale_after: '1s', repair: { ...FAST.repair, first_after: '2500ms' } } });
    await cluster.kill(2);
    await pilot.untilState(2, 'unhealthy');
    // Shorter than the session time-out: they are not in trouble, they only say nothing.
    cluster.pause(1);
    cluster.pause(3);
    await passed(pilot.stage, 4000, []);
    const [intents, edges] = [await pilot.intents(), await pilot.edgesOf(2)];
    cluster.resume(1);
    cluster.resume(3);
    expect([intents, edges]).toEqual([[], ['suspect', 'unhealthy']]);
    await pilot.untilState(2, 'healthy', 90_000);
    expect(await pilot.acts()).toHaveLength(1);
  });

  it('while it is halted by command, and asks a person from then on', async () => {
    await using pilot = await Pilot.start(cluster);
    expect((await pilot.post('/halt', { by: 'ops', reason: 'change freeze' })).status).toBe(200);
    await cluster.kill(2);
    await pilot.untilState(2, 'unhealthy');
    await passed(pilot.stage, 3000, []);
    expect([await pilot.intents(), (await pilot.state()).halted]).toEqual([[], expect.stringContaining('change freeze')]);
    expect((await pilot.post('/resume', { by: 'ops', reason: 'freeze is over' })).status).toBe(200);
    const asked = await pilot.untilIntent(({ state }) => state === 'awaiting_approval');
    await passed(pilot.stage, 1500, []);
    expect(await pilot.acts()).toEqual([]);
    expect((await pilot.post(`/intents/${asked.id}/approve`, { by: 'ops', reason: 'looked at it' })).status).toBe(200);
    await pilot.untilState(2, 'healthy', 90_000);
    expect(await pilot.acts()).toHaveLength(1);
  });

  it('while it is halted by a file that was put there while Belfry was down, and that is taken away and resumed', async () => {
    await using pilot = await Pilot.start(cluster);
    await pilot.stage.belfry.stop();
    const file = join(pilot.stage.dataPath, 'HALT');
    writeFileSync(file, 'by hand\n');
    await pilot.stage.startAgain();
    await pilot.startExecutor();
    await allUp(pilot.stage, 3);
    await cluster.kill(2);
    await pilot.untilState(2, 'unhealthy');
    await passed(pilot.stage, 3000, []);
    expect(await pilot.intents()).toEqual([]);
    const refused = await pilot.post('/resume', { by: 'ops', reason: 'why not' });
    expect([refused.status, await refused.text()]).toEqual([409, expect.stringContaining('HALT')]);
    rmSync(file);
    await passed(pilot.stage, 1500, []);
    expect([await pilot.intents(), typeof (await pilot.state()).halted]).toEqual([[], 'string']);
    expect((await pilot.post('/resume', { by: 'ops', reason: 'mended' })).status).toBe(200);
    await pilot.untilIntent(({ action, broker, state }) => action === 'repair' && broker === 2 && state === 'awaiting_approval');
  });
});

describeWithKafka('brokers of three clusters that fail at once', () => {
  it('open the breaker: nothing is done until a person closes it', async () => {
    const clusters = await Promise.all([1, 2, 3].map(() => startCluster({ controllers: 'combined', sessionTimeoutMs: 6000, heapMb: 192 })));
    try {
      for (const each of clusters) await each.createTopic('orders', { partitions: 2, replicas: 3 });
      const named = Object.fromEntries(clusters.map((each, i) => [`local-${i + 1}`, each]));
      await using pilot = await Pilot.startMany(named, { autopilot: { repair: { ...FAST.repair, first_after: '3s' } } });
      await Promise.all(clusters.map((each) => each.kill(2)));
      await pilot.untilBreakerOpen();
      await passed(pilot.stage, 5000, []);
      expect(await pilot.acts()).toEqual([]);
      expect((await pilot.post('/breaker/close', { reason: 'nobody' })).status).toBe(400);
      expect((await pilot.state()).breaker).toMatch(/3 clusters/);
      expect((await pilot.post('/breaker/close', { by: 'ops', reason: 'a switch was down' })).status).toBe(200);
      await pilot.untilState(2, 'healthy', 90_000);
      expect((await pilot.state()).breaker ?? null).toBeNull();
      expect((await pilot.acts()).length).toBeGreaterThan(0);
    } finally {
      await Promise.all(clusters.map((each) => each[Symbol.asyncDispose]()));
    }
  });
});

import { afterAll, beforeAll, beforeEach, expect, it, jest } from '@jest/globals';
import { startCluster } from '../../testbed/cluster.ts';
import type { Cluster } from '../../testbed/cluster.ts';
import { FixtureExporter } from '../../testbed/fixture-exporter.ts';
import { describeWithKafka } from '../../testbed/skip.ts';
import { Pilot } from './autopilot-harness.ts';
import { mended, passed, report, told, until } from './harness.ts';

jest.setTimeout(240_000);

describeWithKafka('the auto-pilot repairs', () => {
  let cluster: Cluster;

  beforeAll(async () => {
    cluster = await startCluster({ sessionTimeoutMs: 3000 });
    await cluster.createTopic('orders', { partitions: 6, replicas: 3, config: { 'min.insync.replicas': 2 } });
    await cluster.produce('orders', 200);
  });

  beforeEach(async () => {
    await mended(cluster);
  });

  afterAll(async () => {
    await cluster[Symbol.asyncDispose]();
  });

  it('a broker that was killed: restarts it, verifies by its ISRs, tells of it in the thread, and touches nobody else', async () => {
    await using pilot = await Pilot.start(cluster);
    const others = [1, 3].map((id) => cluster.pid(id));
    await cluster.kill(2);
    const done = await pilot.untilIntent(({ action, broker, state }) => action === 'repair' && broker === 2 && state === 'succeeded');
    await pilot.untilState(2, 'healthy');
    report(`killed to verified: ${done.changedAt - done.createdAt} ms after the intent`);
    // A probe right after the restart may still find it starting.
    const edges = (await pilot.edgesOf(2)).filter((state) => state !== 'recovering');
    expect(edges).toEqual(['suspect', 'unhealthy', 'repairing', 'verifying', 'healthy']);
    expect(await pilot.acts()).toHaveLength(1);
    expect([1, 3].map((id) => cluster.pid(id))).toEqual(others);
    expect(done.guards.filter(({ holds }) => holds)).toEqual([]);
    await told(pilot.stage, { status: 'resolved', alertname: 'BrokerCrashed', broker: '2' }, { timeoutMs: 60_000 });
    await pilot.repliedInThread(/broker 2 is mended and verified/);
    const replies = pilot.stage.slack.messages().filter(({ threadTs }) => threadTs !== undefined);
    expect(new Set(replies.map(({ threadTs }) => threadTs)).size).toBe(1);
    expect(replies.map(({ text }) => text).join('\n')).toMatch(/wants to restart broker 2[^]*has the lease to repair broker 2/);
  });

  it('goes on after its executor died in the middle: the lease expires, it looks first, nothing is restarted twice', async () => {
    await using pilot = await Pilot.start(cluster);
    cluster.slowStart(2, 9000);
    await cluster.kill(2);
    await until(() => cluster.isRunning(2), 'the executor starts broker 2');
    const pid = cluster.pid(2);
    await pilot.executor?.kill9();
    await until(async () => (await pilot.journal()).some(({ kind, to }) => kind === 'lease' && to === 'unknown'), 'the lease to expire');
    await pilot.executor?.startAgain();
    await pilot.untilState(2, 'healthy', 90_000);
    expect(cluster.pid(2)).toBe(pid);
  });

  it('leaves a broker alone that recovers its logs: no second restart, no replacement', async () => {
    await using pilot = await Pilot.start(cluster, {
      autopilot: {
        repair: {
          first_after: '4s',
          backoff: ['1s'],
          failures_before_replace: 1,
          unhealthy_before_replace: '1s',
          verify_window: '5s',
          recovery_stall: '60s',
        },
      },
    });
    await cluster.kill(2);
    cluster.slowStart(2, 20_000);
    await cluster.start(2, { wait: false });
    const pid = cluster.pid(2);
    await until(async () => (await pilot.edgesOf(2)).includes('recovering'), 'broker 2 is seen to recover', 60_000);
    await pilot.untilState(2, 'healthy', 90_000);
    expect(cluster.pid(2)).toBe(pid);
    expect(await pilot.edgesOf(2)).not.toContain('replacing');
    expect((await pilot.intents()).filter(({ action }) => action === 'replace')).toEqual([]);
  });

  it('is armed by the literal label of a loaded rule alone: not by a scraped label, not by remote write', async () => {
    await using exporter = await FixtureExporter.start('broken{broker="2",action="repair"} 1\n');
    await using pilot = await Pilot.start(cluster, {
      cluster: { exporters: [{ job: 'fixture', targets: [exporter.target], interval: '1s' }] },
      rules: JSON.stringify({
        groups: [{ name: 'g', interval: '1s', rules: [{ alert: 'Broken', expr: 'broken == 1' }] }],
      }),
    });
    const alert = await told(pilot.stage, { status: 'firing', alertname: 'Broken' });
    expect(alert.labels['action']).toBe('repair');
    await passed(pilot.stage, 3000, ['g']);
    expect(await pilot.intents()).toEqual([]);
    expect(await pilot.stateOf(2)).toBe('healthy');
  });
});

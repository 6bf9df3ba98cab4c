import { afterAll, beforeAll, expect, it, jest } from '@jest/globals';
import { startCluster } from '../../testbed/cluster.ts';
import type { Cluster } from '../../testbed/cluster.ts';
import { describeWithKafka } from '../../testbed/skip.ts';
import { FAST, Pilot } from './autopilot-harness.ts';
import { passed, told, until } from './harness.ts';

jest.setTimeout(240_000);

const APPROVE = { mode: 'approve', actions: { repair: 'approve', replace: 'off', scale_out: 'off', scale_in: 'off' } };
const COMMAND = /belfry autopilot (approve) (\w{26})/;

/** All that is said of the one incident stands in one Slack thread and one mail thread. */
function expectOneThread({ stage }: Pilot): void {
  const messages = stage.slack.messages();
  const roots = messages.filter(({ threadTs }) => threadTs === undefined).map(({ ts }) => ts);
  const threads = new Set(messages.flatMap(({ threadTs }) => (threadTs === undefined ? [] : [threadTs])));
  expect([...threads]).toEqual(roots);
  const [first, ...later] = stage.mail.mails.all;
  expect(later.map(({ references }) => references.at(0))).toEqual(later.map(() => first?.references.at(0) ?? first?.messageId));
}

describeWithKafka('the auto-pilot asks a person', () => {
  let cluster: Cluster;

  beforeAll(async () => {
    cluster = await startCluster({ sessionTimeoutMs: 3000 });
    await cluster.createTopic('orders', { partitions: 6, replicas: 3, config: { 'min.insync.replicas': 2 } });
    await cluster.produce('orders', 100);
  });

  afterAll(async () => {
    await cluster[Symbol.asyncDispose]();
  });

  it('in the thread and by mail, with the command that approves; told of each step until it is verified and over', async () => {
    await using pilot = await Pilot.start(cluster, { autopilot: APPROVE });
    await cluster.kill(2);
    const [, verb = '', id = ''] = COMMAND.exec(await pilot.repliedInThread(/approval is needed to restart broker 2/)) ?? [];
    expect(COMMAND.exec((await pilot.mailed(COMMAND)).text)?.[2]).toBe(id);
    const said = (): string => JSON.stringify(pilot.stage.slack.messages().find(({ threadTs }) => threadTs === undefined)?.blocks);
    await until(
      () => said().includes(`Auto-pilot asks for your approval of restarting broker 2: belfry autopilot approve ${id}`),
      'the second line of the message',
    );
    await passed(pilot.stage, 2000, []);
    expect([await pilot.acts(), cluster.isRunning(2)]).toEqual([[], false]);

    await pilot.command(verb, id);
    await pilot.repliedInThread(/anna approved that it may restart broker 2/);
    await pilot.repliedInThread(/has the lease to repair broker 2: it is being done now/);
    await pilot.repliedInThread(/broker 2 is mended and verified/);
    await told(pilot.stage, { status: 'resolved', alertname: 'BrokerCrashed', broker: '2' }, { timeoutMs: 60_000 });
    const resolved = await pilot.mailed(/is mended and verified/);
    expect(resolved.subject).toMatch(/^\[RESOLVED\]/);
    await until(() => !said().includes('asks for your approval'), 'the second line asks no more');
    expect(await pilot.acts()).toHaveLength(1);
    expectOneThread(pilot);
  });

  it('and says what holds it back, that it has failed, and that a person is needed', async () => {
    await using pilot = await Pilot.start(cluster, {
      autopilot: {
        ...APPROVE,
        repair: { ...FAST.repair, failures_before_replace: 1, unhealthy_before_replace: '1s', backoff: ['1s'], verify_window: '3s' },
      },
    });
    await pilot.command('hold', '--cluster', pilot.name, '--for', '1h', '--reason', 'a move of racks');
    await cluster.kill(2);
    await cluster.spoilData(2);
    await pilot.repliedInThread(/a move of racks/);
    const asked = await pilot.untilIntent(({ broker, state }) => broker === 2 && (state === 'awaiting_approval' || state === 'blocked'));
    await pilot.command('approve', asked.id);
    await passed(pilot.stage, 2000, []);
    expect(await pilot.acts()).toEqual([]);

    await pilot.command('release', '--cluster', pilot.name);
    await pilot.repliedInThread(/the repair of broker 2 has failed \(1 so far\)/, 60_000);
    await pilot.repliedInThread(/broker 2 needs a person: .*replacing is off/);
    await pilot.mailed(/broker 2 needs a person: .*replacing is off/s);
    expect([await pilot.stateOf(2), await pilot.acts()]).toEqual(['needs_human', [expect.anything()]]);
    expectOneThread(pilot);
  });
});

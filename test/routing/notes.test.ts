import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { IncidentBoard } from '../../src/autopilot/ports.ts';
import type { Alert } from '../../src/core/alert.ts';
import { NOTE_LIFE_MS } from '../../src/routing/note-alert.ts';
import { alertOf, resolved, Setup } from './setup.ts';

const MINUTE = 60_000;

let setup: Setup;

beforeEach(() => {
  setup = new Setup({ routing: { autopilotOf: (cluster, broker) => `Auto-pilot looks at ${broker ?? 'all'} of ${cluster}.` } });
});

afterEach(async () => {
  await setup.end();
  expect(setup.clock.pendingTimers).toBe(0);
});

function crashed(broker: string, labels: Readonly<Record<string, string>> = {}): Alert {
  return alertOf({ alertname: 'BrokerCrashed', cluster: 'orders-dal', broker, severity: 'critical', ...labels }, setup.clock.now());
}

async function note(text: string, more: { cluster?: string; broker?: number; loud?: boolean } = {}): Promise<void> {
  const board: IncidentBoard = setup.routing;
  board.note({ cluster: 'orders-dal', broker: undefined, loud: false, at: setup.clock.now(), ...more, text });
  await setup.clock.advance(0);
}

const told = (way: string, owner = 'orders'): readonly string[] => setup.notifier(`owner/${owner} ${way}`).told;
const lastOf = (way: string, owner = 'orders') => setup.notifier(`owner/${owner} ${way}`).delivered.at(-1);
const story = (way: string, owner = 'orders') => lastOf(way, owner)?.events.map(({ kind, text }) => `${kind} ${text}`);

describe('a quiet note', () => {
  it('reaches the thread and machines as an edit, and mail when its interval is over', async () => {
    await setup.receive(crashed('2'));
    await setup.clock.advance(MINUTE);
    await note('Restarting broker 2 (attempt 1).', { broker: 2 });
    await note('Broker 2 runs again; verifying.', { broker: 2 });
    await setup.clock.advance(1000);
    for (const way of ['slack', 'webhook']) expect(told(way)).toEqual(['first firing loud', 'note firing']);
    expect(told('email')).toEqual(['first firing loud']);
    await setup.clock.advance(4 * MINUTE);
    expect(told('email')).toEqual(['first firing loud', 'note firing loud']);
    expect(story('email')).toEqual([
      'firing BrokerCrashed 2',
      'note Restarting broker 2 (attempt 1).',
      'note Broker 2 runs again; verifying.',
    ]);
  });

  it('reaches those who were told that it is over, as long as the incident is open', async () => {
    const crash = crashed('2');
    await setup.receive(crash);
    await setup.receive(resolved(crash, setup.clock.now()));
    await note('Broker 2 is in all ISRs again.', { broker: 2 });
    await setup.clock.advance(1000);
    expect(told('slack')).toEqual(['first firing loud', 'all_resolved resolved loud']);
    expect(story('slack')).toContain('note Broker 2 is in all ISRs again.');
    await note('Repair of broker 2 verified.', { broker: 2 });
    await setup.clock.advance(1000);
    expect(told('slack').at(-1)).toBe('note resolved');
    await setup.clock.advance(10 * MINUTE);
    expect(told('email')).toEqual(['first firing loud', 'all_resolved resolved loud', 'note resolved loud']);
    expect(setup.routing.incidentOf('orders-dal', 2)).toBe('');
  });

  it('tells nobody where no incident is open', async () => {
    await note('Would restart broker 2.', { broker: 2 });
    await note('Nothing to do.', { cluster: '' });
    await setup.clock.advance(MINUTE);
    expect([...setup.notifiers.values()].flatMap((notifier) => notifier.told)).toEqual([]);
  });
});

describe('a loud note', () => {
  it('pings at once, mail included', async () => {
    await setup.receive(crashed('2'));
    await setup.clock.advance(1000);
    await note('Approve with: belfry autopilot approve 01J', { broker: 2, loud: true });
    for (const way of ['slack', 'email', 'webhook']) expect(told(way)).toEqual(['first firing loud', 'note firing loud']);
    await note('Broker 2 needs you.', { broker: 2, loud: true });
    expect(told('email')).toHaveLength(3);
    const ats = setup.notifier('owner/orders email').delivered.map(({ at }) => at);
    expect(new Set(ats).size).toBe(3);
  });

  it('opens an incident where none is open, which ends after half an hour and is closed as any other', async () => {
    await note('No executor takes the intent.', { broker: 2, loud: true });
    for (const way of ['slack', 'email', 'webhook']) expect(told(way)).toEqual(['first firing loud']);
    expect(lastOf('slack')?.incident).toMatchObject({ owner: 'orders', cluster: 'orders-dal', broker: '2', severity: 'warning' });
    expect(lastOf('slack')?.alerts[0]?.annotations.get('summary')).toBe('No executor takes the intent.');
    await setup.clock.advance(NOTE_LIFE_MS - 1);
    expect(told('slack')).toHaveLength(1);
    await setup.clock.advance(1001);
    expect(told('slack').at(-1)).toBe('all_resolved resolved loud');
    expect(lastOf('slack')?.alerts[0]?.resolveReason).toBe('no_data');
    await setup.clock.advance(5 * MINUTE);
    expect(setup.routing.openIncidents()).toEqual([]);
  });

  it('ends before its time when the broker is well, and touches nothing else', async () => {
    await note('Broker 2 needs a person.', { broker: 2, loud: true });
    const other = crashed('3');
    await setup.receive(other);
    setup.routing.noteOver('orders-dal', 3, setup.clock.now());
    setup.routing.noteOver('elsewhere', 2, setup.clock.now());
    await setup.clock.advance(1000);
    expect(told('slack').some((line) => line.includes('resolved'))).toBe(false);
    setup.routing.noteOver('orders-dal', 2, setup.clock.now());
    setup.routing.noteOver('orders-dal', 2, setup.clock.now());
    await setup.clock.advance(1000);
    const [record, more] = setup.routing.openIncidents();
    expect(more).toBeUndefined();
    expect(record?.orderedAlerts().map(({ labels, status, resolveReason }) => [labels.get('alertname'), status, resolveReason])).toEqual([
      ['BrokerCrashed', 'firing', undefined],
      ['AutopilotNote', 'resolved', 'recovered'],
    ]);
  });

  it('lives on with the next loud one, and over a restart', async () => {
    await note('Approval needed.', { broker: 2, loud: true });
    await setup.clock.advance(20 * MINUTE);
    await note('Broker 2 needs you.', { broker: 2, loud: true });
    expect(told('email')).toEqual(['first firing loud', 'note firing loud']);
    expect(lastOf('slack')?.alerts.map(({ annotations }) => annotations.get('summary'))).toEqual(['Broker 2 needs you.']);
    await setup.endProcess();
    setup.start();
    await setup.clock.advance(20 * MINUTE);
    expect(setup.routing.openIncidents().map(({ firing }) => firing)).toEqual([true]);
    await setup.clock.advance(10 * MINUTE + 1000);
    expect(setup.routing.openIncidents().map(({ firing }) => firing)).toEqual([false]);
  });

  it('begins the incident anew where all is over but it is not closed, also while the end is held back', async () => {
    const crash = crashed('2');
    await setup.receive(crash);
    const id = setup.routing.incidentOf('orders-dal', 2);
    await setup.receive(resolved(crash, setup.clock.now()));
    await note('The verification failed.', { broker: 2, loud: true });
    await setup.clock.advance(1000);
    expect(told('slack')).toEqual(['first firing loud', 'note firing loud']);
    expect(lastOf('slack')?.incident.id).toBe(id);
  });

  it('about no cluster goes to the default owner, in one incident', async () => {
    await note('The breaker is open.', { cluster: '', loud: true });
    await note('The breaker is still open.', { cluster: '', loud: true });
    expect(told('webhook', 'platform')).toEqual(['first firing loud', 'note firing loud']);
    expect(story('webhook', 'platform')).toEqual(['firing The breaker is open.', 'note The breaker is still open.']);
    expect(told('slack')).toEqual([]);
  });
});

describe('the incident of a cluster and broker', () => {
  it("is the broker's own, else the cluster's, else none", async () => {
    expect(setup.routing.incidentOf('orders-dal', 2)).toBe('');
    await setup.receive(alertOf({ alertname: 'UnderReplicated', cluster: 'orders-dal', severity: 'warning' }, setup.clock.now()));
    const [cluster] = setup.routing.openIncidents();
    expect(setup.routing.incidentOf('orders-dal', 2)).toBe(cluster?.row.id);
    expect(setup.routing.incidentOf('orders-dal', undefined)).toBe(cluster?.row.id);
    expect(setup.routing.incidentOf('orders-fra', 2)).toBe('');
  });

  it('is not one that only those who run Belfry are told of', async () => {
    await setup.receive(crashed('2', { alertname: 'CollectorAuthFailed', audience: 'platform' }));
    expect(setup.routing.incidentOf('orders-dal', 2)).toBe('');
    await note('Blind in orders-dal.', { broker: 2 });
    expect(told('webhook', 'platform')).toHaveLength(1);
  });
});

it('a message says what the auto-pilot does about its cluster and broker', async () => {
  await setup.receive(crashed('2'));
  expect(lastOf('slack')?.autopilot).toBe('Auto-pilot looks at 2 of orders-dal.');
  await note('The breaker is open.', { cluster: '', loud: true });
  expect(lastOf('webhook', 'platform')?.autopilot).toBe('Auto-pilot looks at all of .');
});

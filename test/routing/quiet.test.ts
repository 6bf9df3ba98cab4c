import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Alert } from '../../src/core/alert.ts';
import { Labels } from '../../src/core/labels.ts';
import { parseMatcher } from '../../src/core/parse-matcher.ts';
import type { Silence } from '../../src/core/silence.ts';
import { defaultInhibitRules } from '../../src/routing/default-inhibitions.ts';
import type { InhibitRule } from '../../src/routing/inhibition.ts';
import { AlertStore } from '../../src/store/state/alert-store.ts';
import { alertOf, resolved, Setup } from './setup.ts';

const SECOND = 1000;
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const HOLD = 15 * SECOND;

let setup: Setup;
let rules: readonly InhibitRule[];
let windows: readonly string[];
let sourcesKnown: boolean;

/** Windows are asked for again at every whole minute. */
const maintenance = (cluster: string, now: number) => ({
  open: cluster === 'orders-dal' ? windows : [],
  until: now + MINUTE - (now % MINUTE),
});

function begin(startGraceMs = 0): Setup {
  return new Setup({ routing: { inhibitRules: () => rules, maintenance, startGraceMs, sourcesKnown: () => sourcesKnown } });
}

beforeEach(() => {
  rules = defaultInhibitRules();
  windows = [];
  sourcesKnown = false;
  setup = begin();
});

afterEach(async () => {
  await setup.end();
  expect(setup.clock.pendingTimers).toBe(0);
});

const now = (): number => setup.clock.now();
const told = (way = 'slack'): readonly string[] => setup.notifier(`owner/orders ${way}`).told;
const mutedBy = (alert: Alert) => setup.routing.alerts().find(({ alert: { labels } }) => labels.key === alert.labels.key)?.mutedBy;

function alert(alertname: string, labels: Readonly<Record<string, string>> = {}): Alert {
  return alertOf({ alertname, cluster: 'orders-dal', severity: 'critical', ...labels }, now());
}

function silence(minutes: number, text = 'cluster="orders-dal"'): Silence {
  const endsAt = now() + minutes * MINUTE;
  return setup.routing.silences.set({ matchers: [parseMatcher(text)], startsAt: now(), endsAt, createdBy: 'ann', comment: '' });
}

async function ends(alertThatFires: Alert): Promise<void> {
  await setup.receive(resolved(alertThatFires, now()));
}

async function restart(startGraceMs = 0): Promise<void> {
  setup.kill();
  setup.setRouting({ startGraceMs });
  setup.start();
  await setup.clock.advance(0);
}

describe('a silence', () => {
  it('holds back what begins, and what still fires is told when it ends, with its real beginning', async () => {
    silence(10);
    const crash = alert('BrokerCrashed', { broker: '2' });
    await setup.receive(crash);
    await setup.clock.advance(9 * MINUTE);
    await setup.receive(crash);
    expect([told(), setup.routing.openIncidents()]).toEqual([[], []]);
    await setup.clock.advance(MINUTE);
    expect(told()).toEqual(['first firing loud']);
    expect(setup.notifier('owner/orders slack').delivered[0]?.alerts[0]?.startsAt).toBe(crash.startsAt);
    await setup.receive(crash);
    await setup.clock.advance(MINUTE);
    expect(told()).toEqual(['first firing loud']);
  });

  it('ended by hand lets everything through in one message', async () => {
    const { id } = silence(600);
    await setup.receive(alert('BrokerCrashed', { broker: '2' }), alert('LeaderLoss'));
    setup.routing.silences.expire(id);
    await setup.clock.advance(0);
    expect(told()).toEqual(['first firing loud']);
    expect(setup.notifier('owner/orders slack').delivered[0]?.alerts).toHaveLength(2);
  });

  it('makes that nobody ever hears of what ends meanwhile, but leaves a trace', async () => {
    const { id } = silence(10);
    const crash = alert('BrokerCrashed', { broker: '2' });
    await setup.receive(crash);
    await setup.clock.advance(MINUTE);
    await ends(crash);
    await setup.clock.advance(HOUR);
    for (const way of ['slack', 'email', 'webhook']) expect(told(way)).toEqual([]);
    const trace = [{ labels: crash.labels, startsAt: crash.startsAt, endsAt: crash.startsAt + MINUTE, because: `silence ${id}` }];
    expect(setup.routing.mutedHistory()).toMatchObject(trace);
    await restart();
    expect(setup.routing.mutedHistory()).toMatchObject(trace);
  });

  it('makes that what ends while Belfry is down leaves its trace too, once', async () => {
    const { id } = silence(60);
    const crash = alert('BrokerCrashed', { broker: '2' });
    const rest = { ruleKey: 'r', alertKey: crash.labels.key, shard: 'orders-dal', labels: crash.labels.toObject(), annotations: {} };
    const times = { value: 1, activeAt: now(), firedAt: now(), resolvedAt: 0, lastSentAt: now(), keepFiringSince: 0 };
    new AlertStore(setup.db).saveAlert({ ...rest, ...times, state: 'firing', resolveReason: '' });
    await setup.receive(crash);
    await restart();
    await setup.clock.advance(MINUTE);
    await ends(crash);
    const trace = [{ labels: crash.labels, because: `silence ${id}, it ended while Belfry was not running` }];
    expect(setup.routing.mutedHistory()).toMatchObject(trace);
    // Rules say the end again for a while, and it is new alerts that are of interest then.
    await ends(crash);
    expect(setup.routing.mutedHistory()).toMatchObject(trace);
    expect(told()).toEqual([]);
  });

  it('made after people were told keeps them from more; that it is over is told without a ping', async () => {
    const crash = alert('BrokerCrashed', { broker: '2' });
    await setup.receive(crash);
    silence(600);
    await setup.receive(alert('LeaderLoss'));
    await setup.clock.advance(5 * HOUR);
    expect([told('slack'), told('email')]).toEqual([['first firing loud'], ['first firing loud']]);
    await ends(crash);
    await setup.clock.advance(SECOND);
    // A mail cannot be quiet, and whoever got the first must get the last.
    expect(told('slack')).toEqual(['first firing loud', 'all_resolved resolved']);
    expect(told('email')).toEqual(['first firing loud', 'all_resolved resolved loud']);
  });

  it('puts reminders off until it has ended', async () => {
    await setup.receive(alert('BrokerCrashed', { broker: '2' }));
    silence(300);
    await setup.clock.advance(5 * HOUR - SECOND);
    expect(told()).toEqual(['first firing loud']);
    await setup.clock.advance(2 * MINUTE);
    expect(told()).toEqual(['first firing loud', 'repeat firing loud']);
  });

  it('made after people were told keeps a fault that grows from pinging; they are told how large it is when it has ended', async () => {
    const lost = (partitions: number): Alert => ({
      ...alert('LeaderLoss'),
      annotations: Labels.of({ belfry_effect: `${partitions} partitions cannot be written`, belfry_extent: String(partitions) }),
    });
    await setup.receive(lost(3));
    silence(10);
    await setup.receive(lost(40));
    await setup.clock.advance(9 * MINUTE);
    await setup.receive(lost(50));
    await setup.clock.advance(MINUTE);
    expect(told()).toEqual(['first firing loud']);
    await setup.receive(lost(50));
    await setup.clock.advance(SECOND);
    expect(told()).toEqual(['first firing loud', 'worse firing loud']);
  });

  it('of all that people were told does not make a mere edit of what begins beside it', async () => {
    await setup.receive(alert('LeaderLoss'));
    silence(600, 'alertname="LeaderLoss"');
    await setup.clock.advance(HOUR);
    await setup.receive(alert('DiskLow', { severity: 'warning' }));
    await setup.receive(alert('UnderReplicated', { severity: 'warning' }));
    await ends(alert('DiskLow', { severity: 'warning' }));
    await ends(alert('UnderReplicated', { severity: 'warning' }));
    await setup.receive(alert('UnderReplicated', { severity: 'warning' }));
    await setup.clock.advance(6 * MINUTE);
    expect(told()).toEqual(['first firing loud', 'worse firing loud', 'new_alerts firing']);
    expect(told('email')).toEqual(['first firing loud', 'worse firing loud']);
  });

  it('that takes the place of another lets nothing through between the two: when it was changed, and when one begins as the other ends', async () => {
    const first = silence(10);
    await setup.receive(alert('LeaderLoss'));
    const matchers = [parseMatcher('alertname=~"Leader.*"')];
    const { endsAt } = setup.routing.silences.set({ ...first, matchers });
    setup.routing.silences.set({ ...first, id: '', startsAt: endsAt, endsAt: endsAt + MINUTE });
    await setup.clock.advance(endsAt - now() + MINUTE - SECOND);
    expect(told()).toEqual([]);
    await setup.clock.advance(SECOND);
    expect(told()).toEqual(['first firing loud']);
  });

  it('is about what it matches, and nothing else', async () => {
    silence(10, 'alertname="LeaderLoss"');
    await setup.receive(alert('LeaderLoss'), alert('BrokerCrashed', { broker: '2' }));
    expect(setup.notifier('owner/orders slack').delivered[0]?.alerts.map(({ labels }) => labels.get('alertname'))).toEqual([
      'BrokerCrashed',
    ]);
  });

  it.each([false, true])('survives kill -9 (disk broken meanwhile: %s)', async (isBroken) => {
    if (isBroken) setup.failDisk();
    const { id } = silence(10);
    const crash = alert('BrokerCrashed', { broker: '2' });
    await setup.receive(crash);
    expect(mutedBy(crash)?.silences).toEqual([id]);
    if (isBroken) await setup.repairDisk();
    await restart();
    await setup.receive(crash);
    await setup.clock.advance(9 * MINUTE - 2 * SECOND);
    expect([told(), mutedBy(crash)?.silences]).toEqual([[], [id]]);
    await setup.clock.advance(2 * MINUTE);
    expect(told()).toEqual(['first firing loud']);
  });

  it('keeps a question of the auto-pilot from pinging only where it is about such questions', async () => {
    silence(10, 'alertname="LeaderLoss"');
    const note = { cluster: 'orders-dal', broker: 2, text: 'Approve the restart of broker 2?', loud: true, at: now() };
    setup.routing.note(note);
    await setup.clock.advance(0);
    expect(told()).toEqual(['first firing loud']);
    silence(10, 'alertname="AutopilotNote"');
    setup.routing.note({ ...note, at: now() });
    await setup.clock.advance(SECOND);
    expect(told()).toEqual(['first firing loud', 'note firing']);
  });
});

describe('inhibition', () => {
  it('holds back what comes with its source, and what comes after it', async () => {
    const cluster = alert('ClusterUnreachable');
    await setup.receive(alert('LeaderLoss'), cluster);
    await setup.receive(alert('NoQuorumLeader'));
    expect(setup.notifier('owner/orders slack').delivered[0]?.alerts.map(({ labels }) => labels.get('alertname'))).toEqual([
      'ClusterUnreachable',
    ]);
    expect(mutedBy(alert('LeaderLoss'))?.inhibitedBy).toEqual([cluster.labels.key]);
  });

  it('lets through what still fires a while after its source has ended, once', async () => {
    const cluster = alert('ClusterUnreachable');
    const loss = alert('LeaderLoss');
    await setup.receive(cluster, loss);
    await ends(cluster);
    await setup.clock.advance(HOLD - 1);
    expect(told()).toEqual(['first firing loud', 'all_resolved resolved loud']);
    await setup.clock.advance(1);
    expect(told()).toEqual(['first firing loud', 'all_resolved resolved loud', 'first firing loud']);
    await setup.receive(cluster);
    await ends(cluster);
    await setup.clock.advance(HOLD);
    expect(told().filter((line) => line === 'first firing loud')).toHaveLength(2);
  });

  it('is not undone by a source that comes and goes', async () => {
    const loss = alert('LeaderLoss');
    const cluster = alert('ClusterUnreachable');
    await setup.receive(cluster, loss);
    for (let i = 0; i < 3; i++) {
      await ends(cluster);
      await setup.clock.advance(HOLD - SECOND);
      await setup.receive(cluster);
      await setup.clock.advance(SECOND);
    }
    const names = setup
      .notifier('owner/orders webhook')
      .delivered.flatMap(({ alerts }) => alerts.map(({ labels }) => labels.get('alertname')));
    expect([...new Set(names)]).toEqual(['ClusterUnreachable']);
  });

  it('by a source that is silenced works, too', async () => {
    silence(10, 'alertname="ClusterUnreachable"');
    await setup.receive(alert('ClusterUnreachable'), alert('LeaderLoss'));
    expect(told()).toEqual([]);
  });

  it('follows the rules of a reloaded configuration', async () => {
    await setup.receive(alert('ClusterUnreachable'), alert('LeaderLoss'));
    rules = [];
    setup.routing.reload();
    await setup.clock.advance(SECOND);
    expect(setup.notifier('owner/orders slack').delivered.at(-1)?.alerts).toHaveLength(2);
    rules = defaultInhibitRules();
    setup.routing.reload();
    await setup.receive(alert('NoQuorumLeader'));
    expect(setup.notifier('owner/orders slack').delivered.at(-1)?.alerts).toHaveLength(2);
  });

  it('by what has just ended goes on over a reload', async () => {
    const cluster = alert('ClusterUnreachable');
    await setup.receive(cluster, alert('LeaderLoss'));
    await ends(cluster);
    setup.routing.reload();
    await setup.clock.advance(HOLD - SECOND);
    expect(told()).toEqual(['first firing loud', 'all_resolved resolved loud']);
    await setup.clock.advance(SECOND);
    expect(told().slice(2)).toEqual(['first firing loud']);
  });

  it('by what was told before a restart works from the first moment', async () => {
    await setup.receive(alert('ClusterUnreachable'));
    await restart();
    await setup.receive(alert('LeaderLoss'));
    await setup.clock.advance(MINUTE);
    expect(told()).toEqual(['first firing loud']);
  });
});

describe('after a start', () => {
  it('what something could inhibit waits for it, and is told when it does not come', async () => {
    await restart(15 * SECOND);
    await setup.receive(alert('LeaderLoss'));
    await setup.clock.advance(15 * SECOND - 1);
    expect([told(), mutedBy(alert('LeaderLoss'))?.starting]).toEqual([[], true]);
    await setup.clock.advance(1);
    expect(told()).toEqual(['first firing loud']);
  });

  it('waits no longer than until all sources are known', async () => {
    await restart(15 * SECOND);
    await setup.receive(alert('LeaderLoss'));
    await setup.clock.advance(SECOND);
    sourcesKnown = true;
    await setup.clock.advance(100);
    expect(told()).toEqual(['first firing loud']);
    await setup.receive(alert('DiskLow', { cluster: 'orders-fra' }));
    expect(told()).toEqual(['first firing loud', 'first firing loud']);
  });

  it('ends when it is told to', async () => {
    await restart(15 * SECOND);
    await setup.receive(alert('LeaderLoss'));
    setup.routing.endGrace();
    await setup.clock.advance(0);
    expect(told()).toEqual(['first firing loud']);
  });

  it('a source that comes in time inhibits what waits', async () => {
    await restart(15 * SECOND);
    await setup.receive(alert('LeaderLoss'));
    await setup.clock.advance(5 * SECOND);
    await setup.receive(alert('ClusterUnreachable'));
    await setup.clock.advance(15 * SECOND);
    const names = setup.notifier('owner/orders webhook').delivered.map(({ alerts }) => alerts.map(({ labels }) => labels.get('alertname')));
    expect(names).toEqual([['ClusterUnreachable']]);
  });

  it('what nothing could inhibit does not wait, nor does what was told before', async () => {
    const loss = alert('LeaderLoss');
    await setup.receive(loss);
    await restart(15 * SECOND);
    const own = alertOf({ alertname: 'BelfryStateNotDurable', severity: 'critical', audience: 'platform' }, now());
    await setup.receive(own, loss);
    expect(setup.notifier('owner/platform webhook').told).toEqual(['first firing loud']);
    expect([told(), mutedBy(loss)?.starting]).toEqual([['first firing loud'], false]);
  });
});

describe('a maintenance window', () => {
  const untilMinute = async (): Promise<void> => setup.clock.advance(MINUTE - (now() % MINUTE));

  it('mutes its cluster while it is open; what still fires when it closes is told then', async () => {
    windows = ['weekly'];
    const own = alertOf({ alertname: 'BelfryClockStepped', severity: 'warning', audience: 'platform' }, now());
    await setup.receive(alert('LeaderLoss'), alert('LeaderLoss', { cluster: 'pay-dal' }), own);
    expect([told(), mutedBy(alert('LeaderLoss'))?.maintenance]).toEqual([[], ['weekly']]);
    expect(setup.notifier('owner/payments webhook').told).toEqual(['first firing loud']);
    expect(setup.notifier('owner/platform webhook').told).toEqual(['first firing loud']);
    await setup.clock.advance(10 * MINUTE);
    windows = [];
    await untilMinute();
    expect(told()).toEqual(['first firing loud']);
  });

  it('that opens later holds back what comes from then on, and one that was there from beginning to end leaves a trace', async () => {
    await setup.receive(alert('DiskLow', { severity: 'warning' }));
    windows = ['weekly', 'yearly'];
    await untilMinute();
    const loss = alert('LeaderLoss');
    await setup.receive(loss);
    await setup.clock.advance(MINUTE);
    await ends(loss);
    windows = [];
    await setup.clock.advance(HOUR);
    expect(told()).toEqual(['first firing loud']);
    expect(setup.routing.mutedHistory()).toMatchObject([{ labels: loss.labels, because: 'maintenance weekly, maintenance yearly' }]);
  });
});

describe('an alert that flaps', () => {
  it('is told as such once, and as over when it has been steady', async () => {
    const crash = alert('BrokerCrashed', { broker: '2' });
    for (let i = 0; i < 12; i++) {
      await setup.receive({ ...crash, startsAt: now() });
      await setup.clock.advance(20 * SECOND);
      await ends(crash);
      await setup.clock.advance(20 * SECOND);
    }
    const pair = ['first firing loud', 'all_resolved resolved loud'];
    expect(told()).toEqual([...pair, ...pair, ...pair, 'first firing loud']);
    expect(setup.notifier('owner/orders slack').delivered.at(-1)?.events.at(-1)?.text).toBe(
      'BrokerCrashed flaps: it began 4 times within 15 m. It counts as firing until it has been steady for 10 m; nobody is pinged for it before.',
    );
    await setup.clock.advance(10 * MINUTE);
    expect(told().slice(7)).toEqual(['all_resolved resolved loud']);
  });

  it('that ended for good while it was silenced is told as over without a ping', async () => {
    const crash = alert('BrokerCrashed', { broker: '2' });
    for (let i = 0; i < 4; i++) {
      await setup.receive(crash);
      await setup.clock.advance(2 * SECOND);
      if (i < 3) await ends(crash);
      await setup.clock.advance(2 * SECOND);
    }
    silence(60);
    await ends(crash);
    await setup.clock.advance(11 * MINUTE);
    expect(told().slice(6)).toEqual(['first firing loud', 'all_resolved resolved']);
  });

  it('is over after a restart, too: rules say its end again', async () => {
    const crash = alert('BrokerCrashed', { broker: '2' });
    for (let i = 0; i < 4; i++) {
      await setup.receive(crash);
      await setup.clock.advance(2 * SECOND);
      await ends(crash);
      await setup.clock.advance(2 * SECOND);
    }
    expect(told().at(-1)).toBe('first firing loud');
    await restart();
    await ends(crash);
    await setup.clock.advance(SECOND);
    expect(told().at(-1)).toBe('all_resolved resolved loud');
  });
});

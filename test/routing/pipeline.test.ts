import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Alert } from '../../src/core/alert.ts';
import { Labels } from '../../src/core/labels.ts';
import { alertOf, resolved, Setup } from './setup.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

let setup: Setup;

beforeEach(() => {
  setup = new Setup();
});

afterEach(async () => {
  await setup.end();
  expect(setup.clock.pendingTimers).toBe(0);
});

async function receiveAndWait(...alerts: readonly Alert[]): Promise<void> {
  await setup.receive(...alerts);
  await setup.clock.advance(1000);
}

function told(name: string): readonly string[] {
  return setup.notifier(name).told;
}

function crashed(broker: string, severity = 'warning', cluster = 'orders-dal'): Alert {
  return alertOf({ alertname: 'BrokerCrashed', cluster, broker, severity }, setup.clock.now());
}

function underReplicated(cluster = 'orders-dal'): Alert {
  return alertOf({ alertname: 'UnderReplicated', cluster, severity: 'warning' }, setup.clock.now());
}

describe('what clients feel of an alert that fires still', () => {
  const lost = (count: number): Alert => ({
    ...alertOf({ alertname: 'LeaderLoss', cluster: 'orders-dal', severity: 'critical' }, setup.clock.now()),
    annotations: Labels.of({ belfry_effect: `${count} partitions cannot be written`, belfry_extent: String(count) }),
  });

  it('pings anew where it reaches further, and is an edit where it does not; mails and webhooks are not edited', async () => {
    await receiveAndWait(lost(3));
    await receiveAndWait(lost(40));
    await receiveAndWait(lost(2));
    expect(told('owner/orders slack')).toEqual(['first firing loud', 'worse firing loud', 'changed firing']);
    expect(told('owner/orders webhook')).toEqual(['first firing loud', 'worse firing loud']);
    await setup.clock.advance(6 * MINUTE);
    expect(told('owner/orders email')).toEqual(['first firing loud', 'worse firing loud']);
    expect(
      setup
        .notifier('owner/orders slack')
        .delivered.at(-1)
        ?.events.map(({ kind }) => kind),
    ).toEqual(['firing', 'worse']);
  });
});

describe('one SIGKILL is one message that grows', () => {
  it('tells every destination of the owner at once, edits with what follows, and says once that it is over', async () => {
    const [crash, under] = [crashed('2'), underReplicated()];
    await setup.receive(crash);
    for (const way of ['slack', 'email', 'webhook']) expect(setup.notifier(`owner/orders ${way}`).told).toEqual(['first firing loud']);

    await setup.clock.advance(300);
    await setup.receive(under);
    await setup.clock.advance(1000);
    expect(setup.notifier('owner/orders slack').told).toEqual(['first firing loud', 'new_alerts firing']);
    expect(setup.notifier('owner/orders email').told).toEqual(['first firing loud']);

    await setup.receive(resolved(under, setup.clock.now()));
    await setup.receive(resolved(crash, setup.clock.now()));
    await setup.clock.advance(1000);
    for (const way of ['slack', 'email', 'webhook'])
      expect(setup.notifier(`owner/orders ${way}`).told.at(-1)).toBe('all_resolved resolved loud');
    const [first, , last] = setup.notifier('owner/orders slack').delivered;
    expect(first?.groupKey).toBe(last?.groupKey);
    expect(last?.events.map(({ kind, text }) => `${kind} ${text}`)).toEqual([
      'firing BrokerCrashed 2',
      'firing UnderReplicated',
      'resolved Over: UnderReplicated',
      'resolved Over: BrokerCrashed 2',
    ]);
    expect(setup.notifier('owner/platform webhook').told).toEqual([]);
  });

  it('goes on after a kill -9 between the decision and the delivery', async () => {
    setup.notifier('owner/orders slack').script.push('hang');
    await setup.receive(crashed('2'));
    setup.kill();
    setup.start();
    await setup.clock.advance(0);
    const seqs = setup.notifier('owner/orders slack').attempts.map(({ notification }) => notification.seq);
    expect(seqs).toEqual([1, 1]);
    expect(setup.notifier('owner/orders slack').told).toEqual(['first firing loud']);
    expect(setup.notifier('owner/orders webhook').told).toEqual(['first firing loud']);
    await setup.receive(crashed('2'));
    expect(setup.notifier('owner/orders webhook').told).toHaveLength(1);
  });
});

describe('who is told', () => {
  it('tells the default owner of what has no cluster, and of clusters without an owner', async () => {
    await setup.receive(
      alertOf({ alertname: 'BelfryIsolated', severity: 'critical' }, setup.clock.now()),
      crashed('1', 'warning', 'unowned'),
    );
    expect(told('owner/platform webhook')).toEqual(['first firing loud', 'first firing loud']);
    const [own, cluster] = setup.notifier('owner/platform webhook').delivered;
    expect([own?.groupLabels.toObject(), cluster?.groupLabels.toObject()]).toEqual([
      { alertname: 'BelfryIsolated' },
      { cluster: 'unowned' },
    ]);
    expect(cluster?.incident).toMatchObject({
      owner: 'platform',
      cluster: 'unowned',
      broker: '1',
      severity: 'warning',
      closedAt: undefined,
    });
  });

  it('tells the default owner of what only those who run Belfry can mend, apart from the cluster’s own incident', async () => {
    const blind = alertOf(
      { alertname: 'CollectorAuthFailed', cluster: 'orders-dal', audience: 'platform', severity: 'warning' },
      setup.clock.now(),
    );
    await setup.receive(crashed('2'), blind);
    expect(told('owner/platform webhook')).toEqual(['first firing loud']);
    expect(told('owner/orders webhook')).toEqual(['first firing loud']);
    expect(setup.notifier('owner/orders webhook').delivered[0]?.alerts).toHaveLength(1);
  });

  it('tells nobody, but keeps the incident, where no owner is configured', async () => {
    setup.owners.replace({ owners: new Map(), ownerOfCluster: new Map(), defaultOwner: '' });
    await setup.receive(crashed('2'));
    expect([...setup.notifiers.values()].flatMap(({ attempts }) => attempts)).toEqual([]);
    expect(setup.db.rows('incident')).toHaveLength(1);
  });

  it('sends the resolve to whoever got the firing, though the cluster has another owner now', async () => {
    await setup.receive(crashed('2'));
    const owners = new Map([['payments', [{ integration: 'webhook', index: 0 }]]]);
    setup.owners.replace({ owners, ownerOfCluster: new Map([['orders-dal', 'payments']]), defaultOwner: 'payments' });
    await receiveAndWait(resolved(crashed('2'), setup.clock.now()));
    expect(told('owner/orders slack')).toEqual(['first firing loud', 'all_resolved resolved loud']);
    expect(told('owner/payments webhook')).toEqual([]);
    await receiveAndWait(crashed('3'));
    expect(told('owner/payments webhook')).toEqual(['first firing loud']);
  });

  it('tells the default owner, and says so in the story, when an owner cannot be reached; and the owner again on the next news', async () => {
    for (const way of ['slack', 'email', 'webhook'])
      setup.notifier(`owner/orders ${way}`).otherwise = { kind: 'give_up', reason: 'revoked' };
    await setup.receive(crashed('2'));
    await setup.clock.advance(0);
    expect(told('owner/platform webhook')).toEqual(['first firing loud']);
    await receiveAndWait(underReplicated());
    const last = setup.notifier('owner/platform webhook').delivered.at(-1);
    expect(last?.reason).toBe('new_alerts');
    expect(last?.events.map(({ text }) => text)).toContain('Could not tell owner/orders by slack: revoked');
    setup.notifier('owner/orders slack').otherwise = { kind: 'delivered' };
    await receiveAndWait(crashed('3'));
    expect(told('owner/orders slack')).toEqual(['first firing loud']);
    await receiveAndWait(...[crashed('2'), crashed('3'), underReplicated()].map((alert) => resolved(alert, setup.clock.now())));
    expect(told('owner/platform webhook').at(-1)).toBe('all_resolved resolved loud');
    expect(told('owner/orders slack').at(-1)).toBe('all_resolved resolved loud');
    expect(told('owner/orders email')).toEqual([]);
  });

  it('tells another owner, once, when an owner could be told by no way for a quarter of an hour; and goes on trying', async () => {
    const down = { kind: 'retry', reason: 'connection refused' } as const;
    for (const way of ['slack', 'email', 'webhook']) setup.notifier(`owner/orders ${way}`).otherwise = down;
    await setup.receive(crashed('2'));
    await setup.clock.advance(14 * MINUTE);
    expect(told('owner/platform webhook')).toEqual([]);
    await setup.clock.advance(2 * MINUTE);
    expect(told('owner/platform webhook')).toEqual(['first firing loud']);
    const texts = setup.notifier('owner/platform webhook').delivered[0]?.events.map(({ text }) => text);
    expect(texts?.filter((text) => text.startsWith('Could not yet'))).toEqual([
      'Could not yet tell owner/orders by slack: connection refused',
    ]);
    setup.kill();
    setup.start();
    for (const way of ['slack', 'email', 'webhook']) setup.notifier(`owner/orders ${way}`).otherwise = { kind: 'delivered' };
    await setup.clock.advance(20 * MINUTE);
    expect([told('owner/platform webhook'), told('owner/orders slack')]).toEqual([['first firing loud'], ['first firing loud']]);
    await receiveAndWait(resolved(crashed('2'), setup.clock.now()));
    for (const name of ['owner/platform webhook', 'owner/orders slack']) expect(told(name).at(-1)).toBe('all_resolved resolved loud');
  });

  it('tells nobody else where one way of the owner works, and who is told then can be said', async () => {
    for (const way of ['slack', 'email']) setup.notifier(`owner/orders ${way}`).otherwise = { kind: 'retry', reason: 'down' };
    await setup.receive(crashed('2'));
    await setup.clock.advance(60 * MINUTE);
    expect([told('owner/platform webhook'), told('owner/orders webhook')]).toEqual([[], ['first firing loud']]);
    setup.kill();
    setup.setRouting({ fallbackOwner: () => 'payments' });
    setup.start();
    setup.notifier('owner/orders webhook').otherwise = { kind: 'retry', reason: 'down' };
    await setup.receive(crashed('3', 'warning', 'orders-fra'));
    await setup.clock.advance(16 * MINUTE);
    expect([told('owner/platform webhook'), told('owner/payments webhook')]).toEqual([[], ['first firing loud']]);
  });

  it('does not go round in circles when the default owner cannot be reached either', async () => {
    for (const notifier of setup.notifiers.values()) notifier.otherwise = { kind: 'give_up', reason: 'revoked' };
    await setup.receive(crashed('2'));
    await setup.clock.advance(MINUTE);
    expect([...setup.notifiers.values()].map(({ attempts }) => attempts.length)).toEqual([1, 1, 1, 0, 1]);
  });
});

describe('how often', () => {
  it('pings for what is worse, at once', async () => {
    await setup.receive(crashed('2'));
    await setup.receive(crashed('3'));
    await setup.receive(alertOf({ alertname: 'LeaderLoss', cluster: 'orders-dal', severity: 'critical' }, setup.clock.now()));
    expect(told('owner/orders webhook')).toEqual(['first firing loud', 'worse firing loud', 'worse firing loud']);
    expect(setup.notifier('owner/orders webhook').delivered.at(-1)?.incident.severity).toBe('critical');
  });

  it('sends mail at most once in 5 minutes, with all that came meanwhile, but the resolve at once', async () => {
    await setup.receive(crashed('2'));
    await setup.clock.advance(10_000);
    await setup.receive(crashed('3'));
    await setup.receive(crashed('1'));
    await setup.clock.advance(5 * MINUTE - 10_001);
    expect(told('owner/orders email')).toEqual(['first firing loud']);
    await setup.clock.advance(1);
    expect(told('owner/orders email')).toEqual(['first firing loud', 'worse firing loud']);
    expect(setup.notifier('owner/orders email').delivered.at(-1)?.alerts).toHaveLength(3);
    await receiveAndWait(...['1', '2', '3'].map((broker) => resolved(crashed(broker), setup.clock.now())));
    expect(told('owner/orders email').at(-1)).toBe('all_resolved resolved loud');
  });

  it('pings for a critical alert that comes back hours later, though a warning has gone on all the while', async () => {
    await receiveAndWait(underReplicated());
    for (let i = 0; i < 2; i++) {
      await receiveAndWait(crashed('2', 'critical'));
      await setup.clock.advance(10 * MINUTE);
      await receiveAndWait(resolved(crashed('2', 'critical'), setup.clock.now()));
      await setup.clock.advance(2 * HOUR);
    }
    expect(told('owner/orders email')).toEqual(['first firing loud', 'worse firing loud', 'worse firing loud']);
    expect(told('owner/orders slack').filter((text) => text.endsWith('loud'))).toEqual(told('owner/orders email'));
  });

  it('sends nothing for an alert that is sent again unchanged', async () => {
    for (let i = 0; i < 5; i++) await receiveAndWait(crashed('2'));
    expect(told('owner/orders webhook')).toEqual(['first firing loud']);
  });

  it('reminds of a critical incident every 4 hours, also over a restart, and of a warning never', async () => {
    await setup.receive(crashed('2', 'critical'), crashed('1', 'warning', 'orders-fra'));
    await setup.clock.advance(3 * HOUR);
    setup.kill();
    setup.start();
    await setup.clock.advance(HOUR - 1);
    expect(told('owner/orders slack')).toHaveLength(2);
    await setup.clock.advance(1);
    expect(told('owner/orders slack').slice(2)).toEqual(['repeat firing loud']);
    await setup.clock.advance(4 * HOUR);
    expect(told('owner/orders slack').slice(2)).toEqual(['repeat firing loud', 'repeat firing loud']);
    expect(told('owner/orders email').slice(2)).toEqual(['repeat firing loud', 'repeat firing loud']);
  });
});

describe('when the outbox has no room', () => {
  beforeEach(async () => {
    await setup.end();
    setup = new Setup({ settings: { messagesMax: 0 } });
  });

  it('decides anew on the next change', async () => {
    await setup.receive(crashed('1', 'warning', 'pay-dal'));
    expect(setup.db.rows('dedup')).toEqual([]);
    setup.kill();
    setup.setSettings({});
    setup.start();
    await receiveAndWait(crashed('2', 'warning', 'pay-dal'));
    expect(told('owner/payments webhook')).toEqual(['first firing loud']);
    expect(setup.notifier('owner/payments webhook').delivered[0]?.alerts).toHaveLength(2);
  });

  it('keeps the incident open until the resolve has found room, and asks for it now and then', async () => {
    setup.kill();
    setup.setSettings({});
    setup.start();
    await setup.receive(crashed('1', 'critical', 'pay-dal'));
    setup.kill();
    setup.setSettings({ messagesMax: 0 });
    setup.start();
    await setup.clock.advance(4 * HOUR + MINUTE);
    await receiveAndWait(resolved(crashed('1', 'critical', 'pay-dal'), setup.clock.now()));
    await setup.clock.advance(12 * MINUTE);
    expect(setup.db.rows('incident').map(({ closedAt }) => closedAt)).toEqual([0]);
    setup.kill();
    setup.setSettings({});
    setup.start();
    await setup.clock.advance(6 * MINUTE);
    expect(told('owner/payments webhook')).toEqual(['first firing loud', 'all_resolved resolved loud']);
    expect(setup.db.rows('incident').map(({ closedAt }) => closedAt > 0)).toEqual([true]);
  });
});

describe('the end of an incident', () => {
  const groups = (): readonly (string | undefined)[] => setup.notifier('owner/orders webhook').delivered.map(({ groupKey }) => groupKey);

  it('is the same incident when an alert comes back within 5 minutes, with one resolve for each time', async () => {
    for (let i = 0; i < 3; i++) {
      await receiveAndWait(crashed('2'));
      await receiveAndWait(resolved(crashed('2'), setup.clock.now()));
      await setup.clock.advance(4 * MINUTE);
    }
    expect(new Set(groups()).size).toBe(1);
    expect(told('owner/orders webhook')).toEqual(
      Array.from({ length: 3 }, () => ['first firing loud', 'all_resolved resolved loud']).flat(),
    );
  });

  it('sends nothing when it flaps within the group interval, once it was told', async () => {
    await setup.receive(crashed('2'));
    for (let i = 0; i < 5; i++) {
      await setup.receive(resolved(crashed('2'), setup.clock.now()));
      await setup.receive(crashed('2'));
    }
    await setup.clock.advance(2000);
    expect(told('owner/orders webhook').filter((text) => text.startsWith('all_resolved'))).toEqual([]);
  });

  it.each(['while it runs', 'over a restart'])(
    'comes 5 minutes after its last alert was resolved, %s; what follows is another',
    async (how) => {
      await receiveAndWait(crashed('2'));
      await receiveAndWait(resolved(crashed('2'), setup.clock.now()));
      if (how === 'over a restart') {
        setup.kill();
        await setup.clock.advance(10 * MINUTE);
        setup.start();
      }
      await setup.clock.advance(5 * MINUTE);
      expect(setup.db.rows('incident').map(({ closedAt }) => closedAt > 0)).toEqual([true]);
      for (const entity of ['dedup', 'delivery', 'outbox'] as const) expect(setup.db.rows(entity)).toEqual([]);
      expect(setup.db.rows('incident_event').map(({ kind }) => kind)).toEqual(['firing', 'resolved', 'closed']);
      await receiveAndWait(crashed('2'));
      expect(new Set(groups()).size).toBe(2);
    },
  );

  it('keeps what a closed incident still has to tell, over a restart, until it is told', async () => {
    await receiveAndWait(crashed('2'));
    setup.notifier('owner/orders webhook').otherwise = { kind: 'retry', reason: 'refused' };
    await receiveAndWait(resolved(crashed('2'), setup.clock.now()));
    await setup.clock.advance(10 * MINUTE);
    expect(setup.db.rows('incident').map(({ closedAt }) => closedAt > 0)).toEqual([true]);
    setup.kill();
    setup.start();
    setup.notifier('owner/orders webhook').otherwise = { kind: 'delivered' };
    await setup.clock.advance(5 * MINUTE);
    expect(told('owner/orders webhook')).toEqual(['first firing loud', 'all_resolved resolved loud']);
    for (const entity of ['dedup', 'delivery', 'outbox'] as const) expect(setup.db.rows(entity)).toEqual([]);
  });

  it('is forgotten after 30 days', async () => {
    await receiveAndWait(crashed('2'));
    await receiveAndWait(resolved(crashed('2'), setup.clock.now()));
    await setup.clock.advance(31 * 24 * HOUR);
    expect(setup.db.rows('incident')).toHaveLength(1);
    setup.kill();
    setup.start();
    for (const entity of ['incident', 'incident_alert', 'incident_event'] as const) expect(setup.db.rows(entity)).toEqual([]);
  });
});

describe('when state cannot be written', () => {
  it('goes on telling from memory', async () => {
    setup.failDisk();
    await receiveAndWait(crashed('2'));
    await receiveAndWait(resolved(crashed('2'), setup.clock.now()));
    expect(setup.db.durable).toBe(false);
    expect(told('owner/orders webhook')).toEqual(['first firing loud', 'all_resolved resolved loud']);
    await setup.repairDisk();
    expect(setup.db.durable).toBe(true);
    expect(setup.db.rows('outbox')).toEqual([]);
    expect(setup.db.rows('delivery')).toHaveLength(3);
  });
});

describe('a transaction', () => {
  it('is one for routing with the outbox, and one for each delivery', async () => {
    let commits = 0;
    const durably = setup.db.durably.bind(setup.db);
    let depth = 0;
    setup.db.durably = (write) => {
      if (depth++ === 0) commits++;
      try {
        return durably(write);
      } finally {
        depth--;
      }
    };
    await setup.receive(crashed('1', 'warning', 'pay-dal'));
    expect(told('owner/payments webhook')).toHaveLength(1);
    expect(commits).toBe(2);
  });
});

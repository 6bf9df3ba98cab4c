import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Alert } from '../../src/core/alert.ts';
import { alertOf, resolved, Setup } from './setup.ts';

let setup: Setup;

beforeEach(() => {
  setup = new Setup();
});

afterEach(async () => {
  await setup.end();
  expect(setup.clock.pendingTimers).toBe(0);
});

function crashed(broker: string, severity = 'warning', cluster = 'orders-dal'): Alert {
  return alertOf({ alertname: 'BrokerCrashed', cluster, broker, severity }, setup.clock.now());
}

function underReplicated(cluster = 'orders-dal'): Alert {
  return alertOf({ alertname: 'UnderReplicated', cluster, severity: 'warning' }, setup.clock.now());
}

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

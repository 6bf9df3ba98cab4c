import { afterEach, describe, expect, it } from '@jest/globals';
import { silentMeter, type Meter } from '../../src/core/meter.ts';
import { replaceMessage } from '../../src/outbox/message.ts';
import { OUTBOX_SETTINGS } from '../../src/outbox/options.ts';
import { OutboxSetup } from './setup.ts';

let setup = new OutboxSetup();

function begin(...args: ConstructorParameters<typeof OutboxSetup>): OutboxSetup {
  setup = new OutboxSetup(...args);
  return setup;
}

afterEach(async () => {
  await setup.stop();
  expect(setup.clock.pendingTimers).toBe(0);
});

const RETRY = { kind: 'retry', reason: 'connection refused' } as const;

describe('delivering', () => {
  it('sends at once, notes what was delivered and what the receiver wants to remember', async () => {
    begin()
      .notifier()
      .script.push({ kind: 'delivered', receiverData: { ts: '1.2' } });
    await setup.enqueue();
    await setup.enqueue({ seq: 2, reason: 'worse' });
    expect(setup.events).toEqual(['delivered 1 first after 0 ms', 'delivered 2 worse after 0 ms']);
    expect(setup.notifier().attempts.map(({ previous }) => previous)).toEqual([{}, { ts: '1.2' }]);
    expect([...setup.store.deliveries.values()].map(({ seq, status, data }) => ({ seq, status, data }))).toEqual([
      { seq: 2, status: 'firing', data: { ts: '1.2' } },
    ]);
    expect(setup.store.messages.size).toBe(0);
    expect(setup.store.transactions).toBe(2);
  });

  it('sends nothing before the transaction that queued it has ended', async () => {
    begin().notifier();
    setup.known.add('incident/1');
    setup.outbox.enqueue(setup.message());
    expect(setup.notifier().attempts).toHaveLength(0);
    await setup.clock.advance(0);
    expect(setup.notifier().attempts).toHaveLength(1);
  });

  it('keeps an edit back until it is due, and sends what came meanwhile with it', async () => {
    begin().notifier();
    await setup.enqueue();
    const notBefore = setup.clock.now() + 1000;
    await setup.enqueue({ seq: 2, reason: 'new_alerts', loud: false, notBefore });
    await setup.clock.advance(500);
    await setup.enqueue({ seq: 3, reason: 'some_resolved', loud: false, notBefore: notBefore + 500 });
    expect(setup.notifier().attempts).toHaveLength(1);
    await setup.clock.advance(500);
    expect(setup.events.slice(1)).toEqual(['delivered 3 new_alerts after 1000 ms']);
  });

  it('has one message on its way to a destination, and several destinations at a time', async () => {
    begin().notifier().script.push('hang');
    await setup.enqueue();
    await setup.enqueue({ groupKey: 'incident/2' });
    setup.notifier('slack');
    await setup.enqueue({ integration: 'slack' });
    expect(setup.events).toEqual(['delivered 1 first after 0 ms']);
    setup.notifier().release({ kind: 'delivered' });
    await setup.clock.advance(0);
    expect(setup.events).toHaveLength(3);
    expect(setup.notifier().mostAtOnce).toBe(1);
  });

  it('has no more attempts at once than it may', async () => {
    begin({ concurrency: 2 });
    for (let i = 0; i < 4; i++) {
      setup.notifier('webhook', `owner/${i}`).script.push('hang');
      await setup.enqueue({ receiver: `owner/${i}` });
    }
    const attempts = (): number => [...setup.notifiers.values()].reduce((sum, { attempts: { length } }) => sum + length, 0);
    expect(attempts()).toBe(2);
    setup.notifier('webhook', 'owner/0').release({ kind: 'delivered' });
    await setup.clock.advance(0);
    expect(attempts()).toBe(3);
  });

  it('keeps to the pace of a channel: three at once, then one a second, loud ones first', async () => {
    begin().notifier('slack');
    for (let i = 0; i < 6; i++) setup.known.add(`incident/${i}`);
    for (let i = 0; i < 6; i++)
      setup.outbox.enqueue(setup.message({ integration: 'slack', groupKey: `incident/${i}`, seq: i, loud: i > 1 }));
    await setup.clock.advance(0);
    expect(setup.events).toHaveLength(3);
    await setup.clock.advance(999);
    expect(setup.events).toHaveLength(3);
    await setup.clock.advance(2001);
    expect(setup.notifier('slack').delivered.map(({ seq }) => seq)).toEqual([2, 3, 4, 5, 0, 1]);
    await setup.enqueue({ integration: 'slack', groupKey: 'incident/0', seq: 9 });
    expect(setup.events).toHaveLength(6);
    await setup.clock.advance(1000);
    expect(setup.events).toHaveLength(7);
  });
});

describe('a message that replaces another', () => {
  const at = (seq: number, reason: 'first' | 'worse' | 'new_alerts' | 'some_resolved' | 'all_resolved' | 'repeat', notBefore = 0) =>
    setup.message({
      seq,
      reason,
      notBefore,
      queuedAt: seq,
      status: reason === 'all_resolved' ? 'resolved' : 'firing',
      loud: !['new_alerts', 'some_resolved'].includes(reason),
    });

  // number, the older, the newer, what is left: reason, loud, when
  it.each([
    [1, at(1, 'first'), at(2, 'new_alerts', 1000), 'first', true, 0],
    [2, at(1, 'first'), at(2, 'worse', 300), 'first', true, 0],
    [3, at(1, 'new_alerts', 1000), at(2, 'worse', 0), 'worse', true, 0],
    [4, at(1, 'new_alerts', 1000), at(2, 'some_resolved', 1500), 'new_alerts', false, 1000],
    [5, at(1, 'worse', 9000), at(2, 'all_resolved', 1000), 'all_resolved', true, 1000],
    [6, at(1, 'all_resolved', 500), at(2, 'first', 9000), 'first', true, 9000],
    [9, at(1, 'all_resolved', 500), at(2, 'new_alerts', 900), 'new_alerts', false, 900],
    [10, at(1, 'first', 0), at(2, 'all_resolved', 1000), 'all_resolved', true, 1000],
    [7, at(1, 'repeat'), at(2, 'some_resolved', 1000), 'repeat', true, 0],
    [8, at(1, 'some_resolved', 1000), at(2, 'new_alerts', 2000), 'new_alerts', false, 1000],
  ] as const)('%i.', (_, older, newer, reason, loud, notBefore) => {
    expect(replaceMessage(older, newer)).toEqual({ ...newer, reason, loud, notBefore, queuedAt: 1 });
  });

  it('is one more message where the older is on its way, and takes it over where that fails', async () => {
    begin().notifier().script.push('hang', 'hang');
    await setup.enqueue();
    await setup.enqueue({ seq: 2, reason: 'new_alerts', loud: false });
    expect([...setup.store.messages.values()]).toMatchObject([{ seq: 2, reason: 'first', loud: true }]);
    setup.notifier().release({ kind: 'delivered' });
    await setup.clock.advance(0);
    expect([...setup.store.messages.values()]).toMatchObject([{ seq: 2, reason: 'new_alerts', loud: false }]);
    await setup.enqueue({ seq: 3, reason: 'some_resolved', loud: false });
    setup.notifier().release(RETRY);
    await setup.clock.advance(0);
    await setup.clock.advance(1000);
    expect(setup.notifier().told).toEqual(['first firing loud', 'new_alerts firing']);
    expect(setup.notifier().delivered.map(({ seq }) => seq)).toEqual([1, 3]);
  });
});

describe('fired and resolved', () => {
  const over = { seq: 2, reason: 'all_resolved', status: 'resolved' } as const;

  it('sends nothing when no attempt was made yet', async () => {
    begin().notifier();
    await setup.enqueue({ notBefore: setup.clock.now() + 10_000 });
    expect(await setup.enqueue(over)).toBe('withdrawn');
    await setup.clock.advance(60_000);
    expect(setup.notifier().attempts).toHaveLength(0);
    expect(setup.store.messages.size).toBe(0);
    expect(setup.outbox.holds('incident/1')).toBe(false);
  });

  it.each([
    ['an attempt failed, which may have reached it', [RETRY]],
    ['an attempt is on its way', ['hang']],
  ] as const)('sends the resolve when %s', async (_, script) => {
    begin()
      .notifier()
      .script.push(...script);
    await setup.enqueue();
    expect(await setup.enqueue(over)).toBe('queued');
    setup.notifier().release(RETRY);
    await setup.clock.advance(0);
    await setup.clock.advance(1000);
    expect(setup.notifier().told).toEqual(['all_resolved resolved loud']);
  });

  it('sends the resolve when an attempt may have been made before a restart', async () => {
    begin().notifier();
    await setup.enqueue({ notBefore: setup.clock.now() + 10_000 });
    await setup.stop();
    setup.restart();
    expect(await setup.enqueue(over)).toBe('queued');
  });

  it('sends the resolve of an earlier run that was told, though it fired again since', async () => {
    begin().notifier().script.push({ kind: 'delivered' }, RETRY, RETRY);
    await setup.enqueue();
    await setup.enqueue(over);
    await setup.enqueue({ seq: 3 });
    expect(await setup.enqueue({ ...over, seq: 4 })).toBe('queued');
    await setup.clock.advance(10_000);
    expect(setup.notifier().told).toEqual(['first firing loud', 'all_resolved resolved loud']);
  });
});

describe('when an attempt fails', () => {
  it('tries again after 1 s, 2 s, 4 s … at most 5 min, each cut by chance', async () => {
    begin();
    setup.notifier().otherwise = RETRY;
    await setup.enqueue();
    await setup.clock.advance(20 * 60_000);
    const delays = setup.events.map((event) => Number(/in (\d+) ms/.exec(event)?.[1]));
    expect(delays.slice(0, 10)).toEqual([1000, 2000, 4000, 8000, 16_000, 32_000, 64_000, 128_000, 256_000, 300_000]);
    expect(setup.store.messages.size).toBe(1);
  });

  it('leaves a destination alone for as long as it asks, other groups included', async () => {
    begin().notifier().script.push({ kind: 'retry', reason: '429', retryAfterMs: 30_000 });
    await setup.enqueue();
    await setup.enqueue({ groupKey: 'incident/2' });
    await setup.clock.advance(29_999);
    expect(setup.notifier().attempts).toHaveLength(1);
    await setup.clock.advance(1);
    expect(setup.notifier().delivered).toHaveLength(2);
  });

  it('believes no Retry-After beyond an hour', async () => {
    begin().notifier().script.push({ kind: 'retry', reason: '429', retryAfterMs: 1e12 });
    await setup.enqueue();
    await setup.clock.advance(3_600_000);
    expect(setup.notifier().delivered).toHaveLength(1);
  });

  it('goes on from what a failed attempt has done, also after a restart', async () => {
    begin()
      .notifier()
      .script.push({ ...RETRY, receiverData: { ts: '7' } });
    await setup.enqueue();
    await setup.stop();
    setup.restart();
    await setup.clock.advance(0);
    expect(setup.notifier().attempts.map(({ previous }) => previous)).toEqual([{}, { ts: '7' }]);
  });

  it.each(['hang', 'throw'] as const)('a notifier that would %s is a failed attempt', async (step) => {
    begin().notifier().script.push(step);
    await setup.enqueue();
    await setup.clock.advance(step === 'hang' ? 10_000 : 0);
    expect(setup.events).toEqual([`retry 1 in 1000 ms: ${step === 'hang' ? 'aborted' : 'bug in the notifier'}`]);
    await setup.clock.advance(1000);
    expect(setup.notifier().delivered).toHaveLength(1);
  });

  it('does not wait for a notifier that ignores its signal', async () => {
    begin().notifier().notify = () => new Promise(() => undefined);
    await setup.enqueue();
    await setup.clock.advance(11_000);
    expect(setup.events).toEqual(['retry 1 in 1000 ms: no answer within 10000 ms']);
  });
});

describe('what waits for a quarter of an hour', () => {
  const overdue = (): readonly string[] => setup.events.filter((event) => event.startsWith('overdue'));

  it('is called overdue once, whether it is tried or its destination is left alone', async () => {
    begin().notifier('slack').otherwise = { kind: 'retry', reason: '429', retryAfterMs: 3_600_000 };
    setup.notifier('email').otherwise = { kind: 'retry', reason: 'greylisted' };
    await setup.enqueue({ integration: 'slack' });
    await setup.enqueue({ integration: 'email', seq: 2 });
    await setup.clock.advance(14 * 60_000);
    expect(overdue()).toEqual([]);
    await setup.clock.advance(70_000);
    expect(overdue()).toEqual(['overdue 1: 429', 'overdue 2: greylisted']);
    await setup.clock.advance(30 * 60_000);
    expect(overdue()).toHaveLength(2);
  });

  it('is again once something was delivered in between; what is not due yet is not', async () => {
    begin({ overdueAfterMs: 60_000 }).notifier().otherwise = { kind: 'retry', reason: 'down' };
    await setup.enqueue();
    await setup.enqueue({ groupKey: 'incident/2', notBefore: setup.clock.now() + 600_000 });
    await setup.clock.advance(80_000);
    setup.notifier().otherwise = { kind: 'delivered' };
    await setup.clock.advance(300_000);
    expect(setup.notifier().delivered).toHaveLength(1);
    setup.notifier().otherwise = { kind: 'retry', reason: 'down again' };
    await setup.enqueue({ seq: 2 });
    await setup.clock.advance(80_000);
    expect(overdue()).toEqual(['overdue 1: down', 'overdue 2: down again']);
  });

  it('tells who asks whether its receiver knows by another way', async () => {
    begin().notifier('slack').otherwise = { kind: 'retry', reason: 'down' };
    setup.notifier('email');
    await setup.enqueue({ integration: 'slack' });
    expect(setup.outbox.hasTold('incident/1', 'owner/orders')).toBe(false);
    await setup.enqueue({ integration: 'email' });
    const asked = ['owner/orders', 'owner/other'].map((receiver) => setup.outbox.hasTold('incident/1', receiver));
    expect(asked).toEqual([true, false]);
    await setup.enqueue({ integration: 'email', status: 'resolved', reason: 'all_resolved', seq: 2 });
    expect(setup.outbox.hasTold('incident/1', 'owner/orders')).toBe(false);
  });
});

describe('giving up', () => {
  it('drops the message and says what the destination knows', async () => {
    begin().notifier().script.push({ kind: 'give_up', reason: 'channel_not_found' });
    await setup.enqueue();
    expect(setup.events).toEqual(['gave up 1, told none: channel_not_found']);
    expect(setup.store.messages.size).toBe(0);

    await setup.enqueue({ seq: 2 });
    setup.notifier().script.push({ kind: 'give_up', reason: 'message_not_found' });
    await setup.enqueue({ seq: 3, reason: 'worse' });
    expect(setup.events.at(-1)).toBe('gave up 3, told firing: message_not_found');
  });

  it('still tries what came while the attempt was on its way, with the urgency of what failed', async () => {
    begin().notifier().script.push('hang');
    await setup.enqueue();
    await setup.enqueue({ seq: 2, reason: 'new_alerts', loud: false });
    setup.notifier().release({ kind: 'give_up', reason: 'too long' });
    await setup.clock.advance(0);
    expect(setup.events).toEqual(['delivered 2 first after 0 ms']);
  });

  it('happens after a day of retries, when a receiver is gone from the configuration, and when the incident is', async () => {
    begin().notifier().otherwise = RETRY;
    await setup.enqueue();
    await setup.clock.advance(24 * 3_600_000 + 300_000);
    expect(setup.events.at(-1)).toBe('gave up 1, told none: given up after 1440 min: connection refused');
    await setup.enqueue({ integration: 'pager' });
    expect(setup.events.at(-1)).toBe('gave up 1, told none: owner/orders has no pager any more');
    setup.outbox.enqueue(setup.message({ groupKey: 'incident/gone' }));
    await setup.clock.advance(0);
    expect(setup.events.at(-1)).toBe('gave up 1, told none: its incident is not known any more');
  });

  it('marks the destination as dead until something is delivered there', async () => {
    const dead: string[] = [];
    const meter: Meter = {
      ...silentMeter,
      gauge: (name) => ({
        set: (value, labels) => void (name === 'belfry_outbox_dead_destination' && dead.push(`${value} ${JSON.stringify(labels)}`)),
        remove: (labels) => void (name === 'belfry_outbox_dead_destination' && dead.push(`gone ${JSON.stringify(labels)}`)),
      }),
    };
    begin({}, meter).notifier().script.push({ kind: 'give_up', reason: 'no' });
    await setup.enqueue();
    await setup.enqueue({ seq: 2 });
    const labels = '{"receiver":"owner/orders","integration":"webhook"}';
    expect(dead).toEqual([`1 ${labels}`, `0 ${labels}`]);
  });

  it('does not mark what has left the configuration, and takes the mark off what leaves it', async () => {
    const dead: string[] = [];
    const meter: Meter = {
      ...silentMeter,
      gauge: (name) => ({
        set: (value, labels) => void (name === 'belfry_outbox_dead_destination' && dead.push(`${value} ${labels?.['integration']}`)),
        remove: (labels) => void (name === 'belfry_outbox_dead_destination' && dead.push(`gone ${labels['integration']}`)),
      }),
    };
    begin({}, meter).notifier().script.push({ kind: 'give_up', reason: 'no' });
    await setup.enqueue();
    await setup.enqueue({ integration: 'pager' });
    expect(dead).toEqual(['1 webhook']);
    setup.notifiers.clear();
    setup.outbox.reload();
    setup.outbox.reload();
    expect(dead).toEqual(['1 webhook', 'gone webhook']);
  });
});

describe('when it last did its work', () => {
  /** How long ago, in ms. */
  const ago = (): number => setup.clock.now() - setup.outbox.workedAt;

  it('is now while nothing is due, however long nothing was', async () => {
    begin().notifier();
    await setup.clock.advance(3_600_000);
    expect(ago()).toBe(0);
    await setup.enqueue({ notBefore: setup.clock.now() + 60_000 });
    await setup.clock.advance(59_000);
    expect(ago()).toBe(0);
  });

  it('is the end of the last attempt, or since when one is under way', async () => {
    begin({ attemptTimeoutMs: 600_000 }).notifier().script.push('hang');
    await setup.clock.advance(3_600_000);
    await setup.enqueue();
    await setup.clock.advance(90_000);
    expect(ago()).toBe(90_000);
    setup.notifier('slack');
    await setup.enqueue({ integration: 'slack' });
    expect(ago()).toBe(0);
    setup.notifier().release({ kind: 'delivered' });
    await setup.clock.advance(10_000);
    expect(ago()).toBe(0);
  });

  it('is now for a receiver that is down: trying again is all the work there is', async () => {
    begin().notifier().otherwise = RETRY;
    await setup.enqueue();
    await setup.clock.advance(600_000);
    expect(ago()).toBe(0);
  });
});

describe('a destination that fails', () => {
  it('is shown as such until a message is delivered there or given up, or it is not configured any more', async () => {
    const shown = new Map<string, number>();
    const keyOf = (labels = {}): string => Object.values(labels).join(' ');
    const gauge = {
      set: (value: number, labels?: object) => void shown.set(keyOf(labels), value),
      remove: (labels: object) => void shown.delete(keyOf(labels)),
    };
    const meter: Meter = {
      ...silentMeter,
      gauge: (name, ...rest) => (name === 'belfry_outbox_destination_failing' ? gauge : silentMeter.gauge(name, ...rest)),
    };
    const notifier = begin({}, meter).notifier();
    notifier.script.push(RETRY);
    await setup.enqueue();
    expect([...shown]).toEqual([['owner/orders webhook', 1]]);
    await setup.clock.advance(60_000);
    expect([...shown]).toEqual([['owner/orders webhook', 0]]);
    notifier.otherwise = RETRY;
    await setup.enqueue({ seq: 2 });
    expect([...shown]).toEqual([['owner/orders webhook', 1]]);
    setup.notifiers.clear();
    setup.outbox.reload();
    expect([...shown]).toEqual([]);
  });
});

describe('its limits', () => {
  it('drops the oldest message that pings nobody for a new one, and refuses when there is none', async () => {
    begin({ messagesMax: 2 }).notifier();
    const notBefore = setup.clock.now() + 60_000;
    expect(await setup.enqueue({ groupKey: 'incident/1', loud: true, notBefore })).toBe('queued');
    expect(await setup.enqueue({ groupKey: 'incident/2', loud: false, notBefore })).toBe('queued');
    expect(await setup.enqueue({ groupKey: 'incident/3', loud: true, notBefore })).toBe('queued');
    expect(await setup.enqueue({ groupKey: 'incident/4', loud: true, notBefore })).toBe('full');
    expect(await setup.enqueue({ groupKey: 'incident/1', seq: 2, notBefore })).toBe('queued');
    expect([...setup.store.messages.values()].map(({ groupKey }) => groupKey)).toEqual(['incident/1', 'incident/3']);
  });

  it('has these defaults', () => {
    expect(OUTBOX_SETTINGS).toMatchObject({
      messagesMax: 100_000,
      attemptTimeoutMs: 10_000,
      retryFirstMs: 1000,
      retryLastMs: 300_000,
      giveUpAfterMs: 86_400_000,
      overdueAfterMs: 900_000,
      rates: { slack: { perSecond: 1, burst: 3 } },
    });
  });
});

describe('stopping', () => {
  it('delivers what is due within the time, waits for what is on its way, and keeps the rest', async () => {
    begin().notifier().script.push('hang');
    await setup.enqueue();
    await setup.enqueue({ groupKey: 'incident/2', notBefore: setup.clock.now() + 1000 });
    await setup.enqueue({ groupKey: 'incident/3', notBefore: setup.clock.now() + 60_000 });
    let isStopped = false;
    const stopped = setup.outbox.stop(5000).then(() => (isStopped = true));
    await setup.clock.advance(1000);
    expect(isStopped).toBe(false);
    setup.notifier().release({ kind: 'delivered' });
    await setup.clock.advance(0);
    await stopped;
    expect(setup.events).toEqual(['delivered 1 first after 1000 ms', 'delivered 1 first after 1000 ms']);
    expect([...setup.store.messages.keys()].map((key) => key.split('\n')[0])).toEqual(['incident/3']);
  });

  it('cuts off what is still on its way at the end, and sends it again after the restart', async () => {
    begin().notifier().script.push('hang');
    await setup.enqueue();
    const stopped = setup.outbox.stop(5000);
    await setup.clock.advance(5000);
    await stopped;
    expect(setup.store.messages.size).toBe(1);
    setup.restart();
    await setup.clock.advance(0);
    expect(setup.events.at(-1)).toBe('delivered 1 first after 5000 ms');
    expect(setup.notifier().attempts.map(({ notification: { seq } }) => seq)).toEqual([1, 1]);
  });
});

describe('a reload', () => {
  it('keeps to the new pace and the new delays at once', async () => {
    begin().notifier('slack');
    for (let i = 0; i < 6; i++) await setup.enqueue({ groupKey: `incident/${i}`, integration: 'slack' });
    expect(setup.notifier('slack').delivered).toHaveLength(3);
    setup.outbox.reload({ rates: { slack: { perSecond: 0.1, burst: 1 } }, retryFirstMs: 7000 });
    await setup.clock.advance(9900);
    expect(setup.notifier('slack').delivered).toHaveLength(3);
    await setup.clock.advance(200);
    expect(setup.notifier('slack').delivered).toHaveLength(4);
    setup.notifier('slack').script.push({ kind: 'retry', reason: 'down' });
    await setup.clock.advance(10_000);
    expect(setup.events.at(-1)).toBe('retry 1 in 7000 ms: down');
  });

  it('sends what waits by the new way', async () => {
    begin().notifier().otherwise = { kind: 'retry', reason: '429', retryAfterMs: 600_000 };
    await setup.enqueue();
    setup.notifiers.clear();
    Object.defineProperty(setup.notifier(), 'destination', { value: 'another' });
    setup.outbox.reload();
    await setup.clock.advance(1000);
    expect(setup.notifier().delivered).toHaveLength(0);
    await setup.clock.advance(600_000);
    expect(setup.notifier().delivered).toHaveLength(1);
  });
});

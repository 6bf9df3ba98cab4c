import { describe, expect, it } from '@jest/globals';
import type { GuardVerdict, Intent, IntentState, Mode } from '../../../src/core/autopilot.ts';
import { INTENT_STATES } from '../../../src/core/autopilot.ts';
import { BelfryError } from '../../../src/core/errors.ts';
import { APPROVABLE, BookStand, HOLDS, PASSES, REQUEST } from './book-stand.ts';

const MINUTE_MS = 60_000;

function codeOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    return error instanceof BelfryError ? `${error.code}: ${error.message}` : String(error);
  }
  return 'no error';
}

describe('the first state', () => {
  const APPROVABLE_PASSES: GuardVerdict = { ...APPROVABLE, holds: false };
  it.each<[Mode, readonly GuardVerdict[], number, IntentState, readonly string[]]>([
    ['observe', [PASSES], 0, 'observed', ['made']],
    ['observe', [HOLDS], 0, 'observed', ['made']],
    ['approve', [PASSES], 0, 'awaiting_approval', ['made', 'approval_needed']],
    ['approve', [HOLDS], 0, 'awaiting_approval', ['made', 'approval_needed']],
    ['approve', [APPROVABLE], 10, 'awaiting_approval', ['made', 'approval_needed']],
    ['auto', [PASSES], 0, 'announced', ['made', 'announced']],
    ['auto', [PASSES], 9, 'announced', ['made', 'announced']],
    ['auto', [PASSES], 10, 'open', ['made', 'opened']],
    ['auto', [APPROVABLE_PASSES], 10, 'open', ['made', 'opened']],
    ['auto', [HOLDS], 0, 'blocked', ['made', 'blocked']],
    ['auto', [PASSES, HOLDS], 10, 'blocked', ['made', 'blocked']],
    ['auto', [APPROVABLE], 10, 'blocked', ['made', 'blocked']],
  ])('in mode %s with guards %j and %i announced is %s', (mode, made, announced, state, told) => {
    const stand = new BookStand();
    Object.assign(stand, { mode, made, announced });
    const intent = stand.request();
    expect(intent).toMatchObject({ state, mode, guards: made, lease: undefined, attempt: 1 });
    expect(stand.told()).toEqual(told);
    expect(stand.journal()).toEqual([`intent >${state}`]);
    expect(stand.store.loadIntents(0)).toHaveLength(1);
  });

  it('is none in mode off', () => {
    const stand = new BookStand();
    stand.mode = 'off';
    expect(codeOf(() => stand.request())).toBe('CONFLICT: repair of broker 2 in orders-dal: the mode is off');
    expect(stand.book.all()).toEqual([]);
  });
});

describe('a request', () => {
  it('is the same intent until it has ended', () => {
    const stand = new BookStand();
    const first = stand.request();
    expect(stand.request({ reason: 'told in other words' })).toBe(first);
    stand.book.cancel(first.id, 'healed by itself');
    const second = stand.request();
    expect(second.id).not.toBe(first.id);
    expect(second.key).toBe(first.key);
  });

  it.each([{ cluster: 'pay' }, { broker: 3 }, { action: 'replace' }, { incidentId: 'x' }, { attempt: 2 }] as const)(
    'is another with %j',
    (other) => {
      const stand = new BookStand();
      expect(stand.request(other).key).not.toBe(stand.request().key);
    },
  );

  it('is not observed twice, but is made anew when the mode has risen', () => {
    const stand = new BookStand();
    stand.mode = 'observe';
    const observed = stand.request();
    expect(stand.request()).toBe(observed);
    stand.mode = 'auto';
    expect(stand.request()).toMatchObject({ state: 'open' });
  });

  it('is refused when it cannot be journalled, and never appears later', () => {
    for (const silently of [true, false]) {
      const stand = new BookStand();
      stand.store.breakDisk({ silently });
      expect(codeOf(() => stand.request())).toContain('cannot be journalled');
      expect(stand.book.all()).toEqual([]);
      expect(stand.told()).toEqual([]);
      stand.store.mendDisk();
      stand.restart();
      expect(stand.book.active('orders-dal')).toEqual([]);
    }
  });

  it('is refused where 1,000 wait, and lets go of ended ones before that', () => {
    const stand = new BookStand();
    const ended = stand.request({ attempt: 0 });
    stand.book.cancel(ended.id, 'over');
    for (let i = 1; i <= 1000; i++) stand.request({ attempt: i });
    expect(stand.book.get(ended.id)).toBeUndefined();
    expect(codeOf(() => stand.request({ attempt: 1001 }))).toBe('LIMIT_EXCEEDED: 1000 intents are waiting already');
  });
});

describe('waiting', () => {
  it('announces two minutes ahead, then opens, then expires', async () => {
    const stand = new BookStand();
    stand.announced = 3;
    const { id, opensAt, createdAt } = stand.request();
    expect(opensAt).toBe(createdAt + 2 * MINUTE_MS);
    stand.told();
    await stand.pass(2 * MINUTE_MS - 1);
    expect(stand.book.get(id)?.state).toBe('announced');
    await stand.pass(1);
    expect(stand.book.get(id)).toMatchObject({ state: 'open', expiresAt: opensAt + 30 * MINUTE_MS });
    expect(stand.told()).toEqual(['opened']);
    await stand.pass(30 * MINUTE_MS);
    expect(stand.book.get(id)).toMatchObject({ state: 'expired', lastWord: 'nobody took it in time' });
    expect(stand.told()).toEqual(['ended']);
  });

  it('does not open what a guard holds by then, and opens it without a second announcement', async () => {
    const stand = new BookStand();
    stand.announced = 0;
    const { id } = stand.request();
    stand.told();
    stand.made = [HOLDS];
    await stand.pass(MINUTE_MS);
    expect(stand.book.get(id)?.state).toBe('blocked');
    stand.made = [PASSES];
    await stand.pass(1000);
    expect(stand.book.get(id)?.state).toBe('announced');
    stand.made = [HOLDS];
    await stand.pass(5 * MINUTE_MS);
    stand.made = [PASSES];
    await stand.pass(1000);
    expect(stand.book.get(id)?.state).toBe('open');
    expect(stand.told()).toEqual(['blocked', 'unblocked', 'announced', 'blocked', 'unblocked', 'opened']);
  });

  it('announces anew what was held back for so long that nobody expects it any more', async () => {
    const stand = new BookStand();
    stand.announced = 0;
    const { id } = stand.request();
    stand.made = [HOLDS];
    await stand.pass(MINUTE_MS);
    await stand.pass(20 * MINUTE_MS);
    stand.told();
    stand.made = [PASSES];
    await stand.pass(1000);
    const now = stand.clock.now();
    expect(stand.book.get(id)).toMatchObject({ state: 'announced', opensAt: now + 2 * MINUTE_MS });
    expect(stand.told()).toEqual(['unblocked', 'announced']);
    await stand.pass(2 * MINUTE_MS);
    expect(stand.book.get(id)?.state).toBe('open');
  });

  it('keeps what is blocked for as long as it is, and says when another guard holds', async () => {
    const stand = new BookStand();
    stand.made = [HOLDS];
    const { id } = stand.request();
    stand.told();
    await stand.pass(300 * MINUTE_MS);
    stand.made = [{ ...HOLDS, sentence: 'a window is open for 3 min' }];
    await stand.pass(1000);
    expect(stand.told()).toEqual([]);
    expect(stand.book.get(id)?.guards[0]?.sentence).toBe('a window is open for 3 min');
    stand.made = [{ ...HOLDS, guard: 'reassigning' }];
    await stand.pass(1000);
    expect(stand.told()).toEqual(['blocked']);
    expect(stand.journal()).toEqual(['intent >blocked', 'guard blocked>blocked']);
  });

  it('goes by a mode that was lowered: to approval, or to its end', async () => {
    const stand = new BookStand();
    const { id } = stand.request();
    stand.mode = 'approve';
    await stand.pass(1000);
    expect(stand.book.get(id)?.state).toBe('awaiting_approval');
    stand.mode = 'auto';
    await stand.pass(1000);
    expect(stand.book.get(id)?.state).toBe('open');
    stand.mode = 'observe';
    await stand.pass(1000);
    expect(stand.book.get(id)).toMatchObject({ state: 'cancelled', lastWord: 'the mode of repair in orders-dal is observe now' });
  });

  it('does not raise an intent that was made to be approved', async () => {
    const stand = new BookStand();
    stand.mode = 'approve';
    const { id } = stand.request();
    stand.mode = 'auto';
    await stand.pass(1000);
    expect(stand.book.get(id)?.state).toBe('awaiting_approval');
  });

  it('goes on with the others when one cannot be judged', async () => {
    const stand = new BookStand();
    stand.made = [HOLDS];
    const [a, b] = [stand.request(), stand.request({ attempt: 2 })];
    stand.book.on(({ intent }) => {
      if (intent.id === a.id) throw new Error('a listener that fails');
    });
    stand.made = [PASSES];
    await stand.pass(1000);
    expect([a, b].map(({ id }) => stand.book.get(id)?.state)).toEqual(['open', 'open']);
  });

  it('opens nothing that cannot be journalled', async () => {
    const stand = new BookStand();
    stand.made = [HOLDS];
    const { id } = stand.request();
    stand.store.breakDisk();
    stand.made = [PASSES];
    await stand.pass(1000);
    expect(stand.book.get(id)?.state).toBe('blocked');
    stand.store.mendDisk();
    await stand.pass(1000);
    expect(stand.book.get(id)?.state).toBe('open');
  });
});

describe('a person', () => {
  it.each<[Mode, readonly GuardVerdict[], IntentState, readonly string[]]>([
    ['approve', [PASSES], 'open', ['approved', 'opened']],
    ['approve', [APPROVABLE], 'open', ['approved', 'opened']],
    ['approve', [HOLDS], 'blocked', ['approved', 'blocked']],
    ['auto', [APPROVABLE], 'open', ['approved', 'opened']],
    ['auto', [APPROVABLE, HOLDS], 'blocked', ['approved']],
  ])('approves in mode %s with guards %j: %s', (mode, made, state, told) => {
    const stand = new BookStand();
    Object.assign(stand, { mode, made });
    const { id } = stand.request();
    stand.told();
    expect(stand.book.approve(id, 'ada', 'known fault')).toMatchObject({
      state,
      approvedBy: 'ada',
      expiresAt: stand.clock.now() + 30 * MINUTE_MS,
      lastWord: 'approved by ada: known fault',
    });
    expect(stand.told()).toEqual(told);
    expect(stand.book.approve(id, 'bob', 'me too').approvedBy).toBe('ada');
  });

  it('opens what was announced at once', () => {
    const stand = new BookStand();
    stand.announced = 0;
    expect(stand.book.approve(stand.request().id, 'ada', 'go').state).toBe('open');
  });

  it('has 30 minutes to approve', async () => {
    const stand = new BookStand();
    stand.mode = 'approve';
    const { id } = stand.request();
    await stand.pass(30 * MINUTE_MS);
    expect(stand.book.get(id)).toMatchObject({ state: 'expired', lastWord: 'nobody approved it in time' });
    expect(codeOf(() => stand.book.approve(id, 'ada', 'late'))).toContain('CONFLICT');
  });

  it('approves for 30 minutes, blocked or not', async () => {
    const stand = new BookStand();
    Object.assign(stand, { mode: 'approve', made: [HOLDS] });
    const { id } = stand.request();
    stand.book.approve(id, 'ada', 'yes');
    await stand.pass(30 * MINUTE_MS);
    expect(stand.book.get(id)?.state).toBe('expired');
  });

  it.each<[string, Partial<BookStand>]>([
    ['awaiting approval', { mode: 'approve' }],
    ['blocked', { made: [HOLDS] }],
    ['announced', { announced: 0 }],
    ['open', {}],
  ])('rejects what is %s', (_, knobs) => {
    const stand = new BookStand();
    Object.assign(stand, knobs);
    const { id } = stand.request();
    stand.told();
    expect(stand.book.reject(id, 'ada', 'not now')).toMatchObject({ state: 'rejected', lastWord: 'rejected by ada: not now' });
    expect(stand.told()).toEqual(['ended']);
  });

  it.each([
    ['', 'because'],
    ['ada', ' '],
    ['a'.repeat(201), 'because'],
    ['ada', 'b'.repeat(1001)],
  ])('needs a name and a reason of a sane length', (by, reason) => {
    const stand = new BookStand();
    const { id } = stand.request();
    expect(codeOf(() => stand.book.approve(id, by, reason))).toContain('BAD_REQUEST');
    expect(codeOf(() => stand.book.reject(id, by, reason))).toContain('BAD_REQUEST');
  });
});

/** An intent brought into each state there is. */
async function inState(stand: BookStand, state: IntentState): Promise<Intent> {
  if (state === 'observed') stand.mode = 'observe';
  if (state === 'awaiting_approval') stand.mode = 'approve';
  if (state === 'blocked') stand.made = [HOLDS];
  if (state === 'announced') stand.announced = 0;
  const { id } = stand.request();
  if (state === 'cancelled') stand.book.cancel(id, 'over');
  if (state === 'rejected') stand.book.reject(id, 'ada', 'no');
  if (state === 'expired') await stand.pass(30 * MINUTE_MS);
  if (['leased', 'running', 'unknown', 'succeeded', 'failed'].includes(state)) {
    const { lease } = await stand.book.lease(id, 'hands');
    if (state === 'running') stand.book.ack({ intentId: id, fencingToken: lease?.fencingToken ?? 0, status: 'running', text: '' });
    if (state === 'unknown') stand.book.revokeAll('a test');
    if (state === 'succeeded' || state === 'failed') stand.book.settle(id, state, 'seen');
  }
  const intent = stand.book.get(id);
  if (intent?.state !== state) throw new Error(`it is ${intent?.state ?? 'gone'}`);
  stand.told();
  return intent;
}

describe('the life of an intent, by who wants what', () => {
  const WAITING: readonly IntentState[] = ['blocked', 'awaiting_approval', 'announced', 'open'];
  const IN_FLIGHT: readonly IntentState[] = ['leased', 'running', 'unknown'];
  const WISHES: Readonly<
    Record<string, { allowed: readonly IntentState[]; to: IntentState; wish: (stand: BookStand, id: string) => unknown }>
  > = {
    cancel: { allowed: WAITING, to: 'cancelled', wish: ({ book }, id) => book.cancel(id, 'healed') },
    reject: { allowed: WAITING, to: 'rejected', wish: ({ book }, id) => book.reject(id, 'ada', 'no') },
    'settle succeeded': {
      allowed: [...IN_FLIGHT, 'succeeded'],
      to: 'succeeded',
      wish: ({ book }, id) => book.settle(id, 'succeeded', 'seen'),
    },
    'settle failed': { allowed: [...IN_FLIGHT, 'failed'], to: 'failed', wish: ({ book }, id) => book.settle(id, 'failed', 'seen') },
    'settle cancelled': {
      allowed: [...WAITING, ...IN_FLIGHT, 'cancelled'],
      to: 'cancelled',
      wish: ({ book }, id) => book.settle(id, 'cancelled', 'seen'),
    },
    lease: { allowed: ['open'], to: 'leased', wish: ({ book }, id) => book.lease(id, 'other hands') },
  };
  const cases = Object.entries(WISHES).flatMap(([name, of]) => INTENT_STATES.map((state) => ({ name, state, ...of })));

  it.each(cases)('$name when $state', async ({ state, allowed, to, wish }) => {
    const stand = new BookStand();
    const before = await inState(stand, state);
    const error: unknown = await (async () => wish(stand, before.id))().then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    if (allowed.includes(state)) {
      expect(error).toBeUndefined();
      expect(stand.book.get(before.id)?.state).toBe(to);
    } else {
      expect(error).toMatchObject({ code: 'CONFLICT' });
      expect(stand.book.get(before.id)).toBe(before);
      expect(stand.told()).toEqual([]);
    }
  });

  it.each(INTENT_STATES)('goes on from its rows when it was %s', async (state) => {
    const stand = new BookStand();
    const before = await inState(stand, state);
    stand.restart();
    expect(stand.book.get(before.id)).toEqual(before);
    expect(stand.told()).toEqual([]);
    // The time that passed while nobody looked counts.
    await stand.pass(24 * 60 * MINUTE_MS);
    const later: Partial<Record<IntentState, IntentState>> = {
      awaiting_approval: 'expired',
      announced: 'expired',
      open: 'expired',
      leased: 'unknown',
      running: 'unknown',
    };
    expect(stand.book.get(before.id)?.state).toBe(later[state] ?? state);
  });
});

describe('what can be looked up', () => {
  it('is what is active, in flight, and was leased lately', async () => {
    const stand = new BookStand();
    const first = stand.request();
    await stand.book.lease(first.id, 'hands');
    await stand.clock.advance(1000);
    const other = stand.request({ cluster: 'pay', broker: 7 });
    await stand.book.lease(other.id, 'hands');
    const scale = stand.request({ action: 'scale_out', broker: undefined, desiredBrokers: 4, currentBrokers: 3 });
    stand.book.settle(first.id, 'succeeded', 'back in all ISRs');
    const ids = (intents: readonly Intent[]): readonly string[] => intents.map(({ id }) => id);
    expect(ids(stand.book.all())).toEqual([first.id, other.id, scale.id]);
    expect(ids(stand.book.active('orders-dal'))).toEqual([scale.id]);
    expect(ids(stand.book.active('pay', 7))).toEqual([other.id]);
    expect(ids(stand.book.active('pay', 8))).toEqual([]);
    expect(ids(stand.book.inFlight())).toEqual([other.id]);
    const { now } = { now: stand.clock.now() };
    expect(stand.book.actsSince(now - 1000)).toEqual([
      { at: now - 1000, cluster: 'orders-dal', broker: 2, incidentId: REQUEST.incidentId },
      { at: now, cluster: 'pay', broker: 7, incidentId: REQUEST.incidentId },
    ]);
    expect(stand.book.actsSince(now)).toHaveLength(1);
  });

  it('names what is not there', () => {
    const stand = new BookStand();
    expect(codeOf(() => stand.book.cancel('nothing', 'x'))).toBe('NOT_FOUND: there is no intent "nothing"');
  });
});

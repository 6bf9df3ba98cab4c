import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { isInFlight } from '../../../src/autopilot/intents/intent-life.ts';
import { ACK_STATUSES, type AckStatus, type GuardVerdict, type Intent } from '../../../src/core/autopilot.ts';
import { BelfryError } from '../../../src/core/errors.ts';
import { BookStand, HOLDS, PASSES } from './book-stand.ts';

const MINUTE_MS = 60_000;

async function refusalOf(work: () => unknown): Promise<string> {
  try {
    await work();
  } catch (error) {
    return error instanceof BelfryError ? `${error.code}: ${error.message}` : String(error);
  }
  return 'no refusal';
}

/** Answers of two brokers that come when the test says so. */
function heldJudge(stand: BookStand): { answer: (verdicts: readonly GuardVerdict[]) => void } {
  const held: { answer: (verdicts: readonly GuardVerdict[]) => void } = { answer: () => undefined };
  stand.atLease = () => new Promise((resolve) => (held.answer = resolve));
  return held;
}

async function leased(stand: BookStand): Promise<{ id: string; token: number }> {
  const { id } = stand.request();
  const { lease } = await stand.book.lease(id, 'hands');
  stand.told();
  return { id, token: lease?.fencingToken ?? 0 };
}

describe('a lease', () => {
  it('is granted once the guards have let it pass on fresh answers, and is journalled', async () => {
    const stand = new BookStand();
    const { id } = stand.request();
    const intent = await stand.book.lease(id, 'hands');
    const now = stand.clock.now();
    expect(intent).toMatchObject({
      state: 'leased',
      lease: { fencingToken: 1, executor: 'hands', grantedAt: now, expiresAt: now + MINUTE_MS },
    });
    expect(stand.told()).toEqual(['made', 'opened', 'leased']);
    expect(stand.journal()).toEqual(['intent >open', 'lease open>leased']);
    expect(stand.store.setting('fencing_token')).toBe('1');
  });

  it('is the same one for the executor that holds it, and no one else gets it', async () => {
    const stand = new BookStand();
    const { id } = await leased(stand);
    await stand.clock.advance(1000);
    expect(await stand.book.lease(id, 'hands')).toBe(stand.book.get(id));
    expect(await refusalOf(() => stand.book.lease(id, 'other'))).toBe(
      'CONFLICT: no lease of repair of broker 2 in orders-dal: hands has the lease',
    );
  });

  it('goes to one of two that race', async () => {
    const stand = new BookStand();
    const { id } = stand.request();
    const outcomes = await Promise.allSettled([stand.book.lease(id, 'a'), stand.book.lease(id, 'b'), stand.book.lease(id, 'a')]);
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(stand.book.get(id)?.lease?.fencingToken).toBe(1);
  });

  it('is one at a time in a cluster, however they race', async () => {
    const stand = new BookStand();
    const intents = [stand.request(), stand.request({ broker: 3 })];
    const outcomes = await Promise.allSettled(intents.map(({ id }) => stand.book.lease(id, 'hands')));
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
    expect(await refusalOf(() => stand.book.lease(intents[1]?.id ?? '', 'hands'))).toContain('one act at a time in a cluster');
  });

  it.each<[string, (stand: BookStand, id: string) => unknown, string]>([
    ['halted', (stand) => (stand.halted = 'ada: stop'), 'halted: ada: stop'],
    ['rejected', (stand, id) => stand.book.reject(id, 'ada', 'no'), 'it is rejected'],
    ['cancelled', (stand, id) => stand.book.cancel(id, 'healed'), 'it is cancelled'],
    ['over its time', (stand) => stand.clock.advance(31 * MINUTE_MS), 'it '],
    ['observed only', (stand) => (stand.mode = 'observe'), 'the mode is observe now'],
    ['to be approved', (stand) => (stand.mode = 'approve'), 'nobody has approved it'],
  ])('is not granted when it is %s while two brokers are asked', async (_, change, why) => {
    const stand = new BookStand();
    const judge = heldJudge(stand);
    const { id } = stand.request();
    const refusal = refusalOf(() => stand.book.lease(id, 'hands'));
    await stand.clock.advance(0);
    await change(stand, id);
    judge.answer([PASSES]);
    expect(await refusal).toContain(`CONFLICT: no lease of repair of broker 2 in orders-dal: ${why}`.slice(0, 50));
    expect(stand.book.inFlight()).toEqual([]);
  });

  it('is refused by a guard that only fresh answers show, and may be asked for again', async () => {
    const stand = new BookStand();
    const { id } = stand.request();
    stand.told();
    stand.atLease = async () => [PASSES, HOLDS];
    for (let i = 0; i < 3; i++) {
      expect(await refusalOf(() => stand.book.lease(id, 'hands'))).toContain('maintenance holds: a window is open');
    }
    expect(stand.told()).toEqual(['lease_refused']);
    expect(stand.book.get(id)).toMatchObject({ state: 'open', guards: [PASSES, HOLDS] });
    stand.atLease = async () => [PASSES];
    expect((await stand.book.lease(id, 'hands')).state).toBe('leased');
  });

  it('is refused by a guard that holds anyway: then the intent is blocked until it lets go', async () => {
    const stand = new BookStand();
    const { id } = stand.request();
    stand.told();
    stand.made = [HOLDS];
    stand.atLease = async () => [HOLDS];
    await refusalOf(() => stand.book.lease(id, 'hands'));
    expect(stand.told()).toEqual(['lease_refused', 'blocked']);
    expect(await refusalOf(() => stand.book.lease(id, 'hands'))).toContain('it is blocked by maintenance: a window is open');
    stand.made = [PASSES];
    await stand.pass(1000);
    expect(stand.book.get(id)?.state).toBe('open');
  });

  it('is refused when the judge fails or says nothing in time, and the next one is judged', async () => {
    const stand = new BookStand();
    const { id } = stand.request();
    stand.atLease = () => Promise.reject(new Error('no broker answers'));
    expect(await refusalOf(() => stand.book.lease(id, 'hands'))).toContain('it could not be judged: no broker answers');
    heldJudge(stand);
    const refusal = refusalOf(() => stand.book.lease(id, 'hands'));
    await stand.clock.advance(0);
    await stand.clock.advance(MINUTE_MS);
    expect(await refusal).toContain('it could not be judged: not done within 15000 ms');
    stand.atLease = async () => [PASSES];
    expect((await stand.book.lease(id, 'hands')).state).toBe('leased');
  });

  it.each([true, false])('is not granted when it cannot be journalled (noticed only then: %s), nor after a restart', async (silently) => {
    const stand = new BookStand();
    const { id } = stand.request();
    stand.store.breakDisk({ silently });
    expect(await refusalOf(() => stand.book.lease(id, 'hands'))).toContain('cannot be journalled as leased');
    expect(stand.book.get(id)?.state).toBe('open');
    stand.store.mendDisk();
    stand.restart();
    expect(stand.book.get(id)).toMatchObject({ state: 'open', lease: undefined });
    expect((await stand.book.lease(id, 'hands')).lease?.fencingToken).toBeGreaterThan(0);
  });

  it.each(['', ' ', 'x'.repeat(201)])('needs the name of an executor, not %j', async (executor) => {
    const stand = new BookStand();
    const { id } = stand.request();
    expect(await refusalOf(() => stand.book.lease(id, executor))).toContain('BAD_REQUEST');
  });

  it('has a token that rises over restarts', async () => {
    const stand = new BookStand();
    for (let i = 1; i <= 3; i++) {
      const { id, token } = await leased(stand);
      expect(token).toBe(i);
      stand.book.settle(id, 'failed', 'seen');
      stand.restart();
    }
  });
});

describe('a heartbeat', () => {
  it('keeps the lease for another minute', async () => {
    const stand = new BookStand();
    const { id, token } = await leased(stand);
    for (let i = 0; i < 5; i++) {
      await stand.pass(50_000);
      expect(stand.book.heartbeat(id, token).lease?.expiresAt).toBe(stand.clock.now() + MINUTE_MS);
    }
    stand.restart();
    expect(stand.book.heartbeat(id, token).state).toBe('leased');
  });

  it.each<[string, (stand: BookStand, id: string, token: number) => unknown]>([
    ['its time is over', (stand) => stand.clock.advance(MINUTE_MS)],
    ['it was revoked', (stand) => stand.book.revokeAll('halt')],
    ['all is halted', (stand) => (stand.halted = 'a file')],
    ['the intent has ended', (stand, id) => stand.book.settle(id, 'succeeded', 'seen')],
    [
      'the executor has said its last word',
      ({ book }, id, token) => book.ack({ intentId: id, fencingToken: token, status: 'failed', text: '' }),
    ],
    ['it cannot be journalled', (stand) => stand.store.breakDisk()],
  ])('is refused when %s', async (_, change) => {
    const stand = new BookStand();
    const { id, token } = await leased(stand);
    await change(stand, id, token);
    expect(await refusalOf(() => stand.book.heartbeat(id, token))).toMatch(/^(LEASE_LOST|CONFLICT)/);
  });

  it('is refused with another token', async () => {
    const stand = new BookStand();
    const { id, token } = await leased(stand);
    expect(await refusalOf(() => stand.book.heartbeat(id, token - 1))).toContain('LEASE_LOST');
  });
});

describe('a lease that ends by itself', () => {
  it('leaves an intent of which nobody knows what was done, and which blocks the cluster until it is settled', async () => {
    const stand = new BookStand();
    const { id, token } = await leased(stand);
    const other = stand.request({ broker: 3 });
    stand.told();
    await stand.pass(MINUTE_MS);
    expect(stand.book.get(id)).toMatchObject({ state: 'unknown', lastWord: 'the lease of hands ran out: nobody knows what was done' });
    expect(stand.told()).toEqual(['lease_expired']);
    await stand.pass(10 * MINUTE_MS);
    expect(stand.book.get(id)?.state).toBe('unknown');
    expect(await refusalOf(() => stand.book.lease(id, 'hands'))).toContain('it is unknown');
    expect(await refusalOf(() => stand.book.lease(other.id, 'hands'))).toContain('repair of broker 2 in orders-dal is unknown');
    expect(await refusalOf(() => stand.book.ack({ intentId: id, fencingToken: token, status: 'succeeded', text: 'done' }))).toContain(
      'too late',
    );
    stand.book.settle(id, 'succeeded', 'back in all ISRs');
    expect((await stand.book.lease(other.id, 'hands')).state).toBe('leased');
  });

  it("is noticed at an executor's next word, before any tick", async () => {
    const stand = new BookStand();
    const { id, token } = await leased(stand);
    await stand.clock.advance(MINUTE_MS);
    expect(await refusalOf(() => stand.book.ack({ intentId: id, fencingToken: token, status: 'running', text: '' }))).toContain('CONFLICT');
    expect(stand.book.get(id)?.state).toBe('unknown');
  });

  it('is revoked by a halt even when that cannot be written', async () => {
    const stand = new BookStand();
    const { id } = await leased(stand);
    stand.store.breakDisk();
    expect(stand.book.revokeAll('ada: stop').map((intent) => intent.id)).toEqual([id]);
    expect(stand.book.get(id)?.state).toBe('unknown');
    expect(stand.told()).toEqual(['lease_revoked']);
    expect(stand.book.revokeAll('again')).toEqual([]);
  });
});

describe('an ack', () => {
  it.each<[AckStatus, Intent['state'], boolean, readonly string[]]>([
    ['accepted', 'leased', true, ['acked']],
    ['running', 'running', true, ['acked']],
    ['succeeded', 'running', false, ['acked']],
    ['failed', 'running', false, ['acked']],
    ['rejected', 'rejected', false, ['acked', 'ended']],
  ])('%s makes it %s', async (status, state, held, told) => {
    const stand = new BookStand();
    const { id, token } = await leased(stand);
    const intent = stand.book.ack({ intentId: id, fencingToken: token, status, text: 'words' });
    expect(intent).toMatchObject({ state, lastWord: `${status}: words` });
    expect((intent.lease?.expiresAt ?? 0) > 0).toBe(held);
    expect(stand.told()).toEqual(told);
    // Delivered twice, and after a restart: no harm, no news.
    stand.restart();
    expect(stand.book.ack({ intentId: id, fencingToken: token, status, text: 'words' })).toMatchObject({
      state,
      lastWord: `${status}: words`,
    });
    expect(stand.told().filter((kind) => kind !== 'acked')).toEqual([]);
  });

  it.each(['succeeded', 'failed'] as const)('%s waits for our own eyes, however long that takes', async (status) => {
    const stand = new BookStand();
    const { id, token } = await leased(stand);
    stand.book.ack({ intentId: id, fencingToken: token, status, text: '' });
    await stand.pass(60 * MINUTE_MS);
    expect(stand.book.get(id)?.state).toBe('running');
    expect(await refusalOf(() => stand.book.ack({ intentId: id, fencingToken: token, status: 'running', text: 'no, wait' }))).toContain(
      'CONFLICT',
    );
  });

  it('with another token changes nothing', async () => {
    const stand = new BookStand();
    const { id, token } = await leased(stand);
    const before = stand.book.get(id);
    expect(await refusalOf(() => stand.book.ack({ intentId: id, fencingToken: token + 1, status: 'failed', text: '' }))).toContain(
      'CONFLICT',
    );
    expect(stand.book.get(id)).toBe(before);
  });

  it('keeps of an executor that talks without end its last word, with a line of the journal now and then', async () => {
    const stand = new BookStand();
    const { id, token } = await leased(stand);
    const said = (text: string) => stand.book.ack({ intentId: id, fencingToken: token, status: 'running', text });
    for (let i = 0; i < 1000; i++) expect(said(`step ${i}`).lastWord).toBe(`running: step ${i}`);
    const lines = () => stand.store.journal({ limit: 1000, kind: 'ack' }).length;
    expect(lines()).toBeLessThanOrEqual(2);
    await stand.clock.advance(5000);
    said('step 1000');
    expect(lines()).toBeLessThanOrEqual(3);
    stand.book.ack({ intentId: id, fencingToken: token, status: 'failed', text: 'no' });
    expect(stand.store.journal({ limit: 1 })[0]).toMatchObject({ kind: 'ack', detail: { text: 'no' } });
  });

  it('keeps the end of a long output', async () => {
    const stand = new BookStand();
    const { id, token } = await leased(stand);
    const text = `${'a'.repeat(5000)}the end`;
    expect(stand.book.ack({ intentId: id, fencingToken: token, status: 'running', text }).lastWord).toBe(`running: ${text.slice(-4096)}`);
  });
});

describe('whatever is called in whatever order', () => {
  const seed = Number(fc.sample(fc.integer({ min: 1, max: 2 ** 31 - 1 }), 1)[0]);
  const call = fc.record({
    what: fc.constantFrom(
      'request',
      'lease',
      'race',
      'heartbeat',
      'ack',
      'settle',
      'cancel',
      'approve',
      'revoke',
      'tick',
      'halt',
      'disk',
      'restart',
      'guards',
      'mode',
    ),
    pick: fc.nat(20),
    ms: fc.nat(90_000),
  });

  it(`never are there two acts in a cluster, nor a token that does not rise (seed ${seed})`, async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(call, { maxLength: 60 }), async (calls) => {
        const stand = new BookStand();
        let highest = 0;
        for (const { what, pick, ms } of calls) {
          const intents = stand.book.all();
          const intent = intents[pick % Math.max(1, intents.length)];
          const id = intent?.id ?? '';
          const token = intent?.lease?.fencingToken ?? pick;
          const { book } = stand;
          const seen = new Map(intents.map((one) => [one.id, one.lease?.fencingToken]));
          switch (what) {
            case 'request':
              await refusalOf(() => stand.request({ cluster: `c${pick % 2}`, broker: pick % 3, attempt: pick }));
              break;
            case 'lease':
              await refusalOf(() => book.lease(id, `e${pick % 2}`));
              break;
            case 'race':
              await Promise.all(intents.map((one) => refusalOf(() => book.lease(one.id, `e${pick}`))));
              break;
            case 'heartbeat':
              await refusalOf(() => book.heartbeat(id, token));
              break;
            case 'ack':
              await refusalOf(() => book.ack({ intentId: id, fencingToken: token, status: ACK_STATUSES[pick % 5] ?? 'failed', text: '' }));
              break;
            case 'settle':
              await refusalOf(() => book.settle(id, 'failed', 'seen'));
              break;
            case 'cancel':
              await refusalOf(() => book.cancel(id, 'over'));
              break;
            case 'approve':
              await refusalOf(() => book.approve(id, 'ada', 'yes'));
              break;
            case 'revoke':
              book.revokeAll('a test');
              break;
            case 'tick':
              await stand.pass(ms);
              break;
            case 'halt':
              stand.halted = stand.halted === undefined ? 'a test' : undefined;
              break;
            case 'disk':
              if (stand.store.durable) stand.store.breakDisk({ silently: pick % 2 === 0 });
              else stand.store.mendDisk();
              break;
            case 'restart':
              stand.restart();
              break;
            case 'guards':
              stand.made = pick % 2 === 0 ? [PASSES] : [HOLDS];
              break;
            case 'mode':
              stand.mode = pick % 3 === 0 ? 'approve' : 'auto';
          }
          const acting = stand.book.inFlight().map(({ cluster }) => cluster);
          expect(new Set(acting).size).toBe(acting.length);
          // A restart forgets what could not be written, and with it nothing that was granted.
          for (const { id: leasedId, lease, state } of stand.book.all()) {
            if (lease === undefined || seen.get(leasedId) === lease.fencingToken || what === 'restart') continue;
            expect(lease.fencingToken).toBeGreaterThan(highest);
            expect(isInFlight(state)).toBe(true);
          }
          highest = Math.max(highest, ...stand.book.all().map(({ lease }) => lease?.fencingToken ?? 0));
        }
      }),
      { seed, numRuns: 300 },
    );
  });
});

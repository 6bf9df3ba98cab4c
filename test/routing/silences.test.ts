import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { ManualClock } from '../../src/core/clock.ts';
import { silentLogger } from '../../src/core/log.ts';
import { parseMatcher } from '../../src/core/parse-matcher.ts';
import { silenceStateAt, type Silence, type SilenceDraft } from '../../src/core/silence.ts';
import type { MutedAlertRow, SilenceRow } from '../../src/core/state.ts';
import type { SilenceStore } from '../../src/routing/ports.ts';
import { SILENCE_LIMITS, SilenceBook } from '../../src/routing/silences.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

/** What the disk holds; `broken`: nothing can be written. */
class MemoryStore implements SilenceStore {
  readonly rows = new Map<string, SilenceRow>();
  broken = false;
  get durable(): boolean {
    return !this.broken;
  }
  durably(write: () => void): boolean {
    write();
    return !this.broken;
  }
  loadSilences(): readonly SilenceRow[] {
    return structuredClone([...this.rows.values()]);
  }
  saveSilence(row: SilenceRow): void {
    if (!this.broken) this.rows.set(row.id, structuredClone(row));
  }
  deleteSilence(id: string): void {
    if (!this.broken) this.rows.delete(id);
  }
  loadFiringKeys(): readonly string[] {
    return [];
  }
  loadMutedAlerts(): readonly MutedAlertRow[] {
    return [];
  }
  saveMutedAlert(): void {
    throw new Error('not expected');
  }
  deleteMutedAlert(): void {
    throw new Error('not expected');
  }
}

let clock: ManualClock;
let store: MemoryStore;
let book: SilenceBook;
let heard: string[];

function open(): SilenceBook {
  const made = new SilenceBook({ store, clock, log: silentLogger, limits: { ...SILENCE_LIMITS, silences: 5 } });
  made.listen((silence) => heard.push(silenceStateAt(silence, clock.now())));
  made.load();
  return made;
}

beforeEach(() => {
  clock = new ManualClock();
  store = new MemoryStore();
  heard = [];
  book = open();
});

afterEach(() => {
  book.stop();
  expect(clock.pendingTimers).toBe(0);
});

/** Times in hours from now. */
function draft(from: number, to: number, more: Partial<SilenceDraft> = {}): SilenceDraft {
  const now = clock.now();
  const about = { matchers: [parseMatcher('cluster="orders"')], createdBy: 'ann', comment: 'disk work' };
  return { ...about, startsAt: now + from * HOUR, endsAt: now + to * HOUR, ...more };
}

const stateOf = (silence: Silence | undefined): string => (silence === undefined ? 'gone' : silenceStateAt(silence, clock.now()));

describe('a silence', () => {
  it('begins, ends, and is kept for five days after', async () => {
    const { id } = book.set(draft(1, 2));
    expect([stateOf(book.get(id)), heard]).toEqual(['pending', ['pending']]);
    await clock.advance(HOUR);
    expect([stateOf(book.get(id)), heard.at(-1)]).toEqual(['active', 'active']);
    expect(book.active().map((silence) => silence.id)).toEqual([id]);
    await clock.advance(HOUR);
    expect([stateOf(book.get(id)), heard.at(-1)]).toEqual(['expired', 'expired']);
    await clock.advance(5 * DAY - 1);
    expect(stateOf(book.get(id))).toBe('expired');
    await clock.advance(1);
    expect([stateOf(book.get(id)), store.rows.size]).toEqual(['gone', 0]);
  });

  it('does not begin before it is made, and has a UUID', () => {
    const made = book.set(draft(-5, 2));
    expect(made.startsAt).toBe(clock.now());
    expect(made.id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  });

  it('is there again after a restart, and goes on from there', async () => {
    const made = book.set(draft(0, 2, { matchers: [parseMatcher('a=~"x|y"'), parseMatcher('b!=""')], annotations: { ticket: '4711' } }));
    book.stop();
    await clock.advance(HOUR);
    heard = [];
    book = open();
    expect(book.get(made.id)?.matchers.map(String)).toEqual(['a=~"x|y"', 'b!=""']);
    expect({ ...book.get(made.id), matchers: [] }).toEqual({ ...made, matchers: [] });
    expect(made.annotations).toEqual({ ticket: '4711' });
    expect(heard).toEqual(['active']);
    await clock.advance(HOUR);
    expect(heard).toEqual(['active', 'expired']);
  });

  it('works where it cannot be written', () => {
    store.broken = true;
    const { id } = book.set(draft(0, 1));
    expect([stateOf(book.get(id)), stateOf(book.expire(id))]).toEqual(['active', 'expired']);
  });
});

describe('a change', () => {
  // As Alertmanager decides (silence/silence.go, canUpdate); each against a silence of 0 h to 4 h that was made at 0 h.
  const cases: readonly [
    string,
    { begins?: number; after: number; change: (before: Silence) => Partial<SilenceDraft> },
    'in place' | 'anew',
  ][] = [
    ['of the end of an active one', { after: 1, change: ({ endsAt }) => ({ endsAt: endsAt + HOUR }) }, 'in place'],
    ['of the comment of an active one', { after: 1, change: () => ({ comment: 'more of it' }) }, 'in place'],
    [
      'of an active one whose start comes back without its milliseconds',
      { after: 1, change: ({ startsAt }) => ({ startsAt: Math.floor(startsAt / 1000) * 1000 }) },
      'in place',
    ],
    ['of the start of an active one', { after: 1, change: ({ startsAt }) => ({ startsAt: startsAt + HOUR }) }, 'anew'],
    ['of the matchers', { after: 1, change: () => ({ matchers: [parseMatcher('cluster="other"')] }) }, 'anew'],
    ['of the start of a pending one', { begins: 2, after: 1, change: ({ startsAt }) => ({ startsAt: startsAt + HOUR }) }, 'in place'],
    [
      'of the start of a pending one to the past',
      { begins: 2, after: 1, change: ({ startsAt }) => ({ startsAt: startsAt - 2 * HOUR }) },
      'anew',
    ],
    ['of an expired one', { after: 5, change: ({ endsAt }) => ({ endsAt: endsAt + 10 * HOUR }) }, 'anew'],
  ];
  it.each(cases)('%s', async (_, { begins = 0, after, change }, expected) => {
    const before = book.set(draft(begins, 4));
    await clock.advance(after * HOUR);
    const { id, matchers, startsAt, endsAt, createdBy, comment } = before;
    const next = book.set({ id, matchers, startsAt, endsAt, createdBy, comment, ...change(before) });
    expect(next.id === id ? 'in place' : 'anew').toBe(expected);
    if (expected === 'anew') expect(stateOf(book.get(id))).toBe('expired');
    expect(book.list()).toHaveLength(expected === 'anew' ? 2 : 1);
    expect(store.rows.size).toBe(book.list().length);
  });

  it('to expire ends it now, also before it has begun, and once', () => {
    const [active, pending] = [book.set(draft(0, 4)), book.set(draft(1, 4))];
    for (const { id } of [active, pending]) {
      const ended = book.expire(id);
      expect([stateOf(ended), ended.endsAt, book.expire(id)]).toEqual(['expired', clock.now(), ended]);
    }
  });
});

describe('what is refused', () => {
  const long = 'x'.repeat(5000);
  const cases: readonly [string, () => SilenceDraft, string][] = [
    ['no matcher', () => draft(0, 1, { matchers: [] }), 'BAD_REQUEST'],
    ['matchers that accept everything', () => draft(0, 1, { matchers: [parseMatcher('a=~".*"'), parseMatcher('b=""')] }), 'BAD_REQUEST'],
    ['an end before the start', () => draft(2, 1), 'BAD_REQUEST'],
    ['an end in the past', () => draft(-3, -1), 'BAD_REQUEST'],
    ['no end', () => draft(0, Infinity), 'BAD_REQUEST'],
    ['an end after more than a year', () => draft(0, 24 * 367), 'BAD_REQUEST'],
    ['an unknown id', () => draft(0, 1, { id: 'nobody' }), 'NOT_FOUND'],
    ['too many matchers', () => draft(0, 1, { matchers: Array.from({ length: 51 }, () => parseMatcher('a=b')) }), 'LIMIT_EXCEEDED'],
    ['a value that is too long', () => draft(0, 1, { matchers: [parseMatcher(`a=${long}`)] }), 'LIMIT_EXCEEDED'],
    ['a comment that is too long', () => draft(0, 1, { comment: long }), 'LIMIT_EXCEEDED'],
    ['an annotation that is too long', () => draft(0, 1, { annotations: { a: long } }), 'LIMIT_EXCEEDED'],
    ['an annotation’s name that is too long', () => draft(0, 1, { annotations: { [long]: 'a' } }), 'LIMIT_EXCEEDED'],
    [
      'too many annotations',
      () => draft(0, 1, { annotations: Object.fromEntries(Array.from({ length: 51 }, (_, i) => [`a${i}`, ''])) }),
      'LIMIT_EXCEEDED',
    ],
    ['a name that is too long', () => draft(0, 1, { createdBy: long }), 'LIMIT_EXCEEDED'],
  ];
  it.each(cases)('%s', (_, make, code) => {
    expect(() => book.set(make())).toThrow(expect.objectContaining({ code }));
    expect(book.list()).toEqual([]);
  });

  it('to expire what is not known', () => {
    expect(() => book.expire('nobody')).toThrow(expect.objectContaining({ code: 'NOT_FOUND' }));
  });

  it('more than the limit of those that have not expired; one that takes the place of another needs no room', () => {
    const made = Array.from({ length: 5 }, () => book.set(draft(0, 1)));
    expect(() => book.set(draft(0, 1))).toThrow(expect.objectContaining({ code: 'LIMIT_EXCEEDED' }));
    const { id = '' } = made[0] ?? {};
    expect(book.set(draft(0, 1, { id, matchers: [parseMatcher('a=b')] })).id).not.toBe(id);
    book.expire(made[1]?.id ?? '');
    book.set(draft(0, 1));
    expect(book.list()).toHaveLength(7);
  });
});

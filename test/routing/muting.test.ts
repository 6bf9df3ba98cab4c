import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Alert } from '../../src/core/alert.ts';
import { ManualClock } from '../../src/core/clock.ts';
import { Matcher } from '../../src/core/matcher.ts';
import { parseMatcher } from '../../src/core/parse-matcher.ts';
import type { Silence } from '../../src/core/silence.ts';
import type { InhibitRule } from '../../src/routing/inhibition.ts';
import { Muting } from '../../src/routing/muting.ts';
import { alertOf, resolved } from './setup.ts';

/** The design's storm is 10,000; what is counted here does not depend on how many. */
const ALERTS = 3000;
const RULES = 100;

/** Counts how often it is asked. */
class CountingMatcher extends Matcher {
  static asked = 0;

  override matchesLabels(labels: Parameters<Matcher['matchesLabels']>[0]): boolean {
    CountingMatcher.asked++;
    return super.matchesLabels(labels);
  }
}

let clock: ManualClock;
let muting: Muting;
let released: Alert[];
let reviews: number;

const rules: readonly InhibitRule[] = Array.from({ length: RULES }, (_, i) => ({
  sourceMatchers: [new CountingMatcher('alertname', '=', `Source${i}`)],
  targetMatchers: [new CountingMatcher('alertname', '=', `Target${i}`)],
  equal: ['cluster'],
}));

const target = (i: number): Alert => alertOf({ alertname: `Target${i % RULES}`, cluster: `c${i % 50}`, instance: String(i) }, clock.now());
const source = (i: number, cluster: number): Alert => alertOf({ alertname: `Source${i}`, cluster: `c${cluster}` }, clock.now());

function silenceOf(id: string, text: string, endsInMs: number): Silence {
  const at = clock.now();
  return {
    id,
    matchers: [parseMatcher(text)],
    startsAt: at,
    endsAt: at + endsInMs,
    createdBy: '',
    comment: '',
    annotations: {},
    updatedAt: at,
  };
}

beforeEach(() => {
  clock = new ManualClock();
  released = [];
  reviews = 0;
  muting = new Muting({
    clock,
    inhibitRules: () => rules,
    maintenance: () => {
      reviews++;
      return { open: [], until: Infinity };
    },
    holdMs: () => 1000,
    startGraceMs: 0,
    sourcesKnown: () => true,
    isTold: () => {
      reviews++;
      return false;
    },
    onReleased: (alerts) => released.push(...alerts),
  });
  muting.start([], []);
  muting.hear(
    Array.from({ length: ALERTS }, (_, i) => target(i)),
    clock.now(),
  );
  [CountingMatcher.asked, reviews] = [0, 0];
});

afterEach(() => {
  muting.stop();
  expect(clock.pendingTimers).toBe(0);
});

describe(`with ${ALERTS} alerts and ${RULES} rules the work is that of what has changed`, () => {
  it('one more alert asks the rules that may be about it, and no other alert', () => {
    muting.hear([target(ALERTS)], clock.now());
    expect([CountingMatcher.asked, reviews < 10]).toEqual([2, true]);
  });

  it('one that comes again, and one that ends, ask no rule', () => {
    muting.hear([target(1), resolved(target(2), clock.now())], clock.now());
    expect([CountingMatcher.asked, reviews < 10]).toEqual([0, true]);
  });

  it('a source looks at what it can inhibit, once', async () => {
    const first = source(0, 0);
    muting.hear([first], clock.now());
    const inhibited = ALERTS / RULES;
    expect([CountingMatcher.asked, muting.counts.inhibition]).toEqual([2, inhibited]);
    reviews = 0;
    muting.hear([resolved(first, clock.now())], clock.now());
    expect([muting.counts.inhibition, reviews < 10]).toEqual([inhibited, true]);
    await clock.advance(1000);
    expect([muting.counts.inhibition, released.length, reviews < 3 * inhibited]).toEqual([0, inhibited, true]);
  });

  it('an alert under two hundred silences asks those that want one of its values', () => {
    for (let i = 0; i < 200; i++) muting.silenceChanged(silenceOf(`s${i}`, `cluster="x${i}"`, 60_000));
    reviews = 0;
    muting.silenceChanged(silenceOf('mine', 'instance="7"', 60_000));
    expect([muting.counts.silence, muting.mutedByOf(target(7).labels.key).silences, reviews < 10]).toEqual([1, ['mine'], true]);
    muting.silenceChanged(silenceOf('mine', 'instance="7"', 0));
    expect([muting.counts.silence, released.map(({ labels }) => labels.get('instance'))]).toEqual([0, ['7']]);
  });
});

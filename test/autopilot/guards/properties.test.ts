import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { ACTIONS, type Action } from '../../../src/core/autopilot.ts';
import type { GuardContext } from '../../../src/autopilot/guards/context.ts';
import { blocking, evaluateGuards } from '../../../src/autopilot/guards/guards.ts';
import type { BrokerPicture, ClusterPicture, PartitionPicture } from '../../../src/autopilot/picture.ts';
import { DEFAULT_FLEET } from '../../../src/autopilot/policy.ts';
import { agreeing, broker, context, dead, MINUTE_MS, NOW, partition, picture } from './fixture.ts';

/** Random clusters, sane ones and some that no Kafka would show, and what an act that all guards let pass does to them. */

const RUNS = 3000;
const BROKERS = [1, 2, 3, 4, 5];

const brokers = fc.tuple(
  ...BROKERS.map((id) =>
    fc.oneof(
      { weight: 6, arbitrary: fc.constant(broker(id)) },
      { weight: 1, arbitrary: fc.constant(dead(id)) },
      {
        weight: 1,
        arbitrary: fc.record({ up: fc.boolean(), registered: fc.boolean(), expected: fc.boolean() }).map((change) => broker(id, change)),
      },
    ),
  ),
);

/** ISRs are what registered replicas make of them, mostly. */
function partitionOf(index: number, all: readonly BrokerPicture[]): fc.Arbitrary<PartitionPicture> {
  const registered = new Set(all.filter((one) => one.registered).map(({ id }) => id));
  return fc
    .record({
      replicas: fc.shuffledSubarray([...BROKERS], { minLength: 1, maxLength: 4 }),
      lagging: fc.subarray([...BROKERS], { maxLength: 1 }),
      lags: fc.integer({ min: 0, max: 5 }),
      sane: fc.integer({ min: 0, max: 19 }),
      minIsr: fc.oneof({ weight: 9, arbitrary: fc.constantFrom(1, 2, 2) }, { weight: 1, arbitrary: fc.constantFrom(3, undefined) }),
    })
    .map(({ replicas, lagging, lags, sane, minIsr }) => {
      const lost = lags === 0 ? lagging : [];
      const live = replicas.filter((id) => (sane === 0 || registered.has(id)) && !lost.includes(id));
      const isr = live.length > 0 ? live : replicas.slice(0, 1);
      const leader = isr.find((id) => registered.has(id)) ?? -1;
      return partition(replicas, { topic: `t${index}`, isr, leader, minIsr, lastIsr: leader < 0 ? isr : [] });
    });
}

const clusters: fc.Arbitrary<ClusterPicture> = brokers.chain((all) =>
  fc
    .tuple(
      fc.integer({ min: 1, max: 4 }).chain((size) => fc.tuple(...Array.from({ length: size }, (_, index) => partitionOf(index, all)))),
      fc.subarray(BROKERS, { maxLength: 3 }),
    )
    .map(([partitions, voting]) =>
      picture({
        brokers: all,
        partitions,
        rest: {
          labels: { drill: 'yes' },
          quorum: {
            leaderId: 11,
            voters: [...voting, 11].map((id) => ({ id, caughtUp: id === 11 || all.some((one) => one.id === id && one.registered) })),
          },
        },
      }),
    ),
);

const intents = fc.record({
  action: fc.constantFrom(...ACTIONS),
  target: fc.constantFrom(...BROKERS),
  drill: fc.boolean(),
  approved: fc.boolean(),
});

type Wish = typeof intents extends fc.Arbitrary<infer T> ? T : never;

function asked(seen: ClusterPicture, wish: Wish, change: Partial<GuardContext> = {}): GuardContext {
  const scaling = wish.action === 'scale_in' || wish.action === 'scale_out';
  const current = [...seen.brokers.values()].filter(({ registered }) => registered).length;
  return context({
    action: wish.action,
    broker: wish.action === 'scale_out' ? undefined : wish.target,
    desiredBrokers: scaling ? current + (wish.action === 'scale_in' ? -1 : 1) : undefined,
    drill: wish.drill,
    approved: wish.approved,
    moment: 'lease',
    picture: seen,
    confirmation: agreeing(seen),
    troubled: new Set(),
    ...change,
  });
}

function allowed(given: GuardContext): boolean {
  return blocking(evaluateGuards(given), given.approved) === undefined;
}

/** In-sync copies that can serve now; a broker that is not registered serves nothing. */
function serving({ isr }: PartitionPicture, { brokers: all }: ClusterPicture, without?: number): readonly number[] {
  return isr.filter((id) => id !== without && all.get(id)?.registered === true);
}

const REMOVING: ReadonlySet<Action> = new Set(['replace', 'scale_in']);

describe('an act that all guards let pass', () => {
  it('takes no partition below its min ISR, and none away', () => {
    let passed = 0;
    fc.assert(
      fc.property(clusters, intents, (seen, wish) => {
        if (wish.action === 'scale_out' || !allowed(asked(seen, wish))) return;
        passed++;
        for (const one of seen.partitions) {
          const before = serving(one, seen).length;
          const after = serving(one, seen, wish.target).length;
          const approvedSingle = wish.action === 'repair' && wish.approved && one.replicas.length === 1;
          if (after === before || approvedSingle) continue;
          expect(after).toBeGreaterThanOrEqual(Math.max(1, one.minIsr ?? Infinity));
        }
      }),
      { numRuns: RUNS, seed: 41 },
    );
    // The property would say nothing of clusters in which nothing is ever allowed.
    expect(passed).toBeGreaterThan(RUNS / 100);
  });

  it('leaves another in-sync copy of everything that it removes', () => {
    let passed = 0;
    fc.assert(
      fc.property(clusters, intents, (seen, wish) => {
        if (!REMOVING.has(wish.action) || !allowed(asked(seen, wish))) return;
        passed++;
        for (const one of seen.partitions.filter(({ replicas }) => replicas.includes(wish.target)))
          expect(serving(one, seen, wish.target)).not.toEqual([]);
      }),
      { numRuns: RUNS, seed: 42 },
    );
    expect(passed).toBeGreaterThan(0);
  });

  it('leaves a majority of the voters caught up, and removes none', () => {
    fc.assert(
      fc.property(clusters, intents, (seen, wish) => {
        if (wish.action === 'scale_out' || seen.quorum === undefined || !allowed(asked(seen, wish))) return;
        const { voters } = seen.quorum;
        const target = voters.find(({ id }) => id === wish.target);
        if (target === undefined) return;
        expect(REMOVING.has(wish.action)).toBe(false);
        const left = voters.filter(({ id, caughtUp }) => caughtUp && id !== wish.target).length;
        if (target.caughtUp) expect(left).toBeGreaterThan(voters.length / 2);
      }),
      { numRuns: RUNS, seed: 43 },
    );
  });

  it('is on a broker that needs it, unless it is a drill', () => {
    fc.assert(
      fc.property(clusters, intents, (seen, wish) => {
        if (wish.drill || (wish.action !== 'repair' && wish.action !== 'replace') || !allowed(asked(seen, wish))) return;
        const target = seen.brokers.get(wish.target);
        expect(target?.registered === true && target.up === true).toBe(false);
        for (const other of seen.brokers.values())
          if (other.expected && other.id !== wish.target)
            expect({ up: other.up, registered: other.registered }).toEqual({ up: true, registered: true });
      }),
      { numRuns: RUNS, seed: 44 },
    );
  });

  it.each([
    ['halted', { halted: 'by ana' }],
    ['not durable', { durable: false }],
    ['in mode off', { mode: 'off' }],
    ['in mode observe', { mode: 'observe' }],
    ['behind an open breaker', { breaker: 'three clusters' }],
    ['held', { holds: ['by ben'] }],
    ['just started', { startedAt: NOW - MINUTE_MS }],
    ['without answers', { confirmation: undefined }],
    ['while Cruise Control executes', { cruiseControlBusy: 'it moves' }],
  ] satisfies [string, Partial<GuardContext>][])('is none while %s', (_, change) => {
    fc.assert(
      fc.property(clusters, intents, (seen, wish) => {
        expect(allowed(asked(seen, wish, change))).toBe(false);
      }),
      { numRuns: 300, seed: 45 },
    );
  });

  it('is none of a picture that is blind, old, of another cluster, or in maintenance', () => {
    const spoiled: readonly Partial<ClusterPicture>[] = [
      { blind: 'no answer' },
      { askedAt: NOW - 60_000 },
      { clusterIdChanged: true },
      { maintenance: 'sunday' },
      { reassigning: undefined },
    ];
    fc.assert(
      fc.property(clusters, intents, fc.constantFrom(...spoiled), (seen, wish, change) => {
        expect(allowed(asked({ ...seen, ...change }, wish))).toBe(false);
      }),
      { numRuns: 1000, seed: 46 },
    );
  });
});

/** Two healthy clusters of four brokers, in which acts are asked for all the time. */
const steps = fc.array(
  fc.record({
    cluster: fc.constantFrom('a', 'b', 'c'),
    wish: intents,
    afterMs: fc.integer({ min: 0, max: 40 * MINUTE_MS }),
    tookMs: fc.integer({ min: MINUTE_MS, max: 90 * MINUTE_MS }),
  }),
  { minLength: 1, maxLength: 60 },
);

interface Done {
  readonly cluster: string;
  readonly broker: number | undefined;
  readonly action: Action;
  readonly incidentId: string;
  readonly at: number;
  readonly endsAt: number;
}

/** The picture while the act in flight keeps its broker out of all ISRs; scale-outs and drains of this test change nothing. */
function during(cluster: string, now: number, acts: readonly Done[]): ClusterPicture {
  const away = new Set(acts.filter((act) => act.cluster === cluster && act.at <= now && now < act.endsAt).map((act) => act.broker));
  const all = [1, 2, 3, 4].map((id) => broker(id, away.has(id) ? { up: false, registered: false, downSince: now } : {}));
  const partitions = [
    [1, 2, 3],
    [2, 3, 4],
    [3, 4, 1],
  ].map((replicas, index) => partition(replicas, { partition: index, isr: replicas.filter((id) => !away.has(id)) }));
  return picture({ brokers: all, partitions, rest: { cluster, askedAt: now, observedAt: now, labels: { drill: 'yes' } } });
}

describe('any sequence of intents', () => {
  it('keeps every partition at its min ISR, the rate within an hour, and one act a cluster', () => {
    let granted = 0;
    fc.assert(
      fc.property(steps, (sequence) => {
        const acts: Done[] = [];
        let now = NOW;
        for (const [index, { cluster, wish, afterMs, tookMs }] of sequence.entries()) {
          now += afterMs;
          const at = now;
          const seen = during(cluster, at, acts);
          const incidentId = `incident-${index}`;
          const inFlight = acts.filter(({ endsAt }) => endsAt > at);
          const given = asked(
            seen,
            { ...wish, target: Math.min(wish.target, 4) },
            {
              now: at,
              incidentId,
              inFlight,
              actsLastHour: acts.filter((act) => at - act.at < 60 * MINUTE_MS),
              lastActOfOtherIncidentAt: Math.max(
                0,
                ...acts.filter((act) => act.cluster === cluster).map(({ endsAt }) => Math.min(endsAt, at)),
              ),
            },
          );
          if (!allowed(given)) continue;
          granted++;
          acts.push({ cluster, broker: given.broker, action: wish.action, incidentId, at, endsAt: at + tookMs });
          expect(acts.filter((act) => act.cluster === cluster && act.endsAt > at)).toHaveLength(1);
          expect(acts.filter((act) => act.endsAt > at).length).toBeLessThanOrEqual(DEFAULT_FLEET.inFlightMax);
          expect(acts.filter((act) => at - act.at < 60 * MINUTE_MS).length).toBeLessThanOrEqual(DEFAULT_FLEET.actsPerHourMax);
          for (const one of during(cluster, at, acts).partitions) expect(one.isr.length).toBeGreaterThanOrEqual(one.minIsr ?? 1);
        }
      }),
      { numRuns: 200, seed: 47 },
    );
    expect(granted).toBeGreaterThan(100);
  });
});

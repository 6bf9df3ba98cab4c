import { describe, expect, it } from '@jest/globals';
import { Readiness, type WatchedCluster } from '../../src/app/readiness.ts';
import { ManualClock } from '../../src/core/clock.ts';
import type { GroupProgress } from '../../src/rules/engine.ts';

interface FakeCluster {
  name?: string;
  hasLooked?: boolean;
  /** Seconds ago; undefined: never. */
  answered?: number | undefined;
  concluded?: number | undefined;
  intervalMs?: number;
}

interface Facts {
  durable?: boolean;
  clusters?: FakeCluster[];
  /** Seconds since the last evaluation; undefined: never. */
  groups?: { evaluated?: number | undefined; intervalMs?: number; works?: boolean; isEmpty?: boolean }[];
  ownCollected?: number | undefined;
  outboxWorked?: number;
  /** Seconds since the start. */
  age?: number;
}

/** A Belfry that has run for an hour and does all its work, but for what is given. */
function readinessOf(facts: Facts): { readiness: Readiness; facts: Facts; now: number } {
  const clock = new ManualClock();
  const now = clock.now();
  const ago = (seconds: number | undefined): number | undefined => (seconds === undefined ? undefined : now - seconds * 1000);
  const cluster = (fake: FakeCluster): WatchedCluster => ({
    config: { name: fake.name ?? 'orders' },
    hasLooked: fake.hasLooked ?? true,
    lookTimes: {
      lastSuccessAt: ago('answered' in fake ? fake.answered : 2),
      concludedAt: ago('concluded' in fake ? fake.concluded : 2),
    },
    lookIntervalMs: fake.intervalMs ?? 10_000,
  });
  const group = (fake: NonNullable<Facts['groups']>[number], index: number): GroupProgress => ({
    name: `group ${index}`,
    intervalMs: fake.intervalMs ?? 5000,
    lastEvaluationTs: ago('evaluated' in fake ? fake.evaluated : 3) ?? 0,
    works: fake.works ?? true,
    isEmpty: fake.isEmpty ?? false,
  });
  const readiness = new Readiness({
    clock,
    startedAt: now - (facts.age ?? 3600) * 1000,
    durable: () => facts.durable ?? true,
    clusters: () => (facts.clusters ?? [{}]).map(cluster),
    groups: () => (facts.groups ?? [{}]).map(group),
    ownCollectedAt: () => ago('ownCollected' in facts ? facts.ownCollected : 4) ?? 0,
    outboxWorkedAt: () => ago(facts.outboxWorked ?? 0) ?? 0,
  });
  return { readiness, facts, now };
}

describe('Belfry is ready', () => {
  it.each<[string, Facts]>([
    ['when all works', {}],
    ['without a cluster and without rules', { clusters: [], groups: [] }],
    ['while a cluster does not answer: that is what it is there to tell', { clusters: [{ answered: undefined, concluded: 8 }] }],
    ['between the looks of a slow cadence', { clusters: [{ concluded: 290, intervalMs: 120_000 }] }],
    ['while a group with a long interval has not been evaluated, later on', { groups: [{}, { evaluated: undefined }] }],
    ['between the slots of a slow file', { groups: [{ evaluated: 290, intervalMs: 120_000 }] }],
    ['while every rule fails: that is told by an alert', { groups: [{ works: false }] }],
    [
      'at the start, without those groups whose first slot comes later',
      { groups: [{}, { evaluated: undefined, intervalMs: 60_000 }], age: 20 },
    ],
    ['with a group that has no rules', { groups: [{}, { isEmpty: true, evaluated: undefined }], age: 5 }],
    ['before its own metrics were read, just after the start', { ownCollected: undefined, age: 2 }],
  ])('%s', (_, facts) => {
    expect(readinessOf(facts).readiness.notReady()).toEqual([]);
  });
});

describe('Belfry is not ready', () => {
  it.each<[string, Facts, RegExp]>([
    ['while its state is not durable', { durable: false }, /^the state cannot be written to state\.db: /],
    [
      'before every cluster has been looked at',
      { clusters: [{}, { name: 'payments', hasLooked: false, answered: undefined, concluded: undefined }], age: 90 },
      /^not looked at yet since the start: payments$/,
    ],
    ['before rules were evaluated', { groups: [{ evaluated: undefined }], age: 90 }, /^rules have not been evaluated yet$/],
    [
      'before each group was evaluated, at the start',
      { groups: [{}, { evaluated: undefined }], age: 20 },
      /^rules have not been evaluated yet$/,
    ],
    ['while no rule is evaluated', { groups: [{ evaluated: 61 }, { evaluated: 75 }] }, /^no rule has been evaluated for 61 s$/],
    [
      'while looks at a cluster come to no end',
      { clusters: [{}, { name: 'payments', concluded: 61 }] },
      /^no look has come to an end for a minute at: payments$/,
    ],
    [
      'while nothing is collected',
      { ownCollected: 61, clusters: [] },
      /^no look has come to an end for a minute at: Belfry's own metrics$/,
    ],
    ['while its own metrics were never read', { ownCollected: undefined, age: 61 }, /Belfry's own metrics$/],
    ['while the outbox stands still', { outboxWorked: 61 }, /^no message that is due has been tried for 61 s$/],
  ])('%s, in one sentence', (_, facts, told) => {
    expect(readinessOf(facts).readiness.notReady()).toEqual([expect.stringMatching(told)]);
  });

  it('with all reasons side by side', () => {
    const facts = { durable: false, outboxWorked: 61, groups: [{ evaluated: 61 }], clusters: [{ concluded: 61 }] };
    expect(readinessOf(facts).readiness.notReady()).toHaveLength(4);
  });

  it('until what kept it is over: it is ready again by itself', () => {
    const { readiness, facts } = readinessOf({ durable: false, outboxWorked: 100 });
    expect(readiness.notReady()).toHaveLength(2);
    Object.assign(facts, { durable: true, outboxWorked: 1 });
    expect(readiness.notReady()).toEqual([]);
  });

  it('no more for a cluster that a reload brings', () => {
    const { readiness, facts } = readinessOf({});
    expect(readiness.notReady()).toEqual([]);
    facts.clusters = [{}, { name: 'new', hasLooked: false, concluded: undefined }];
    expect(readiness.notReady()).toEqual([]);
  });
});

describe('what the heartbeat goes by', () => {
  it.each<[string, Facts, (number | undefined)[]]>([
    ['the cluster that answered last', { clusters: [{ answered: 400 }, { answered: 7 }, { answered: undefined }] }, [7, 3, 0]],
    ['no cluster that ever answered', { clusters: [{ answered: undefined, concluded: 3 }] }, [undefined, 3, 0]],
    ['its own metrics, without clusters', { clusters: [] }, [4, 3, 0]],
    ['groups of which a rule gave a result', { groups: [{ evaluated: 5, works: false }, { evaluated: 9 }] }, [2, 9, 0]],
    ['no rule that gave a result', { groups: [{ works: false }, { evaluated: undefined }] }, [2, undefined, 0]],
    ['no rules at all', { groups: [] }, [2, 0, 0]],
    ['the outbox', { outboxWorked: 80 }, [2, 3, 80]],
  ])('%s', (_, facts, agoSeconds) => {
    const { readiness, now } = readinessOf(facts);
    const { collection, rules, outbox } = readiness.sources;
    const ago = (at: number | undefined): number | undefined => (at === undefined ? undefined : (now - at) / 1000);
    expect([collection, rules, outbox].map((read) => ago(read()))).toEqual(agoSeconds);
  });
});

import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { BROKER_STATES, type Intent, INTENT_STATES, MODES } from '../../src/core/autopilot.ts';
import type { PilotBrokerRow } from '../../src/core/autopilot-state.ts';
import { ManualClock } from '../../src/core/clock.ts';
import { type BrokerFacts, healthyRow } from '../../src/autopilot/broker-facts.ts';
import { advance } from '../../src/autopilot/broker-machine.ts';
import type { BrokerPicture } from '../../src/autopilot/picture.ts';
import { DEFAULT_REPAIR } from '../../src/autopilot/policy.ts';
import { ownEvidence } from '../../src/autopilot/verification.ts';
import { CLUSTER, FakeCluster } from './pilot-rig.ts';

/** Every edge that there is; whatever is not here must not happen. */
const EDGES: Readonly<Record<PilotBrokerRow['state'], readonly PilotBrokerRow['state'][]>> = {
  // Straight to repairing: a drill, or an act of which the row was lost.
  healthy: ['suspect', 'repairing'],
  suspect: ['healthy', 'unhealthy', 'repairing', 'needs_human'],
  unhealthy: ['healthy', 'suspect', 'repairing', 'recovering', 'verifying', 'replace_pending', 'needs_human'],
  // Only by what is seen: from here to healthy there is no way but through verifying.
  repairing: ['recovering', 'verifying', 'unhealthy', 'needs_human'],
  recovering: ['verifying', 'unhealthy', 'needs_human'],
  verifying: ['healthy', 'recovering', 'unhealthy', 'needs_human'],
  replace_pending: ['healthy', 'suspect', 'recovering', 'verifying', 'replacing', 'needs_human'],
  replacing: ['verifying', 'replace_pending', 'needs_human'],
  needs_human: ['healthy'],
};

const clock = new ManualClock();
const NOW = clock.now();

interface Scene {
  readonly row: PilotBrokerRow;
  readonly facts: BrokerFacts;
}

function intentOf(state: Intent['state'], action: Intent['action'], attempt: number, lastWord: string, guards: Intent['guards']): Intent {
  return {
    id: 'intent-1',
    key: 'key',
    cluster: CLUSTER,
    action,
    broker: 2,
    desiredBrokers: undefined,
    currentBrokers: undefined,
    incidentId: 'incident-2',
    attempt,
    mode: 'auto',
    state,
    reason: '',
    createdAt: NOW - 60_000,
    changedAt: NOW - 1000,
    expiresAt: 0,
    opensAt: 0,
    guards,
    evidence: [{ what: 'known_brokers', value: '1,3', at: NOW }],
    lease: undefined,
    approvedBy: undefined,
    lastWord,
    drill: false,
  };
}

const scenes: fc.Arbitrary<Scene> = fc
  .record({
    state: fc.constantFrom(...BROKER_STATES),
    age: fc.constantFrom(0, 60_000, 600_001, 5 * 3_600_000),
    unhealthyFor: fc.constantFrom(0, 121_000, 3_600_001),
    repairsFailed: fc.nat(4),
    verifying: fc.constantFrom('', 'repair', 'replace'),
    recoveringFor: fc.constantFrom(0, 60_000, 16 * 60_000, 5 * 3_600_000),
    progress: fc.constantFrom(0, 5),
    broker: fc.record({
      up: fc.constantFrom(true, false, undefined),
      registered: fc.boolean(),
      verdict: fc.constantFrom('crashed', 'stopped', 'cut_short', 'unreachable', 'auth', 'not_answering', 'suspect', 'unknown', undefined),
      inStopGrace: fc.boolean(),
      expected: fc.boolean(),
    }),
    known: fc.constantFrom(true, true, true, false),
    outOfSync: fc.boolean(),
    seen: fc.constantFrom(true, true, true, false),
    evidence: fc.boolean(),
    others: fc.constantFrom<readonly number[]>([], [3]),
    sign: fc.constantFrom(undefined, { progress: 3, sentence: 'it starts up' }, { progress: 9, sentence: 'it starts up' }),
    intent: fc.constantFrom(...INTENT_STATES, 'running' as const, 'running' as const, 'running' as const, undefined),
    action: fc.constantFrom('repair' as const, 'replace' as const),
    said: fc.constantFrom('', 'succeeded: done', 'failed: not done', 'running: on it'),
    sacred: fc.boolean(),
    repair: fc.constantFrom(...MODES),
    replace: fc.constantFrom(...MODES),
    mayAct: fc.boolean(),
    seeingFor: fc.constantFrom(0, 20 * 60_000),
  })
  .map((one) => sceneOf(one));

function sceneOf(one: {
  state: PilotBrokerRow['state'];
  age: number;
  unhealthyFor: number;
  repairsFailed: number;
  verifying: string;
  recoveringFor: number;
  progress: number;
  broker: Pick<BrokerPicture, 'up' | 'registered' | 'verdict' | 'inStopGrace' | 'expected'>;
  known: boolean;
  outOfSync: boolean;
  seen: boolean;
  evidence: boolean;
  others: readonly number[];
  sign: BrokerFacts['recovering'];
  intent: Intent['state'] | undefined;
  action: 'repair' | 'replace';
  said: string;
  sacred: boolean;
  repair: BrokerFacts['modes']['repair'];
  replace: BrokerFacts['modes']['replace'];
  mayAct: boolean;
  seeingFor: number;
}): Scene {
  const cluster = new FakeCluster(clock);
  cluster.set(2, { ...one.broker, downSince: one.broker.up === false ? NOW - 1000 : undefined });
  if (one.outOfSync) cluster.outOfSync.add(2);
  if (!one.known) cluster.brokers.delete(2);
  const picture = one.seen ? cluster.picture(CLUSTER) : undefined;
  const guards = one.sacred ? [{ guard: 'last_copy', holds: true, sentence: 'payments-3 has no other copy' }] : [];
  const action = one.state === 'replace_pending' || one.state === 'replacing' ? 'replace' : one.state === 'healthy' ? 'repair' : one.action;
  const intent = one.intent === undefined ? undefined : intentOf(one.intent, action, 1, one.said, guards);
  const proof = picture === undefined ? undefined : ownEvidence(picture, 2);
  const row = {
    ...healthyRow(CLUSTER, 2, NOW - one.age),
    ...(one.state === 'healthy'
      ? {}
      : {
          state: one.state,
          suspectSince: NOW - one.age,
          unhealthySince: one.unhealthyFor === 0 ? 0 : NOW - one.unhealthyFor,
          repairsFailed: one.repairsFailed,
          verifying: one.verifying,
          verifyUntil: NOW - one.age + 600_000,
          recoveringSince: one.recoveringFor === 0 ? 0 : NOW - one.recoveringFor,
          progress: one.progress,
          progressAt: NOW - one.recoveringFor,
          intentId: intent?.id ?? '',
        }),
  };
  const evidence = one.evidence
    ? [
        {
          alertKey: 'a',
          shard: CLUSTER,
          cluster: CLUSTER,
          brokerId: 2,
          action: 'repair' as const,
          rule: 'BrokerCrashed',
          startsAt: NOW,
          value: 1,
          labels: {},
        },
      ]
    : [];
  const facts: BrokerFacts = {
    picture,
    self: picture?.brokers.get(2),
    evidence,
    proof,
    troubled: one.evidence || proof !== undefined,
    othersTroubled: one.others,
    recovering: one.broker.up === true && one.broker.registered ? undefined : one.sign,
    intent,
    ack: undefined,
    modes: { repair: one.repair, replace: one.replace },
    mayAct: one.mayAct,
    seeingSince: NOW - one.seeingFor,
    incidentId: 'incident-2',
  };
  return { row, facts };
}

function always(law: (scene: Scene, step: ReturnType<typeof advance>) => void, numRuns = 5000): void {
  fc.assert(
    fc.property(scenes, (scene) => law(scene, advance(scene.row, scene.facts, NOW, DEFAULT_REPAIR))),
    { numRuns, seed: 20_261_122 },
  );
}

describe('laws that hold in every scene', () => {
  it('only edges of the table happen, each with a sentence', () => {
    const seen = new Set<string>();
    always((_, { edges }) => {
      for (const { from, to, text } of edges) {
        // Taken out of service, or forgotten, by a person: from wherever it stood.
        if (to === 'healthy' && /no longer expected|not known any more/.test(text)) continue;
        seen.add(`${from}→${to}`);
        if (!EDGES[from].includes(to)) throw new Error(`${from}→${to}: ${text}`);
        expect(text.length).toBeGreaterThan(10);
      }
    }, 20_000);
    const missing = Object.entries(EDGES).flatMap(([from, tos]) => tos.map((to) => `${from}→${to}`).filter((edge) => !seen.has(edge)));
    expect(missing).toEqual([]);
  });

  it('what cannot be seen moves nothing', () => {
    always(({ row, facts }, step) => {
      if (facts.picture !== undefined) return;
      expect([step.row, step.edges, step.want, step.settle]).toEqual([row, [], undefined, []]);
    });
  });

  it('an act is asked for only with a rule’s evidence, our own, leave to act, a mode that is not off, and no other broker in trouble', () => {
    always(({ facts }, { want, row }) => {
      if (want === undefined) return;
      expect([facts.evidence.length > 0, facts.proof !== undefined, facts.mayAct, facts.othersTroubled]).toEqual([true, true, true, []]);
      expect(facts.modes[want.action]).not.toBe('off');
      expect(row.state).toBe(want.action === 'repair' ? 'unhealthy' : 'replace_pending');
    });
  });

  it('a replace is asked for only from replace_pending, which only enough failures and enough time lead to', () => {
    always(({ row }, { edges }) => {
      if (!edges.some(({ from, to }) => from === 'unhealthy' && to === 'replace_pending')) return;
      expect(row.repairsFailed).toBeGreaterThanOrEqual(DEFAULT_REPAIR.failuresBeforeReplace);
      expect(NOW - row.unhealthySince).toBeGreaterThanOrEqual(DEFAULT_REPAIR.unhealthyBeforeReplaceMs);
    });
  });

  it('nobody’s word makes a broker healthy or a repair good: it is up, registered and in sync, or replaced', () => {
    always(({ facts }, { settle }) => {
      if (!settle.some(({ as }) => as === 'succeeded')) return;
      expect([facts.self?.up, facts.self?.registered]).toEqual([true, true]);
    });
  });

  it('what somebody acts on is never cancelled, but for a broker that recovers for too long', () => {
    always(({ row, facts }, { settle, edges }) => {
      const acting = facts.intent !== undefined && ['leased', 'running', 'unknown'].includes(facts.intent.state);
      if (!acting || row.state === 'recovering' || edges.some(({ to }) => to === 'recovering')) return;
      const cancelled = settle.filter(({ as }) => as === 'cancelled');
      const gone = edges.some(({ text }) => /no longer expected|not known any more/.test(text));
      if (!gone) expect(cancelled).toEqual([]);
    });
  });
});

describe('the back-off', () => {
  it.each([
    [1, 15],
    [2, 30],
    [3, 60],
    [4, 120],
    [5, 240],
  ])('after act %i: %i minutes', (attempts, minutes) => {
    const cluster = new FakeCluster(clock);
    cluster.kill(2);
    const picture = cluster.picture(CLUSTER);
    if (picture === undefined) throw new Error('no picture');
    const row = {
      ...healthyRow(CLUSTER, 2, NOW - 3_600_000),
      state: 'verifying' as const,
      verifying: 'repair',
      attempts,
      unhealthySince: NOW - 3_600_000,
      intentId: 'intent-1',
    };
    const { row: next } = advance(
      row,
      {
        picture,
        self: picture.brokers.get(2),
        evidence: [
          {
            alertKey: 'a',
            shard: CLUSTER,
            cluster: CLUSTER,
            brokerId: 2,
            action: 'repair',
            rule: 'BrokerCrashed',
            startsAt: NOW,
            value: 1,
            labels: {},
          },
        ],
        proof: ownEvidence(picture, 2),
        troubled: true,
        othersTroubled: [],
        recovering: undefined,
        intent: intentOf('unknown', 'repair', attempts, '', []),
        ack: undefined,
        modes: { repair: 'auto', replace: 'auto' },
        mayAct: true,
        seeingSince: NOW - 7_200_000,
        incidentId: '',
      },
      NOW,
      { ...DEFAULT_REPAIR, failuresBeforeReplace: 99 },
    );
    expect(next.nextActAt - NOW).toBe(minutes * 60_000);
  });
});

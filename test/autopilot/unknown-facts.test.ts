import { describe, expect, it } from '@jest/globals';
import { type Intent, isEnded } from '../../src/core/autopilot.ts';
import type { PilotBrokerRow } from '../../src/core/autopilot-state.ts';
import { type BrokerFacts, healthyRow } from '../../src/autopilot/broker-facts.ts';
import { advance } from '../../src/autopilot/broker-machine.ts';
import type { ClusterPicture } from '../../src/autopilot/picture.ts';
import { DEFAULT_REPAIR } from '../../src/autopilot/policy.ts';
import { ownEvidence } from '../../src/autopilot/verification.ts';
import { CLUSTER, type FakeCluster, MINUTE, Rig } from './pilot-rig.ts';

/** Facts of one picture are of different ages, and some are not known for a moment: that proves nothing, either way. */

const HOUR = 60 * MINUTE;

describe('a repair that our own look finds good while its executor is at work', () => {
  async function back(): Promise<{ rig: Rig; id: string; fencingToken: number }> {
    const rig = await new Rig().started();
    rig.crash(2);
    await rig.openIntent();
    const { id, fencingToken } = await rig.lease();
    rig.pilot.book.ack({ intentId: id, fencingToken, status: 'running', text: 'step 1 of 2' });
    await rig.clock.advance(5000);
    rig.cluster.inSync(2);
    rig.resolves(2);
    await rig.clock.advance(5000);
    return { rig, id, fencingToken };
  }

  it('is done when the executor has said its last word: a step may be to come', async () => {
    const { rig, id, fencingToken } = await back();
    expect([rig.stateOf(2), rig.intents()]).toEqual(['verifying', ['repair 1 running']]);
    expect(rig.pilot.book.heartbeat(id, fencingToken).state).toBe('running');
    rig.pilot.book.ack({ intentId: id, fencingToken, status: 'succeeded', text: 'done' });
    await rig.clock.advance(1000);
    expect([rig.stateOf(2), rig.intents()]).toEqual(['healthy', ['repair 1 succeeded']]);
  });

  it('is done when the lease runs out', async () => {
    const { rig } = await back();
    await rig.clock.advance(MINUTE);
    expect([rig.stateOf(2), rig.intents()]).toEqual(['healthy', ['repair 1 succeeded']]);
  });

  it('is done when the window of verification is over, however long the executor goes on', async () => {
    const { rig, id, fencingToken } = await back();
    for (let ms = 0; ms < DEFAULT_REPAIR.verifyMs && rig.stateOf(2) !== 'healthy'; ms += 20_000) {
      rig.pilot.book.heartbeat(id, fencingToken);
      await rig.clock.advance(20_000);
    }
    expect([rig.stateOf(2), rig.intents()]).toEqual(['healthy', ['repair 1 succeeded']]);
  });
});

describe('the window of a verification', () => {
  it('grows with the bytes that are learnt after the act: Belfry was started while the broker was down', async () => {
    const rig = await new Rig().started();
    rig.crash(2);
    await rig.openIntent();
    const { id, fencingToken } = await rig.lease();
    rig.pilot.book.ack({ intentId: id, fencingToken, status: 'succeeded', text: 'done' });
    await rig.clock.advance(1000);
    rig.cluster.comesBack(2);
    await rig.clock.advance(1000);
    expect(rig.stateOf(2)).toBe('verifying');
    rig.cluster.set(2, { usedBytes: DEFAULT_REPAIR.catchUpBytesPerSecond * 3600 });
    await rig.clock.advance(HOUR);
    expect([rig.stateOf(2), rig.edges().at(-1)]).toEqual(['verifying', 'repairing→verifying']);
    await rig.clock.advance(15 * MINUTE);
    expect(rig.edges()).toContain('verifying→unhealthy');
  });

  it.each([
    ['a repair', 'repair', 'unhealthy'],
    ['a broker that came back by itself', '', 'needs_human'],
    ['a replacement', 'replace', 'needs_human'],
  ])('is not over for %s while it is not known for a moment whether partitions move', (_, verifying, end) => {
    const scene = late({ verifying });
    scene.cluster.outOfSync.add(2);
    expect(scene.look({ reassigning: undefined }).edges).toEqual([]);
    expect(scene.look({ reassigning: [] }).edges[0]?.to).toBe(end);
  });

  it('is over all the same where that stays unknown', () => {
    const scene = late({ verifying: 'repair' });
    scene.cluster.outOfSync.add(2);
    expect(scene.look({ reassigning: undefined }, 15 * MINUTE).edges[0]?.to).toBe('unhealthy');
  });
});

describe('what an act has made worse', () => {
  it('is not told while copies that are only being added cannot be told from those that fell behind', () => {
    for (const [reassigning, outcome] of [
      [undefined, 'needed'],
      [[], 'wrong'],
    ] as const) {
      const scene = late({ verifying: 'repair', state: 'repairing' });
      scene.cluster.kill(2);
      scene.cluster.outOfSync.add(3);
      const { outcomes } = scene.look({ reassigning }, 0, { state: 'running', lastWord: 'failed: no' });
      expect(outcomes.map((one) => one.outcome)).toEqual([outcome]);
    }
  });
});

describe('the successor of a replaced broker', () => {
  it('is one that was not known before, not one that was away when the replacement was asked for', () => {
    const scene = late({ verifying: '', state: 'replace_pending' });
    scene.cluster.kill(2);
    scene.cluster.set(4, { registered: false });
    const { want } = scene.look({}, 0, undefined);
    const evidence = want?.evidence ?? [];
    expect(want?.action).toBe('replace');
    const replacing = late({ verifying: '', state: 'replacing' });
    replacing.cluster.kill(2);
    replacing.cluster.set(4, {});
    expect(replacing.look({}, 0, { action: 'replace', state: 'running', evidence }).row.replacedBy).toBe(-1);
    replacing.cluster.set(5, {});
    expect(replacing.look({}, 0, { action: 'replace', state: 'running', evidence }).row.replacedBy).toBe(5);
  });

  it('is found also where the replacement was asked for before an upgrade, with the brokers that were registered then', () => {
    const scene = late({ verifying: '', state: 'replacing' });
    scene.cluster.kill(2);
    scene.cluster.set(5, {});
    const evidence = [{ what: 'registered_brokers', value: '1,3', at: scene.now }];
    expect(scene.look({}, 0, { action: 'replace', state: 'running', evidence }).row.replacedBy).toBe(5);
  });
});

describe('a recovery', () => {
  it('does not stand still while nobody can see whether it advances: the quorum tells', () => {
    const scene = late({ verifying: 'repair', state: 'recovering' });
    scene.cluster.set(2, { registered: false, up: true });
    const quorum = scene.cluster.picture(CLUSTER)?.quorum;
    const blind = scene.look({ quorum: undefined });
    expect(blind.edges).toEqual([]);
    expect(advance(blind.row, scene.facts({ quorum }), scene.now + 1000, DEFAULT_REPAIR).edges).toEqual([]);
    expect(scene.look({ quorum }).edges[0]?.to).toBe('unhealthy');
  });
});

/** A broker whose time is over, and how its machine looks at it. */
function late({ verifying, state = 'verifying' }: { verifying: string; state?: PilotBrokerRow['state'] }) {
  const rig = new Rig();
  const { cluster, clock } = rig;
  const now = clock.now();
  const since = now - DEFAULT_REPAIR.verifyMs - 5 * MINUTE;
  const row: PilotBrokerRow = {
    ...healthyRow(CLUSTER, 2, since),
    state,
    verifying,
    suspectSince: since,
    unhealthySince: now - 2 * HOUR,
    verifyUntil: now - 5 * MINUTE,
    intentId: state === 'replace_pending' ? '' : 'one',
    attempts: 3,
    repairsFailed: 3,
    recoveringSince: state === 'recovering' ? now - HOUR : 0,
    progress: 5,
    progressAt: state === 'recovering' ? now - 20 * MINUTE : 0,
  };
  const facts = (change: Partial<ClusterPicture>, intent?: Partial<Intent>): BrokerFacts => factsOf(cluster, change, { intent, now });
  return {
    cluster,
    now,
    facts,
    look: (change: Partial<ClusterPicture>, laterMs = 0, intent: Partial<Intent> = { state: 'running' }) =>
      advance(row, facts(change, state === 'replace_pending' ? undefined : intent), now + laterMs, DEFAULT_REPAIR),
  };
}

function factsOf(
  cluster: FakeCluster,
  change: Partial<ClusterPicture>,
  { intent, now }: { intent: Partial<Intent> | undefined; now: number },
): BrokerFacts {
  const whole = cluster.picture(CLUSTER);
  if (whole === undefined) throw new Error('no picture');
  const picture = { ...whole, ...change };
  const full = intent === undefined ? undefined : intentOf(intent, now);
  const self = picture.brokers.get(2);
  return {
    picture,
    self,
    evidence: [
      { alertKey: 'k', shard: CLUSTER, cluster: CLUSTER, brokerId: 2, action: 'repair', rule: 'Down', startsAt: now, value: 1, labels: {} },
    ],
    proof: ownEvidence(picture, 2),
    troubled: true,
    othersTroubled: [],
    recovering: undefined,
    intent: full !== undefined && isEnded(full.state) ? undefined : full,
    ack: undefined,
    modes: { repair: 'auto', replace: 'auto' },
    mayAct: true,
    seeingSince: now - 2 * HOUR,
    incidentId: 'incident',
  };
}

function intentOf(change: Partial<Intent>, now: number): Intent {
  return {
    id: 'one',
    key: 'one',
    cluster: CLUSTER,
    action: 'repair',
    broker: 2,
    desiredBrokers: undefined,
    currentBrokers: undefined,
    incidentId: 'incident',
    attempt: 1,
    mode: 'auto',
    state: 'running',
    reason: '',
    createdAt: now - HOUR,
    changedAt: now - HOUR,
    expiresAt: 0,
    opensAt: 0,
    guards: [],
    evidence: [],
    lease: undefined,
    approvedBy: undefined,
    lastWord: '',
    drill: false,
    ...change,
  };
}

import type { Intent, IntentState } from '../../../src/core/autopilot.ts';
import type { PilotClusterRow, PilotEvidenceRow } from '../../../src/core/autopilot-state.ts';
import type { BrokerPicture, ClusterPicture, PartitionPicture } from '../../../src/autopilot/picture.ts';
import { type ClusterPolicy, DEFAULT_POLICY, type ScalePolicy } from '../../../src/autopilot/policy.ts';
import type { BrokerLoad } from '../../../src/autopilot/ports.ts';
import { advance } from '../../../src/autopilot/scale/scaler.ts';
import type { ScaleInput, ScaleOutcome, ScaleWant } from '../../../src/autopilot/scale/types.ts';

export const MINUTE = 60_000;
export const START = 1_800_000_000_000;

export function broker(id: number, more: Partial<BrokerPicture> = {}): BrokerPicture {
  return {
    id,
    expected: true,
    up: true,
    registered: true,
    verdict: undefined,
    downSince: undefined,
    inStopGrace: false,
    rack: undefined,
    lastQuorumFetchAt: undefined,
    usedBytes: 1e9,
    ...more,
  };
}

export function load(id: number, more: Partial<BrokerLoad> = {}): BrokerLoad {
  return {
    broker: id,
    handlers: 0.1,
    cpu: 0.1,
    disk: 0.1,
    network: 0.1,
    bytesPerSecond: undefined,
    leaders: 10,
    replicas: 30,
    ...more,
  };
}

export function partition(
  topic: string,
  index: number,
  replicas: readonly number[],
  more: Partial<PartitionPicture> = {},
): PartitionPicture {
  return { topic, partition: index, replicas, isr: replicas, leader: replicas[0] ?? -1, minIsr: 2, adding: [], lastIsr: [], ...more };
}

/** Thirty partitions of three copies (or fewer where there are not as many brokers), spread in turn over these. */
export function spreadOver(ids: readonly number[], count = 30): readonly PartitionPicture[] {
  return Array.from({ length: count }, (_, index) =>
    partition(
      't',
      index,
      [0, 1, 2].slice(0, ids.length).map((offset) => ids[(index + offset) % ids.length] ?? 0),
    ),
  );
}

export function evidence(action: 'scale_out' | 'scale_in', labels: Record<string, string> = {}): PilotEvidenceRow {
  const rule = action === 'scale_out' ? 'ClusterOverUtilised' : 'ClusterUnderUtilised';
  return { alertKey: action, shard: 'c', cluster: 'c', brokerId: -1, action, rule, startsAt: START, value: 1, labels };
}

/** A cluster on the table: what is seen of it, and the row that is carried from look to look through JSON, as a store does. */
export class ScaleWorld {
  now = START;
  brokers: BrokerPicture[];
  partitions: readonly PartitionPicture[];
  loads: readonly BrokerLoad[];
  evidence: readonly PilotEvidenceRow[] = [];
  reassigning: ClusterPicture['reassigning'] = [];
  quorum: ClusterPicture['quorum'] = { leaderId: 100, voters: [{ id: 100, caughtUp: true }] };
  blind: string | undefined;
  /** Since when it has been watched without a gap. */
  seeingSince = START - 60 * MINUTE;
  troubled = new Set<number>();
  modes: ScaleInput['modes'] = { scale_out: 'auto', scale_in: 'auto' };
  policy: ClusterPolicy;
  row: PilotClusterRow | undefined;
  intent: Intent | undefined;
  readonly wants: ScaleWant[] = [];
  readonly notes: string[] = [];
  readonly path: string[] = [];

  constructor(count: number, scale: Partial<ScalePolicy> = {}) {
    const ids = Array.from({ length: count }, (_, index) => index + 1);
    this.brokers = ids.map((id) => broker(id));
    this.partitions = spreadOver(ids);
    this.loads = ids.map((id) => load(id));
    this.policy = { ...DEFAULT_POLICY, scale: { ...DEFAULT_POLICY.scale, ...scale } };
  }

  get picture(): ClusterPicture {
    const { now, blind, partitions, reassigning, quorum } = this;
    return {
      cluster: 'c',
      askedAt: now,
      observedAt: now,
      blind,
      clusterIdChanged: false,
      brokers: new Map(this.brokers.map((each) => [each.id, each])),
      partitions,
      reassigning,
      quorum,
      labels: {},
      maintenance: undefined,
    };
  }

  busy(share: number): void {
    this.loads = this.brokers.map(({ id }) => load(id, { handlers: share }));
  }

  look(afterMs = 0): ScaleOutcome {
    this.now += afterMs;
    const { row, picture, loads, policy, modes, intent, troubled, seeingSince } = this;
    const known = { cluster: 'c', row, picture, loads, policy, modes, intent, troubled, seeingSince };
    const outcome = advance({ ...known, evidence: this.evidence }, this.now);
    this.row = JSON.parse(JSON.stringify(outcome.row)) as PilotClusterRow;
    for (const { from, to } of outcome.edges) this.path.push(`${from} → ${to}`);
    if (outcome.note !== undefined) this.notes.push(`${outcome.note.loud ? '! ' : ''}${outcome.note.text}`);
    if (outcome.settle !== undefined) this.intent = undefined;
    if (outcome.want !== undefined) this.#make(outcome.want);
    return outcome;
  }

  /** What the pilot does every so often, for a while. */
  lookFor(ms: number, everyMs = MINUTE): void {
    for (let left = ms; left > 0; left -= everyMs) this.look(everyMs);
  }

  /** An executor takes the lease, or loses it, or somebody ends the intent. */
  becomes(state: IntentState, lastWord = ''): void {
    if (this.intent === undefined) throw new Error('there is no intent');
    const lease =
      state === 'leased' ? { fencingToken: 1, executor: 'e', grantedAt: this.now, expiresAt: this.now + MINUTE } : this.intent.lease;
    this.intent = { ...this.intent, state, lease, lastWord, changedAt: this.now };
  }

  /** The executor's last word: its lease is given back, the intent is the scaler's to settle. */
  said(lastWord: string): void {
    const { lease } = this.intent ?? {};
    if (this.intent === undefined || lease === undefined) throw new Error('nobody has a lease');
    this.intent = { ...this.intent, state: 'running', lease: { ...lease, expiresAt: 0 }, lastWord, changedAt: this.now };
  }

  #make(want: ScaleWant): void {
    this.wants.push(want);
    const id = `${want.incidentId}#${want.attempt}`;
    this.intent = {
      id,
      key: id,
      cluster: 'c',
      action: want.action,
      broker: want.broker,
      desiredBrokers: want.desired,
      currentBrokers: want.current,
      incidentId: want.incidentId,
      attempt: want.attempt,
      mode: 'auto',
      state: 'open',
      reason: want.reason,
      createdAt: this.now,
      changedAt: this.now,
      expiresAt: this.now + 30 * MINUTE,
      opensAt: 0,
      guards: [],
      evidence: want.evidence,
      lease: undefined,
      approvedBy: undefined,
      lastWord: '',
      drill: false,
    };
    if (this.row !== undefined) this.row = { ...this.row, intentId: id };
  }
}

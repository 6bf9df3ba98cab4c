import type { GuardContext } from '../../../src/autopilot/guards/context.ts';
import type { BrokerPicture, ClusterPicture, Confirmation, PartitionPicture } from '../../../src/autopilot/picture.ts';
import { DEFAULT_FLEET, DEFAULT_POLICY } from '../../../src/autopilot/policy.ts';

export const NOW = 1_790_000_000_000;
export const MINUTE_MS = 60_000;

export function broker(id: number, change: Partial<BrokerPicture> = {}): BrokerPicture {
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
    usedBytes: 1_000_000,
    ...change,
  };
}

/** A broker that was killed five minutes ago and that its cluster has fenced. */
export function dead(id: number, change: Partial<BrokerPicture> = {}): BrokerPicture {
  return broker(id, { up: false, registered: false, verdict: 'crashed', downSince: NOW - 5 * MINUTE_MS, ...change });
}

/** `payments-0`, led by the first of its ISR, min ISR 2, all in sync unless told otherwise. */
export function partition(replicas: readonly number[], change: Partial<PartitionPicture> = {}): PartitionPicture {
  const isr = change.isr ?? replicas;
  return { topic: 'payments', partition: 0, replicas, isr, leader: isr[0] ?? -1, minIsr: 2, adding: [], lastIsr: [], ...change };
}

export function picture(change: {
  readonly brokers: readonly BrokerPicture[];
  readonly partitions: readonly PartitionPicture[];
  readonly rest?: Partial<ClusterPicture>;
}): ClusterPicture {
  return {
    cluster: 'orders-dal',
    askedAt: NOW - 1000,
    observedAt: NOW - 990,
    blind: undefined,
    clusterIdChanged: false,
    brokers: new Map(change.brokers.map((one) => [one.id, one])),
    partitions: change.partitions,
    reassigning: [],
    quorum: { leaderId: 11, voters: [11, 12, 13].map((id) => ({ id, caughtUp: true })) },
    labels: {},
    maintenance: undefined,
    ...change.rest,
  };
}

/** Brokers 1 to 3 with the dead one among them, `payments` with three copies: the repair that everything is for. */
export function oneDead(rest: Partial<ClusterPicture> = {}): ClusterPicture {
  return picture({
    brokers: [broker(1), dead(2), broker(3)],
    partitions: [partition([1, 2, 3], { isr: [1, 3] }), partition([2, 3, 1], { partition: 1, isr: [3, 1] })],
    rest,
  });
}

/** Four healthy brokers, three copies each. */
export function fourHealthy(rest: Partial<ClusterPicture> = {}): ClusterPicture {
  return picture({
    brokers: [1, 2, 3, 4].map((id) => broker(id)),
    partitions: [partition([1, 2, 3]), partition([2, 3, 4], { partition: 1 }), partition([4, 1, 2], { partition: 2 })],
    rest,
  });
}

export function agreeing(seen: ClusterPicture | undefined, change: Partial<Confirmation> = {}): Confirmation {
  return { brokers: [1, 3], askedAt: NOW - 20, agree: true, picture: seen, sentence: 'both name the same leaders', ...change };
}

/** The repair of broker 2 of `oneDead`, in mode auto, in an hour in which nothing else happened. */
export function context(change: Partial<GuardContext> = {}): GuardContext {
  const seen = 'picture' in change ? change.picture : oneDead();
  return {
    now: NOW,
    action: 'repair',
    broker: change.action === 'scale_out' ? undefined : 2,
    incidentId: 'incident-1',
    desiredBrokers: undefined,
    mode: 'auto',
    drill: false,
    approved: false,
    moment: 'made',
    picture: seen,
    confirmation: change.moment === 'lease' ? agreeing(seen) : undefined,
    policy: DEFAULT_POLICY,
    fleet: DEFAULT_FLEET,
    startedAt: NOW - 60 * MINUTE_MS,
    durable: true,
    halted: undefined,
    breaker: undefined,
    holds: [],
    inFlight: [],
    actsLastHour: [],
    lastActOfOtherIncidentAt: 0,
    ownReassignment: false,
    cruiseControlBusy: undefined,
    troubled: new Set([2]),
    ...change,
  };
}

/** The removal of broker 4 of `fourHealthy`. */
export function scaleIn(change: Partial<GuardContext> = {}): GuardContext {
  return context({ action: 'scale_in', broker: 4, desiredBrokers: 3, picture: fourHealthy(), troubled: new Set(), ...change });
}

export function scaleOut(change: Partial<GuardContext> = {}): GuardContext {
  return context({ action: 'scale_out', broker: undefined, desiredBrokers: 5, picture: fourHealthy(), troubled: new Set(), ...change });
}

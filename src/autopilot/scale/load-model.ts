import { DEFAULT_TRIGGERS, type ScalePolicy, type ScaleTriggers } from '../policy.ts';
import type { BrokerLoad } from '../ports.ts';

export type Resource = keyof ScaleTriggers;

export const RESOURCES: readonly Resource[] = ['handlers', 'cpu', 'disk', 'network', 'bytes'];

/** The mean of all brokers counts from this share of the trigger on; half of the brokers over it count too. */
const MEAN_SHARE = 0.8;
/** The reset: this share of what armed. */
const RESET_SHARE = 0.85;
/** Brokers more by the breach, the load as a share of what calls for one more. */
const STEPS: readonly (readonly [fromBreach: number, brokers: number])[] = [
  [1.6, 3],
  [1.3, 2],
  [0, 1],
];

/** How one resource stands in a cluster. */
export interface ResourceLoad {
  readonly resource: Resource;
  readonly trigger: number;
  /** Over the brokers that say; they are all that were asked about, or it is not judged. */
  readonly mean: number;
  readonly max: number;
  /** Ids of those over the trigger. */
  readonly over: readonly number[];
  /** 1 from where a scale-out is called for: the higher of the mean's and the median's share. */
  readonly breach: number;
}

export interface LoadAssessment {
  /** Those that every broker tells. */
  readonly resources: readonly ResourceLoad[];
  /** That with the highest breach; undefined where nothing is known. */
  readonly worst: ResourceLoad | undefined;
  /** Half of the brokers are over a trigger, or the mean is above 0.8 of it. */
  readonly over: boolean;
  /** The same at the reset level: false from there on only. */
  readonly aboveReset: boolean;
  /** Brokers over a trigger while the cluster is not: a rebalance or a tenant's matter. */
  readonly hot: readonly number[];
}

export function triggersOf(policy: ScalePolicy): ScaleTriggers {
  return { ...DEFAULT_TRIGGERS, ...policy.triggers };
}

/** A broker's load of one resource, 0 to 1 and above; undefined where it is not known. */
export function shareOf(load: BrokerLoad, resource: Resource, policy: ScalePolicy): number | undefined {
  const share = resource === 'bytes' ? bytesShare(load, policy) : load[resource];
  return share === undefined || !Number.isFinite(share) || share < 0 ? undefined : share;
}

function bytesShare({ bytesPerSecond }: BrokerLoad, { bytesPerSecondPerBroker }: ScalePolicy): number | undefined {
  if (bytesPerSecond === undefined || bytesPerSecondPerBroker === undefined || bytesPerSecondPerBroker <= 0) return undefined;
  return bytesPerSecond / bytesPerSecondPerBroker;
}

/** Judges a cluster's load by the brokers given; a resource that not all of them tell says nothing. */
export function assessLoad(loads: readonly BrokerLoad[], policy: ScalePolicy): LoadAssessment {
  const triggers = triggersOf(policy);
  const resources: ResourceLoad[] = [];
  const hot = new Set<number>();
  for (const resource of RESOURCES) {
    const trigger = triggers[resource];
    const shares = loads.map((load) => [load.broker, shareOf(load, resource, policy)] as const);
    for (const [broker, share] of shares) if (share !== undefined && share > trigger) hot.add(broker);
    const known = shares.filter((pair): pair is readonly [number, number] => pair[1] !== undefined);
    if (known.length > 0 && known.length === loads.length) resources.push(resourceLoad(resource, trigger, known));
  }
  const worst = resources.reduce<ResourceLoad | undefined>((a, b) => (a === undefined || b.breach > a.breach ? b : a), undefined);
  const breach = worst?.breach ?? 0;
  return { resources, worst, over: breach > 1, aboveReset: breach > RESET_SHARE, hot: breach > 1 ? [] : [...hot] };
}

function resourceLoad(resource: Resource, trigger: number, known: readonly (readonly [number, number])[]): ResourceLoad {
  const shares = known.map(([, share]) => share).toSorted((a, b) => b - a);
  const mean = shares.reduce((sum, share) => sum + share, 0) / shares.length;
  // Half of the brokers are over the trigger exactly when the one that completes the half is.
  const half = shares[Math.ceil(shares.length / 2) - 1] ?? 0;
  return {
    resource,
    trigger,
    mean,
    max: shares[0] ?? 0,
    over: known.filter(([, share]) => share > trigger).map(([broker]) => broker),
    breach: Math.max(mean / (MEAN_SHARE * trigger), half / trigger),
  };
}

/** How many brokers more a breach calls for, 1 at least. */
export function stepOut(breach: number, policy: ScalePolicy): number {
  const step = STEPS.find(([from]) => breach >= from)?.[1] ?? 1;
  return Math.min(step, policy.stepOutMax);
}

/** The mean that a removal may leave at most: below the reset of scale-out, or the next thing to do would be to undo it. */
export function meanAfterRemovalMax(trigger: number): number {
  return MEAN_SHARE * trigger * RESET_SHARE;
}

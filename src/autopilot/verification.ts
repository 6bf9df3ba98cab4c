import type { EvidenceSample } from '../core/autopilot.ts';
import { type BrokerPicture, type ClusterPicture, isRegisteredAnew, partitionName, underReplicated } from './picture.ts';
import type { RepairPolicy } from './policy.ts';

/** What a look found, and the sentence that says so. */
export interface Finding {
  readonly holds: boolean;
  readonly sentence: string;
}

/** Partitions named one by one in a sentence. */
const NAMED = 3;

/**
 * Whether a broker is whole by our own observation: it answers, it is registered, and it is in the ISR of every partition
 * that lists it. A started process alone is not success.
 */
export function wholeness(picture: ClusterPicture, id: number): Finding {
  const broker = picture.brokers.get(id);
  if (broker === undefined) return { holds: false, sentence: `broker ${id} is not known` };
  if (broker.up !== true) return { holds: false, sentence: `broker ${id} does not answer` };
  if (!broker.registered) return { holds: false, sentence: `broker ${id} answers but is not registered` };
  const listed = picture.partitions.filter(({ replicas }) => replicas.includes(id));
  const short = listed.filter(({ isr }) => !isr.includes(id));
  if (short.length > 0)
    return { holds: false, sentence: `broker ${id} is in sync in ${listed.length - short.length} of its ${listed.length} partitions` };
  return { holds: true, sentence: `broker ${id} answers, is registered and in sync in all its ${listed.length} partitions` };
}

/** A repaired broker is verified when it is whole and the cluster has no more under-replicated partitions than before the act. */
export function repairVerified(picture: ClusterPicture, id: number, urpBefore: number): Finding {
  const whole = wholeness(picture, id);
  if (!whole.holds) return whole;
  const urp = underReplicated(picture).length;
  if (urp > urpBefore)
    return {
      holds: false,
      sentence: `${whole.sentence}, but the cluster has ${urp} under-replicated partitions, before it had ${urpBefore}`,
    };
  return whole;
}

/**
 * A replaced broker is verified when its id is in no replica list, nothing in the cluster is short of a replica, and the
 * broker that took its place is there. One that came back under its own id is judged as a repaired one.
 */
export function replaceVerified(picture: ClusterPicture, id: number, replacedBy: number, urpBefore: number): Finding {
  const same = repairVerified(picture, id, urpBefore);
  if (same.holds) return same;
  const successor = picture.brokers.get(replacedBy);
  if (replacedBy < 0 || successor === undefined) return { holds: false, sentence: `no broker has taken the place of broker ${id} yet` };
  if (successor.up !== true || !successor.registered)
    return { holds: false, sentence: `broker ${replacedBy}, which took the place of broker ${id}, is not there` };
  const listing = picture.partitions.filter(({ replicas, adding }) => replicas.includes(id) || adding.includes(id));
  if (listing.length > 0) return { holds: false, sentence: `${listing.length} partitions still list broker ${id}` };
  const short = underReplicated(picture);
  if (short.length > 0) {
    const names = short.slice(0, NAMED).map(partitionName).join(', ');
    return { holds: false, sentence: `${short.length} partitions lack an in-sync copy (${names})` };
  }
  return {
    holds: true,
    sentence: `broker ${replacedBy} has taken the place of broker ${id}: no partition lists the old one and every copy is in sync`,
  };
}

/** Verification waits for what it always takes, and longer by the bytes that must be caught up. Milliseconds. */
export function verifyWindowMs(policy: RepairPolicy, broker: BrokerPicture | undefined): number {
  return Math.round(policy.verifyMs + ((broker?.usedBytes ?? 0) / policy.catchUpBytesPerSecond) * 1000);
}

/** Whether a partition lists it. */
export function hasReplicas(picture: ClusterPicture, id: number): boolean {
  return picture.partitions.some(({ replicas }) => replicas.includes(id));
}

/**
 * Our own evidence that a broker is down, apart from any rule; undefined where there is none. Operations rules: a proven
 * crash or a cut-short stop; any outage once the cluster fences a broker that has replicas; never a refused login, an
 * unreachable broker that the cluster still counts on, an orderly stop within its grace, or what is not known.
 */
export function ownEvidence(picture: ClusterPicture, id: number): EvidenceSample | undefined {
  const broker = picture.brokers.get(id);
  if (broker === undefined || !broker.expected || broker.up === undefined || broker.inStopGrace) return undefined;
  const at = picture.observedAt;
  const { up, verdict } = broker;
  if (verdict === 'auth' || verdict === 'suspect') return undefined;
  if (!up && (verdict === 'crashed' || verdict === 'cut_short') && !isRegisteredAnew(broker, picture.askedAt))
    return { what: 'verdict', value: verdict, at };
  if (broker.registered) return undefined;
  if (!hasReplicas(picture, id)) return undefined;
  return { what: 'verdict', value: verdict === undefined ? 'not registered' : `${verdict}, not registered`, at };
}

/** What the picture says of one broker, as samples for the journal. */
export function samplesOf(picture: ClusterPicture, id: number): readonly EvidenceSample[] {
  const broker = picture.brokers.get(id);
  const at = picture.observedAt;
  const known = (what: string, value: number | string | undefined): readonly EvidenceSample[] =>
    value === undefined ? [] : [{ what, value, at }];
  if (broker === undefined) return [{ what: 'broker', value: 'not known', at }];
  return [
    ...known('verdict', broker.verdict),
    ...known('up', broker.up === undefined ? undefined : Number(broker.up)),
    { what: 'registered', value: Number(broker.registered), at },
    ...known('down_since', broker.downSince),
    { what: 'under_replicated_partitions', value: underReplicated(picture).length, at },
    {
      what: 'partitions_out_of_sync',
      value: picture.partitions.filter(({ replicas, isr }) => replicas.includes(id) && !isr.includes(id)).length,
      at,
    },
  ];
}

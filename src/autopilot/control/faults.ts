import { BelfryError } from '../../core/errors.ts';
import type { BrokerPicture, ClusterPicture, PartitionPicture } from '../picture.ts';

/** A fault to imagine. `down`: its process was killed. `fenced`: it runs and starts up, and is not registered yet. */
export type Fault = BrokerFault | { readonly kind: 'blind' | 'reassigning' };

interface BrokerFault {
  readonly kind: 'down' | 'fenced';
  readonly broker: number;
}

/** `broker=2:down`, `broker=2:fenced`, `blind` or `reassigning`. Throws `BAD_REQUEST`. */
export function parseFault(text: string): Fault {
  if (text === 'blind' || text === 'reassigning') return { kind: text };
  const match = /^broker=(\d{1,9}):(down|fenced)$/.exec(text);
  if (match !== null) return { kind: match[2] === 'down' ? 'down' : 'fenced', broker: Number(match[1]) };
  throw new BelfryError('BAD_REQUEST', `not a fault: ${JSON.stringify(text)} (broker=2:down, broker=2:fenced, blind or reassigning)`);
}

/** The cluster as it would be seen with the faults. Throws `NOT_FOUND` for a broker that it does not have. */
export function withFaults(picture: ClusterPicture, faults: readonly Fault[], now: number): ClusterPicture {
  let changed = picture;
  for (const fault of faults) {
    if (fault.kind === 'blind') changed = { ...changed, blind: 'nobody answers (imagined)' };
    else if (fault.kind === 'reassigning') changed = { ...changed, reassigning: [...(changed.reassigning ?? []), somePartition(changed)] };
    else if ('broker' in fault) changed = withoutBroker(changed, fault, now);
  }
  return changed;
}

function withoutBroker(picture: ClusterPicture, fault: BrokerFault, now: number): ClusterPicture {
  const before = picture.brokers.get(fault.broker);
  if (before === undefined) throw new BelfryError('NOT_FOUND', `${picture.cluster} has no broker ${fault.broker}`);
  const after: BrokerPicture =
    fault.kind === 'down'
      ? { ...before, up: false, registered: false, verdict: 'crashed', downSince: now, inStopGrace: false }
      : { ...before, up: true, registered: false, verdict: undefined, lastQuorumFetchAt: now };
  return {
    ...picture,
    brokers: new Map(picture.brokers).set(fault.broker, after),
    partitions: picture.partitions.map((partition) => withoutReplica(partition, fault.broker)),
  };
}

/** As a controller does it: the ISR shrinks, but for its last member, whose partition then has no leader. */
function withoutReplica(partition: PartitionPicture, broker: number): PartitionPicture {
  if (!partition.isr.includes(broker)) return partition;
  const isr = partition.isr.filter((id) => id !== broker);
  if (isr.length === 0) return { ...partition, leader: -1, lastIsr: partition.isr };
  return { ...partition, isr, lastIsr: isr, leader: partition.leader === broker ? (isr[0] ?? -1) : partition.leader };
}

function somePartition({ partitions }: ClusterPicture): { readonly topic: string; readonly partition: number } {
  const { topic, partition } = partitions[0] ?? { topic: 'imagined', partition: 0 };
  return { topic, partition };
}

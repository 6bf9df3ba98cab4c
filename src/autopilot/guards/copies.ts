import type { Action } from '../../core/autopilot.ts';
import type { ClusterPicture, PartitionPicture } from '../picture.ts';
import type { Guard } from './context.ts';
import { count, holds, namesOf, onTarget, passes } from './sentence.ts';

/** What an act does to the copies of the data. A guard subtracts the target only where the target still counts. */

const ON_A_BROKER: readonly Action[] = ['repair', 'replace', 'scale_in'];
const REMOVING: readonly Action[] = ['replace', 'scale_in'];

/** A broker that the controllers have fenced serves nobody: an act on it takes nothing from any ISR that is not gone already. */
function serves(broker: number, { brokers }: ClusterPicture): boolean {
  return brokers.get(broker)?.registered === true;
}

function isOnlyCopyOf(broker: number, { replicas, adding }: PartitionPicture): boolean {
  return replicas.length === 1 && replicas[0] === broker && adding.length === 0;
}

/**
 * Whether a partition without a leader waits, or may wait, for this very broker to come back with its data. After a start
 * nobody may know who was in an ISR that is empty now: then it may be any of its replicas.
 */
function waitsFor(broker: number, { leader, isr, lastIsr, replicas }: PartitionPicture): boolean {
  if (leader >= 0) return false;
  const last = isr.length > 0 || lastIsr.length > 0 ? [...isr, ...lastIsr] : replicas;
  return last.includes(broker);
}

const outOfSync: Guard = {
  name: 'out_of_sync',
  purpose: "Every replica in the cluster that is out of sync is the target's own, or waits for the target's data.",
  actions: ON_A_BROKER,
  approvable: false,
  judge: onTarget((id, seen, { action }) => {
    const serving = serves(id, seen);
    const foreign = seen.partitions.filter(
      (partition) =>
        partition.replicas.some((replica) => replica !== id && !partition.isr.includes(replica)) &&
        // What lags behind a dead last copy can catch up only once that is restarted.
        !(action === 'repair' && !serving && waitsFor(id, partition)),
    );
    if (foreign.length === 0) return passes(`no replica is out of sync but those of broker ${id}`);
    return holds(`${count(foreign.length, 'partition')} with replicas of other brokers out of sync: ${namesOf(foreign)}`);
  }),
};

const minIsr: Guard = {
  name: 'min_isr',
  purpose: 'Without the target, every partition that it still serves has an ISR of at least min.insync.replicas, and of one.',
  actions: ON_A_BROKER,
  approvable: false,
  judge: onTarget((id, seen, { action }) => {
    if (!serves(id, seen)) return passes(`broker ${id} is not registered: the act takes it from no ISR`);
    // A restart of a partition's only copy is a question of its own, which a person may answer: `single_copy`.
    const shrunk = seen.partitions.filter((one) => one.isr.includes(id) && !(action === 'repair' && isOnlyCopyOf(id, one)));
    // A member that is not registered is on its way out of the ISR: it does not count for what is left.
    const leftOf = ({ isr }: PartitionPicture): number => isr.filter((member) => member !== id && serves(member, seen)).length;
    const short = shrunk.filter((one) => leftOf(one) < Math.max(1, one.minIsr ?? 1));
    const [first] = short;
    if (first === undefined) return passes(`${count(shrunk.length, 'partition')} keep their min ISR without broker ${id}`);
    return holds(
      `${count(short.length, 'partition')} would fall below min ISR: ${namesOf(short)} ` +
        `(ISR ${first.isr.length}, ${leftOf(first)} without broker ${id}, min ${first.minIsr ?? 'not known'})`,
    );
  }),
};

const minIsrKnown: Guard = {
  name: 'min_isr_known',
  purpose: 'min.insync.replicas is known of every topic whose copies the act changes; unknown is never taken as 1.',
  actions: ON_A_BROKER,
  approvable: false,
  judge: onTarget((id, seen, { action }) => {
    const serving = serves(id, seen);
    // A restart changes the ISRs that the target is in; a removal the replicas of all its partitions.
    const changed = seen.partitions.filter(({ replicas, isr }) =>
      action === 'repair' ? serving && isr.includes(id) : replicas.includes(id),
    );
    const unknown = changed.filter((one) => one.minIsr === undefined);
    if (unknown.length > 0) return holds(`min ISR is not known of ${count(unknown.length, 'partition')}: ${namesOf(unknown)}`);
    return passes(`min ISR is known of the ${count(changed.length, 'partition')} that the act changes`);
  }),
};

const lastCopy: Guard = {
  name: 'last_copy',
  purpose: 'A broker that may hold the last copy of anything is never replaced or removed, in any mode; a restart keeps its disk.',
  actions: REMOVING,
  approvable: false,
  judge: onTarget((id, seen) => {
    const last = seen.partitions.filter((partition) => mayHoldLastCopy(id, partition, seen));
    if (last.length === 0) return passes(`every partition of broker ${id} has another in-sync copy`);
    return holds(`broker ${id} may hold the last copy of ${count(last.length, 'partition')}: ${namesOf(last)}`);
  }),
};

/**
 * True unless the partition is led and a registered broker other than the target is in its ISR. Of a leaderless one the
 * target's copy may be all that is left, in sync or not.
 */
function mayHoldLastCopy(broker: number, partition: PartitionPicture, seen: ClusterPicture): boolean {
  const { replicas, adding, isr, leader, lastIsr } = partition;
  if (![replicas, adding, isr, lastIsr].some((ids) => ids.includes(broker))) return false;
  return leader < 0 || !isr.some((id) => id !== broker && serves(id, seen));
}

const singleCopy: Guard = {
  name: 'single_copy',
  purpose: 'A restart of a live broker takes its topics of one copy away for a while: that needs the approval of a person.',
  actions: ['repair'],
  approvable: true,
  judge: onTarget((id, seen) => {
    const single = seen.partitions.filter((partition) => isOnlyCopyOf(id, partition));
    if (single.length === 0) return passes(`broker ${id} has no partition of one copy`);
    const numbers = `${count(single.length, 'partition')} of one copy on broker ${id}: ${namesOf(single)}`;
    return serves(id, seen) ? holds(`${numbers}; a person must approve`) : passes(`${numbers}; away already, the broker is not registered`);
  }),
};

export const COPY_GUARDS: readonly Guard[] = [outOfSync, minIsr, minIsrKnown, lastCopy, singleCopy];

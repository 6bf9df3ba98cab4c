import type { ClusterPicture } from '../picture.ts';
import type { ScalePolicy } from '../policy.ts';

/**
 * The brokers there are, ascending: those expected, alive or not, and those registered. A dead one still counts, or its
 * place would be given away; one that was drained and removed does not, though it may be expected for a moment more.
 */
export function membersOf(picture: ClusterPicture, removed = -1): readonly number[] {
  return [...picture.brokers.values()]
    .filter(({ id, expected, registered }) => registered || (expected && id !== removed))
    .map(({ id }) => id)
    .toSorted((a, b) => a - b);
}

/** Never fewer: `min`, the highest replication factor and min ISR, and one in each rack. */
export function fewestBrokers(picture: ClusterPicture, policy: ScalePolicy): number {
  let fewest = policy.min;
  for (const { replicas, minIsr } of picture.partitions) fewest = Math.max(fewest, replicas.length, minIsr ?? 0);
  const racks = new Set([...picture.brokers.values()].flatMap(({ rack }) => (rack === undefined ? [] : [rack])));
  return Math.max(fewest, racks.size);
}

/** Partitions that each broker leads. */
export function leadersByBroker(picture: ClusterPicture): ReadonlyMap<number, number> {
  const leaders = new Map<number, number>();
  for (const { leader } of picture.partitions) if (leader >= 0) leaders.set(leader, (leaders.get(leader) ?? 0) + 1);
  return leaders;
}

/** Brokers that hold a replica, be it one that is still being added. */
export function brokersWithReplicas(picture: ClusterPicture): ReadonlySet<number> {
  const holders = new Set<number>();
  for (const { replicas, adding, isr } of picture.partitions) for (const id of [...replicas, ...adding, ...isr]) holders.add(id);
  return holders;
}

/**
 * Why a cluster's size is not to be judged or changed now; undefined where it may be. Traffic of catching up and of moves
 * is no load of clients.
 */
export function unsettled(picture: ClusterPicture, troubled: ReadonlySet<number>, removed = -1): string | undefined {
  const away = [...picture.brokers.values()].filter(
    ({ id, expected, registered, up }) => expected && id !== removed && !(registered && up === true),
  );
  if (away.length > 0) return `broker ${away.map(({ id }) => id).join(', ')} is not there: repair comes first`;
  if (troubled.size > 0) return `broker ${[...troubled].join(', ')} is in trouble: repair comes first`;
  if (picture.reassigning === undefined) return 'whether partitions are being moved is not known';
  if (picture.reassigning.length > 0) return `${picture.reassigning.length} partitions are being moved`;
  let behind = 0;
  for (const { replicas, isr, leader } of picture.partitions) if (leader < 0 || replicas.some((id) => !isr.includes(id))) behind++;
  if (behind > 0) return `${behind} partitions catch up or lack a leader`;
  return undefined;
}

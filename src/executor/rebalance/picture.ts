import { BelfryError } from '../../core/errors.ts';
import type { ClusterMetadata, MetadataBroker, Reassignment } from '../../kafka/observer.ts';
import type { ReplicaSizes } from '../../kafka/log-dirs.ts';
import type { PlanPartition } from './layout.ts';
import { REQUEST_TIMEOUT_MS, type AdminSession } from './session.ts';

/** One partition as it is and, where it is being moved, as it was and will be. */
export interface PicturedPartition extends PlanPartition {
  readonly isr: readonly number[];
  /** Those that must be in the ISR: without the ones that a move is adding. */
  readonly original: readonly number[];
}

export interface RebalancePicture {
  readonly brokers: readonly MetadataBroker[];
  readonly partitions: readonly PicturedPartition[];
  /** The moves that run, whoever has started them. */
  readonly running: readonly Reassignment[];
}

/** Kraft's own log is moved by nobody, and shows in no Metadata. */
const CLUSTER_METADATA_TOPIC = '__cluster_metadata';
const NONE: readonly number[] = [];
/** Longer than a broker lags behind the controller. */
const SETTLE_MS = 300;

/** `orders-3`, as Kafka writes it. */
export function nameOf({ topic, partition }: { readonly topic: string; readonly partition: number }): string {
  return `${topic}-${partition}`;
}

/**
 * What a plan needs to know. Throws `KAFKA_PERMISSION_MISSING` where brokers hold topics that we are not shown: a plan
 * without them would be wrong.
 */
export async function readPicture(session: AdminSession): Promise<RebalancePicture> {
  const { brokers } = await session.ofAny((any) => any.metadata([], REQUEST_TIMEOUT_MS));
  session.learn(brokers);
  const sizes = new Map<number, ReplicaSizes>();
  for (const { id } of brokers) {
    sizes.set(id, await session.of(id, (broker) => broker.replicaSizes(REQUEST_TIMEOUT_MS)));
  }
  const first = await readPartitions(session, sizes);
  await session.pause(SETTLE_MS);
  const picture = pinUnsettled(first, await readPartitions(session, sizes));
  const shown = new Set(picture.partitions.map(({ topic }) => topic));
  const hidden = new Set([...sizes.values()].flatMap((held) => [...held.keys()].filter((topic) => !shown.has(topic))));
  hidden.delete(CLUSTER_METADATA_TOPIC);
  // A topic that was deleted a moment ago may still lie on a disk; nothing else may be missing.
  if (hidden.size > 0) {
    const [first = ''] = [...hidden].toSorted();
    const more = hidden.size > 1 ? ` and ${hidden.size - 1} more` : '';
    throw new BelfryError(
      'KAFKA_PERMISSION_MISSING',
      `brokers hold topics that we are not shown (${first}${more}): Describe on all topics is needed, or they are just being deleted`,
    );
  }
  return picture;
}

/**
 * Which moves run is the controller's answer, which replicas there are a broker's, which is a little older: right after a
 * move the sum of its old and new replicas would look like a partition with more copies. What has changed between two looks
 * is taken as being moved still, and looked at again after this round.
 */
function pinUnsettled(first: RebalancePicture, second: RebalancePicture): RebalancePicture {
  const before = new Map(first.partitions.map((one) => [nameOf(one), one]));
  const running = new Map(second.running.map((move) => [nameOf(move), move]));
  const ended = new Set(first.running.map(nameOf));
  const partitions = second.partitions.map((one) => {
    const name = nameOf(one);
    const known = before.get(name);
    if (running.has(name) || (known !== undefined && !ended.has(name) && sameIds(known.replicas, one.replicas))) return one;
    running.set(name, { topic: one.topic, partition: one.partition, adding: NONE, removing: NONE });
    return { ...one, pinned: true };
  });
  return { ...second, partitions, running: [...running.values()] };
}

function sameIds(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((id, i) => id === b[i]);
}

/** The partitions and moves as they are now, with sizes that were read before (none: all are 0). */
export async function readPartitions(session: AdminSession, sizes: ReadonlyMap<number, ReplicaSizes>): Promise<RebalancePicture> {
  // In this order: a move that ends in between is seen as running with its new replicas, and waited for at no cost.
  const running = await session.ofAny((any) => any.listPartitionReassignments(REQUEST_TIMEOUT_MS));
  const metadata = await session.ofAny((any) => any.metadata(undefined, REQUEST_TIMEOUT_MS));
  session.learn(metadata.brokers);
  const moving = new Map(running.map((move) => [nameOf(move), move]));
  const partitions: PicturedPartition[] = [];
  for (const [t, topic] of metadata.topics.entries()) {
    for (let p = metadata.partitionStart[t] ?? 0; p < (metadata.partitionStart[t + 1] ?? 0); p++) {
      partitions.push(pictured(metadata, topic, p, moving, sizes));
    }
  }
  partitions.sort((a, b) => (a.topic < b.topic ? -1 : a.topic > b.topic ? 1 : a.partition - b.partition));
  return { brokers: metadata.brokers, partitions, running };
}

function pictured(
  metadata: ClusterMetadata,
  topic: string,
  p: number,
  moving: ReadonlyMap<string, Reassignment>,
  sizes: ReadonlyMap<number, ReplicaSizes>,
): PicturedPartition {
  const partition = metadata.partitionId[p] ?? 0;
  const all = [...metadata.replicaIds.subarray(metadata.replicaStart[p], metadata.replicaStart[p + 1])];
  const { adding, removing } = moving.get(nameOf({ topic, partition })) ?? { adding: NONE, removing: NONE };
  const leader = metadata.leaderId[p] ?? -1;
  const sizeOn = (id: number): number => sizes.get(id)?.get(topic)?.get(partition) ?? 0;
  return {
    topic,
    partition,
    leader,
    replicas: all.filter((id) => !removing.includes(id)),
    original: all.filter((id) => !adding.includes(id)),
    isr: [...metadata.isrIds.subarray(metadata.isrStart[p], metadata.isrStart[p + 1])],
    // Copies differ by what retention has not deleted yet; where the leader is unknown the largest counts.
    bytes: sizeOn(leader) > 0 ? sizeOn(leader) : Math.max(0, ...all.map(sizeOn)),
    pinned: moving.has(nameOf({ topic, partition })),
  };
}

/** Partitions that lack a copy in their ISR and are not in this set of names. */
export function underReplicatedOutside(picture: RebalancePicture, planned: ReadonlySet<string>): readonly PicturedPartition[] {
  return picture.partitions.filter((one) => one.original.some((id) => !one.isr.includes(id)) && !planned.has(nameOf(one)));
}

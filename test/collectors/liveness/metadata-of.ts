import type { ClusterMetadata, MetadataBroker } from '../../../src/kafka/observer.ts';

export interface Partition {
  leader: number;
  replicas: number[];
  isr: number[];
}

/** A Metadata answer in columns from topics as a person writes them. */
export function metadataOf(
  brokers: readonly MetadataBroker[],
  topics: ReadonlyMap<string, readonly Partition[]>,
  clusterId: string,
  at: number,
): ClusterMetadata {
  const partitionStart = [0];
  const partitions: Partition[] = [];
  const partitionId: number[] = [];
  for (const list of topics.values()) {
    for (const [id, partition] of list.entries()) {
      partitions.push(partition);
      partitionId.push(id);
    }
    partitionStart.push(partitions.length);
  }
  const replicas = columns(partitions.map((partition) => partition.replicas));
  const isr = columns(partitions.map((partition) => partition.isr));
  const offline = columns(partitions.map(() => []));
  return {
    clusterId,
    brokers,
    topics: [...topics.keys()],
    topicErrors: new Int16Array(topics.size),
    topicInternal: new Uint8Array(topics.size),
    partitionStart: Int32Array.from(partitionStart),
    partitionId: Int32Array.from(partitionId),
    partitionError: new Int16Array(partitions.length),
    leaderId: Int32Array.from(partitions, ({ leader }) => leader),
    leaderEpoch: new Int32Array(partitions.length),
    replicaStart: replicas.start,
    replicaIds: replicas.ids,
    isrStart: isr.start,
    isrIds: isr.ids,
    offlineStart: offline.start,
    offlineIds: offline.ids,
    askedAt: at,
    answeredAt: at,
  };
}

function columns(lists: readonly (readonly number[])[]): { start: Int32Array; ids: Int32Array } {
  const start = [0];
  for (const list of lists) start.push((start.at(-1) ?? 0) + list.length);
  return { start: Int32Array.from(start), ids: Int32Array.from(lists.flat()) };
}

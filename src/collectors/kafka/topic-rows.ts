import { Labels } from '../../core/labels.ts';
import type { Slices } from '../../core/slices.ts';
import type { ClusterMetadata } from '../../kafka/observer.ts';
import type { PartitionFacts } from './partition-facts.ts';
import type { Segment, SeriesRows } from './rows.ts';

/** Partitions whose labels are made in one go and that share a target: five columns each, and the topic's own. */
const RANGE = 400;

const PARTITION_METRICS = [
  'kafka_topic_partition_in_sync_replica',
  'kafka_topic_partition_leader',
  'kafka_topic_partition_leader_is_preferred',
  'kafka_topic_partition_replicas',
  'kafka_topic_partition_under_replicated_partition',
] as const;

/** The series of topics and partitions, kafka_exporter's names. */
export class TopicRows {
  readonly rows: SeriesRows;
  readonly #cluster: string;

  constructor(rows: SeriesRows, cluster: string) {
    this.rows = rows;
    this.#cluster = cluster;
  }

  /** Makes the labels of topics and partitions that are new, in slices; afterwards `fill` is quick. */
  async prepare(metadata: ClusterMetadata, slices: Slices): Promise<void> {
    for (const [t, topic] of metadata.topics.entries()) {
      const partitions = partitionCount(metadata, t);
      for (let from = 0; from < partitions; from += RANGE) {
        if (!this.rows.has(rangeKey(topic, from), rangeColumns(partitions, from))) this.#range(topic, from, partitions);
        if (slices.due) await slices.pause();
      }
    }
    await this.rows.settle(slices);
  }

  /** Sets all samples of the row, in slices; `rows.begin` and the commit are the caller's. */
  async fill(metadata: ClusterMetadata, facts: PartitionFacts, slices: Slices): Promise<void> {
    for (const [t, topic] of metadata.topics.entries()) {
      const start = metadata.partitionStart[t] ?? 0;
      const partitions = partitionCount(metadata, t);
      let segment: Segment | undefined;
      let segmentFrom = -1;
      for (let i = 0; i < partitions; i++) {
        // Kafka numbers partitions from 0 without a gap, but does not list them in this order.
        const id = metadata.partitionId[start + i] ?? 0;
        if (id < 0 || id >= partitions) continue;
        const from = id - (id % RANGE);
        if (segment === undefined || segmentFrom !== from) {
          segment = this.#range(topic, from, partitions);
          segmentFrom = from;
          if (from === 0) segment.set(0, partitions);
        }
        this.#setPartition(segment, headColumns(from) + (id - from) * PARTITION_METRICS.length, start + i, metadata, facts);
      }
      if (slices.due) await slices.pause();
    }
  }

  #setPartition(segment: Segment, column: number, p: number, metadata: ClusterMetadata, facts: PartitionFacts): void {
    const leader = metadata.leaderId[p] ?? -1;
    const replicas = facts.replicas[p] ?? 0;
    const inSync = facts.inSync[p] ?? 0;
    segment.set(column, inSync);
    if (leader >= 0) {
      segment.set(column + 1, leader);
      segment.set(column + 2, leader === metadata.replicaIds[metadata.replicaStart[p] ?? 0] ? 1 : 0);
    }
    segment.set(column + 3, replicas);
    segment.set(column + 4, inSync < replicas ? 1 : 0);
  }

  /** The first range of a topic begins with the number of its partitions; then come five columns a partition. */
  #range(topic: string, from: number, partitions: number): Segment {
    return this.rows.segment(rangeKey(topic, from), rangeColumns(partitions, from), () => {
      const cluster = this.#cluster;
      const labels: Labels[] = [];
      if (from === 0) labels.push(Labels.fromSortedPairs(['__name__', 'kafka_topic_partitions', 'cluster', cluster, 'topic', topic]));
      for (let id = from; id < Math.min(from + RANGE, partitions); id++) {
        const partition = String(id);
        for (const metric of PARTITION_METRICS) {
          labels.push(Labels.fromSortedPairs(['__name__', metric, 'cluster', cluster, 'partition', partition, 'topic', topic]));
        }
      }
      return labels;
    });
  }
}

function partitionCount(metadata: ClusterMetadata, t: number): number {
  return (metadata.partitionStart[t + 1] ?? 0) - (metadata.partitionStart[t] ?? 0);
}

function rangeColumns(partitions: number, from: number): number {
  return headColumns(from) + Math.min(RANGE, partitions - from) * PARTITION_METRICS.length;
}

function headColumns(from: number): number {
  return from === 0 ? 1 : 0;
}

function rangeKey(topic: string, from: number): string {
  return `${topic}/${from}`;
}

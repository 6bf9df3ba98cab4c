import type { Clock } from '../../core/clock.ts';
import { Labels } from '../../core/labels.ts';
import type { Logger } from '../../core/log.ts';
import { Slices } from '../../core/slices.ts';
import type { ClusterMetadata, GroupOffsets } from '../../kafka/observer.ts';
import { asError } from './as-error.ts';
import { EndHistory, type EndOffsets } from './end-history.ts';
import { readGroups, type GroupState } from './group-reader.ts';
import { readLogOffsets } from './offset-reader.ts';
import type { BrokerPool } from './pool.ts';
import type { Segment, SeriesRows } from './rows.ts';

export interface LagCollectionParts {
  readonly pool: BrokerPool;
  readonly clock: Clock;
  readonly log: Logger;
  readonly cluster: string;
  readonly timeoutMs: number;
  readonly maxGroups: number;
  readonly maxGroupPartitions: number;
  readonly groupFilter: ((groupId: string) => boolean) | undefined;
  readonly groupWatched: ((groupId: string) => boolean) | undefined;
  readonly offsetRows: SeriesRows;
  readonly groupRows: SeriesRows;
  readonly downIds: () => ReadonlySet<number>;
}

/** Offsets of logs and of consumer groups. Commits are read before ends, so that a lag is never below zero by order. */
export class LagCollection {
  readonly #parts: LagCollectionParts;
  readonly #history = new EndHistory();
  #groupPartitions = 0;
  #leftOut = 0;

  constructor(parts: LagCollectionParts) {
    this.#parts = parts;
  }

  /** Rejects where a broker that should answer did not; what the others told is written. */
  async collect(metadata: ClusterMetadata): Promise<void> {
    const { pool, clock, timeoutMs, maxGroups, groupFilter } = this.#parts;
    const downIds = this.#parts.downIds();
    const failures: unknown[] = [];
    const slices = new Slices(clock);
    const onFailure = (_brokerId: number, error: unknown): void => void failures.push(error);
    const reading = await readGroups(pool, { downIds, timeoutMs, maxGroups, filter: groupFilter, onFailure });
    const { ends, starts } = await readLogOffsets(pool, metadata, { downIds, timeoutMs, onFailure, slices });
    const isUsable = reading.groups.length > 0 || [...ends.values()].some((offsets) => offsets.some((end) => end >= 0));
    if (isUsable || failures.length === 0) {
      this.#noteLeftOut(reading.leftOut);
      this.#history.add(clock.now(), onlyTopicsOf(reading.groups, ends));
      await this.#writeOffsets(ends, starts, slices);
      await this.#writeGroups(reading.groups, ends, slices);
    }
    if (failures.length > 0) throw asError(failures.at(-1));
  }

  async #writeOffsets(ends: EndOffsets, starts: EndOffsets, slices: Slices): Promise<void> {
    const { offsetRows: rows, cluster, clock } = this.#parts;
    if (slices.due) await slices.pause();
    rows.begin();
    for (const [topic, topicEnds] of ends) {
      const topicStarts = starts.get(topic);
      // What `make` closes over is kept: no answer may be among it.
      const columns = topicEnds.length * 2;
      const segment = rows.segment(topic, columns, () =>
        Array.from({ length: columns }, (_, i) => {
          const metric = i % 2 === 0 ? 'kafka_topic_partition_current_offset' : 'kafka_topic_partition_oldest_offset';
          return Labels.fromSortedPairs(['__name__', metric, 'cluster', cluster, 'partition', String(i >> 1), 'topic', topic]);
        }),
      );
      for (let p = 0; p < topicEnds.length; p++) {
        const end = topicEnds[p] ?? Number.NaN;
        const start = topicStarts?.[p] ?? Number.NaN;
        if (!Number.isNaN(end)) segment.set(p * 2, end);
        if (!Number.isNaN(start)) segment.set(p * 2 + 1, start);
      }
      if (slices.due) await slices.pause();
    }
    await rows.settle(slices);
    await rows.commitInSlices(clock.now(), slices);
  }

  async #writeGroups(groups: readonly GroupState[], ends: EndOffsets, slices: Slices): Promise<void> {
    const { groupRows: rows, clock, cluster, groupWatched } = this.#parts;
    if (slices.due) await slices.pause();
    const now = clock.now();
    this.#groupPartitions = 0;
    rows.begin();
    for (const { groupId, members, offsets } of groups) {
      if (members !== undefined) {
        const make = (): Labels[] => [Labels.of({ __name__: 'kafka_consumergroup_members', cluster, consumergroup: groupId })];
        rows.segment(`members\u0000${groupId}`, 1, make).set(0, members);
      }
      if (groupWatched?.(groupId) === true) {
        const make = (): Labels[] => [Labels.of({ __name__: 'belfry_kafka_consumergroup_watched', cluster, consumergroup: groupId })];
        rows.segment(`watched\u0000${groupId}`, 1, make).set(0, 1);
      }
      if (offsets !== undefined) this.#fillGroup(groupId, offsets, ends, now);
      if (slices.due) await slices.pause();
    }
    await rows.settle(slices);
    await rows.commitInSlices(clock.now(), slices);
  }

  #fillGroup(groupId: string, offsets: GroupOffsets, ends: EndOffsets, now: number): void {
    for (const [topicIndex, topic] of offsets.topics.entries()) {
      const topicEnds = ends.get(topic);
      // A topic that is gone has commits still, but no log to be behind of.
      if (topicEnds === undefined) continue;
      if (this.#groupPartitions + topicEnds.length > this.#parts.maxGroupPartitions) {
        this.#noteLeftOut(this.#leftOut + 1);
        continue;
      }
      this.#groupPartitions += topicEnds.length;
      this.#fillGroupTopic(groupId, topic, topicIndex, { offsets, topicEnds, now });
    }
  }

  #fillGroupTopic(
    groupId: string,
    topic: string,
    topicIndex: number,
    { offsets, topicEnds, now }: { offsets: GroupOffsets; topicEnds: Float64Array; now: number },
  ): void {
    const segment = this.#groupTopicSegment(groupId, topic, topicEnds.length);
    let committedSum = 0;
    let lagSum = 0;
    let worstAgeMs: number | undefined;
    let any = false;
    for (let row = 0; row < offsets.partition.length; row++) {
      const partition = offsets.partition[row] ?? -1;
      const committed = offsets.offset[row] ?? -1;
      if (offsets.topicIndex[row] !== topicIndex || committed < 0 || partition < 0 || partition >= topicEnds.length) continue;
      any = true;
      committedSum += committed;
      segment.set(3 + partition * 2, committed);
      const end = topicEnds[partition] ?? Number.NaN;
      // Without a known end the sum becomes NaN: a sum of what happens to be known would look like progress.
      const lag = Math.max(0, end - committed);
      lagSum += lag;
      if (!Number.isNaN(lag)) segment.set(4 + partition * 2, lag);
      const ageMs = this.#history.ageMs(topic, partition, committed, now);
      if (ageMs !== undefined) worstAgeMs = Math.max(worstAgeMs ?? 0, ageMs);
    }
    if (!any) return;
    segment.set(0, committedSum);
    if (!Number.isNaN(lagSum)) segment.set(1, lagSum);
    if (worstAgeMs !== undefined) segment.set(2, worstAgeMs / 1000);
  }

  #groupTopicSegment(groupId: string, topic: string, partitions: number): Segment {
    const { groupRows, cluster } = this.#parts;
    return groupRows.segment(`${groupId}\u0000${topic}`, 3 + partitions * 2, () => groupTopicLabels(cluster, groupId, topic, partitions));
  }

  #noteLeftOut(count: number): void {
    if (count > 0 && this.#leftOut === 0) this.#parts.log.warn('kafka_groups_left_out', { count, maxGroups: this.#parts.maxGroups });
    this.#leftOut = count;
  }
}

/** Sum of offsets, sum of lag, seconds; then offset and lag by partition. */
function groupTopicLabels(cluster: string, consumergroup: string, topic: string, partitions: number): Labels[] {
  const labels: Labels[] = [];
  for (const metric of [
    'kafka_consumergroup_current_offset_sum',
    'kafka_consumergroup_lag_sum',
    'belfry_kafka_consumergroup_lag_seconds',
  ]) {
    labels.push(Labels.of({ __name__: metric, cluster, consumergroup, topic }));
  }
  for (let p = 0; p < partitions; p++) {
    for (const metric of ['kafka_consumergroup_current_offset', 'kafka_consumergroup_lag']) {
      labels.push(Labels.of({ __name__: metric, cluster, consumergroup, topic, partition: String(p) }));
    }
  }
  return labels;
}

/** The past is kept only of topics that somebody consumes. */
function onlyTopicsOf(groups: readonly GroupState[], ends: EndOffsets): EndOffsets {
  const kept = new Map<string, Float64Array>();
  for (const { offsets } of groups) {
    for (const topic of offsets?.topics ?? []) {
      const topicEnds = ends.get(topic);
      if (topicEnds !== undefined) kept.set(topic, topicEnds);
    }
  }
  return kept;
}

import type { ClusterMetadata, LogDir } from '../../kafka/observer.ts';

/** Topic → leader by partition number, -1 where there is none. */
export type Leaders = ReadonlyMap<string, Int32Array>;

export function leadersOf(metadata: ClusterMetadata): Leaders {
  const leaders = new Map<string, Int32Array>();
  for (const [t, topic] of metadata.topics.entries()) {
    const [from = 0, to = 0] = [metadata.partitionStart[t], metadata.partitionStart[t + 1]];
    const ids = metadata.partitionId.subarray(from, to);
    const byPartition = new Int32Array(ids.reduce((most, id) => Math.max(most, id + 1), 0)).fill(-1);
    for (const [i, id] of ids.entries()) byPartition[id] = metadata.leaderId[from + i] ?? -1;
    leaders.set(topic, byPartition);
  }
  return leaders;
}

/**
 * Bytes written to the partitions that a broker leads, counted from how their logs grow between two looks: what clients
 * produce, as it lies on disk, without an agent. A log that shrinks (retention, compaction) counts as nothing, so this is
 * a little less than what was written. Copies that catch up are not led, and do not count.
 */
export class ProducedBytes {
  /** Topic → bytes by partition number as of the last look; NaN where not seen. */
  #sizes = new Map<string, Float64Array>();
  #total = 0;

  /** Takes in a look at one broker's disks. Returns the bytes so far. */
  add(brokerId: number, dirs: readonly LogDir[], leaders: Leaders): number {
    const seen = new Map<string, Float64Array>();
    for (const { replicas, sizes } of dirs) {
      for (const [topic, partitions] of replicas)
        this.#addTopic(brokerId, { topic, partitions, sizes: sizes.get(topic) ?? [] }, leaders, seen);
    }
    this.#sizes = seen;
    return this.#total;
  }

  #addTopic(
    brokerId: number,
    { topic, partitions, sizes }: { topic: string; partitions: readonly number[]; sizes: readonly number[] },
    leaders: Leaders,
    seen: Map<string, Float64Array>,
  ): void {
    const before = this.#sizes.get(topic);
    const led = leaders.get(topic);
    const length = partitions.reduce((most, id) => Math.max(most, id + 1), seen.get(topic)?.length ?? 0);
    const now = new Float64Array(length).fill(Number.NaN);
    now.set(seen.get(topic) ?? []);
    for (const [i, id] of partitions.entries()) {
      const bytes = sizes[i] ?? -1;
      if (bytes < 0) continue;
      now[id] = bytes;
      const grown = bytes - (before?.[id] ?? Number.NaN);
      if (led?.[id] === brokerId && grown > 0) this.#total += grown;
    }
    seen.set(topic, now);
  }
}

import type { Slices } from '../core/slices.ts';
import type { ClusterMetadata } from '../kafka/observer.ts';

/** Partitions whose ISR is empty that are remembered at most. */
const MAX_REMEMBERED = 100_000;
/** Partitions between two looks at the clock. */
const CHECK_EVERY = 256;

/**
 * With eligible leader replicas (KIP-966) the ISR of a partition that has lost everybody is empty: who was in it last is
 * then known only to those who looked before. Remembers that, as long as the ISR stays empty.
 */
export class LastIsr {
  #previous: ClusterMetadata | undefined;
  #empty = new Map<string, readonly number[]>();

  /** Takes in every full answer, in order and one at a time, in slices; until it is done `of` tells what was known before. */
  async observe(metadata: ClusterMetadata, slices: Slices): Promise<void> {
    const before = this.#previous;
    this.#previous = metadata;
    if (before === undefined || before.clusterId !== metadata.clusterId) {
      this.#empty.clear();
      return;
    }
    let topicsBefore: ReadonlyMap<string, number> | undefined;
    const empty = new Map<string, readonly number[]>();
    for (let p = 0, t = 0; p < metadata.partitionId.length; p++) {
      if (p % CHECK_EVERY === 0 && slices.due) await slices.pause();
      while (p >= (metadata.partitionStart[t + 1] ?? Number.POSITIVE_INFINITY)) t++;
      if ((metadata.isrStart[p + 1] ?? 0) > (metadata.isrStart[p] ?? 0)) continue;
      topicsBefore ??= new Map(before.topics.map((name, index) => [name, index]));
      const topic = metadata.topics[t] ?? '';
      const partition = metadata.partitionId[p] ?? -1;
      const isr = this.#empty.get(keyOf(topic, partition)) ?? isrIn(before, topicsBefore.get(topic), partition);
      if (isr.length > 0 && empty.size < MAX_REMEMBERED) empty.set(keyOf(topic, partition), isr);
    }
    this.#empty = empty;
  }

  of(topic: string, partition: number): readonly number[] | undefined {
    return this.#empty.get(keyOf(topic, partition));
  }
}

function keyOf(topic: string, partition: number): string {
  return `${topic}/${partition}`;
}

function isrIn(metadata: ClusterMetadata, topicIndex: number | undefined, partition: number): readonly number[] {
  if (topicIndex === undefined) return [];
  for (let p = metadata.partitionStart[topicIndex] ?? 0; p < (metadata.partitionStart[topicIndex + 1] ?? 0); p++) {
    if (metadata.partitionId[p] === partition) return [...metadata.isrIds.subarray(metadata.isrStart[p], metadata.isrStart[p + 1])];
  }
  return [];
}

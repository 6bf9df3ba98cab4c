import type { ClusterMetadata, LogDir } from '../../kafka/observer.ts';

/** Topic → its name, as one string for all who keep it, and its leaders by partition number, -1 where there is none. */
export type Leaders = ReadonlyMap<string, { readonly topic: string; readonly ids: Int32Array }>;

export function leadersOf(metadata: ClusterMetadata): Leaders {
  const leaders = new Map<string, { topic: string; ids: Int32Array }>();
  const column = new Int32Array(metadata.partitionId.length).fill(-1);
  for (const [t, topic] of metadata.topics.entries()) {
    const [from = 0, to = 0] = [metadata.partitionStart[t], metadata.partitionStart[t + 1]];
    const ids = column.subarray(from, to);
    // Kafka numbers partitions from 0 without a gap; an id beyond that is set nowhere.
    for (let p = from; p < to; p++) ids[metadata.partitionId[p] ?? -1] = metadata.leaderId[p] ?? -1;
    leaders.set(topic, { topic, ids });
  }
  return leaders;
}

/** The sizes of one broker's replicas in columns: a map of arrays for each broker would cost many times its data. */
interface Sizes {
  readonly topics: readonly string[];
  /** Topic t has the rows `start[t]` … `start[t + 1] - 1`. */
  readonly start: Int32Array;
  readonly partition: Int32Array;
  readonly bytes: Float64Array;
}

const NO_SIZES: Sizes = { topics: [], start: new Int32Array(1), partition: new Int32Array(0), bytes: new Float64Array(0) };

/**
 * Bytes written to the partitions that a broker leads, counted from how their logs grow between two looks: what clients
 * produce, as it lies on disk, without an agent. A log that shrinks (retention, compaction) counts as nothing, so this is
 * a little less than what was written. Copies that catch up are not led, and do not count.
 */
export class ProducedBytes {
  /** As of the last look. */
  #sizes = NO_SIZES;
  #total = 0;

  /** Takes in a look at one broker's disks. Returns the bytes so far. */
  add(brokerId: number, dirs: readonly LogDir[], leaders: Leaders): number {
    const now = sizesOf(dirs, leaders);
    const before = this.#sizes;
    const topicBefore = new Map(before.topics.map((topic, t) => [topic, t]));
    for (const [t, topic] of now.topics.entries()) {
      const b = topicBefore.get(topic);
      const led = leaders.get(topic)?.ids;
      if (b !== undefined && led !== undefined) this.#total += grown({ before, b, now, t }, (partition) => led[partition] === brokerId);
    }
    this.#sizes = now;
    return this.#total;
  }
}

function sizesOf(dirs: readonly LogDir[], leaders: Leaders): Sizes {
  const byTopic = new Map<string, [partition: number, bytes: number][]>();
  let count = 0;
  for (const { replicas, sizes } of dirs) {
    for (const [topic, partitions] of replicas) {
      let rows = byTopic.get(topic);
      if (rows === undefined) byTopic.set(topic, (rows = []));
      for (const [i, partition] of partitions.entries()) {
        const bytes = sizes.get(topic)?.[i] ?? -1;
        if (bytes < 0) continue;
        rows.push([partition, bytes]);
        count += 1;
      }
    }
  }
  const [start, partition, bytes] = [new Int32Array(byTopic.size + 1), new Int32Array(count), new Float64Array(count)];
  const topics: string[] = [];
  let row = 0;
  for (const [topic, rows] of byTopic) {
    topics.push(leaders.get(topic)?.topic ?? topic);
    for (const [id, size] of rows) {
      partition[row] = id;
      bytes[row++] = size;
    }
    start[topics.length] = row;
  }
  return { topics, start, partition, bytes };
}

/** What the rows of one topic have grown by, of partitions that `counts` is true for. */
function grown({ before, b, now, t }: { before: Sizes; b: number; now: Sizes; t: number }, counts: (partition: number) => boolean): number {
  let sum = 0;
  const from = before.start[b] ?? 0;
  const to = before.start[b + 1] ?? 0;
  for (let row = now.start[t] ?? 0; row < (now.start[t + 1] ?? 0); row++) {
    const partition = now.partition[row] ?? -1;
    if (!counts(partition)) continue;
    // A broker lists them in the same order, nearly always.
    let r = from + row - (now.start[t] ?? 0);
    if (r >= to || before.partition[r] !== partition) r = before.partition.subarray(0, to).indexOf(partition, from);
    if (r >= from) sum += Math.max(0, (now.bytes[row] ?? 0) - (before.bytes[r] ?? 0));
  }
  return sum;
}

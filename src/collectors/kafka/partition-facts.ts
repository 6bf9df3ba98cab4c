import type { Slices } from '../../core/slices.ts';
import type { ClusterMetadata, Reassignment } from '../../kafka/observer.ts';

/** Topic → partition → replicas that a reassignment is adding. */
export type AddingReplicas = ReadonlyMap<string, ReadonlyMap<number, readonly number[]>>;

export function addingReplicas(reassignments: readonly Reassignment[]): AddingReplicas {
  const byTopic = new Map<string, Map<number, readonly number[]>>();
  for (const { topic, partition, adding } of reassignments) {
    let partitions = byTopic.get(topic);
    if (partitions === undefined) byTopic.set(topic, (partitions = new Map<number, readonly number[]>()));
    partitions.set(partition, adding);
  }
  return byTopic;
}

/** What is wrong with one topic; counts of partitions. */
export interface TopicTrouble {
  readonly topic: string;
  leaderlessOneCopy: number;
  leaderlessManyCopies: number;
  underReplicated: number;
  underMinIsr: number;
}

/** What one Metadata answer says, counted; columns are in the answer's order of partitions. */
export interface PartitionFacts {
  readonly replicas: Int32Array;
  readonly inSync: Int32Array;
  readonly leaderlessOneCopy: number;
  readonly leaderlessManyCopies: number;
  /** Of those with one copy: its broker is within its stop grace. */
  readonly leaderlessInStopGrace: number;
  readonly underReplicated: number;
  readonly underMinIsr: number;
  readonly minIsrUnknownTopics: number;
  readonly offlineReplicas: number;
  readonly notPreferredLeader: number;
  readonly ledBy: ReadonlyMap<number, number>;
  readonly heldBy: ReadonlyMap<number, number>;
  /** The fewest in-sync copies of a partition; Infinity where there is no partition. */
  readonly leastInSync: number;
  /** The fewest in-sync copies of a partition that has one of them on the broker. */
  readonly leastInSyncWith: ReadonlyMap<number, number>;
  /** In the answer's order of topics. */
  readonly troubles: readonly TopicTrouble[];
}

export interface FactsInput {
  readonly metadata: ClusterMetadata;
  readonly adding: AddingReplicas;
  /** Topic → its `min.insync.replicas`, where known. */
  readonly minIsr: ReadonlyMap<string, number>;
  readonly inStopGrace: ReadonlySet<number>;
}

/**
 * Judges every partition, in slices. Replicas that a reassignment is adding do not count: under-replicated is an *original*
 * replica out of sync. Under min ISR is an ISR below the topic's own minimum where there are replicas enough for it.
 */
export async function partitionFacts(input: FactsInput, slices: Slices): Promise<PartitionFacts> {
  const { metadata, minIsr } = input;
  const partitionCount = metadata.partitionId.length;
  const counter = new FactsCounter(input, partitionCount);
  let minIsrUnknownTopics = 0;
  for (const [t, topic] of metadata.topics.entries()) {
    const topicMinIsr = minIsr.get(topic);
    if (topicMinIsr === undefined) minIsrUnknownTopics += 1;
    counter.countTopic(t, topic, topicMinIsr);
    if (slices.due) await slices.pause();
  }
  return {
    replicas: counter.replicas,
    inSync: counter.inSync,
    leaderlessOneCopy: counter.total.leaderlessOneCopy,
    leaderlessManyCopies: counter.total.leaderlessManyCopies,
    leaderlessInStopGrace: counter.leaderlessInStopGrace,
    underReplicated: counter.total.underReplicated,
    underMinIsr: counter.total.underMinIsr,
    minIsrUnknownTopics,
    offlineReplicas: metadata.offlineIds.length,
    notPreferredLeader: counter.notPreferredLeader,
    ledBy: counter.ledBy,
    heldBy: counter.heldBy,
    leastInSync: counter.leastInSync,
    leastInSyncWith: counter.leastInSyncWith,
    troubles: counter.troubles,
  };
}

class FactsCounter {
  readonly replicas: Int32Array;
  readonly inSync: Int32Array;
  readonly total: TopicTrouble = noTrouble('');
  readonly troubles: TopicTrouble[] = [];
  readonly ledBy = new Map<number, number>();
  readonly heldBy = new Map<number, number>();
  leastInSync = Infinity;
  readonly leastInSyncWith = new Map<number, number>();
  leaderlessInStopGrace = 0;
  notPreferredLeader = 0;
  readonly #input: FactsInput;

  constructor(input: FactsInput, partitionCount: number) {
    this.#input = input;
    this.replicas = new Int32Array(partitionCount);
    this.inSync = new Int32Array(partitionCount);
  }

  countTopic(t: number, topic: string, minIsr: number | undefined): void {
    const { metadata, adding } = this.#input;
    const trouble = noTrouble(topic);
    const moving = adding.get(topic);
    const end = metadata.partitionStart[t + 1] ?? 0;
    for (let p = metadata.partitionStart[t] ?? 0; p < end; p++) {
      this.#countReplicas(p, moving?.get(metadata.partitionId[p] ?? -1));
      this.#judge(p, minIsr, trouble);
    }
    const { total } = this;
    const sum = trouble.leaderlessOneCopy + trouble.leaderlessManyCopies + trouble.underReplicated + trouble.underMinIsr;
    if (sum === 0) return;
    this.troubles.push(trouble);
    total.leaderlessOneCopy += trouble.leaderlessOneCopy;
    total.leaderlessManyCopies += trouble.leaderlessManyCopies;
    total.underReplicated += trouble.underReplicated;
    total.underMinIsr += trouble.underMinIsr;
  }

  #countReplicas(p: number, adding: readonly number[] | undefined): void {
    const { metadata } = this.#input;
    const { replicaIds, isrIds } = metadata;
    const end = metadata.replicaStart[p + 1] ?? 0;
    const isrStart = metadata.isrStart[p] ?? 0;
    const isrEnd = metadata.isrStart[p + 1] ?? 0;
    let originals = 0;
    let inSync = 0;
    for (let r = metadata.replicaStart[p] ?? 0; r < end; r++) {
      const id = replicaIds[r] ?? -1;
      this.heldBy.set(id, (this.heldBy.get(id) ?? 0) + 1);
      if (adding?.includes(id) === true) continue;
      originals += 1;
      for (let i = isrStart; i < isrEnd; i++) {
        if (isrIds[i] === id) {
          inSync += 1;
          break;
        }
      }
    }
    this.replicas[p] = originals;
    this.inSync[p] = inSync;
    this.#countInSync(isrStart, isrEnd);
  }

  #countInSync(isrStart: number, isrEnd: number): void {
    const { isrIds } = this.#input.metadata;
    const copies = isrEnd - isrStart;
    if (copies < this.leastInSync) this.leastInSync = copies;
    for (let i = isrStart; i < isrEnd; i++) {
      const id = isrIds[i] ?? -1;
      if (copies < (this.leastInSyncWith.get(id) ?? Infinity)) this.leastInSyncWith.set(id, copies);
    }
  }

  #judge(p: number, minIsr: number | undefined, trouble: TopicTrouble): void {
    const { metadata, inStopGrace } = this.#input;
    const leader = metadata.leaderId[p] ?? -1;
    const replicas = this.replicas[p] ?? 0;
    const firstReplica = metadata.replicaIds[metadata.replicaStart[p] ?? 0] ?? -1;
    if (leader >= 0) {
      this.ledBy.set(leader, (this.ledBy.get(leader) ?? 0) + 1);
      if (leader !== firstReplica) this.notPreferredLeader += 1;
    } else if (replicas > 1) {
      trouble.leaderlessManyCopies += 1;
    } else {
      trouble.leaderlessOneCopy += 1;
      if (inStopGrace.has(firstReplica)) this.leaderlessInStopGrace += 1;
    }
    if ((this.inSync[p] ?? 0) < replicas) trouble.underReplicated += 1;
    const isr = (metadata.isrStart[p + 1] ?? 0) - (metadata.isrStart[p] ?? 0);
    // Without a leader nobody is refused for the ISR's sake: as in Kafka's own UnderMinIsrPartitionCount, the leader counts.
    if (leader >= 0 && minIsr !== undefined && isr < minIsr && replicas >= minIsr) trouble.underMinIsr += 1;
  }
}

function noTrouble(topic: string): TopicTrouble {
  return { topic, leaderlessOneCopy: 0, leaderlessManyCopies: 0, underReplicated: 0, underMinIsr: 0 };
}

/** After a longer gap an ISR may have grown and moved on in an orderly way, unseen: nothing is concluded then. */
const MAX_GAP_MS = 30_000;

/**
 * Partitions whose leader epoch rose between two looks and whose new leader was not in the ISR seen before, of which
 * nobody is left in the ISR: records may have been lost.
 */
export function uncleanElections(before: ClusterMetadata | undefined, now: ClusterMetadata): number {
  if (before === undefined || now.askedAt - before.answeredAt > MAX_GAP_MS || before.clusterId !== now.clusterId) return 0;
  let topicsBefore: Map<string, number> | undefined;
  let count = 0;
  for (const [t, topic] of now.topics.entries()) {
    let b: number | undefined = t;
    if (before.topics[t] !== topic) {
      topicsBefore ??= new Map(before.topics.map((name, index) => [name, index]));
      b = topicsBefore.get(topic);
    }
    if (b !== undefined) count += uncleanInTopic(before, b, now, t);
  }
  return count;
}

function uncleanInTopic(before: ClusterMetadata, b: number, now: ClusterMetadata, t: number): number {
  let count = 0;
  const start = now.partitionStart[t] ?? 0;
  const end = now.partitionStart[t + 1] ?? 0;
  const startBefore = before.partitionStart[b] ?? 0;
  const endBefore = before.partitionStart[b + 1] ?? 0;
  for (let p = start; p < end; p++) {
    let q = startBefore + (p - start);
    if (before.partitionId[q] !== now.partitionId[p] || q >= endBefore) {
      q = before.partitionId.indexOf(now.partitionId[p] ?? -1, startBefore);
      if (q < 0 || q >= endBefore) continue;
    }
    const leader = now.leaderId[p] ?? -1;
    if (leader < 0 || (now.leaderEpoch[p] ?? 0) <= (before.leaderEpoch[q] ?? 0)) continue;
    const isr = before.isrIds.subarray(before.isrStart[q], before.isrStart[q + 1]);
    if (isr.length === 0 || isr.includes(leader)) continue;
    // An unclean election leaves the new leader alone in the ISR. Where somebody of before is in it still, the leader has
    // caught up with them first: it came back, joined the ISR and was elected between two looks.
    const isrNow = now.isrIds.subarray(now.isrStart[p], now.isrStart[p + 1]);
    if (!isr.some((id) => isrNow.includes(id))) count += 1;
  }
  return count;
}

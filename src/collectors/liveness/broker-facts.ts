import type { Slices } from '../../core/slices.ts';
import type { ClusterMetadata } from '../../kafka/observer.ts';

/** What one Metadata answer says about one broker. Counts are of partitions. */
export interface BrokerFacts {
  /** Listed in `brokers[]`: registered and, on KRaft, not fenced. */
  registered: boolean;
  replicas: number;
  /** Replicas of it that are not in the ISR. */
  outOfSync: number;
  leads: number;
  /** Leads, and another broker is in the ISR too, so that a controlled shutdown would move the leadership. */
  movableLeads: number;
  /** In an ISR that has another member. */
  movableIsr: number;
  /** Holds a replica of a partition whose ISR has a member other than itself. */
  movableReplicas: number;
}

/** Partitions between two looks at the clock. */
const CHECK_EVERY = 256;

/** The facts about every broker that is listed or holds a replica; one pass over the columns. */
export function brokerFacts(metadata: ClusterMetadata): ReadonlyMap<number, BrokerFacts> {
  const facts = registeredFacts(metadata);
  for (let p = 0; p < metadata.partitionId.length; p++) countPartition(metadata, p, facts);
  return facts;
}

/** The same, in slices. */
export async function brokerFactsInSlices(metadata: ClusterMetadata, slices: Slices): Promise<ReadonlyMap<number, BrokerFacts>> {
  const facts = registeredFacts(metadata);
  for (let p = 0; p < metadata.partitionId.length; p++) {
    countPartition(metadata, p, facts);
    if (p % CHECK_EVERY === 0 && slices.due) await slices.pause();
  }
  return facts;
}

function registeredFacts({ brokers }: ClusterMetadata): Map<number, BrokerFacts> {
  const facts = new Map<number, BrokerFacts>();
  for (const { id } of brokers) factsOf(facts, id).registered = true;
  return facts;
}

/** A function of its own, so that it is compiled well after some thousand partitions, though it runs seldom. */
function countPartition(metadata: ClusterMetadata, p: number, facts: Map<number, BrokerFacts>): void {
  const { replicaStart, replicaIds, isrStart, isrIds, leaderId } = metadata;
  const isrFrom = isrStart[p] ?? 0;
  const isrTo = isrStart[p + 1] ?? isrFrom;
  const isrSize = isrTo - isrFrom;
  for (let r = replicaStart[p] ?? 0; r < (replicaStart[p + 1] ?? 0); r++) {
    const id = replicaIds[r] ?? -1;
    const inSync = includes(isrIds, isrFrom, isrTo, id);
    const at = factsOf(facts, id);
    at.replicas++;
    const movable = inSync ? isrSize > 1 : isrSize > 0;
    if (!inSync) at.outOfSync++;
    if (movable) at.movableReplicas++;
    if (movable && inSync) at.movableIsr++;
    if (leaderId[p] === id) {
      at.leads++;
      if (movable) at.movableLeads++;
    }
  }
}

/** Above this many partitions on a broker, looks are content with a sample of its topics. */
const SAMPLE_PARTITIONS = 2000;

/**
 * The topics with a replica on the broker, and enough of them to tell what it leads: all, or where those are many some
 * of which it leads partitions that others could lead, or else is in the ISR of. `topics` is undefined where it is on
 * every topic.
 */
export function topicsOn(
  metadata: ClusterMetadata,
  brokerId: number,
): { readonly topics: readonly string[] | undefined; readonly sample: readonly string[] | undefined } {
  const { replicaStart, replicaIds, isrStart, isrIds, leaderId } = metadata;
  const topics: string[] = [];
  const leading = new Sample();
  const following = new Sample();
  let partitions = 0;
  for (const [t, topic] of metadata.topics.entries()) {
    const from = metadata.partitionStart[t] ?? 0;
    const to = metadata.partitionStart[t + 1] ?? from;
    if (!includes(replicaIds, replicaStart[from], replicaStart[to], brokerId)) continue;
    topics.push(topic);
    partitions += to - from;
    for (let p = from; p < to; p++) {
      const isrFrom = isrStart[p] ?? 0;
      const isrTo = isrStart[p + 1] ?? isrFrom;
      if (isrTo - isrFrom < 2 || !includes(isrIds, isrFrom, isrTo, brokerId)) continue;
      (leaderId[p] === brokerId ? leading : following).add(topic, to - from);
    }
  }
  const all = topics.length < metadata.topics.length ? topics : undefined;
  if (partitions <= SAMPLE_PARTITIONS) return { topics: all, sample: all };
  return { topics: all, sample: leading.topics.length > 0 ? leading.topics : following.topics };
}

/** No slice is made: this runs for every partition of a cluster while a verdict is waited for. */
function includes(ids: Int32Array, from: number | undefined, to: number | undefined, id: number): boolean {
  for (let i = from ?? 0; i < (to ?? 0); i++) if (ids[i] === id) return true;
  return false;
}

/** Topics of up to `SAMPLE_PARTITIONS` partitions in all, each once. */
class Sample {
  readonly topics: string[] = [];
  #partitions = 0;

  add(topic: string, partitions: number): void {
    if (this.topics.at(-1) === topic || this.#partitions + partitions > SAMPLE_PARTITIONS) return;
    this.topics.push(topic);
    this.#partitions += partitions;
  }
}

function factsOf(facts: Map<number, BrokerFacts>, id: number): BrokerFacts {
  let found = facts.get(id);
  if (found === undefined) {
    found = { registered: false, replicas: 0, outOfSync: 0, leads: 0, movableLeads: 0, movableIsr: 0, movableReplicas: 0 };
    facts.set(id, found);
  }
  return found;
}

/** How many partitions a broker led, over the last minutes; bounded by keeping changes only. */
export class LeadershipHistory {
  readonly #samples: { readonly at: number; readonly movableLeads: number }[] = [];

  add(at: number, movableLeads: number, windowMs: number): void {
    const last = this.#samples.at(-1);
    if (last !== undefined && (at < last.at || last.movableLeads === movableLeads)) return;
    this.#samples.push({ at, movableLeads });
    // The sample before the window tells the count at its beginning.
    while (this.#samples.length > MAX_HISTORY || (this.#samples[1]?.at ?? Number.POSITIVE_INFINITY) <= at - windowMs) this.#samples.shift();
  }

  /** The most partitions it could have handed over at any time in the window before `at`; undefined where nothing is known. */
  most(at: number, windowMs: number): number | undefined {
    let most: number | undefined;
    for (const [i, { movableLeads, at: since }] of this.#samples.entries()) {
      const until = this.#samples[i + 1]?.at ?? Number.POSITIVE_INFINITY;
      if (since <= at && until > at - windowMs) most = Math.max(most ?? 0, movableLeads);
    }
    return most;
  }

  /** A broker that comes back begins anew: what it led before is no sign of a stop under way. */
  clear(): void {
    this.#samples.length = 0;
  }
}

const MAX_HISTORY = 256;

import type { BrokerPicture, ClusterPicture, PartitionPicture, QuorumPicture } from '../autopilot/picture.ts';
import type { ClusterFacts } from '../collectors/kafka/collector.ts';
import { addingReplicas } from '../collectors/kafka/partition-facts.ts';
import type { LivenessFacts } from '../collectors/liveness/liveness-events.ts';
import type { ClusterMetadata, QuorumDescription } from '../kafka/observer.ts';

/** A description of the quorum that is so much older than the metadata beside it is not relied on. */
const QUORUM_GOOD_FOR_MS = 60_000;
/** A voter this far behind the leader's own clock has not caught up. */
const CAUGHT_UP_WITHIN_MS = 10_000;

export interface PictureInput {
  readonly cluster: string;
  readonly facts: ClusterFacts;
  /** Instead of the newest collected one, such as an answer asked for anew. */
  readonly metadata?: ClusterMetadata;
  readonly liveness: readonly LivenessFacts[];
  readonly clusterIdChanged: boolean;
  readonly unreachable: boolean | undefined;
  /** Belfry itself is cut off: nothing it sees of any cluster counts. */
  readonly isolated: boolean;
  readonly labels: Readonly<Record<string, string>>;
  readonly maintenance: string | undefined;
  readonly cruiseControlBusy?: string | undefined;
  /** The last ISR with a member of a partition whose ISR is empty now. */
  readonly lastIsr: (topic: string, partition: number) => readonly number[] | undefined;
  /** Of the newest collected metadata; none for an answer that was asked for anew. */
  readonly memo?: PartitionsMemo;
}

/**
 * The partitions of the newest metadata, made once for all pictures that rest on it: a cluster in trouble is looked at
 * many times between two answers of its brokers. A changed `min.insync.replicas` shows with the next answer.
 */
export class PartitionsMemo {
  #metadata: ClusterMetadata | undefined;
  #moves: ClusterFacts['reassignments'];
  #partitions: readonly PartitionPicture[] = [];

  of(metadata: ClusterMetadata, input: PictureInput): readonly PartitionPicture[] {
    const { reassignments } = input.facts;
    const moves = reassignments?.length === 0 ? undefined : reassignments;
    if (this.#metadata !== metadata || this.#moves !== moves) {
      this.#partitions = partitionsOf(metadata, input);
      this.#metadata = metadata;
      this.#moves = moves;
    }
    return this.#partitions;
  }
}

/** The cluster at one time, from what the collectors know. Partitions are made when they are first asked for: there may be many. */
export function pictureOf(input: PictureInput): ClusterPicture {
  const { facts, clusterIdChanged, labels, maintenance, cruiseControlBusy } = input;
  const metadata = input.metadata ?? facts.metadata;
  let partitions: readonly PartitionPicture[] | undefined;
  return {
    cluster: input.cluster,
    askedAt: metadata?.askedAt ?? 0,
    observedAt: metadata?.answeredAt ?? 0,
    blind: blindness(input, metadata),
    clusterIdChanged: clusterIdChanged || isOfAnother(metadata, facts.metadata),
    brokers: brokersOf(input, metadata),
    get partitions(): readonly PartitionPicture[] {
      partitions ??= metadata === undefined ? [] : (input.memo?.of(metadata, input) ?? partitionsOf(metadata, input));
      return partitions;
    },
    reassigning: facts.reassignments?.map(({ topic, partition }) => ({ topic, partition })),
    quorum: facts.quorum === undefined || isOld(facts.quorum, metadata) ? undefined : quorumOf(facts.quorum),
    labels,
    maintenance,
    cruiseControlBusy,
  };
}

/** An answer that was asked for anew may come from another cluster than the one that was looked at until now. */
function isOfAnother(metadata: ClusterMetadata | undefined, known: ClusterMetadata | undefined): boolean {
  return metadata !== undefined && known !== undefined && metadata.clusterId !== known.clusterId;
}

function isOld(quorum: QuorumDescription, metadata: ClusterMetadata | undefined): boolean {
  return metadata !== undefined && metadata.answeredAt - quorum.answeredAt > QUORUM_GOOD_FOR_MS;
}

function blindness({ facts, unreachable, isolated }: PictureInput, metadata: ClusterMetadata | undefined): string | undefined {
  if (isolated) return 'Belfry itself is cut off from what it watches';
  if (metadata === undefined) return 'the cluster has not been seen yet';
  if (unreachable === true) return 'no broker of the cluster answers';
  if (facts.invisibleTopics > 0) return `${facts.invisibleTopics} topics are hidden from Belfry for lack of permission`;
  return undefined;
}

function brokersOf(input: PictureInput, metadata: ClusterMetadata | undefined): ReadonlyMap<number, BrokerPicture> {
  const registered = new Map(metadata?.brokers.map((broker) => [broker.id, broker]));
  const fetches = quorumFetches(input.facts.quorum);
  const brokers = new Map<number, BrokerPicture>();
  const add = (id: number, known: LivenessFacts | undefined): void => {
    brokers.set(id, {
      id,
      expected: known !== undefined,
      up: known?.up,
      registered: registered.has(id),
      verdict: known?.verdict,
      downSince: known?.downSince,
      inStopGrace: known?.inStopGrace === true,
      rack: registered.get(id)?.rack,
      lastQuorumFetchAt: fetches.get(id),
      usedBytes: input.facts.usedBytesOf(id),
    });
  };
  for (const known of input.liveness) add(known.id, known);
  for (const id of registered.keys()) if (!brokers.has(id)) add(id, undefined);
  return brokers;
}

/** Node → when it last fetched, in Belfry time: the leader stamps all by its own clock, which its own entry tells. */
function quorumFetches(quorum: QuorumDescription | undefined): ReadonlyMap<number, number> {
  const fetches = new Map<number, number>();
  if (quorum === undefined) return fetches;
  const leaderNow = quorum.voters.find(({ nodeId }) => nodeId === quorum.leaderId)?.lastCaughtUpAt ?? -1;
  if (leaderNow < 0) return fetches;
  for (const { nodeId, lastFetchAt } of [...quorum.voters, ...quorum.observers]) {
    if (lastFetchAt >= 0) fetches.set(nodeId, quorum.answeredAt - Math.max(0, leaderNow - lastFetchAt));
  }
  return fetches;
}

function quorumOf({ leaderId, voters }: QuorumDescription): QuorumPicture {
  const leaderNow = voters.find(({ nodeId }) => nodeId === leaderId)?.lastCaughtUpAt ?? -1;
  return {
    leaderId,
    voters: voters.map(({ nodeId, lastCaughtUpAt }) => ({
      id: nodeId,
      caughtUp: nodeId === leaderId || (lastCaughtUpAt >= 0 && leaderNow >= 0 && leaderNow - lastCaughtUpAt <= CAUGHT_UP_WITHIN_MS),
    })),
  };
}

function partitionsOf(metadata: ClusterMetadata, { facts, lastIsr }: PictureInput): readonly PartitionPicture[] {
  const adding = addingReplicas(facts.reassignments ?? []);
  const partitions: PartitionPicture[] = [];
  for (const [t, topic] of metadata.topics.entries()) {
    const minIsr = facts.minIsr.get(topic);
    const moving = adding.get(topic);
    for (let p = metadata.partitionStart[t] ?? 0; p < (metadata.partitionStart[t + 1] ?? 0); p++) {
      const partition = metadata.partitionId[p] ?? -1;
      const added = moving?.get(partition) ?? [];
      const replicas = [...metadata.replicaIds.subarray(metadata.replicaStart[p], metadata.replicaStart[p + 1])];
      const isr = [...metadata.isrIds.subarray(metadata.isrStart[p], metadata.isrStart[p + 1])];
      partitions.push({
        topic,
        partition,
        replicas: added.length === 0 ? replicas : replicas.filter((id) => !added.includes(id)),
        isr,
        leader: metadata.leaderId[p] ?? -1,
        minIsr,
        adding: added,
        lastIsr: isr.length > 0 ? isr : (lastIsr(topic, partition) ?? []),
      });
    }
  }
  return partitions;
}

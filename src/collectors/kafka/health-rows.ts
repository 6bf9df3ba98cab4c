import { Labels } from '../../core/labels.ts';
import type { Slices } from '../../core/slices.ts';
import type { BrokerAddress, ClusterMetadata, MetadataBroker } from '../../kafka/observer.ts';
import type { PartitionFacts, TopicTrouble } from './partition-facts.ts';
import type { Segment, SeriesRows } from './rows.ts';

export interface HealthFacts {
  readonly metadata: ClusterMetadata;
  readonly partitions: PartitionFacts;
  /** Undefined where the list could not be read lately. */
  readonly reassigningPartitions: number | undefined;
  readonly uncleanElections: number;
  readonly hiddenTopics: boolean;
  readonly minIsrRefused: boolean;
  readonly expectedBrokers: ReadonlySet<number>;
}

/** The series of the whole cluster, of its brokers, and of the topics in trouble. */
export class HealthRows {
  readonly rows: SeriesRows;
  /** A target of its own, since its series come and go. */
  readonly troubleRows: SeriesRows;
  readonly #cluster: string;
  readonly #maxTroubles: number;

  constructor(options: { rows: SeriesRows; troubleRows: SeriesRows; cluster: string; maxTroubles: number }) {
    this.rows = options.rows;
    this.troubleRows = options.troubleRows;
    this.#cluster = options.cluster;
    this.#maxTroubles = options.maxTroubles;
  }

  /** Makes the labels of topics that are newly in trouble, in slices; afterwards `fill` is quick. */
  async prepare(troubles: readonly TopicTrouble[], slices: Slices): Promise<void> {
    for (const { topic } of troubles.slice(0, this.#maxTroubles)) {
      this.#troubleSegment(topic);
      if (slices.due) await slices.pause();
    }
    await this.troubleRows.settle(slices);
  }

  fill(facts: HealthFacts): void {
    const { metadata, partitions, expectedBrokers, hiddenTopics } = facts;
    this.#set('kafka_brokers', metadata.brokers.length);
    this.#set('belfry_kafka_partitions', metadata.partitionId.length);
    this.#setSum(hiddenTopics, 'belfry_kafka_leaderless_partitions', partitions.leaderlessOneCopy, 'copies', 'one');
    this.#setSum(hiddenTopics, 'belfry_kafka_leaderless_partitions', partitions.leaderlessManyCopies, 'copies', 'many');
    this.#setSum(hiddenTopics, 'belfry_kafka_leaderless_in_stop_grace_partitions', partitions.leaderlessInStopGrace);
    this.#setSum(hiddenTopics, 'belfry_kafka_under_replicated_partitions', partitions.underReplicated);
    this.#setSum(hiddenTopics || facts.minIsrRefused, 'belfry_kafka_under_min_isr_partitions', partitions.underMinIsr);
    this.#set('belfry_kafka_min_isr_unknown_topics', partitions.minIsrUnknownTopics);
    this.#setSum(hiddenTopics, 'belfry_kafka_offline_replicas', partitions.offlineReplicas);
    this.#setSum(hiddenTopics, 'belfry_kafka_not_preferred_leader_partitions', partitions.notPreferredLeader);
    if (facts.reassigningPartitions !== undefined) this.#set('belfry_kafka_reassigning_partitions', facts.reassigningPartitions);
    this.#set('belfry_kafka_unclean_elections_total', facts.uncleanElections);
    this.#set('belfry_kafka_registered_brokers', metadata.brokers.length);
    this.#set('belfry_kafka_expected_brokers', expectedBrokers.size);
    this.#fillBrokers(metadata.brokers, partitions, expectedBrokers);
    this.#fillTroubles(partitions.troubles);
  }

  #fillBrokers(registered: readonly MetadataBroker[], partitions: PartitionFacts, expected: ReadonlySet<number>): void {
    const registeredIds = new Set(registered.map(({ id }) => id));
    for (const broker of registered) this.#setBrokerInfo(broker.id, broker);
    for (const id of [...expected].toSorted((a, b) => a - b)) {
      this.#set('belfry_kafka_broker_registered', registeredIds.has(id) ? 1 : 0, 'broker', String(id));
    }
    for (const id of new Set([...registeredIds, ...expected, ...partitions.heldBy.keys()])) {
      const segment = this.rows.segment(`load/${id}`, 2, () => [
        this.#labels('belfry_kafka_broker_leader_partitions', 'broker', String(id)),
        this.#labels('belfry_kafka_broker_replica_partitions', 'broker', String(id)),
      ]);
      segment.set(0, partitions.ledBy.get(id) ?? 0);
      segment.set(1, partitions.heldBy.get(id) ?? 0);
      const elsewhere = Math.min(partitions.leastInSync, (partitions.leastInSyncWith.get(id) ?? Infinity) - 1);
      if (elsewhere !== Infinity) this.#set('belfry_kafka_least_in_sync_copies_elsewhere', elsewhere, 'broker', String(id));
    }
  }

  #setBrokerInfo(id: number, { host, port }: BrokerAddress): void {
    const address = `${host}:${port}`;
    const make = (): Labels[] => [
      Labels.of({ __name__: 'kafka_broker_info', cluster: this.#cluster, id: String(id), address: address.slice(0, 512) }),
    ];
    this.rows.segment(`info/${id}/${address}`, 1, make).set(0, 1);
  }

  #fillTroubles(troubles: readonly TopicTrouble[]): void {
    for (const trouble of troubles.slice(0, this.#maxTroubles)) {
      const segment = this.#troubleSegment(trouble.topic);
      const counts = [trouble.leaderlessOneCopy, trouble.leaderlessManyCopies, trouble.underReplicated, trouble.underMinIsr];
      for (const [index, count] of counts.entries()) if (count > 0) segment.set(index, count);
    }
  }

  #troubleSegment(topic: string): Segment {
    const cluster = this.#cluster;
    return this.troubleRows.segment(topic, 4, () => [
      leaderlessLabels(cluster, 'one', topic),
      leaderlessLabels(cluster, 'many', topic),
      Labels.fromSortedPairs(['__name__', 'belfry_kafka_topic_under_replicated_partitions', 'cluster', cluster, 'topic', topic]),
      Labels.fromSortedPairs(['__name__', 'belfry_kafka_topic_under_min_isr_partitions', 'cluster', cluster, 'topic', topic]),
    ]);
  }

  /** Where not all is seen, what is bad is at least as bad, but none is not known: such a zero is no sample. */
  #setSum(isPartial: boolean, metric: string, value: number, label = '', labelValue = ''): void {
    if (!isPartial || value > 0) this.#set(metric, value, label, labelValue);
  }

  /** One series without, or with one, label of its own. */
  #set(metric: string, value: number, label = '', labelValue = ''): void {
    const key = label === '' ? metric : `${metric}/${labelValue}`;
    this.rows.segment(key, 1, () => [this.#labels(metric, label, labelValue)]).set(0, value);
  }

  #labels(metric: string, label: string, value: string): Labels {
    return Labels.of({ __name__: metric, cluster: this.#cluster, ...(label === '' ? {} : { [label]: value }) });
  }
}

function leaderlessLabels(cluster: string, copies: 'one' | 'many', topic: string): Labels {
  const name = 'belfry_kafka_topic_leaderless_partitions';
  return Labels.fromSortedPairs(['__name__', name, 'cluster', cluster, 'copies', copies, 'topic', topic]);
}

import type { Labels } from '../core/labels.ts';
import { Matcher } from '../core/matcher.ts';
import type { WrittenFamily } from '../formats/write-exposition.ts';
import type { Querier } from '../promql/querier.ts';

/** kafka_exporter's families, in its order, with its help texts' meaning. */
const FAMILIES: readonly (readonly [string, string])[] = [
  ['kafka_brokers', 'Number of brokers in the cluster.'],
  ['kafka_broker_info', 'Brokers by id and address.'],
  ['kafka_topic_partitions', 'Number of partitions of the topic.'],
  ['kafka_topic_partition_current_offset', 'Offset after the last record of the partition.'],
  ['kafka_topic_partition_oldest_offset', 'Offset of the first record of the partition.'],
  ['kafka_topic_partition_in_sync_replica', 'Number of in-sync replicas of the partition.'],
  ['kafka_topic_partition_leader', 'Broker id of the leader of the partition.'],
  ['kafka_topic_partition_leader_is_preferred', '1 if the partition is led by its preferred broker.'],
  ['kafka_topic_partition_replicas', 'Number of replicas of the partition.'],
  ['kafka_topic_partition_under_replicated_partition', '1 if the partition is under-replicated.'],
  ['kafka_consumergroup_current_offset', 'Committed offset of the consumer group.'],
  ['kafka_consumergroup_current_offset_sum', 'Sum of the committed offsets of the consumer group for the topic.'],
  ['kafka_consumergroup_lag', 'Records the consumer group is behind on the partition.'],
  ['kafka_consumergroup_lag_sum', 'Records the consumer group is behind on the topic.'],
  ['kafka_consumergroup_members', 'Number of members of the consumer group.'],
];

const LOOKBACK_MS = 5 * 60_000;

/**
 * The newest samples of what kafka_exporter would show, from the store: never waits on Kafka. Each family is read when it is
 * asked for, and may be written later.
 */
export function* kafkaFamilies(querier: Querier, now: number): Generator<WrittenFamily, void> {
  for (const [name, help] of FAMILIES) yield { name, help, type: 'gauge', samples: newest(querier, name, now) };
}

/** What these families are, for those who ask for metadata. */
export function kafkaFamilyHelp(): readonly { readonly name: string; readonly type: string; readonly help: string }[] {
  return FAMILIES.map(([name, help]) => ({ name, type: 'gauge', help }));
}

function newest(querier: Querier, name: string, now: number): { labels: Labels; value: number }[] {
  const selection = querier.select([new Matcher('__name__', '=', name)], now - LOOKBACK_MS, now);
  const columns = {
    values: new Float64Array(selection.n),
    timestamps: new Float64Array(selection.n),
    present: new Uint8Array(selection.n),
  };
  selection.instant(now, LOOKBACK_MS, columns);
  const samples: { labels: Labels; value: number }[] = [];
  for (let i = 0; i < selection.n; i++)
    if (columns.present[i] === 1) samples.push({ labels: selection.labels(i), value: columns.values[i] ?? 0 });
  return samples;
}

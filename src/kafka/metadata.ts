import type { Clock } from '../core/clock.ts';
import { Slices } from '../core/slices.ts';
import { IntColumn } from './columns.ts';
import type { ClusterMetadata, MetadataBroker } from './observer.ts';
import type { WireReader } from './wire-reader.ts';
import type { WireWriter } from './wire-writer.ts';

/** Partitions decoded between two looks at the clock. */
const CHECK_EVERY = 256;
/** The smallest encoding of a partition, a topic and a broker: fixed fields, empty arrays and strings, no tags. */
const PARTITION_BYTES = 18;
const TOPIC_BYTES = 10;
const BROKER_BYTES = 11;

/** Metadata request v9 to v12; `undefined` asks for all topics. Never creates a topic. */
export function writeMetadataRequest(writer: WireWriter, version: number, topics: readonly string[] | undefined): void {
  writer.compactArray(topics, (topic) => {
    if (version >= 10) writer.zeroUuid();
    writer.compactString(topic).noTags();
  });
  // allow_auto_topic_creation, include_cluster_authorized_operations (until v10), include_topic_authorized_operations.
  writer.boolean(false);
  if (version <= 10) writer.boolean(false);
  writer.boolean(false).noTags();
}

interface Columns {
  readonly topics: string[];
  readonly topicErrors: IntColumn;
  readonly topicInternal: IntColumn;
  readonly partitionStart: IntColumn;
  readonly partitionId: IntColumn;
  readonly partitionError: IntColumn;
  readonly leaderId: IntColumn;
  readonly leaderEpoch: IntColumn;
  readonly replicaStart: IntColumn;
  readonly replicaIds: IntColumn;
  readonly isrStart: IntColumn;
  readonly isrIds: IntColumn;
  readonly offlineStart: IntColumn;
  readonly offlineIds: IntColumn;
}

/**
 * Decodes a Metadata answer v9 to v12 into columns, in slices. Errors of topics and partitions are columns too.
 * Throws `KAFKA_MALFORMED`.
 */
export async function decodeMetadata(reader: WireReader, version: number, clock: Clock, askedAt: number): Promise<ClusterMetadata> {
  const answeredAt = clock.now();
  const slices = new Slices(clock);
  reader.int32(); // throttle_time_ms
  const brokers = decodeBrokers(reader);
  const clusterId = reader.compactNullableString() ?? '';
  reader.int32(); // controller_id: on KRaft a random live broker
  const columns = emptyColumns();
  for (let left = reader.compactArrayLength(TOPIC_BYTES); left > 0; left--) {
    columns.topicErrors.push(reader.int16());
    columns.topics.push(reader.compactNullableString() ?? '');
    if (version >= 10) reader.skipUuid();
    columns.topicInternal.push(reader.boolean() ? 1 : 0);
    columns.partitionStart.push(columns.partitionId.length);
    for (let partitions = reader.compactArrayLength(PARTITION_BYTES); partitions > 0; partitions--) {
      decodePartition(reader, columns);
      if (partitions % CHECK_EVERY === 0 && slices.due) await slices.pause();
    }
    reader.int32(); // topic_authorized_operations
    reader.skipTags();
    if (slices.due) await slices.pause();
  }
  if (version <= 10) reader.int32(); // cluster_authorized_operations
  reader.skipTags();
  reader.expectEnd();
  return finish(columns, clusterId, brokers, askedAt, answeredAt);
}

function decodeBrokers(reader: WireReader): MetadataBroker[] {
  const brokers: MetadataBroker[] = [];
  for (let left = reader.compactArrayLength(BROKER_BYTES); left > 0; left--) {
    const id = reader.int32();
    const host = reader.compactString();
    const port = reader.int32();
    const rack = reader.compactNullableString();
    reader.skipTags();
    brokers.push({ id, host, port, rack });
  }
  return brokers;
}

function decodePartition(reader: WireReader, columns: Columns): void {
  columns.partitionError.push(reader.int16());
  columns.partitionId.push(reader.int32());
  columns.leaderId.push(reader.int32());
  columns.leaderEpoch.push(reader.int32());
  columns.replicaStart.push(columns.replicaIds.length);
  decodeIds(reader, columns.replicaIds);
  columns.isrStart.push(columns.isrIds.length);
  decodeIds(reader, columns.isrIds);
  columns.offlineStart.push(columns.offlineIds.length);
  decodeIds(reader, columns.offlineIds);
  reader.skipTags();
}

function decodeIds(reader: WireReader, into: IntColumn): void {
  for (let left = reader.compactArrayLength(4); left > 0; left--) into.push(reader.int32());
}

function emptyColumns(): Columns {
  return {
    topics: [],
    topicErrors: new IntColumn(),
    topicInternal: new IntColumn(),
    partitionStart: new IntColumn(),
    partitionId: new IntColumn(),
    partitionError: new IntColumn(),
    leaderId: new IntColumn(),
    leaderEpoch: new IntColumn(),
    replicaStart: new IntColumn(),
    replicaIds: new IntColumn(),
    isrStart: new IntColumn(),
    isrIds: new IntColumn(),
    offlineStart: new IntColumn(),
    offlineIds: new IntColumn(),
  };
}

function finish(
  columns: Columns,
  clusterId: string,
  brokers: readonly MetadataBroker[],
  askedAt: number,
  answeredAt: number,
): ClusterMetadata {
  columns.partitionStart.push(columns.partitionId.length);
  columns.replicaStart.push(columns.replicaIds.length);
  columns.isrStart.push(columns.isrIds.length);
  columns.offlineStart.push(columns.offlineIds.length);
  return {
    clusterId,
    brokers,
    topics: columns.topics,
    topicErrors: columns.topicErrors.toInt16(),
    topicInternal: columns.topicInternal.toUint8(),
    partitionStart: columns.partitionStart.toInt32(),
    partitionId: columns.partitionId.toInt32(),
    partitionError: columns.partitionError.toInt16(),
    leaderId: columns.leaderId.toInt32(),
    leaderEpoch: columns.leaderEpoch.toInt32(),
    replicaStart: columns.replicaStart.toInt32(),
    replicaIds: columns.replicaIds.toInt32(),
    isrStart: columns.isrStart.toInt32(),
    isrIds: columns.isrIds.toInt32(),
    offlineStart: columns.offlineStart.toInt32(),
    offlineIds: columns.offlineIds.toInt32(),
    askedAt,
    answeredAt,
  };
}

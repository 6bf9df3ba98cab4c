import { throwOnError } from './error-codes.ts';
import type { QuorumDescription, QuorumReplica } from './observer.ts';
import type { WireReader } from './wire-reader.ts';
import type { WireWriter } from './wire-writer.ts';

const METADATA_TOPIC = '__cluster_metadata';

/** DescribeQuorum request v0 to v2 for the metadata log. */
export function writeDescribeQuorumRequest(writer: WireWriter): void {
  writer.compactArray([METADATA_TOPIC], (topic) => {
    writer
      .compactString(topic)
      .compactArray([0], (partition) => writer.int32(partition).noTags())
      .noTags();
  });
  writer.noTags();
}

/** Decodes a DescribeQuorum answer v0 to v2. Throws `KAFKA_MALFORMED`, and what the answer's error code says. */
export function decodeQuorum(reader: WireReader, version: number, answeredAt: number): QuorumDescription {
  const errorCode = reader.int16();
  const message = version >= 2 ? reader.compactNullableString() : undefined;
  throwOnError('DescribeQuorum', errorCode, message);
  let found: QuorumDescription | undefined;
  for (let topics = reader.compactArrayLength(3); topics > 0; topics--) {
    reader.skipCompactString();
    for (let rows = reader.compactArrayLength(25); rows > 0; rows--) {
      const partition = decodePartition(reader, version, answeredAt);
      found ??= partition;
    }
    reader.skipTags();
  }
  if (version >= 2) skipNodes(reader);
  reader.skipTags();
  reader.expectEnd();
  if (found === undefined) throw reader.malformed('no partition in it');
  return found;
}

function decodePartition(reader: WireReader, version: number, answeredAt: number): QuorumDescription {
  reader.int32(); // partition_index
  const errorCode = reader.int16();
  const message = version >= 2 ? reader.compactNullableString() : undefined;
  const leaderId = reader.int32();
  const leaderEpoch = reader.int32();
  const highWatermark = reader.int64();
  const voters = decodeReplicas(reader, version);
  const observers = decodeReplicas(reader, version);
  reader.skipTags();
  throwOnError('DescribeQuorum', errorCode, message);
  return { leaderId, leaderEpoch, highWatermark, voters, observers, answeredAt };
}

function decodeReplicas(reader: WireReader, version: number): QuorumReplica[] {
  const replicas: QuorumReplica[] = [];
  for (let left = reader.compactArrayLength(13); left > 0; left--) {
    const nodeId = reader.int32();
    if (version >= 2) reader.skipUuid();
    const logEndOffset = reader.int64();
    const lastFetchAt = version >= 1 ? reader.int64() : -1;
    const lastCaughtUpAt = version >= 1 ? reader.int64() : -1;
    reader.skipTags();
    replicas.push({ nodeId, logEndOffset, lastFetchAt, lastCaughtUpAt });
  }
  return replicas;
}

function skipNodes(reader: WireReader): void {
  for (let nodes = reader.compactArrayLength(6); nodes > 0; nodes--) {
    reader.int32();
    for (let listeners = reader.compactArrayLength(5); listeners > 0; listeners--) {
      reader.skipCompactString();
      reader.skipCompactString();
      reader.uint16();
      reader.skipTags();
    }
    reader.skipTags();
  }
}

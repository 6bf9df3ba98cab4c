import { Slices } from '../core/slices.ts';
import { DoubleColumn, IntColumn } from './columns.ts';
import type { Clock } from '../core/clock.ts';
import { KAFKA_ERROR, throwOnError } from './error-codes.ts';
import type { GroupDescription, GroupOffsets, ListedGroup } from './observer.ts';
import type { WireReader } from './wire-reader.ts';
import type { WireWriter } from './wire-writer.ts';

const CHECK_EVERY = 256;

/** ListGroups request v4 and v5, groups of all states and types. */
export function writeListGroupsRequest(writer: WireWriter, version: number): void {
  writer.compactArray([], () => undefined);
  if (version >= 5) writer.compactArray([], () => undefined);
  writer.noTags();
}

/** Decodes a ListGroups answer v4 or v5. Before v5 (Kafka 3.8) there were classic groups only. */
export function decodeListGroups(reader: WireReader, version: number): readonly ListedGroup[] {
  const groups: ListedGroup[] = [];
  reader.int32(); // throttle_time_ms
  throwOnError('ListGroups', reader.int16());
  for (let left = reader.compactArrayLength(4); left > 0; left--) {
    const groupId = reader.compactString();
    reader.skipCompactString(); // protocol_type
    const state = reader.compactString();
    const type = version >= 5 ? reader.compactString() : 'classic';
    reader.skipTags();
    groups.push({ groupId, state, type });
  }
  reader.skipTags();
  reader.expectEnd();
  return groups;
}

/** DescribeGroups v5 and ConsumerGroupDescribe v0 take the same request. */
export function writeDescribeGroupsRequest(writer: WireWriter, groupIds: readonly string[]): void {
  writer
    .compactArray(groupIds, (groupId) => writer.compactString(groupId))
    .boolean(false)
    .noTags();
}

/** Decodes a DescribeGroups answer v5. */
export function decodeDescribeGroups(reader: WireReader): readonly GroupDescription[] {
  const groups: GroupDescription[] = [];
  reader.int32(); // throttle_time_ms
  for (let left = reader.compactArrayLength(12); left > 0; left--) {
    const errorCode = reader.int16();
    const groupId = reader.compactString();
    const state = reader.compactString();
    reader.skipCompactString(); // protocol_type
    reader.skipCompactString(); // protocol_data
    const memberCount = reader.compactArrayLength(7);
    for (let i = 0; i < memberCount; i++) {
      for (let field = 0; field < 4; field++) reader.skipCompactString(); // member_id, group_instance_id, client_id, client_host
      reader.skipCompactBytes(); // member_metadata
      reader.skipCompactBytes(); // member_assignment
      reader.skipTags();
    }
    reader.int32(); // authorized_operations
    reader.skipTags();
    groups.push({ groupId, errorCode, state, memberCount });
  }
  reader.skipTags();
  reader.expectEnd();
  return groups;
}

/** Decodes a ConsumerGroupDescribe answer v0 (groups of KIP-848). */
export function decodeConsumerGroupDescribe(reader: WireReader): readonly GroupDescription[] {
  const groups: GroupDescription[] = [];
  reader.int32(); // throttle_time_ms
  for (let left = reader.compactArrayLength(20); left > 0; left--) {
    const errorCode = reader.int16();
    reader.skipCompactString(); // error_message
    const groupId = reader.compactString();
    const state = reader.compactString();
    reader.skip(8); // group_epoch, assignment_epoch
    reader.skipCompactString(); // assignor_name
    const memberCount = reader.compactArrayLength(16);
    for (let i = 0; i < memberCount; i++) skipConsumerGroupMember(reader);
    reader.int32(); // authorized_operations
    reader.skipTags();
    groups.push({ groupId, errorCode, state, memberCount });
  }
  reader.skipTags();
  reader.expectEnd();
  return groups;
}

function skipConsumerGroupMember(reader: WireReader): void {
  for (let field = 0; field < 3; field++) reader.skipCompactString(); // member_id, instance_id, rack_id
  reader.int32(); // member_epoch
  reader.skipCompactString(); // client_id
  reader.skipCompactString(); // client_host
  for (let topics = reader.compactArrayLength(1); topics > 0; topics--) reader.skipCompactString();
  reader.skipCompactString(); // subscribed_topic_regex
  skipAssignment(reader);
  skipAssignment(reader); // target_assignment
  reader.skipTags();
}

function skipAssignment(reader: WireReader): void {
  for (let topics = reader.compactArrayLength(19); topics > 0; topics--) {
    reader.skipUuid();
    reader.skipCompactString();
    reader.skip(reader.compactArrayLength(4) * 4);
    reader.skipTags();
  }
  reader.skipTags();
}

/** OffsetFetch request v8: all committed offsets of these groups. */
export function writeOffsetFetchRequest(writer: WireWriter, groupIds: readonly string[]): void {
  writer.compactArray(groupIds, (groupId) => {
    writer
      .compactString(groupId)
      .compactArray(undefined, () => undefined)
      .noTags();
  });
  writer.boolean(false).noTags();
}

/** Decodes an OffsetFetch answer v8, in slices; errors of groups are data, a partition with an error has no offset. */
export async function decodeOffsetFetch(reader: WireReader, clock: Clock): Promise<readonly GroupOffsets[]> {
  const slices = new Slices(clock);
  const groups: GroupOffsets[] = [];
  reader.int32(); // throttle_time_ms
  for (let left = reader.compactArrayLength(5); left > 0; left--) {
    groups.push(await decodeGroupOffsets(reader, slices));
    if (slices.due) await slices.pause();
  }
  reader.skipTags();
  reader.expectEnd();
  return groups;
}

async function decodeGroupOffsets(reader: WireReader, slices: Slices): Promise<GroupOffsets> {
  const groupId = reader.compactString();
  const topics: string[] = [];
  const topicIndex = new IntColumn(16);
  const partition = new IntColumn(16);
  const offset = new DoubleColumn(16);
  for (let count = reader.compactArrayLength(3); count > 0; count--) {
    const index = topics.push(reader.compactString()) - 1;
    for (let rows = reader.compactArrayLength(20); rows > 0; rows--) {
      topicIndex.push(index);
      partition.push(reader.int32());
      const committed = reader.int64();
      reader.int32(); // committed_leader_epoch
      reader.skipCompactString(); // metadata
      offset.push(reader.int16() === KAFKA_ERROR.none ? committed : -1);
      reader.skipTags();
      if (rows % CHECK_EVERY === 0 && slices.due) await slices.pause();
    }
    reader.skipTags();
  }
  const errorCode = reader.int16();
  reader.skipTags();
  return {
    groupId,
    errorCode,
    topics,
    topicIndex: topicIndex.toInt32(),
    partition: partition.toInt32(),
    offset: offset.toFloat64(),
  };
}

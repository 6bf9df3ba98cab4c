import { throwOnError } from './error-codes.ts';
import type { WireReader } from './wire-reader.ts';
import type { WireWriter } from './wire-writer.ts';

/** One partition's wanted replicas, the first of them its preferred leader; undefined takes a running move back. */
export interface ReplicaAssignment {
  readonly topic: string;
  readonly partition: number;
  readonly replicas: readonly number[] | undefined;
}

export interface TopicPartition {
  readonly topic: string;
  readonly partition: number;
}

/** What one partition was answered; `errorCode` is never 0 here. */
export interface PartitionRefusal extends TopicPartition {
  readonly errorCode: number;
  readonly message: string;
}

/** Changes of one resource's dynamic configuration; undefined deletes the key. Keys that are not named stay. */
export interface ConfigChange {
  readonly type: 'topic' | 'broker';
  readonly name: string;
  readonly values: ReadonlyMap<string, string | undefined>;
}

export interface ConfigRefusal {
  readonly type: 'topic' | 'broker';
  readonly name: string;
  readonly errorCode: number;
  readonly message: string;
}

const TYPE_ID = { topic: 2, broker: 4 } as const;
const OPERATION = { set: 0, delete: 1 } as const;
const PREFERRED = 0;

/** AlterPartitionReassignments request v0 and v1. From v1 on the broker itself refuses to change the number of copies. */
export function writeAlterReassignmentsRequest(
  writer: WireWriter,
  version: number,
  assignments: readonly ReplicaAssignment[],
  timeoutMs: number,
): void {
  writer.int32(timeoutMs);
  if (version >= 1) writer.boolean(false);
  writer.compactArray([...byTopic(assignments)], ([topic, rows]) => {
    writer.compactString(topic);
    writer.compactArray(rows, ({ partition, replicas }) => {
      writer.int32(partition);
      writer.compactArray(replicas, (id) => writer.int32(id)).noTags();
    });
    writer.noTags();
  });
  writer.noTags();
}

/** The partitions that were refused. Throws when the whole request was. */
export function decodeAlterReassignments(reader: WireReader, version: number): readonly PartitionRefusal[] {
  reader.int32(); // throttle_time_ms
  if (version >= 1) reader.boolean(); // allow_replication_factor_change
  throwOnError('AlterPartitionReassignments', reader.int16(), reader.compactNullableString());
  return decodeRefusals(reader);
}

/** ElectLeaders request v2: the preferred replicas of these partitions. */
export function writeElectLeadersRequest(writer: WireWriter, partitions: readonly TopicPartition[], timeoutMs: number): void {
  writer.int8(PREFERRED);
  writer.compactArray([...byTopic(partitions)], ([topic, rows]) => {
    writer.compactString(topic);
    writer.compactArray(rows, ({ partition }) => writer.int32(partition)).noTags();
  });
  writer.int32(timeoutMs).noTags();
}

/** The partitions where no election took place. Throws when the whole request was refused. */
export function decodeElectLeaders(reader: WireReader): readonly PartitionRefusal[] {
  reader.int32(); // throttle_time_ms
  throwOnError('ElectLeaders', reader.int16());
  return decodeRefusals(reader);
}

/** IncrementalAlterConfigs request v1. With `validateOnly` the answer says what would be refused, and nothing is changed. */
export function writeAlterConfigsRequest(writer: WireWriter, changes: readonly ConfigChange[], validateOnly = false): void {
  writer.compactArray(changes, ({ type, name, values }) => {
    writer.int8(TYPE_ID[type]).compactString(name);
    writer.compactArray([...values], ([key, value]) => {
      writer.compactString(key).int8(value === undefined ? OPERATION.delete : OPERATION.set);
      if (value === undefined) writer.unsignedVarint(0);
      else writer.compactString(value);
      writer.noTags();
    });
    writer.noTags();
  });
  writer.boolean(validateOnly).noTags();
}

/** The resources that were refused; those of other types than ours cannot be among them. */
export function decodeAlterConfigs(reader: WireReader): readonly ConfigRefusal[] {
  const refused: ConfigRefusal[] = [];
  reader.int32(); // throttle_time_ms
  for (let left = reader.compactArrayLength(6); left > 0; left--) {
    const errorCode = reader.int16();
    const message = reader.compactNullableString() ?? '';
    const type = reader.int8() === TYPE_ID.topic ? 'topic' : 'broker';
    const name = reader.compactString();
    reader.skipTags();
    if (errorCode !== 0) refused.push({ type, name, errorCode, message });
  }
  reader.skipTags();
  reader.expectEnd();
  return refused;
}

/** UnregisterBroker request v0. */
export function writeUnregisterBrokerRequest(writer: WireWriter, brokerId: number): void {
  writer.int32(brokerId).noTags();
}

/** Kafka's error code and words of an UnregisterBroker answer v0; which of them are errors is the caller's to say. */
export function decodeUnregisterBroker(reader: WireReader): { readonly errorCode: number; readonly message: string | undefined } {
  reader.int32(); // throttle_time_ms
  const errorCode = reader.int16();
  const message = reader.compactNullableString();
  reader.skipTags();
  reader.expectEnd();
  return { errorCode, message };
}

/** The tail that AlterPartitionReassignments and ElectLeaders share: topics with a result for each partition. */
function decodeRefusals(reader: WireReader): readonly PartitionRefusal[] {
  const refused: PartitionRefusal[] = [];
  for (let topics = reader.compactArrayLength(3); topics > 0; topics--) {
    const topic = reader.compactString();
    for (let rows = reader.compactArrayLength(8); rows > 0; rows--) {
      const partition = reader.int32();
      const errorCode = reader.int16();
      const message = reader.compactNullableString() ?? '';
      reader.skipTags();
      if (errorCode !== 0) refused.push({ topic, partition, errorCode, message });
    }
    reader.skipTags();
  }
  reader.skipTags();
  reader.expectEnd();
  return refused;
}

function byTopic<T extends { readonly topic: string }>(rows: readonly T[]): ReadonlyMap<string, readonly T[]> {
  const found = new Map<string, T[]>();
  for (const row of rows) {
    const known = found.get(row.topic);
    if (known === undefined) found.set(row.topic, [row]);
    else known.push(row);
  }
  return found;
}

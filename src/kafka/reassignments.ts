import { throwOnError } from './error-codes.ts';
import type { Reassignment } from './observer.ts';
import type { WireReader } from './wire-reader.ts';
import type { WireWriter } from './wire-writer.ts';

/** ListPartitionReassignments request v0 for all topics. */
export function writeListReassignmentsRequest(writer: WireWriter, timeoutMs: number): void {
  writer
    .int32(timeoutMs)
    .compactArray(undefined, () => undefined)
    .noTags();
}

/** Decodes a ListPartitionReassignments answer v0. */
export function decodeReassignments(reader: WireReader): readonly Reassignment[] {
  const found: Reassignment[] = [];
  reader.int32(); // throttle_time_ms
  const errorCode = reader.int16();
  throwOnError('ListPartitionReassignments', errorCode, reader.compactNullableString());
  for (let topics = reader.compactArrayLength(3); topics > 0; topics--) {
    const topic = reader.compactString();
    for (let rows = reader.compactArrayLength(8); rows > 0; rows--) {
      const partition = reader.int32();
      decodeIds(reader); // replicas
      const adding = decodeIds(reader);
      const removing = decodeIds(reader);
      reader.skipTags();
      found.push({ topic, partition, adding, removing });
    }
    reader.skipTags();
  }
  reader.skipTags();
  reader.expectEnd();
  return found;
}

function decodeIds(reader: WireReader): number[] {
  const ids: number[] = [];
  for (let left = reader.compactArrayLength(4); left > 0; left--) ids.push(reader.int32());
  return ids;
}

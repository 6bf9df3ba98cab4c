import type { Clock } from '../core/clock.ts';
import { Slices } from '../core/slices.ts';
import { DoubleColumn, IntColumn } from './columns.ts';
import type { OffsetColumns } from './observer.ts';
import type { WireReader } from './wire-reader.ts';
import type { WireWriter } from './wire-writer.ts';

const CHECK_EVERY = 256;
/** partition, error, timestamp, offset, leader epoch, tags. */
const PARTITION_BYTES = 27;
const TOPIC_BYTES = 3;

/** ListOffsets request v6 to v9, as a client (not a follower), uncommitted records counted. */
export function writeListOffsetsRequest(writer: WireWriter, at: -1 | -2, partitions: ReadonlyMap<string, readonly number[]>): void {
  writer.int32(-1).int8(0);
  writer.compactArray([...partitions], ([topic, ids]) => {
    writer.compactString(topic).compactArray(ids, (id) => writer.int32(id).int32(-1).int64(at).noTags());
    writer.noTags();
  });
  writer.noTags();
}

/** Decodes a ListOffsets answer v6 to v9 into columns, in slices. Throws `KAFKA_MALFORMED`. */
export async function decodeListOffsets(reader: WireReader, clock: Clock): Promise<OffsetColumns> {
  const slices = new Slices(clock);
  const topics: string[] = [];
  const topicIndex = new IntColumn();
  const partition = new IntColumn();
  const errorCode = new IntColumn();
  const offset = new DoubleColumn();
  reader.int32(); // throttle_time_ms
  for (let left = reader.compactArrayLength(TOPIC_BYTES); left > 0; left--) {
    const index = topics.push(reader.compactString()) - 1;
    for (let rows = reader.compactArrayLength(PARTITION_BYTES); rows > 0; rows--) {
      topicIndex.push(index);
      partition.push(reader.int32());
      const code = reader.int16();
      errorCode.push(code);
      reader.skip(8); // timestamp
      const value = reader.int64();
      offset.push(code === 0 ? value : -1);
      reader.skip(4); // leader_epoch
      reader.skipTags();
      if (rows % CHECK_EVERY === 0 && slices.due) await slices.pause();
    }
    reader.skipTags();
    if (slices.due) await slices.pause();
  }
  reader.skipTags();
  reader.expectEnd();
  return {
    topics,
    topicIndex: topicIndex.toInt32(),
    partition: partition.toInt32(),
    errorCode: errorCode.toInt16(),
    offset: offset.toFloat64(),
  };
}

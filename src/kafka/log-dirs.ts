import type { Clock } from '../core/clock.ts';
import { Slices } from './columns.ts';
import { KAFKA_ERROR, throwOnError } from './error-codes.ts';
import type { LogDir } from './observer.ts';
import type { WireReader } from './wire-reader.ts';
import type { WireWriter } from './wire-writer.ts';

const CHECK_EVERY = 256;
/** index, size, lag, is_future, tags. */
const PARTITION_BYTES = 22;
const TOPIC_BYTES = 3;
const LOG_DIR_BYTES = 5;

/** DescribeLogDirs request v2 to v4 for all topics. */
export function writeDescribeLogDirsRequest(writer: WireWriter): void {
  writer.compactArray(undefined, () => undefined).noTags();
}

/** Decodes a DescribeLogDirs answer v2 to v4, in slices; an offline dir is data. Throws `KAFKA_MALFORMED`. */
export async function decodeLogDirs(reader: WireReader, version: number, clock: Clock): Promise<readonly LogDir[]> {
  const slices = new Slices(clock);
  const dirs: LogDir[] = [];
  reader.int32(); // throttle_time_ms
  if (version >= 3) throwOnError('DescribeLogDirs', reader.int16());
  for (let left = reader.compactArrayLength(LOG_DIR_BYTES); left > 0; left--) {
    dirs.push(await decodeLogDir(reader, version, slices));
  }
  reader.skipTags();
  reader.expectEnd();
  // Before v3 a broker says "not allowed" with an empty list and no error.
  if (version < 3 && dirs.length === 0) throwOnError('DescribeLogDirs', KAFKA_ERROR.clusterAuthorizationFailed);
  return dirs;
}

async function decodeLogDir(reader: WireReader, version: number, slices: Slices): Promise<LogDir> {
  const errorCode = reader.int16();
  const path = reader.compactString();
  const replicas = new Map<string, number[]>();
  let usedBytes = 0;
  for (let topics = reader.compactArrayLength(TOPIC_BYTES); topics > 0; topics--) {
    const topic = reader.compactString();
    const ids: number[] = [];
    for (let rows = reader.compactArrayLength(PARTITION_BYTES); rows > 0; rows--) {
      ids.push(reader.int32());
      usedBytes += reader.int64();
      reader.skip(8); // offset_lag
      reader.boolean(); // is_future_key: a copy being moved here takes space too
      reader.skipTags();
      if (rows % CHECK_EVERY === 0 && slices.due) await slices.pause();
    }
    reader.skipTags();
    replicas.set(topic, ids);
    if (slices.due) await slices.pause();
  }
  const totalBytes = version >= 4 ? reader.int64() : -1;
  const usableBytes = version >= 4 ? reader.int64() : -1;
  reader.skipTags();
  return { path, errorCode, totalBytes, usableBytes, usedBytes, replicas };
}

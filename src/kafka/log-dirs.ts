import type { Clock } from '../core/clock.ts';
import { Slices } from '../core/slices.ts';
import { KAFKA_ERROR, throwOnError } from './error-codes.ts';
import type { LogDir } from './observer.ts';
import type { WireReader } from './wire-reader.ts';
import type { WireWriter } from './wire-writer.ts';

const CHECK_EVERY = 256;
/** index, size, lag, is_future, tags. */
const PARTITION_BYTES = 22;
const TOPIC_BYTES = 3;
const LOG_DIR_BYTES = 5;

/** Topic → partition → bytes. */
export type ReplicaSizes = ReadonlyMap<string, ReadonlyMap<number, number>>;

/** DescribeLogDirs request v2 to v4 for all topics. */
export function writeDescribeLogDirsRequest(writer: WireWriter): void {
  writer.compactArray(undefined, () => undefined).noTags();
}

/**
 * Topic → partition → bytes of the replicas one broker holds, from a DescribeLogDirs answer v2 to v4, in slices. Copies
 * that are being moved between two of its disks are not counted twice.
 */
export async function decodeReplicaSizes(reader: WireReader, version: number, clock: Clock): Promise<ReplicaSizes> {
  const sizes = new Map<string, Map<number, number>>();
  const count = (topic: string, partition: number, bytes: number): void => {
    const known = sizes.get(topic);
    if (known === undefined) sizes.set(topic, new Map([[partition, bytes]]));
    else known.set(partition, bytes);
  };
  await decodeAll(reader, version, clock, count);
  return sizes;
}

/** Decodes a DescribeLogDirs answer v2 to v4, in slices; an offline dir is data. Throws `KAFKA_MALFORMED`. */
export async function decodeLogDirs(reader: WireReader, version: number, clock: Clock): Promise<readonly LogDir[]> {
  return decodeAll(reader, version, clock);
}

/** Told of every replica but the copies that are being moved between two disks. */
type CountReplica = (topic: string, partition: number, bytes: number) => void;

async function decodeAll(reader: WireReader, version: number, clock: Clock, count?: CountReplica): Promise<readonly LogDir[]> {
  const slices = new Slices(clock);
  const dirs: LogDir[] = [];
  reader.int32(); // throttle_time_ms
  if (version >= 3) throwOnError('DescribeLogDirs', reader.int16());
  for (let left = reader.compactArrayLength(LOG_DIR_BYTES); left > 0; left--) {
    dirs.push(await decodeLogDir(reader, version, slices, count));
  }
  reader.skipTags();
  reader.expectEnd();
  // Before v3 a broker says "not allowed" with an empty list and no error.
  if (version < 3 && dirs.length === 0) throwOnError('DescribeLogDirs', KAFKA_ERROR.clusterAuthorizationFailed);
  return dirs;
}

async function decodeLogDir(reader: WireReader, version: number, slices: Slices, count?: CountReplica): Promise<LogDir> {
  const errorCode = reader.int16();
  const path = reader.compactString();
  const replicas = new Map<string, number[]>();
  const sizes = new Map<string, number[]>();
  let usedBytes = 0;
  for (let topics = reader.compactArrayLength(TOPIC_BYTES); topics > 0; topics--) {
    const topic = reader.compactString();
    const ids: number[] = [];
    const bytesOf: number[] = [];
    for (let rows = reader.compactArrayLength(PARTITION_BYTES); rows > 0; rows--) {
      const partition = reader.int32();
      ids.push(partition);
      const bytes = reader.int64();
      usedBytes += bytes;
      reader.skip(8); // offset_lag
      // is_future_key: a copy being moved here takes space too.
      const isFuture = reader.boolean();
      bytesOf.push(isFuture ? -1 : bytes);
      if (!isFuture) count?.(topic, partition, bytes);
      reader.skipTags();
      if (rows % CHECK_EVERY === 0 && slices.due) await slices.pause();
    }
    reader.skipTags();
    replicas.set(topic, ids);
    sizes.set(topic, bytesOf);
    if (slices.due) await slices.pause();
  }
  const totalBytes = version >= 4 ? reader.int64() : -1;
  const usableBytes = version >= 4 ? reader.int64() : -1;
  reader.skipTags();
  return { path, errorCode, totalBytes, usableBytes, usedBytes, replicas, sizes };
}

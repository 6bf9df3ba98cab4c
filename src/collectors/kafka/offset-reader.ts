import type { Slices } from '../../core/slices.ts';
import type { BrokerConnection, ClusterMetadata } from '../../kafka/observer.ts';
import type { EndOffsets } from './end-history.ts';
import { forEachBroker } from './for-each-broker.ts';
import type { BrokerPool } from './pool.ts';

/** Partitions in one ListOffsets request. */
const BATCH = 5000;

export interface LogOffsets {
  /** Topic → offset by partition, NaN where unknown (no leader, or its broker did not answer). */
  readonly ends: EndOffsets;
  readonly starts: EndOffsets;
}

/**
 * The end and the start of every log, asked of each partition's leader. Brokers that do not answer leave their
 * partitions unknown; `onFailure` is told of them.
 */
export async function readLogOffsets(
  pool: BrokerPool,
  metadata: ClusterMetadata,
  options: {
    readonly downIds: ReadonlySet<number>;
    readonly timeoutMs: number;
    readonly onFailure: (brokerId: number, error: unknown) => void;
    readonly slices: Slices;
  },
): Promise<LogOffsets> {
  const { slices } = options;
  const ends = unknownOffsets(metadata);
  const starts = unknownOffsets(metadata);
  const byLeader = await partitionsByLeader(metadata, slices);
  await forEachBroker(
    pool,
    options.downIds,
    async (connection, brokerId) => {
      for (const batch of byLeader.get(brokerId) ?? []) {
        // Several brokers are asked at the same time, and to write a request takes a while.
        if (slices.due) await slices.pause();
        await readInto(connection, -1, batch, options.timeoutMs, ends);
        if (slices.due) await slices.pause();
        await readInto(connection, -2, batch, options.timeoutMs, starts);
      }
    },
    options.onFailure,
  );
  return { ends, starts };
}

async function readInto(
  connection: BrokerConnection,
  at: -1 | -2,
  partitions: ReadonlyMap<string, readonly number[]>,
  timeoutMs: number,
  into: EndOffsets,
): Promise<void> {
  const answer = await connection.listOffsets(at, partitions, timeoutMs);
  const targets = answer.topics.map((topic) => into.get(topic));
  for (let i = 0; i < answer.partition.length; i++) {
    const target = targets[answer.topicIndex[i] ?? 0];
    const partition = answer.partition[i] ?? -1;
    const offset = answer.offset[i] ?? -1;
    // Leadership that has moved since Metadata answers with an error: unknown until the next round.
    if (answer.errorCode[i] !== 0 || offset < 0 || target === undefined || partition < 0 || partition >= target.length) continue;
    target[partition] = offset;
  }
}

function unknownOffsets(metadata: ClusterMetadata): Map<string, Float64Array> {
  const offsets = new Map<string, Float64Array>();
  const column = new Float64Array(metadata.partitionId.length).fill(Number.NaN);
  for (const [t, topic] of metadata.topics.entries()) {
    offsets.set(topic, column.subarray(metadata.partitionStart[t], metadata.partitionStart[t + 1]));
  }
  return offsets;
}

/** Leader → batches of topic → partitions. */
async function partitionsByLeader(
  metadata: ClusterMetadata,
  slices: Slices,
): Promise<ReadonlyMap<number, readonly ReadonlyMap<string, readonly number[]>[]>> {
  const byLeader = new Map<number, { batches: Map<string, number[]>[]; inLast: number }>();
  for (const [t, topic] of metadata.topics.entries()) {
    const end = metadata.partitionStart[t + 1] ?? 0;
    for (let p = metadata.partitionStart[t] ?? 0; p < end; p++) {
      const leader = metadata.leaderId[p] ?? -1;
      if (leader < 0) continue;
      let entry = byLeader.get(leader);
      if (entry === undefined) byLeader.set(leader, (entry = { batches: [], inLast: BATCH }));
      if (entry.inLast >= BATCH) {
        entry.batches.push(new Map());
        entry.inLast = 0;
      }
      entry.inLast += 1;
      const batch = entry.batches.at(-1);
      const ids = batch?.get(topic);
      if (ids === undefined) batch?.set(topic, [metadata.partitionId[p] ?? 0]);
      else ids.push(metadata.partitionId[p] ?? 0);
    }
    if (slices.due) await slices.pause();
  }
  return new Map([...byLeader].map(([leader, { batches }]) => [leader, batches]));
}

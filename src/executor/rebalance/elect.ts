import { BelfryError } from '../../core/errors.ts';
import type { TopicPartition } from '../../kafka/admin-requests.ts';
import { KAFKA_ERROR, kafkaErrorName } from '../../kafka/error-codes.ts';
import { nameOf, readPartitions } from './picture.ts';
import { REQUEST_TIMEOUT_MS, type AdminSession } from './session.ts';

/** Clients of so many partitions look for their new leaders at once. */
const ELECTIONS_PER_REQUEST = 200;

/**
 * Makes the preferred replicas leaders of these partitions (of all where undefined) that have others, as far as they are in
 * sync. Returns what was done in words. Rejects with `KAFKA_PERMISSION_MISSING` or `KAFKA_REFUSED`.
 */
export async function electPreferred(
  read: AdminSession,
  act: AdminSession,
  only: ReadonlyMap<string, TopicPartition> | undefined,
): Promise<string> {
  if (only?.size === 0) return 'nothing to do: the cluster is as it should be';
  const { partitions } = await readPartitions(read, new Map());
  const others = partitions.filter((one) => one.leader !== one.replicas[0] && (only === undefined || only.has(nameOf(one))));
  const ready = others.filter(({ isr, replicas }) => isr.includes(replicas[0] ?? -1));
  let behind = others.length - ready.length;
  let elected = ready.length;
  for (let at = 0; at < ready.length; at += ELECTIONS_PER_REQUEST) {
    const part = ready.slice(at, at + ELECTIONS_PER_REQUEST);
    for (const { errorCode, message, ...row } of await act.ofAny((any) => any.electPreferred(part, REQUEST_TIMEOUT_MS))) {
      elected -= 1;
      if (errorCode === KAFKA_ERROR.electionNotNeeded || errorCode === KAFKA_ERROR.unknownTopicOrPartition) continue;
      if (errorCode === KAFKA_ERROR.preferredLeaderNotAvailable) {
        behind += 1;
        continue;
      }
      const code = errorCode === KAFKA_ERROR.clusterAuthorizationFailed ? 'KAFKA_PERMISSION_MISSING' : 'KAFKA_REFUSED';
      throw new BelfryError(code, `no election for ${nameOf(row)}: ${message || kafkaErrorName(errorCode)}`);
    }
  }
  const rest = behind === 0 ? '' : `; ${behind} others keep theirs, since their preferred replica is not in sync`;
  return `done: ${elected} ${elected === 1 ? 'partition has' : 'partitions have'} changed to the preferred leader${rest}`;
}

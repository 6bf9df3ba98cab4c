import { KAFKA_ERROR } from '../../kafka/error-codes.ts';
import type { BrokerConnection, GroupOffsets, ListedGroup } from '../../kafka/observer.ts';
import { forEachBroker } from './for-each-broker.ts';
import type { BrokerPool } from './pool.ts';

const DESCRIBE_BATCH = 100;
const FETCH_BATCH = 50;

export interface GroupState {
  readonly groupId: string;
  /** Undefined where it could not be read. */
  readonly members: number | undefined;
  readonly offsets: GroupOffsets | undefined;
}

export interface GroupReading {
  readonly groups: readonly GroupState[];
  /** Groups over the limit, not read. */
  readonly leftOut: number;
}

export interface GroupReaderOptions {
  readonly downIds: ReadonlySet<number>;
  readonly timeoutMs: number;
  readonly maxGroups: number;
  readonly filter: ((groupId: string) => boolean) | undefined;
  readonly onFailure: (brokerId: number, error: unknown) => void;
}

/**
 * Every group as its coordinator knows it: each broker lists those it coordinates, and answers for them. The groups
 * of a broker that does not answer are left out, so that their series end: unknown, not zero.
 */
export async function readGroups(pool: BrokerPool, options: GroupReaderOptions): Promise<GroupReading> {
  const groups: GroupState[] = [];
  let leftOut = 0;
  let room = options.maxGroups;
  await forEachBroker(
    pool,
    options.downIds,
    async (connection) => {
      const listed = (await connection.listGroups(options.timeoutMs)).filter(
        ({ groupId, type }) => isConsumerGroup(type) && options.filter?.(groupId) !== false,
      );
      const taken = listed.slice(0, Math.max(0, room));
      room -= taken.length;
      leftOut += listed.length - taken.length;
      const members = await readMembers(connection, taken, options.timeoutMs);
      const offsets = await readOffsets(connection, taken, options.timeoutMs);
      for (const { groupId } of taken) groups.push({ groupId, members: members.get(groupId), offsets: offsets.get(groupId) });
    },
    options.onFailure,
  );
  return { groups, leftOut };
}

/** Kafka calls them `Classic` and `Consumer`; share and streams groups commit no offsets of this kind. */
function isConsumerGroup(type: string): boolean {
  const name = type.toLowerCase();
  return name === 'classic' || name === 'consumer' || name === '';
}

async function readMembers(
  connection: BrokerConnection,
  groups: readonly ListedGroup[],
  timeoutMs: number,
): Promise<ReadonlyMap<string, number>> {
  const members = new Map<string, number>();
  for (const type of ['classic', 'consumer'] as const) {
    const ids: string[] = [];
    for (const group of groups) {
      if ((group.type.toLowerCase() === 'consumer') !== (type === 'consumer')) continue;
      // Nobody has to be asked about a group that says it is empty.
      if (group.state === 'Empty' || group.state === 'Dead') members.set(group.groupId, 0);
      else ids.push(group.groupId);
    }
    for (let i = 0; i < ids.length; i += DESCRIBE_BATCH) {
      for (const answer of await connection.describeGroups(ids.slice(i, i + DESCRIBE_BATCH), type, timeoutMs)) {
        if (answer.errorCode === KAFKA_ERROR.none) members.set(answer.groupId, answer.memberCount);
      }
    }
  }
  return members;
}

async function readOffsets(
  connection: BrokerConnection,
  groups: readonly ListedGroup[],
  timeoutMs: number,
): Promise<ReadonlyMap<string, GroupOffsets>> {
  const offsets = new Map<string, GroupOffsets>();
  for (let i = 0; i < groups.length; i += FETCH_BATCH) {
    const ids = groups.slice(i, i + FETCH_BATCH).map(({ groupId }) => groupId);
    for (const answer of await connection.offsetFetch(ids, timeoutMs)) {
      if (answer.errorCode === KAFKA_ERROR.none) offsets.set(answer.groupId, answer);
    }
  }
  return offsets;
}

import { findCoordinatorV6, offsetCommitV8 } from '@platformatic/kafka';
import type { Cluster } from '../../testbed/cluster.ts';
import { until } from './harness.ts';

const GROUP_KEY = 0;
/** Commits from outside of any generation, as tools that set offsets do. */
const NO_GENERATION = -1;

/** Commits an offset of partition 0 for a group without members: what is left of a consumer that has gone away. */
export async function commitOffset(cluster: Cluster, groupId: string, topic: string, offset: number): Promise<void> {
  let failure: unknown;
  // The first commit of a cluster makes the offsets topic, whose leaders take a moment.
  await until(
    async () => {
      try {
        await tryCommit(cluster, groupId, topic, offset);
        return true;
      } catch (error) {
        failure = error;
        return false;
      }
    },
    `a commit of ${groupId}`,
    60_000,
  ).catch((error: unknown) => {
    throw new Error(`${String(error)}: ${String(failure)}`);
  });
}

async function tryCommit(cluster: Cluster, groupId: string, topic: string, offset: number): Promise<void> {
  const found = await cluster.withAdmin((admin) => findCoordinatorV6.api.async(admin.connection, GROUP_KEY, [groupId]));
  const coordinator = found.coordinators[0]?.nodeId ?? -1;
  if (coordinator < 0) throw new Error(`no coordinator of ${groupId} yet`);
  const partitions = [{ partitionIndex: 0, committedOffset: BigInt(offset), committedLeaderEpoch: -1 }];
  await cluster.withAdmin(
    (admin) => offsetCommitV8.api.async(admin.connection, groupId, NO_GENERATION, '', null, [{ name: topic, partitions }]),
    coordinator,
  );
}

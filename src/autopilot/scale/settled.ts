import type { ClusterPicture } from '../picture.ts';
import { brokersWithReplicas, leadersByBroker, membersOf, unsettled } from './limits.ts';
import { assessLoad } from './load-model.ts';
import type { Look } from './look.ts';

/** Leaders are spread when no broker is further from the mean than this share of it, or than one partition. */
const SPREAD_SHARE = 0.25;
/** A newcomer takes its part when it leads this share of the mean. */
const NEWCOMER_SHARE = 0.5;
/** Of the fall that is to be expected from more brokers, so much must be seen: clients may have grown meanwhile. */
const FALL_SHARE = 0.5;

const NOBODY: ReadonlySet<number> = new Set();

/** Brokers that were not there when the act began and are up now. */
export function arrived({ picture, memory }: Look): readonly number[] {
  return [...picture.brokers.values()]
    .filter(({ id, registered, up }) => registered && up === true && !memory.members.includes(id))
    .map(({ id }) => id)
    .toSorted((a, b) => a - b);
}

/** Why a scale-out is not done yet; undefined once the load has moved, which is when it is done: not when a process has started. */
export function outPending(look: Look): string | undefined {
  const { picture, memory } = look;
  const fresh = arrived(look);
  const missing = memory.target - memory.members.length - fresh.length;
  if (missing > 0) return `${missing} of ${memory.target} brokers have not come yet`;
  const moving = unsettled(picture, NOBODY, memory.removed);
  if (moving !== undefined) return moving;
  const leaders = leadersByBroker(picture);
  const members = membersOf(picture, memory.removed);
  const mean = picture.partitions.length / members.length;
  const idle = fresh.filter((id) => (leaders.get(id) ?? 0) < Math.max(1, Math.floor(mean * NEWCOMER_SHARE)));
  if (idle.length > 0) return `broker ${idle.join(', ')} does not lead its part of the partitions yet`;
  if (fell(look) || spread(members, leaders, mean)) return undefined;
  return 'the load of the other brokers has not fallen, and leaders are not spread evenly';
}

function spread(members: readonly number[], leaders: ReadonlyMap<number, number>, mean: number): boolean {
  const tolerance = Math.max(1, mean * SPREAD_SHARE);
  return members.every((id) => Math.abs((leaders.get(id) ?? 0) - mean) <= tolerance);
}

function fell({ input, memory }: Look): boolean {
  if (memory.busyBefore <= 0) return false;
  const old = input.loads.filter(({ broker }) => memory.members.includes(broker));
  const now = assessLoad(old, input.policy.scale).resources.find(({ resource }) => resource === memory.resource);
  if (now === undefined) return false;
  const expectedFall = 1 - memory.members.length / memory.target;
  return now.mean <= memory.busyBefore * (1 - FALL_SHARE * expectedFall);
}

/** Whether nothing of the cluster is on the broker any more, by what is known for certain. */
export function drained(picture: ClusterPicture, broker: number): boolean {
  if (picture.reassigning === undefined || picture.reassigning.length > 0) return false;
  return !holdsReplicas(picture, broker);
}

/** Whether something of the cluster is seen there. Not the contrary of `drained`: the list of moves may be old or not known. */
export function holdsReplicas(picture: ClusterPicture, broker: number): boolean {
  return brokersWithReplicas(picture).has(broker);
}

/** Whether it is gone from the cluster, as a broker and by its own pings. */
export function left(picture: ClusterPicture, broker: number): boolean {
  const found = picture.brokers.get(broker);
  return found === undefined || (!found.registered && found.up !== true);
}

/** Why a scale-in is not done yet: the broker in no replica list, gone, and every ISR whole. */
export function inPending({ picture, row }: Look): string | undefined {
  const broker = row.drainingBroker;
  if (!drained(picture, broker)) return `broker ${broker} still holds replicas`;
  if (!left(picture, broker)) return `broker ${broker} is drained but has not been removed yet`;
  return unsettled(picture, NOBODY, broker);
}

/** Partitions below their min ISR, by name. One that has fewer copies than that was made so: nothing that is done changes it. */
export function underMinIsr(picture: ClusterPicture): readonly string[] {
  return picture.partitions
    .filter(({ isr, minIsr, leader, replicas }) => leader < 0 || (minIsr !== undefined && isr.length < minIsr && replicas.length >= minIsr))
    .map(({ topic, partition }) => `${topic}-${partition}`);
}

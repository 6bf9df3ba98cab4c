import type { ClusterPicture } from '../picture.ts';
import type { Guard, GuardContext } from './context.ts';
import { count, holds, namesOf, onPicture, onTarget, passes, type Judgement } from './sentence.ts';

/** The size of a cluster. */

const scaleBounds: Guard = {
  name: 'scale_bounds',
  purpose: "The wanted number of brokers is within the policy's bounds, one step away, and never below replication factor or racks.",
  actions: ['scale_out', 'scale_in'],
  approvable: false,
  judge: onPicture((seen, context) => {
    if (context.desiredBrokers === undefined) return holds('not known: how many brokers are wanted');
    const current = [...seen.brokers.values()].filter(({ registered }) => registered).length;
    return context.action === 'scale_out'
      ? judgeOut(context.desiredBrokers, current, context)
      : judgeIn(context.desiredBrokers, current, seen, context);
  }),
};

function judgeOut(desired: number, current: number, { policy: { scale } }: GuardContext): Judgement {
  const step = `${desired} brokers wanted, there are ${current}`;
  if (desired > scale.max) return holds(`${step}, at most ${scale.max}`);
  if (desired <= current) return holds(`${step}: that is no scale-out`);
  if (desired - current > scale.stepOutMax) return holds(`${step}, at most ${scale.stepOutMax} more in one step`);
  return passes(`${step}, at most ${scale.max}`);
}

function judgeIn(desired: number, current: number, seen: ClusterPicture, { broker, policy: { scale } }: GuardContext): Judgement {
  const replicationFactor = seen.partitions.reduce((highest, { replicas }) => Math.max(highest, replicas.length), 0);
  const racks = new Set<string>();
  const racksLeft = new Set<string>();
  for (const { id, rack, registered } of seen.brokers.values()) {
    if (rack === undefined || !registered) continue;
    racks.add(rack);
    if (id !== broker) racksLeft.add(rack);
  }
  const floor = Math.max(scale.min, replicationFactor, racks.size);
  const step =
    `${desired} brokers wanted, there are ${current}, at least ${floor} ` +
    `(min ${scale.min}, replication factor ${replicationFactor}, racks ${racks.size})`;
  if (desired < floor) return holds(step);
  if (desired >= current) return holds(`${step}: that is no scale-in`);
  if (current - desired > scale.stepInMax) return holds(`${step}, at most ${scale.stepInMax} fewer in one step`);
  if (racksLeft.size < racks.size) return holds(`${step}; broker ${broker ?? -1} is the only one in its rack`);
  return passes(step);
}

const drain: Guard = {
  name: 'drain',
  purpose: 'A broker leaves only empty: it is drained already, or everything on it is led and has room on the other brokers.',
  actions: ['scale_in'],
  approvable: false,
  judge: onTarget((id, { brokers, partitions }) => {
    const listed = partitions.filter(({ replicas, adding }) => replicas.includes(id) || adding.includes(id));
    if (listed.length === 0) return passes(`broker ${id} is drained: no partition lists it`);
    if (brokers.get(id)?.registered !== true)
      return holds(`broker ${id} is not registered and still listed by ${count(listed.length, 'partition')}: it cannot be drained`);
    const leaderless = listed.filter(({ leader }) => leader < 0);
    if (leaderless.length > 0) return holds(`without a leader, they cannot be moved: ${namesOf(leaderless)}`);
    const others = [...brokers.values()].filter((broker) => broker.registered && broker.id !== id).length;
    const tooWide = listed.filter(({ replicas }) => replicas.length > others);
    if (tooWide.length > 0)
      return holds(`${count(tooWide.length, 'partition')} with more copies than the ${others} other brokers: ${namesOf(tooWide)}`);
    return passes(`${count(listed.length, 'partition')} to be drained to ${count(others, 'other broker')} before broker ${id} leaves`);
  }),
};

export const SIZE_GUARDS: readonly Guard[] = [scaleBounds, drain];

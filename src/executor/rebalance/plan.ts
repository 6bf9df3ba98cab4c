import { BelfryError } from '../../core/errors.ts';
import type { RebalanceRequest } from '../ports.ts';
import { balanceReplicas, bestReceiver } from './balance.ts';
import { Layout, type PlanBroker, type PlanPartition } from './layout.ts';
import { balanceLeaders } from './leaders.ts';

/** One partition's new replicas. `from` and `to` differ in their brokers, or only in which of them is preferred. */
export interface Move {
  readonly topic: string;
  readonly partition: number;
  readonly from: readonly number[];
  readonly to: readonly number[];
  /** Brokers of `to` that have no copy yet, and of `from` that give theirs up. */
  readonly adding: readonly number[];
  readonly removing: readonly number[];
  /** That will be copied. */
  readonly bytes: number;
}

export interface PlanInput {
  /** Those that are alive. */
  readonly brokers: readonly PlanBroker[];
  readonly partitions: readonly PlanPartition[];
  readonly request: RebalanceRequest;
}

/**
 * The moves that bring a cluster where the request wants it, and no others; none for `elect_preferred`. Every partition
 * keeps its number of copies, each on a broker of its own, and is spread over racks as well as before or better where
 * there are brokers for that. The same input gives the same moves, and a cluster that has made them is given none.
 * Throws `BAD_REQUEST` where the request names brokers that are not there, `CONFLICT` where the copies find no place.
 */
export function planReassignment({ brokers, partitions, request }: PlanInput): readonly Move[] {
  if (request.kind === 'elect_preferred') return [];
  checkRequest(brokers, partitions, request);
  const excluded = new Set(request.kind === 'drain' ? request.brokers : request.kind === 'replace' ? [request.from] : []);
  const layout = new Layout(brokers, partitions, excluded);
  if (request.kind === 'spread') {
    balanceReplicas(layout);
    balanceLeaders(layout, (partition) => !layout.isPinned(partition));
  } else if (request.kind === 'drain') {
    const moved = empty(layout, request.brokers);
    balanceLeaders(layout, (partition) => moved.has(partition));
  } else {
    substitute(layout, request.from, request.to);
  }
  return movesOf(layout);
}

function checkRequest(brokers: readonly PlanBroker[], partitions: readonly PlanPartition[], request: RebalanceRequest): void {
  const alive = new Set(brokers.map(({ id }) => id));
  const isKnown = (id: number): boolean => alive.has(id) || partitions.some(({ replicas }) => replicas.includes(id));
  if (request.kind === 'drain') {
    for (const id of request.brokers) if (!isKnown(id)) throw new BelfryError('BAD_REQUEST', `there is no broker ${id} to drain`);
  }
  if (request.kind === 'replace') {
    if (request.from === request.to) throw new BelfryError('BAD_REQUEST', `broker ${request.to} cannot replace itself`);
    if (!alive.has(request.to))
      throw new BelfryError('BAD_REQUEST', `broker ${request.to}, which is to replace broker ${request.from}, is not alive`);
  }
}

/** Takes every copy off these brokers, the largest first, so that the small ones even out what is left. */
function empty(layout: Layout, brokers: readonly number[]): ReadonlySet<number> {
  const moved = new Set<number>();
  for (const id of [...brokers].toSorted((a, b) => a - b)) {
    const from = layout.indexOf(id);
    const held = [...layout.held(from)].toSorted((a, b) => layout.sizeOf(b) - layout.sizeOf(a) || a - b);
    for (const partition of held) {
      if (layout.isPinned(partition)) continue;
      layout.replace(partition, from, receiverOf(layout, partition, from));
      moved.add(partition);
    }
  }
  return moved;
}

/** Gives the copies of one broker to another; those of which it has one already go wherever there is room. */
function substitute(layout: Layout, fromId: number, toId: number): void {
  const from = layout.indexOf(fromId);
  const to = layout.indexOf(toId);
  const rest: number[] = [];
  for (const partition of [...layout.held(from)].toSorted((a, b) => a - b)) {
    if (layout.isPinned(partition)) continue;
    if (layout.holds(partition, to)) rest.push(partition);
    else layout.replace(partition, from, to);
  }
  for (const partition of rest) layout.replace(partition, from, receiverOf(layout, partition, from));
}

function receiverOf(layout: Layout, partition: number, from: number): number {
  const to = bestReceiver(layout, partition, from, () => true);
  if (to >= 0) return to;
  const { topic = '', replicas = [] } = layout.partitions[partition] ?? {};
  const copies = `${topic}-${layout.partitions[partition]?.partition} has ${replicas.length} copies`;
  const others = layout.targets.length;
  throw new BelfryError('CONFLICT', `${copies}: without broker ${layout.ids[from]} only ${others} brokers could hold one`);
}

function movesOf(layout: Layout): readonly Move[] {
  const moves: Move[] = [];
  for (const [index, { topic, partition, replicas: from, bytes }] of layout.partitions.entries()) {
    const to = layout.replicasOf(index).map((broker) => layout.ids[broker] ?? -1);
    if (to.every((id, place) => id === from[place])) continue;
    const adding = to.filter((id) => !from.includes(id));
    const removing = from.filter((id) => !to.includes(id));
    moves.push({ topic, partition, from, to, adding, removing, bytes: bytes * adding.length });
  }
  return moves;
}

import type { ClusterPicture, Confirmation } from '../autopilot/picture.ts';
import type { ClusterObserver } from '../autopilot/ports.ts';
import type { FreshAnswer } from '../collectors/kafka/ask-anew.ts';
import type { Clock } from '../core/clock.ts';
import type { ClusterMetadata } from '../kafka/observer.ts';
import type { CruiseControlLook } from './cruise-control-look.ts';
import type { ClusterWatch } from './cluster-watch.ts';

export interface ObserverParts {
  readonly watches: ReadonlyMap<string, ClusterWatch>;
  /** The clusters as configured now. A changed configuration takes a watch away for a moment: that is no removal. */
  readonly clusters: () => readonly string[];
  /** The maintenance window that is open for a cluster at a wall time; undefined where none is. */
  readonly maintenance: (cluster: string, wallMs: number) => string | undefined;
  /** The labels of a cluster as configured now: they change without a new watch. */
  readonly labels: (cluster: string) => Readonly<Record<string, string>>;
  readonly cruiseControl: Pick<CruiseControlLook, 'busy' | 'ask'>;
  readonly clock: Clock;
}

/** What the auto-pilot sees of the clusters: the collectors' newest facts, and what is asked anew for a lease. */
export function createClusterObserver({ watches, clusters, maintenance, labels, cruiseControl, clock }: ObserverParts): ClusterObserver {
  const around = (cluster: string) => ({
    maintenance: maintenance(cluster, clock.wall()),
    labels: labels(cluster),
    cruiseControlBusy: cruiseControl.busy(cluster),
  });
  return {
    clusters,
    picture: (cluster) => watches.get(cluster)?.picture(around(cluster)),
    confirm: async (cluster) => {
      const askedAt = clock.now();
      const watch = watches.get(cluster);
      const [look] = await Promise.all([watch?.askAnew(), cruiseControl.ask(cluster)]);
      return confirmationOf(askedAt, look?.answers ?? [], (metadata) =>
        look === undefined ? undefined : watch?.picture(around(cluster), { ...look.facts, metadata }),
      );
    },
    forget: (cluster, broker) => void watches.get(cluster)?.liveness.forget(broker),
  };
}

function confirmationOf(
  askedAt: number,
  answers: readonly FreshAnswer[],
  picture: (metadata: ClusterMetadata) => ClusterPicture | undefined,
): Confirmation {
  const [first, second] = answers;
  const brokers = answers.map(({ broker }) => broker);
  const agree = first !== undefined && second !== undefined && sayTheSame(first.metadata, second.metadata);
  return {
    brokers,
    askedAt,
    agree,
    picture: first === undefined ? undefined : picture(first.metadata),
    sentence: sentenceOf(brokers, agree),
  };
}

function sentenceOf(brokers: readonly number[], agree: boolean): string {
  if (brokers.length === 0) return 'no broker answered when asked anew';
  if (brokers.length === 1) return `only broker ${brokers.join()} answered when two were asked anew`;
  return `brokers ${brokers.join(' and ')} were asked anew and ${agree ? 'agree' : 'do not agree'}`;
}

/** Whether two answers name the same brokers, leaders and ISRs; the order in which they are told does not count. */
function sayTheSame(a: ClusterMetadata, b: ClusterMetadata): boolean {
  if (a.clusterId !== b.clusterId || a.partitionId.length !== b.partitionId.length) return false;
  if (idsOf(a.brokers.map(({ id }) => id)) !== idsOf(b.brokers.map(({ id }) => id))) return false;
  const topics = new Map(b.topics.map((topic, index) => [topic, index]));
  return a.topics.every((topic, t) => sameTopic(a, t, b, topics.get(topic)));
}

function sameTopic(a: ClusterMetadata, t: number, b: ClusterMetadata, u: number | undefined): boolean {
  if (u === undefined) return false;
  const inB = new Map<number, number>();
  for (let q = b.partitionStart[u] ?? 0; q < (b.partitionStart[u + 1] ?? 0); q++) inB.set(b.partitionId[q] ?? -1, q);
  for (let p = a.partitionStart[t] ?? 0; p < (a.partitionStart[t + 1] ?? 0); p++) {
    const q = inB.get(a.partitionId[p] ?? -1);
    if (q === undefined || a.leaderId[p] !== b.leaderId[q]) return false;
    const isrOfA = a.isrIds.subarray(a.isrStart[p], a.isrStart[p + 1]);
    const isrOfB = b.isrIds.subarray(b.isrStart[q], b.isrStart[q + 1]);
    if (idsOf(isrOfA) !== idsOf(isrOfB)) return false;
  }
  return true;
}

function idsOf(ids: Iterable<number>): string {
  return [...ids].toSorted((x, y) => x - y).join();
}

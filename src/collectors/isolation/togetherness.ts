import type { Silence } from '../liveness/cluster-judgement.ts';
import { CLUSTERS_AT_LEAST } from './isolation-timings.ts';

/** The clusters whose silence is not explained yet, all of which may be our own. */
export interface Suspicion {
  readonly clusters: ReadonlySet<string>;
  /** When the first of the silent brokers fell silent, and the last. */
  readonly since: number;
  readonly last: number;
  /** Of the clusters themselves: until when they hold their verdicts; undefined where none of them is silent as a whole. */
  readonly heldUntil: number | undefined;
}

/**
 * Which silences may be ours: of every cluster that is silent as a whole, and, where more than half of all brokers have
 * fallen silent within the window, they being of three clusters or more, of each that has a part in it. `explainedUntil`
 * leaves out silences that began before they were found to be the cluster's own. Undefined where there is none.
 */
export function suspicionOf(
  clusters: ReadonlyMap<string, Silence>,
  explainedUntil: ReadonlyMap<string, number>,
  windowMs: number,
): Suspicion | undefined {
  const begun = new Map<string, number[]>();
  let total = 0;
  for (const [cluster, { brokers, since }] of clusters) {
    total += brokers;
    const fresh = [...since.values()].filter((at) => at > (explainedUntil.get(cluster) ?? Number.NEGATIVE_INFINITY));
    if (fresh.length > 0) begun.set(cluster, fresh);
  }
  if (begun.size === 0) return undefined;
  const newest = Math.max(...[...begun.values()].flat());
  const together = [...begun].filter(([, times]) => times.some((at) => at >= newest - windowMs));
  const count = together.reduce((sum, [, times]) => sum + times.filter((at) => at >= newest - windowMs).length, 0);
  const most = together.length >= CLUSTERS_AT_LEAST && count > total / 2;
  const suspect = [...begun.keys()].filter(
    (cluster) => clusters.get(cluster)?.heldUntil !== undefined || (most && together.some(([name]) => name === cluster)),
  );
  if (suspect.length === 0) return undefined;
  const times = suspect.flatMap((cluster) => begun.get(cluster) ?? []);
  const holds = suspect.flatMap((cluster) => clusters.get(cluster)?.heldUntil ?? []);
  return {
    clusters: new Set(suspect),
    since: Math.min(...times),
    last: Math.max(...times),
    heldUntil: holds.length === 0 ? undefined : Math.max(...holds),
  };
}

/** Without references: three clusters or more, and not one broker of any of them answers. */
export function allAreSilent(clusters: ReadonlyMap<string, Silence>, suspicion: Suspicion): boolean {
  return suspicion.clusters.size >= CLUSTERS_AT_LEAST && !anyAnswers(clusters);
}

export function anyAnswers(clusters: ReadonlyMap<string, Silence>): boolean {
  return [...clusters.values()].some(({ answers }) => answers);
}

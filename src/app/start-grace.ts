import type { Clock } from '../core/clock.ts';

interface Watched {
  /** It has been seen, or found not to answer, since the start. */
  readonly hasLooked: boolean;
}

interface Group {
  readonly isEmpty: boolean;
  readonly intervalMs: number;
  /** 0 before the first. */
  readonly lastEvaluationTs: number;
}

/**
 * Whether whatever may inhibit an alert would be known by now: every cluster has been looked at, and every rule group
 * been evaluated after that. A group that comes round less often than the grace lasts is not waited for.
 */
export function createGraceEnd(parts: {
  readonly clock: Clock;
  readonly graceMs: number;
  readonly clusters: () => Iterable<Watched>;
  readonly groups: () => readonly Group[];
}): () => boolean {
  let lookedAt: number | undefined;
  return () => {
    if (lookedAt === undefined) {
      for (const { hasLooked } of parts.clusters()) if (!hasLooked) return false;
      lookedAt = parts.clock.now();
    }
    const since = lookedAt;
    return parts.groups().every((group) => group.isEmpty || group.intervalMs > parts.graceMs || group.lastEvaluationTs > since);
  };
}

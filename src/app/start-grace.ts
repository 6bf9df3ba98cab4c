import type { InhibitRule } from '../routing/inhibition.ts';

interface Watched {
  /** It has been seen, or found not to answer, since the start. */
  readonly hasLooked: boolean;
}

/**
 * Whether the sources of an inhibition rule would fire by now if they had a reason: every cluster has been looked at, and
 * the alerting rules that the source may come from have been evaluated. What liveness finds wakes its rules at once.
 */
export function createSourcesKnown(parts: {
  readonly clusters: () => Iterable<Watched>;
  readonly hasEvaluated: (isMeant: (alertName: string) => boolean) => boolean;
}): (rule: InhibitRule) => boolean {
  let allSeen = false;
  return ({ sourceMatchers }) => {
    allSeen ||= [...parts.clusters()].every(({ hasLooked }) => hasLooked);
    const ofName = sourceMatchers.filter(({ name }) => name === 'alertname');
    return allSeen && parts.hasEvaluated((alertName) => ofName.every((matcher) => matcher.matches(alertName)));
  };
}

import type { InhibitRule } from '../routing/inhibition.ts';

interface Watched {
  readonly config: { readonly name: string };
  /** It has been seen, or found not to answer, since the start. */
  readonly hasLooked: boolean;
}

/**
 * Whether the sources of an inhibition rule for alerts of a cluster would fire by now if they had a reason: the cluster
 * has been looked at (every cluster, where the rule does not ask for the same one), and the alerting rules that the source
 * may come from have been evaluated. What liveness finds wakes its rules at once.
 */
export function createSourcesKnown(parts: {
  readonly clusters: () => Iterable<Watched>;
  readonly hasEvaluated: (isMeant: (alertName: string) => boolean) => boolean;
}): (rule: InhibitRule, cluster: string) => boolean {
  return ({ sourceMatchers, equal }, cluster) => {
    const isOwn = equal.includes('cluster');
    for (const { config, hasLooked } of parts.clusters()) if (!hasLooked && (!isOwn || config.name === cluster)) return false;
    const ofName = sourceMatchers.filter(({ name }) => name === 'alertname');
    return parts.hasEvaluated((alertName) => ofName.every((matcher) => matcher.matches(alertName)));
  };
}

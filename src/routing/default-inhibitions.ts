import { parseMatcher } from '../core/parse-matcher.ts';
import type { InhibitRule } from './inhibition.ts';

/** Alerts that say that one broker is away, whatever the reason. */
const BROKER_AWAY = 'BrokerCrashed|BrokerStopped|BrokerStopCutShort|BrokerUnreachable|BrokerNotAnswering|BrokerDown|BrokerFlapping';
/** Alerts that say only that Belfry could not reach something, not that it is away. */
const REACHABILITY = 'BrokerUnreachableFromBelfry|CollectorStale|ExporterDown';

/**
 * What Belfry ships, beside the user's own `inhibit_rules`; `default_inhibit_rules: false` switches them off. The rules
 * in `rules.yaml` say what is true; these say what nobody needs to be told beside something else.
 */
const DEFAULTS: readonly { readonly source: readonly string[]; readonly target: readonly string[]; readonly equal: readonly string[] }[] = [
  // Nothing can be said about a cluster of which no broker answers.
  { source: ['alertname=ClusterUnreachable'], target: ['alertname!=ClusterUnreachable', 'cluster!='], equal: ['cluster'] },
  // Nor about what Belfry cannot reach while it is cut off itself. A cluster that answers still says what is true of its
  // brokers; of one that is silent no alert begins; one whose brokers all refuse is down, whatever else Belfry cannot reach.
  { source: ['alertname=BelfryIsolated'], target: [`alertname=~${REACHABILITY}`], equal: [] },
  // The ticket about missing copies, and what reads the broker, follow from its being away. The page does not.
  { source: [`alertname=~${BROKER_AWAY}`], target: ['alertname=UnderReplicated', 'severity!=critical'], equal: ['cluster'] },
  { source: [`alertname=~${BROKER_AWAY}`], target: ['alertname=~CollectorStale|ExporterDown', 'broker!='], equal: ['cluster', 'broker'] },
  // A broker that breaks again and again is one alert, not one a break.
  {
    source: ['alertname=BrokerFlapping'],
    target: ['alertname=~BrokerCrashed|BrokerStopCutShort|BrokerUnreachable|BrokerNotAnswering|BrokerDown'],
    equal: ['cluster', 'broker'],
  },
];

const RULES: readonly InhibitRule[] = DEFAULTS.map(({ source, target, equal }) => ({
  sourceMatchers: source.map(parseMatcher),
  targetMatchers: target.map(parseMatcher),
  equal,
}));

export function defaultInhibitRules(): readonly InhibitRule[] {
  return RULES;
}

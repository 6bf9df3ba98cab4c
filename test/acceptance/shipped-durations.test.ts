import { expect, it } from '@jest/globals';
import { DEFAULT_THRESHOLDS } from '../../src/config/schema.ts';
import { DEFAULT_TIMINGS } from '../../src/collectors/liveness/timings.ts';
import { shippedRules } from '../../testbed/shipped-rules.ts';

interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly for?: string;
  readonly labels: Readonly<Record<string, string>>;
}

const rules = (JSON.parse(shippedRules({})) as { groups: { rules: Rule[] }[] }).groups.flatMap((group) => group.rules);

/** The other files shorten these: here stands what is shipped. A blank `for` is at once. */
it.each([
  ['BrokerCrashed', 'warning', '', ''],
  ['BrokerCrashed', 'critical', '', '[5m]) == 0'],
  ['BrokerStopped', 'warning', '', 'belfry_broker_stop_grace'],
  ['BrokerStopped', 'critical', '', '[15m]) == 0'],
  ['BrokerStopCutShort', 'warning', '', ''],
  ['BrokerStopCutShort', 'critical', '2m', ''],
  ['BrokerUnreachableFromBelfry', 'warning', '30s', ''],
  ['BrokerNotAnswering', 'warning', '', ''],
  ['BrokerNotAnswering', 'critical', '', '[1m]) == 0'],
  ['BrokerDown', 'critical', '15s', ''],
  ['ClusterUnreachable', 'critical', '', ''],
  ['LeaderLoss', 'critical', '10s', 'copies="many"'],
  ['LeaderLoss', 'critical', '30s', 'copies="one"'],
  ['UnderMinIsr', 'critical', '1m', ''],
  ['UnderReplicated', 'warning', '15m', 'belfry_broker_stop_grace'],
  ['UnderReplicated', 'critical', '30m', 'offset 15m'],
  ['DiskLow', 'warning', '5m', ''],
  ['DiskLow', 'critical', '2m', ''],
  ['DiskFullSoon', 'critical', '30m', '4 * 3600'],
  ['CpuHigh', 'warning', '15m', '[5m]'],
  ['NoQuorumLeader', 'critical', '30s', ''],
  ['QuorumVoterBehind', 'warning', '5m', ''],
  ['ConsumerStopped', 'warning', '', '[10m]'],
  ['ConsumerFallingBehind', 'warning', '15m', ''],
])('%s, %s: for %p, with %p in its expression', (alert, severity, duration, part) => {
  const found = rules.filter((rule) => rule.alert === alert && rule.labels['severity'] === severity);
  expect(found.map((rule) => [rule.for ?? '', rule.expr])).toContainEqual([duration, expect.stringContaining(part)]);
});

it('the numbers behind them', () => {
  expect(DEFAULT_THRESHOLDS).toMatchObject({
    disk_free_ratio: 0.15,
    disk_free_critical_ratio: 0.1,
    disk_forecast_free_ratio: 0.25,
    cpu_idle_ratio: 0.1,
    request_handler_idle_ratio: 0.2,
    consumer_lag_seconds: 600,
  });
  expect(DEFAULT_TIMINGS).toMatchObject({
    pingIntervalMs: 1000,
    suspectAfterPings: 2,
    notAnsweringAfterMs: 10_000,
    stopGraceMs: 5 * 60_000,
    flappingBreaks: 3,
    flappingWindowMs: 15 * 60_000,
    isolationHoldMs: 15_000,
    crashedHoldMs: 10 * 60_000,
    retireAfterMs: 30 * 60_000,
  });
});

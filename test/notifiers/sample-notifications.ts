import { Labels } from '../../src/core/labels.ts';
import type { Alert } from '../../src/core/alert.ts';
import type { Incident, IncidentEvent } from '../../src/core/incident.ts';
import type { Notification } from '../../src/core/notification.ts';

/** 22 Nov 2026 14:02:07 UTC. */
export const T0 = Date.UTC(2026, 10, 22, 14, 2, 7);

/** An alert with only what a test names. */
export function alertOf(
  given: Partial<Omit<Alert, 'labels' | 'annotations'>> & { labels?: Record<string, string>; annotations?: Record<string, string> } = {},
): Alert {
  return {
    status: 'firing',
    startsAt: T0,
    endsAt: T0 + 60_000,
    value: 1,
    generatorUrl: 'http://127.0.0.1:9559/graph?g0.expr=up',
    source: { kind: 'rule', file: 'rules.yaml', group: 'g', rule: 'r' },
    ...given,
    labels: Labels.of({ alertname: 'BrokerCrashed', cluster: 'orders-dal', severity: 'critical', ...given.labels }),
    annotations: Labels.of(given.annotations ?? {}),
  };
}

export function incidentOf(given: Partial<Incident> = {}): Incident {
  return {
    id: '01KAPXQ3M0000000000000BELF',
    owner: 'orders',
    cluster: 'orders-dal',
    broker: '2',
    openedAt: T0,
    closedAt: undefined,
    severity: 'critical',
    ...given,
  };
}

export function notificationOf(given: Partial<Omit<Notification, 'incident'>> & { incident?: Partial<Incident> } = {}): Notification {
  const { incident, ...rest } = given;
  return {
    groupKey: 'incident/01KAPXQ3M0000000000000BELF',
    receiver: 'owner/orders',
    reason: 'first',
    status: 'firing',
    groupLabels: Labels.of({ cluster: 'orders-dal' }),
    alerts: [CRASH, LEADERLESS],
    events: eventsUpTo(1),
    loud: true,
    at: T0 + 400,
    ...rest,
    incident: incidentOf(incident),
  };
}

export const CRASH = alertOf({
  labels: { broker: '2', severity: 'critical' },
  annotations: {
    summary: 'broker 2 of orders-dal crashed',
    description:
      'The kernel refused new connections while two other brokers still listed broker 2: its process is gone. Kafka moves its partitions to the other brokers by itself where they have copies.',
    belfry_cause: 'broker 2 crashed',
    runbook: 'https://belfry.example.com/runbooks/broker-crashed',
    belfry_do: 'if it is not back within 5 minutes, start broker 2 on host kafka2',
  },
});

export const LEADERLESS = alertOf({
  startsAt: T0 + 200,
  labels: { alertname: 'LeaderLoss', severity: 'critical' },
  annotations: {
    summary: '12 partitions of orders-dal have no leader',
    belfry_effect: '12 partitions cannot be written or read (payments +2 topics)',
    belfry_do: 'start broker 2 on host kafka2; until then writes to payments fail',
    runbook: 'https://belfry.example.com/runbooks/leader-loss',
  },
});

export const HARMLESS = alertOf({
  labels: { broker: '2', severity: 'warning' },
  annotations: {
    ...CRASH.annotations.toObject(),
    belfry_effect: 'no client impact expected: all 84 partitions have 2 in-sync copies',
    belfry_do: 'nothing yet',
  },
});

const STORY: readonly string[] = [
  'Broker 2 crashed.',
  '12 partitions have no leader: payments, refunds, ledger.',
  'Broker 3 crashed.',
  'Broker 2 is back.',
  'All partitions have a leader again.',
];

export function eventsUpTo(count: number): IncidentEvent[] {
  return Array.from({ length: count }, (_, index) => ({
    seq: index + 1,
    at: T0 + index * 20_000,
    kind: 'firing' as const,
    text: STORY[index % STORY.length] ?? '',
  }));
}

export function resolved(alert: Alert, afterMs: number, more: Partial<Alert> = {}): Alert {
  return { ...alert, status: 'resolved', endsAt: alert.startsAt + afterMs, resolveReason: 'recovered', ...more };
}

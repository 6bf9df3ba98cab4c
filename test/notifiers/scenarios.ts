import type { Notification } from '../../src/core/notification.ts';
import { alertOf, CRASH, eventsUpTo, HARMLESS, LEADERLESS, notificationOf, resolved, T0 } from './sample-notifications.ts';

/** What an owner's night is made of: one notification each, for the tests of the words and for the gallery. */
export interface Scenario {
  readonly name: string;
  readonly notification: Notification;
  /** Line 1 as a locked phone shows it: Slack's notification, the first line of a mail. */
  readonly line1: string;
  /** Line 2: who acts, and what the reader does. */
  readonly line2: string;
  readonly subject: string;
}

const SECOND = alertOf({
  startsAt: T0 + 40_000,
  labels: { broker: '3', severity: 'critical' },
  annotations: {
    belfry_cause: 'broker 3 crashed',
    belfry_do: 'start broker 3 again, keeping its disk',
    runbook: 'https://belfry.example.com/runbooks/BrokerCrashed',
  },
});
const MANY = {
  ...LEADERLESS,
  annotations: LEADERLESS.annotations.with('belfry_effect', '40 partitions cannot be written or read (payments +5 topics)'),
};
const UNKNOWN = alertOf({
  labels: { alertname: 'CollectorAuthFailed', broker: '2', severity: 'warning' },
  annotations: {
    summary: "broker 2 refuses Belfry's login",
    belfry_effect: 'unknown whether clients feel anything: Belfry is blind on broker 2',
    belfry_do: 'check tls and sasl of this cluster in belfry.yaml against what the broker accepts',
  },
});
const UNCLEAN = alertOf({
  labels: { alertname: 'UncleanElection', severity: 'critical' },
  annotations: {
    belfry_cause: 'a partition got a leader that was not in sync',
    belfry_effect: 'records that were acknowledged may be lost',
    belfry_risk: 'records that producers were told are safe may be gone',
  },
});
const LASTED_MS = 842_000;
const over = { status: 'resolved', reason: 'all_resolved', at: T0 + LASTED_MS } as const;

export const SCENARIOS: readonly Scenario[] = [
  {
    name: 'a crash that no client feels',
    notification: notificationOf({ alerts: [HARMLESS], incident: { severity: 'warning' } }),
    line1: 'WARNING orders-dal: broker 2 crashed 14:02:07 UTC; no client impact expected: all 84 partitions have 2 in-sync copies',
    line2: 'You: Nothing yet. Auto-pilot observes only. Runbook: https://belfry.example.com/runbooks/broker-crashed',
    subject: '[WARNING] orders-dal: broker 2 crashed',
  },
  {
    name: 'a crash that takes partitions with it: two alerts, one line',
    notification: notificationOf(),
    line1: 'CRITICAL orders-dal: 12 partitions cannot be written or read (payments +2 topics); broker 2 crashed 14:02:07 UTC',
    line2:
      'You: Start broker 2 on host kafka2; until then writes to payments fail. Auto-pilot observes only. Runbook: https://belfry.example.com/runbooks/leader-loss',
    subject: '[CRITICAL] orders-dal: broker 2 crashed',
  },
  {
    name: 'a second broker: worse',
    notification: notificationOf({ reason: 'worse', alerts: [CRASH, MANY, SECOND], events: eventsUpTo(3), at: T0 + 40_300 }),
    line1:
      'CRITICAL orders-dal: 40 partitions cannot be written or read (payments +5 topics); broker 2 crashed 14:02:07 UTC; broker 3 crashed 14:02:47 UTC',
    line2:
      'You: Start broker 2 on host kafka2; until then writes to payments fail. Auto-pilot observes only. Runbook: https://belfry.example.com/runbooks/leader-loss',
    subject: '[CRITICAL] orders-dal: broker 2 crashed',
  },
  {
    name: 'an effect that nobody knows',
    notification: notificationOf({ alerts: [UNKNOWN], incident: { severity: 'warning' } }),
    line1: 'WARNING orders-dal: unknown whether clients feel anything: Belfry is blind on broker 2; since 14:02:07 UTC',
    line2: 'You: Check tls and sasl of this cluster in belfry.yaml against what the broker accepts. Auto-pilot observes only.',
    subject: "[WARNING] orders-dal: broker 2 refuses Belfry's login",
  },
  {
    name: 'the end',
    notification: notificationOf({ ...over, alerts: [resolved(CRASH, LASTED_MS), resolved(LEADERLESS, 60_000)], events: eventsUpTo(5) }),
    line1: 'RESOLVED orders-dal: over after 14 m 2 s; broker 2 crashed 14:02:07 UTC',
    line2: 'You: Nothing more to do. Runbook: https://belfry.example.com/runbooks/leader-loss',
    subject: '[RESOLVED] orders-dal: broker 2 crashed',
  },
  {
    name: 'the end of what may have lost records',
    notification: notificationOf({ ...over, alerts: [resolved(UNCLEAN, LASTED_MS)] }),
    line1:
      'RESOLVED orders-dal: over after 14 m 2 s; risk of data loss: records that producers were told are safe may be gone; a partition got a leader that was…',
    line2: 'You: Check the data named below.',
    subject: '[RESOLVED] orders-dal: a partition got a leader that was not in sync',
  },
  {
    name: 'an end that nobody saw',
    notification: notificationOf({ ...over, alerts: [resolved(CRASH, LASTED_MS, { resolveReason: 'no_data' })] }),
    line1:
      'RESOLVED orders-dal: over after 14 m 2 s; resolved because data stopped arriving, not because it was seen to recover; broker 2 crashed 14:02:07 UTC',
    line2: 'You: Check that it is well: Belfry did not see it recover. Runbook: https://belfry.example.com/runbooks/broker-crashed',
    subject: '[RESOLVED] orders-dal: broker 2 crashed',
  },
];

import type { Alert } from '../core/alert.ts';
import type { Clock } from '../core/clock.ts';
import { Labels } from '../core/labels.ts';
import type { Notification } from '../core/notification.ts';
import { ulid } from '../core/ulid.ts';
import type { NotifierSet } from '../notifiers/notifier-set.ts';
import { receiverOf } from '../routing/owners.ts';

const ATTEMPT_TIMEOUT_MS = 10_000;

/** Sends one message that says it is a test to every channel of an owner, past the queue; one attempt each. */
export async function sendTest(
  owner: string,
  notifiers: NotifierSet,
  clock: Clock,
): Promise<readonly { integration: string; outcome: string; ok: boolean }[]> {
  const receiver = receiverOf(owner);
  const notification = testNotification(owner, receiver, clock.now());
  return Promise.all(
    notifiers.integrations(receiver).map(async (integration) => {
      const abort = new AbortController();
      const timer = clock.timer(ATTEMPT_TIMEOUT_MS, () => abort.abort());
      try {
        const outcome = await notifiers.get(receiver, integration)?.notify(notification, {}, abort.signal);
        if (outcome?.kind === 'delivered') return { integration, outcome: 'delivered', ok: true };
        return { integration, outcome: outcome?.reason ?? 'not configured any more', ok: false };
      } finally {
        timer.cancel();
      }
    }),
  );
}

function testNotification(owner: string, receiver: string, now: number): Notification {
  const id = ulid(now);
  const alert: Alert = {
    labels: Labels.of({ alertname: 'BelfryTest', severity: 'info' }),
    annotations: Labels.of({
      summary: 'this is a test of Belfry; nothing is wrong',
      description: `Someone asked Belfry to send a test message to the owner ${owner}.`,
      belfry_do: 'nothing; that you read this is all that was to be shown',
    }),
    status: 'firing',
    startsAt: now,
    endsAt: now + 60_000,
    value: 1,
    generatorUrl: '',
    source: { kind: 'api', file: '', group: '', rule: 'BelfryTest' },
  };
  return {
    groupKey: `{}/{owner=${JSON.stringify(owner)}}:{test=${JSON.stringify(id)}}`,
    receiver,
    reason: 'test',
    status: 'firing',
    incident: { id, owner, cluster: '', broker: '', openedAt: now, closedAt: undefined, severity: 'info' },
    groupLabels: Labels.of({ alertname: 'BelfryTest' }),
    alerts: [alert],
    events: [],
    loud: true,
    at: now,
  };
}

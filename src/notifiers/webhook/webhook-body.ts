import type { Labels } from '../../core/labels.ts';
import type { Alert } from '../../core/alert.ts';
import { buildMessage, DEFAULT_MESSAGE_OPTIONS, type MessageOptions } from '../message.ts';
import type { Notification, NotifyReason } from '../../core/notification.ts';

/** Go's zero time, which Alertmanager writes for an end that has not come. */
const NO_TIME = '0001-01-01T00:00:00Z';
const MAX_BODY_BYTES = 4 * 1024 * 1024;
const MAX_TEXT = 65_536;

/** Alertmanager's own words for why it notifies (`notification_reason`, since 0.33). */
const REASONS: Readonly<Record<NotifyReason, string>> = {
  first: 'first notification',
  new_alerts: 'new alerts added',
  worse: 'new alerts added',
  some_resolved: 'some alerts resolved',
  changed: 'effect changed',
  all_resolved: 'all alerts resolved',
  repeat: 'repeat interval elapsed',
  note: 'auto-pilot note',
  test: 'first notification',
};

/** The body that Alertmanager's webhook receivers read, version 4 (notify/webhook and template.Data there). */
export interface WebhookBody {
  readonly receiver: string;
  readonly status: 'firing' | 'resolved';
  readonly alerts: readonly WebhookAlert[];
  readonly notification_reason: string;
  readonly groupLabels: Readonly<Record<string, string>>;
  readonly commonLabels: Readonly<Record<string, string>>;
  readonly commonAnnotations: Readonly<Record<string, string>>;
  /** Of the route (since 0.33): owners have none. */
  readonly routeLabels: Readonly<Record<string, never>>;
  readonly externalURL: string;
  readonly version: '4';
  readonly groupKey: string;
  readonly truncatedAlerts: number;
  /** Belfry's own: line 1 as on every channel (`STATE cluster: effect; cause; since`), and line 2, who acts and what to do. */
  readonly line1: string;
  readonly line2: string;
  /** Belfry's own: what the auto-pilot does about it now, and the latest word about the incident. */
  readonly autopilot?: string;
  readonly note?: string;
}

export interface WebhookAlert {
  readonly status: 'firing' | 'resolved';
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly startsAt: string;
  readonly endsAt: string;
  readonly generatorURL: string;
  readonly fingerprint: string;
}

/** The first alerts that fit into `maxAlerts` and 4 MiB; the rest is counted, and the common labels are of those sent. */
export function webhookBody(
  notification: Notification,
  options: { externalUrl: string; maxAlerts: number; message?: MessageOptions },
): WebhookBody {
  const alerts: WebhookAlert[] = [];
  let bytes = 0;
  for (const alert of notification.alerts) {
    if (alerts.length === options.maxAlerts) break;
    const told = webhookAlert(alert);
    bytes += Buffer.byteLength(JSON.stringify(told));
    if (bytes > MAX_BODY_BYTES && alerts.length > 0) break;
    alerts.push(told);
  }
  return {
    receiver: notification.receiver,
    status: notification.status,
    alerts,
    notification_reason: REASONS[notification.reason],
    groupLabels: notification.groupLabels.toObject(),
    commonLabels: common(alerts.map(({ labels }) => labels)),
    commonAnnotations: common(alerts.map(({ annotations }) => annotations)),
    routeLabels: {},
    externalURL: options.externalUrl,
    version: '4',
    groupKey: notification.groupKey,
    truncatedAlerts: notification.alerts.length - alerts.length,
    ...lines(notification, options.message ?? DEFAULT_MESSAGE_OPTIONS),
    ...ownFields(notification),
  };
}

function lines(notification: Notification, options: MessageOptions): Pick<WebhookBody, 'line1' | 'line2'> {
  const { headline, you, autopilot, runbook } = buildMessage(notification, options);
  const where = runbook === undefined ? '' : `Runbook: ${runbook.url ?? runbook.text}`;
  return { line1: headline, line2: [`You: ${you}`, autopilot, where].filter((text) => text !== '').join(' ') };
}

/** Beside Alertmanager's fields, and absent where there is nothing to say: whoever reads the form as it is there finds it so. */
function ownFields({ autopilot = '', events }: Notification): Pick<WebhookBody, 'autopilot' | 'note'> {
  const note = events.findLast(({ kind }) => kind === 'note')?.text ?? '';
  return {
    ...(autopilot === '' ? {} : { autopilot: autopilot.slice(0, MAX_TEXT).toWellFormed() }),
    ...(note === '' ? {} : { note: note.slice(0, MAX_TEXT).toWellFormed() }),
  };
}

function webhookAlert(alert: Alert): WebhookAlert {
  return {
    status: alert.status,
    labels: bounded(alert.labels),
    annotations: bounded(alert.annotations),
    startsAt: rfc3339(alert.startsAt),
    // While it fires, the end is only until when it is believed: Alertmanager does not tell it.
    endsAt: alert.status === 'resolved' ? rfc3339(alert.endsAt) : NO_TIME,
    generatorURL: alert.generatorUrl,
    fingerprint: alert.labels.fingerprint,
  };
}

function bounded(texts: Labels): Record<string, string> {
  return Object.fromEntries([...texts].map(([name, value]) => [name, value.slice(0, MAX_TEXT).toWellFormed()]));
}

/** As Go writes a time (RFC3339Nano): fractions only where there are some, without zeros at their end. */
export function rfc3339(timeMs: number): string {
  if (timeMs === 0 || !(Math.abs(timeMs) <= 8.64e15)) return NO_TIME;
  return new Date(timeMs).toISOString().replace(/\.?0*Z$/, 'Z');
}

function common(sets: readonly Readonly<Record<string, string>>[]): Record<string, string> {
  const [first, ...others] = sets;
  return Object.fromEntries(Object.entries(first ?? {}).filter(([name, value]) => others.every((set) => set[name] === value)));
}

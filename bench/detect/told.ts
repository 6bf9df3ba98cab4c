import type { Mail } from '../../testbed/mail-sink.ts';
import type { SlackEvent } from '../../testbed/slack-stand-in.ts';
import type { WebhookRequest } from '../../testbed/webhook-sink.ts';

/** One SIGKILL. */
export interface Kill {
  readonly broker: number;
  /** ms since the epoch, taken just before the signal was sent. */
  readonly at: number;
}

/** The clocks of two processes, and times written in whole milliseconds, may differ by this much. */
const CLOCK_TOLERANCE_MS = 20;
const DAY_MS = 86_400_000;

interface WireAlert {
  readonly status?: unknown;
  readonly labels?: Readonly<Record<string, unknown>>;
  readonly startsAt?: unknown;
}

/** Alerts of an Alertmanager body (v4), as Belfry and Alertmanager post them; none of anything else. */
function alertsOf(json: unknown): readonly WireAlert[] {
  if (typeof json !== 'object' || json === null || !('alerts' in json) || !Array.isArray(json.alerts)) return [];
  return json.alerts.filter((alert): alert is WireAlert => typeof alert === 'object' && alert !== null);
}

/** Whether the body tells a firing alert of these labels that began with or after `since`; what began earlier is another story. */
export function tellsAlert({ json }: WebhookRequest, labels: Readonly<Record<string, string>>, since: number): boolean {
  return alertsOf(json).some(
    (alert) =>
      alert.status === 'firing' &&
      Date.parse(String(alert.startsAt)) >= since - CLOCK_TOLERANCE_MS &&
      Object.entries(labels).every(([name, value]) => alert.labels?.[name] === value),
  );
}

/** Whether the body tells that the alert of these labels is over. */
export function tellsEnd({ json }: WebhookRequest, labels: Readonly<Record<string, string>>): boolean {
  return alertsOf(json).some(
    ({ status, labels: told }) => status === 'resolved' && Object.entries(labels).every(([name, value]) => told?.[name] === value),
  );
}

/** The webhook's delivery of this kill: the alert of this broker, begun after the signal. */
export function isWebhookOf(request: WebhookRequest, { broker, at }: Kill): boolean {
  return request.at >= at && tellsAlert(request, { alertname: 'BrokerCrashed', broker: String(broker) }, at);
}

/**
 * Slack's delivery: a new message (an edit pings nobody) that says this broker crashed at this time. In the channel or,
 * in an incident that goes on, an answer in its thread that the channel sees.
 */
export function isSlackOf({ type, at, message }: Pick<SlackEvent, 'type' | 'at' | 'message'>, kill: Kill): boolean {
  if (type !== 'post' || message === undefined || at < kill.at) return false;
  if (message.threadTs !== undefined && !message.broadcast) return false;
  return saysCrash(`${message.text}\n${JSON.stringify(message.blocks ?? [])}`, kill, at);
}

/** The mail of this kill: not one about its end. */
export function isMailOf({ at, subject, text }: Pick<Mail, 'at' | 'subject' | 'text'>, kill: Kill): boolean {
  return at >= kill.at && !subject.includes('[RESOLVED]') && saysCrash(text, kill, at);
}

/** `broker 2 crashed 14:02:07 UTC`, with this broker and a second between the signal and the arrival. */
export function saysCrash(text: string, { broker, at }: Kill, arrivedAt: number): boolean {
  for (const [, id, hours, minutes, seconds] of text.matchAll(/broker (\d+) crashed[^\d]{1,3}(\d\d):(\d\d):(\d\d) UTC/g)) {
    if (Number(id) !== broker) continue;
    const timeOfDay = ((Number(hours) * 60 + Number(minutes)) * 60 + Number(seconds)) * 1000;
    const midnight = Math.floor(arrivedAt / DAY_MS) * DAY_MS;
    // Just after midnight the crash may be of the day before.
    const crashedAt = midnight + timeOfDay > arrivedAt + DAY_MS / 2 ? midnight + timeOfDay - DAY_MS : midnight + timeOfDay;
    if (crashedAt + 999 + CLOCK_TOLERANCE_MS >= at && crashedAt <= arrivedAt + CLOCK_TOLERANCE_MS) return true;
  }
  return false;
}

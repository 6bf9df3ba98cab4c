import { compareSeverity, severityOf } from '../core/alert.ts';
import { clause, cut, oneLine } from './plain-text.ts';
import type { TimeText } from './time-text.ts';
import type { Alert, ResolveReason, Severity } from '../core/alert.ts';
import type { Notification } from '../core/notification.ts';

/** What a message is about, in one word that is always written out: colours alone are not read by everyone. */
export type MessageState = 'CRITICAL' | 'WARNING' | 'INFO' | 'RESOLVED' | 'TEST';

/** What the parts of a message are made of, found once. */
export interface MessageFacts {
  readonly state: MessageState;
  readonly where: string;
  /** The alerts that fire, or once none does those that did: what the message is about. */
  readonly told: readonly Alert[];
  readonly effects: Several<string>;
  readonly causes: Several<{ readonly text: string; readonly at: number }>;
  readonly risks: Several<string>;
  readonly startedAt: number;
  readonly endedAt: number;
  /** Why it ended, where that was not a recovery. */
  readonly doubt: string | undefined;
  readonly at: number;
  readonly time: TimeText;
}

/** The first of several different ones, cleaned, and how many there are: of ten thousand alerts only what is told is looked at. */
export interface Several<T> {
  readonly first: readonly T[];
  readonly count: number;
}

/** More than any message tells. */
const MAX_FIRST = 8;

/** The facts of a notification. */
export function factsOf(notification: Notification, time: TimeText): MessageFacts {
  const { incident, at } = notification;
  const firing = notification.alerts.filter(({ status }) => status === 'firing');
  const told = firing.length > 0 && notification.status === 'firing' ? firing : notification.alerts;
  let worst: Severity | undefined;
  let startedAt = Infinity;
  let endedAt = -Infinity;
  for (const alert of told) {
    const severity = severityOf(alert.labels);
    if (worst === undefined || compareSeverity(severity, worst) > 0) worst = severity;
    startedAt = Math.min(startedAt, alert.startsAt);
    endedAt = Math.max(endedAt, alert.endsAt);
  }
  const state =
    notification.reason === 'test'
      ? 'TEST'
      : notification.status === 'resolved'
        ? 'RESOLVED'
        : (['INFO', 'WARNING', 'CRITICAL'] as const)[compareSeverity(worst ?? incident.severity, 'info')];
  return {
    state: state ?? 'WARNING',
    where: cut(oneLine(incident.cluster), 60),
    told,
    effects: effectsOf(told),
    causes: causesOf(told),
    risks: distinct(told, 'belfry_risk'),
    startedAt: Number.isFinite(startedAt) ? startedAt : incident.openedAt,
    endedAt: Number.isFinite(endedAt) ? Math.min(endedAt, at) : at,
    doubt: notification.status === 'resolved' ? doubtOf(told) : undefined,
    at,
    time,
  };
}

/** The different texts of one annotation, the most severe alert's first (the order that alerts come in). */
function distinct(alerts: readonly Alert[], annotation: string): Several<string> {
  const texts = new Set<string>();
  for (const { annotations } of alerts) {
    const text = annotations.get(annotation);
    if (text !== '') texts.add(text);
  }
  return cleaned([...texts]);
}

/** "No client impact" of one alert is not true beside another's effect, nor beside another's "unknown". */
function effectsOf(alerts: readonly Alert[]): Several<string> {
  const felt = distinct(
    withEffect(alerts, (effect) => !isNoEffect(effect)),
    'belfry_effect',
  );
  if (felt.count > 0) return felt;
  const unknown = distinct(withEffect(alerts, isUnknown), 'belfry_effect');
  return unknown.count > 0 ? unknown : distinct(alerts, 'belfry_effect');
}

function withEffect(alerts: readonly Alert[], isMeant: (effect: string) => boolean): readonly Alert[] {
  return alerts.filter(({ annotations }) => isMeant(annotations.get('belfry_effect')));
}

function cleaned(texts: readonly string[]): Several<string> {
  const looked = texts.slice(0, MAX_FIRST);
  const first = new Set(looked.map((text) => clause(text)));
  first.delete('');
  return { first: [...first], count: texts.length - looked.length + first.size };
}

/** The different summaries; alerts without one are each their own. */
export function summariesOf(alerts: readonly Alert[]): Several<string> {
  const different = new Map<string, Alert>();
  for (const alert of alerts) {
    const summary = alert.annotations.get('summary');
    const key = summary === '' ? alert.labels.key : summary;
    if (!different.has(key)) different.set(key, alert);
  }
  const first = [...different.values()].slice(0, MAX_FIRST).map((alert) => summaryOf(alert));
  return { first, count: different.size };
}

/** An effect that says there is none, or that nobody knows, stands after the cause, not before it. */
export function isNoEffect(effect: string): boolean {
  return /^\s*no\b/i.test(effect) || isUnknown(effect);
}

function isUnknown(effect: string): boolean {
  return /^\s*unknown\b/i.test(effect);
}

function causesOf(alerts: readonly Alert[]): MessageFacts['causes'] {
  const starts = new Map<string, number>();
  for (const { annotations, startsAt } of alerts) {
    const text = annotations.get('belfry_cause');
    if (text !== '') starts.set(text, Math.min(starts.get(text) ?? Infinity, startsAt));
  }
  const { first, count } = cleaned([...starts.keys()]);
  const at = new Map<string, number>();
  for (const [text, startsAt] of [...starts].slice(0, MAX_FIRST)) {
    const shown = clause(text);
    at.set(shown, Math.min(at.get(shown) ?? Infinity, startsAt));
  }
  return { first: first.map((text) => ({ text, at: at.get(text) ?? 0 })), count };
}

const DOUBTS: Readonly<Record<Exclude<ResolveReason, 'recovered'>, string>> = {
  no_data: 'resolved because data stopped arriving, not because it was seen to recover',
  rule_removed: 'resolved because its rule was removed',
  target_removed: 'resolved because it is no longer watched',
  limit_exceeded: 'no longer followed, because its rule has more alerts than its limit allows',
};

function doubtOf(alerts: readonly Alert[]): string | undefined {
  for (const reason of ['no_data', 'limit_exceeded', 'target_removed', 'rule_removed'] as const)
    if (alerts.some(({ resolveReason }) => resolveReason === reason)) return DOUBTS[reason];
  return undefined;
}

/** One alert in words: its summary, else its name and what tells it from others. */
export function summaryOf(alert: Alert): string {
  const summary = clause(alert.annotations.get('summary'));
  if (summary !== '') return cut(summary, 300);
  const cause = clause(alert.annotations.get('belfry_cause'));
  if (cause !== '') return cut(cause, 300);
  const rest: string[] = [];
  for (const [name, value] of alert.labels.without('alertname', 'severity', 'cluster')) {
    if (rest.length === 4) break;
    rest.push(`${oneLine(name)} ${cut(oneLine(value), 60)}`);
  }
  const name = cut(oneLine(alert.labels.get('alertname')) || 'alert without a name', 100);
  return rest.length === 0 ? name : `${name} (${rest.join(', ')})`;
}

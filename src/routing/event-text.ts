import type { Alert, ResolveReason } from '../core/alert.ts';

/** Characters of one event's text. */
const TEXT_LENGTH_MAX = 500;

/** Said of an alert that ended for another reason than that all is well again. */
const ENDED_BECAUSE: Readonly<Record<ResolveReason, string>> = {
  recovered: '',
  no_data: ' (there is no data about it any more, which does not mean that it is well)',
  rule_removed: ' (its rule was removed)',
  target_removed: ' (what it watched was removed from the configuration)',
  limit_exceeded: ' (its rule has more alerts than its limit allows and is not followed)',
};

/** The alert's own summary as one line, or its name and labels where it has none. */
export function firingText(alert: Alert): string {
  const summary = alert.annotations.get('summary').replaceAll(/\s+/g, ' ').trim();
  return bounded(summary === '' ? `${alert.labels.get('alertname')} ${alert.labels.without('alertname').toString()}` : summary);
}

/** What the auto-pilot says, as one line. */
export function noteText(text: string): string {
  return bounded(text.replaceAll(/\s+/g, ' ').trim());
}

function bounded(text: string): string {
  return text.length > TEXT_LENGTH_MAX ? `${text.slice(0, TEXT_LENGTH_MAX - 1)}…` : text;
}

export function resolvedText(alert: Alert): string {
  return `Over: ${firingText(alert)}${ENDED_BECAUSE[alert.resolveReason ?? 'recovered']}`;
}

export function moreText(count: number, what: 'fire' | 'resolved'): string {
  return what === 'fire' ? `${count} more alerts fire.` : `${count} more alerts are over.`;
}

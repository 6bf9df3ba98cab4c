import type { Labels } from './labels.ts';

/** From lowest to highest; an alert whose `severity` label is none of these counts as a warning. */
export const SEVERITIES = ['info', 'warning', 'critical'] as const;

export type Severity = (typeof SEVERITIES)[number];

/** Why a firing alert ended. Anything but `recovered` is said in the message. */
export const RESOLVE_REASONS = ['recovered', 'no_data', 'rule_removed', 'target_removed', 'limit_exceeded'] as const;

export type ResolveReason = (typeof RESOLVE_REASONS)[number];

/**
 * An alert as rules hand it to routing. `labels` are its identity and contain `alertname`. Times are milliseconds of
 * Belfry time.
 */
export interface Alert {
  readonly labels: Labels;
  /** Expanded annotation texts by name. */
  readonly annotations: Labels;
  readonly status: 'firing' | 'resolved';
  /** When it began to fire. */
  readonly startsAt: number;
  /** When it was resolved; for a firing alert until when it is believed without news. */
  readonly endsAt: number;
  readonly value: number;
  readonly generatorUrl: string;
  readonly resolveReason?: ResolveReason;
  /** The rule it comes from; `action` only as a literal of the loaded file (never from a sample or a template). */
  readonly source: AlertSource;
}

export interface AlertSource {
  readonly kind: 'rule' | 'api';
  readonly file: string;
  readonly group: string;
  readonly rule: string;
  readonly action?: string;
}

export function severityOf(labels: Labels): Severity {
  const value = labels.get('severity');
  if (value === 'page') return 'critical';
  return SEVERITIES.find((severity) => severity === value) ?? 'warning';
}

/** Negative where `a` is milder than `b`. */
export function compareSeverity(a: Severity, b: Severity): number {
  return SEVERITIES.indexOf(a) - SEVERITIES.indexOf(b);
}

import { Labels } from '../core/labels.ts';
import type { Alert } from '../core/alert.ts';
import type { Clock } from '../core/clock.ts';
import type { Logger } from '../core/log.ts';
import type { Meter } from '../core/meter.ts';
import type { SampleWriter } from '../core/sample.ts';
import type { AlertStateStore } from '../core/state.ts';
import type { Querier } from '../promql/querier.ts';

/** Where alerts go: routing. It is told of state changes at once and of what keeps firing every `resendDelayMs`. */
export interface AlertSink {
  /** Must not throw. The same alert may come again: at a resend, and after a restart. */
  receive(alerts: readonly Alert[], ts: number): void;
}

/** What the engine needs of its surroundings. */
export interface RuleEnginePorts {
  readonly querier: Querier;
  readonly writer: SampleWriter;
  readonly state: AlertStateStore;
  readonly sink: AlertSink;
  /**
   * Whether Belfry itself cannot see a cluster at present; undefined where it can. `held`: it is being found out whose
   * fault that is; `isolated`: it is ours. Alerts of such a cluster neither begin nor end; after it they wait for data.
   */
  readonly blindness?: (cluster: string) => 'held' | 'isolated' | undefined;
  readonly clock: Clock;
  /** What the time limit of a query is measured on; the clock above where it is left out. */
  readonly queryClock?: Pick<Clock, 'elapsed'>;
  readonly logger: Logger;
  readonly meter: Meter;
  /** Hears of every evaluation of a rule that failed. Must not throw. */
  readonly onFailure?: (failure: RuleFailure) => void;
}

/** One evaluation of a rule that failed, at `ts` of Belfry time; a rule is known by its place in its group. */
export interface RuleFailure {
  readonly file: string;
  readonly group: string;
  readonly index: number;
  readonly ts: number;
  readonly error: string;
}

export interface RuleEngineOptions {
  /** How often a firing (or lately resolved) alert is sent again without a change. */
  readonly resendDelayMs: number;
  /** How long a resolved alert is kept and sent again, so that a lost message is made good. */
  readonly resolvedRetentionMs: number;
  /** After a start, how long an alert from before is held while its selectors have returned nothing. */
  readonly restoreGraceMs: number;
  /** How long one query of a rule may take before it fails; the event loop stands still meanwhile. */
  readonly queryTimeoutMs: number;
  /** Where this Belfry's pages are, without a slash at the end. */
  readonly externalUrl: string;
  readonly externalLabels: Labels;
  /** Evaluate at slots only, as Prometheus does: no wakes, no deadlines. */
  readonly strictSlots: boolean;
}

/** Belfry's `evaluation_interval` for groups that name none. */
export const DEFAULT_EVALUATION_INTERVAL_MS = 5000;

export const DEFAULT_RULE_OPTIONS: RuleEngineOptions = {
  resendDelayMs: 60_000,
  resolvedRetentionMs: 15 * 60_000,
  restoreGraceMs: 5 * 60_000,
  queryTimeoutMs: 10_000,
  externalUrl: '',
  externalLabels: Labels.empty,
  strictSlots: false,
};

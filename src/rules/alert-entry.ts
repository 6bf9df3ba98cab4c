import { Labels } from '../core/labels.ts';
import { RESOLVE_REASONS, type Alert, type AlertSource, type ResolveReason } from '../core/alert.ts';
import type { AlertStateRow } from '../core/state.ts';

export type AlertState = 'pending' | 'firing' | 'inactive';

/** One alert of one rule in memory. Times are milliseconds of Belfry time, 0 where not set. */
export class AlertEntry {
  /** The identity. */
  readonly labels: Labels;
  /** The sample's own labels, without the metric name; guessed from the identity after a restart. */
  readonly sampleLabels: Labels;
  annotations: Labels;
  value: number;
  state: AlertState = 'pending';
  activeAt: number;
  firedAt = 0;
  resolvedAt = 0;
  lastSentAt = 0;
  /** What was said of the effect when it was last sent. */
  sentEffect = '';
  keepFiringSince = 0;
  resolveReason: ResolveReason = 'recovered';
  /** It was in the result of the last good evaluation. */
  present = true;
  /** It comes from before the start, or from before Belfry was blind, and its selectors have not all returned data since. */
  restored = false;
  /** When Belfry was last blind for it; 0 where it never was. */
  blindAt = 0;
  /** Its inputs are gone and the rule says that this keeps it. */
  withoutData = false;
  /** Which selectors had data for it when it began to fire; undefined where that is not known. */
  inputs: readonly boolean[] | undefined;
  /** The rule whose templates made the annotations. */
  expandedBy: unknown;
  #alerts = Labels.empty;
  #alertsState: AlertState | undefined;
  #forState: Labels | undefined;

  constructor(labels: Labels, sampleLabels: Labels, activeAt: number, value: number, annotations: Labels) {
    this.labels = labels;
    this.sampleLabels = sampleLabels;
    this.activeAt = activeAt;
    this.value = value;
    this.annotations = annotations;
  }

  static fromRow(row: AlertStateRow, ruleLabelNames: readonly string[]): AlertEntry {
    const labels = Labels.of(row.labels);
    const entry = new AlertEntry(
      labels,
      labels.without('alertname', ...ruleLabelNames),
      row.activeAt,
      row.value,
      Labels.of(row.annotations),
    );
    entry.state = row.state;
    entry.firedAt = row.firedAt;
    entry.resolvedAt = row.resolvedAt;
    entry.lastSentAt = row.lastSentAt;
    entry.keepFiringSince = row.keepFiringSince;
    entry.resolveReason = RESOLVE_REASONS.find((reason) => reason === row.resolveReason) ?? 'recovered';
    entry.present = false;
    entry.restored = true;
    return entry;
  }

  toRow(ruleKey: string): AlertStateRow {
    return {
      ruleKey,
      alertKey: this.labels.key,
      shard: this.labels.get('cluster'),
      labels: this.labels.toObject(),
      annotations: this.annotations.toObject(),
      state: this.state,
      value: this.value,
      activeAt: this.activeAt,
      firedAt: this.firedAt,
      resolvedAt: this.resolvedAt,
      lastSentAt: this.lastSentAt,
      keepFiringSince: this.keepFiringSince,
      resolveReason: this.state === 'inactive' ? this.resolveReason : '',
    };
  }

  /** What clients feel of it, and how far it reaches: where this changes, routing is told at once. */
  get effect(): string {
    return `${this.annotations.get('belfry_extent')} ${this.annotations.get('belfry_effect')}`;
  }

  /** The labels of its `ALERTS` series in its present state; the same object each time. */
  get alertsSeries(): Labels {
    if (this.#alertsState !== this.state) this.#alerts = this.labels.with('__name__', 'ALERTS').with('alertstate', this.state);
    this.#alertsState = this.state;
    return this.#alerts;
  }

  /** The labels of its `ALERTS_FOR_STATE` series; the same object each time. */
  get forStateSeries(): Labels {
    this.#forState ??= this.labels.with('__name__', 'ALERTS_FOR_STATE');
    return this.#forState;
  }

  /** As routing is told; `validUntil` is until when a firing alert is believed without news. */
  toAlert(source: AlertSource, generatorUrl: string, validUntil: number): Alert {
    const resolved = this.state === 'inactive';
    return {
      labels: this.labels,
      annotations: this.annotations,
      status: resolved ? 'resolved' : 'firing',
      startsAt: this.firedAt,
      endsAt: resolved ? this.resolvedAt : validUntil,
      value: this.value,
      generatorUrl,
      ...(resolved ? { resolveReason: this.resolveReason } : {}),
      source,
    };
  }
}

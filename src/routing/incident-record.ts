import { compareSeverity, RESOLVE_REASONS, SEVERITIES, severityOf, type Alert, type Severity } from '../core/alert.ts';
import type { Incident, IncidentEvent } from '../core/incident.ts';
import { Labels } from '../core/labels.ts';
import type { IncidentAlertRow, IncidentRow } from '../core/state.ts';
import { ToldEffects, type Renewal } from './told-effects.ts';

/** Events of an incident that are kept in memory and told; the whole story is in state.db. */
export const EVENTS_TOLD = 200;
/** A critical alert that ended longer ago than this, or a broker that was well for so long, is news when it comes back. */
const COMES_BACK_MS = 5 * 60_000;

/**
 * One incident in memory: its row, the last state of its alerts and its latest events. A run is the time from the first
 * alert that fires until none does; an incident whose alerts come back before it is closed has several.
 */
export class IncidentRecord {
  row: IncidentRow;
  readonly alerts = new Map<string, Alert>();
  readonly events: IncidentEvent[] = [];
  /** Keys of firing alerts that nobody tells again: they end when their time is over. */
  readonly #timed = new Set<string>();
  #lastSeq = 0;
  /** How many fire, by severity. */
  readonly #firing: Record<Severity, number> = { info: 0, warning: 0, critical: 0 };
  #ordered: readonly Alert[] | undefined;
  /** What has fired in this run: what makes a further alert worse, or not. */
  readonly #runBrokers = new Map<string, { firing: number; endedAt: number }>();
  /** When those that do not fire any more ended last: each, and any of a severity. */
  readonly #endedAt = new Map<string, number>();
  /** Those that fire, and had ended only a moment before. */
  readonly #returned = new Set<string>();
  readonly #severityEndedAt: Record<Severity, number> = { info: 0, warning: 0, critical: 0 };
  readonly #told = new ToldEffects();

  constructor(row: IncidentRow) {
    this.row = row;
  }

  /** From its rows, as they were when the process ended. */
  static restore(row: IncidentRow, alerts: readonly IncidentAlertRow[], events: readonly IncidentEvent[]): IncidentRecord {
    const record = new IncidentRecord(row);
    for (const alertRow of alerts) {
      const alert = alertOfRow(alertRow);
      record.alerts.set(alertRow.alertKey, alert);
      if (alert.status === 'firing') {
        record.#told.begin(alert);
        record.#firing[severityOf(alert.labels)]++;
        if (isTimed(alert)) record.#timed.add(alertRow.alertKey);
      }
      if (alert.status === 'firing' || alert.endsAt >= row.firingSince) record.#enterRun(alert);
      if (alert.status === 'resolved' && alert.endsAt >= row.firingSince) record.#leaveRun(alert, alert.endsAt);
    }
    for (const { seq, at, kind, text } of events) record.events.push({ seq, at, kind, text });
    record.#lastSeq = events.at(-1)?.seq ?? 0;
    return record;
  }

  get firing(): boolean {
    return this.firingSeverity !== undefined;
  }

  get closed(): boolean {
    return this.row.closedAt > 0;
  }

  /** The firing alerts that end when their time is over. */
  timedAlerts(): readonly Alert[] {
    return [...this.#timed].map((key) => this.alerts.get(key)).filter((alert) => alert !== undefined);
  }

  /** Whether something fires beside the new ones, but all of it is muted: for people the new ones are not more of the same. */
  isMutedBut(newAlerts: readonly Alert[], isMuted: (key: string) => boolean): boolean {
    if (newAlerts.every(({ labels }) => this.#returned.has(labels.key))) return false;
    const fresh = new Set(newAlerts.map(({ labels }) => labels.key));
    let others = 0;
    for (const [key, { status }] of this.alerts) {
      if (status !== 'firing' || fresh.has(key)) continue;
      if (!isMuted(key)) return false;
      others++;
    }
    return others > 0;
  }

  /** The worst of what fires now. */
  get firingSeverity(): Severity | undefined {
    return SEVERITIES.findLast((severity) => this.#firing[severity] > 0);
  }

  /**
   * Takes in an alert that did not fire before, and says whether and by what it makes this run worse: a rise in
   * severity, a second broker, or one more critical alert (newly leaderless partitions are one).
   * An alert that comes within `holdMs` after the last was resolved goes on with the run: that resolve is not sent.
   */
  fire(alert: Alert, at: number, holdMs: number): WorseBy | undefined {
    const { resolvedAt } = this.row;
    const isNewRun = !this.firing && (resolvedAt === 0 || at >= resolvedAt + holdMs);
    if (isNewRun) this.#beginRun(at);
    const worseBy = isNewRun ? undefined : this.#worseBy(alert, at);
    if ((this.#endedAt.get(alert.labels.key) ?? 0) > at - COMES_BACK_MS) this.#returned.add(alert.labels.key);
    this.#enterRun(alert);
    this.alerts.set(alert.labels.key, alert);
    this.#told.begin(alert);
    if (isTimed(alert)) this.#timed.add(alert.labels.key);
    this.#firing[severityOf(alert.labels)]++;
    this.row = { ...this.row, resolvedAt: 0, severity: worse(this.row.severity, severityOf(alert.labels)) };
    this.#ordered = undefined;
    return worseBy;
  }

  resolve(alert: Alert, at: number): void {
    this.alerts.set(alert.labels.key, alert);
    this.#told.end(alert.labels.key);
    this.#returned.delete(alert.labels.key);
    this.#timed.delete(alert.labels.key);
    this.#firing[severityOf(alert.labels)]--;
    this.#leaveRun(alert, at);
    if (!this.firing) this.row = { ...this.row, resolvedAt: at };
    this.#ordered = undefined;
  }

  /** A firing alert that came again. What clients feel of it may have changed; other texts only show in the next message. */
  refresh(alert: Alert, at: number): Renewal | undefined {
    this.replace(alert);
    return this.#told.renew(alert, at);
  }

  /** A firing alert that came again while it was muted: what has changed is told when it is muted no more. */
  replace(alert: Alert): void {
    this.alerts.set(alert.labels.key, alert);
    this.#ordered = undefined;
  }

  addEvent(kind: IncidentEvent['kind'], at: number, text: string): IncidentEvent {
    const event = { seq: ++this.#lastSeq, at, kind, text };
    this.events.push(event);
    if (this.events.length > EVENTS_TOLD) this.events.shift();
    return event;
  }

  /** Firing ones first, the most severe and oldest first; then the resolved, the latest first. */
  orderedAlerts(): readonly Alert[] {
    if (this.#ordered === undefined) {
      const firing: { alert: Alert; severity: Severity }[] = [];
      const resolved: Alert[] = [];
      for (const alert of this.alerts.values()) {
        if (alert.status === 'firing') firing.push({ alert, severity: severityOf(alert.labels) });
        else resolved.push(alert);
      }
      firing.sort((a, b) => compareSeverity(b.severity, a.severity) || a.alert.startsAt - b.alert.startsAt);
      resolved.sort((a, b) => b.endsAt - a.endsAt);
      this.#ordered = [...firing.map(({ alert }) => alert), ...resolved];
    }
    return this.#ordered;
  }

  asIncident(): Incident {
    const { id, owner, shard, broker, openedAt, closedAt, severity } = this.row;
    return { id, owner, cluster: shard, broker, openedAt, closedAt: closedAt === 0 ? undefined : closedAt, severity };
  }

  #beginRun(at: number): void {
    this.#runBrokers.clear();
    this.#returned.clear();
    this.#endedAt.clear();
    for (const severity of SEVERITIES) this.#severityEndedAt[severity] = 0;
    this.row = { ...this.row, firingSince: at };
  }

  #enterRun(alert: Alert): void {
    const broker = alert.labels.get('broker');
    if (broker !== '') {
      const known = this.#runBrokers.get(broker) ?? { firing: 0, endedAt: 0 };
      this.#runBrokers.set(broker, known);
      known.firing++;
    }
    this.#endedAt.delete(alert.labels.key);
  }

  #leaveRun({ labels }: Alert, at: number): void {
    const severity = severityOf(labels);
    const broker = this.#runBrokers.get(labels.get('broker'));
    if (broker !== undefined) {
      broker.firing--;
      broker.endedAt = Math.max(broker.endedAt, at);
    }
    this.#severityEndedAt[severity] = Math.max(this.#severityEndedAt[severity], at);
    this.#endedAt.set(labels.key, at);
  }

  /** What ended a moment ago still counts: only what comes back later than that is news. */
  #worseBy(alert: Alert, at: number): WorseBy | undefined {
    const severity = severityOf(alert.labels);
    const broker = alert.labels.get('broker');
    const since = at - COMES_BACK_MS;
    const recent = SEVERITIES.filter((each) => this.#firing[each] > 0 || this.#severityEndedAt[each] > since);
    const [worst = severity] = recent.toReversed();
    if (compareSeverity(severity, worst) > 0) return 'severity';
    if (severity === 'info') return undefined;
    const known = this.#runBrokers.get(broker);
    const isNews = known === undefined || (known.firing === 0 && known.endedAt <= since);
    if (broker !== '' && this.#runBrokers.size > 0 && isNews) return 'second_broker';
    if (severity === 'critical' && (this.#endedAt.get(alert.labels.key) ?? 0) <= since) return 'more_critical';
    return undefined;
  }
}

/** Rules tell the end of their alerts themselves; others have but the time they gave. */
function isTimed({ source }: Alert): boolean {
  return source.kind === 'api';
}

/** What made an incident worse. */
export type WorseBy = 'severity' | 'second_broker' | 'more_critical' | 'larger';

function worse(a: Severity | undefined, b: Severity): Severity {
  return a !== undefined && compareSeverity(a, b) >= 0 ? a : b;
}

export function rowOfAlert(incident: IncidentRow, alert: Alert): IncidentAlertRow {
  const { labels, annotations, status, startsAt, endsAt, value, generatorUrl, resolveReason, source } = alert;
  return {
    incidentId: incident.id,
    alertKey: labels.key,
    shard: incident.shard,
    labels: labels.toObject(),
    annotations: annotations.toObject(),
    status,
    startsAt,
    endsAt,
    value,
    generatorUrl,
    resolveReason: resolveReason ?? '',
    sourceKind: source.kind,
    sourceFile: source.file,
    sourceGroup: source.group,
    sourceRule: source.rule,
    sourceAction: source.action ?? '',
  };
}

function alertOfRow(row: IncidentAlertRow): Alert {
  const { status, startsAt, endsAt, value, generatorUrl, sourceAction } = row;
  const reason = RESOLVE_REASONS.find((known) => known === row.resolveReason);
  const source = { kind: row.sourceKind, file: row.sourceFile, group: row.sourceGroup, rule: row.sourceRule };
  return {
    labels: Labels.of(row.labels),
    annotations: Labels.of(row.annotations),
    status,
    startsAt,
    endsAt,
    value,
    generatorUrl,
    ...(reason === undefined ? {} : { resolveReason: reason }),
    source: sourceAction === '' ? source : { ...source, action: sourceAction },
  };
}

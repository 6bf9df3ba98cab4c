import { severityOf, type Alert } from '../core/alert.ts';
import type { IncidentEvent } from '../core/incident.ts';
import type { Labels } from '../core/labels.ts';
import { ulid } from '../core/ulid.ts';
import { EVENTS_TOLD, IncidentRecord, rowOfAlert, type WorseBy } from './incident-record.ts';
import { firingText, moreText, noteText, resolvedText } from './event-text.ts';
import type { IncidentStore } from './ports.ts';

/** An alert with the owner of its cluster, who is no part of its identity. */
export interface OwnedAlert {
  readonly alert: Alert;
  readonly owner: string;
  /** It fires, was told before, and is muted now. */
  readonly isMuted?: boolean;
}

/** What one batch of alerts did to one incident. */
export interface IncidentChange {
  readonly record: IncidentRecord;
  readonly newAlerts: Alert[];
  readonly resolved: Alert[];
  /** Those that fired before, and of which clients feel another thing than was told. */
  readonly renewed: Alert[];
  worseBy: WorseBy | undefined;
}

/** Why an alert was not taken in; counted and logged. */
export type Ignored = 'unchanged' | 'resolved_but_unknown' | 'too_many_alerts' | 'too_many_incidents';

export interface Absorbed {
  readonly changes: readonly IncidentChange[];
  readonly ignored: ReadonlyMap<Ignored, number>;
}

export interface IncidentLimits {
  readonly openIncidents: number;
  readonly alertsPerIncident: number;
}

export const INCIDENT_LIMITS: IncidentLimits = { openIncidents: 10_000, alertsPerIncident: 50_000 };

/** Alerts of one batch that get an event each; the rest is counted in one. */
const EVENTS_PER_BATCH = 20;

/**
 * The open incidents. A new alert joins the open incident of its cluster and broker, else another open one of its
 * cluster (first one that names no broker, then the latest), else opens one. An alert that names no cluster is grouped by
 * its name: these are Belfry's own, and one that always fires must not swallow the others. An incident keeps its owner;
 * alerts that come after the cluster changed hands open another.
 */
export class IncidentBook {
  readonly #store: IncidentStore;
  readonly #holdMs: number;
  readonly #limits: IncidentLimits;
  readonly #byGroupKey = new Map<string, IncidentRecord>();
  readonly #open = new Map<string, Set<IncidentRecord>>();
  readonly #byAlert = new Map<string, IncidentRecord>();
  #openCount = 0;

  /** `holdMs`: for how long a resolve is held back. */
  constructor(store: IncidentStore, holdMs: number, limits: IncidentLimits = INCIDENT_LIMITS) {
    this.#store = store;
    this.#holdMs = holdMs;
    this.#limits = limits;
  }

  /** Reads what was known when the process ended; once, before the first alert. */
  load(): readonly IncidentRecord[] {
    for (const row of this.#store.loadIncidents()) {
      const events = this.#store.loadIncidentEvents(row.id, EVENTS_TOLD);
      this.#add(IncidentRecord.restore(row, this.#store.loadIncidentAlerts(row.id), events));
    }
    return [...this.#byGroupKey.values()];
  }

  get(groupKey: string): IncidentRecord | undefined {
    return this.#byGroupKey.get(groupKey);
  }

  /** Whether people were told that the alert fires, or would have been but for the limits of a destination. */
  isFiring(alertKey: string): boolean {
    return this.#byAlert.get(alertKey)?.alerts.get(alertKey)?.status === 'firing';
  }

  /** Open ones, and closed ones that still have something to be delivered. */
  all(): IterableIterator<IncidentRecord> {
    return this.#byGroupKey.values();
  }

  get openCount(): number {
    return this.#openCount;
  }

  /**
   * Takes in a batch and writes what changed. What fires goes before what is resolved, so that an alert that takes the
   * place of a milder one does not end and begin the incident.
   */
  absorb(batch: readonly OwnedAlert[], at: number): Absorbed {
    const changes = new Map<IncidentRecord, IncidentChange>();
    const ignored = new Map<Ignored, number>();
    const apply = (owned: OwnedAlert): void => {
      const why = owned.alert.status === 'firing' ? this.#fire(owned, at, changes) : this.#resolve(owned.alert, at, changes);
      if (why !== undefined) ignored.set(why, (ignored.get(why) ?? 0) + 1);
    };
    for (const owned of batch) if (owned.alert.status === 'firing') apply(owned);
    for (const owned of batch) if (owned.alert.status === 'resolved') apply(owned);
    for (const change of changes.values()) this.#write(change, at);
    return { changes: [...changes.values()], ignored };
  }

  /** The open incident that an alert of these labels would join; for a note, which is an alert in all but its name. */
  find(labels: Labels, owner: string): IncidentRecord | undefined {
    const broker = labels.get('broker');
    let best: IncidentRecord | undefined;
    for (const record of this.#open.get(placeOf(labels.get('cluster'), labels.get('alertname'))) ?? []) {
      if (record.row.owner !== owner) continue;
      if (record.row.broker === broker) return record;
      if (best === undefined || record.row.broker === '' || best.row.broker !== '') best = record;
    }
    return best;
  }

  /** An alert that fires already has other texts and another end; both are kept. */
  renew(record: IncidentRecord, alert: Alert): void {
    record.refresh(alert, alert.startsAt);
    this.#store.saveIncidentAlert(rowOfAlert(record.row, alert));
  }

  /** What the auto-pilot says. The incident's time of change is a new one each time: receivers tell messages apart by it. */
  say(record: IncidentRecord, at: number, text: string): void {
    record.row = { ...record.row, changedAt: Math.max(at, record.row.changedAt + 1) };
    this.#store.saveIncident(record.row);
    this.note(record, 'note', at, noteText(text));
  }

  close(record: IncidentRecord, at: number): void {
    record.row = { ...record.row, closedAt: at, changedAt: at };
    this.note(record, 'closed', at, 'Closed: none of its alerts has come back.');
    this.#store.saveIncident(record.row);
    this.#openCount--;
    this.#open.get(placeOf(record.row.shard, record.row.alertName))?.delete(record);
    for (const key of record.alerts.keys()) if (this.#byAlert.get(key) === record) this.#byAlert.delete(key);
  }

  /** Lets a closed incident go from memory; its rows stay as history. */
  forget(record: IncidentRecord): void {
    this.#byGroupKey.delete(record.row.groupKey);
  }

  note(record: IncidentRecord, kind: IncidentEvent['kind'], at: number, text: string): void {
    const event = record.addEvent(kind, at, text);
    this.#store.saveIncidentEvent({ ...event, incidentId: record.row.id, shard: record.row.shard });
  }

  #fire({ alert, owner, isMuted = false }: OwnedAlert, at: number, changes: Map<IncidentRecord, IncidentChange>): Ignored | undefined {
    const key = alert.labels.key;
    const known = this.#byAlert.get(key);
    if (known?.alerts.get(key)?.status === 'firing') {
      if (isMuted) known.replace(alert);
      const renewal = isMuted ? undefined : known.refresh(alert, at);
      if (renewal === undefined) return 'unchanged';
      const renewedIn = changeOf(changes, known);
      renewedIn.renewed.push(alert);
      if (renewal === 'larger') renewedIn.worseBy ??= 'larger';
      return undefined;
    }
    const record = known ?? this.find(alert.labels, owner) ?? this.#openFor(alert, owner, at);
    if (record === undefined) return 'too_many_incidents';
    if (known === undefined && record.alerts.size >= this.#limits.alertsPerIncident) return 'too_many_alerts';
    const worseBy = record.fire(alert, at, this.#holdMs);
    this.#byAlert.set(key, record);
    const change = changeOf(changes, record);
    change.newAlerts.push(alert);
    change.worseBy ??= worseBy;
    return undefined;
  }

  #resolve(alert: Alert, at: number, changes: Map<IncidentRecord, IncidentChange>): Ignored | undefined {
    const key = alert.labels.key;
    const record = this.#byAlert.get(key);
    if (record?.alerts.get(key)?.status !== 'firing') return 'resolved_but_unknown';
    record.resolve(alert, at);
    changeOf(changes, record).resolved.push(alert);
    return undefined;
  }

  #openFor(alert: Alert, owner: string, at: number): IncidentRecord | undefined {
    if (this.#openCount >= this.#limits.openIncidents) return undefined;
    const shard = alert.labels.get('cluster');
    const id = ulid(at);
    const record = new IncidentRecord({
      id,
      groupKey: `incident/${id}`,
      shard,
      owner,
      broker: alert.labels.get('broker'),
      alertName: shard === '' ? alert.labels.get('alertname') : '',
      severity: severityOf(alert.labels),
      openedAt: at,
      firingSince: at,
      resolvedAt: 0,
      closedAt: 0,
      changedAt: at,
    });
    this.#add(record);
    return record;
  }

  #add(record: IncidentRecord): void {
    const { groupKey, shard, alertName } = record.row;
    this.#byGroupKey.set(groupKey, record);
    if (record.closed) return;
    this.#openCount++;
    const place = placeOf(shard, alertName);
    const open = this.#open.get(place) ?? new Set();
    this.#open.set(place, open.add(record));
    for (const key of record.alerts.keys()) this.#byAlert.set(key, record);
  }

  #write({ record, newAlerts, resolved, renewed, worseBy }: IncidentChange, at: number): void {
    record.row = { ...record.row, changedAt: at };
    this.#store.saveIncident(record.row);
    for (const alert of newAlerts) {
      const now = record.alerts.get(alert.labels.key);
      if (now !== undefined) this.#store.saveIncidentAlert(rowOfAlert(record.row, now));
    }
    for (const alert of [...resolved, ...renewed]) this.#store.saveIncidentAlert(rowOfAlert(record.row, alert));
    if (worseBy === 'larger' && newAlerts.length === 0)
      for (const alert of renewed.slice(0, EVENTS_PER_BATCH)) this.note(record, 'worse', at, firingText(alert));
    const told = newAlerts.slice(0, EVENTS_PER_BATCH);
    for (const alert of told) this.note(record, worseBy === undefined ? 'firing' : 'worse', at, firingText(alert));
    if (newAlerts.length > told.length) this.note(record, 'firing', at, moreText(newAlerts.length - told.length, 'fire'));
    for (const alert of resolved.slice(0, EVENTS_PER_BATCH)) this.note(record, 'resolved', at, resolvedText(alert));
    if (resolved.length > EVENTS_PER_BATCH) this.note(record, 'resolved', at, moreText(resolved.length - EVENTS_PER_BATCH, 'resolved'));
  }
}

/** Where alerts look for an incident to join: their cluster, or without one their name. */
function placeOf(cluster: string, alertName: string): string {
  return cluster === '' ? `\n${alertName}` : cluster;
}

function changeOf(changes: Map<IncidentRecord, IncidentChange>, record: IncidentRecord): IncidentChange {
  let change = changes.get(record);
  if (change === undefined) {
    change = { record, newAlerts: [], resolved: [], renewed: [], worseBy: undefined };
    changes.set(record, change);
  }
  return change;
}

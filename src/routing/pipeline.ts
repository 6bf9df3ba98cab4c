import { severityOf, type Alert } from '../core/alert.ts';
import type { Timer } from '../core/clock.ts';
import { errorText } from '../core/errors.ts';
import { Labels } from '../core/labels.ts';
import type { Counter, Gauge } from '../core/meter.ts';
import type { Notification } from '../core/notification.ts';
import type { MutedAlert, MutedBy } from '../core/silence.ts';
import type { DeliveryRow, OutboxRow } from '../core/state.ts';
import { DedupLog, type Decided, type Decision } from './dedup.ts';
import type { IncidentRecord } from './incident-record.ts';
import { INCIDENT_LIMITS, IncidentBook, type Absorbed, type IncidentChange, type OwnedAlert } from './incidents.ts';
import { NOTE_ALERT, noteAlert, type Note } from './note-alert.ts';
import { receiverOf } from './owners.ts';
import type { RoutingOptions } from './options.ts';
import { Quiet, type Audible } from './quiet.ts';
import type { SilenceBook } from './silences.ts';
import type { WhatChanged } from './verdict.ts';

/** An alert that fires, and who is told. */
export interface AlertStatus {
  readonly alert: Alert;
  readonly receivers: readonly string[];
  readonly mutedBy: MutedBy;
  readonly updatedAt: number;
}

const DEFAULTS = { groupIntervalMs: 1000, repeatIntervalMs: 4 * 3_600_000, closeAfterMs: 5 * 60_000, keepClosedMs: 30 * 86_400_000 };

/**
 * From alerts to messages. The lines of `#pass` are the stages of the pipeline; a batch passes all of them in one
 * transaction, the outbox included.
 */
export class Routing {
  readonly #options: RoutingOptions & typeof DEFAULTS;
  readonly #incidents: IncidentBook;
  readonly #dedup: DedupLog;
  readonly #timers = new Map<IncidentRecord, Timer>();
  readonly #decided: Counter;
  readonly #ignored: Counter;
  readonly #openGauge: Gauge;
  readonly #quiet: Quiet;
  #stopped = false;

  constructor(options: RoutingOptions) {
    this.#options = { ...DEFAULTS, ...options };
    this.#incidents = new IncidentBook(options.store, this.#options.groupIntervalMs, options.limits ?? INCIDENT_LIMITS);
    this.#dedup = new DedupLog(options.store, this.#options.groupIntervalMs, options.mailIntervalMs);
    this.#decided = options.meter.counter('belfry_routing_decisions_total', 'Decisions by what was decided', ['integration', 'verdict']);
    this.#ignored = options.meter.counter('belfry_routing_alerts_ignored_total', 'Alerts that changed nothing, by reason', ['reason']);
    this.#openGauge = options.meter.gauge('belfry_incidents_open', 'Incidents that are open');
    const { clock, log, meter } = options;
    const isTold = (key: string): boolean => this.#incidents.isFiring(key);
    this.#quiet = new Quiet(options, { clock, log, meter, isTold, onAudible: (audible) => this.#pass(audible, clock.now()) });
  }

  /** Reads the state and takes up the timers; once, before the outbox starts and before the first alert. */
  start(): void {
    this.#dedup.load();
    const records = this.#incidents.load();
    this.#quiet.start(records.flatMap((record) => firingAlertsOf(record)));
    this.#options.store.durably(() => this.#forgetOld());
    for (const record of records) this.#arm(record);
    this.#openGauge.set(this.#incidents.openCount);
  }

  /** Ends the timers. What was decided is in the outbox. */
  stop(): void {
    this.#stopped = true;
    this.#quiet.stop();
    for (const timer of this.#timers.values()) timer.cancel();
    this.#timers.clear();
  }

  /**
   * Takes in what rules (or an API) say at `ts`: new alerts, ended ones, and any number of times what is known already.
   * Does not throw: an error of ours must not end the evaluation that called.
   */
  receive(alerts: readonly Alert[], ts: number): void {
    try {
      this.#options.store.durably(() => this.#pass(this.#quiet.hear(alerts, ts), ts));
    } catch (error) {
      this.#ignored.add(alerts.length, { reason: 'error' });
      this.#options.log.error('alerts_not_routed', { reason: 'error', count: alerts.length, error: errorText(error) });
    }
  }

  /** The silences, kept durably. */
  get silences(): SilenceBook {
    return this.#quiet.silences;
  }

  /** Inhibition rules or maintenance windows were replaced. */
  reload(): void {
    this.#quiet.reload();
  }

  /** All that could inhibit an alert is known: nobody waits any longer after the start. */
  endGrace(): void {
    this.#quiet.endGrace();
  }

  /** Every alert that fires, muted ones too. */
  alerts(): readonly AlertStatus[] {
    return this.#quiet.firing().map((status) => {
      const receivers = this.#options.owners.destinationsOf(this.#ownerOf(status.alert)).map(({ receiver }) => receiver);
      return { ...status, receivers: [...new Set(receivers)] };
    });
  }

  /** Names of all receivers. */
  receivers(): readonly string[] {
    return this.#options.owners.owners.map(receiverOf);
  }

  /** Alerts that nobody was told of from beginning to end, latest first. */
  mutedHistory(): readonly MutedAlert[] {
    return this.#quiet.mutedHistory();
  }

  /** Id of the open incident of the cluster and broker, else of the cluster; empty where there is none. */
  incidentOf(cluster: string, broker: number | undefined): string {
    return this.#incidentFor({ cluster, broker, text: '', loud: false, at: 0 })?.row.id ?? '';
  }

  /**
   * Adds a sentence to that incident, told in its threads. A loud one is told at once and pings; where nothing fires it
   * raises an alert of its own for half an hour. A quiet one without an open incident is told to nobody. Does not throw.
   */
  note(note: Note): void {
    try {
      const record = this.#incidentFor(note);
      // Whoever silenced such notes is told without a ping; nothing else mutes what somebody must decide.
      const loud = note.loud && !this.#quiet.isSilenced(noteAlert(note));
      if (loud && (record === undefined || !record.firing)) this.#pass(asTold([noteAlert(note)]), note.at, 'loud');
      else if (record !== undefined) this.#options.store.durably(() => this.#say(record, { ...note, loud }));
    } catch (error) {
      this.#options.log.error('note_not_told', { cluster: note.cluster, note: note.text, error: errorText(error) });
    }
  }

  /**
   * The broker (undefined: the cluster) is well: what a loud note asked for is not needed any more, so the alert that it
   * raised, where it raised one, ends before its time. Does not throw.
   */
  noteOver(cluster: string, broker: number | undefined, at: number): void {
    const note: Note = { cluster, broker, text: '', loud: false, at };
    const raised = this.#incidentFor(note)?.alerts.get(noteAlert(note).labels.key);
    if (raised?.status !== 'firing') return;
    try {
      this.#pass(asTold([{ ...raised, status: 'resolved', endsAt: at, resolveReason: 'recovered' }]), at);
    } catch (error) {
      this.#options.log.error('note_not_told', { cluster, note: 'over', error: errorText(error) });
    }
  }

  #incidentFor(note: Note): IncidentRecord | undefined {
    return this.#incidents.find(noteAlert(note).labels, this.#options.owners.ownerOf(note.cluster));
  }

  #say(record: IncidentRecord, note: Note): void {
    const { text, loud, at } = note;
    const own = noteAlert(note);
    const raised = record.alerts.get(own.labels.key);
    if (loud && raised?.status === 'firing') this.#incidents.renew(record, { ...own, startsAt: raised.startsAt });
    this.#incidents.say(record, at, text);
    const change = { firing: record.firing, newAlerts: 0, resolved: 0, worse: false, note: loud ? 'loud' : 'quiet' } as const;
    const decided = this.#dedup.decide(record, change, this.#options.owners.destinationsOf(record.row.owner), at);
    this.#countSilent(record, decided);
    this.#enqueue(decided.decisions);
    this.#arm(record);
  }

  #pass({ alerts, quiet, flapping }: Audible, ts: number, note?: 'loud'): void {
    this.#options.store.durably(() => {
      const owned = this.#joinOwner(alerts, quiet);
      const changes = this.#joinIncident(owned, ts);
      const decisions = changes.flatMap((change) => {
        const flaps = this.#sayFlapping(change, flapping, ts);
        const isQuiet = change.newAlerts.length === 0 && change.resolved.every((alert) => quiet.has(alert));
        return this.#decide(change, ts, { ...(flaps || note === 'loud' ? { note: 'loud' } : {}), ...(isQuiet ? { quiet: true } : {}) });
      });
      this.#enqueue(decisions);
      for (const { record } of changes) this.#arm(record);
    });
    this.#openGauge.set(this.#incidents.openCount);
  }

  /** Incidents that are not closed, oldest first. */
  openIncidents(): readonly IncidentRecord[] {
    return [...this.#incidents.all()].filter(({ closed }) => !closed);
  }

  /** What a message says now; the outbox asks when it sends it. */
  notificationFor(message: OutboxRow): Notification | undefined {
    const record = this.#incidents.get(message.groupKey);
    if (record === undefined) return undefined;
    const { shard, broker, alertName, changedAt } = record.row;
    const autopilot = this.#options.autopilotOf?.(shard, /^\d+$/.test(broker) ? Number(broker) : undefined);
    return {
      groupKey: message.groupKey,
      receiver: message.receiver,
      reason: message.reason,
      status: record.firing ? 'firing' : 'resolved',
      incident: record.asIncident(),
      groupLabels: Labels.of(shard === '' ? { alertname: alertName } : { cluster: shard }),
      alerts: record.orderedAlerts(),
      events: [...record.events],
      loud: message.loud,
      ...(autopilot === undefined ? {} : { autopilot }),
      at: changedAt,
      seq: message.seq,
    };
  }

  /** The outbox has delivered a message: a closed incident may be over for good. */
  onDelivered(message: OutboxRow): void {
    this.#options.store.durably(() => this.#forgetIfOver(message.groupKey));
  }

  /**
   * A destination could not be reached: its incident says so, and another owner is told in its place. A destination
   * that was told before that the incident fires is still to be told that it is over.
   */
  onGiveUp(message: OutboxRow, reason: string, told: DeliveryRow['status']): void {
    const { groupKey, receiver, integration, index } = message;
    const record = this.#incidents.get(groupKey);
    if (record === undefined) return;
    this.#options.store.durably(() => {
      if (told !== 'firing') this.#dedup.unreached(groupKey, { receiver, integration, index });
      const instead = this.#decideInstead(record, receiver);
      this.#incidents.note(record, 'note', this.#options.clock.now(), `Could not tell ${receiver} by ${integration}: ${reason}`);
      this.#enqueue(instead);
      this.#forgetIfOver(groupKey);
    });
  }

  /** A message waits for long. Where its owner knows of the incident by no other way, another is told; each once. */
  onOverdue({ groupKey, receiver, integration }: OutboxRow, reason: string): void {
    const { clock, outbox, store } = this.#options;
    const record = this.#incidents.get(groupKey);
    if (record === undefined || outbox.hasTold(groupKey, receiver)) return;
    const instead = this.#decideInstead(record, receiver);
    if (instead.length === 0) return;
    const why = reason === '' ? 'it is not its turn yet' : reason;
    store.durably(() => {
      this.#incidents.note(record, 'note', clock.now(), `Could not yet tell ${receiver} by ${integration}: ${why}`);
      this.#enqueue(instead);
    });
  }

  #decideInstead(record: IncidentRecord, receiver: string): readonly Decision[] {
    const { owners, fallbackOwner, clock } = this.#options;
    const others = owners.destinationsOf(fallbackOwner?.() ?? owners.defaultOwner).filter((to) => to.receiver !== receiver);
    return record.firing ? this.#dedup.decideFor(record, NOTHING_NEW, others, clock.now()).decisions : [];
  }

  #joinOwner(alerts: readonly Alert[], quiet: ReadonlySet<Alert>): readonly OwnedAlert[] {
    return alerts.map((alert) => ({ alert, owner: this.#ownerOf(alert), isMuted: quiet.has(alert) }));
  }

  /** What only those who run Belfry can mend is not told to a cluster's owner. */
  #ownerOf({ labels }: Alert): string {
    const { owners } = this.#options;
    return labels.get('audience') === 'platform' ? owners.defaultOwner : owners.ownerOf(labels.get('cluster'));
  }

  #sayFlapping({ record, newAlerts }: IncidentChange, flapping: ReadonlySet<string>, ts: number): boolean {
    const flappers = newAlerts.filter(({ labels }) => flapping.has(labels.key));
    if (flappers.length > 0) this.#incidents.say(record, ts, this.#quiet.flappingText(flappers));
    return flappers.length > 0;
  }

  #joinIncident(owned: readonly OwnedAlert[], ts: number): Absorbed['changes'] {
    const { changes, ignored } = this.#incidents.absorb(owned, ts);
    for (const [reason, count] of ignored) {
      this.#ignored.add(count, { reason });
      if (reason.startsWith('too_many')) this.#options.log.error('alerts_not_routed', { reason, count });
    }
    return changes;
  }

  #decide(
    { record, newAlerts, resolved, renewed, worseBy }: IncidentChange,
    ts: number,
    how: Pick<WhatChanged, 'note' | 'quiet'>,
  ): readonly Decision[] {
    const worse = worseBy !== undefined || record.isMutedBut(newAlerts, (key) => this.#quiet.isMuted(key));
    const counts = { newAlerts: newAlerts.length, resolved: resolved.length, worse, texts: renewed.length > 0 };
    const change = { firing: record.firing, ...counts, ...how };
    const decided = this.#dedup.decide(record, change, this.#options.owners.destinationsOf(record.row.owner), ts);
    this.#countSilent(record, decided);
    return decided.decisions;
  }

  #countSilent(record: IncidentRecord, { silent }: Decided): void {
    for (const { destination, because } of silent) {
      this.#decided.add(1, { integration: destination.integration, verdict: because });
      this.#options.log.debug('notification_not_needed', { group: record.row.groupKey, receiver: destination.receiver, because });
    }
  }

  #enqueue(decisions: readonly Decision[]): void {
    for (const decision of decisions) {
      const { message } = decision;
      const result = this.#options.outbox.enqueue(message);
      this.#dedup.settle(decision, result);
      const { groupKey: group, receiver, integration, reason, loud, seq } = message;
      this.#decided.add(1, { integration, verdict: result === 'queued' ? reason : result });
      this.#options.log.info('notification_decided', { group, receiver, integration, reason, loud, seq, result });
    }
  }

  /** One timer an incident: while it fires for the next reminder or the end of a note, then for its closing; not before `leastMs`. */
  #arm(record: IncidentRecord, leastMs = 0): void {
    this.#timers.get(record)?.cancel();
    this.#timers.delete(record);
    if (this.#stopped || record.closed) return;
    const { clock, closeAfterMs, repeatIntervalMs } = this.#options;
    let due = record.firing ? Infinity : record.row.resolvedAt + closeAfterMs;
    if (record.firingSeverity === 'critical') due = this.#dedup.repeatDueAt(record.row.groupKey, repeatIntervalMs) ?? Infinity;
    for (const { endsAt } of record.timedAlerts()) due = Math.min(due, endsAt);
    if (due === Infinity) return;
    const timer = clock.timer(Math.max(leastMs, due - clock.now()), () => this.#onTimer(record), { unref: true });
    this.#timers.set(record, timer);
  }

  #onTimer(record: IncidentRecord): void {
    const now = this.#options.clock.now();
    let leastMs = TIMER_LEAST_MS;
    try {
      this.#options.store.durably(() => {
        // Nobody says that it is well: its time is over, that is all.
        const over = record.timedAlerts().filter(({ endsAt }) => endsAt <= now);
        if (over.length > 0) this.#pass(asTold(over.map((alert) => ({ ...alert, status: 'resolved', resolveReason: 'no_data' }))), now);
        // Nobody is reminded of what is muted; it is asked again soon whether it still is.
        else if (record.firingSeverity === 'critical' && !this.#isAudible(record)) leastMs = MUTED_AGAIN_MS;
        else if (record.firingSeverity === 'critical') this.#enqueue(this.#dedup.repeat(record, this.#options.repeatIntervalMs, now));
        else if (!record.firing) this.#close(record, now);
        // A reminder that found no room is due still: it must not come round at once for ever.
        this.#arm(record, leastMs);
      });
    } catch (error) {
      this.#options.log.error('routing_timer_failed', { group: record.row.groupKey, error: errorText(error) });
    }
    this.#openGauge.set(this.#incidents.openCount);
  }

  /** Whether one of the critical alerts that fire is not muted. */
  #isAudible(record: IncidentRecord): boolean {
    return firingAlertsOf(record).some(({ labels }) => severityOf(labels) === 'critical' && !this.#quiet.isMuted(labels.key));
  }

  /** A resolve that the outbox had no room for is decided once more; the incident stays open until it is queued. */
  #close(record: IncidentRecord, now: number): void {
    const left = this.#dedup.decide(record, NOTHING_NEW_RESOLVED, [], now);
    this.#enqueue(left.decisions);
    if ([...this.#dedup.entriesOf(record.row.groupKey)].some(({ status }) => status === 'firing')) {
      record.row = { ...record.row, resolvedAt: now };
      return;
    }
    this.#incidents.close(record, now);
    this.#options.log.info('incident_closed', { group: record.row.groupKey, cluster: record.row.shard });
    this.#forgetIfOver(record.row.groupKey);
    this.#forgetOld();
  }

  #forgetIfOver(groupKey: string): void {
    const record = this.#incidents.get(groupKey);
    if (record === undefined || !record.closed || this.#options.outbox.holds(groupKey)) return;
    this.#incidents.forget(record);
    this.#dedup.forget(groupKey);
    this.#options.outbox.forget(groupKey);
  }

  #forgetOld(): void {
    const { store, clock, keepClosedMs } = this.#options;
    for (const id of store.incidentsClosedBefore(clock.now() - keepClosedMs)) store.deleteIncident(id);
  }
}

function firingAlertsOf(record: IncidentRecord): readonly Alert[] {
  return [...record.alerts.values()].filter(({ status, labels }) => status === 'firing' && labels.get('alertname') !== NOTE_ALERT);
}

/** Alerts that are told whatever mutes others. */
function asTold(alerts: readonly Alert[]): Audible {
  return { alerts, quiet: new Set(), flapping: new Set() };
}

const TIMER_LEAST_MS = 10_000;
const MUTED_AGAIN_MS = 60_000;
const NOTHING_NEW = { firing: true, newAlerts: 0, resolved: 0, worse: false };
const NOTHING_NEW_RESOLVED = { firing: false, newAlerts: 0, resolved: 0, worse: false };

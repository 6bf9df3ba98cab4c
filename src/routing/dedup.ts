import type { DedupRow, Destination, OutboxRow } from '../core/state.ts';
import type { IncidentRecord } from './incident-record.ts';
import type { EnqueueResult, NotificationLog } from './ports.ts';
import {
  DEFAULT_MAIL_INTERVAL_MS,
  dueAt,
  isResolveHeld,
  policyOf,
  verdictOf,
  type Silence,
  type Telling,
  type WhatChanged,
} from './verdict.ts';

/** A message to send, and the entry that stands for it once it is queued. */
export interface Decision {
  readonly message: OutboxRow;
  readonly entry: DedupRow;
}

export interface Decided {
  readonly decisions: readonly Decision[];
  readonly silent: readonly { readonly destination: Destination; readonly because: Silence }[];
}

/** What was decided to tell whom, by group and destination. */
export class DedupLog {
  readonly #log: NotificationLog;
  readonly #groupIntervalMs: number;
  readonly #mailIntervalMs: () => number;
  readonly #entries = new Map<string, Map<string, DedupRow>>();

  constructor(log: NotificationLog, groupIntervalMs: number, mailIntervalMs: () => number = () => DEFAULT_MAIL_INTERVAL_MS) {
    this.#log = log;
    this.#groupIntervalMs = groupIntervalMs;
    this.#mailIntervalMs = mailIntervalMs;
  }

  load(): void {
    for (const row of this.#log.loadDedup()) this.#keep(row);
  }

  entriesOf(groupKey: string): IterableIterator<DedupRow> {
    return (this.#entries.get(groupKey) ?? new Map<string, DedupRow>()).values();
  }

  /**
   * Decides for the given destinations and for everyone who was told of the incident before, so that a resolve goes to
   * whoever got the firing, whatever the configuration says now.
   */
  decide(record: IncidentRecord, change: WhatChanged, destinations: readonly Destination[], now: number): Decided {
    const everyone = new Map<string, Destination>();
    for (const destination of destinations) everyone.set(keyOf(destination), destination);
    for (const entry of this.entriesOf(record.row.groupKey)) everyone.set(keyOf(entry), entry);
    return this.decideFor(record, change, [...everyone.values()], now);
  }

  /** Decides for these destinations only. */
  decideFor(record: IncidentRecord, change: WhatChanged, destinations: readonly Destination[], now: number): Decided {
    const entries = this.#entries.get(record.row.groupKey);
    const decisions: Decision[] = [];
    const silent: { destination: Destination; because: Silence }[] = [];
    for (const destination of destinations) {
      const entry = entries?.get(keyOf(destination));
      const resolveIsHeld = isResolveHeld(entry, now, this.#groupIntervalMs);
      const verdict = verdictOf(entry, change, { policy: policyOf(destination.integration, this.#mailIntervalMs()), resolveIsHeld });
      if (verdict.tell) decisions.push(this.#decision(record, destination, { verdict, entry, now }));
      else silent.push({ destination, because: verdict.because });
    }
    return { decisions, silent };
  }

  /** The reminders that are due: of entries that say firing and were last loud `repeatMs` ago. */
  repeat(record: IncidentRecord, repeatMs: number, now: number): readonly Decision[] {
    const decisions: Decision[] = [];
    for (const entry of this.entriesOf(record.row.groupKey)) {
      if (entry.status !== 'firing' || entry.loudAt + repeatMs > now) continue;
      decisions.push(this.#decision(record, entry, { verdict: { reason: 'repeat', loud: true }, entry, now }));
    }
    return decisions;
  }

  /** When the next reminder is due; undefined where nobody was told. */
  repeatDueAt(groupKey: string, repeatMs: number): number | undefined {
    let due: number | undefined;
    for (const { status, loudAt } of this.entriesOf(groupKey)) {
      if (status === 'firing') due = Math.min(due ?? Infinity, loudAt + repeatMs);
    }
    return due;
  }

  /** Keeps what became of a decision. One that found no room is not kept: the next change decides anew. */
  settle({ entry }: Decision, result: EnqueueResult): void {
    if (result === 'full') return;
    // A resolve that was withdrawn together with what it would have ended is not held: nothing of it was told.
    const settled = result === 'withdrawn' ? { ...entry, decidedAt: 0 } : entry;
    this.#keep(settled);
    this.#log.saveDedup(settled);
  }

  /** The destination was not reached and does not know of the incident: whatever comes next is the first for it. */
  unreached(groupKey: string, destination: Destination): void {
    const entry = this.#entries.get(groupKey)?.get(keyOf(destination));
    if (entry === undefined || entry.status === 'resolved') return;
    const settled: DedupRow = { ...entry, status: 'resolved' };
    this.#keep(settled);
    this.#log.saveDedup(settled);
  }

  forget(groupKey: string): void {
    for (const entry of this.entriesOf(groupKey)) this.#log.deleteDedup(entry);
    this.#entries.delete(groupKey);
  }

  #keep(entry: DedupRow): void {
    const group = this.#entries.get(entry.groupKey) ?? new Map<string, DedupRow>();
    this.#entries.set(entry.groupKey, group.set(keyOf(entry), entry));
  }

  #decision(
    record: IncidentRecord,
    { receiver, integration, index }: Destination,
    { verdict, entry, now }: { verdict: Telling; entry: DedupRow | undefined; now: number },
  ): Decision {
    const { groupKey, shard } = record.row;
    const notBefore = dueAt(verdict, entry, now, {
      policy: policyOf(integration, this.#mailIntervalMs()),
      groupIntervalMs: this.#groupIntervalMs,
    });
    const status = record.firing ? 'firing' : 'resolved';
    const base = { groupKey, receiver, integration, index, shard, status, seq: (entry?.seq ?? 0) + 1, reason: verdict.reason } as const;
    return {
      message: { ...base, loud: verdict.loud, notBefore, queuedAt: now },
      entry: { ...base, decidedAt: now, loudAt: verdict.loud ? notBefore : (entry?.loudAt ?? 0) },
    };
  }
}

function keyOf({ receiver, integration, index }: Destination): string {
  return `${receiver}\n${integration}\n${index}`;
}

import type { Clock } from '../core/clock.ts';
import { silentLogger } from '../core/log.ts';
import { silentMeter } from '../core/meter.ts';
import type { Notification } from '../core/notification.ts';
import type { OutboxRow } from '../core/state.ts';
import { OwnerTable, type OwnerTableConfig } from '../routing/owners.ts';
import { Routing } from '../routing/pipeline.ts';
import type { DampingOptions, InhibitRule } from '../routing/schema.ts';
import type { MaintenanceEntry } from '../timeintervals/maintenance.ts';
import { createOpenWindows } from './maintenance-look.ts';

/** What of the configuration decides who is told. */
export interface ReplayRouting {
  readonly owners: OwnerTableConfig;
  readonly inhibitRules: readonly InhibitRule[];
  readonly maintenance: readonly MaintenanceEntry[];
  readonly damping: DampingOptions;
  readonly inhibitionHoldMs: number;
  readonly mailIntervalMs: number | undefined;
}

/** What one way to reach an owner would have been sent. */
export interface MessageCounts {
  readonly owner: string;
  readonly receiver: string;
  readonly integration: string;
  /** Messages that ping somebody because something is wrong: the first of an incident, worse, new alerts, a reminder. */
  pages: number;
  /** The loud message that all is over. */
  resolved: number;
  /** Edits in place, which ping nobody. */
  edits: number;
}

/** Nothing of a replay outlives it. */
const NO_STORE = {
  durable: true,
  durably: (write: () => void): boolean => {
    write();
    return true;
  },
  loadIncidents: () => [],
  loadIncidentAlerts: () => [],
  loadIncidentEvents: () => [],
  incidentsClosedBefore: () => [],
  saveIncident: nothing,
  deleteIncident: nothing,
  saveIncidentAlert: nothing,
  saveIncidentEvent: nothing,
  loadDedup: () => [],
  saveDedup: nothing,
  deleteDedup: nothing,
  loadSilences: () => [],
  saveSilence: nothing,
  deleteSilence: nothing,
  loadFiringKeys: () => [],
  loadMutedAlerts: () => [],
  saveMutedAlert: nothing,
  deleteMutedAlert: nothing,
};

function nothing(): void {
  // What is saved would only be read at a next start.
}

/**
 * The live routing behind a replay: the same incidents, inhibition, maintenance windows, damping and deduplication, on the
 * replay's clock. In place of the outbox stands one that delivers everything at once and counts it.
 */
export class ReplayMessages {
  readonly routing: Routing;
  readonly #clock: Clock;
  readonly #fromTs: number;
  readonly #onTold: (notification: Notification, owner: string) => boolean;
  readonly #counts = new Map<string, MessageCounts>();
  readonly #incidents = new Map<string, Set<string>>();
  readonly #waiting = new Map<string, OutboxRow>();
  readonly #owners: OwnerTable;

  /** `onTold` hears of every message after `fromTs` and says whether it counts. */
  constructor(options: ReplayRouting, clock: Clock, fromTs: number, onTold: (notification: Notification, owner: string) => boolean) {
    this.#clock = clock;
    this.#fromTs = fromTs;
    this.#onTold = onTold;
    this.#owners = new OwnerTable(options.owners);
    const { mailIntervalMs } = options;
    this.routing = new Routing({
      store: NO_STORE,
      silenceStore: NO_STORE,
      inhibitRules: () => options.inhibitRules,
      maintenance: createOpenWindows(() => options.maintenance, clock),
      damping: () => options.damping,
      inhibitionHoldMs: () => options.inhibitionHoldMs,
      outbox: {
        enqueue: (message) => this.#enqueue(message),
        holds: (groupKey) => [...this.#waiting.values()].some((message) => message.groupKey === groupKey),
        forget: nothing,
        hasTold: () => true,
      },
      owners: this.#owners,
      ...(mailIntervalMs === undefined ? {} : { mailIntervalMs: () => mailIntervalMs }),
      clock,
      log: silentLogger,
      meter: silentMeter,
    });
    this.routing.start();
  }

  /** By owner and way, in the order of their names. */
  get counts(): readonly MessageCounts[] {
    return [...this.#counts.values()].toSorted((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
  }

  /** Incidents of which an owner was told. */
  incidentsOf(owner: string): number {
    return this.#incidents.get(owner)?.size ?? 0;
  }

  stop(): void {
    this.routing.stop();
  }

  /** A newer message for the same group and destination takes the place of one that waits. */
  #enqueue(message: OutboxRow): 'queued' {
    const key = `${message.groupKey}\u0000${message.receiver}\u0000${message.integration}\u0000${message.index}`;
    this.#waiting.set(key, message);
    this.#clock.timer(Math.max(0, message.notBefore - this.#clock.now()), () => {
      if (this.#waiting.get(key) !== message) return;
      this.#waiting.delete(key);
      this.#deliver(message);
    });
    return 'queued';
  }

  #deliver(message: OutboxRow): void {
    const notification = this.routing.notificationFor(message);
    this.routing.onDelivered(message);
    if (notification === undefined || this.#clock.now() < this.#fromTs) return;
    const { owner } = notification.incident;
    if (!this.#onTold(notification, owner)) return;
    const counts = this.#countsOf(owner, message);
    if (!message.loud) counts.edits++;
    else if (message.status === 'resolved') counts.resolved++;
    else counts.pages++;
    const incidents = this.#incidents.get(owner) ?? new Set();
    this.#incidents.set(owner, incidents.add(message.groupKey));
  }

  #countsOf(owner: string, { receiver, integration }: OutboxRow): MessageCounts {
    const key = keyOf({ owner, receiver, integration });
    let counts = this.#counts.get(key);
    if (counts === undefined) this.#counts.set(key, (counts = { owner, receiver, integration, pages: 0, resolved: 0, edits: 0 }));
    return counts;
  }
}

function keyOf({ owner, receiver, integration }: Pick<MessageCounts, 'owner' | 'receiver' | 'integration'>): string {
  return `${owner}\u0000${receiver}\u0000${integration}`;
}

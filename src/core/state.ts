import type { Severity } from './alert.ts';
import type { IncidentEvent } from './incident.ts';
import type { NotifyReason, ReceiverData } from './notification.ts';

/**
 * Durable state. Every decision is written to `state.db` in the transaction that makes it, before its effect; it is
 * read only at start. If it cannot be written the change is still applied in memory and `durable` is false.
 */
export interface StateStore {
  /**
   * Runs the writes in one transaction, nested calls joining the outer one. Returns false when they could not be made
   * durable (disk full, read-only): nothing was written then, and the caller goes on in memory.
   */
  durably(write: () => void): boolean;
  /** False since the last write failed; true again after one that worked. */
  readonly durable: boolean;
}

/** The durable state of one alert of one rule; times are milliseconds of Belfry time, 0 where not set. */
export interface AlertStateRow {
  /** Content key of the rule: file, group, name and the position among rules of that name. */
  readonly ruleKey: string;
  /** `Labels.key` of the alert's identity. */
  readonly alertKey: string;
  /** The cluster, empty where there is none. */
  readonly shard: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly state: 'pending' | 'firing' | 'inactive';
  readonly value: number;
  readonly activeAt: number;
  readonly firedAt: number;
  readonly resolvedAt: number;
  readonly lastSentAt: number;
  readonly keepFiringSince: number;
  readonly resolveReason: string;
}

/** The write port of rules; `load` is called once at start. */
export interface AlertStateStore extends StateStore {
  loadAlerts(): readonly AlertStateRow[];
  saveAlert(row: AlertStateRow): void;
  deleteAlert(ruleKey: string, alertKey: string): void;
}

/** One incident. Times are milliseconds of Belfry time, 0 where not set. */
export interface IncidentRow {
  /** ULID. */
  readonly id: string;
  /** The key its messages carry: `Notification.groupKey`. */
  readonly groupKey: string;
  /** The cluster, empty where there is none. */
  readonly shard: string;
  readonly owner: string;
  readonly broker: string;
  /** For alerts that name no cluster: the alert name the incident belongs to; else empty. */
  readonly alertName: string;
  readonly severity: Severity;
  readonly openedAt: number;
  /** When its present run of firing alerts began. */
  readonly firingSince: number;
  /** When the last of its alerts was resolved; 0 while one fires. */
  readonly resolvedAt: number;
  readonly closedAt: number;
  readonly changedAt: number;
}

/** The last known state of one alert of an incident. */
export interface IncidentAlertRow {
  readonly incidentId: string;
  /** `Labels.key` of the alert's identity. */
  readonly alertKey: string;
  readonly shard: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly status: 'firing' | 'resolved';
  readonly startsAt: number;
  readonly endsAt: number;
  readonly value: number;
  readonly generatorUrl: string;
  readonly resolveReason: string;
  readonly sourceKind: 'rule' | 'api';
  readonly sourceFile: string;
  readonly sourceGroup: string;
  readonly sourceRule: string;
  readonly sourceAction: string;
}

export interface IncidentEventRow extends IncidentEvent {
  readonly incidentId: string;
  readonly shard: string;
}

/** One way to reach one receiver: `index` counts the receiver's integrations of that kind. */
export interface Destination {
  /** Such as `owner/orders`. */
  readonly receiver: string;
  /** `slack`, `email`, `webhook`. */
  readonly integration: string;
  readonly index: number;
}

/** What was last decided to tell one destination of one group. */
export interface DedupRow extends Destination {
  readonly groupKey: string;
  readonly shard: string;
  /** The state that was decided to be told. */
  readonly status: 'firing' | 'resolved';
  readonly reason: NotifyReason;
  /** Rises with every decision; `groupKey` and `seq` make the idempotency key of a message. */
  readonly seq: number;
  readonly decidedAt: number;
  /** When the last loud message was due. */
  readonly loudAt: number;
}

/** A message that is not delivered yet; its content is read from the incident when it is sent. */
export interface OutboxRow extends Destination {
  readonly groupKey: string;
  readonly shard: string;
  readonly seq: number;
  readonly reason: NotifyReason;
  readonly loud: boolean;
  readonly status: 'firing' | 'resolved';
  /** Not sent before this time. */
  readonly notBefore: number;
  /** When the oldest news in it was queued. */
  readonly queuedAt: number;
}

/** What a destination was last told of a group, and what it wants to remember. */
export interface DeliveryRow extends Destination {
  readonly groupKey: string;
  readonly shard: string;
  /** 0 while nothing was delivered. */
  readonly seq: number;
  readonly status: 'none' | 'firing' | 'resolved';
  readonly deliveredAt: number;
  readonly data: ReceiverData;
}

/** A silence as it is kept; terms and times as in `Silence`. */
export interface SilenceRow {
  readonly id: string;
  /** Empty: a silence may be about any cluster. */
  readonly shard: string;
  readonly matchers: readonly { readonly name: string; readonly op: string; readonly value: string }[];
  readonly startsAt: number;
  readonly endsAt: number;
  readonly createdBy: string;
  readonly comment: string;
  readonly annotations: Readonly<Record<string, string>>;
  readonly updatedAt: number;
}

/** An alert that was never told of, as it ended; the newest ones are kept. */
export interface MutedAlertRow {
  /** ULID. */
  readonly id: string;
  readonly shard: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly startsAt: number;
  readonly endsAt: number;
  readonly because: string;
}

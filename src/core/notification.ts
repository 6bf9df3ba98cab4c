import type { Alert } from './alert.ts';
import type { Incident, IncidentEvent } from './incident.ts';
import type { Labels } from './labels.ts';

/**
 * Why a message goes out now; logged, counted and put into the webhook body. `changed`: what clients feel is another thing
 * than was told. `note`: what the auto-pilot says of it.
 */
export type NotifyReason = 'first' | 'new_alerts' | 'worse' | 'some_resolved' | 'changed' | 'all_resolved' | 'repeat' | 'note' | 'test';

/**
 * What one receiver is to be told of one incident now: the whole present state, not a change, so that a newer one
 * replaces an older one that was not delivered. Times are milliseconds of Belfry time.
 */
export interface Notification {
  /** Stable for the life of the incident: receivers use it as their key. */
  readonly groupKey: string;
  /** Such as `owner/orders`. */
  readonly receiver: string;
  readonly reason: NotifyReason;
  /** Resolved only when no alert fires any more. */
  readonly status: 'firing' | 'resolved';
  readonly incident: Incident;
  readonly groupLabels: Labels;
  /** Firing ones first, the most severe and oldest first; then those resolved since the incident began. */
  readonly alerts: readonly Alert[];
  /** The incident's latest events (200 at most); a receiver remembers the `seq` up to which it has told them. */
  readonly events: readonly IncidentEvent[];
  /** True when people must be pinged: first, worse, all resolved, repeat, a loud note. Otherwise an edit in place is enough. */
  readonly loud: boolean;
  /** What the auto-pilot does about it now, a sentence; absent where nobody was asked. */
  readonly autopilot?: string;
  /** When the state it tells was reached. */
  readonly at: number;
  /**
   * Rises with every message of the group to this destination: `groupKey` and `seq` are the idempotency key, the same
   * again when an attempt is repeated, also after a crash. Absent in test messages.
   */
  readonly seq?: number;
}

/** What a receiver wants to remember between messages of one group: a Slack `ts`, a Message-ID, the last `seq` told. */
export type ReceiverData = Readonly<Record<string, string | number>>;

/** The outcome of one attempt. `reason` is a sentence without secrets. */
export type DeliveryOutcome =
  | { readonly kind: 'delivered'; readonly receiverData?: ReceiverData }
  /** `receiverData` where part of the work was done: the next attempt goes on from there. */
  | { readonly kind: 'retry'; readonly reason: string; readonly retryAfterMs?: number; readonly receiverData?: ReceiverData }
  | { readonly kind: 'give_up'; readonly reason: string };

/** One way to reach one receiver, such as an owner's Slack channel. One attempt a call; only the outbox retries. */
export interface Notifier {
  /** `slack`, `email`, `webhook`. */
  readonly integration: string;
  /** The bucket that rate limits apply to, such as a workspace and channel; never a secret. */
  readonly destination: string;
  /** Never throws for a failed delivery; must settle soon after the signal is aborted. */
  notify(notification: Notification, previous: ReceiverData, signal: AbortSignal): Promise<DeliveryOutcome>;
}

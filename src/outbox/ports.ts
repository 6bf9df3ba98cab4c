import type { Notification, Notifier } from '../core/notification.ts';
import type { DeliveryRow, Destination, OutboxRow, StateStore } from '../core/state.ts';

/** Finds the way to a destination in the configuration that is loaded now; undefined when it is not there any more. */
export type NotifierLookup = (destination: Destination) => Notifier | undefined;

/**
 * The present state of a group as a message to one destination, made when it is sent; undefined when the group is not
 * known any more.
 */
export type NotificationSource = (message: OutboxRow) => Notification | undefined;

/** Where undelivered messages and what was delivered are kept; read once at start. */
export interface OutboxStore extends StateStore {
  loadMessages(): readonly OutboxRow[];
  saveMessage(row: OutboxRow): void;
  deleteMessage(row: OutboxRow): void;
  loadDeliveries(): readonly DeliveryRow[];
  saveDelivery(row: DeliveryRow): void;
  deleteDelivery(row: DeliveryRow): void;
}

/** What happened to messages; for routing, tests and benches. A listener must not throw. */
export interface OutboxListener {
  /** The destination has it. `latencyMs` is from the decision. */
  onDelivered?(message: OutboxRow, latencyMs: number): void;
  onRetry?(message: OutboxRow, reason: string, delayMs: number): void;
  /** The message has waited for so long that somebody else may be told; once, and once more after a start. */
  onOverdue?(message: OutboxRow, reason: string): void;
  /** Called within the transaction that removes the message. `told` is what the destination was last told of the group. */
  onGiveUp?(message: OutboxRow, reason: string, told: DeliveryRow['status']): void;
}

import type { NotifyReason } from '../core/notification.ts';
import type { Destination, OutboxRow } from '../core/state.ts';

/** Of two reasons to tell the same state, the one further up is kept. */
const REASONS: readonly NotifyReason[] = [
  'first',
  'worse',
  'repeat',
  'all_resolved',
  'note',
  'new_alerts',
  'some_resolved',
  'changed',
  'test',
];

/**
 * One message out of an older one that was not delivered and a newer one for the same group and destination. The newer
 * says what the state is. Of two that say that it fires, the more urgent says why, how loud and how soon, as nobody was
 * told of the older; between firing and resolved the newer alone counts.
 */
export function replaceMessage(older: OutboxRow, newer: OutboxRow): OutboxRow {
  const queuedAt = Math.min(older.queuedAt, newer.queuedAt);
  if (older.status !== newer.status) return { ...newer, queuedAt };
  const olderReasonIsHigher = REASONS.indexOf(older.reason) < REASONS.indexOf(newer.reason);
  return {
    ...newer,
    reason: olderReasonIsHigher ? older.reason : newer.reason,
    loud: older.loud || newer.loud,
    notBefore: Math.min(older.notBefore, newer.notBefore),
    queuedAt,
  };
}

/** Since when it might have been sent. */
export function dueSince({ queuedAt, notBefore }: OutboxRow): number {
  return Math.max(queuedAt, notBefore);
}

export function messageKey({ groupKey, receiver, integration, index }: Destination & { readonly groupKey: string }): string {
  return `${groupKey}\n${receiver}\n${integration}\n${index}`;
}

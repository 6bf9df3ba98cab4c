import type { ReceiverData } from '../core/notification.ts';
import type { DeliveryRow, OutboxRow } from '../core/state.ts';
import { messageKey } from './message.ts';
import type { OutboxStore } from './ports.ts';

/** What each destination was last told of each group, and what it remembers; kept until the group is over. */
export class DeliveryLog {
  readonly #store: OutboxStore;
  readonly #rows = new Map<string, DeliveryRow>();
  readonly #byGroup = new Map<string, Set<string>>();

  constructor(store: OutboxStore) {
    this.#store = store;
  }

  load(): void {
    for (const row of this.#store.loadDeliveries()) this.#keep(messageKey(row), row);
  }

  statusOf(key: string): DeliveryRow['status'] {
    return this.#rows.get(key)?.status ?? 'none';
  }

  /** Whether the receiver was last told, by one way or another, that the group fires. */
  hasTold(groupKey: string, receiver: string): boolean {
    for (const key of this.#byGroup.get(groupKey) ?? []) {
      const row = this.#rows.get(key);
      if (row?.receiver === receiver && row.status === 'firing') return true;
    }
    return false;
  }

  dataOf(key: string): ReceiverData {
    return this.#rows.get(key)?.data ?? {};
  }

  /** Within the transaction that removes the message. Without new data the old is kept. */
  delivered(key: string, message: OutboxRow, data: ReceiverData | undefined, at: number): void {
    this.#save(key, {
      ...destinationOf(message),
      seq: message.seq,
      status: message.status,
      deliveredAt: at,
      data: data ?? this.dataOf(key),
    });
  }

  /** Part of the work was done: the next attempt goes on from there, also after a restart. */
  progressed(key: string, message: OutboxRow, data: ReceiverData): void {
    const { seq, status, deliveredAt } = this.#rows.get(key) ?? { seq: 0, status: 'none' as const, deliveredAt: 0 };
    this.#save(key, { ...destinationOf(message), seq, status, deliveredAt, data });
  }

  forget(groupKey: string): void {
    for (const key of this.#byGroup.get(groupKey) ?? []) {
      const row = this.#rows.get(key);
      if (row !== undefined) this.#store.deleteDelivery(row);
      this.#rows.delete(key);
    }
    this.#byGroup.delete(groupKey);
  }

  #save(key: string, row: DeliveryRow): void {
    this.#keep(key, row);
    this.#store.saveDelivery(row);
  }

  #keep(key: string, row: DeliveryRow): void {
    this.#rows.set(key, row);
    const group = this.#byGroup.get(row.groupKey) ?? new Set();
    this.#byGroup.set(row.groupKey, group.add(key));
  }
}

function destinationOf({
  groupKey,
  receiver,
  integration,
  index,
  shard,
}: OutboxRow): Pick<DeliveryRow, 'groupKey' | 'receiver' | 'integration' | 'index' | 'shard'> {
  return { groupKey, receiver, integration, index, shard };
}

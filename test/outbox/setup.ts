import { ManualClock } from '../../src/core/clock.ts';
import { Labels } from '../../src/core/labels.ts';
import { silentLogger } from '../../src/core/log.ts';
import { silentMeter, type Meter } from '../../src/core/meter.ts';
import type { Notification } from '../../src/core/notification.ts';
import type { DeliveryRow, OutboxRow } from '../../src/core/state.ts';
import { messageKey } from '../../src/outbox/message.ts';
import type { OutboxSettings } from '../../src/outbox/options.ts';
import { Outbox } from '../../src/outbox/outbox.ts';
import type { OutboxStore } from '../../src/outbox/ports.ts';
import { FakeNotifier } from './fake-notifier.ts';

/** Rows in memory; `transactions` counts commits. */
export class MemoryOutboxStore implements OutboxStore {
  readonly messages = new Map<string, OutboxRow>();
  readonly deliveries = new Map<string, DeliveryRow>();
  readonly durable = true;
  transactions = 0;

  durably(write: () => void): boolean {
    this.transactions++;
    write();
    return true;
  }

  loadMessages = (): readonly OutboxRow[] => [...this.messages.values()];
  saveMessage(row: OutboxRow): void {
    this.messages.set(messageKey(row), row);
  }
  deleteMessage(row: OutboxRow): void {
    this.messages.delete(messageKey(row));
  }
  loadDeliveries = (): readonly DeliveryRow[] => [...this.deliveries.values()];
  saveDelivery(row: DeliveryRow): void {
    this.deliveries.set(messageKey(row), row);
  }
  deleteDelivery(row: DeliveryRow): void {
    this.deliveries.delete(messageKey(row));
  }
}

/** An outbox with fake destinations; what happens to messages is told in `events`. */
export class OutboxSetup {
  readonly clock = new ManualClock();
  readonly store = new MemoryOutboxStore();
  readonly notifiers = new Map<string, FakeNotifier>();
  readonly events: string[] = [];
  readonly known = new Set<string>();
  outbox: Outbox;
  readonly #settings: Partial<OutboxSettings>;
  readonly #meter: Meter;

  constructor(settings: Partial<OutboxSettings> = {}, meter = silentMeter) {
    this.#settings = settings;
    this.#meter = meter;
    this.outbox = this.#make();
  }

  notifier(integration = 'webhook', receiver = 'owner/orders'): FakeNotifier {
    const name = `${receiver} ${integration}`;
    const notifier = this.notifiers.get(name) ?? new FakeNotifier(integration, `of ${name}`);
    this.notifiers.set(name, notifier);
    return notifier;
  }

  message(changes: Partial<OutboxRow> = {}): OutboxRow {
    const now = this.clock.now();
    return {
      groupKey: 'incident/1',
      receiver: 'owner/orders',
      integration: 'webhook',
      index: 0,
      shard: 'orders-dal',
      seq: 1,
      reason: 'first',
      loud: true,
      status: 'firing',
      notBefore: now,
      queuedAt: now,
      ...changes,
    };
  }

  async enqueue(changes: Partial<OutboxRow> = {}): Promise<'queued' | 'withdrawn' | 'full'> {
    const message = this.message(changes);
    this.known.add(message.groupKey);
    const result = this.outbox.enqueue(message);
    await this.clock.advance(0);
    return result;
  }

  async stop(): Promise<void> {
    const stopped = this.outbox.stop(0);
    await this.clock.advance(0);
    await stopped;
  }

  /** The process is started again, on what was stored. */
  restart(): void {
    this.outbox = this.#make();
  }

  #make(): Outbox {
    const outbox = new Outbox({
      store: this.store,
      notifierFor: ({ receiver, integration }) => this.notifiers.get(`${receiver} ${integration}`),
      notificationFor: (message) => (this.known.has(message.groupKey) ? notificationOf(message) : undefined),
      clock: this.clock,
      log: silentLogger,
      meter: this.#meter,
      settings: this.#settings,
      random: () => 0,
      listeners: [
        {
          onDelivered: ({ seq, reason }, latencyMs) => void this.events.push(`delivered ${seq} ${reason} after ${latencyMs} ms`),
          onRetry: ({ seq }, reason, delayMs) => void this.events.push(`retry ${seq} in ${delayMs} ms: ${reason}`),
          onOverdue: ({ seq }, reason) => void this.events.push(`overdue ${seq}: ${reason}`),
          onGiveUp: ({ seq }, reason, told) => void this.events.push(`gave up ${seq}, told ${told}: ${reason}`),
        },
      ],
    });
    outbox.load();
    outbox.start();
    return outbox;
  }
}

function notificationOf({ groupKey, receiver, reason, status, loud, seq, queuedAt, shard }: OutboxRow): Notification {
  return {
    groupKey,
    receiver,
    reason,
    status,
    loud,
    seq,
    at: queuedAt,
    incident: {
      id: '1',
      owner: 'orders',
      cluster: shard,
      broker: '2',
      openedAt: queuedAt,
      closedAt: undefined,
      severity: 'warning',
    },
    groupLabels: Labels.of({ cluster: shard }),
    alerts: [],
    events: [],
  };
}

import type { Timer } from '../core/clock.ts';
import { errorText } from '../core/errors.ts';
import type { DeliveryOutcome, Notification } from '../core/notification.ts';
import type { OutboxRow } from '../core/state.ts';
import { attempt } from './attempt.ts';
import { DeliveryLog } from './delivery-log.ts';
import { Lane, newSlot, type Slot } from './lane.ts';
import { OutboxMeters } from './meters.ts';
import { dueSince, messageKey, replaceMessage } from './message.ts';
import { OUTBOX_SETTINGS, type OutboxOptions, type OutboxSettings } from './options.ts';
import type { OutboxListener } from './ports.ts';
import type { Rate } from './token-bucket.ts';

/**
 * The durable queue of messages. At most one waits for each group and destination; its content is read from the incident
 * when it is sent. A message leaves the queue in the transaction that notes its delivery, so that after a crash it is
 * sent again with the same `seq`: at least once, doubled at most where an attempt was under way.
 */
export class Outbox {
  readonly #options: OutboxOptions;
  #settings: OutboxSettings;
  readonly #listeners: OutboxListener[];
  readonly #meters: OutboxMeters;
  readonly #deliveries: DeliveryLog;
  readonly #slots = new Map<string, Slot>();
  readonly #groups = new Map<string, number>();
  readonly #lanes = new Map<string, Lane>();
  readonly #laneOf = new Map<Slot, Lane>();
  readonly #inFlight = new Set<{ readonly abort: AbortController; readonly done: Promise<void>; readonly startedAt: number }>();
  #concludedAt = 0;
  #startedAt = 0;
  #state: 'new' | 'running' | 'stopping' | 'stopped' = 'new';
  #pumpIsDue = false;
  #meterTimer: Timer | undefined;
  #measuredAt = 0;
  #stopping: Promise<void> | undefined;

  constructor(options: OutboxOptions) {
    this.#options = options;
    this.#settings = { ...OUTBOX_SETTINGS, ...options.settings };
    this.#listeners = [...(options.listeners ?? [])];
    this.#meters = new OutboxMeters(options.meter);
    this.#deliveries = new DeliveryLog(options.store);
  }

  listen(listener: OutboxListener): void {
    this.#listeners.push(listener);
  }

  /** Reads what was queued when the process ended. Before routing starts, which asks `holds`. */
  load(): void {
    this.#deliveries.load();
    for (const message of this.#options.store.loadMessages()) this.#add(message, true);
  }

  /** Begins to deliver; after routing has started, which knows what the messages say. */
  start(): void {
    if (this.#state !== 'new') return;
    this.#state = 'running';
    this.#startedAt = this.#options.clock.now();
    this.#schedulePump();
  }

  /** The configuration has changed: destinations are looked up anew, with these settings over the standard ones. */
  reload(settings: Partial<OutboxSettings> = this.#settings): void {
    const { clock } = this.#options;
    this.#settings = { ...OUTBOX_SETTINGS, ...settings };
    for (const lane of this.#lanes.values()) lane.bucket.change(this.#rateOf(lane.integration), clock.now());
    for (const [slot, lane] of this.#laneOf) {
      if (slot.sending !== undefined) continue;
      lane.slots.delete(slot);
      this.#assign(slot);
    }
    this.#meters.forgetDead((destination) => this.#options.notifierFor(destination) === undefined);
    this.#schedulePump();
  }

  get size(): number {
    return this.#slots.size;
  }

  /** How long the oldest message has waited, 0 where none does. */
  get oldestMs(): number {
    const now = this.#options.clock.now();
    let oldest = now;
    for (const { waiting, sending } of this.#slots.values()) oldest = Math.min(oldest, (sending ?? waiting)?.queuedAt ?? now);
    return now - oldest;
  }

  /**
   * When it last did its work: now where nothing is due, else when an attempt last came to an end, whatever the end, or
   * since when what is due waits.
   */
  get workedAt(): number {
    const now = this.#options.clock.now();
    let since = now;
    for (const { startedAt } of this.#inFlight) since = Math.min(since, startedAt);
    for (const lane of this.#lanes.values()) {
      const next = lane.sending ? undefined : lane.next(now);
      if (next === undefined || next.at > now) continue;
      const from = next.slot.waiting === undefined ? now : dueSince(next.slot.waiting);
      since = Math.min(since, Math.max(from, next.slot.retryAt, lane.pausedUntil, this.#startedAt));
    }
    return Math.max(since, this.#concludedAt);
  }

  holds(groupKey: string): boolean {
    return this.#groups.has(groupKey);
  }

  /** Whether the receiver was last told, by one way or another, that the group fires. */
  hasTold(groupKey: string, receiver: string): boolean {
    return this.#deliveries.hasTold(groupKey, receiver);
  }

  forget(groupKey: string): void {
    this.#deliveries.forget(groupKey);
  }

  /**
   * Queues a message in the transaction that is open; it is sent after that has ended. `withdrawn`: it would end what was
   * never told, so that both are dropped. `full`: there was no room (OUTBOX_FULL).
   */
  enqueue(message: OutboxRow): 'queued' | 'withdrawn' | 'full' {
    const slot = this.#slots.get(messageKey(message));
    if (slot === undefined) {
      if (!this.#makeRoom(message)) return 'full';
      this.#options.store.saveMessage(message);
      this.#add(message, false);
    } else {
      const told = this.#deliveries.statusOf(slot.key);
      if (message.status === 'resolved' && !slot.maybeSent && told !== 'firing') {
        this.#remove(slot, slot.waiting ?? message);
        this.#meters.dropped('withdrawn');
        return 'withdrawn';
      }
      slot.waiting = slot.waiting === undefined ? message : replaceMessage(slot.waiting, message);
      // While one is on its way the row must stand for both: after a crash nobody knows whether that one arrived.
      this.#options.store.saveMessage(slot.sending === undefined ? slot.waiting : replaceMessage(slot.sending, slot.waiting));
    }
    this.#schedulePump();
    return 'queued';
  }

  /**
   * Goes on delivering what is due within the time, cuts off what is on its way then, and keeps the rest for the next
   * start. Idempotent.
   */
  stop(withinMs: number): Promise<void> {
    this.#stopping ??= this.#stop(withinMs);
    return this.#stopping;
  }

  async #stop(withinMs: number): Promise<void> {
    const { clock } = this.#options;
    const deadline = clock.now() + withinMs;
    if (this.#state === 'running') {
      this.#state = 'stopping';
      let isOver = false;
      const end = clock.timer(withinMs, () => {
        isOver = true;
        // From here on nothing more is begun.
        this.#state = 'stopped';
        for (const { abort } of this.#inFlight) abort.abort(new Error('Belfry is stopping'));
        this.#wakeStop();
      });
      while (!isOver && (this.#inFlight.size > 0 || this.#dueBy(deadline))) await new Promise<void>((wake) => (this.#wakeStop = wake));
      end.cancel();
    }
    this.#state = 'stopped';
    await Promise.all([...this.#inFlight].map(({ done }) => done));
    for (const lane of this.#lanes.values()) lane.timer?.cancel();
    this.#meterTimer?.cancel();
    if (this.#slots.size > 0) this.#options.log.info('outbox_kept', { messages: this.#slots.size });
  }

  #wakeStop = (): void => undefined;

  #dueBy(deadline: number): boolean {
    const now = this.#options.clock.now();
    for (const lane of this.#lanes.values()) if ((lane.next(now)?.at ?? Infinity) < deadline) return true;
    return false;
  }

  /** After the present turn, and so after the transaction that is open, whoever opened it. */
  #schedulePump(): void {
    if (this.#pumpIsDue || (this.#state !== 'running' && this.#state !== 'stopping')) return;
    this.#pumpIsDue = true;
    queueMicrotask(() => {
      this.#pumpIsDue = false;
      this.#pump();
    });
  }

  #pump(): void {
    if (this.#state !== 'running' && this.#state !== 'stopping') return;
    const now = this.#options.clock.now();
    for (const lane of this.#lanes.values()) {
      lane.timer?.cancel();
      lane.timer = undefined;
      if (lane.sending) continue;
      const next = lane.next(now);
      if (next === undefined) {
        if (lane.isIdle(now)) this.#lanes.delete(lane.name);
      } else if (next.at > now) lane.timer = this.#options.clock.timer(next.at - now, () => this.#pump(), { unref: true });
      else if (this.#inFlight.size < this.#settings.concurrency) this.#send(lane, next.slot, now);
    }
    this.#measure();
    if (this.#state === 'stopping') this.#wakeStop();
  }

  #send(lane: Lane, slot: Slot, now: number): void {
    const message = slot.waiting;
    if (message === undefined) return;
    slot.sending = message;
    slot.waiting = undefined;
    slot.maybeSent = true;
    lane.sending = true;
    lane.bucket.take(now);
    const abort = new AbortController();
    const done = this.#attempt(message, slot, abort).then((outcome) => {
      this.#inFlight.delete(flight);
      this.#concludedAt = this.#options.clock.now();
      lane.sending = false;
      this.#settle(lane, slot, message, outcome);
      this.#pump();
    });
    const flight = { abort, done, startedAt: now };
    this.#inFlight.add(flight);
  }

  async #attempt(message: OutboxRow, slot: Slot, abort: AbortController): Promise<DeliveryOutcome> {
    const notifier = this.#options.notifierFor(message);
    if (notifier === undefined) return { kind: 'give_up', reason: `${message.receiver} has no ${message.integration} any more` };
    const { clock, notificationFor } = this.#options;
    let notification: Notification | undefined;
    try {
      notification = notificationFor(message);
    } catch (error) {
      return { kind: 'retry', reason: `the message could not be made: ${errorText(error)}` };
    }
    if (notification === undefined) return { kind: 'give_up', reason: 'its incident is not known any more' };
    const previous = this.#deliveries.dataOf(slot.key);
    return attempt(notifier, { notification, previous, abort, timeoutMs: this.#settings.attemptTimeoutMs, clock });
  }

  #settle(lane: Lane, slot: Slot, message: OutboxRow, outcome: DeliveryOutcome): void {
    slot.sending = undefined;
    try {
      if (outcome.kind === 'delivered') this.#delivered(slot, message, outcome);
      else if (outcome.kind === 'give_up') this.#giveUp(slot, message, outcome.reason);
      else this.#retry(lane, slot, message, outcome);
    } catch (error) {
      this.#options.log.error('outbox_settle_failed', { group: message.groupKey, error: errorText(error) });
    }
  }

  #delivered(slot: Slot, message: OutboxRow, outcome: DeliveryOutcome & { kind: 'delivered' }): void {
    const { clock, store, log } = this.#options;
    const now = clock.now();
    slot.failures = 0;
    slot.retryAt = 0;
    slot.maybeSent = false;
    slot.overdue = false;
    store.durably(() => {
      this.#deliveries.delivered(slot.key, message, outcome.receiverData, now);
      if (slot.waiting === undefined) this.#remove(slot, message);
      else store.saveMessage(slot.waiting);
      for (const listener of this.#listeners) listener.onDelivered?.(message, now - message.queuedAt);
    });
    this.#meters.delivered(message, now - message.queuedAt);
    const { groupKey: group, receiver, integration, reason, seq, queuedAt } = message;
    log.info('notification_delivered', { group, receiver, integration, reason, seq, latency_ms: now - queuedAt });
  }

  #retry(lane: Lane, slot: Slot, message: OutboxRow, outcome: DeliveryOutcome & { kind: 'retry' }): void {
    const { clock, store, log, random } = this.#options;
    const { retryFirstMs, retryLastMs, retryAfterMaxMs, giveUpAfterMs } = this.#settings;
    const now = clock.now();
    if (now - message.queuedAt >= giveUpAfterMs) {
      this.#giveUp(slot, message, `given up after ${Math.round(giveUpAfterMs / 60_000)} min: ${outcome.reason}`);
      return;
    }
    slot.waiting = slot.waiting === undefined ? message : replaceMessage(message, slot.waiting);
    const backoff = Math.min(retryLastMs, retryFirstMs * 2 ** Math.min(slot.failures, 30));
    const jittered = backoff * (1 - (random ?? Math.random)() / 2);
    const asked = Math.min(outcome.retryAfterMs ?? 0, retryAfterMaxMs);
    const delayMs = Math.ceil(Math.max(jittered, asked));
    slot.failures++;
    slot.reason = outcome.reason;
    slot.retryAt = now + delayMs;
    if (asked > 0) lane.pausedUntil = Math.max(lane.pausedUntil, now + asked);
    const { receiverData } = outcome;
    if (receiverData !== undefined) store.durably(() => this.#deliveries.progressed(slot.key, message, receiverData));
    this.#meters.retried(message);
    const { groupKey: group, receiver, integration, seq } = message;
    log.warn('notification_retried', { group, receiver, integration, seq, reason: outcome.reason, delay_ms: delayMs });
    for (const listener of this.#listeners) listener.onRetry?.(message, outcome.reason, delayMs);
  }

  /** The destination is dead for this message. A newer one that came meanwhile takes it over and is still tried. */
  #giveUp(slot: Slot, message: OutboxRow, reason: string): void {
    const { store, log } = this.#options;
    const { groupKey: group, receiver, integration, seq } = message;
    slot.failures = 0;
    slot.retryAt = 0;
    store.durably(() => {
      if (slot.waiting !== undefined) {
        slot.waiting = { ...replaceMessage(message, slot.waiting), queuedAt: slot.waiting.queuedAt };
        store.saveMessage(slot.waiting);
        return;
      }
      this.#remove(slot, message);
      const told = this.#deliveries.statusOf(slot.key);
      for (const listener of this.#listeners) listener.onGiveUp?.(message, reason, told);
    });
    if (this.#options.notifierFor(message) === undefined) this.#meters.failed(message, 'give_up');
    else this.#meters.gaveUp(message);
    log.error('notification_given_up', { group, receiver, integration, seq, reason });
  }

  #add(message: OutboxRow, maybeSent: boolean): void {
    const slot = newSlot(message, maybeSent);
    this.#slots.set(slot.key, slot);
    this.#groups.set(message.groupKey, (this.#groups.get(message.groupKey) ?? 0) + 1);
    this.#assign(slot);
  }

  #remove(slot: Slot, message: OutboxRow): void {
    this.#options.store.deleteMessage(message);
    this.#slots.delete(slot.key);
    const left = (this.#groups.get(message.groupKey) ?? 1) - 1;
    if (left > 0) this.#groups.set(message.groupKey, left);
    else this.#groups.delete(message.groupKey);
    this.#laneOf.get(slot)?.slots.delete(slot);
    this.#laneOf.delete(slot);
  }

  /** Puts a slot into the lane of its destination. */
  #assign(slot: Slot): void {
    const message = slot.waiting ?? slot.sending;
    if (message === undefined) return;
    const notifier = this.#options.notifierFor(message);
    const name =
      notifier === undefined ? `gone ${message.receiver} ${message.integration}` : `${notifier.integration} ${notifier.destination}`;
    const { integration } = message;
    const lane = this.#lanes.get(name) ?? new Lane({ name, integration, rate: this.#rateOf(integration) }, this.#options.clock.now());
    this.#lanes.set(name, lane);
    lane.slots.add(slot);
    this.#laneOf.set(slot, lane);
  }

  #rateOf(integration: string): Rate {
    return this.#settings.rates[integration] ?? this.#settings.otherRate;
  }

  /** Room for one more: the oldest message that pings nobody goes first. */
  #makeRoom(message: OutboxRow): boolean {
    if (this.#slots.size < this.#settings.messagesMax) return true;
    for (const slot of this.#slots.values()) {
      if (slot.waiting === undefined || slot.waiting.loud || slot.sending !== undefined) continue;
      this.#remove(slot, slot.waiting);
      this.#meters.dropped('full');
      return true;
    }
    this.#meters.dropped('full');
    const { groupKey: group, receiver, reason } = message;
    this.#options.log.error('outbox_full', { code: 'OUTBOX_FULL', group, receiver, reason });
    return false;
  }

  /** Says of each message once that it has waited for too long, whether it was tried or its destination is left alone. */
  #tellOverdue(now: number): void {
    for (const slot of this.#slots.values()) {
      const message = slot.sending ?? slot.waiting;
      if (slot.overdue || message === undefined || now - dueSince(message) < this.#settings.overdueAfterMs) continue;
      slot.overdue = true;
      for (const listener of this.#listeners) listener.onOverdue?.(message, slot.reason);
    }
  }

  /** The age is looked up once a second at most: it takes a look at every message. */
  #measure(): void {
    const now = this.#options.clock.now();
    this.#meters.size(this.#slots.size);
    if (this.#slots.size > 0 && now - this.#measuredAt < 1000) return;
    this.#measuredAt = now;
    this.#meterTimer?.cancel();
    this.#meters.age(this.oldestMs);
    this.#tellOverdue(now);
    if (this.#slots.size > 0) this.#meterTimer = this.#options.clock.timer(10_000, () => this.#measure(), { unref: true });
  }
}

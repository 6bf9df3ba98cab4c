import type { Timer } from '../core/clock.ts';
import type { OutboxRow } from '../core/state.ts';
import { messageKey } from './message.ts';
import { TokenBucket, type Rate } from './token-bucket.ts';

/**
 * What the outbox knows of one group at one destination: the message that waits, and the one that is on its way. At least
 * one of them is there.
 */
export interface Slot {
  readonly key: string;
  waiting: OutboxRow | undefined;
  sending: OutboxRow | undefined;
  /** Attempts that failed since the last delivery. */
  failures: number;
  /** Why the last one did; empty where none has. */
  reason: string;
  /** It has been said that its message is overdue. */
  overdue: boolean;
  /** Not tried again before this time. */
  retryAt: number;
  /**
   * Whether some of it may have reached the destination: an attempt was made, or may have been made before a restart.
   * Only what was certainly never sent may be withdrawn.
   */
  maybeSent: boolean;
}

export function newSlot(message: OutboxRow, maybeSent: boolean): Slot {
  const none = { sending: undefined, failures: 0, reason: '', overdue: false, retryAt: 0 };
  return { key: messageKey(message), waiting: message, ...none, maybeSent };
}

/** One destination: one attempt at a time, at its own pace. */
export class Lane {
  readonly name: string;
  readonly integration: string;
  readonly slots = new Set<Slot>();
  readonly bucket: TokenBucket;
  sending = false;
  /** Not called before this time: it asked to be left alone (Retry-After). */
  pausedUntil = 0;
  timer: Timer | undefined;

  constructor({ name, integration, rate }: { name: string; integration: string; rate: Rate }, now: number) {
    this.name = name;
    this.integration = integration;
    this.bucket = new TokenBucket(rate, now);
  }

  /** Nothing to send, and nothing about its pace to remember. */
  isIdle(now: number): boolean {
    return !this.sending && this.slots.size === 0 && this.pausedUntil <= now && this.bucket.isFull(now);
  }

  /** The slot to send next, and from when: loud before quiet, then the oldest; where none is due, the first that will be. */
  next(now: number): { readonly slot: Slot; readonly at: number } | undefined {
    const free = Math.max(this.pausedUntil, this.bucket.readyAt(now));
    let best: { slot: Slot; message: OutboxRow; at: number } | undefined;
    for (const slot of this.slots) {
      const message = slot.waiting;
      if (message === undefined) continue;
      const at = Math.max(now, free, message.notBefore, slot.retryAt);
      if (best === undefined || isBefore({ message, at }, best)) best = { slot, message, at };
    }
    return best;
  }
}

function isBefore(a: { message: OutboxRow; at: number }, b: { message: OutboxRow; at: number }): boolean {
  if (a.at !== b.at) return a.at < b.at;
  if (a.message.loud !== b.message.loud) return a.message.loud;
  return a.message.queuedAt < b.message.queuedAt;
}

import type { Clock } from '../core/clock.ts';
import { LIMITS } from '../core/limits.ts';
import type { Logger } from '../core/log.ts';
import type { Meter } from '../core/meter.ts';
import type { NotificationSource, NotifierLookup, OutboxListener, OutboxStore } from './ports.ts';
import type { Rate } from './token-bucket.ts';

export interface OutboxOptions {
  readonly store: OutboxStore;
  readonly notifierFor: NotifierLookup;
  readonly notificationFor: NotificationSource;
  readonly clock: Clock;
  readonly log: Logger;
  readonly meter: Meter;
  readonly listeners?: readonly OutboxListener[];
  readonly settings?: Partial<OutboxSettings>;
  /** From 0 to below 1, for the jitter of retries. */
  readonly random?: () => number;
}

export interface OutboxSettings {
  /** Messages that wait or are on their way, over all destinations. */
  readonly messagesMax: number;
  /** Attempts at the same time, over all destinations; one destination has one. */
  readonly concurrency: number;
  readonly attemptTimeoutMs: number;
  /** The first delay after a failed attempt, doubled up to the last; each is cut by up to a half by chance. */
  readonly retryFirstMs: number;
  readonly retryLastMs: number;
  /** A longer Retry-After is not believed. */
  readonly retryAfterMaxMs: number;
  /** A message that could not be delivered for so long is given up. */
  readonly giveUpAfterMs: number;
  /** A message that has waited for so long is overdue: somebody else may be told. */
  readonly overdueAfterMs: number;
  /** By integration, of each destination by itself. */
  readonly rates: Readonly<Record<string, Rate>>;
  readonly otherRate: Rate;
}

export const OUTBOX_SETTINGS: OutboxSettings = {
  messagesMax: LIMITS.outboxMessages,
  concurrency: 32,
  attemptTimeoutMs: 10_000,
  retryFirstMs: 1000,
  retryLastMs: 5 * 60_000,
  retryAfterMaxMs: 3_600_000,
  giveUpAfterMs: 24 * 3_600_000,
  overdueAfterMs: 15 * 60_000,
  // Slack allows one message a second in a channel, short bursts aside (docs.slack.dev, rate limits of chat.postMessage).
  rates: { slack: { perSecond: 1, burst: 3 }, email: { perSecond: 5, burst: 10 } },
  otherRate: { perSecond: 20, burst: 50 },
};

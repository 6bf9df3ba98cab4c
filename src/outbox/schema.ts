import { z } from 'zod';
import { duration, strict } from '../core/schema-parts.ts';
import { OUTBOX_SETTINGS, type OutboxSettings } from './options.ts';
import type { Rate } from './token-bucket.ts';

const MINUTE_MS = 60_000;
const { rates: RATES, otherRate: OTHER_RATE } = OUTBOX_SETTINGS;

/** `delivery:` as the process uses it: how messages are sent, and who is told in the place of those who cannot be reached. */
export interface DeliverySettings {
  readonly outbox: Omit<OutboxSettings, 'messagesMax' | 'concurrency'>;
  /** The owner who is told then; undefined: the default owner. */
  readonly fallbackTo: string | undefined;
}

/** Of one destination: a Slack channel or workspace, a mail server, the host of a webhook. */
function rate(standard: Rate) {
  return strict({
    per_second: z.number().min(0.01).max(1000).default(standard.perSecond),
    burst: z.number().int().min(1).max(1000).default(standard.burst),
  })
    .prefault({})
    .transform(({ per_second, burst }): Rate => ({ perSecond: per_second, burst }));
}

/** `delivery:` in belfry.yaml. */
export const deliverySchema = strict({
  attempt_timeout: duration({ minMs: 100 }).default(OUTBOX_SETTINGS.attemptTimeoutMs),
  retry_first: duration({ minMs: 100 }).default(OUTBOX_SETTINGS.retryFirstMs),
  retry_last: duration({ minMs: 100 }).default(OUTBOX_SETTINGS.retryLastMs),
  retry_after_max: duration({ minMs: 1000 }).default(OUTBOX_SETTINGS.retryAfterMaxMs),
  give_up_after: duration({ minMs: MINUTE_MS }).default(OUTBOX_SETTINGS.giveUpAfterMs),
  rates: strict({
    slack: rate(RATES['slack'] ?? OTHER_RATE),
    email: rate(RATES['email'] ?? OTHER_RATE),
    webhook: rate(OTHER_RATE),
  }).prefault({}),
  fallback: strict({ to: z.string().min(1).optional(), after: duration({ minMs: 1000 }).default(OUTBOX_SETTINGS.overdueAfterMs) }).prefault(
    {},
  ),
})
  .refine(({ retry_first, retry_last }) => retry_first <= retry_last, { path: ['retry_first'], error: 'longer than retry_last' })
  .prefault({})
  .transform(({ attempt_timeout, retry_first, retry_last, retry_after_max, give_up_after, rates, fallback }): DeliverySettings => ({
    outbox: {
      attemptTimeoutMs: attempt_timeout,
      retryFirstMs: retry_first,
      retryLastMs: retry_last,
      retryAfterMaxMs: retry_after_max,
      giveUpAfterMs: give_up_after,
      overdueAfterMs: fallback.after,
      rates,
      otherRate: OTHER_RATE,
    },
    fallbackTo: fallback.to,
  }));

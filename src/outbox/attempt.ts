import type { Clock } from '../core/clock.ts';
import { errorText } from '../core/errors.ts';
import type { DeliveryOutcome, Notification, Notifier, ReceiverData } from '../core/notification.ts';

/** How long a notifier may take to end after it was aborted. */
const GRACE_MS = 1000;

export interface AttemptOptions {
  readonly notification: Notification;
  readonly previous: ReceiverData;
  readonly abort: AbortController;
  readonly timeoutMs: number;
  readonly clock: Clock;
}

/**
 * One attempt that always ends: aborted after the timeout, and no longer waited for a second after any abort. Whatever a
 * notifier throws is a failed attempt.
 */
export async function attempt(
  notifier: Notifier,
  { notification, previous, abort, timeoutMs, clock }: AttemptOptions,
): Promise<DeliveryOutcome> {
  const { signal } = abort;
  const timer = clock.timer(timeoutMs, () => abort.abort(new Error(`no answer within ${timeoutMs} ms`)));
  let graceIsOver = (): void => undefined;
  const abandoned = new Promise<DeliveryOutcome>((resolve) => {
    const onAbort = (): void => {
      const grace = clock.timer(GRACE_MS, () => resolve({ kind: 'retry', reason: errorText(signal.reason) }));
      graceIsOver = () => grace.cancel();
    };
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
  });
  try {
    return await Promise.race([notifier.notify(notification, previous, signal), abandoned]);
  } catch (error) {
    return { kind: 'retry', reason: errorText(error) };
  } finally {
    timer.cancel();
    graceIsOver();
  }
}

import { errorText } from '../core/errors.ts';
import { cut, oneLine } from './plain-text.ts';
import { SecretMask, type Secret } from '../core/secret.ts';
import type { DeliveryOutcome, ReceiverData } from '../core/notification.ts';

const MAX_REASON = 300;

/** Words of a failure for logs and pages: one line, bounded, and without any of the secrets, however a peer echoed them. */
export class Reasons {
  readonly #mask: SecretMask;

  constructor(secrets: readonly (Secret | undefined)[]) {
    this.#mask = new SecretMask(secrets);
  }

  text(text: string): string {
    return cut(oneLine(this.#mask.over(text.slice(0, 20_000))), MAX_REASON);
  }

  retry(text: string, more: { retryAfterMs?: number | undefined; receiverData?: ReceiverData | undefined } = {}): DeliveryOutcome {
    return {
      kind: 'retry',
      reason: this.text(text),
      ...(more.retryAfterMs === undefined ? {} : { retryAfterMs: more.retryAfterMs }),
      ...(more.receiverData === undefined ? {} : { receiverData: more.receiverData }),
    };
  }

  giveUp(text: string): DeliveryOutcome {
    return { kind: 'give_up', reason: this.text(text) };
  }

  /** What was thrown, in words. */
  of(error: unknown): string {
    return this.text(errorText(error));
  }
}

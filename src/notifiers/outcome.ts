import { errorText } from '../core/errors.ts';
import { cut, oneLine } from './plain-text.ts';
import type { Secret } from '../core/secret.ts';
import type { DeliveryOutcome, ReceiverData } from '../core/notification.ts';

const MAX_REASON = 300;
const MAX_RETRY_AFTER_MS = 3_600_000;
/** Shorter ones would blot out ordinary words; a real secret is longer. */
const MIN_SECRET = 4;

/** Words of a failure for logs and pages: one line, bounded, and without any of the secrets, however a peer echoed them. */
export class Reasons {
  readonly #secrets: readonly string[];

  constructor(secrets: readonly (Secret | undefined)[]) {
    const texts = secrets.flatMap((secret) => (secret === undefined ? [] : formsOf(secret.reveal())));
    this.#secrets = [...new Set(texts)].filter((text) => text.length >= MIN_SECRET).toSorted((a, b) => b.length - a.length);
  }

  text(text: string): string {
    let shown = text.slice(0, 20_000);
    for (const secret of this.#secrets) shown = shown.replaceAll(secret, '[secret]');
    return cut(oneLine(shown), MAX_REASON);
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

/** The ways in which a secret may be echoed: as it is, its part behind the host, percent-encoded, in base64. */
function formsOf(secret: string): readonly string[] {
  const forms = [secret, encodeURIComponent(secret.toWellFormed()), Buffer.from(secret).toString('base64')];
  if (!URL.canParse(secret)) return forms;
  const { pathname, search, username, password } = new URL(secret);
  for (const part of [pathname + search, username, password, ...pathname.split('/')]) if (part.length >= 8) forms.push(part);
  return forms;
}

/** Milliseconds of a Retry-After header: seconds or an HTTP date; undefined where it is neither. An hour at most. */
export function parseRetryAfter(header: string | undefined, now: number): number | undefined {
  if (header === undefined) return undefined;
  const text = header.trim();
  const waitMs = /^\d{1,9}$/.test(text) ? Number(text) * 1000 : /[a-z]{3}/i.test(text) ? Date.parse(text) - now : Number.NaN;
  return Number.isNaN(waitMs) ? undefined : Math.min(Math.max(waitMs, 0), MAX_RETRY_AFTER_MS);
}

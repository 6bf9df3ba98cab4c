import { createHash, createHmac } from 'node:crypto';
import { BelfryError } from '../../core/errors.ts';
import { shownUrl } from '../../core/secret.ts';
import { HttpPoster } from '../http-post.ts';
import { Reasons } from '../outcome.ts';
import { parseRetryAfter } from '../../core/retry-after.ts';
import { webhookBody } from './webhook-body.ts';
import type { Clock } from '../../core/clock.ts';
import type { DeliveryOutcome, Notification, Notifier, ReceiverData } from '../../core/notification.ts';
import type { MessageOptions } from '../message.ts';
import type { WebhookReceiverOptions } from '../schema.ts';

/**
 * Posts Alertmanager's v4 body. Every notification is sent, loud or not, since machines read them. The same
 * notification has the same `x-belfry-delivery` on every attempt; with a secret, `x-belfry-signature` is
 * `sha256=` and HMAC-SHA256 over `x-belfry-timestamp` (Unix seconds), a full stop and the body.
 */
export class WebhookNotifier implements Notifier {
  readonly integration = 'webhook';
  readonly destination: string;
  readonly #url: URL;
  readonly #options: WebhookReceiverOptions;
  readonly #externalUrl: string;
  readonly #message: MessageOptions | undefined;
  readonly #clock: Clock;
  readonly #poster: HttpPoster;
  readonly #reasons: Reasons;

  constructor(options: WebhookReceiverOptions, context: { clock: Clock; externalUrl: string | undefined; message?: MessageOptions }) {
    const address = options.url.reveal();
    if (!URL.canParse(address) || !/^https?:/.test(address))
      throw new BelfryError('CONFIG_INVALID', 'webhook: url is not an http or https address');
    this.#url = new URL(address);
    this.#options = options;
    this.#externalUrl = context.externalUrl ?? '';
    this.#message = context.message;
    this.#clock = context.clock;
    this.#poster = new HttpPoster({ clock: context.clock, tls: options.tls });
    this.#reasons = new Reasons([options.url, options.hmacSecret, options.bearerToken, options.basicAuth?.password]);
    this.destination = shownUrl(address);
  }

  async notify(notification: Notification, _previous: ReceiverData, signal: AbortSignal): Promise<DeliveryOutcome> {
    const message = this.#message === undefined ? {} : { message: this.#message };
    const { maxAlerts } = this.#options;
    const body = JSON.stringify(webhookBody(notification, { externalUrl: this.#externalUrl, maxAlerts, ...message }));
    let answer;
    try {
      answer = await this.#poster.post({
        url: this.#url,
        headers: this.#headers(notification, body),
        body,
        signal,
        timeoutMs: this.#options.timeoutMs,
        statusOnly: true,
      });
    } catch (error) {
      return this.#reasons.retry(`webhook ${this.destination}: ${this.#reasons.of(error)}`);
    }
    const { status } = answer;
    if (status >= 200 && status < 300) return { kind: 'delivered' };
    const said = this.#reasons.text(answer.body.toString('utf8'));
    const reason = `webhook ${this.destination} answered ${status}${said === '' ? '' : `: ${said}`}`;
    if (status >= 300 && status < 400) return this.#reasons.giveUp(`${reason} (redirects to elsewhere are not followed)`);
    // 408 and 425 ask for another attempt just as 429 does.
    if (status < 500 && ![408, 425, 429].includes(status)) return this.#reasons.giveUp(reason);
    return this.#reasons.retry(reason, { retryAfterMs: parseRetryAfter(answer.headers['retry-after'], this.#clock.wall()) });
  }

  close(): void {
    this.#poster.close();
  }

  #headers(notification: Notification, body: string): Record<string, string> {
    const { bearerToken, basicAuth, hmacSecret } = this.#options;
    const headers: Record<string, string> = {
      'content-type': 'application/json',
      'user-agent': 'Belfry',
      'x-belfry-delivery': deliveryId(notification),
    };
    if (bearerToken !== undefined) headers['authorization'] = `Bearer ${bearerToken.reveal()}`;
    else if (basicAuth !== undefined) {
      const credentials = Buffer.from(`${basicAuth.username}:${basicAuth.password.reveal()}`).toString('base64');
      headers['authorization'] = `Basic ${credentials}`;
    }
    if (hmacSecret !== undefined) {
      const timestamp = String(Math.floor(this.#clock.wall() / 1000));
      headers['x-belfry-timestamp'] = timestamp;
      headers['x-belfry-signature'] = `sha256=${createHmac('sha256', hmacSecret.reveal()).update(`${timestamp}.${body}`).digest('hex')}`;
    }
    return headers;
  }
}

/** Equal for every attempt to deliver the same state to the same receiver. */
function deliveryId({ groupKey, receiver, reason, status, at }: Notification): string {
  return createHash('sha256')
    .update(JSON.stringify([groupKey, receiver, reason, status, at]))
    .digest('hex')
    .slice(0, 32);
}

import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { ConnectionOptions } from 'node:tls';
import type { Intent } from '../../core/autopilot.ts';
import type { Clock } from '../../core/clock.ts';
import { BelfryError } from '../../core/errors.ts';
import { shownUrl, type Secret } from '../../core/secret.ts';
import { encodeStructured, intentEvent, STRUCTURED_CONTENT_TYPE } from '../../formats/intent-event.ts';
import { signBody, signedPartOf, signIntent } from '../../formats/intent-signature.ts';
import type { IntentPublisher } from '../ports.ts';

const ANSWER_BYTES_MAX = 65_536;
const SAID_MAX = 200;
const DEFAULT_TIMEOUT_MS = 10_000;

export interface WebhookPublisherOptions {
  /** From the configuration and nowhere else: no label of an alert ever becomes an address. */
  readonly url: Secret;
  /** Signs each body. */
  readonly hmacSecret: Secret;
  /** Signs each intent. */
  readonly signingKey: Secret;
  readonly tls?: Pick<ConnectionOptions, 'ca' | 'servername' | 'rejectUnauthorized'>;
  readonly timeoutMs?: number;
  readonly clock: Clock;
}

/**
 * Posts intents: a CloudEvent in structured mode, with `x-belfry-timestamp` (Unix seconds) and `x-belfry-signature`
 * (`sha256=` and HMAC-SHA256 over timestamp, full stop, body). Throws `DELIVERY_FAILED`, or `DELIVERY_REFUSED` where another
 * attempt is pointless. Redirects are refused: the body is meant for nobody else.
 */
export class WebhookPublisher implements IntentPublisher {
  readonly name = 'webhook';
  readonly #options: WebhookPublisherOptions;
  readonly #url: URL;
  readonly #closing = new AbortController();

  constructor(options: WebhookPublisherOptions) {
    const address = options.url.reveal();
    if (!URL.canParse(address) || !/^https?:/.test(address)) {
      throw new BelfryError('CONFIG_INVALID', 'autopilot webhook: url is not an http or https address');
    }
    this.#options = options;
    this.#url = new URL(address);
  }

  async publish(intent: Intent): Promise<void> {
    const { signingKey, hmacSecret, clock } = this.#options;
    const body = encodeStructured(intentEvent(intent, signIntent(signingKey, signedPartOf(intent))));
    const { timestamp, signature } = signBody(hmacSecret, body, clock.wall());
    const answer = await this.#post(body, {
      'content-type': STRUCTURED_CONTENT_TYPE,
      'user-agent': 'Belfry',
      'x-belfry-timestamp': timestamp,
      'x-belfry-signature': signature,
    });
    if (answer.status >= 200 && answer.status < 300) return;
    const reason = `${shownUrl(this.#url.href)} answered ${answer.status}${answer.said === '' ? '' : `: ${answer.said}`}`;
    // 408, 425 and 429 ask for another attempt.
    const isFinal = answer.status < 500 && ![408, 425, 429].includes(answer.status);
    throw new BelfryError(isFinal ? 'DELIVERY_REFUSED' : 'DELIVERY_FAILED', reason);
  }

  async close(): Promise<void> {
    this.#closing.abort();
  }

  #post(body: string, headers: Readonly<Record<string, string>>): Promise<{ readonly status: number; readonly said: string }> {
    const { tls = {}, timeoutMs = DEFAULT_TIMEOUT_MS, clock } = this.#options;
    const secure = this.#url.protocol === 'https:';
    return new Promise((resolve, reject) => {
      const fail = (what: string, cause?: unknown): void =>
        reject(new BelfryError('DELIVERY_FAILED', `${shownUrl(this.#url.href)}: ${what}`, { cause }));
      if (this.#closing.signal.aborted) {
        fail('the publisher is closed');
        return;
      }
      const request = (secure ? httpsRequest : httpRequest)(this.#url, {
        ...(secure ? tls : {}),
        method: 'POST',
        agent: false,
        signal: this.#closing.signal,
        headers: { ...headers, 'content-length': String(Buffer.byteLength(body)) },
      });
      const timer = clock.timer(timeoutMs, () => request.destroy(new Error(`no whole answer within ${timeoutMs} ms`)));
      request.once('close', () => timer.cancel());
      request.on('error', (error) => fail('request failed', error));
      request.once('response', (response) => {
        const chunks: Buffer[] = [];
        let size = 0;
        const take = (): void => resolve({ status: response.statusCode ?? 0, said: saidIn(chunks) });
        response.on('data', (chunk: Buffer) => {
          chunks.push(chunk);
          size += chunk.length;
          if (size <= ANSWER_BYTES_MAX) return;
          take();
          request.destroy();
        });
        response.once('end', take);
        response.once('error', (error) => fail('the answer was cut off', error));
      });
      request.end(body);
    });
  }
}

function saidIn(chunks: readonly Buffer[]): string {
  return Buffer.concat(chunks).toString('utf8').replaceAll(/\s+/g, ' ').trim().slice(0, SAID_MAX);
}

import { BelfryError } from '../../core/errors.ts';
import { shownUrl } from '../../core/secret.ts';
import { buildMessage } from '../message.ts';
import { Reasons } from '../outcome.ts';
import { parseRetryAfter } from '../../core/retry-after.ts';
import { replyText, rootText } from './blocks.ts';
import { mrkdwnMention } from './mrkdwn.ts';
import { slackHint, slackVerdict } from './slack-answers.ts';
import type { Clock } from '../../core/clock.ts';
import type { Secret } from '../../core/secret.ts';
import type { DeliveryOutcome, Notification, Notifier, ReceiverData } from '../../core/notification.ts';
import type { HttpAnswer, HttpPoster } from '../http-post.ts';
import type { Message, MessageOptions } from '../message.ts';

/**
 * Slack by an incoming webhook. Messages posted there cannot be edited nor answered, so only what is loud is sent, and
 * that it is over, each a whole message; the others are done without sending.
 */
export class SlackWebhookNotifier implements Notifier {
  readonly integration = 'slack';
  readonly destination: string;
  readonly #url: URL;
  readonly #mention: string;
  readonly #message: MessageOptions;
  readonly #poster: HttpPoster;
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  readonly #reasons: Reasons;

  constructor(options: {
    url: Secret;
    mention: string | undefined;
    message: MessageOptions;
    poster: HttpPoster;
    clock: Clock;
    timeoutMs: number;
  }) {
    const address = options.url.reveal();
    if (!URL.canParse(address) || !/^https?:/.test(address))
      throw new BelfryError('CONFIG_INVALID', 'slack: webhook_url is not an http or https address');
    this.#url = new URL(address);
    this.#mention = options.mention === undefined ? '' : mrkdwnMention(options.mention);
    this.#message = options.message;
    this.#poster = options.poster;
    this.#clock = options.clock;
    this.#timeoutMs = options.timeoutMs;
    this.#reasons = new Reasons([options.url]);
    this.destination = `slack ${shownUrl(address)}`;
  }

  async notify(notification: Notification, previous: ReceiverData, signal: AbortSignal): Promise<DeliveryOutcome> {
    const key = `${notification.reason}@${notification.at}`;
    const isTold = notification.loud || notification.reason === 'all_resolved';
    if (!isTold || previous['loud'] === key) return { kind: 'delivered', receiverData: previous };
    const message = buildMessage(notification, this.#message);
    const calls = message.state === 'CRITICAL' && ['first', 'worse', 'note'].includes(notification.reason);
    const mention = calls ? this.#mention : '';
    const root = this.#content(notification, message, mention);
    try {
      let answer = await this.#post(root, signal);
      if (answer.status === 400 && slackVerdict(codeOf(answer)) === 'plain') answer = await this.#post({ text: root.text }, signal);
      return this.#outcome(answer, { loud: key });
    } catch (error) {
      return this.#reasons.retry(`${this.destination}: ${this.#reasons.of(error)}`);
    }
  }

  /** The whole message; where it is about what the auto-pilot said, line 1 and that. */
  #content({ reason, events }: Notification, message: Message, mention: string): { text: string } {
    const { timezone } = this.#message;
    if (reason !== 'note') return rootText(message, { timezone, mention });
    const last = events.findLast(({ kind }) => kind === 'note')?.seq;
    const said = message.events.filter(({ seq }) => seq === last);
    return { text: replyText(message, said, { timezone, loud: true, mention }) };
  }

  #post(body: object, signal: AbortSignal): Promise<HttpAnswer> {
    return this.#poster.post({
      url: this.#url,
      headers: { 'content-type': 'application/json', 'user-agent': 'Belfry' },
      body: JSON.stringify(body),
      signal,
      timeoutMs: this.#timeoutMs,
    });
  }

  #outcome(answer: HttpAnswer, receiverData: ReceiverData): DeliveryOutcome {
    const { status } = answer;
    if (status >= 200 && status < 300) return { kind: 'delivered', receiverData };
    const code = codeOf(answer);
    const reason = `${this.destination} answered ${status}${code === '' ? '' : `: ${slackHint(code)}`}`;
    if (status < 500 && status !== 408 && status !== 429) return this.#reasons.giveUp(reason);
    return this.#reasons.retry(reason, { retryAfterMs: parseRetryAfter(answer.headers['retry-after'], this.#clock.wall()) });
  }
}

/** The word an incoming webhook answers with, such as `no_service`; empty where it is something else. */
function codeOf({ body }: HttpAnswer): string {
  const text = body.toString('utf8').trim();
  return /^[a-z_]{1,80}$/.test(text) ? text : '';
}

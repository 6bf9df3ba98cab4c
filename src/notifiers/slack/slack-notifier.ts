import { createHash } from 'node:crypto';
import { buildMessage } from '../message.ts';
import { Reasons } from '../outcome.ts';
import { replyText, rootText } from './blocks.ts';
import { mrkdwnMention } from './mrkdwn.ts';
import { slackHint, slackVerdict } from './slack-answers.ts';
import { SlackRefusal } from './slack-client.ts';
import type { Secret } from '../../core/secret.ts';
import type { DeliveryOutcome, Notification, Notifier, ReceiverData } from '../../core/notification.ts';
import type { Message, MessageOptions } from '../message.ts';
import type { SlackClient, SlackMessage } from './slack-client.ts';

/** A recovery after this long is told in the channel too: by then people have stopped looking at the thread. */
const LONG_INCIDENT_MS = 30 * 60_000;

/** Events within this time are what the first message is about, not its story. */
const SAME_MOMENT_MS = 10_000;

/** What is remembered between messages of one incident. */
interface Told {
  channel: string;
  /** The root message; empty until it is posted. */
  ts: string;
  /** Up to which event the thread has been told. */
  lastSeq: number;
  /** The last loud notification that was told, so that another attempt does not tell it again. */
  loud: string;
  /** Digest of what the root shows. */
  shown: string;
}

/**
 * One message an incident, edited in place; its story in the thread. An edit pings nobody, so a loud notification
 * after the first is an answer in the thread that is also shown in the channel (`reply_broadcast`): it counts as a new
 * message for everyone in the channel and for who follows the thread, and leads to the whole story. The recovery is
 * such an answer only after half an hour; before that the edit and a quiet answer are enough.
 */
export class SlackNotifier implements Notifier {
  readonly integration = 'slack';
  readonly destination: string;
  readonly #client: SlackClient;
  readonly #channel: string;
  readonly #mention: string;
  readonly #message: MessageOptions;
  readonly #reasons: Reasons;

  constructor(options: { client: SlackClient; token: Secret; channel: string; mention: string | undefined; message: MessageOptions }) {
    this.#client = options.client;
    this.#channel = options.channel;
    this.#mention = options.mention === undefined ? '' : mrkdwnMention(options.mention);
    this.#message = options.message;
    this.#reasons = new Reasons([options.token]);
    this.destination = `slack ${options.channel}`;
  }

  async notify(notification: Notification, previous: ReceiverData, signal: AbortSignal): Promise<DeliveryOutcome> {
    const told = toldOf(previous);
    const message = buildMessage(notification, this.#message);
    try {
      if (told.ts === '') {
        await this.#first(told, notification, message, signal);
        await this.#storySoFar(told, notification, message, signal);
      } else await this.#next(told, notification, message, signal);
      return { kind: 'delivered', receiverData: { ...told } };
    } catch (error) {
      return this.#failed(error, told);
    }
  }

  async #first(told: Told, notification: Notification, message: Message, signal: AbortSignal): Promise<void> {
    const mention = notification.loud && message.state === 'CRITICAL' ? this.#mention : '';
    const root = rootText(message, { timezone: this.#message.timezone, mention });
    const place = await this.#send({ channel: this.#channel, ...root }, (content) => this.#client.post(content, signal));
    Object.assign(told, place, { loud: loudKey(notification), shown: this.#digest(message), lastSeq: lastSeqOf(message) });
  }

  /** Delivered late, the root shows the end of a story: how it came to that is told in its thread. */
  async #storySoFar(told: Told, notification: Notification, message: Message, signal: AbortSignal): Promise<void> {
    const [first] = message.events;
    const last = message.events.at(-1);
    if (first === undefined || last === undefined || last.at - first.at < SAME_MOMENT_MS) return;
    told.lastSeq = first.seq;
    await this.#reply(told, notification, message, signal);
  }

  async #next(told: Told, notification: Notification, message: Message, signal: AbortSignal): Promise<void> {
    const loud = notification.loud && told.loud !== loudKey(notification);
    const worse = loud && notification.status === 'firing';
    try {
      // Who must be called is called first; the edit only keeps the root true.
      if (worse) await this.#reply(told, notification, message, signal);
      await this.#edit(told, message, signal);
      if (!worse) await this.#reply(told, notification, message, signal);
    } catch (error) {
      if (!(error instanceof SlackRefusal) || slackVerdict(error.code) !== 'post_anew') throw error;
      told.ts = '';
      await this.#first(told, notification, message, signal);
    }
  }

  async #edit(told: Told, message: Message, signal: AbortSignal): Promise<void> {
    const shown = this.#digest(message);
    if (told.shown === shown) return;
    const root = rootText(message, { timezone: this.#message.timezone, mention: '' });
    await this.#send({ channel: told.channel, ...root }, (content) => this.#client.update(told.ts, content, signal));
    told.shown = shown;
  }

  async #reply(told: Told, notification: Notification, message: Message, signal: AbortSignal): Promise<void> {
    const loud = notification.loud && told.loud !== loudKey(notification);
    const events = message.events.filter(({ seq }) => seq > told.lastSeq);
    if (!loud && events.length === 0) return;
    const over = notification.status === 'resolved';
    const text = replyText(message, events, {
      timezone: this.#message.timezone,
      loud,
      mention: loud && ['worse', 'note'].includes(notification.reason) && message.state === 'CRITICAL' ? this.#mention : '',
    });
    const broadcast = loud && (!over || notification.at - notification.incident.openedAt > LONG_INCIDENT_MS);
    await this.#client.post({ channel: told.channel, text, threadTs: told.ts, broadcast }, signal);
    told.lastSeq = Math.max(told.lastSeq, lastSeqOf(message));
    if (notification.loud) told.loud = loudKey(notification);
  }

  /** With its blocks, and without them where Slack refuses those. */
  async #send<T>(content: SlackMessage, send: (content: SlackMessage) => Promise<T>): Promise<T> {
    try {
      return await send(content);
    } catch (error) {
      if (!(error instanceof SlackRefusal) || slackVerdict(error.code) !== 'plain') throw error;
      const { blocks: _refused, ...plain } = content;
      return await send(plain);
    }
  }

  #failed(error: unknown, told: Told): DeliveryOutcome {
    const receiverData = told.ts === '' && told.channel === '' ? undefined : { ...told };
    if (!(error instanceof SlackRefusal)) return this.#reasons.retry(`${this.destination}: ${this.#reasons.of(error)}`, { receiverData });
    const reason = `${this.destination}: ${slackHint(error.code)}`;
    if (slackVerdict(error.code) === 'retry') return this.#reasons.retry(reason, { retryAfterMs: error.retryAfterMs, receiverData });
    return this.#reasons.giveUp(reason);
  }

  /** Of what is shown, without a mention and without the running time, which alone is no reason to edit. */
  #digest(message: Message): string {
    const still = { ...message, fields: message.fields.filter(({ name }) => name !== 'So far') };
    const { text, blocks } = rootText(still, { timezone: this.#message.timezone, mention: '' });
    return createHash('sha256')
      .update(JSON.stringify([text, blocks]))
      .digest('hex')
      .slice(0, 16);
  }
}

function loudKey({ reason, at }: Notification): string {
  return `${reason}@${at}`;
}

function lastSeqOf(message: Message): number {
  return message.events.at(-1)?.seq ?? 0;
}

function toldOf({ channel, ts, lastSeq, loud, shown }: ReceiverData): Told {
  return {
    channel: typeof channel === 'string' ? channel : '',
    ts: typeof ts === 'string' ? ts : '',
    lastSeq: typeof lastSeq === 'number' ? lastSeq : 0,
    loud: typeof loud === 'string' ? loud : '',
    shown: typeof shown === 'string' ? shown : '',
  };
}

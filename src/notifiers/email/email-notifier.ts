import { createHash } from 'node:crypto';
import { buildMessage } from '../message.ts';
import { Reasons } from '../outcome.ts';
import { cut, oneLine } from '../plain-text.ts';
import { mailAddressOf } from '../schema.ts';
import { mailHtml } from './mail-html.ts';
import { mailText } from './mail-text.ts';
import type { Clock } from '../../core/clock.ts';
import type { Logger } from '../../core/log.ts';
import type { DeliveryOutcome, Notification, Notifier, ReceiverData } from '../../core/notification.ts';
import type { Secret } from '../../core/secret.ts';
import type { Message, MessageOptions } from '../message.ts';
import type { Mail, MailResult, MailTransport } from './mail-transport.ts';

/** A subject longer than this is cut by many readers, and by more on a phone. */
const MAX_SUBJECT = 78;
const MAX_TAG = '[CRITICAL] '.length;

/** What is remembered between mails of one incident. */
interface Told {
  /** Message-ID of the first mail, which all others refer to. */
  readonly root: string;
  /** Message-ID of the mail that was sent last. */
  readonly last: string;
  /** Without its tag; never changes, so that mail readers keep the mails together. */
  readonly subject: string;
  /** The notification that was told last. */
  readonly loud: string;
  /** Recipients that were put off by the server, by commas. */
  readonly pending: string;
}

/**
 * Mails loud notifications only: the first, worse, resolved, repeated. One subject and one thread an incident. How often
 * that may be is routing's to decide.
 */
export class EmailNotifier implements Notifier {
  readonly integration = 'email';
  readonly destination: string;
  readonly #transport: MailTransport;
  readonly #to: readonly string[];
  readonly #message: MessageOptions;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #timeoutMs: number;
  readonly #reasons: Reasons;

  constructor(options: {
    transport: MailTransport;
    to: readonly string[];
    message: MessageOptions;
    clock: Clock;
    logger: Logger;
    timeoutMs: number;
    password: Secret | undefined;
  }) {
    this.#transport = options.transport;
    this.#to = options.to;
    this.#message = options.message;
    this.#clock = options.clock;
    this.#logger = options.logger;
    this.#timeoutMs = options.timeoutMs;
    this.#reasons = new Reasons([options.password]);
    // One reader's full mailbox, or its slow server, is no reason to keep the others waiting.
    this.destination = `mail ${options.transport.destination} ${options.to[0] ?? ''}`;
  }

  async notify(notification: Notification, previous: ReceiverData, signal: AbortSignal): Promise<DeliveryOutcome> {
    const told = toldOf(previous);
    const key = `${notification.reason}@${notification.at}`;
    const again = told?.loud === key;
    if (!notification.loud || (again && told.pending === '')) return { kind: 'delivered', receiverData: previous };
    const to = again ? told.pending.split(',') : this.#to;
    const message = buildMessage(notification, this.#message);
    const mail = this.#mail(notification, message, told, { to, again });
    try {
      const result = await this.#send(mail, signal);
      return this.#sent(told, mail, result, key);
    } catch (error) {
      return this.#failed(error);
    }
  }

  #mail(
    { incident, receiver, at }: Notification,
    message: Message,
    told: Told | undefined,
    how: { to: readonly string[]; again: boolean },
  ): Mail {
    const domain = /@([^@]+)$/.exec(mailAddressOf(this.#transport.from) ?? '')?.[1] ?? 'belfry.invalid';
    const id = incident.id.replaceAll(/[^A-Za-z0-9._-]/g, '').slice(0, 60);
    const base = `belfry.${id}.${createHash('sha256').update(receiver).digest('hex').slice(0, 10)}`;
    const subject = told?.subject ?? cut(message.subject, MAX_SUBJECT - MAX_TAG);
    // Made from the incident, so that a mail that is sent again after a crash is known to be the same one.
    const fresh = told === undefined ? `<${base}@${domain}>` : `<${base}.${Math.round(at)}@${domain}>`;
    const messageId = how.again && told !== undefined ? told.last : fresh;
    return {
      to: how.to,
      subject: `[${message.state}] ${subject}`,
      text: mailText(message, this.#message.timezone),
      html: mailHtml(message, this.#message.timezone),
      messageId,
      references: told === undefined || told.root === messageId ? [] : [told.root],
      headers: {
        'Auto-Submitted': 'auto-generated',
        'X-Auto-Response-Suppress': 'All',
        'List-Id': `Belfry alerts <belfry.${domain}>`,
        'X-Belfry-Incident': id,
        ...(message.state === 'CRITICAL' ? { Importance: 'high' } : {}),
      },
      date: new Date(this.#clock.wall()),
    };
  }

  /** One attempt, ended by the caller's signal or by the time for it. */
  async #send(mail: Mail, signal: AbortSignal): Promise<MailResult> {
    const overdue = new AbortController();
    const timer = this.#clock.timer(this.#timeoutMs, () => overdue.abort());
    try {
      return await this.#transport.send(mail, AbortSignal.any([signal, overdue.signal]));
    } finally {
      timer.cancel();
    }
  }

  #sent(told: Told | undefined, mail: Mail, { messageId, refused }: MailResult, key: string): DeliveryOutcome {
    const pending = refused.filter(({ code }) => code < 500).map(({ address }) => address);
    for (const { address, code } of refused) {
      this.#logger.warn('mail_recipient_refused', { destination: this.destination, recipient: oneLine(address), code, again: code < 500 });
    }
    const receiverData: ReceiverData = {
      root: told?.root ?? messageId,
      last: messageId,
      subject: told?.subject ?? mail.subject.replace(/^\[[A-Z]+\] /, ''),
      loud: key,
      pending: pending.join(','),
    };
    if (pending.length === 0) return { kind: 'delivered', receiverData };
    const codes = [...new Set(refused.map(({ code }) => code))].join(', ');
    return this.#reasons.retry(`${this.destination}: ${pending.length} of ${mail.to.length} recipients were put off (${codes})`, {
      receiverData,
    });
  }

  #failed(error: unknown): DeliveryOutcome {
    const reason = `${this.destination}: ${this.#reasons.of(error)}`;
    const { code, responseCode, permanent } = (error instanceof Error ? error : {}) as {
      code?: string;
      responseCode?: number;
      permanent?: boolean;
    };
    if (code === 'EABORT') return this.#reasons.retry(`${this.destination}: the attempt was stopped before the server answered`);
    // Who strips TLS from the way must not be able to make a message be given up.
    if (code === 'ETLS') return this.#reasons.retry(reason);
    if (permanent === true) return this.#reasons.giveUp(reason);
    // Without an answer of the server these are mistakes in the configuration or the addresses.
    if (responseCode === undefined && code !== undefined && PERMANENT.has(code)) return this.#reasons.giveUp(reason);
    return this.#reasons.retry(reason);
  }
}

const PERMANENT: ReadonlySet<string> = new Set(['EAUTH', 'ENOAUTH', 'ECONFIG', 'EENVELOPE', 'EMAXRECIPIENTS']);

function toldOf({ root, last, subject, loud, pending }: ReceiverData): Told | undefined {
  if (typeof root !== 'string' || typeof subject !== 'string' || !/^<[^<>\s]+>$/.test(root)) return undefined;
  return {
    root,
    last: typeof last === 'string' && /^<[^<>\s]+>$/.test(last) ? last : root,
    subject: oneLine(subject),
    loud: typeof loud === 'string' ? loud : '',
    pending: typeof pending === 'string' ? pending : '',
  };
}

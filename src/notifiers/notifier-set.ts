import { BelfryError } from '../core/errors.ts';
import { Labels } from '../core/labels.ts';
import { EmailNotifier } from './email/email-notifier.ts';
import { mailHtml } from './email/mail-html.ts';
import { mailText } from './email/mail-text.ts';
import { MailTransport } from './email/mail-transport.ts';
import { HttpPoster } from './http-post.ts';
import { buildMessage, DEFAULT_MESSAGE_OPTIONS } from './message.ts';
import { DEFAULT_TLS } from './schema.ts';
import { rootText } from './slack/blocks.ts';
import { SlackClient } from './slack/slack-client.ts';
import { SlackNotifier } from './slack/slack-notifier.ts';
import { SlackWebhookNotifier } from './slack/slack-webhook-notifier.ts';
import { WebhookNotifier } from './webhook/webhook-notifier.ts';
import type { Clock } from '../core/clock.ts';
import type { Logger } from '../core/log.ts';
import type { Notifier } from '../core/notification.ts';
import type { MessageOptions } from './message.ts';
import type { ReceiverOptions, SlackOptions, SlackReceiverOptions, SmtpOptions } from './schema.ts';

const SLACK_TIMEOUT_MS = 10_000;
const MAIL_TIMEOUT_MS = 60_000;

export interface NotifierSetOptions {
  readonly receivers: readonly ReceiverOptions[];
  readonly slack: SlackOptions | undefined;
  readonly smtp: SmtpOptions | undefined;
  /** For all messages; a receiver's own time zone goes before the one here. */
  readonly message?: Partial<MessageOptions>;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Every way to reach every receiver, and the connections they share. A reload makes a new set and closes the old one. */
export class NotifierSet {
  readonly #byReceiver = new Map<string, ReadonlyMap<string, Notifier>>();
  readonly #closers: (() => void)[] = [];

  /** Throws `CONFIG_INVALID` where a receiver needs what is not configured. Connects to nothing yet. */
  constructor(options: NotifierSetOptions) {
    const slackPoster = new HttpPoster({ clock: options.clock, tls: DEFAULT_TLS });
    this.#closers.push(() => slackPoster.close());
    const mail = options.smtp === undefined ? undefined : new MailTransport(options.smtp);
    if (mail !== undefined) this.#closers.push(() => mail.close());
    for (const receiver of options.receivers) {
      const message = messageOptions(options, receiver);
      const notifiers: Notifier[] = [];
      if (receiver.slack !== undefined) notifiers.push(slackNotifier(receiver.slack, message, slackPoster, options));
      if (receiver.email !== undefined) {
        if (mail === undefined) throw new BelfryError('CONFIG_INVALID', `${receiver.name}: email needs a mail server`);
        const { clock, logger } = options;
        const password = options.smtp?.password;
        notifiers.push(
          new EmailNotifier({ transport: mail, to: receiver.email.to, message, clock, logger, timeoutMs: MAIL_TIMEOUT_MS, password }),
        );
      }
      if (receiver.webhook !== undefined) {
        const webhook = new WebhookNotifier(receiver.webhook, { clock: options.clock, externalUrl: message.externalUrl, message });
        this.#closers.push(() => webhook.close());
        notifiers.push(webhook);
      }
      rehearse(receiver.name, message);
      this.#byReceiver.set(receiver.name, new Map(notifiers.map((notifier) => [notifier.integration, notifier])));
    }
  }

  /** Undefined where the receiver, or this way to reach it, is not (or no longer) configured. */
  get(receiver: string, integration: string): Notifier | undefined {
    return this.#byReceiver.get(receiver)?.get(integration);
  }

  /** The ways to reach a receiver: `slack`, `email`, `webhook`; empty for one that is not known. */
  integrations(receiver: string): readonly string[] {
    return [...(this.#byReceiver.get(receiver)?.keys() ?? [])];
  }

  get receivers(): readonly string[] {
    return [...this.#byReceiver.keys()];
  }

  /** Takes no more messages, lets those in flight end, then closes all connections. */
  close(): void {
    for (const close of this.#closers.splice(0)) close();
  }
}

/** Renders a message for nobody: the first use of a zone and of each medium costs 50 ms, which no first alert should wait for. */
function rehearse(receiver: string, options: MessageOptions): void {
  const incident = { id: '', owner: '', cluster: '', broker: '', openedAt: 0, closedAt: undefined, severity: 'info' } as const;
  const trial = { groupKey: '', receiver, reason: 'test', status: 'firing', incident, groupLabels: Labels.empty } as const;
  const message = buildMessage({ ...trial, alerts: [], events: [], loud: false, at: 0 }, options);
  rootText(message, { timezone: options.timezone, mention: '' });
  mailText(message, options.timezone);
  mailHtml(message, options.timezone);
}

function messageOptions({ message = {} }: NotifierSetOptions, { timezone }: ReceiverOptions): MessageOptions {
  const options = { ...DEFAULT_MESSAGE_OPTIONS, ...message };
  return timezone === undefined ? options : { ...options, timezone };
}

function slackNotifier(receiver: SlackReceiverOptions, message: MessageOptions, poster: HttpPoster, options: NotifierSetOptions): Notifier {
  const { channel, webhookUrl, mention } = receiver;
  const { clock, slack } = options;
  if (webhookUrl !== undefined)
    return new SlackWebhookNotifier({ url: webhookUrl, mention, message, poster, clock, timeoutMs: SLACK_TIMEOUT_MS });
  if (channel === undefined || slack === undefined) throw new BelfryError('CONFIG_INVALID', 'a Slack receiver needs a channel and a token');
  const client = new SlackClient({ token: slack.token, apiUrl: slack.apiUrl, poster, clock, timeoutMs: SLACK_TIMEOUT_MS });
  void client.rehearse();
  return new SlackNotifier({ client, token: slack.token, channel, mention, message });
}

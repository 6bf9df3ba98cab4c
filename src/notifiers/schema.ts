import { z } from 'zod';
import { duration, notInThisVersion, secretFields, strict } from '../core/schema-parts.ts';
import type { Secret } from '../core/secret.ts';

const ADDRESS = /^[^\s<>@,;:"()[\]\\]{1,64}@[^\s<>@,;:"()[\]\\]{1,255}$/;
const MENTION = /^(here|channel|U[A-Z0-9]{5,20}|W[A-Z0-9]{5,20}|S[A-Z0-9]{5,20})$/;

/** The workspace's bot, shared by all receivers. */
export interface SlackOptions {
  readonly token: Secret;
  /** For a stand-in or a proxy; Slack's own where undefined. */
  readonly apiUrl: string | undefined;
}

/** The mail server, shared by all receivers. */
export interface SmtpOptions {
  readonly host: string;
  readonly port: number;
  /** TLS from the first byte (`smtps://`). Otherwise STARTTLS where the server offers it. */
  readonly secure: boolean;
  /** Refuse a server that offers no TLS. */
  readonly requireTls: boolean;
  /** `belfry@example.com` or `Belfry <belfry@example.com>`. */
  readonly from: string;
  readonly username: string | undefined;
  readonly password: Secret | undefined;
  readonly tls: ClientTlsOptions;
  /** At most one mail in this time and incident. Routing keeps to it: the outbox holds what is not due. */
  readonly minIntervalMs: number;
}

export interface ClientTlsOptions {
  /** PEM text of the authorities to trust instead of the system's. */
  readonly ca: string | undefined;
  readonly serverName: string | undefined;
  readonly rejectUnauthorized: boolean;
}

export const DEFAULT_TLS: ClientTlsOptions = { ca: undefined, serverName: undefined, rejectUnauthorized: true };

export interface SlackReceiverOptions {
  /** `#name` or an id. Undefined where the receiver is an incoming webhook. */
  readonly channel: string | undefined;
  /** An incoming webhook's address: messages cannot be edited there, so only loud ones are sent. */
  readonly webhookUrl: Secret | undefined;
  /** `here`, `channel`, a user or a user group; mentioned when an incident becomes critical, and then only. */
  readonly mention: string | undefined;
}

export interface EmailReceiverOptions {
  readonly to: readonly string[];
}

export interface WebhookReceiverOptions {
  readonly url: Secret;
  /** Signs each body: header `x-belfry-signature`. */
  readonly hmacSecret: Secret | undefined;
  readonly bearerToken: Secret | undefined;
  readonly basicAuth: { readonly username: string; readonly password: Secret } | undefined;
  /** Alerts in one body, the others counted in `truncatedAlerts`. */
  readonly maxAlerts: number;
  readonly timeoutMs: number;
  readonly tls: ClientTlsOptions;
}

/** All ways to reach one receiver. */
export interface ReceiverOptions {
  /** Such as `owner/orders`. */
  readonly name: string;
  readonly slack: SlackReceiverOptions | undefined;
  readonly email: EmailReceiverOptions | undefined;
  readonly webhook: WebhookReceiverOptions | undefined;
  /** Zone of the times in this receiver's messages; UTC where undefined. */
  readonly timezone: string | undefined;
}

const httpUrl = z.string().refine((text) => /^https?:\/\//.test(text) && URL.canParse(text), 'expected an http or https address');
const address = z.string().regex(ADDRESS, 'expected a mail address such as orders-oncall@example.com');
const timezone = z.string().refine(isTimeZone, 'expected a time zone such as Europe/Berlin');

/** One value stands for the object that has only this key. */
function shorthand(key: string): (given: unknown) => unknown {
  return (given) => (typeof given === 'string' ? { [key]: given } : given);
}

const clientTlsSchema = strict({
  ca_file: z.string().min(1).optional(),
  server_name: z.string().min(1).optional(),
  insecure_skip_verify: z.boolean().default(false),
});

/** `slack:` at the top of belfry.yaml. */
export const slackSchema = strict({ ...secretFields('token'), api_url: httpUrl.optional() });

/** `email:` at the top of belfry.yaml. */
export const emailSchema = strict({
  smtp: z.string({ error: 'expected an address such as smtp://mail:587' }).transform((text, context) => {
    const smtp = parseSmtp(text);
    if (typeof smtp !== 'string') return smtp;
    context.addIssue({ code: 'custom', message: smtp });
    return z.NEVER;
  }),
  from: z.string().refine((text) => mailAddressOf(text) !== undefined, 'expected belfry@example.com or Belfry <belfry@example.com>'),
  username: z.string().min(1).optional(),
  ...secretFields('password'),
  /** True where not given and there is a password, which must not travel in the clear. */
  require_tls: z.boolean().optional(),
  tls: clientTlsSchema.optional(),
  min_interval: duration().default(300_000),
});

const slackReceiverSchema = z.preprocess(
  shorthand('channel'),
  strict({
    channel: z
      .string()
      .regex(/^(#[^\s#@,]{1,80}|[CGD][A-Z0-9]{5,20})$/, "expected '#channel' or a channel's id")
      .optional(),
    mention: z.string().regex(MENTION, 'expected here, channel, or the id of a user or a user group').optional(),
    ...secretFields('webhook_url'),
  }),
);

const webhookReceiverSchema = z.preprocess(
  shorthand('url'),
  strict({
    ...secretFields('url'),
    ...secretFields('hmac_secret'),
    ...secretFields('bearer_token'),
    basic_auth: strict({ username: z.string().min(1), ...secretFields('password') }).optional(),
    max_alerts: z.number().int().positive().max(10_000).default(1000),
    timeout: duration({ minMs: 100 }).default(10_000),
    tls: clientTlsSchema.optional(),
  }),
);

/** One of `owners:` in belfry.yaml. Secrets come as they are written: the reader of the file resolves them. */
export const ownerSchema = strict({
  slack: slackReceiverSchema.optional(),
  email: z.preprocess((given) => (typeof given === 'string' ? [given] : given), z.array(address).min(1).max(100)).optional(),
  webhook: webhookReceiverSchema.optional(),
  timezone: timezone.optional(),
  escalate: notInThisVersion(),
});

/** Host, port and kind of `smtp://host:587` or `smtps://host`, or what is wrong with it. */
export function parseSmtp(text: string): { host: string; port: number; secure: boolean } | string {
  const expected = 'expected an address such as smtp://mail:587 or smtps://mail:465';
  if (!/^smtps?:\/\/[^/?#]+\/?$/.test(text) || !URL.canParse(text)) return expected;
  const url = new URL(text);
  if (url.username !== '' || url.password !== '') return 'put the user and the password into username and password_file';
  const secure = url.protocol === 'smtps:';
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  return host === '' ? expected : { host, port: url.port === '' ? (secure ? 465 : 587) : Number(url.port), secure };
}

/** The bare address of `Name <a@b>` or `a@b`; undefined where it is neither, or holds a line break. */
export function mailAddressOf(text: string): string | undefined {
  const bare = /^[^<>\r\n]*<([^<>\r\n]+)>$/.exec(text)?.[1] ?? text;
  return ADDRESS.test(bare) ? bare : undefined;
}

/** Whether it is the name of a time zone. */
export function isTimeZone(text: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: text }).resolvedOptions().timeZone !== '';
  } catch (error) {
    if (error instanceof RangeError) return false;
    throw error;
  }
}

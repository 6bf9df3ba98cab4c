import type { Secret } from '../core/secret.ts';
import { type ClientTlsOptions, DEFAULT_TLS, type ReceiverOptions, type SlackOptions, type SmtpOptions } from '../notifiers/schema.ts';
import type { OwnerConfig } from './config.ts';
import type { ConfigPath } from './problems.ts';
import type { ResolveContext } from './resolve.ts';
import type { ConfigFile } from './schema.ts';

type OwnerFile = ConfigFile['owners'][string];

/** Owners as receivers, and the two senders they share. */
export function resolveReceivers(
  file: ConfigFile,
  context: ResolveContext,
): { owners: readonly OwnerConfig[]; slack: SlackOptions | undefined; smtp: SmtpOptions | undefined } {
  const owners = Object.entries(file.owners).map(([name, owner]) => ({ name, receiver: resolveOwner(file, name, owner, context) }));
  return { owners, slack: resolveSlack(file, context), smtp: resolveSmtp(file, context) };
}

function resolveSlack(file: ConfigFile, { source }: ResolveContext): SlackOptions | undefined {
  if (file.slack === undefined) return undefined;
  const token = source.secret(file.slack, 'token', ['slack'], { required: true });
  return token === undefined ? undefined : { token, apiUrl: file.slack.api_url };
}

function resolveSmtp(file: ConfigFile, context: ResolveContext): SmtpOptions | undefined {
  const { email } = file;
  if (email === undefined) return undefined;
  const password = context.source.secret(email, 'password', ['email'], { required: email.username !== undefined });
  if (password !== undefined && email.username === undefined) context.report(['email'], 'a password needs a username', true);
  return {
    ...email.smtp,
    requireTls: email.require_tls ?? (password !== undefined && !email.smtp.secure),
    from: email.from,
    username: email.username,
    password,
    tls: clientTls(email.tls, ['email', 'tls'], context),
    minIntervalMs: email.min_interval,
  };
}

function resolveOwner(file: ConfigFile, name: string, owner: OwnerFile, context: ResolveContext): ReceiverOptions {
  const path: ConfigPath = ['owners', name];
  if (owner.slack === undefined && owner.email === undefined && owner.webhook === undefined) {
    context.report(path, 'has no way to be reached: give it slack, email or webhook', true);
  }
  if (owner.email !== undefined && file.email === undefined)
    context.report([...path, 'email'], 'needs email: {smtp, from} at the top', true);
  return {
    name: `owner/${name}`,
    slack: slackOf(file, owner, [...path, 'slack'], context),
    email: owner.email === undefined ? undefined : { to: owner.email },
    webhook: webhookOf(owner, [...path, 'webhook'], context),
    timezone: owner.timezone,
  };
}

function slackOf(file: ConfigFile, { slack }: OwnerFile, path: ConfigPath, { source, report }: ResolveContext): ReceiverOptions['slack'] {
  if (slack === undefined) return undefined;
  const webhookUrl = source.secret(slack, 'webhook_url', path);
  if ((slack.channel === undefined) === (webhookUrl === undefined)) report(path, 'needs either a channel or a webhook_url', true);
  if (slack.channel !== undefined && file.slack === undefined) report(path, 'a channel needs slack: {token_file} at the top', true);
  return { channel: slack.channel, webhookUrl, mention: slack.mention };
}

function webhookOf({ webhook }: OwnerFile, path: ConfigPath, context: ResolveContext): ReceiverOptions['webhook'] {
  if (webhook === undefined) return undefined;
  const { source, report } = context;
  const url = source.secret(webhook, 'url', path, { required: true });
  if (url === undefined) return undefined;
  const address = url.reveal();
  if (address !== '' && !(/^https?:\/\//.test(address) && URL.canParse(address))) report(path, 'expected an http or https address', true);
  const bearerToken = source.secret(webhook, 'bearer_token', path);
  if (bearerToken !== undefined && webhook.basic_auth !== undefined)
    report(path, 'only one of basic_auth and bearer_token may be given', true);
  return {
    url,
    hmacSecret: source.secret(webhook, 'hmac_secret', path),
    bearerToken,
    basicAuth: webhookAuth(webhook.basic_auth, [...path, 'basic_auth'], context),
    maxAlerts: webhook.max_alerts,
    timeoutMs: webhook.timeout,
    tls: clientTls(webhook.tls, [...path, 'tls'], context),
  };
}

function webhookAuth(
  auth: NonNullable<OwnerFile['webhook']>['basic_auth'],
  path: ConfigPath,
  { source }: ResolveContext,
): { username: string; password: Secret } | undefined {
  if (auth === undefined) return undefined;
  const password = source.secret(auth, 'password', path, { required: true });
  return password === undefined ? undefined : { username: auth.username, password };
}

interface ClientTlsFile {
  readonly ca_file?: string | undefined;
  readonly server_name?: string | undefined;
  readonly insecure_skip_verify: boolean;
}

function clientTls(tls: ClientTlsFile | undefined, path: ConfigPath, { source }: ResolveContext): ClientTlsOptions {
  if (tls === undefined) return DEFAULT_TLS;
  return {
    ca: source.text(tls.ca_file, [...path, 'ca_file']),
    serverName: tls.server_name,
    rejectUnauthorized: !tls.insecure_skip_verify,
  };
}

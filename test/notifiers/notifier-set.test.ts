import { describe, expect, it } from '@jest/globals';
import { ManualClock } from '../../src/core/clock.ts';
import { silentLogger } from '../../src/core/log.ts';
import { Secret } from '../../src/core/secret.ts';
import { NotifierSet } from '../../src/notifiers/notifier-set.ts';
import { DEFAULT_TLS, emailSchema, mailAddressOf, ownerSchema, parseSmtp, slackSchema } from '../../src/notifiers/schema.ts';
import { SlackStandIn } from '../../testbed/slack-stand-in.ts';
import { HttpPeer } from './http-peer.ts';
import { MailPeer } from './mail-peer.ts';
import { notificationOf } from './sample-notifications.ts';
import type { NotifierSetOptions } from '../../src/notifiers/notifier-set.ts';
import type { ReceiverOptions, SmtpOptions } from '../../src/notifiers/schema.ts';

const never = new AbortController().signal;
const base = { clock: new ManualClock(), logger: silentLogger, slack: undefined, smtp: undefined };
const nobody: ReceiverOptions = { name: 'owner/orders', slack: undefined, email: undefined, webhook: undefined, timezone: undefined };
const webhookOf = (url: string) => ({
  url: new Secret(url),
  hmacSecret: undefined,
  bearerToken: undefined,
  basicAuth: undefined,
  maxAlerts: 100,
  timeoutMs: 5000,
  tls: DEFAULT_TLS,
});
const smtpOf = (port: number): SmtpOptions => ({
  host: '127.0.0.1',
  port,
  secure: false,
  requireTls: false,
  from: 'belfry@example.com',
  username: undefined,
  password: undefined,
  tls: DEFAULT_TLS,
  minIntervalMs: 300_000,
});

describe('the set of notifiers', () => {
  it('reaches one owner by Slack, mail and webhook', async () => {
    const slack = await SlackStandIn.start();
    const mail = await MailPeer.start();
    const hook = await HttpPeer.start();
    const set = new NotifierSet({
      ...base,
      receivers: [
        {
          ...nobody,
          slack: { channel: '#orders-kafka', webhookUrl: undefined, mention: undefined },
          email: { to: ['oncall@example.com'] },
          webhook: webhookOf(hook.url),
          timezone: 'Asia/Tokyo',
        },
      ],
      slack: { token: new Secret(slack.token), apiUrl: slack.apiUrl },
      smtp: smtpOf(mail.port),
    });
    expect(set.receivers).toEqual(['owner/orders']);
    expect(set.integrations('owner/orders')).toEqual(['slack', 'email', 'webhook']);
    for (const integration of set.integrations('owner/orders')) {
      const outcome = await set.get('owner/orders', integration)?.notify(notificationOf(), {}, never);
      expect(outcome?.kind).toBe('delivered');
    }
    expect(slack.messages('#orders-kafka')[0]?.text).toContain('23:02:07 GMT+9');
    expect(mail.mails).toHaveLength(1);
    expect(hook.requests).toHaveLength(1);
    set.close();
    await slack[Symbol.asyncDispose]();
    await mail.close();
    await hook.close();
  });

  it('knows nobody else', () => {
    const set = new NotifierSet({ ...base, receivers: [{ ...nobody, webhook: webhookOf('http://127.0.0.1:1/') }] });
    expect(set.get('owner/payments', 'webhook')).toBeUndefined();
    expect(set.get('owner/orders', 'slack')).toBeUndefined();
    expect(set.integrations('owner/payments')).toEqual([]);
    set.close();
  });

  it('lets what is on its way end when it is closed', async () => {
    const hook = await HttpPeer.start();
    const set = new NotifierSet({ ...base, receivers: [{ ...nobody, webhook: webhookOf(hook.url) }] });
    const arrived = hook.nextRequest();
    const outcome = set.get('owner/orders', 'webhook')?.notify(notificationOf(), {}, never);
    set.close();
    await arrived;
    expect(await outcome).toEqual({ kind: 'delivered' });
    const later = await set.get('owner/orders', 'webhook')?.notify(notificationOf(), {}, never);
    expect(later).toMatchObject({ kind: 'retry', reason: expect.stringContaining('replaced') });
    await hook.close();
  });

  it('fails, and says so, when it is used after it was closed', async () => {
    const mail = await MailPeer.start();
    const set = new NotifierSet({
      ...base,
      receivers: [{ ...nobody, email: { to: ['oncall@example.com'] } }],
      smtp: smtpOf(mail.port),
    });
    set.close();
    expect((await set.get('owner/orders', 'email')?.notify(notificationOf(), {}, never))?.kind).toBe('retry');
    await mail.close();
  });

  it.each<[string, Partial<ReceiverOptions>, RegExp]>([
    ['mail without a server', { email: { to: ['a@b.c'] } }, /email needs a mail server/],
    ['a channel without a token', { slack: { channel: '#x', webhookUrl: undefined, mention: undefined } }, /a channel and a token/],
    ['a webhook that is no address', { webhook: webhookOf('not a secret address') }, /^webhook: url is not an http or https address$/],
  ])('refuses %s', (_, receiver, words) => {
    const options: NotifierSetOptions = { ...base, receivers: [{ ...nobody, ...receiver }] };
    expect(() => new NotifierSet(options)).toThrow(words);
  });
});

describe('the configuration of owners', () => {
  it('takes one value for what has one', () => {
    expect(ownerSchema.parse({ slack: '#orders-kafka', email: 'a@example.com', webhook: 'https://hooks.example.com/x' })).toEqual({
      slack: { channel: '#orders-kafka' },
      email: ['a@example.com'],
      webhook: { url: 'https://hooks.example.com/x', max_alerts: 1000, timeout: 10_000 },
    });
  });

  it.each([
    ['a channel without its sign', { slack: 'orders-kafka' }, /expected '#channel'/],
    ['an address with a line break', { email: ['a@example.com\r\nBcc: b@example.com'] }, /expected a mail address/],
    ['an unknown zone', { timezone: 'Mars/Olympus' }, /expected a time zone/],
    ['what comes later', { escalate: [{ after: '15m', to: 'x' }] }, /not in this version/],
    ['an unknown key', { webhook: { link: 'https://a/' } }, /known keys: url /],
    ['a mention of somebody by name', { slack: { channel: '#a', mention: '@bob' } }, /expected here, channel/],
  ])('refuses %s', (_, owner, words) => {
    expect(ownerSchema.safeParse(owner).error?.message).toMatch(words);
  });

  it('reads the mail server', () => {
    expect(emailSchema.parse({ smtp: 'smtps://mail.example.com', from: 'Belfry <belfry@example.com>' })).toMatchObject({
      smtp: { host: 'mail.example.com', port: 465, secure: true },
      min_interval: 300_000,
    });
    expect(slackSchema.parse({ token_file: 'slack-token' })).toEqual({ token_file: 'slack-token' });
  });

  it.each([
    ['smtp://mail:587', { host: 'mail', port: 587, secure: false }],
    ['smtp://mail', { host: 'mail', port: 587, secure: false }],
    ['smtp://[::1]:25', { host: '::1', port: 25, secure: false }],
    ['mail:587', expect.stringContaining('smtp://mail:587')],
    ['smtp://user:pass@mail', expect.stringContaining('username and password_file')],
    ['smtp://mail/path', expect.stringContaining('expected')],
  ])('reads %s', (text, smtp) => {
    expect(parseSmtp(text)).toEqual(smtp);
  });

  it.each([
    ['belfry@example.com', 'belfry@example.com'],
    ['Belfry <belfry@example.com>', 'belfry@example.com'],
    ['Belfry\r\nBcc: x@y.z <belfry@example.com>', undefined],
    ['belfry', undefined],
  ])('finds the address in %j', (text, address) => {
    expect(mailAddressOf(text)).toBe(address);
  });
});

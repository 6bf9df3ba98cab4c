import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { simpleParser } from 'mailparser';
import { ManualClock } from '../../src/core/clock.ts';
import { silentLogger } from '../../src/core/log.ts';
import { Secret } from '../../src/core/secret.ts';
import { EmailNotifier } from '../../src/notifiers/email/email-notifier.ts';
import { MailTransport } from '../../src/notifiers/email/mail-transport.ts';
import { DEFAULT_MESSAGE_OPTIONS } from '../../src/notifiers/message.ts';
import { DEFAULT_TLS } from '../../src/notifiers/schema.ts';
import { notifierContract } from '../contracts/notifier-contract.ts';
import { MailPeer, SilentPeer } from './mail-peer.ts';
import { alertOf, CRASH, eventsUpTo, HARMLESS, notificationOf, resolved, T0 } from './sample-notifications.ts';
import type { DeliveryOutcome, Notification, ReceiverData } from '../../src/core/notification.ts';
import type { SmtpOptions } from '../../src/notifiers/schema.ts';
import type { NotifierRig } from '../contracts/notifier-contract.ts';

const never = new AbortController().signal;
const PASSWORD = 'pa55word-not-to-be-seen';
const TO = ['oncall@example.com', 'boss@example.com'];

function mailOf(port: number, more: Partial<SmtpOptions> = {}) {
  const clock = new ManualClock(T0 + 500);
  const transport = new MailTransport({
    host: '127.0.0.1',
    port,
    secure: false,
    requireTls: false,
    from: 'Belfry <belfry@example.com>',
    username: undefined,
    password: undefined,
    tls: DEFAULT_TLS,
    minIntervalMs: 300_000,
    ...more,
  });
  const message = { ...DEFAULT_MESSAGE_OPTIONS, externalUrl: 'https://belfry.example.com/' };
  const options = { transport, message, clock, logger: silentLogger, timeoutMs: 60_000, password: more.password };
  return { clock, transport, notifier: new EmailNotifier({ ...options, to: TO }) };
}

async function startRig(): Promise<NotifierRig> {
  const peer = await MailPeer.start();
  const silent = await SilentPeer.start();
  peer.password = PASSWORD;
  const clock = new ManualClock();
  let current = mailOf(peer.port, { username: 'belfry', password: new Secret(PASSWORD) });
  const refuse = (code: number): void => void peer.dataCodes.push({ code, text: `refused, and by the way your password is ${PASSWORD}` });
  const everyone = (code: number): void => {
    for (const address of TO) peer.recipientCodes.set(address, code);
  };
  const behaviours: Record<string, () => unknown> = {
    'all is well': () => undefined,
    '421 after the data': () => refuse(421),
    '451 after the data': () => refuse(451),
    '452 after the data': () => refuse(452),
    '550 after the data': () => refuse(550),
    '554 after the data': () => refuse(554),
    '450 for every recipient': () => everyone(450),
    '550 for every recipient': () => everyone(550),
    'one recipient unknown': () => peer.recipientCodes.set('boss@example.com', 550),
    'one recipient put off': () => peer.recipientCodes.set('boss@example.com', 450),
    'the password is wrong': () => (peer.password = 'another'),
    'nothing listens': () => peer.close(),
    'no TLS where it is required': () => {
      current.transport.close();
      current = mailOf(peer.port, { requireTls: true });
    },
  };
  return {
    get notifier() {
      return current.notifier;
    },
    get clock() {
      return current.clock ?? clock;
    },
    secrets: [PASSWORD],
    arrived: () => peer.mails.map(({ raw }) => decoded(raw)),
    arrange: async (behaviour) => void (await behaviours[behaviour]?.()),
    silence: () => {
      current.transport.close();
      current = mailOf(silent.port);
      return { reached: silent.nextConnection() };
    },
    forbidden: [/^Bcc:/im, /<script/, /onmouseover=alert\(1\) x="/, /[\u202A-\u202E\u2066-\u2069]/, /\p{Cc}(?<![\r\n])/u],
    maxLength: 100_000,
    close: async () => {
      current.transport.close();
      await silent.close();
      await peer.close();
    },
  };
}

/** Head and HTML with quoted-printable made readable, so that what is forbidden cannot hide behind it. */
function decoded(raw: string): string {
  const bytes = raw
    .replaceAll(/=\r\n/g, '')
    .replaceAll(/=([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  const text = Buffer.from(bytes, 'latin1').toString('utf8');
  // In the part that is plain text, and in the subject, nothing has a meaning.
  return text
    .replace(/^Subject:.*(?:\r?\n[ \t].*)*/m, 'Subject: left out')
    .replace(/Content-Type: text\/plain.*(?=Content-Type: text\/html)/s, '');
}

notifierContract('mail', startRig, [
  { behaviour: 'all is well', outcome: 'delivered' },
  { behaviour: '421 after the data', outcome: 'retry' },
  { behaviour: '451 after the data', outcome: 'retry', reason: /451.*\[secret\]/ },
  { behaviour: '452 after the data', outcome: 'retry' },
  { behaviour: '550 after the data', outcome: 'give_up', reason: /550.*\[secret\]/ },
  { behaviour: '554 after the data', outcome: 'give_up' },
  { behaviour: '450 for every recipient', outcome: 'retry' },
  { behaviour: '550 for every recipient', outcome: 'give_up', reason: /550/ },
  { behaviour: 'one recipient unknown', outcome: 'delivered' },
  { behaviour: 'one recipient put off', outcome: 'retry', reason: /1 of 2 recipients were put off \(450\)/ },
  { behaviour: 'the password is wrong', outcome: 'give_up', reason: /535/ },
  { behaviour: 'nothing listens', outcome: 'retry', reason: /ECONNREFUSED/ },
  { behaviour: 'no TLS where it is required', outcome: 'retry' },
]);

describe('mail', () => {
  let peer: MailPeer;
  let mail: ReturnType<typeof mailOf>;
  let remembered: ReceiverData;

  beforeEach(async () => {
    peer = await MailPeer.start();
    mail = mailOf(peer.port);
    remembered = {};
  });
  afterEach(async () => {
    mail.transport.close();
    await peer.close();
  });

  async function tell(given: Parameters<typeof notificationOf>[0] = {}): Promise<DeliveryOutcome> {
    const outcome = await mail.notifier.notify(notificationOf(given), remembered, never);
    if (outcome.kind !== 'give_up') remembered = outcome.receiverData ?? remembered;
    return outcome;
  }
  const over: Partial<Notification> = { status: 'resolved', reason: 'all_resolved', alerts: [resolved(CRASH, 600_000)], at: T0 + 600_000 };

  it('is one thread with one subject, whose tag alone changes', async () => {
    await tell({ alerts: [HARMLESS], incident: { severity: 'warning' } });
    await tell({ reason: 'worse', at: T0 + 60_000 });
    await mail.clock.advance(600_000);
    await tell(over);
    const mails = await Promise.all(peer.mails.map(async ({ raw }) => simpleParser(raw)));
    expect(mails.map(({ subject }) => subject)).toEqual([
      '[WARNING] orders-dal: broker 2 crashed',
      '[CRITICAL] orders-dal: broker 2 crashed',
      '[RESOLVED] orders-dal: broker 2 crashed',
    ]);
    const root = mails[0]?.messageId;
    expect(root).toMatch(/^<belfry\.01KAPXQ3M0000000000000BELF\.[0-9a-f]{10}@example\.com>$/);
    expect(mails.map(({ inReplyTo }) => inReplyTo)).toEqual([undefined, root, root]);
    expect(mails.map(({ references }) => references)).toEqual([undefined, root, root]);
    expect(new Set(mails.map(({ messageId }) => messageId)).size).toBe(3);
  });

  it('says that a machine wrote it, and which incident it is about', async () => {
    await tell();
    const { headers, from, to, text, html } = await simpleParser(peer.mails[0]?.raw ?? '');
    expect(headers.get('auto-submitted')).toBe('auto-generated');
    expect(headers.get('x-belfry-incident')).toBe('01KAPXQ3M0000000000000BELF');
    expect(peer.mails[0]?.raw).toContain('Importance: high');
    expect(peer.mails[0]?.raw).toContain('List-ID: Belfry alerts <belfry.example.com>');
    expect(peer.mails[0]?.raw).not.toContain('X-Mailer');
    expect(from?.text).toBe('"Belfry" <belfry@example.com>');
    expect([to].flat().map((address) => address?.text)).toEqual(['oncall@example.com, boss@example.com']);
    expect(text).toMatch(
      /^CRITICAL orders-dal: 12 partitions cannot be written or read \(payments \+2 topics\); broker 2 crashed 14:02:07 UTC\n\nYou: /,
    );
    expect(html).toContain('Open the runbook');
  });

  it('is not sent for what is not loud', async () => {
    expect(await tell({ loud: false })).toEqual({ kind: 'delivered', receiverData: {} });
    expect(peer.mails).toEqual([]);
  });

  it('is not sent twice for the same notification', async () => {
    await tell();
    expect((await tell()).kind).toBe('delivered');
    expect(peer.mails).toHaveLength(1);
  });

  it('goes once more only to those who were put off', async () => {
    peer.recipientCodes.set('boss@example.com', 451);
    expect((await tell()).kind).toBe('retry');
    peer.recipientCodes.clear();
    expect((await tell()).kind).toBe('delivered');
    expect(peer.mails.map(({ to }) => to)).toEqual([['oncall@example.com'], ['boss@example.com']]);
    const [first, second] = await Promise.all(peer.mails.map(async ({ raw }) => simpleParser(raw)));
    expect(second?.messageId).toBe(first?.messageId);
  });

  it('keeps its subject within 78 characters', async () => {
    await tell({ alerts: [alertOf({ annotations: { belfry_cause: `broker 2 crashed ${'and so on '.repeat(50)}` } })] });
    const { subject } = await simpleParser(peer.mails[0]?.raw ?? '');
    expect(subject?.length).toBeLessThanOrEqual(78);
  });

  it('loads nothing from anywhere', async () => {
    await tell({ events: eventsUpTo(5) });
    const { html } = await simpleParser(peer.mails[0]?.raw ?? '');
    expect(html).not.toMatch(/<img|<link|<script|url\(|@import/);
  });
});

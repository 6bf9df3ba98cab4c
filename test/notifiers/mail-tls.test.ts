import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { ManualClock } from '../../src/core/clock.ts';
import { silentLogger } from '../../src/core/log.ts';
import type { DeliveryOutcome } from '../../src/core/notification.ts';
import { Secret } from '../../src/core/secret.ts';
import { EmailNotifier } from '../../src/notifiers/email/email-notifier.ts';
import { MailTransport } from '../../src/notifiers/email/mail-transport.ts';
import { DEFAULT_MESSAGE_OPTIONS } from '../../src/notifiers/message.ts';
import { DEFAULT_TLS, type SmtpOptions } from '../../src/notifiers/schema.ts';
import { makeCa, makeCert, type CertFiles } from '../../testbed/tls.ts';
import { MailPeer } from './mail-peer.ts';
import { alertOf, notificationOf, T0 } from './sample-notifications.ts';
import { Way } from './way.ts';

// The same values in every run.
fc.configureGlobal({ seed: 20_261_123 });

const PASSWORD = 'pa55word-not-to-be-seen';

/** What somebody on the way to the server has read of what the client sent. */
let heard = '';
let folder = '';
let ca = '';
let otherCa = '';
let own: CertFiles;
let named: CertFiles;
let peer: MailPeer | undefined;
let way: Way | undefined;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'belfry-mail-'));
  const other = join(folder, 'other');
  mkdirSync(other);
  const [mine, theirs] = await Promise.all([folder, other].map((at) => makeCa(at, { client: 'c', admin: 'a' })));
  ca = readFileSync(mine?.caPath ?? '', 'utf8');
  otherCa = readFileSync(theirs?.caPath ?? '', 'utf8');
  own = await makeCert(folder, { name: 'mail', commonName: 'mail' });
  named = await makeCert(folder, { name: 'named', commonName: 'named', altNames: 'DNS:mail.example.com' });
}, 180_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));
afterEach(async () => {
  await way?.close();
  await peer?.close();
});

/** Whom the client trusts. */
const trust = {
  'its CA': () => ({ ...DEFAULT_TLS, ca }),
  'another CA': () => ({ ...DEFAULT_TLS, ca: otherCa }),
  'the machine’s CAs': () => DEFAULT_TLS,
  'its CA, under another name': () => ({ ...DEFAULT_TLS, ca, serverName: 'mail.example.com' }),
  everybody: () => ({ ...DEFAULT_TLS, rejectUnauthorized: false }),
} as const;

/** A real mail server with TLS behind somebody who reads what it is sent and changes what it answers, and one attempt to send. */
async function send(
  options: Partial<SmtpOptions>,
  change: (answer: string) => string = (answer) => answer,
  files = own,
  notification = notificationOf(),
): Promise<DeliveryOutcome> {
  const certificate = { key: readFileSync(files.keyPath), cert: readFileSync(files.certPath) };
  peer = await MailPeer.start({ disabledCommands: [], secure: options.secure ?? false, ...certificate });
  peer.password = PASSWORD;
  heard = '';
  way = await Way.to(peer.port, () => ({
    forth: (chunk, to) => {
      heard += chunk.toString('latin1');
      to.write(chunk);
    },
    back: (chunk, client) => void client.write(Buffer.from(change(chunk.toString('latin1')), 'latin1')),
  }));
  const password = new Secret(PASSWORD);
  const transport = new MailTransport({
    host: '127.0.0.1',
    port: way.port,
    secure: false,
    // As the configuration has it where there is a password.
    requireTls: options.secure !== true,
    from: 'Belfry <belfry@example.com>',
    username: 'belfry',
    password,
    tls: DEFAULT_TLS,
    minIntervalMs: 300_000,
    ...options,
  });
  const rest = {
    transport,
    message: DEFAULT_MESSAGE_OPTIONS,
    clock: new ManualClock(T0),
    logger: silentLogger,
    timeoutMs: 60_000,
    password,
  };
  try {
    return await new EmailNotifier({ ...rest, to: ['oncall@example.com'] }).notify(notification, {}, new AbortController().signal);
  } finally {
    transport.close();
  }
}

/** What somebody on the way could read: whole, in base64, or in the form AUTH PLAIN has. */
function readable(): readonly string[] {
  const secrets = [PASSWORD, Buffer.from(PASSWORD).toString('base64'), Buffer.from(`\0belfry\0${PASSWORD}`).toString('base64')];
  return [...secrets, 'AUTH', 'MAIL FROM', 'Subject'].filter((text) => heard.includes(text));
}

describe.each([
  ['STARTTLS', false],
  ['TLS from the first byte', true],
])('%s', (_, secure) => {
  it.each<[keyof typeof trust, 'own' | 'named', RegExp | 'delivered']>([
    ['its CA', 'own', 'delivered'],
    ['its CA, under another name', 'named', 'delivered'],
    ['everybody', 'named', 'delivered'],
    ['another CA', 'own', /self.signed certificate|unable to|signature/],
    ['the machine’s CAs', 'own', /self.signed certificate|unable to/],
    ['its CA', 'named', /not in the cert|altnames/],
  ])('trusting %s, with the certificate %s', async (whom, files, expected) => {
    const outcome = await send({ secure, tls: trust[whom]() }, undefined, files === 'own' ? own : named);
    if (expected === 'delivered') expect(outcome.kind).toBe('delivered');
    else expect(outcome).toMatchObject({ kind: 'retry', reason: expect.stringMatching(expected) });
    expect([peer?.mails.length, readable()]).toEqual([expected === 'delivered' ? 1 : 0, []]);
  });
});

describe('somebody on the way who takes STARTTLS away', () => {
  const notOffered = (answer: string): string => answer.replace('STARTTLS', 'XXXXXXXX');
  const refused = (answer: string): string => answer.replace(/^220 Ready to start TLS/, '502 no');
  it.each<[string, 'retry' | 'delivered', (answer: string) => string]>([
    // It is asked for all the same.
    ['from what is offered', 'delivered', notOffered],
    ['by saying that all is done', 'delivered', (answer) => answer.replace(/^220 Ready to start TLS/, '250 OK')],
    ['for now', 'retry', (answer) => answer.replace(/^220 Ready to start TLS/, '454 TLS not available')],
    ['for good', 'retry', refused],
    ['from what is offered, and for good', 'retry', (answer) => refused(notOffered(answer))],
  ])('%s: %s, and he reads nothing, least of all the password', async (__, kind, change) => {
    const outcome = await send({ tls: trust['its CA']() }, change);
    expect(outcome.kind).toBe(kind);
    expect([peer?.mails.length, readable()]).toEqual([kind === 'delivered' ? 1 : 0, []]);
  });

  it('puts words of its own before the handshake: they are not heard after it', async () => {
    const change = (answer: string): string => answer.replace(/^(220 Ready to start TLS\r\n)/, '$1235 2.7.0 you are in\r\n250 OK\r\n');
    const outcome = await send({ tls: trust['its CA']() }, change);
    // Either the handshake fails on them, or they are thrown away: nobody is fooled into sending in the clear.
    expect(readable()).toEqual([]);
    expect(outcome.kind).toBe(peer?.mails.length === 1 ? 'delivered' : 'retry');
  });
});

it('whatever labels hold, the head of a mail has these lines and no other, and goes to nobody else', async () => {
  const HEADERS = [
    'auto-submitted',
    'content-type',
    'date',
    'from',
    'importance',
    'list-id',
    'message-id',
    'mime-version',
    'subject',
    'to',
    'x-auto-response-suppress',
    'x-belfry-incident',
  ];
  const breaks = fc.constantFrom(
    '\r\n',
    '\n',
    '\r',
    '\u2028',
    '\u2029',
    '\u0085',
    '\v',
    '\f',
    '\0',
    '\r\n ',
    '\r\n\r\n',
    '%0d%0a',
    '=0D=0A',
  );
  const evil = fc.constantFrom('Bcc: evil@example.com', '.', 'Content-Type: text/html', 'RCPT TO:<evil@example.com>', 'QUIT', 'é', 'x');
  const text = fc.array(fc.oneof(breaks, evil), { minLength: 1, maxLength: 6 }).map((parts) => parts.join(''));
  peer = await MailPeer.start();
  const plain = peer;
  const options = { host: '127.0.0.1', port: plain.port, secure: false, requireTls: false, from: 'Belfry <belfry@example.com>' };
  const transport = new MailTransport({ ...options, username: undefined, password: undefined, tls: DEFAULT_TLS, minIntervalMs: 1 });
  const rest = { transport, message: DEFAULT_MESSAGE_OPTIONS, logger: silentLogger, timeoutMs: 60_000, password: undefined };
  const notifier = new EmailNotifier({ ...rest, clock: new ManualClock(T0), to: ['oncall@example.com'] });
  try {
    await fc.assert(
      fc.asyncProperty(text, text, text, async (cluster, summary, cause) => {
        plain.mails.length = 0;
        const labels = { alertname: `A${summary}`, cluster: `c${cluster}`, broker: cause };
        const alert = alertOf({ labels, annotations: { summary, belfry_cause: cause, belfry_effect: cluster, runbook: summary } });
        const notification = notificationOf({
          receiver: `owner/${cluster}`,
          alerts: [alert],
          events: [{ seq: 1, at: T0, kind: 'firing', text: cause }],
          incident: { id: `01K${summary}`, cluster, broker: cause, owner: summary },
        });
        expect((await notifier.notify(notification, {}, new AbortController().signal)).kind).toBe('delivered');
        const [mail] = plain.mails;
        const head = mail?.raw.slice(0, mail.raw.indexOf('\r\n\r\n')).replaceAll(/\r\n[ \t]+/g, ' ') ?? '';
        const names = head.split('\r\n').map((line) => /^[!-9;-~]+(?=:)/.exec(line)?.[0].toLowerCase() ?? line);
        expect(names.filter((name) => !HEADERS.includes(name))).toEqual([]);
        expect(new Set(names).size).toBe(names.length);
        expect([mail?.to, plain.mails.length]).toEqual([['oncall@example.com'], 1]);
        expect(head).not.toMatch(/\p{Cc}(?<![\r\n\t])/u);
      }),
      { numRuns: 60 },
    );
  } finally {
    transport.close();
  }
});

import { describe, expect, it } from '@jest/globals';
import { createTransport } from 'nodemailer';
import { FixtureExporter, OPENMETRICS } from '../../testbed/fixture-exporter.ts';
import { MailSink } from '../../testbed/mail-sink.ts';
import { makeTempDir, removeTempDir } from '../../testbed/temp-dir.ts';
import { makeCa, makeCert } from '../../testbed/tls.ts';
import { WebhookSink } from '../../testbed/webhook-sink.ts';

const MAIL = {
  from: 'belfry@example.com',
  to: 'orders@example.com',
  subject: 'broker 2 crashed',
  text: 'plain',
  html: '<p>rich</p><script>alert(1)</script>',
};

describe('mail sink', () => {
  it('keeps mails parsed, with envelope, headers and references', async () => {
    await using sink = await MailSink.start();
    const transport = createTransport({ url: sink.smtpUrl });
    const first = await transport.sendMail({ ...MAIL, headers: { 'X-Belfry-Incident': '01J' } });
    await transport.sendMail({ ...MAIL, subject: 'resolved', inReplyTo: first.messageId, references: [first.messageId] });
    const mail = await sink.next(({ subject }) => subject === 'resolved');
    expect(mail).toMatchObject({
      references: [first.messageId],
      envelope: { from: MAIL.from, to: [MAIL.to] },
      to: [MAIL.to],
      secure: false,
    });
    expect(sink.mails.all[0]).toMatchObject({ text: 'plain', headers: { 'x-belfry-incident': '01J' }, messageId: first.messageId });
    transport.close();
  });

  it('shows conversations on a page where the HTML body can do nothing', async () => {
    await using sink = await MailSink.start();
    const transport = createTransport({ url: sink.smtpUrl });
    const first = await transport.sendMail(MAIL);
    await transport.sendMail({ ...MAIL, references: [first.messageId] });
    transport.close();
    const page = await (await fetch(sink.url)).text();
    expect(page).toContain('2 mails in 1 conversations');
    expect(page).toContain('<iframe sandbox="" srcdoc="&#60;p&#62;rich');
    expect(page).not.toContain('<script>alert');
  });

  it.each([
    ['connect', 421],
    ['from', 451],
    ['rcpt', 550],
    ['data', 452],
  ] as const)('rejects at %s with %i, as often as told', async (stage, code) => {
    await using sink = await MailSink.start();
    sink.reject(code, { stage, times: 1 });
    const transport = createTransport({ url: sink.smtpUrl });
    await expect(transport.sendMail(MAIL)).rejects.toMatchObject({ responseCode: code });
    await transport.sendMail(MAIL);
    expect(sink.mails.count).toBe(1);
    transport.close();
  });

  it('outages: refuse and hang, and back on the same port', async () => {
    await using sink = await MailSink.start();
    const transport = createTransport({ url: sink.smtpUrl, greetingTimeout: 1000 });
    await sink.outage('refuse');
    await expect(transport.sendMail(MAIL)).rejects.toMatchObject({ code: 'ESOCKET' });
    await sink.outage('hang');
    await expect(transport.sendMail(MAIL)).rejects.toMatchObject({ code: 'ETIMEDOUT' });
    await sink.outage(undefined);
    await transport.sendMail(MAIL);
    expect(sink.mails.count).toBe(1);
    transport.close();
  });

  it('asks for STARTTLS and a password where it is told to', async () => {
    const dir = await makeTempDir();
    const { caPath } = await makeCa(dir, { client: 'client', admin: 'admin' });
    const starttls = await makeCert(dir, { name: 'mail', commonName: 'localhost' });
    await using sink = await MailSink.start({ starttls, auth: { username: 'belfry', password: 'secret' } });
    const { readFile } = await import('node:fs/promises');
    const send = async (pass: string): Promise<unknown> => {
      const transport = createTransport({
        host: '127.0.0.1',
        port: sink.port,
        requireTLS: true,
        tls: { ca: await readFile(caPath) },
        auth: { user: 'belfry', pass },
      });
      try {
        return await transport.sendMail(MAIL);
      } finally {
        transport.close();
      }
    };
    await expect(send('wrong')).rejects.toMatchObject({ responseCode: 535 });
    await send('secret');
    expect(sink.mails.all[0]).toMatchObject({ secure: true, user: 'belfry' });
    await removeTempDir(dir);
  });
});

describe('webhook sink', () => {
  const post = (url: string, body: string): Promise<Response> =>
    fetch(url, { method: 'POST', body, headers: { 'content-type': 'application/json' } });

  it('records bodies with their arrival, and answers as told', async () => {
    await using sink = await WebhookSink.start();
    sink.answer({ status: 503, retryAfterSeconds: 7 }, 1);
    const refused = await post(sink.url, '{"n":1}');
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '7']);
    const before = performance.timeOrigin + performance.now();
    expect((await post(`${sink.url}hook`, '{"n":2}')).status).toBe(200);
    const taken = await sink.next(({ status }) => status === 200);
    expect(taken).toMatchObject({ path: '/hook', json: { n: 2 } });
    expect(taken.at).toBeGreaterThanOrEqual(before);
    expect(await (await fetch(sink.url)).text()).toContain('answered 503');
  });
});

describe('fixture exporter', () => {
  it('serves the page the test writes, compressed for who takes it', async () => {
    await using exporter = await FixtureExporter.start('up 1\n');
    expect(await (await fetch(exporter.url)).text()).toBe('up 1\n');
    let scrape = 0;
    exporter.set(() => `scrape ${(scrape += 1)}\n# EOF\n`);
    exporter.contentType = OPENMETRICS;
    exporter.gzip = true;
    const response = await fetch(exporter.url, { headers: { 'accept-encoding': 'gzip' } });
    expect([response.headers.get('content-encoding'), response.headers.get('content-type')]).toEqual(['gzip', OPENMETRICS]);
    expect(await response.text()).toBe('scrape 1\n# EOF\n');
    expect(exporter.scrapes.count).toBe(2);
  });

  it.each([
    ['generated', { kind: 'generated', bytes: 1_000_000_000 }],
    ['endless', { kind: 'endless', linesPerSecond: 500 }],
    ['garbage', { kind: 'garbage', bytes: 200_000 }],
  ] as const)('%s pages come in pieces, and stop when the client goes', async (_name, page) => {
    await using exporter = await FixtureExporter.start();
    exporter.set(page);
    const abort = new AbortController();
    const response = await fetch(exporter.url, { signal: abort.signal });
    const reader = (response.body as ReadableStream<Uint8Array>).getReader();
    expect((await reader.read()).value?.length).toBeGreaterThan(0);
    abort.abort();
  });

  it('asks for a password, breaks off, and is out of order when told', async () => {
    await using exporter = await FixtureExporter.start('up 1\n');
    exporter.authorization = 'Bearer secret';
    expect((await fetch(exporter.url)).status).toBe(401);
    exporter.authorization = undefined;
    exporter.set({ kind: 'truncated', text: 'up 1\nhalf_a_li' });
    await expect(fetch(exporter.url).then((response) => response.text())).rejects.toThrow();
    await exporter.outage('refuse');
    await expect(fetch(exporter.url)).rejects.toThrow('fetch failed');
  });
});

import { readFile } from 'node:fs/promises';
import { simpleParser } from 'mailparser';
import { SMTPServer } from 'smtp-server';
import type { SMTPServerAuthentication, SMTPServerDataStream, SMTPServerOptions, SMTPServerSession } from 'smtp-server';
import { Arrivals, arrivalTime } from './arrivals.ts';
import type { NextOptions } from './arrivals.ts';
import { reservePort } from './free-port.ts';
import type { ReservedPort } from './free-port.ts';
import { HttpStandIn, sendHtml } from './http-stand-in.ts';
import { mailPage } from './mail-page.ts';

/** A mail as it arrived. */
export interface Mail {
  /** ms since the epoch, when its last byte was there. */
  at: number;
  from: string;
  to: string[];
  envelope: { from: string; to: string[] };
  subject: string;
  text: string;
  html: string;
  messageId: string;
  inReplyTo: string;
  references: string[];
  /** Header lines by lower-case name; the last of a repeated one. */
  headers: Record<string, string>;
  raw: string;
  /** Came over STARTTLS. */
  secure: boolean;
  /** The user that was authenticated. */
  user?: string;
}

export interface MailSinkOptions {
  /** Only this user may send; default everybody. */
  auth?: { username: string; password: string };
  /** Offers STARTTLS with this certificate; default none. */
  starttls?: { certPath: string; keyPath: string };
}

/** At which command a mail is rejected. */
export type RejectStage = 'connect' | 'from' | 'rcpt' | 'data';

const MAX_MAIL_BYTES = 20_000_000;

/** An SMTP server that keeps what it gets, shows it on a page, and can be put out of order. */
export class MailSink implements AsyncDisposable {
  readonly mails = new Arrivals<Mail>();
  readonly #options: MailSinkOptions;
  readonly #reserved: ReservedPort;
  #http!: HttpStandIn;
  #server: SMTPServer | undefined;
  #rejection: { code: number; message: string; stage: RejectStage; left: number } | undefined;
  #hanging = false;
  readonly #held = new Set<() => void>();

  private constructor(options: MailSinkOptions, reserved: ReservedPort) {
    this.#options = options;
    this.#reserved = reserved;
  }

  static async start(options: MailSinkOptions = {}): Promise<MailSink> {
    const sink = new MailSink(options, await reservePort());
    await sink.#open();
    sink.#http = await HttpStandIn.listen((_request, response) => sendHtml(response, mailPage(sink.mails.all)));
    return sink;
  }

  /** Port of SMTP, on 127.0.0.1. */
  get port(): number {
    return this.#reserved.port;
  }

  get smtpUrl(): string {
    return `smtp://127.0.0.1:${this.port}`;
  }

  /** The page that shows what arrived. */
  get url(): string {
    return this.#http.url;
  }

  /** Waits for a mail, arrived or still to come. */
  async next(predicate?: (mail: Mail) => boolean, options?: NextOptions): Promise<Mail> {
    return await this.mails.next(predicate, options);
  }

  /** Rejects the next `times` mails (default all until `accept`) with an SMTP code, e.g. 451 or 550. */
  reject(code: number, { stage = 'data', message = 'rejected by the testbed', times = Infinity }: RejectOptions = {}): void {
    this.#rejection = { code, message, stage, left: times };
  }

  accept(): void {
    this.#rejection = undefined;
  }

  /** `refuse` closes the port, `hang` takes connections and never greets; `undefined` puts it back in order. */
  async outage(outage: 'refuse' | 'hang' | undefined): Promise<void> {
    this.#hanging = outage === 'hang';
    if (!this.#hanging) this.#letGo();
    if (outage === 'refuse') await this.#shut();
    else if (this.#server === undefined) await this.#open();
  }

  #letGo(): void {
    for (const release of this.#held) release();
    this.#held.clear();
  }

  async #open(): Promise<void> {
    const { auth, starttls } = this.#options;
    const disabled = [...(auth === undefined ? ['AUTH'] : []), ...(starttls === undefined ? ['STARTTLS'] : [])];
    const options: SMTPServerOptions = {
      disabledCommands: disabled,
      authOptional: auth === undefined,
      allowInsecureAuth: true,
      disableReverseLookup: true,
      logger: false,
      size: MAX_MAIL_BYTES,
      closeTimeout: 50,
      ...(starttls === undefined ? {} : { cert: await readFile(starttls.certPath), key: await readFile(starttls.keyPath) }),
      onConnect: (_session, callback) => this.#gate('connect', callback),
      onMailFrom: (_address, _session, callback) => this.#gate('from', callback),
      onRcptTo: (_address, _session, callback) => this.#gate('rcpt', callback),
      onAuth: (given, _session, callback) => {
        if (this.#mayIn(given)) callback(null, { user: given.username ?? '' });
        else callback(smtpError(535, 'authentication failed'));
      },
      onData: (stream, session, callback) => void this.#answerData(stream, session, callback),
    };
    const server = new SMTPServer(options);
    // Clients that break off in the middle are what the tests are about.
    server.on('error', () => undefined);
    await new Promise<void>((resolve) => server.listen(this.port, '127.0.0.1', resolve));
    this.#server = server;
  }

  #mayIn(given: SMTPServerAuthentication): boolean {
    const { auth } = this.#options;
    return auth === undefined || (given.username === auth.username && given.password === auth.password);
  }

  #gate(stage: RejectStage, callback: (error?: Error | null) => void): void {
    if (this.#hanging) {
      this.#held.add(() => callback());
      return;
    }
    callback(this.#rejectionAt(stage));
  }

  #rejectionAt(stage: RejectStage): Error | undefined {
    const rejection = this.#rejection;
    if (rejection === undefined || rejection.stage !== stage) return undefined;
    rejection.left -= 1;
    if (rejection.left <= 0) this.#rejection = undefined;
    return smtpError(rejection.code, rejection.message);
  }

  async #answerData(stream: SMTPServerDataStream, session: SMTPServerSession, callback: (error?: Error | null) => void): Promise<void> {
    let failure: Error | null = null;
    try {
      await this.#take(stream, session);
    } catch (error) {
      failure = error instanceof Error ? error : new Error(String(error));
    }
    callback(failure);
  }

  async #take(stream: SMTPServerDataStream, session: SMTPServerSession): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of stream as AsyncIterable<Buffer>) chunks.push(chunk);
    const at = arrivalTime();
    if (stream.sizeExceeded) throw smtpError(552, 'message is too large');
    if (this.#hanging) await new Promise<void>((resolve) => this.#held.add(resolve));
    const rejection = this.#rejectionAt('data');
    if (rejection !== undefined) throw rejection;
    this.mails.add({ ...(await parseMail(Buffer.concat(chunks), session)), at });
  }

  async #shut(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server !== undefined) await new Promise<void>((resolve) => server.close(resolve));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#hanging = false;
    this.#letGo();
    await this.#shut();
    await this.#http[Symbol.asyncDispose]();
    await this.#reserved.release();
  }
}

export interface RejectOptions {
  stage?: RejectStage;
  message?: string;
  times?: number;
}

function smtpError(code: number, message: string): Error {
  return Object.assign(new Error(message), { responseCode: code });
}

async function parseMail(raw: Buffer, session: SMTPServerSession): Promise<Omit<Mail, 'at'>> {
  const parsed = await simpleParser(raw);
  const { mailFrom, rcptTo } = session.envelope;
  const recipients = parsed.to === undefined ? [] : [parsed.to].flat();
  const references = parsed.references === undefined ? [] : [parsed.references].flat();
  return {
    from: parsed.from?.text ?? '',
    to: recipients.flatMap((group) => group.value.map(({ address }) => address ?? '')),
    envelope: { from: mailFrom === false ? '' : mailFrom.address, to: rcptTo.map(({ address }) => address) },
    subject: parsed.subject ?? '',
    text: parsed.text ?? '',
    html: typeof parsed.html === 'string' ? parsed.html : '',
    messageId: parsed.messageId ?? '',
    inReplyTo: parsed.inReplyTo ?? '',
    references,
    headers: Object.fromEntries(parsed.headerLines.map(({ key, line }) => [key, line.slice(line.indexOf(':') + 1).trim()])),
    raw: raw.toString('utf8'),
    secure: session.secure,
    ...(session.user === undefined ? {} : { user: session.user }),
  };
}

import { createTransport } from 'nodemailer';
import type { SmtpOptions } from '../schema.ts';

/** A mail as it goes to the server. Every value is one clean line, but for the two bodies. */
export interface Mail {
  readonly to: readonly string[];
  readonly subject: string;
  readonly text: string;
  readonly html: string;
  /** With angle brackets. */
  readonly messageId: string;
  readonly references: readonly string[];
  readonly headers: Readonly<Record<string, string>>;
  readonly date: Date;
}

export interface MailResult {
  /** The Message-ID that readers see: the server's own where it gave one and said so. */
  readonly messageId: string;
  /** Recipients the server did not take, with its code. */
  readonly refused: readonly { readonly address: string; readonly code: number }[];
}

/** The mail server's connections, shared by all receivers. */
export class MailTransport {
  readonly from: string;
  /** Host and port, which is all that may be shown. */
  readonly destination: string;
  readonly #transporter: ReturnType<typeof pooled>;

  constructor(options: SmtpOptions) {
    this.from = options.from;
    this.destination = `${options.host}:${options.port}`;
    this.#transporter = pooled(options);
  }

  /** Sends one mail; throws nodemailer's error where the server took it for nobody. */
  async send(mail: Mail, signal: AbortSignal): Promise<MailResult> {
    const [root] = mail.references;
    const info = await this.#transporter.sendMail({
      from: this.from,
      to: [...mail.to],
      subject: mail.subject,
      text: mail.text,
      html: mail.html,
      messageId: mail.messageId,
      ...(root === undefined ? {} : { inReplyTo: mail.references.at(-1) ?? root, references: [...mail.references] }),
      headers: { ...mail.headers },
      date: mail.date,
      xMailer: false,
      disableFileAccess: true,
      disableUrlAccess: true,
      signal,
    });
    const refused = (info.rejectedErrors ?? []).map(({ recipient, responseCode }) => ({
      address: recipient ?? '',
      code: responseCode ?? 0,
    }));
    return { messageId: info.serverMessageId ?? info.messageId, refused };
  }

  /** Takes no more mails; those in flight end first. */
  close(): void {
    this.#transporter.close();
  }
}

function pooled(options: SmtpOptions) {
  const { username, password, tls } = options;
  return createTransport({
    pool: true,
    host: options.host,
    port: options.port,
    secure: options.secure,
    requireTLS: options.requireTls,
    maxConnections: 3,
    maxMessages: 100,
    // A message on a lost connection is the outbox's to send again.
    maxRequeues: 0,
    idleTimeout: 30_000,
    connectionTimeout: 10_000,
    greetingTimeout: 10_000,
    socketTimeout: 30_000,
    dnsTimeout: 10_000,
    socketCloseTimeout: 0,
    maxResponseSize: 65_536,
    disableFileAccess: true,
    disableUrlAccess: true,
    logger: false,
    ...(username === undefined || password === undefined ? {} : { auth: { user: username, pass: password.reveal() } }),
    tls: {
      rejectUnauthorized: tls.rejectUnauthorized,
      ...(tls.ca === undefined ? {} : { ca: tls.ca }),
      ...(tls.serverName === undefined ? {} : { servername: tls.serverName }),
    },
  });
}

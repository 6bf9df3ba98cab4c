import { createServer } from 'node:net';
import { SMTPServer } from 'smtp-server';
import type { AddressInfo, Server, Socket } from 'node:net';
import type { SMTPServerOptions } from 'smtp-server';

export interface ArrivedMail {
  readonly from: string;
  readonly to: readonly string[];
  readonly raw: string;
}

/** A real SMTP server that refuses what a test tells it to. */
export class MailPeer {
  readonly mails: ArrivedMail[] = [];
  /** Codes for the next mails, at the end of their data; then all are taken. */
  readonly dataCodes: { code: number; text: string }[] = [];
  /** Codes for recipients. */
  readonly recipientCodes = new Map<string, number>();
  password = 'right-password';
  readonly #server: SMTPServer;

  private constructor(options: SMTPServerOptions) {
    this.#server = new SMTPServer({
      authOptional: true,
      allowInsecureAuth: true,
      disabledCommands: ['STARTTLS'],
      logger: false,
      closeTimeout: 100,
      ...options,
      onAuth: (auth, _session, callback) => {
        if (auth.password === this.password) callback(null, { user: auth.username ?? '' });
        else callback(Object.assign(new Error(`no such user with ${auth.password}`), { responseCode: 535 }));
      },
      onRcptTo: ({ address }, _session, callback) => {
        const code = this.recipientCodes.get(address);
        callback(code === undefined ? null : Object.assign(new Error('mailbox says no'), { responseCode: code }));
      },
      onData: (stream, session, callback) => {
        const chunks: Buffer[] = [];
        stream.on('data', (chunk: Buffer) => chunks.push(chunk));
        stream.on('end', () => {
          const refusal = this.dataCodes.shift();
          if (refusal !== undefined) {
            callback(Object.assign(new Error(refusal.text), { responseCode: refusal.code }));
            return;
          }
          const { mailFrom, rcptTo } = session.envelope;
          this.mails.push({
            from: mailFrom === false ? '' : mailFrom.address,
            to: rcptTo.map(({ address }) => address),
            raw: Buffer.concat(chunks).toString('utf8'),
          });
          callback();
        });
      },
    });
    this.#server.on('error', () => undefined);
  }

  static async start(options: SMTPServerOptions = {}): Promise<MailPeer> {
    const peer = new MailPeer(options);
    await new Promise<void>((resolve) => peer.#server.listen(0, '127.0.0.1', () => resolve()));
    return peer;
  }

  get port(): number {
    return (this.#server.server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }
}

/** A server that lets one in and never says a word. */
export class SilentPeer {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #waiting: (() => void)[] = [];

  private constructor() {
    this.#server = createServer((socket) => {
      this.#sockets.add(socket);
      socket.on('error', () => undefined);
      for (const resolve of this.#waiting.splice(0)) resolve();
    });
  }

  static async start(): Promise<SilentPeer> {
    const peer = new SilentPeer();
    await new Promise<void>((resolve) => peer.#server.listen(0, '127.0.0.1', resolve));
    return peer;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async nextConnection(): Promise<void> {
    await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }
}

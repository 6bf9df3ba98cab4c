import http from 'node:http';
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { reservePort } from './free-port.ts';
import type { ReservedPort } from './free-port.ts';

/**
 * How a stand-in may be out of order: `refuse` closes its port, `reset` breaks the connection after the request, `hang` takes
 * the request and never answers, a number is the status of every answer.
 */
export type Outage = 'refuse' | 'reset' | 'hang' | number;

/** The base of the HTTP stand-ins: a server on a port of 127.0.0.1 that stays the same through outages. */
export class HttpStandIn implements AsyncDisposable {
  readonly port: number;
  readonly #reserved: ReservedPort;
  readonly #server: http.Server;
  readonly #hanging = new Set<ServerResponse>();
  #outage: Outage | undefined;

  private constructor(reserved: ReservedPort, listener: RequestListener, spares: (request: IncomingMessage) => boolean) {
    this.#reserved = reserved;
    this.port = reserved.port;
    this.#server = http.createServer((request, response) => {
      if (this.#outage === undefined || spares(request)) listener(request, response);
      else this.#fail(this.#outage, request, response);
    });
  }

  /** Starts one. Outages do not touch requests that `spares` is true for: by default GET, which a person's browser sends. */
  static async listen(
    listener: RequestListener,
    spares: (request: IncomingMessage) => boolean = (request) => request.method === 'GET',
  ): Promise<HttpStandIn> {
    const standIn = new HttpStandIn(await reservePort(), listener, spares);
    await standIn.#open();
    return standIn;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Puts it out of order, or back in order with `undefined`. */
  async outage(outage: Outage | undefined): Promise<void> {
    this.#outage = outage;
    for (const response of this.#hanging) response.destroy();
    this.#hanging.clear();
    if (outage === 'refuse') await this.#shut();
    else if (!this.#server.listening) await this.#open();
  }

  #fail(outage: Outage, request: IncomingMessage, response: ServerResponse): void {
    request.resume();
    if (outage === 'hang') {
      this.#hanging.add(response);
      response.once('close', () => this.#hanging.delete(response));
    } else if (outage === 'reset' || outage === 'refuse') {
      request.socket.destroy();
    } else {
      request.once('end', () => response.writeHead(outage, { 'content-type': 'text/plain' }).end(`out of order: ${outage}\n`));
    }
  }

  #open(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(this.port, '127.0.0.1', () => {
        this.#server.off('error', reject);
        resolve();
      });
    });
  }

  #shut(): Promise<void> {
    if (!this.#server.listening) return Promise.resolve();
    return new Promise((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeAllConnections();
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#shut();
    await this.#reserved.release();
  }
}

/** A body that was longer than the stand-in reads. */
export class BodyTooLargeError extends Error {
  override name = 'BodyTooLargeError';
}

/** The whole body of a request. */
export async function readBody(request: IncomingMessage, maxBytes = 10_000_000): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > maxBytes) throw new BodyTooLargeError(`a body of more than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** Answers with JSON. */
export function sendJson(response: ServerResponse, status: number, body: unknown, headers: http.OutgoingHttpHeaders = {}): void {
  response.writeHead(status, { 'content-type': 'application/json; charset=utf-8', ...headers }).end(JSON.stringify(body));
}

/** Answers with a page; nothing on it may run but its own script. */
export function sendHtml(response: ServerResponse, html: string): void {
  response
    .writeHead(200, {
      'content-type': 'text/html; charset=utf-8',
      'cache-control': 'no-store',
      'content-security-policy':
        "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; frame-src 'self' data:; img-src data:",
    })
    .end(html);
}

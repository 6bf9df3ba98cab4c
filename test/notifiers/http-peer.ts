import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { IncomingHttpHeaders, Server, ServerResponse } from 'node:http';

export interface PeerRequest {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export interface PeerAnswer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Never ends the answer, after so much of it: `nothing` or the `head`. */
  readonly hangs?: 'nothing' | 'head';
  /** Cuts the connection instead. */
  readonly resets?: boolean;
}

/** A real HTTP server whose answers a test writes down beforehand. */
export class HttpPeer {
  readonly requests: PeerRequest[] = [];
  /** Given in this order; when they are used up, `usual` is. */
  readonly answers: PeerAnswer[] = [];
  usual: (request: PeerRequest) => PeerAnswer;
  readonly #server: Server;
  readonly #waiting: (() => void)[] = [];

  private constructor(server: Server, usual: (request: PeerRequest) => PeerAnswer) {
    this.#server = server;
    this.usual = usual;
  }

  static async start(usual: (request: PeerRequest) => PeerAnswer = () => ({ status: 200 })): Promise<HttpPeer> {
    const server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        peer.#answer({ path: request.url ?? '', headers: request.headers, body: Buffer.concat(chunks).toString('utf8') }, response);
      });
    });
    const peer = new HttpPeer(server, usual);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return peer;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Resolves with the next request, once it is whole. */
  async nextRequest(): Promise<void> {
    await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #answer(request: PeerRequest, response: ServerResponse): void {
    this.requests.push(request);
    const answer = this.answers.shift() ?? this.usual(request);
    for (const resolve of this.#waiting.splice(0)) resolve();
    if (answer.resets === true) response.socket?.destroy();
    else if (answer.hangs === 'nothing') return;
    else if (answer.hangs === 'head') response.writeHead(answer.status, answer.headers ?? {}).flushHeaders();
    else response.writeHead(answer.status, answer.headers ?? {}).end(answer.body ?? '');
  }
}

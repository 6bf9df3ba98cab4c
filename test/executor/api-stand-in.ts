import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { StepRun, Task } from '../../src/executor/driver.ts';

export interface ApiRequest {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

export interface ApiAnswer {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

/** An API of another system: a handler on a real port. */
export class ApiStandIn {
  readonly requests: ApiRequest[] = [];
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  static async start(handle: (request: ApiRequest) => ApiAnswer): Promise<ApiStandIn> {
    const server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const url = new URL(request.url ?? '/', 'http://api');
        const taken = {
          method: request.method ?? '',
          path: url.pathname,
          query: url.searchParams,
          headers: request.headers,
          text: Buffer.concat(chunks).toString('utf8'),
        };
        standIn.requests.push(taken);
        const { status = 200, headers = {}, body } = handle(taken);
        response.writeHead(status, headers).end(body === undefined ? '' : JSON.stringify(body));
      });
    });
    const standIn = new ApiStandIn(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return standIn;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Method and path of what changed something, in order. */
  get writes(): readonly string[] {
    return this.requests.filter(({ method }) => method !== 'GET').map(({ method, path }) => `${method} ${path}`);
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }
}

/** A step's surroundings, with what it told and how often it asked for the lease. */
export function stepRun(task: Partial<Task>): StepRun & { readonly told: string[]; readonly confirms: { count: number; lost: boolean } } {
  const told: string[] = [];
  const confirms = { count: 0, lost: false };
  return {
    told,
    confirms,
    task: {
      intentId: '01J0000000000000000000000A',
      cluster: 'orders-dal',
      action: 'repair',
      broker: 2,
      desiredBrokers: undefined,
      currentBrokers: undefined,
      fencingToken: 7,
      added: new Set(),
      ...task,
    },
    signal: new AbortController().signal,
    proceed: new AbortController().signal,
    confirm: () => {
      confirms.count += 1;
      return confirms.lost ? Promise.reject(new Error('the lease was lost')) : Promise.resolve();
    },
    report: (text) => void told.push(text),
  };
}

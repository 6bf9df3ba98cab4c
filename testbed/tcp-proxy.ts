import { connect, type Socket } from 'node:net';
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { ProxyOrders } from './tcp-proxy-worker.ts';

/** Connections the kernel keeps for a proxy that stands still; one more is not answered. */
const BACKLOG = 8;
const UNANSWERED_AFTER_MS = 300;

/**
 * An address on loopback behind which packets can get lost. It lies in a thread of its own: while that stands still,
 * nothing that is sent on a standing connection is answered, and once its queue is full the kernel drops every SYN.
 */
export class TcpProxy implements AsyncDisposable {
  readonly port: number;
  readonly #worker: Worker;
  readonly #standing: Int32Array;
  #fillers: Socket[] = [];

  private constructor(worker: Worker, standing: Int32Array, port: number) {
    this.#worker = worker;
    this.#standing = standing;
    this.port = port;
  }

  /** Forwards to `host:port`; without a target it accepts and keeps connections, as a reference does. */
  static async start(target?: string): Promise<TcpProxy> {
    const standing = new SharedArrayBuffer(4);
    const [host = '', port = ''] = target?.split(':') ?? [];
    const orders: ProxyOrders = { target: target === undefined ? undefined : { host, port: Number(port) }, standing, backlog: BACKLOG };
    const worker = new Worker(new URL('./tcp-proxy-worker.ts', import.meta.url), { workerData: orders });
    const [message] = (await once(worker, 'message')) as [{ port: number }];
    return new TcpProxy(worker, new Int32Array(standing), message.port);
  }

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  /** From now on nothing comes back from here, not even from the kernel. */
  async blackhole(): Promise<void> {
    Atomics.store(this.#standing, 0, 1);
    const still = once(this.#worker, 'message');
    this.#worker.postMessage('stand');
    await still;
    while (await this.#fills());
  }

  /** Everything that was sent meanwhile arrives. */
  restore(): void {
    for (const socket of this.#fillers) socket.destroy();
    this.#fillers = [];
    Atomics.store(this.#standing, 0, 0);
    Atomics.notify(this.#standing, 0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.restore();
    await this.#worker.terminate();
  }

  /** Takes one more place in the queue; false when there is none left. */
  #fills(): Promise<boolean> {
    return new Promise((resolve) => {
      const socket = connect({ host: '127.0.0.1', port: this.port });
      this.#fillers.push(socket);
      const timer = setTimeout(() => resolve(false), UNANSWERED_AFTER_MS);
      socket.on('error', () => undefined);
      socket.once('connect', () => {
        clearTimeout(timer);
        resolve(true);
      });
    });
  }
}

import { type ResourceLimits, Worker } from 'node:worker_threads';
import { BelfryError, type ErrorCode, errorText } from '../core/errors.ts';
import type { ReplayProgress } from './replay-run.ts';
import type { ReplayAnswer, ReplaySpec } from './replay-spec.ts';

/** What the thread is given. */
export interface ReplayOrder {
  readonly spec: ReplaySpec;
  /** Its one number is not 0 where the replay is to end; seen in the middle of a query too. */
  readonly stop: Int32Array<SharedArrayBuffer>;
}

/** What the thread says. The pieces make the JSON of the answer. */
export type ReplayMessage =
  | { readonly type: 'begun' }
  | { readonly type: 'progress'; readonly progress: ReplayProgress }
  | { readonly type: 'piece'; readonly text: string }
  | { readonly type: 'done' }
  | { readonly type: 'error'; readonly code: ErrorCode; readonly error: string };

/** How a replay is watched and ended. */
export interface ReplayWatch {
  /** Once aborted, it ends with what it has found so far; rejects with `STOPPING` where that is nothing yet. */
  readonly signal: AbortSignal;
  readonly onProgress: (progress: ReplayProgress) => void;
}

/** One replay in a thread of its own: what it says, one at a time; its end is said as well. */
export class ReplayThread {
  readonly #stop = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
  readonly #worker: Worker;
  readonly #messages: ReplayMessage[] = [];
  #wake: (() => void) | undefined;

  constructor(spec: ReplaySpec, resourceLimits?: ResourceLimits) {
    const order: ReplayOrder = { spec, stop: this.#stop };
    const limits = resourceLimits === undefined ? {} : { resourceLimits };
    this.#worker = new Worker(workerFile(), { workerData: order, name: 'belfry-replay', ...limits });
    this.#worker.on('message', (message: ReplayMessage) => this.put(message));
    this.#worker.on('error', (error) => this.put(failureOf(error)));
    this.#worker.on('exit', () => this.put({ type: 'error', code: 'STOPPING', error: 'the replay was ended' }));
  }

  /** The process need not wait for it. */
  unref(): void {
    this.#worker.unref();
  }

  put(message: ReplayMessage): void {
    this.#messages.push(message);
    this.#wake?.();
  }

  async next(): Promise<ReplayMessage> {
    for (;;) {
      const message = this.#messages.shift();
      if (message !== undefined) return message;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** Asks it to end with what it has found so far. */
  stop(): void {
    Atomics.store(this.#stop, 0, 1);
  }

  /** Ends it at once, in the middle of whatever it does. */
  async end(): Promise<void> {
    await this.#worker.terminate();
  }
}

/** Replays in a thread, so that whoever waits hears signals meanwhile. Rejects as `runSpec`. */
export async function replayInThread(spec: ReplaySpec, { signal, onProgress }: ReplayWatch): Promise<ReplayAnswer> {
  const thread = new ReplayThread(spec);
  const stop = (): void => thread.stop();
  signal.addEventListener('abort', stop, { once: true });
  if (signal.aborted) stop();
  const pieces: string[] = [];
  try {
    for (;;) {
      const message = await thread.next();
      if (message.type === 'progress') onProgress(message.progress);
      else if (message.type === 'piece') pieces.push(message.text);
      else if (message.type === 'error') throw new BelfryError(message.code, message.error);
      // It is our own JSON, made from this very type.
      else if (message.type === 'done') return JSON.parse(pieces.join('')) as ReplayAnswer;
    }
  } finally {
    signal.removeEventListener('abort', stop);
    await thread.end();
  }
}

function failureOf(error: unknown): ReplayMessage {
  if (typeof error === 'object' && error !== null && 'code' in error && error.code === 'ERR_WORKER_OUT_OF_MEMORY')
    return {
      type: 'error',
      code: 'LIMIT_EXCEEDED',
      error:
        'the replay needs more memory than it may have beside a running Belfry: replay fewer rules or a shorter range, ' +
        'or run belfry replay on the data folder',
    };
  return { type: 'error', code: 'INTERNAL', error: `the replay failed: ${errorText(error)}` };
}

/** The package runs JavaScript, a checkout TypeScript. */
function workerFile(): URL {
  return new URL(import.meta.url.endsWith('.ts') ? './replay-worker.ts' : './replay-worker.js', import.meta.url);
}

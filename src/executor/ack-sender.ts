import { delay, type Clock, type Timer } from '../core/clock.ts';
import type { Ack, AckStatus } from '../core/autopilot.ts';
import { BelfryError, errorText } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import type { BelfryApi, Grant } from './belfry-api.ts';
import { boundedTail } from './output-tail.ts';

const MIN_BETWEEN_MS = 1000;
/** Of an executor that was told to stop: so many attempts at its last word. */
const LAST_ATTEMPTS = 5;
const LAST_RETRY_MS = 500;
const LAST_RETRY_MAX_MS = 2000;

type AckWords = Pick<Ack, 'text' | 'process' | 'progress'>;

/**
 * Acknowledgements of one lease: how it goes at most once a second, the newest words replacing those not sent yet, and
 * one last word after everything else.
 */
export class AckSender {
  readonly #api: BelfryApi;
  readonly #grant: Grant;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #stop: AbortSignal;
  #waiting: AckWords | undefined;
  #timer: Timer | undefined;
  #sending: Promise<void> = Promise.resolve();
  #sentAt = -Infinity;
  #closed = false;

  constructor(options: { api: BelfryApi; grant: Grant; clock: Clock; log: Logger; stop: AbortSignal }) {
    this.#api = options.api;
    this.#grant = options.grant;
    this.#clock = options.clock;
    this.#log = options.log;
    this.#stop = options.stop;
  }

  /** Sends `running` with these words, soon. Never rejects: the heartbeat notices when the lease is lost. */
  running(words: AckWords): void {
    if (this.#closed) return;
    this.#waiting = words;
    this.#timer ??= this.#clock.timer(Math.max(0, this.#sentAt + MIN_BETWEEN_MS - this.#clock.elapsed()), () => this.#flush());
  }

  /** Sends one acknowledgement at once. Never rejects. */
  async now(status: AckStatus, words: AckWords): Promise<void> {
    await this.#sending;
    await this.#attempt(status, words);
  }

  /**
   * Sends the last word after everything else. Without it Belfry waits for the lease to run out: tried again for as long as
   * that may last while Belfry cannot be reached, as when it starts anew.
   */
  async last(status: AckStatus, words: AckWords): Promise<void> {
    this.#closed = true;
    this.#timer?.cancel();
    await this.#sending;
    const since = this.#clock.elapsed();
    for (let attempt = 1; !(await this.#attempt(status, words)); attempt++) {
      const isWorthIt = !this.#stop.aborted && this.#clock.elapsed() - since < this.#grant.ttlMs;
      if (!isWorthIt && attempt >= LAST_ATTEMPTS) return;
      await delay(this.#clock, Math.min(LAST_RETRY_MAX_MS, LAST_RETRY_MS * attempt));
    }
  }

  #flush(): void {
    const words = this.#waiting;
    this.#waiting = undefined;
    this.#timer = undefined;
    if (words === undefined) return;
    this.#sentAt = this.#clock.elapsed();
    this.#sending = this.#sending.then(async () => {
      await this.#attempt('running', words);
    });
  }

  /** True when Belfry took it, or never will. */
  async #attempt(status: AckStatus, words: AckWords): Promise<boolean> {
    const { intent, fencingToken } = this.#grant;
    try {
      await this.#api.ack({ ...words, intentId: intent.id, fencingToken, status, text: boundedTail(words.text) });
      return true;
    } catch (error) {
      this.#log.warn('ack_failed', { intent: intent.id, status, error: errorText(error) });
      return error instanceof BelfryError && error.code !== 'EXECUTOR_FAILED';
    }
  }
}

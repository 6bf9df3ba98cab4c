import { delay, type Clock, type Timer } from '../core/clock.ts';
import { BelfryError, errorText } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import type { BelfryApi, Grant } from './belfry-api.ts';
import type { StopFile } from './stop-file.ts';

/** Heartbeats in one time to live. */
const BEATS_PER_TTL = 3;
const MIN_BEAT_MS = 20;
const CONFIRM_RETRY_MS = 1000;

export interface LeaseKeeperOptions {
  readonly api: BelfryApi;
  readonly grant: Grant;
  /** When the lease was asked for, on the scale of `clock.elapsed`: its time to live counts from then. */
  readonly requestedAt: number;
  readonly clock: Clock;
  readonly log: Logger;
  readonly stopFile: StopFile;
}

/**
 * Keeps a lease by heartbeats while it is worked under. The lease is lost when Belfry says so, or when its time to live
 * has passed since the last heartbeat that Belfry answered: from then on somebody else may hold it. The stop file ends
 * it likewise. What is lost is never found again.
 */
export class LeaseKeeper {
  /** Aborted, with the error as its reason, when nothing new may be begun. */
  readonly lost: AbortSignal;
  readonly #options: LeaseKeeperOptions;
  readonly #controller = new AbortController();
  #ttlMs: number;
  /** When the last heartbeat that was answered had been asked, on the scale of `clock.elapsed`. */
  #answeredAt: number;
  #nextBeat: Timer | undefined;
  #expiry: Timer | undefined;
  #beating: Promise<void> | undefined;
  #closed = false;

  constructor(options: LeaseKeeperOptions) {
    this.#options = options;
    this.#ttlMs = options.grant.ttlMs;
    this.#answeredAt = options.requestedAt;
    this.lost = this.#controller.signal;
    this.#expireLater();
    this.#beatLater();
  }

  /** Resolves when Belfry has just said that the lease stands; rejects with `LEASE_LOST` where it does not, or cannot be asked in time. */
  async confirm(): Promise<void> {
    const { clock } = this.#options;
    const askedAt = clock.elapsed();
    for (;;) {
      // One that is under way was asked before; only an answer to a later one counts.
      await this.#beating;
      this.lost.throwIfAborted();
      await this.#beat();
      this.lost.throwIfAborted();
      if (this.#answeredAt >= askedAt) return;
      await delay(clock, Math.min(CONFIRM_RETRY_MS, this.#ttlMs / 10), this.lost);
    }
  }

  /** Ends the heartbeats; the lease itself is ended by the last acknowledgement, or runs out. */
  close(): void {
    this.#closed = true;
    this.#nextBeat?.cancel();
    this.#expiry?.cancel();
  }

  #beatLater(): void {
    this.#nextBeat?.cancel();
    if (this.#closed || this.lost.aborted) return;
    this.#nextBeat = this.#options.clock.timer(Math.max(MIN_BEAT_MS, this.#ttlMs / BEATS_PER_TTL), () => {
      this.#beat().then(
        () => this.#beatLater(),
        (error: unknown) => this.#lose(errorText(error)),
      );
    });
  }

  #expireLater(): void {
    this.#expiry?.cancel();
    if (this.#closed || this.lost.aborted) return;
    const { clock } = this.#options;
    this.#expiry = clock.timer(Math.max(0, this.#answeredAt + this.#ttlMs - clock.elapsed()), () => {
      this.#lose('the lease ran out while Belfry could not be reached');
    });
  }

  #beat(): Promise<void> {
    this.#beating ??= this.#beatOnce().finally(() => (this.#beating = undefined));
    return this.#beating;
  }

  async #beatOnce(): Promise<void> {
    const { api, grant, clock, log, stopFile } = this.#options;
    if (this.lost.aborted) return;
    if (stopFile.isThere()) {
      this.#lose(`the stop file ${stopFile.path} is there`);
      return;
    }
    const askedAt = clock.elapsed();
    try {
      this.#ttlMs = await api.heartbeat(grant);
      this.#answeredAt = askedAt;
      this.#expireLater();
    } catch (error) {
      if (error instanceof BelfryError && error.code !== 'EXECUTOR_FAILED') this.#lose(errorText(error));
      else log.warn('lease_heartbeat_failed', { intent: grant.intent.id, error });
    }
  }

  #lose(text: string): void {
    if (this.lost.aborted) return;
    this.close();
    this.#controller.abort(new BelfryError('LEASE_LOST', text));
  }
}

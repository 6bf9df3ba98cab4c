import { type Clock, delay } from '../core/clock.ts';
import type { Logger } from '../core/log.ts';
import { SnappyCompressor } from '../formats/snappy-compress.ts';
import { WriteRequestEncoder, type WrittenMetadata } from '../formats/write-request.ts';
import type { Batch } from './batch.ts';
import type { LabelCache } from './label-cache.ts';
import type { RemoteWriteMeters } from './meters.ts';
import type { Outcome, RequestPoster } from './post.ts';
import type { RemoteWriteOptions } from './schema.ts';

/** Requests in a minute that may be made of refused ones, to find the samples that are refused. */
const SPLITS_A_MINUTE = 100;
/**
 * Beside these, once after a start, by time, of what may have been sent before: what is new must not go with that, and where the
 * one ends and the other begins is soon found, unless nearly each sample has a time of its own.
 */
const SPLITS_OF_REPEATED = 2000;
const REFUSALS_LOGGED_EVERY_MS = 60_000;

/** Why samples are given up, as it is counted. */
export const DROP_REASONS = ['refused', 'too_old'] as const;

/** Sends batches until they have been taken, refused, or have become too old. */
export class Delivery {
  readonly #options: RemoteWriteOptions;
  readonly #poster: RequestPoster;
  readonly #labels: LabelCache;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #meters: RemoteWriteMeters;
  readonly #signal: AbortSignal;
  readonly #encoder = new WriteRequestEncoder();
  readonly #compressor = new SnappyCompressor();
  readonly #resumedAt: number;
  #splits = { since: -Infinity, count: 0 };
  #splitsOfRepeated = 0;
  #refusalLoggedAt = -Infinity;
  /** Requests are not taken at the moment. */
  isFailing = false;

  constructor(options: {
    destination: RemoteWriteOptions;
    poster: RequestPoster;
    labels: LabelCache;
    clock: Clock;
    log: Logger;
    meters: RemoteWriteMeters;
    signal: AbortSignal;
    /** What is not newer may have been sent before, by one who did not learn whether it arrived; -Infinity where nobody was before. */
    resumedAt: number;
  }) {
    this.#options = options.destination;
    this.#poster = options.poster;
    this.#labels = options.labels;
    this.#clock = options.clock;
    this.#log = options.log;
    this.#meters = options.meters;
    this.#signal = options.signal;
    this.#resumedAt = options.resumedAt;
  }

  /** Settles when the batch is done with, or, undelivered, when the signal is aborted. */
  async deliver(batch: Batch): Promise<void> {
    const { minBackoffMs, maxBackoffMs, ageMaxMs } = this.#options.queue;
    let backoffMs = minBackoffMs;
    while (!this.#signal.aborted) {
      if (batch.newestTs < this.#clock.now() - ageMaxMs) return this.#drop(batch, 'too_old');
      const outcome = await this.#send(this.#encoded(batch));
      if (outcome.kind === 'sent') {
        this.#meters.sent.add(batch.count, { remote: this.#options.name });
        return undefined;
      }
      if (outcome.kind === 'refused') return await this.#refused(batch, outcome);
      if (this.#signal.aborted) return undefined;
      this.#meters.failed.add(1, { remote: this.#options.name });
      await this.#wait(Math.max(backoffMs, outcome.retryAfterMs ?? 0));
      backoffMs = Math.min(maxBackoffMs, backoffMs * 2);
    }
    return undefined;
  }

  /** Tells once what is known of the metrics; whether it was taken. */
  async sendMetadata(families: readonly WrittenMetadata[]): Promise<boolean> {
    const { samplesPerSend } = this.#options.queue;
    for (let from = 0; from < families.length && !this.#signal.aborted; from += samplesPerSend) {
      this.#encoder.begin();
      for (const family of families.slice(from, from + samplesPerSend)) this.#encoder.metadata(family);
      const body = Buffer.from(this.#compressor.compress(this.#encoder.message()));
      if ((await this.#poster.post(body, this.#signal)).kind !== 'sent') return false;
    }
    return true;
  }

  #encoded(batch: Batch): Uint8Array {
    this.#encoder.begin();
    batch.encode(this.#encoder, this.#labels);
    // A copy: encoder and compressor are used by the other shards while this one waits.
    return Buffer.from(this.#compressor.compress(this.#encoder.message()));
  }

  async #send(body: Uint8Array): Promise<Outcome> {
    const startedAt = this.#clock.elapsed();
    const outcome = await this.#poster.post(body, this.#signal);
    if (this.#signal.aborted) return outcome;
    this.#meters.requestSeconds.observe((this.#clock.elapsed() - startedAt) / 1000, { remote: this.#options.name });
    if (outcome.kind === 'later' && !this.isFailing) this.#log.warn('remote_write_failing', { error: outcome.text });
    if (outcome.kind !== 'later' && this.isFailing) this.#log.info('remote_write_recovered');
    this.isFailing = outcome.kind === 'later';
    return outcome;
  }

  /**
   * What is refused is not sent again (remote write specification, "Retries and backoff"). But its neighbours do not go with a
   * sample that the destination may have had before, nor where the configuration wants the one that is refused found: each half
   * by itself, as long as that is not too much.
   */
  async #refused(batch: Batch, { text, isOfSamples }: Outcome & { readonly kind: 'refused' }): Promise<void> {
    const mayBeRepeated = batch.oldestTs <= this.#resumedAt;
    const isDivided = batch.count > 1 && isOfSamples && (mayBeRepeated || this.#options.queue.retriesOn4xx);
    if (isDivided && this.#maySplit(mayBeRepeated && batch.oldestTs < batch.newestTs)) {
      for (const half of batch.split()) await this.deliver(half);
      return;
    }
    const now = this.#clock.elapsed();
    if (now - this.#refusalLoggedAt >= REFUSALS_LOGGED_EVERY_MS) {
      this.#refusalLoggedAt = now;
      this.#log.warn('remote_write_refused', { samples: batch.count, error: text });
    }
    this.#drop(batch, 'refused');
  }

  #maySplit(isOfRepeated: boolean): boolean {
    if (isOfRepeated && this.#splitsOfRepeated++ < SPLITS_OF_REPEATED) return true;
    const now = this.#clock.elapsed();
    if (now - this.#splits.since >= 60_000) this.#splits = { since: now, count: 0 };
    return this.#splits.count++ < SPLITS_A_MINUTE;
  }

  #drop(batch: Batch, reason: (typeof DROP_REASONS)[number]): void {
    this.#meters.dropped.add(batch.count, { remote: this.#options.name, reason });
  }

  async #wait(waitMs: number): Promise<void> {
    try {
      await delay(this.#clock, waitMs, this.#signal);
    } catch (error) {
      if (!this.#signal.aborted) throw error;
    }
  }
}

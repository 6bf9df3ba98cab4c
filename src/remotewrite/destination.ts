import { type Clock, type Timer, yieldToLoop } from '../core/clock.ts';
import { errorText } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import { Delivery, DROP_REASONS } from './delivery.ts';
import type { WrittenMetadata } from '../formats/write-request.ts';
import { LabelCache } from './label-cache.ts';
import type { RemoteWriteMeters } from './meters.ts';
import type { FeedReader, PositionStore, SampleFeed, SampleSink } from './ports.ts';
import { RequestPoster } from './post.ts';
import { compileRelabel } from './relabel.ts';
import type { RemoteWriteOptions } from './schema.ts';
import { Shards } from './shards.ts';

/** Where it is, is kept so often; less often where that is much to write. */
const KEEP_EVERY_MS = 5000;
const KEPT_CHEAPLY_BYTES = 50_000;
/** How far behind it is, is told so often. */
const MEASURE_EVERY_MS = 1000;
/** Samples read between two turns of the event loop. */
const SAMPLES_A_TURN = 10_000;
/** Further behind than that it gets more shards, and less when it has not been so for a while. */
const BEHIND_MS = 10_000;
const CALM_MS = 300_000;

export interface DestinationParts {
  readonly feed: SampleFeed;
  readonly positions: PositionStore;
  readonly metadata: () => Promise<readonly WrittenMetadata[]>;
  readonly clock: Clock;
  readonly log: Logger;
  readonly meters: RemoteWriteMeters;
}

/** The key of a destination's position. */
export function positionKey(name: string): string {
  return `remote_write/${name}`;
}

/**
 * One destination. It reads from the store what it has not sent yet, so the store is its queue: however long the
 * destination is away, memory holds only what is on its way, and after a restart it goes on where it was.
 */
export class Destination {
  readonly #options: RemoteWriteOptions;
  readonly #parts: DestinationParts;
  readonly #poster: RequestPoster;
  readonly #reader: FeedReader;
  readonly #shards: Shards;
  readonly #delivery: Delivery;
  readonly #labels: LabelCache;
  readonly #ended = new AbortController();
  readonly #sink: SampleSink;
  readonly #run: Promise<void>;
  #wake: () => void = () => undefined;
  #isStopping = false;
  /** Everything read so far has been done with, and where that is. */
  #isSettled = true;
  #arrivedTo: number;
  #keptAt = -Infinity;
  #keepEveryMs = KEEP_EVERY_MS;
  #calmSince: number;
  #metadataAt = -Infinity;
  #measureTimer: Timer | undefined;
  #added = 0;

  constructor(options: RemoteWriteOptions, parts: DestinationParts) {
    const { clock, feed, positions } = parts;
    this.#options = options;
    this.#parts = { ...parts, log: parts.log.child({ remote: options.name }) };
    this.#poster = new RequestPoster(options, clock);
    const position = positions.load().get(positionKey(options.name));
    this.#reader = feed.open(position);
    if (this.#reader.isLost) this.#parts.log.warn('remote_write_position_lost');
    this.#labels = new LabelCache({
      labelsOf: (series) => feed.labels(series),
      relabel: compileRelabel(options.relabel),
      externalLabels: options.externalLabels,
    });
    this.#delivery = new Delivery({
      destination: options,
      poster: this.#poster,
      labels: this.#labels,
      clock,
      log: this.#parts.log,
      meters: parts.meters,
      signal: this.#ended.signal,
      resumedAt: position === undefined || this.#reader.isLost ? -Infinity : clock.now(),
    });
    this.#shards = new Shards(options.queue.minShards, options.queue, (batch) => this.#delivery.deliver(batch), this.#ended.signal);
    this.#sink = {
      sample: (series, ts, value, stale) => {
        this.#added++;
        if (this.#labels.isSent(series)) this.#shards.add(series, ts, value, stale);
      },
    };
    // A counter that begins with its first count would not be seen to rise.
    for (const counter of [parts.meters.sent, parts.meters.skipped, parts.meters.failed]) counter.add(0, { remote: options.name });
    for (const reason of DROP_REASONS) parts.meters.dropped.add(0, { remote: options.name, reason });
    this.#arrivedTo = Number.isFinite(this.#reader.readTo) ? this.#reader.readTo : clock.now();
    this.#calmSince = clock.elapsed();
    // From the first moment on it is known where it goes on.
    if (!Number.isFinite(this.#reader.readTo)) this.#keep(false);
    this.#keepMeasuring();
    this.#run = this.#work();
  }

  /** Sends what is there where the destination takes it, keeps where it is, and lets go, within the time. */
  async stop(withinMs: number): Promise<void> {
    this.#isStopping = true;
    const timer = this.#parts.clock.timer(this.#delivery.isFailing ? 0 : withinMs, () => this.#ended.abort());
    this.#wake();
    await this.#run;
    timer.cancel();
    this.#ended.abort();
    this.#measureTimer?.cancel();
    if (this.#isSettled) this.#keep(true);
    this.#poster.close();
    const { behind, shards, queueBytes } = this.#parts.meters;
    for (const gauge of [behind, shards, queueBytes]) gauge.remove({ remote: this.#options.name });
  }

  async #work(): Promise<void> {
    while (!this.#isStopping) {
      await this.#pause(this.#options.queue.deadlineMs);
      try {
        await this.#round();
        await this.#tellMetadata();
      } catch (error) {
        this.#parts.log.error('remote_write_error', { error: errorText(error) });
      }
    }
  }

  /** Reads and sends all that is there now. */
  async #round(): Promise<void> {
    const { clock, meters } = this.#parts;
    for (const until = clock.now(); !this.#ended.signal.aborted;) {
      const oldestTs = clock.now() - this.#options.queue.ageMaxMs;
      const { readTo } = this.#reader;
      this.#isSettled = false;
      if (!(await this.#readSlice(until, oldestTs))) return;
      // After the reading: what could not be read is asked for again, and would count again.
      if (readTo < oldestTs && Number.isFinite(readTo)) meters.skipped.add((oldestTs - readTo) / 1000, { remote: this.#options.name });
      const isAtEnd = this.#reader.readTo >= until;
      if (isAtEnd || clock.elapsed() - this.#keptAt >= this.#keepEveryMs) {
        if (!(await this.#settled())) return;
        this.#arrivedTo = this.#reader.readTo;
        this.#isSettled = true;
        if (clock.elapsed() - this.#keptAt >= this.#keepEveryMs) this.#keep(false);
        this.#adjustShards();
      }
      if (isAtEnd) return;
    }
  }

  /** False where it was ended in between. */
  async #readSlice(until: number, oldestTs: number): Promise<boolean> {
    for (const _ of this.#reader.read(until, oldestTs, this.#sink)) {
      while (this.#shards.isFull && !this.#ended.signal.aborted) await this.#shards.next();
      if (this.#added >= SAMPLES_A_TURN) {
        this.#added = 0;
        await yieldToLoop();
      }
      if (this.#ended.signal.aborted) return false;
    }
    this.#shards.flush();
    return true;
  }

  async #settled(): Promise<boolean> {
    while (this.#shards.waiting > 0 && !this.#ended.signal.aborted) await this.#shards.next();
    return !this.#ended.signal.aborted;
  }

  #keep(isEnd: boolean): void {
    const position = this.#reader.position(isEnd);
    this.#parts.positions.save(positionKey(this.#options.name), position);
    this.#keptAt = this.#parts.clock.elapsed();
    this.#keepEveryMs = KEEP_EVERY_MS * Math.max(1, position.length / KEPT_CHEAPLY_BYTES);
  }

  /** Twice as many while it is behind and the destination answers, half as many after a calm time. */
  #adjustShards(): void {
    const { clock } = this.#parts;
    const { minShards, maxShards, deadlineMs } = this.#options.queue;
    const isBehind = clock.now() - this.#arrivedTo > BEHIND_MS + deadlineMs;
    if (isBehind) {
      this.#calmSince = clock.elapsed();
      if (!this.#delivery.isFailing) this.#shards.resize(Math.min(maxShards, 2 * this.#shards.count));
    } else if (clock.elapsed() - this.#calmSince > CALM_MS) {
      this.#calmSince = clock.elapsed();
      this.#shards.resize(Math.max(minShards, Math.ceil(this.#shards.count / 2)));
    }
  }

  /** Also while nothing is taken, which is when it matters. */
  #keepMeasuring(): void {
    this.#measure();
    this.#measureTimer = this.#parts.clock.timer(MEASURE_EVERY_MS, () => this.#keepMeasuring(), { unref: true });
  }

  #measure(): void {
    const { clock, meters } = this.#parts;
    const labels = { remote: this.#options.name };
    meters.behind.set(Math.max(0, clock.now() - this.#arrivedTo) / 1000, labels);
    meters.shards.set(this.#shards.count, labels);
    meters.queueBytes.set(this.#shards.bytes + this.#labels.bytes, labels);
  }

  async #tellMetadata(): Promise<void> {
    const { clock } = this.#parts;
    const { send, intervalMs } = this.#options.metadata;
    if (!send || this.#isStopping || this.#delivery.isFailing || clock.elapsed() - this.#metadataAt < intervalMs) return;
    this.#metadataAt = clock.elapsed();
    const isTaken = await this.#delivery.sendMetadata(await this.#parts.metadata());
    if (!isTaken && !this.#ended.signal.aborted) this.#parts.log.debug('remote_write_metadata_refused');
  }

  #pause(pauseMs: number): Promise<void> {
    if (this.#isStopping) return Promise.resolve();
    return new Promise((resolve) => {
      let timer: Timer | undefined = undefined;
      this.#wake = () => {
        timer?.cancel();
        resolve();
      };
      timer = this.#parts.clock.timer(pauseMs, resolve);
    });
  }
}

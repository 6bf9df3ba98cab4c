import type { Clock } from '../../core/clock.ts';
import { BelfryError, errorText } from '../../core/errors.ts';
import { Labels } from '../../core/labels.ts';
import type { Logger } from '../../core/log.ts';
import type { Counter, Gauge, Meter } from '../../core/meter.ts';
import type { SeriesRows } from './rows.ts';

/** After so many missed intervals the last values say nothing any more. */
const STALE_AFTER_INTERVALS = 3;
/** One that is asked for every second may take longer than three to come. */
const STALE_LEAST_MS = 15_000;

interface Tracked {
  readonly intervalMs: () => number;
  readonly rows: readonly SeriesRows[];
  lastSuccessAt: number | undefined;
  concludedAt: number | undefined;
  failure: string | undefined;
}

/** Keeps account of each kind of collection: when it last worked, how it failed, when its series end. */
export class CollectionTracker {
  readonly #cluster: string;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #rows: SeriesRows;
  readonly #failures: Counter;
  readonly #durations: Gauge;
  readonly #tracked = new Map<string, Tracked>();

  constructor(options: { cluster: string; clock: Clock; log: Logger; meter: Meter; rows: SeriesRows }) {
    this.#cluster = options.cluster;
    this.#clock = options.clock;
    this.#log = options.log;
    this.#rows = options.rows;
    this.#failures = options.meter.counter('belfry_kafka_collection_failures_total', 'Collections from a Kafka cluster that failed.', [
      'cluster',
      'collector',
      'code',
    ]);
    this.#durations = options.meter.gauge('belfry_kafka_collection_duration_seconds', 'How long the last collection took.', [
      'cluster',
      'collector',
    ]);
  }

  /** `rows` go stale after three missed intervals. */
  add(collector: string, intervalMs: () => number, rows: readonly SeriesRows[]): void {
    this.#tracked.set(collector, { intervalMs, rows, lastSuccessAt: undefined, concludedAt: undefined, failure: undefined });
  }

  /** Does the work and books it. Never rejects; resolves with whether it worked. */
  async run(collector: string, work: () => Promise<unknown>): Promise<boolean> {
    const startedAt = this.#clock.elapsed();
    try {
      await work();
      this.succeeded(collector, this.#clock.elapsed() - startedAt);
      return true;
    } catch (error) {
      this.failed(collector, error);
      return false;
    }
  }

  succeeded(collector: string, tookMs: number): void {
    const tracked = this.#get(collector);
    tracked.lastSuccessAt = this.#clock.now();
    tracked.concludedAt = tracked.lastSuccessAt;
    this.#durations.set(tookMs / 1000, { cluster: this.#cluster, collector });
    if (tracked.failure === undefined) return;
    tracked.failure = undefined;
    this.#log.info('kafka_collection_recovered', { collector });
  }

  /** Counted each time, told once until it works again or fails in another way. */
  failed(collector: string, error: unknown): void {
    const code = error instanceof BelfryError ? error.code : 'INTERNAL';
    if (code === 'STOPPING') return;
    this.#failures.add(1, { cluster: this.#cluster, collector, code });
    const tracked = this.#get(collector);
    tracked.concludedAt = this.#clock.now();
    if (tracked.failure === code) return;
    tracked.failure = code;
    const event = code === 'KAFKA_PERMISSION_MISSING' ? 'kafka_permission_missing' : 'kafka_collection_failed';
    this.#log.warn(event, { collector, code, error: errorText(error) });
  }

  /** When a collection last worked, and when it last came to any end; undefined where it has not yet. */
  timesOf(collector: string): { readonly lastSuccessAt: number | undefined; readonly concludedAt: number | undefined } {
    return this.#get(collector);
  }

  /** Writes when each collection last worked, and ends the series of those that have not for too long. */
  writeStatus(): void {
    const now = this.#clock.now();
    this.#rows.begin();
    for (const [collector, { intervalMs, rows, lastSuccessAt }] of this.#tracked) {
      const segment = this.#rows.segment(collector, 2, () => [
        Labels.of({ __name__: 'belfry_collector_interval_seconds', cluster: this.#cluster, collector }),
        Labels.of({ __name__: 'belfry_collector_last_success_timestamp_seconds', cluster: this.#cluster, collector }),
      ]);
      segment.set(0, intervalMs() / 1000);
      if (lastSuccessAt === undefined) continue;
      segment.set(1, lastSuccessAt / 1000);
      const staleAfterMs = Math.max(STALE_AFTER_INTERVALS * intervalMs(), STALE_LEAST_MS);
      if (now - lastSuccessAt > staleAfterMs) for (const target of rows) target.markStale(now);
    }
    this.#rows.commit(now);
  }

  #get(collector: string): Tracked {
    const tracked = this.#tracked.get(collector);
    if (tracked === undefined) throw new BelfryError('INTERNAL', `no collection named ${collector}`);
    return tracked;
  }
}

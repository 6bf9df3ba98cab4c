import type { Counter, Gauge, Histogram, Meter } from '../core/meter.ts';
import type { BlockStore } from './block-store.ts';
import type { Head } from './head.ts';
import type { StoreStats } from './reader-types.ts';

interface CounterEntry {
  readonly counter: Counter;
  readonly read: (head: Head, blocks: BlockStore) => number;
  /** What the counter has been given so far. */
  told: number;
}

/** The store's own metrics; hot paths count in plain numbers, which are handed on from time to time. */
export class StoreMetrics {
  readonly #flushSeconds: Histogram;
  readonly #counters: readonly CounterEntry[];
  readonly #gauges: readonly { gauge: Gauge; read: (stats: StoreStats) => number }[];
  readonly #degraded: Gauge;
  readonly #setAside: Gauge;

  constructor(meter: Meter) {
    const counter = (name: string, help: string, read: (head: Head, blocks: BlockStore) => number): CounterEntry => ({
      counter: meter.counter(name, help),
      read,
      told: 0,
    });
    this.#flushSeconds = meter.histogram(
      'belfry_store_flush_seconds',
      'How long writing to samples.db took.',
      [0.002, 0.005, 0.01, 0.05, 0.25, 1],
    );
    this.#counters = [
      counter('belfry_store_samples_appended_total', 'Samples taken in.', (head) => head.samplesAppended),
      counter('belfry_store_out_of_order_total', 'Rows refused because their time was not after the last one.', (head) => head.outOfOrder),
      counter('belfry_store_duplicate_series_total', 'Series that came twice in one layout.', (head) => head.duplicateSeries),
      counter(
        'belfry_store_blocks_lost_total',
        'Sealed blocks given up because samples.db would not take them.',
        (_, blocks) => blocks.blocksLost,
      ),
      counter('belfry_store_read_errors_total', 'Sealed blocks that could not be read.', (_, blocks) => blocks.readErrors),
    ];
    this.#gauges = [
      { gauge: meter.gauge('belfry_store_series', 'Series within the retention.'), read: ({ series }) => series },
      { gauge: meter.gauge('belfry_store_live_series', 'Series with raw samples in memory.'), read: ({ liveSeries }) => liveSeries },
      { gauge: meter.gauge('belfry_store_ring_bytes', 'Bytes of raw samples in memory.'), read: ({ ringBytes }) => ringBytes },
      { gauge: meter.gauge('belfry_store_sealed_bytes', 'Bytes of sealed blocks in memory.'), read: ({ sealedBytes }) => sealedBytes },
      { gauge: meter.gauge('belfry_store_file_bytes', 'Bytes in use in samples.db.'), read: ({ fileBytes }) => fileBytes },
    ];
    this.#degraded = meter.gauge('belfry_store_degraded', '1 while samples.db cannot be written and samples are only in memory.');
    this.#setAside = meter.gauge(
      'belfry_store_set_aside_timestamp_seconds',
      'When a damaged samples.db was last set aside and a new one begun, Unix time; 0 where none was.',
    );
  }

  setAside(ts: number): void {
    this.#setAside.set(ts / 1000);
  }

  flushed(seconds: number): void {
    this.#flushSeconds.observe(seconds);
  }

  update(head: Head, blocks: BlockStore, stats: StoreStats, degraded: boolean): void {
    for (const entry of this.#counters) {
      const now = entry.read(head, blocks);
      entry.counter.add(now - entry.told);
      entry.told = now;
    }
    for (const { gauge, read } of this.#gauges) gauge.set(read(stats));
    this.#degraded.set(degraded ? 1 : 0);
  }
}

import type { Clock } from '../../../src/core/clock.ts';
import { Labels } from '../../../src/core/labels.ts';
import { silentLogger } from '../../../src/core/log.ts';
import { silentMeter } from '../../../src/core/meter.ts';
import type { Layout, SampleWriter, TargetWriter, Wake } from '../../../src/core/sample.ts';
import type { ExpectedBrokerRow, ExpectedBrokersStore } from '../../../src/collectors/liveness/expected-brokers.ts';
import type { VerdictEvent } from '../../../src/collectors/liveness/liveness-events.ts';
import type { LivenessOptions } from '../../../src/collectors/liveness/liveness-options.ts';
import { Liveness } from '../../../src/collectors/liveness/liveness.ts';

/** Keeps rows in memory, as the state store would on disk. */
export class FakeExpectedBrokersStore implements ExpectedBrokersStore {
  readonly rows = new Map<number, ExpectedBrokerRow>();
  broken = false;
  transactions = 0;

  load(cluster: string): readonly ExpectedBrokerRow[] {
    return [...this.rows.values()].filter((row) => row.cluster === cluster);
  }

  save(rows: readonly ExpectedBrokerRow[]): void {
    if (this.broken) throw new Error('disk full');
    this.transactions++;
    for (const row of rows) this.rows.set(row.brokerId, row);
  }

  delete(_cluster: string, brokerId: number): void {
    this.rows.delete(brokerId);
  }
}

/** Remembers the latest row and refuses what the store would refuse. */
export class FakeWriter implements SampleWriter, TargetWriter {
  readonly targets: string[] = [];
  rows = 0;
  lastTs = 0;
  #latest = new Map<string, number>();

  target(id: string): TargetWriter {
    this.targets.push(id);
    return this;
  }

  removeTarget(): void {
    this.#latest.clear();
  }

  append(ts: number, layout: Layout, values: Float64Array, absent?: Uint8Array): void {
    if (ts <= this.lastTs) throw new Error(`row at ${ts} after ${this.lastTs}`);
    if (layout.series.length !== values.length) throw new Error('values do not fit the layout');
    this.lastTs = ts;
    this.rows++;
    this.#latest = new Map();
    for (const [i, series] of layout.series.entries()) if (absent?.[i] !== 1) this.#latest.set(series.toString(), values[i] ?? Number.NaN);
  }

  appendAt(): void {
    throw new Error('liveness writes rows');
  }

  markStale(): void {
    this.#latest.clear();
  }

  /** The sample of a series in the latest row; undefined where there is none. */
  value(metric: string, labels: Readonly<Record<string, string>> = {}): number | undefined {
    return this.#latest.get(Labels.of({ __name__: metric, cluster: 'orders-dal', ...labels }).toString());
  }
}

/** Liveness of one cluster with everything around it in memory. */
export class WatchedCluster {
  readonly store: FakeExpectedBrokersStore;
  readonly writer = new FakeWriter();
  readonly wakes: Wake[] = [];
  readonly events: VerdictEvent[] = [];
  readonly liveness: Liveness;
  readonly #cluster: string;

  constructor(
    clock: Clock,
    options: Pick<LivenessOptions, 'connector' | 'bootstrap'> & Partial<LivenessOptions>,
    store = new FakeExpectedBrokersStore(),
  ) {
    this.store = store;
    this.#cluster = options.cluster ?? 'orders-dal';
    this.liveness = new Liveness({
      cluster: 'orders-dal',
      clock,
      log: silentLogger,
      meter: silentMeter,
      writer: this.writer,
      wake: (wake) => void this.wakes.push(wake),
      store,
      random: () => 0.5,
      ...options,
    });
    this.liveness.onVerdict((event) => void this.events.push(event));
  }

  up(broker: number): number | undefined {
    return this.writer.value('up', { cluster: this.#cluster, job: 'kafka', broker: String(broker), instance: this.#instance(broker) });
  }

  of(metric: string, broker: number, labels: Readonly<Record<string, string>> = {}): number | undefined {
    return this.writer.value(metric, { cluster: this.#cluster, broker: String(broker), instance: this.#instance(broker), ...labels });
  }

  /** A series of the cluster itself. */
  ofCluster(metric: string): number | undefined {
    return this.writer.value(metric, { cluster: this.#cluster });
  }

  /** The reasons shown for the broker now. */
  reasons(broker: number): readonly string[] {
    return REASONS.filter((reason) => this.of('belfry_broker_down_info', broker, { reason }) === 1);
  }

  /** What was told about the broker, in order. */
  told(broker: number): readonly string[] {
    return this.events.filter((event) => event.broker === broker).map(({ verdict }) => verdict);
  }

  #instance(broker: number): string {
    const row = this.store.rows.get(broker);
    return row === undefined || row.port === 0 ? '' : `${row.host}:${row.port}`;
  }
}

const REASONS = ['crashed', 'stopped', 'cut_short', 'unreachable', 'auth', 'not_answering', 'suspect', 'unknown'];

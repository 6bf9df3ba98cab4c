/**
 * The port for Belfry's own metrics; `app.ts` plugs prom-client in. Names are `belfry_…`, labels low in cardinality
 * (never a topic, a group or a text from outside).
 */
export interface Meter {
  /** A counter; the name ends in `_total`. */
  counter(name: string, help: string, labelNames?: readonly string[]): Counter;
  gauge(name: string, help: string, labelNames?: readonly string[]): Gauge;
  /** Buckets are upper bounds in the metric's unit. */
  histogram(name: string, help: string, buckets: readonly number[], labelNames?: readonly string[]): Histogram;
}

export type LabelValues = Readonly<Record<string, string>>;

export interface Counter {
  add(by: number, labels?: LabelValues): void;
}

export interface Gauge {
  set(value: number, labels?: LabelValues): void;
  /** Forgets the series with these labels, such as when a cluster leaves the configuration. */
  remove(labels: LabelValues): void;
}

export interface Histogram {
  observe(value: number, labels?: LabelValues): void;
}

const nothing = { add: (): void => undefined, set: (): void => undefined, remove: (): void => undefined, observe: (): void => undefined };

/** Counts nothing; for tests that do not look at metrics. */
export const silentMeter: Meter = { counter: () => nothing, gauge: () => nothing, histogram: () => nothing };

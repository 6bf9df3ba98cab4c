import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { Meter } from '../core/meter.ts';

/** One present value of Belfry's own metrics. */
export interface OwnSample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** Belfry's own metrics, kept by prom-client. A name asked for twice is the same metric. */
export class PrometheusMeter implements Meter {
  readonly #registry = new Registry();

  counter(name: string, help: string, labelNames: readonly string[] = []) {
    const metric = this.#existing(name, Counter) ?? new Counter({ name, help, labelNames: [...labelNames], registers: [this.#registry] });
    return {
      add: (by: number, labels?: Readonly<Record<string, string>>) =>
        labels === undefined ? metric.inc(by) : metric.inc({ ...labels }, by),
    };
  }

  gauge(name: string, help: string, labelNames: readonly string[] = []) {
    const metric = this.#existing(name, Gauge) ?? new Gauge({ name, help, labelNames: [...labelNames], registers: [this.#registry] });
    return {
      set: (value: number, labels?: Readonly<Record<string, string>>) =>
        labels === undefined ? metric.set(value) : metric.set({ ...labels }, value),
      remove: (labels: Readonly<Record<string, string>>) => metric.remove({ ...labels }),
    };
  }

  histogram(name: string, help: string, buckets: readonly number[], labelNames: readonly string[] = []) {
    const metric =
      this.#existing(name, Histogram) ??
      new Histogram({ name, help, buckets: [...buckets], labelNames: [...labelNames], registers: [this.#registry] });
    return {
      observe: (value: number, labels?: Readonly<Record<string, string>>) =>
        labels === undefined ? metric.observe(value) : metric.observe({ ...labels }, value),
    };
  }

  /** Removes every series with this label value, such as those of a cluster that has left the configuration. */
  async forget(label: string, value: string): Promise<void> {
    for (const metric of this.#registry.getMetricsAsArray() as readonly object[]) {
      if (!(metric instanceof Counter || metric instanceof Gauge || metric instanceof Histogram)) continue;
      const { values } = await metric.get();
      for (const { labels } of values) {
        const { le: _, ...series }: Readonly<Record<string, string | number | undefined>> = labels;
        if (series[label] === value) metric.remove(series as Record<string, string>);
      }
    }
  }

  /** The exposition page of `/metrics`, and its content type. */
  async page(): Promise<{ text: string; contentType: string }> {
    return { text: await this.#registry.metrics(), contentType: this.#registry.contentType };
  }

  /** Every present value, histogram buckets included, for storing them beside what is collected. */
  async samples(): Promise<readonly OwnSample[]> {
    const metrics = await this.#registry.getMetricsAsJSON();
    return metrics.flatMap((metric) =>
      metric.values.map((value) => ({
        name: 'metricName' in value && typeof value.metricName === 'string' ? value.metricName : metric.name,
        labels: Object.fromEntries(Object.entries(value.labels).map(([name, text]) => [name, String(text)])),
        value: value.value,
      })),
    );
  }

  /** What the metrics are, apart from their values. */
  families(): readonly { readonly name: string; readonly type: string; readonly help: string }[] {
    return this.#registry.getMetricsAsArray().map((metric) => ({ name: metric.name, type: typeOf(metric), help: metric.help }));
  }

  #existing<T>(name: string, kind: new (...args: never[]) => T): T | undefined {
    const metric = this.#registry.getSingleMetric(name);
    return metric instanceof kind ? metric : undefined;
  }
}

function typeOf(metric: object): string {
  if (metric instanceof Counter) return 'counter';
  return metric instanceof Gauge ? 'gauge' : 'histogram';
}

import { Labels, METRIC_NAME } from '../../core/labels.ts';
import type { Layout, SampleWriter, TargetWriter } from '../../core/sample.ts';
import type { ScheduledJob } from '../scheduler.ts';

export interface ClusterFacts {
  readonly name: string;
  readonly owner: string | undefined;
  readonly labels: Readonly<Record<string, string>>;
  readonly thresholds: ReadonlyMap<string, { readonly value: number }>;
}

/** What the configuration says of clusters, as series: `belfry_cluster_info` and `belfry_threshold{name, cluster}`. */
export class ConfigSeries implements ScheduledJob {
  readonly id = 'own/config';
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly #writer: TargetWriter;
  #layout: Layout = { series: [] };
  #values = new Float64Array(0);
  #lastTs = 0;

  constructor(options: { writer: SampleWriter; intervalMs: number }) {
    this.#writer = options.writer.target(this.id);
    this.intervalMs = options.intervalMs;
    this.timeoutMs = options.intervalMs;
  }

  /**
   * Replaces what is told, and tells it at once: rules join it from their first evaluation on. `forHosts` are the numbers
   * for hosts of no cluster.
   */
  replace(clusters: readonly ClusterFacts[], forHosts: ClusterFacts['thresholds'], ts: number): void {
    const series: Labels[] = [];
    const values: number[] = [];
    for (const [name, { value }] of forHosts) {
      series.push(Labels.of({ [METRIC_NAME]: 'belfry_threshold', name }));
      values.push(value);
    }
    for (const { name, owner, labels, thresholds } of clusters) {
      series.push(Labels.of({ ...labels, [METRIC_NAME]: 'belfry_cluster_info', cluster: name, owner: owner ?? '' }));
      values.push(1);
      for (const [threshold, { value }] of thresholds) {
        series.push(Labels.of({ [METRIC_NAME]: 'belfry_threshold', cluster: name, name: threshold }));
        values.push(value);
      }
    }
    this.#layout = { series };
    this.#values = Float64Array.from(values);
    this.#write(ts);
  }

  run(ts: number): Promise<void> {
    this.#write(ts);
    return Promise.resolve();
  }

  #write(ts: number): void {
    if (ts <= this.#lastTs) return;
    this.#lastTs = ts;
    this.#writer.append(ts, this.#layout, this.#values);
  }
}

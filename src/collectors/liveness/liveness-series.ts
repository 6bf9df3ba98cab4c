import { Labels, METRIC_NAME } from '../../core/labels.ts';
import type { Layout } from '../../core/sample.ts';
import { VERDICTS, type Verdict } from './verdict.ts';

/** What is to be said about one broker at one moment; undefined is not known, and then there is no sample. */
export interface BrokerView {
  readonly id: number;
  readonly instance: string;
  readonly up: boolean | undefined;
  readonly verdict: Verdict | undefined;
  readonly downSinceMs: number | undefined;
  readonly inStopGrace: boolean;
  readonly isrRestored: boolean | undefined;
  readonly flapping: boolean;
  readonly certificateNotAfterMs: number | undefined;
}

export interface ClusterView {
  readonly unreachable: boolean | undefined;
  readonly idChanged: boolean | undefined;
  readonly held: boolean;
  readonly loginRefused: boolean;
  /** Always in the same order. */
  readonly brokers: readonly BrokerView[];
}

const CLUSTER_METRICS = [
  'belfry_cluster_unreachable',
  'belfry_cluster_id_changed',
  'belfry_cluster_verdicts_held',
  'belfry_cluster_login_refused',
] as const;
const BROKER_METRICS = [
  'belfry_broker_down_since_seconds',
  'belfry_broker_stop_grace',
  'belfry_broker_isr_restored',
  'belfry_broker_flapping',
  'belfry_tls_certificate_not_after_seconds',
] as const;

/**
 * The rows of a cluster's liveness. Every broker has all its series from its first row on, with every reason at 0, so
 * that a verdict changes values and no layout: rules have resolved their series before it happens.
 */
export class LivenessSeries {
  readonly #cluster: string;
  #key = '';
  #layout: Layout = { series: [] };
  #values = new Float64Array();
  #absent = new Uint8Array();

  constructor(cluster: string) {
    this.#cluster = cluster;
  }

  get layout(): Layout {
    return this.#layout;
  }

  /** Of the latest row; reused by the next one. */
  get values(): Float64Array {
    return this.#values;
  }

  get absent(): Uint8Array {
    return this.#absent;
  }

  /** Makes the row; returns the names of the metrics whose values are not those of the row before. */
  update(view: ClusterView): ReadonlySet<string> {
    const key = view.brokers.map(({ id, instance }) => `${id}=${instance}`).join();
    const before = key === this.#key && this.#layout.series.length > 0 ? { values: this.#values, absent: this.#absent } : undefined;
    if (before === undefined) {
      this.#key = key;
      this.#layout = { series: this.#seriesOf(view) };
    }
    const size = this.#layout.series.length;
    const values = new Float64Array(size);
    const absent = new Uint8Array(size);
    let at = 0;
    const put = (value: number | boolean | undefined): void => {
      if (value === undefined) absent[at] = 1;
      else values[at] = Number(value);
      at++;
    };
    put(view.unreachable);
    put(view.idChanged);
    put(view.held);
    put(view.loginRefused);
    for (const broker of view.brokers) {
      put(broker.up);
      for (const reason of VERDICTS) put(broker.verdict === reason);
      put(broker.downSinceMs === undefined ? undefined : broker.downSinceMs / 1000);
      put(broker.inStopGrace);
      put(broker.isrRestored);
      put(broker.flapping);
      put(broker.certificateNotAfterMs === undefined ? undefined : broker.certificateNotAfterMs / 1000);
    }
    const changed = new Set<string>();
    for (const [i, series] of this.#layout.series.entries()) {
      if (before === undefined || before.values[i] !== values[i] || before.absent[i] !== absent[i]) changed.add(series.metricName);
    }
    this.#values = values;
    this.#absent = absent;
    return changed;
  }

  #seriesOf(view: ClusterView): readonly Labels[] {
    const cluster = this.#cluster;
    const series: Labels[] = CLUSTER_METRICS.map((name) => Labels.of({ [METRIC_NAME]: name, cluster }));
    for (const { id, instance } of view.brokers) {
      const of = { cluster, broker: String(id), instance };
      series.push(Labels.of({ [METRIC_NAME]: 'up', job: 'kafka', ...of }));
      for (const reason of VERDICTS) series.push(Labels.of({ [METRIC_NAME]: 'belfry_broker_down_info', ...of, reason }));
      for (const name of BROKER_METRICS) series.push(Labels.of({ [METRIC_NAME]: name, ...of }));
    }
    return series;
  }
}

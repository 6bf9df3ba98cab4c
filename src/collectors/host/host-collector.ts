import type { Clock } from '../../core/clock.ts';
import { Labels, METRIC_NAME } from '../../core/labels.ts';
import type { Layout, SampleWriter, TargetWriter } from '../../core/sample.ts';
import type { ScheduledJob } from '../scheduler.ts';
import type { HostFamily } from './host-family.ts';
import { readHost } from './read-host.ts';

export interface HostCollectorOptions {
  /** `instance` of the series: this host's name. */
  readonly instance: string;
  readonly cluster: string | undefined;
  readonly intervalMs: number;
  readonly procPath?: string;
  readonly writer: SampleWriter;
  readonly clock: Clock;
}

/** Writes this host's metrics as a row at each tick, as if a node_exporter had been scraped. */
export class HostCollector implements ScheduledJob {
  readonly id: string;
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly #options: HostCollectorOptions;
  readonly #writer: TargetWriter;
  readonly #labels: Labels;
  #layout: Layout = { series: [] };
  #shape = '';

  constructor(options: HostCollectorOptions) {
    this.#options = options;
    this.id = `host/${options.instance}`;
    this.intervalMs = options.intervalMs;
    this.timeoutMs = options.intervalMs;
    this.#writer = options.writer.target(this.id);
    this.#labels = Labels.of({ job: 'node', instance: options.instance, cluster: options.cluster ?? '' });
  }

  async run(ts: number): Promise<void> {
    const families = await readHost(this.#options.procPath ?? '/proc', this.#options.clock);
    const samples = families.flatMap(({ samples: all }) => all);
    const values = new Float64Array(samples.length + 1);
    for (const [i, { value }] of samples.entries()) values[i] = value;
    values[samples.length] = 1;
    this.#writer.append(ts, this.#layoutOf(families), values);
  }

  close(ts: number): void {
    this.#writer.markStale(ts);
    this.#options.writer.removeTarget(this.id);
  }

  #layoutOf(families: readonly HostFamily[]): Layout {
    const shape = JSON.stringify(families.map(({ name, samples }) => [name, samples.map(({ labels }) => labels)]));
    if (shape === this.#shape) return this.#layout;
    const series = families.flatMap(({ name, samples }) =>
      samples.map(({ labels }) => Labels.of({ ...labels, [METRIC_NAME]: name }).merge(this.#labels)),
    );
    this.#shape = shape;
    this.#layout = { series: [...series, this.#labels.with(METRIC_NAME, 'up')] };
    return this.#layout;
  }
}

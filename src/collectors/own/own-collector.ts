import { Labels, METRIC_NAME } from '../../core/labels.ts';
import type { Layout, SampleWriter, TargetWriter } from '../../core/sample.ts';
import { withWrittenBound } from '../../formats/page-comments.ts';
import type { ScheduledJob } from '../scheduler.ts';

/** One present value of Belfry's own metrics. */
interface OwnSample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface OwnCollectorOptions {
  /** Every present value of Belfry's own metrics. */
  readonly samples: () => Promise<readonly OwnSample[]>;
  readonly instance: string;
  readonly intervalMs: number;
  readonly writer: SampleWriter;
}

/** Stores Belfry's own metrics with `job="belfry"`, so that rules can watch the watcher. */
export class OwnCollector implements ScheduledJob {
  readonly id = 'own/metrics';
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly #samples: OwnCollectorOptions['samples'];
  readonly #writer: TargetWriter;
  readonly #labels: Labels;
  #layout: Layout = { series: [] };
  /** By what a sample says of itself: its series in the last row. Of thousands a few are new at a time. */
  #known: ReadonlyMap<string, Labels> = new Map();
  /** When it last wrote a row; 0 before the first. */
  lastRunAt = 0;

  constructor(options: OwnCollectorOptions) {
    this.intervalMs = options.intervalMs;
    this.timeoutMs = options.intervalMs;
    this.#samples = options.samples;
    this.#writer = options.writer.target(this.id);
    this.#labels = Labels.of({ job: 'belfry', instance: options.instance });
  }

  async run(ts: number): Promise<void> {
    const samples = await this.#samples();
    const values = new Float64Array(samples.length + 1);
    for (const [i, { value }] of samples.entries()) values[i] = value;
    values[samples.length] = 1;
    this.#writer.append(ts, this.#layoutOf(samples), values);
    this.lastRunAt = ts;
  }

  #layoutOf(samples: readonly OwnSample[]): Layout {
    const keys = samples.map(({ name, labels }) => JSON.stringify([name, labels]));
    const before = this.#layout.series;
    if (before.length === keys.length + 1 && keys.every((key, i) => this.#known.get(key) === before[i])) return this.#layout;
    const series = samples.map(({ name, labels }, i) => this.#known.get(keys[i] ?? '') ?? this.#seriesOf(name, labels));
    this.#known = new Map(series.map((one, i) => [keys[i] ?? '', one]));
    this.#layout = { series: [...series, this.#labels.with(METRIC_NAME, 'up')] };
    return this.#layout;
  }

  /** As of a scraped page, bounds of histograms included. */
  #seriesOf(name: string, labels: OwnSample['labels']): Labels {
    return withWrittenBound(this.#labels.merge(Labels.of({ ...exported(labels), [METRIC_NAME]: name })), 'le');
  }
}

/** What a metric itself says under the names of the target's labels is kept, as of any scraped page. */
function exported({ job, instance, ...labels }: Readonly<Record<string, string>>): Record<string, string> {
  return {
    ...labels,
    ...(job === undefined ? {} : { exported_job: job }),
    ...(instance === undefined ? {} : { exported_instance: instance }),
  };
}

import { parseFloatText } from '../core/number-format.ts';
import type { Call } from './ast.ts';
import type { Exec } from './exec.ts';
import { bucketQuantile } from './quantile.ts';
import { IdMap, InternSpace, Seen, Vec, dropName, duplicateLabels, type ScalarOp, type VectorOp } from './space.ts';
import { warnOfQuantile } from './window-functions.ts';

const BUCKET_LABEL = 'le';
const BAD_BOUND = -2;

interface Histogram {
  readonly result: number;
  readonly bounds: number[];
  readonly counts: number[];
  round: number;
}

/** `histogram_quantile` over classic histograms: the series that differ in `le` only are the buckets of one. */
export class HistogramQuantileOp implements VectorOp {
  readonly space = new InternSpace('none');
  readonly #call: Call;
  readonly #exec: Exec;
  readonly #q: ScalarOp;
  readonly #inner: VectorOp;
  /** The histogram of a series, and its upper bound there. */
  readonly #histograms = new IdMap();
  readonly #bounds: number[] = [];
  readonly #groups = new InternSpace();
  readonly #list: Histogram[] = [];
  readonly #seen = new Seen();
  readonly #out = new Vec();
  #round = 0;

  constructor(call: Call, exec: Exec, q: ScalarOp, inner: VectorOp) {
    this.#call = call;
    this.#exec = exec;
    this.#q = q;
    this.#inner = inner;
  }

  eval(ts: number): Vec {
    const q = this.#q.eval(ts);
    const vec = this.#inner.eval(ts);
    warnOfQuantile(this.#exec, q, this.#call.args[0] ?? this.#call);
    this.#round++;
    const present: Histogram[] = [];
    for (let i = 0; i < vec.n; i++) {
      const id = vec.ids[i] ?? 0;
      const histogram = this.#list[this.#histogramOf(id)];
      if (histogram === undefined) continue;
      if (histogram.round !== this.#round) {
        histogram.round = this.#round;
        histogram.bounds.length = 0;
        histogram.counts.length = 0;
        present.push(histogram);
      }
      histogram.bounds.push(this.#bounds[id] ?? NaN);
      histogram.counts.push(vec.values[i] ?? 0);
    }
    return this.#quantiles(q, present);
  }

  #quantiles(q: number, present: readonly Histogram[]): Vec {
    const out = this.#out;
    out.reset(present.length);
    this.#seen.begin();
    for (const histogram of present) {
      const { value, forced } = bucketQuantile(q, histogram);
      if (forced) this.#tellForced();
      if (!this.#seen.add(histogram.result)) throw duplicateLabels();
      out.push(histogram.result, value);
    }
    return out;
  }

  #tellForced(): void {
    this.#exec.info(
      'input to histogram_quantile needed to be fixed for monotonicity ' +
        '(see https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile)',
      this.#call.args[1] ?? this.#call,
    );
  }

  /** The index of a series' histogram; `BAD_BOUND` where `le` is no number. */
  #histogramOf(id: number): number {
    const known = this.#histograms.get(id);
    if (known !== -1) return known;
    const labels = this.#inner.space.labels(id);
    const text = labels.get(BUCKET_LABEL);
    const bound = parseFloatText(text);
    if (bound === undefined || Number.isNaN(bound)) {
      const name = labels.metricName;
      const of = name === '' ? '' : ` for metric name ${JSON.stringify(name)}`;
      this.#exec.warn(
        `bucket label "${BUCKET_LABEL}" is missing or has a malformed value of ${JSON.stringify(text)}${of}`,
        this.#call.args[1] ?? this.#call,
      );
      this.#histograms.set(id, BAD_BOUND);
      return BAD_BOUND;
    }
    const without = labels.without(BUCKET_LABEL);
    const group = this.#groups.idOf(without);
    this.#list[group] ??= { result: this.space.idOf(dropName(without)), bounds: [], counts: [], round: 0 };
    this.#bounds[id] = bound;
    this.#histograms.set(id, group);
    return group;
  }
}

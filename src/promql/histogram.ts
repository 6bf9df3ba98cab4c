import { parseFloatText } from '../core/number-format.ts';
import type { Call, Span } from './ast.ts';
import type { Exec } from './exec.ts';
import { LiftedBuckets } from './lifted-buckets.ts';
import { never } from './look-ahead.ts';
import { bucketFraction, bucketQuantile } from './quantile.ts';
import { IdMap, InternSpace, Seen, Vec, dropName, duplicateLabels, type ScalarOp, type VectorOp } from './space.ts';
import { warnOfQuantile } from './window-functions.ts';

const BUCKET_LABEL = 'le';
/** After so many buckets it is looked whether that is enough: of new ones the labels have to be read. */
const BUCKETS_A_LOOK = 256;
const BAD_BOUND = -2;
/** What is told of histograms is told without the metric's name, as by Prometheus, which has dropped it by then. */
const LIFTED =
  'input to histogram_quantile needed to be fixed for monotonicity ' +
  '(see https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile)';

interface Histogram {
  readonly result: number;
  readonly bounds: number[];
  readonly counts: number[];
  round: number;
}

/**
 * `histogram_quantile` and `histogram_fraction` over classic histograms: the series that differ in `le` only are the
 * buckets of one.
 */
export class HistogramOp implements VectorOp {
  readonly space = new InternSpace('none');
  readonly #call: Call;
  readonly #exec: Exec;
  readonly #params: readonly ScalarOp[];
  readonly #inner: VectorOp;
  readonly #span: Span;
  readonly #liftedSpan: Span;
  /** The histogram of a series, and its upper bound there. */
  readonly #histograms = new IdMap();
  readonly #bounds: number[] = [];
  readonly #groups = new InternSpace();
  readonly #list: Histogram[] = [];
  readonly #seen = new Seen();
  readonly #out = new Vec();
  #round = 0;
  /** The vector whose buckets are being collected, what was found of it, and which element comes next. */
  #begun: { readonly ts: number; readonly vec: Vec; readonly present: Histogram[] } | undefined;
  #next = 0;

  /** `liftedSpan` is what is pointed at where buckets fell: by default the buckets. */
  constructor(call: Call, exec: Exec, params: readonly ScalarOp[], inner: VectorOp, liftedSpan?: Span) {
    this.#call = call;
    this.#exec = exec;
    this.#params = params;
    this.#inner = inner;
    this.#span = call.args.at(-1) ?? call;
    this.#liftedSpan = liftedSpan ?? this.#span;
  }

  eval(ts: number): Vec {
    return this.work(ts, never) ?? this.#out;
  }

  work(ts: number, enough: () => boolean): Vec | undefined {
    if (this.#begun?.ts !== ts) {
      this.#begun = { ts, vec: this.#inner.eval(ts), present: [] };
      this.#next = 0;
      this.#round++;
    }
    const { vec, present } = this.#begun;
    if (!this.#collect(vec, present, enough)) return undefined;
    this.#begun = undefined;
    const first = this.#params[0]?.eval(ts) ?? NaN;
    const second = this.#params[1]?.eval(ts) ?? NaN;
    const quantile = this.#call.func === 'histogram_quantile';
    if (quantile) warnOfQuantile(this.#exec, first, this.#call.args[0] ?? this.#call);
    const out = this.#out;
    out.reset(present.length);
    this.#seen.begin();
    for (const histogram of present) {
      const value = quantile ? this.#quantile(ts, first, histogram) : bucketFraction(first, second, histogram);
      if (!this.#seen.add(histogram.result)) throw duplicateLabels();
      out.push(histogram.result, value);
    }
    return out;
  }

  /** Goes on with giving the histograms their buckets; true where all have them. */
  #collect(vec: Vec, present: Histogram[], enough: () => boolean): boolean {
    while (this.#next < vec.n) {
      const end = Math.min(vec.n, this.#next + BUCKETS_A_LOOK);
      for (; this.#next < end; this.#next++) this.#take(vec.ids[this.#next] ?? 0, vec.values[this.#next] ?? 0, present);
      if (enough()) return this.#next === vec.n;
    }
    return true;
  }

  #take(id: number, count: number, present: Histogram[]): void {
    const histogram = this.#list[this.#histogramOf(id)];
    if (histogram === undefined) return;
    if (histogram.round !== this.#round) {
      histogram.round = this.#round;
      histogram.bounds.length = 0;
      histogram.counts.length = 0;
      present.push(histogram);
    }
    histogram.bounds.push(this.#bounds[id] ?? NaN);
    histogram.counts.push(count);
  }

  #quantile(ts: number, q: number, histogram: Histogram): number {
    const { value, lifted } = bucketQuantile(q, histogram);
    if (lifted !== undefined) this.#exec.infoOfLifted(LIFTED, this.#liftedSpan, new LiftedBuckets(ts, lifted));
    return value;
  }

  /** The index of a series' histogram; `BAD_BOUND` where `le` is no number. */
  #histogramOf(id: number): number {
    const known = this.#histograms.get(id);
    if (known !== -1) return known;
    const labels = this.#inner.space.labels(id);
    const text = labels.get(BUCKET_LABEL);
    const bound = parseFloatText(text);
    // NaN is a number here, as for Prometheus: a histogram with such a bucket has quantiles of NaN.
    if (bound === undefined) {
      this.#exec.wornOut = true;
      this.#exec.warn(`bucket label "${BUCKET_LABEL}" is missing or has a malformed value of ${JSON.stringify(text)}`, this.#span);
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

import { compareLabels, Labels } from '../core/labels.ts';
import { Exec, type EvalOptions } from './exec.ts';
import type { VectorPlan } from './plan.ts';
import type { RangeTimes } from './prepare.ts';
import type { Querier } from './querier.ts';
import { Vec, type ScalarOp, type VectorOp } from './space.ts';
import type { MatrixValue, Series } from './value.ts';

/** How long a slice may hold the event loop, or as long as opening it took where that is longer. */
const SLICE_MS = 20;

export interface RangeRunOptions {
  readonly text: string;
  readonly querier: Querier;
  readonly range: RangeTimes;
  readonly options: EvalOptions;
  readonly open: VectorPlan;
}

/** Collects the steps of one series; grows by doubling up to the number of steps. */
class SeriesBuilder {
  n = 0;
  timestamps = new Float64Array(8);
  values = new Float64Array(8);

  push(ts: number, value: number, most: number): void {
    if (this.n === this.values.length) this.#grow(Math.min(most, this.n * 2));
    this.timestamps[this.n] = ts;
    this.values[this.n] = value;
    this.n++;
  }

  append({ n, timestamps, values }: SeriesBuilder, most: number): void {
    if (this.n + n > this.values.length) this.#grow(Math.min(most, Math.max(this.n + n, this.n * 2)));
    this.timestamps.set(timestamps.subarray(0, n), this.n);
    this.values.set(values.subarray(0, n), this.n);
    this.n += n;
  }

  series(labels: Labels): Series {
    return { labels, timestamps: this.timestamps.slice(0, this.n), values: this.values.slice(0, this.n) };
  }

  #grow(size: number): void {
    const { timestamps, values } = this;
    this.timestamps = new Float64Array(size);
    this.values = new Float64Array(size);
    this.timestamps.set(timestamps);
    this.values.set(values);
  }
}

/** One evaluation over a range, in one piece or in slices; used once. */
export class RangeRun {
  readonly #options: RangeRunOptions;
  readonly #top: Exec;
  readonly #steps: number;
  /** What earlier slices gave, by the series' labels: ids mean something within one slice only. */
  readonly #collected = new Map<string, { readonly labels: Labels; readonly builder: SeriesBuilder }>();
  #step = 0;

  constructor(options: RangeRunOptions) {
    const { text, querier, range } = options;
    this.#options = options;
    this.#top = new Exec(text, querier, range, options.options);
    this.#steps = Math.floor((range.endTs - range.startTs) / range.stepMs) + 1;
  }

  /** All steps at once, every selector resolved once. */
  whole(): MatrixValue {
    const op = this.#options.open(this.#top);
    const series: Series[] = [];
    for (const [id, builder] of this.#evaluate(op, this.#steps, () => false).entries())
      if (builder !== undefined) series.push(builder.series(op.space.labels(id)));
    return this.#result(series);
  }

  /** As many steps in one turn of the event loop as SLICE_MS allows, at least one. */
  async inSlices(turn: () => Promise<void>): Promise<MatrixValue> {
    const { now = () => 0 } = this.#options.options;
    let most = 1;
    while (this.#step < this.#steps) {
      await turn();
      const from = this.#step;
      const begun = now();
      const op = this.#options.open(this.#sliceOf(Math.min(this.#steps - from, most)));
      const until = begun + Math.max(SLICE_MS, 2 * (now() - begun));
      this.#collect(
        op,
        this.#evaluate(op, Math.min(this.#steps, from + most), () => now() >= until),
      );
      const done = this.#step - from;
      // What was read of the store for steps that then had no time was read in vain: the next slice reaches less far.
      most = done < most ? Math.max(1, done) : most * 2;
    }
    return this.#result([...this.#collected.values()].map(({ labels, builder }) => builder.series(labels)));
  }

  /** An evaluation of the next steps, within the bounds and the budget of the whole. */
  #sliceOf(steps: number): Exec {
    const { text, querier, range, options } = this.#options;
    const startTs = range.startTs + this.#step * range.stepMs;
    return new Exec(text, querier, { startTs, endTs: startTs + (steps - 1) * range.stepMs, stepMs: range.stepMs }, options, this.#top);
  }

  #evaluate(op: VectorOp, untilStep: number, enough: () => boolean): readonly (SeriesBuilder | undefined)[] {
    const { startTs, stepMs } = this.#options.range;
    const { budget } = this.#top;
    const most = Math.max(16, this.#steps);
    const builders: (SeriesBuilder | undefined)[] = [];
    do {
      const ts = startTs + this.#step * stepMs;
      const vec = op.eval(ts);
      budget.hold(vec.n);
      budget.tick(vec.n);
      for (let i = 0; i < vec.n; i++) (builders[vec.ids[i] ?? 0] ??= new SeriesBuilder()).push(ts, vec.values[i] ?? 0, most);
      this.#step++;
    } while (this.#step < untilStep && !enough());
    return builders;
  }

  #collect(op: VectorOp, builders: readonly (SeriesBuilder | undefined)[]): void {
    for (const [id, builder] of builders.entries()) {
      if (builder === undefined) continue;
      const labels = op.space.labels(id);
      const known = this.#collected.get(labels.key);
      if (known === undefined) this.#collected.set(labels.key, { labels, builder });
      else known.builder.append(builder, Math.max(16, this.#steps));
    }
  }

  #result(series: Series[]): MatrixValue {
    series.sort((a, b) => compareLabels(a.labels, b.labels));
    return { type: 'matrix', series, ...this.#top.annotations() };
  }
}

/** A scalar at each step, as the one series without labels. */
export function vectorOf(op: ScalarOp): VectorOp {
  const vec = new Vec(1);
  return {
    space: { names: 'none', labels: () => Labels.empty },
    eval: (ts) => {
      vec.reset(1);
      vec.push(0, op.eval(ts));
      return vec;
    },
  };
}

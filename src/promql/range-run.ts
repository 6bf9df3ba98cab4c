import { compareLabels, Labels } from '../core/labels.ts';
import { Exec, type EvalOptions } from './exec.ts';
import { never, prepareAll } from './look-ahead.ts';
import type { VectorPlan } from './plan.ts';
import type { RangeTimes } from './prepare.ts';
import type { Querier } from './querier.ts';
import { Slices } from './slices.ts';
import { Vec, type ScalarOp, type VectorOp } from './space.ts';
import type { MatrixValue, Series } from './value.ts';

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

  /** Its arrays themselves where they are full; otherwise they are let go for shorter ones, as all of them are there at once. */
  series(labels: Labels): Series {
    if (this.n < this.values.length) {
      this.timestamps = this.timestamps.slice(0, this.n);
      this.values = this.values.slice(0, this.n);
    }
    return { labels, timestamps: this.timestamps, values: this.values };
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
  /** What was given before the plan had to be opened anew, by the series' labels: ids mean something in one opening only. */
  readonly #collected = new Map<string, { readonly labels: Labels; readonly builder: SeriesBuilder }>();
  #builders: (SeriesBuilder | undefined)[] = [];
  #given = 0;
  #step = 0;

  constructor(options: RangeRunOptions) {
    const { text, querier, range } = options;
    this.#options = options;
    this.#top = new Exec(text, querier, range, options.options);
    this.#steps = this.#top.steps;
  }

  /** All steps at once. */
  whole(): MatrixValue {
    const op = this.#options.open(this.#top);
    while (this.#step < this.#steps) {
      prepareAll(this.#top, this.#ts, never);
      this.#take(op);
    }
    return this.#result(op);
  }

  /** In slices; a plan stays open as long as its selectors stand for the same series. */
  async inSlices(turn: () => Promise<void>): Promise<MatrixValue> {
    const slices = new Slices(this.#options.options, turn);
    await slices.next();
    let exec = this.#top;
    let op = this.#options.open(exec);
    let opened = -1;
    while (this.#step < this.#steps) {
      // Each opening gets at least one step further, whatever others do to the store in between.
      const isReady = prepareAll(exec, this.#ts, opened === this.#step ? never : slices.isOver);
      if (isReady) this.#take(op);
      exec.aheadTs = exec.endTs;
      if (this.#step === this.#steps || (isReady && !slices.isOver())) continue;
      await slices.next();
      if (exec.holds()) continue;
      this.#collect(op);
      exec = this.#rest();
      op = this.#options.open(exec);
      opened = this.#step;
      exec.aheadTs = exec.startTs;
    }
    return this.#result(op);
  }

  get #ts(): number {
    const { startTs, stepMs } = this.#options.range;
    return startTs + this.#step * stepMs;
  }

  /** An evaluation of the steps from here on, within the bounds and the budget of the whole. */
  #rest(): Exec {
    const { text, querier, range, options } = this.#options;
    this.#top.budget.reopen(this.#given);
    return new Exec(text, querier, { startTs: this.#ts, endTs: range.endTs, stepMs: range.stepMs }, options, this.#top);
  }

  #take(op: VectorOp): void {
    const { budget } = this.#top;
    const most = Math.max(16, this.#steps);
    const builders = this.#builders;
    const ts = this.#ts;
    const vec = op.eval(ts);
    budget.hold(vec.n);
    this.#given += vec.n;
    budget.tick(vec.n);
    for (let i = 0; i < vec.n; i++) (builders[vec.ids[i] ?? 0] ??= new SeriesBuilder()).push(ts, vec.values[i] ?? 0, most);
    this.#step++;
  }

  #collect(op: VectorOp): void {
    for (const [id, builder] of this.#builders.entries()) {
      if (builder === undefined) continue;
      const labels = op.space.labels(id);
      const known = this.#collected.get(labels.key);
      if (known === undefined) this.#collected.set(labels.key, { labels, builder });
      else known.builder.append(builder, Math.max(16, this.#steps));
    }
    this.#builders = [];
  }

  #result(op: VectorOp): MatrixValue {
    const series: Series[] = [];
    if (this.#collected.size > 0) {
      this.#collect(op);
      for (const { labels, builder } of this.#collected.values()) series.push(builder.series(labels));
    } else {
      for (const [id, builder] of this.#builders.entries()) if (builder !== undefined) series.push(builder.series(op.space.labels(id)));
    }
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

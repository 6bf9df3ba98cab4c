import { Labels } from '../core/labels.ts';
import { resolveInSlices } from './instant-run.ts';
import { Exec, type EvalOptions } from './exec.ts';
import { never, prepareAll } from './look-ahead.ts';
import type { VectorPlan } from './plan.ts';
import type { RangeTimes, SelectorInfo } from './prepare.ts';
import type { Querier } from './querier.ts';
import { Slices } from './slices.ts';
import { Vec, type ScalarOp, type VectorOp } from './space.ts';
import { byLabels, type MatrixValue, type Series } from './value.ts';

export interface RangeRunOptions {
  readonly text: string;
  readonly querier: Querier;
  readonly range: RangeTimes;
  readonly options: EvalOptions;
  readonly open: VectorPlan;
  readonly selectors?: readonly SelectorInfo[];
}

/** Collects the steps of one series; grows by doubling up to the number of steps. */
class SeriesBuilder {
  readonly labels: Labels;
  n = 0;
  timestamps = new Float64Array(8);
  values = new Float64Array(8);

  constructor(labels: Labels) {
    this.labels = labels;
  }

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
  series(): Series {
    if (this.n < this.values.length) {
      this.timestamps = this.timestamps.slice(0, this.n);
      this.values = this.values.slice(0, this.n);
    }
    return { labels: this.labels, timestamps: this.timestamps, values: this.values };
  }

  #grow(size: number): void {
    const { timestamps, values } = this;
    this.timestamps = new Float64Array(size);
    this.values = new Float64Array(size);
    this.timestamps.set(timestamps);
    this.values.set(values);
  }
}

/** After so many elements it is looked whether that is enough: each series that is new has to be given room. */
const ELEMENTS_A_LOOK = 256;
/** Bytes of a series without points, about as many as V8 has for two typed arrays. */
const BUILDER_BYTES = 400;

/** One evaluation over a range, in one piece or in slices; used once. */
export class RangeRun {
  readonly #options: RangeRunOptions;
  readonly #top: Exec;
  readonly #steps: number;
  /** What was given before the plan had to be opened anew, by the series' labels: ids mean something in one opening only. */
  readonly #collected = new Map<string, SeriesBuilder>();
  #builders: (SeriesBuilder | undefined)[] = [];
  #given = 0;
  /** The vector of the step that is being taken over, and which of its elements comes next. */
  #taking: Vec | undefined;
  #nextElement = 0;
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
      this.#take(op, never);
    }
    const series = this.#finished().map((builder) => builder.series());
    return this.#result(series.sort(byLabels));
  }

  /** In slices; a plan stays open as long as its selectors stand for the same series. */
  async inSlices(turn: () => Promise<void>): Promise<MatrixValue> {
    const slices = new Slices(this.#options.options, turn);
    await slices.next();
    const { querier, selectors, range } = this.#options;
    await resolveInSlices(querier, selectors, range.endTs, slices);
    let exec = this.#top;
    let op = this.#options.open(exec);
    let opened = -1;
    while (this.#step < this.#steps) {
      // Each opening gets at least one step further, whatever others do to the store in between.
      const isOver = opened === this.#step ? never : slices.isOver;
      const isReady = prepareAll(exec, this.#ts, isOver) && this.#take(op, isOver);
      exec.aheadTs = exec.endTs;
      if (this.#step === this.#steps || (isReady && !slices.isOver())) continue;
      await slices.next();
      if (exec.holds()) continue;
      this.#collect();
      exec = this.#rest();
      op = this.#options.open(exec);
      opened = this.#step;
      exec.aheadTs = exec.startTs;
    }
    const series: Series[] = [];
    for (const builder of this.#finished()) {
      series.push(builder.series());
      if (slices.isOver()) await slices.next();
    }
    return this.#result(await slices.sort(series, byLabels));
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

  /** Takes over what a step gives; true where that is done, and the next step is due. */
  #take(op: VectorOp, enough: () => boolean): boolean {
    const { budget } = this.#top;
    const most = Math.max(16, this.#steps);
    const builders = this.#builders;
    const ts = this.#ts;
    if (this.#taking === undefined) {
      this.#taking = op.eval(ts);
      this.#nextElement = 0;
      budget.hold(this.#taking.n);
      this.#given += this.#taking.n;
      budget.tick(this.#taking.n);
    }
    const vec = this.#taking;
    while (this.#nextElement < vec.n) {
      const at = this.#nextElement++;
      (builders[vec.ids[at] ?? 0] ??= this.#newBuilder(op, vec.ids[at] ?? 0)).push(ts, vec.values[at] ?? 0, most);
      if (this.#nextElement % ELEMENTS_A_LOOK === 0 && enough()) return false;
    }
    this.#taking = undefined;
    this.#step++;
    return true;
  }

  #newBuilder(op: VectorOp, id: number): SeriesBuilder {
    this.#top.budget.room(BUILDER_BYTES);
    return new SeriesBuilder(op.space.labels(id));
  }

  /** Keeps what was given so far, of whole steps, for another opening to go on with. */
  #collect(): void {
    const ts = this.#ts;
    if (this.#taking !== undefined) this.#given -= this.#taking.n;
    this.#taking = undefined;
    for (const builder of this.#builders) {
      if (builder === undefined) continue;
      if (builder.timestamps[builder.n - 1] === ts) builder.n--;
      const known = this.#collected.get(builder.labels.key);
      if (known === undefined) this.#collected.set(builder.labels.key, builder);
      else known.append(builder, Math.max(16, this.#steps));
    }
    this.#builders = [];
  }

  #finished(): SeriesBuilder[] {
    if (this.#collected.size === 0) return this.#builders.filter((builder) => builder !== undefined);
    this.#collect();
    return [...this.#collected.values()].filter(({ n }) => n > 0);
  }

  #result(series: readonly Series[]): MatrixValue {
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

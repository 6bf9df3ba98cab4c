import type { WriteRequestEncoder } from '../formats/write-request.ts';
import type { LabelCache } from './label-cache.ts';

/** Series, time, value and marker of one sample. */
export const BYTES_A_SAMPLE = 21;

/** Samples that wait for their place in a request, as columns. */
export class Batch {
  readonly series: Int32Array;
  readonly ts: Float64Array;
  readonly values: Float64Array;
  readonly stale: Uint8Array;
  count = 0;

  constructor(capacity: number) {
    this.series = new Int32Array(capacity);
    this.ts = new Float64Array(capacity);
    this.values = new Float64Array(capacity);
    this.stale = new Uint8Array(capacity);
  }

  get isFull(): boolean {
    return this.count === this.series.length;
  }

  add(series: number, ts: number, value: number, stale: boolean): void {
    const i = this.count++;
    this.series[i] = series;
    this.ts[i] = ts;
    this.values[i] = value;
    this.stale[i] = stale ? 1 : 0;
  }

  get newestTs(): number {
    let newest = -Infinity;
    for (let i = 0; i < this.count; i++) newest = Math.max(newest, this.ts[i]!);
    return newest;
  }

  get oldestTs(): number {
    let oldest = Infinity;
    for (let i = 0; i < this.count; i++) oldest = Math.min(oldest, this.ts[i]!);
    return oldest;
  }

  /** One `TimeSeries` for each run of samples of one series. */
  encode(encoder: WriteRequestEncoder, labels: LabelCache): void {
    for (let from = 0, to: number; from < this.count; from = to) {
      const series = this.series[from]!;
      for (to = from + 1; to < this.count && this.series[to] === series; to++);
      const bytes = labels.get(series);
      if (bytes !== undefined) encoder.series(bytes, this, from, to);
    }
  }

  /**
   * Two halves, to be sent one after the other: the older and the newer samples, where they are of several times (what a
   * receiver has already is the older part), else of half the series each.
   */
  split(): readonly [Batch, Batch] {
    const sorted = this.ts.slice(0, this.count).toSorted();
    const [oldest = 0, newest = 0] = [sorted[0], sorted.at(-1)];
    const middle = sorted[Math.floor((this.count - 1) / 2)] ?? 0;
    const border = middle < newest ? middle : (sorted.findLast((ts) => ts < newest) ?? newest);
    const halves: readonly [Batch, Batch] = [new Batch(this.count), new Batch(this.count)];
    for (let i = 0; i < this.count; i++) {
      const isFirst = oldest === newest ? 2 * i < this.count : this.ts[i]! <= border;
      halves[isFirst ? 0 : 1].add(this.series[i]!, this.ts[i]!, this.values[i]!, this.stale[i] === 1);
    }
    return halves;
  }
}

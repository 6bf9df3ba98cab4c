import { BelfryError } from '../core/errors.ts';
import { Labels } from '../core/labels.ts';
import { matchesAll } from '../core/matcher.ts';
import type { Matcher } from '../core/matcher.ts';
import type { Layout, SampleWriter, TargetWriter } from '../core/sample.ts';
import type { InstantColumns, PointBuffer, Querier, Selection } from '../promql/querier.ts';

/** A series with its samples in order of time; where `stale` is set a sample is a staleness marker. */
interface MemoryPoints {
  readonly labels: Labels;
  readonly timestamps: number[];
  readonly values: number[];
  readonly stale: boolean[];
}

/**
 * The simplest store there is, for rule tests and unit tests of the engine: both the write and the read side, all in
 * memory, nothing ever forgotten.
 */
export class MemorySeries implements Querier, SampleWriter {
  readonly #series = new Map<string, MemoryPoints>();
  /** All series in the order in which they were born: what a selection has looked at is known by its number. */
  readonly #born: MemoryPoints[] = [];
  /** What the selectors of standing expressions stand for: plans stay open for as long as that is the same. */
  readonly #selected = new WeakMap<readonly Matcher[], { selection: MemorySelection; looked: number }>();
  readonly #targets = new Map<string, MemoryTarget>();
  /** While set, every query fails with it. */
  failure: string | undefined;

  /** Adds a sample, which must be the series' newest; undefined is a staleness marker. */
  add(labels: Labels, ts: number, value: number | undefined): void {
    let points = this.#series.get(labels.key);
    if (points === undefined) {
      points = { labels, timestamps: [], values: [], stale: [] };
      this.#series.set(labels.key, points);
      this.#born.push(points);
    }
    if ((points.timestamps.at(-1) ?? -Infinity) >= ts)
      throw new BelfryError('STORE_OUT_OF_ORDER', `sample of ${String(labels)} at ${ts} is not newer than the last`);
    points.timestamps.push(ts);
    points.values.push(value ?? Number.NaN);
    points.stale.push(value === undefined);
  }

  /**
   * Adds a sample of a rule. Two rules may have the same output: of one time the first sample counts, and what is another
   * is refused, as Prometheus does; a marker that the series has ended then is left out. False where it was refused.
   */
  addOfRule(labels: Labels, ts: number, value: number | undefined): boolean {
    const points = this.#series.get(labels.key);
    if (points?.timestamps.at(-1) !== ts) this.add(labels, ts, value);
    else if (value !== undefined) return points.stale.at(-1) !== true && Object.is(points.values.at(-1), value);
    return true;
  }

  /** When a series last had a sample or a marker. */
  lastTs(labels: Labels): number {
    return this.#series.get(labels.key)?.timestamps.at(-1) ?? -Infinity;
  }

  target(id: string): TargetWriter {
    let target = this.#targets.get(id);
    if (target === undefined) this.#targets.set(id, (target = new MemoryTarget(this)));
    return target;
  }

  removeTarget(id: string): void {
    this.#targets.delete(id);
  }

  select(matchers: readonly Matcher[]): Selection {
    if (this.failure !== undefined) throw new BelfryError('PROMQL_EXECUTION', this.failure);
    let known = this.#selected.get(matchers);
    if (known === undefined) this.#selected.set(matchers, (known = { selection: new MemorySelection([]), looked: 0 }));
    const more: MemoryPoints[] = [];
    for (; known.looked < this.#born.length; known.looked++) {
      const series = this.#born[known.looked];
      if (series !== undefined && matchesAll(matchers, series.labels)) more.push(series);
    }
    if (more.length > 0) known.selection = known.selection.with(more);
    return known.selection;
  }
}

class MemoryTarget implements TargetWriter {
  readonly #store: MemorySeries;
  #live = new Map<string, Labels>();
  #lastTs = -Infinity;

  constructor(store: MemorySeries) {
    this.#store = store;
  }

  append(ts: number, layout: Layout, values: Float64Array, absent?: Uint8Array): void {
    if (ts <= this.#lastTs) throw new BelfryError('STORE_OUT_OF_ORDER', `row at ${ts} is not newer than the last`);
    this.#lastTs = ts;
    const live = new Map<string, Labels>();
    let isWhole = true;
    for (const [i, labels] of layout.series.entries()) {
      if (absent?.[i] === 1) continue;
      live.set(labels.key, labels);
      isWhole = this.#store.addOfRule(labels, ts, values[i] ?? Number.NaN) && isWhole;
    }
    for (const [key, labels] of this.#live) if (!live.has(key)) this.#store.addOfRule(labels, ts, undefined);
    this.#live = live;
    if (!isWhole) throw new BelfryError('STORE_OUT_OF_ORDER', 'duplicate sample for timestamp');
  }

  appendAt(ts: number, series: Labels, value: number): void {
    this.#store.add(series, ts, value);
  }

  markStale(ts: number): void {
    // One that another target has gone on with does not end.
    for (const labels of this.#live.values()) if (this.#store.lastTs(labels) === this.#lastTs) this.#store.add(labels, ts, undefined);
    this.#live.clear();
  }
}

class MemorySelection implements Selection {
  readonly #series: readonly MemoryPoints[];
  readonly n: number;

  constructor(series: readonly MemoryPoints[]) {
    this.#series = series;
    this.n = series.length;
  }

  /** The series of this one, and some that were born since. */
  with(more: readonly MemoryPoints[]): MemorySelection {
    return new MemorySelection([...this.#series, ...more]);
  }

  labels(index: number): Labels {
    return this.#series[index]?.labels ?? Labels.empty;
  }

  instant(ts: number, lookbackMs: number, out: InstantColumns): void {
    for (const [i, { timestamps, values, stale }] of this.#series.entries()) {
      const at = countUpTo(timestamps, ts) - 1;
      const sampleTs = timestamps[at] ?? -Infinity;
      out.present[i] = sampleTs > ts - lookbackMs && stale[at] !== true ? 1 : 0;
      out.values[i] = values[at] ?? Number.NaN;
      out.timestamps[i] = sampleTs;
    }
  }

  window(index: number, fromTs: number, toTs: number, into: PointBuffer): number {
    const series = this.#series[index];
    if (series === undefined) return 0;
    const { timestamps, values, stale } = series;
    const end = countUpTo(timestamps, toTs);
    let from = end;
    while (from > 0 && (timestamps[from - 1] ?? -Infinity) > fromTs) from--;
    into.reserve(end - from);
    let count = 0;
    for (let i = from; i < end; i++) {
      if (stale[i] === true) continue;
      into.timestamps[count] = timestamps[i] ?? Number.NaN;
      into.values[count] = values[i] ?? Number.NaN;
      count++;
    }
    return count;
  }
}

/** How many of these times, which rise, are not after `ts`: mostly it is asked about the newest. */
function countUpTo(timestamps: readonly number[], ts: number): number {
  return timestamps.findLastIndex((sampleTs) => sampleTs <= ts) + 1;
}

import { METRIC_NAME } from '../core/labels.ts';
import { matchesAll } from '../core/matcher.ts';
import type { Labels } from '../core/labels.ts';
import type { Matcher } from '../core/matcher.ts';
import type { InstantColumns, PointBuffer, Querier, Selection } from '../promql/querier.ts';
import type { RuleOutput } from './evaluation.ts';

/** Results of a rule that are not in the store, by metric name. */
interface Layer {
  readonly values: Map<string, { readonly labels: Labels; readonly value: number }>;
  /** Series the rule wrote at its last slot; those that are not in `values` have ended. */
  readonly written: ReadonlySet<string>;
}

/**
 * A querier that shows the results of a group's rules as if they were written. Between slots nothing is written, yet a
 * rule that reads what an earlier one of its group makes must see what that one has just made.
 */
export class OverlayQuerier implements Querier {
  readonly #inner: Querier;
  readonly #ts: number;
  readonly #layers: Layer[] = [];
  readonly #names = new Set<string>();

  constructor(inner: Querier, ts: number) {
    this.#inner = inner;
    this.#ts = ts;
  }

  /** Lays a rule's results over the store; `written` is what it wrote at its last slot. */
  add(output: RuleOutput, written: readonly Labels[]): void {
    const values: Layer['values'] = new Map();
    for (const [i, labels] of output.layout.series.entries()) {
      values.set(labels.key, { labels, value: output.values[i] ?? Number.NaN });
      this.#names.add(labels.metricName);
    }
    for (const labels of written) this.#names.add(labels.metricName);
    this.#layers.push({ values, written: new Set(written.map(({ key }) => key)) });
  }

  select(matchers: readonly Matcher[], minTs: number, maxTs: number): Selection {
    const base = this.#inner.select(matchers, minTs, maxTs);
    if (!this.#concerns(matchers)) return base;
    const points: (Point | undefined)[] = [];
    const left = new Map<string, { readonly labels: Labels; readonly value: number }>();
    for (const { values } of this.#layers) {
      for (const [key, result] of values) if (matchesAll(matchers, result.labels)) left.set(key, result);
    }
    for (let i = 0; i < base.n; i++) {
      const { key } = base.labels(i);
      const result = left.get(key);
      if (result !== undefined) points.push({ value: result.value, ended: false });
      else points.push(this.#layers.some(({ written }) => written.has(key)) ? { value: Number.NaN, ended: true } : undefined);
      left.delete(key);
    }
    return new OverlaySelection(base, points, [...left.values()], this.#ts);
  }

  #concerns(matchers: readonly Matcher[]): boolean {
    const onName = matchers.filter(({ name }) => name === METRIC_NAME);
    return [...this.#names].some((name) => onName.every((matcher) => matcher.matches(name)));
  }
}

interface Point {
  readonly value: number;
  /** The series has no sample at this time any more. */
  readonly ended: boolean;
}

class OverlaySelection implements Selection {
  readonly n: number;
  readonly #base: Selection;
  readonly #points: readonly (Point | undefined)[];
  readonly #more: readonly { readonly labels: Labels; readonly value: number }[];
  readonly #ts: number;

  constructor(
    base: Selection,
    points: readonly (Point | undefined)[],
    more: readonly { readonly labels: Labels; readonly value: number }[],
    ts: number,
  ) {
    this.#base = base;
    this.#points = points;
    this.#more = more;
    this.#ts = ts;
    this.n = base.n + more.length;
  }

  labels(index: number): Labels {
    return index < this.#base.n ? this.#base.labels(index) : (this.#more[index - this.#base.n]?.labels ?? this.#base.labels(index));
  }

  instant(ts: number, lookbackMs: number, out: InstantColumns): void {
    this.#base.instant(ts, lookbackMs, out);
    const visible = this.#ts <= ts && this.#ts > ts - lookbackMs;
    for (let i = 0; i < this.n; i++) {
      const point = i < this.#base.n ? this.#points[i] : { value: this.#more[i - this.#base.n]?.value ?? Number.NaN, ended: false };
      if (i >= this.#base.n) out.present[i] = 0;
      if (point === undefined || !visible) continue;
      out.present[i] = point.ended ? 0 : 1;
      out.values[i] = point.value;
      out.timestamps[i] = this.#ts;
    }
  }

  window(index: number, fromTs: number, toTs: number, into: PointBuffer): number {
    const inBase = index < this.#base.n;
    const count = inBase ? this.#base.window(index, fromTs, toTs, into) : 0;
    const point = inBase ? this.#points[index] : { value: this.#more[index - this.#base.n]?.value ?? Number.NaN, ended: false };
    if (point === undefined || point.ended || this.#ts <= fromTs || this.#ts > toTs) return count;
    into.reserve(count + 1);
    into.timestamps[count] = this.#ts;
    into.values[count] = point.value;
    return count + 1;
  }
}

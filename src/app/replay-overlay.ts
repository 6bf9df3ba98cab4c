import { type Labels, METRIC_NAME } from '../core/labels.ts';
import type { Matcher } from '../core/matcher.ts';
import type { InstantColumns, PointBuffer, Querier, Selection } from '../promql/querier.ts';
import type { RuleSet } from '../rules/model.ts';

const SYNTHETIC: ReadonlySet<string> = new Set(['ALERTS', 'ALERTS_FOR_STATE']);

/**
 * What the replayed rules make themselves: recorded series by their name, and `ALERTS` and `ALERTS_FOR_STATE` of their
 * alerts. The history of these is not seen; they are made anew.
 */
export class MadeSeries {
  readonly #recorded = new Set<string>();
  readonly #alerts = new Set<string>();

  constructor({ groups }: RuleSet) {
    for (const { rules } of groups) for (const { kind, name } of rules) (kind === 'recording' ? this.#recorded : this.#alerts).add(name);
  }

  /** Whether series of that metric name may be among them. */
  names(metricName: string): boolean {
    return this.#recorded.has(metricName) || SYNTHETIC.has(metricName);
  }

  series(labels: Labels): boolean {
    return this.#recorded.has(labels.metricName) || this.#alerts.has(labels.get('alertname'));
  }

  /** Which side a selector reads: only what is made where it names a recorded series. */
  sideOf(matchers: readonly Matcher[]): 'made' | 'history' | 'both' {
    const name = matchers.find((matcher) => matcher.name === METRIC_NAME && matcher.op === '=');
    if (name === undefined || SYNTHETIC.has(name.value)) return 'both';
    return this.#recorded.has(name.value) ? 'made' : 'history';
  }
}

/** The history with what the replayed rules have made laid beside it. */
export class ReplayQuerier implements Querier {
  /** The longest that a selector reached back into what is made, in ms. */
  reachMs = 0;
  readonly #history: Querier;
  readonly #made: Querier;
  readonly #series: MadeSeries;
  readonly #now: () => number;
  readonly #check: () => void;
  readonly #sides = new WeakMap<readonly Matcher[], 'made' | 'history' | 'both'>();
  readonly #pairs = new WeakMap<Selection, { readonly made: Selection; readonly pair: SelectionPair }>();

  /** `check` may throw, to end what is evaluated. */
  constructor(history: Querier, made: Querier, series: MadeSeries, now: () => number, check: () => void) {
    this.#history = history;
    this.#made = made;
    this.#series = series;
    this.#now = now;
    this.#check = check;
  }

  select(matchers: readonly Matcher[], minTs: number, maxTs: number): Selection {
    this.#check();
    let side = this.#sides.get(matchers);
    if (side === undefined) this.#sides.set(matchers, (side = this.#series.sideOf(matchers)));
    if (side === 'history') return this.#history.select(matchers, minTs, maxTs);
    this.reachMs = Math.max(this.reachMs, this.#now() - minTs);
    const made = this.#made.select(matchers, minTs, maxTs);
    if (side === 'made') return made;
    const history = this.#history.select(matchers, minTs, maxTs);
    if (history.n === 0) return made;
    // The same two make the same one, so that what was worked out for it is used again.
    const known = this.#pairs.get(history);
    if (known?.made === made) return known.pair;
    const pair = new SelectionPair(history, made);
    this.#pairs.set(history, { made, pair });
    return pair;
  }
}

/** The series of one selection and then those of another. */
class SelectionPair implements Selection {
  readonly n: number;
  readonly #first: Selection;
  readonly #second: Selection;

  constructor(first: Selection, second: Selection) {
    this.n = first.n + second.n;
    this.#first = first;
    this.#second = second;
  }

  labels(index: number): Labels {
    return index < this.#first.n ? this.#first.labels(index) : this.#second.labels(index - this.#first.n);
  }

  instant(ts: number, lookbackMs: number, out: InstantColumns): void {
    const { n } = this.#first;
    this.#first.instant(ts, lookbackMs, out);
    this.#second.instant(ts, lookbackMs, {
      values: out.values.subarray(n),
      timestamps: out.timestamps.subarray(n),
      present: out.present.subarray(n),
    });
  }

  window(index: number, fromTs: number, toTs: number, into: PointBuffer): number {
    const { n } = this.#first;
    return index < n ? this.#first.window(index, fromTs, toTs, into) : this.#second.window(index - n, fromTs, toTs, into);
  }
}

import { METRIC_NAME } from '../core/labels.ts';
import type { Matcher } from '../core/matcher.ts';
import type { InvertedIndex } from './inverted-index.ts';
import { Int32List } from './int-list.ts';
import type { SeriesSelection } from './reader-types.ts';
import type { SeriesId, SeriesTable } from './series-table.ts';

const MAX_SETS = 2000;
const MAX_CACHED_IDS = 8_000_000;

/** The series that a set of matchers accepts, kept right as series are born and expire. */
export class ResolvedSet {
  readonly matchers: readonly Matcher[];
  /** Symbol of the metric name the matchers ask for, -1 where they name none, or one that no series had yet. */
  readonly metric: string | undefined;
  readonly ids: Int32List;
  version = 0;
  /** Those with a place in memory now; see `SelectionCache.live`. */
  live = new Int32Array(0);
  /** Moves when `live` has other series than before. */
  liveChanges = 0;
  liveVersion = -1;
  livePlaces = -1;
  /** The newest sample of the others, -Infinity where there are none. */
  restMaxTs = -Infinity;
  /** The selections handed out last, of the live series and of all; handed out again while the set is the same. */
  liveSelection: SeriesSelection | undefined;
  wholeSelection: SeriesSelection | undefined;
  evicted = false;

  constructor(matchers: readonly Matcher[], ids: Int32Array) {
    this.matchers = matchers;
    this.metric = matchers.find(({ name, op }) => name === METRIC_NAME && op === '=')?.value;
    this.ids = new Int32List(Math.max(4, ids.length));
    for (const id of ids) this.ids.push(id);
  }
}

/** Resolved sets by the text of their matchers; the one used longest ago goes first. New series look only at sets of their metric. */
export class SelectionCache {
  readonly #index: InvertedIndex;
  readonly #table: SeriesTable;
  readonly #byText = new Map<string, ResolvedSet>();
  readonly #byMatchers = new WeakMap<readonly Matcher[], ResolvedSet>();
  readonly #byMetric = new Map<string | undefined, Set<ResolvedSet>>();
  #cachedIds = 0;

  constructor(index: InvertedIndex, table: SeriesTable) {
    this.#index = index;
    this.#table = table;
  }

  get(matchers: readonly Matcher[]): ResolvedSet {
    const known = this.#byMatchers.get(matchers);
    if (known !== undefined && !known.evicted) return known;
    const text = matchers
      .map((matcher) => matcher.toString())
      .toSorted()
      .join(',');
    let set = this.#byText.get(text);
    if (set === undefined) set = this.#add(text, new ResolvedSet(matchers.slice(), this.#index.resolve(matchers)));
    else {
      this.#byText.delete(text);
      this.#byText.set(text, set);
    }
    this.#byMatchers.set(matchers, set);
    return set;
  }

  /** A series was born. Ids ascend, so it goes to the end of every set that wants it. */
  born(id: SeriesId): void {
    if (this.#byText.size === 0) return;
    const metricSymbol = this.#table.valueOf(id, this.#table.symbols.find(METRIC_NAME));
    this.#offer(this.#byMetric.get(this.#table.symbols.text(metricSymbol)), id);
    this.#offer(this.#byMetric.get(undefined), id);
  }

  /** Series that the table still has expire, those with a 1 in `gone`: they leave every set. */
  expired(ids: readonly SeriesId[], gone: Uint8Array): void {
    const metric = this.#table.symbols.find(METRIC_NAME);
    const metrics = new Set<string | undefined>([undefined]);
    for (const id of ids) metrics.add(this.#table.symbols.text(this.#table.valueOf(id, metric)));
    for (const name of metrics) {
      for (const set of this.#byMetric.get(name) ?? []) {
        const dropped = set.ids.drop(gone);
        if (dropped === 0) continue;
        this.#cachedIds -= dropped;
        set.version++;
      }
    }
  }

  #offer(sets: ReadonlySet<ResolvedSet> | undefined, id: SeriesId): void {
    if (sets === undefined) return;
    const { symbols } = this.#table;
    for (const set of sets) {
      const wanted = set.matchers.every((matcher) => {
        const value = this.#table.valueOf(id, symbols.find(matcher.name));
        return matcher.matches(value < 0 ? '' : symbols.text(value));
      });
      if (!wanted) continue;
      set.ids.push(id);
      set.version++;
      this.#cachedIds++;
    }
  }

  #add(text: string, set: ResolvedSet): ResolvedSet {
    this.#byText.set(text, set);
    let bucket = this.#byMetric.get(set.metric);
    if (bucket === undefined) this.#byMetric.set(set.metric, (bucket = new Set()));
    bucket.add(set);
    this.#cachedIds += set.ids.length;
    for (const [oldText, old] of this.#byText) {
      if (old === set || (this.#byText.size <= MAX_SETS && this.#cachedIds <= MAX_CACHED_IDS)) break;
      this.#evict(oldText, old);
    }
    return set;
  }

  #evict(text: string, set: ResolvedSet): void {
    this.#byText.delete(text);
    set.evicted = true;
    this.#cachedIds -= set.ids.length;
    const bucket = this.#byMetric.get(set.metric);
    bucket?.delete(set);
    if (bucket?.size === 0) this.#byMetric.delete(set.metric);
  }
}

import { type Labels, sortedNames } from '../core/labels.ts';
import type { Matcher } from '../core/matcher.ts';
import type { Head } from './head.ts';
import type { BlockSource } from './lane-reader.ts';
import { union } from './postings.ts';
import type { SeriesFilter, SeriesSelection } from './reader-types.ts';
import { Selected } from './selected.ts';
import type { ResolvedSet } from './selection-cache.ts';
import type { SeriesId } from './series-table.ts';

/** The read side of the store. Synchronous. */
export class Reader {
  readonly #head: Head;
  readonly #source: BlockSource;

  constructor(head: Head, source: BlockSource) {
    this.#head = head;
    this.#source = source;
  }

  /** The series that all matchers accept and that may have samples in [minTs, maxTs]. */
  select(matchers: readonly Matcher[], minTs: number, _maxTs: number): SeriesSelection {
    const set = this.#head.selections.get(matchers);
    this.#refreshLive(set);
    if (minTs > set.restMaxTs) {
      const version = 2 * set.liveChanges;
      if (set.liveSelection?.version !== version) set.liveSelection = new Selected(this.#head, this.#source, set.live, version);
      return set.liveSelection;
    }
    const version = 2 * set.version + 1;
    if (set.wholeSelection?.version !== version) {
      const ids = set.ids.values.subarray(0, set.ids.length);
      set.wholeSelection = new Selected(this.#head, this.#source, ids, version);
    }
    return set.wholeSelection;
  }

  /** Distinct label names, sorted. */
  labelNames(filter: SeriesFilter = {}): readonly string[] {
    return limited(sortedNames(this.#head.index.names(this.#filtered(filter))), filter.limit);
  }

  /** Distinct values of a label, sorted. */
  labelValues(name: string, filter: SeriesFilter = {}): readonly string[] {
    return limited(sortedNames(this.#head.index.values(name, this.#filtered(filter))), filter.limit);
  }

  /** How many values a label has. */
  labelValueCount(name: string): number {
    return this.#head.index.valueCount(name);
  }

  /** The label sets of the series, by age. */
  series(filter: SeriesFilter = {}): readonly Labels[] {
    return [...this.eachSeries(filter)];
  }

  /** The same, each made when it is asked for: others may have their turn between. */
  *eachSeries(filter: SeriesFilter = {}): Generator<Labels, void> {
    const { index, series } = this.#head;
    // What the index keeps changes meanwhile, and series may end.
    const ids = (this.#filtered(filter) ?? index.resolve([])).slice(0, filter.limit);
    for (const id of ids) if (series.exists(id)) yield series.labels(id);
  }

  /** How many series the filter accepts. */
  seriesCount(filter: SeriesFilter = {}): number {
    return this.#filtered(filter)?.length ?? this.#head.series.size;
  }

  /** Undefined for all series: nothing was asked. */
  #filtered({ matcherSets, minTs, maxTs }: SeriesFilter): Int32Array | undefined {
    const sets = matcherSets ?? [];
    if (sets.length === 0 && minTs === undefined && maxTs === undefined) return undefined;
    const { index, series } = this.#head;
    const ids = union(sets.length === 0 ? [index.resolve([])] : sets.map((matchers) => index.resolve(matchers)), series.end);
    if (minTs === undefined && maxTs === undefined) return ids;
    return ids.filter((id) => this.#lastTs(id) >= (minTs ?? -Infinity) && this.#head.bornTs(id) <= (maxTs ?? Infinity));
  }

  /** The time of a series' newest sample, or a little later. */
  #lastTs(id: SeriesId): number {
    const { places } = this.#head;
    const retired = places.retiredTs(id);
    if (retired !== undefined) return retired;
    const lane = this.#head.lane(places.lane(id));
    return lane?.ring?.lastTs ?? lane?.side?.series[places.col(id)]?.lastTs ?? -Infinity;
  }

  /** Splits the set's series into those with a column in memory and the rest, when that may have changed. */
  #refreshLive(set: ResolvedSet): void {
    const { places } = this.#head;
    if (set.liveVersion === set.version && set.livePlaces === places.version) return;
    const live = new Int32Array(set.ids.length);
    let n = 0;
    set.restMaxTs = -Infinity;
    for (let i = 0; i < set.ids.length; i++) {
      const id = set.ids.values[i]!;
      const retiredTs = places.retiredTs(id);
      if (retiredTs === undefined) live[n++] = id;
      else if (retiredTs > set.restMaxTs) set.restMaxTs = retiredTs;
    }
    const found = live.subarray(0, n);
    if (!sameIds(found, set.live)) {
      // A set that lost a series to the past reads differently from before.
      if (set.liveVersion === set.version) set.version++;
      set.live = found.slice();
      set.liveChanges++;
    }
    set.liveVersion = set.version;
    set.livePlaces = places.version;
  }
}

function limited(names: readonly string[], limit: number | undefined): readonly string[] {
  return limit === undefined ? names : names.slice(0, limit);
}

function sameIds(a: Int32Array, b: Int32Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

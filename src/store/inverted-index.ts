import { literalSet } from '../core/regex.ts';
import type { Matcher } from '../core/matcher.ts';
import { Int32List } from './int-list.ts';
import { intersect, union } from './postings.ts';
import type { SeriesId, SeriesTable } from './series-table.ts';

const NONE = new Int32Array(0);

/** Most label values have one series, and an object for each would cost more than the numbers: a lone id stands for itself. */
type Posting = Int32List | SeriesId;

/** From label name and value to the ascending ids of the series that have it. */
export class InvertedIndex {
  readonly #table: SeriesTable;
  readonly #byName = new Map<number, Map<number, Posting>>();
  readonly #all = new Int32List(1024);

  constructor(table: SeriesTable) {
    this.#table = table;
  }

  /** Adds a series that the table has; ids must ascend. */
  add(id: SeriesId): void {
    this.#all.push(id);
    const pairs = this.#table.pairs(id);
    for (let i = 0; i < pairs.length; i += 2) {
      let values = this.#byName.get(pairs[i]!);
      if (values === undefined) this.#byName.set(pairs[i]!, (values = new Map()));
      const posting = values.get(pairs[i + 1]!);
      if (posting === undefined) values.set(pairs[i + 1]!, id);
      else if (typeof posting === 'number') values.set(pairs[i + 1]!, listOf(posting, id));
      else posting.push(id);
    }
  }

  /** Takes out series that the table still has, those with a 1 in `gone`; costs what the lists cost that they stand in. */
  remove(ids: readonly SeriesId[], gone: Uint8Array): void {
    const lists = new Map<Int32List, { readonly name: number; readonly value: number }>();
    for (const id of ids) {
      const pairs = this.#table.pairs(id);
      for (let i = 0; i < pairs.length; i += 2) {
        const posting = this.#byName.get(pairs[i]!)?.get(pairs[i + 1]!);
        if (posting === id) this.#forget(pairs[i]!, pairs[i + 1]!);
        else if (posting !== undefined && typeof posting !== 'number') lists.set(posting, { name: pairs[i]!, value: pairs[i + 1]! });
      }
    }
    for (const [list, { name, value }] of lists) {
      list.drop(gone);
      if (list.length === 0) this.#forget(name, value);
    }
    this.#all.drop(gone);
  }

  #forget(name: number, value: number): void {
    const values = this.#byName.get(name);
    values?.delete(value);
    if (values?.size === 0) this.#byName.delete(name);
  }

  /** Ascending ids of the series that every matcher accepts. An own array or a view of a list: read only, for now only. */
  resolve(matchers: readonly Matcher[]): Int32Array {
    const rest: Matcher[] = [];
    let ids: Int32Array | undefined;
    for (const matcher of matchers) {
      const direct = this.#direct(matcher);
      if (direct === undefined) rest.push(matcher);
      else ids = ids === undefined ? direct : intersect(ids, direct);
    }
    if (ids === undefined) {
      const base = rest.findIndex((matcher) => !matcher.matchesEmpty);
      ids = base < 0 ? this.#view(this.#all) : this.#union(rest[base]!);
      if (base >= 0) rest.splice(base, 1);
    }
    for (const matcher of rest) ids = this.#filter(ids, matcher);
    return ids;
  }

  /** The values of a label over these series, or over all. */
  values(name: string, ids?: Int32Array): readonly string[] {
    const symbol = this.#table.symbols.find(name);
    if (symbol < 0) return [];
    const found = ids === undefined ? this.#byName.get(symbol)?.keys() : this.#valuesOf(symbol, ids);
    return Array.from(found ?? [], (value) => this.#table.symbols.text(value));
  }

  /** How many values a label has over all series. */
  valueCount(name: string): number {
    return this.#byName.get(this.#table.symbols.find(name))?.size ?? 0;
  }

  /** The names of the labels of these series, or of all. */
  names(ids?: Int32Array): readonly string[] {
    return Array.from(ids === undefined ? this.#byName.keys() : this.#table.namesOf(ids), (name) => this.#table.symbols.text(name));
  }

  #valuesOf(name: number, ids: Int32Array): Set<number> {
    const found = new Set<number>();
    for (const id of ids) {
      const value = this.#table.valueOf(id, name);
      if (value >= 0) found.add(value);
    }
    return found;
  }

  /** The ids where a matcher names the values that it wants; undefined where values must be tested. */
  #direct(matcher: Matcher): Int32Array | undefined {
    if (matcher.matchesEmpty) return undefined;
    if (matcher.op === '=') return this.#posting(matcher.name, matcher.value);
    const literals = matcher.op === '=~' ? literalSet(matcher.value) : undefined;
    if (literals === undefined) return undefined;
    return union(
      literals.map((value) => this.#posting(matcher.name, value)),
      this.#table.end,
    );
  }

  #posting(name: string, value: string): Int32Array {
    const { symbols } = this.#table;
    const posting = this.#byName.get(symbols.find(name))?.get(symbols.find(value));
    return posting === undefined ? NONE : this.#view(posting);
  }

  #view(posting: Posting): Int32Array {
    return typeof posting === 'number' ? Int32Array.of(posting) : posting.values.subarray(0, posting.length);
  }

  /** Tests the distinct values of the label, not the series. */
  #union(matcher: Matcher): Int32Array {
    const lists: Int32Array[] = [];
    for (const [value, posting] of this.#byName.get(this.#table.symbols.find(matcher.name)) ?? []) {
      if (matcher.matches(this.#table.symbols.text(value))) lists.push(this.#view(posting));
    }
    return union(lists, this.#table.end);
  }

  /** The ids whose label the matcher accepts; each distinct value is tested once. */
  #filter(ids: Int32Array, matcher: Matcher): Int32Array {
    const name = this.#table.symbols.find(matcher.name);
    const verdicts = new Map<number, boolean>([[-1, matcher.matchesEmpty]]);
    const out = new Int32Array(ids.length);
    let n = 0;
    for (let i = 0; i < ids.length; i++) {
      const id = ids[i]!;
      const value = this.#table.valueOf(id, name);
      let verdict = verdicts.get(value);
      if (verdict === undefined) verdicts.set(value, (verdict = matcher.matches(this.#table.symbols.text(value))));
      if (verdict) out[n++] = id;
    }
    return out.subarray(0, n);
  }
}

function listOf(first: SeriesId, second: SeriesId): Int32List {
  const list = new Int32List(4);
  list.push(first);
  list.push(second);
  return list;
}

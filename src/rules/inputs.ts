import type { Labels } from '../core/labels.ts';
import type { Querier } from '../promql/querier.ts';
import type { SelectorInfo } from '../promql/prepare.ts';

const LOOKBACK_MS = 300_000;

/** What of one selector is there: the labels and time of each series with a sample. */
interface PresentSeries {
  readonly labels: readonly Labels[];
  readonly timestamps: readonly number[];
}

/**
 * Which of an expression's inputs are there at `ts`, asked label set by label set. A series belongs to a label set when
 * they agree on every label that both have: a join or an aggregation leaves an alert with labels that some inputs lack.
 * Modifiers such as `offset` are not looked at: what counts is whether the series is still being collected.
 */
export class Inputs {
  readonly #selectors: readonly SelectorInfo[];
  readonly #querier: Querier;
  readonly #ts: number;
  readonly #present = new Map<number, PresentSeries>();
  readonly #indexes = new Map<string, readonly SchemaIndex[]>();

  constructor(selectors: readonly SelectorInfo[], querier: Querier, ts: number) {
    this.#selectors = selectors;
    this.#querier = querier;
    this.#ts = ts;
  }

  /** For each selector whether it has a series that belongs to the labels, with a sample at or after `sinceTs`. */
  of(labels: Labels, sinceTs = -Infinity): readonly boolean[] {
    const names = [...labels].map(([name]) => name).filter((name) => name !== '__name__');
    return this.#selectors.map((_, selector) =>
      this.#index(selector, names, sinceTs).some((index) => index.keys.has(valueKey(labels, index.names))),
    );
  }

  /** For each selector the clusters it has series of. */
  clusters(): readonly ReadonlySet<string>[] {
    return this.#selectors.map((_, selector) => {
      const clusters = new Set(this.#presentOf(selector).labels.map((labels) => labels.get('cluster')));
      clusters.delete('');
      return clusters;
    });
  }

  #index(selector: number, names: readonly string[], sinceTs: number): readonly SchemaIndex[] {
    const key = `${selector} ${sinceTs} ${names.join('\u0000')}`;
    const known = this.#indexes.get(key);
    if (known !== undefined) return known;
    const bySchema = new Map<string, SchemaIndex>();
    const { labels, timestamps } = this.#presentOf(selector);
    for (const [i, series] of labels.entries()) {
      if ((timestamps[i] ?? 0) < sinceTs) continue;
      const shared = names.filter((name) => series.has(name));
      const schema = shared.join('\u0000');
      let index = bySchema.get(schema);
      if (index === undefined) bySchema.set(schema, (index = { names: shared, keys: new Set() }));
      index.keys.add(valueKey(series, shared));
    }
    const made = [...bySchema.values()];
    this.#indexes.set(key, made);
    return made;
  }

  #presentOf(selector: number): PresentSeries {
    const known = this.#present.get(selector);
    if (known !== undefined) return known;
    const selection = this.#querier.select(this.#selectors[selector]?.matchers ?? [], this.#ts - LOOKBACK_MS, this.#ts);
    const columns = {
      values: new Float64Array(selection.n),
      timestamps: new Float64Array(selection.n),
      present: new Uint8Array(selection.n),
    };
    selection.instant(this.#ts, LOOKBACK_MS, columns);
    const labels: Labels[] = [];
    const timestamps: number[] = [];
    for (let i = 0; i < selection.n; i++) {
      if (columns.present[i] !== 1) continue;
      labels.push(selection.labels(i));
      timestamps.push(columns.timestamps[i] ?? 0);
    }
    const present = { labels, timestamps };
    this.#present.set(selector, present);
    return present;
  }
}

/** The value combinations there are among series that share these label names with the labels asked for. */
interface SchemaIndex {
  readonly names: readonly string[];
  readonly keys: Set<string>;
}

function valueKey(labels: Labels, names: readonly string[]): string {
  let key = '';
  for (const name of names) {
    const value = labels.get(name);
    key += `${value.length}:${value}`;
  }
  return key;
}

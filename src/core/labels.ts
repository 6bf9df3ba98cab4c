/** The label that holds a series' metric name. */
export const METRIC_NAME = '__name__';

const FNV_PRIME_LOW = 0x1b3;
const SURROGATE = /[\ud800-\udfff]/;
const UTF8 = new TextEncoder();

/**
 * An immutable set of labels, sorted by name. A label with an empty value is the same as no label (Prometheus's
 * data model), so such labels are dropped. Two sets with the same labels have the same `key`.
 */
export class Labels {
  /** Name, value, name, value …, sorted by name, without empty values. */
  readonly pairs: readonly string[];
  #key: string | undefined;
  #fingerprint: string | undefined;

  static readonly empty = new Labels([]);

  private constructor(pairs: readonly string[]) {
    this.pairs = pairs;
  }

  /** From an object or from `[name, value]` entries; of two entries with one name the later wins. */
  static of(from: Readonly<Record<string, string>> | Iterable<readonly [string, string]>): Labels {
    const entries = Symbol.iterator in from ? (from as Iterable<readonly [string, string]>) : Object.entries(from);
    const byName = new Map<string, string>();
    for (const [name, value] of entries) byName.set(name, value);
    const names: string[] = [];
    for (const [name, value] of byName) if (value !== '') names.push(name);
    if (names.length === 0) return Labels.empty;
    names.sort(compareNames);
    const pairs: string[] = [];
    for (const name of names) pairs.push(name, byName.get(name) ?? '');
    return new Labels(pairs);
  }

  /** From pairs that the caller has sorted by name already, with no empty value and no name twice; the hot way. */
  static fromSortedPairs(pairs: readonly string[]): Labels {
    return pairs.length === 0 ? Labels.empty : new Labels(pairs);
  }

  get size(): number {
    return this.pairs.length / 2;
  }

  /** The value of a label; the empty string where there is none. */
  get(name: string): string {
    const pairs = this.pairs;
    for (let i = 0; i < pairs.length; i += 2) if (pairs[i] === name) return pairs[i + 1] ?? '';
    return '';
  }

  has(name: string): boolean {
    return this.get(name) !== '';
  }

  /** The metric name, empty where there is none. */
  get metricName(): string {
    return this.get(METRIC_NAME);
  }

  /** These labels with one more, or with another value for it; an empty value removes it. */
  with(name: string, value: string): Labels {
    if (this.get(name) === value) return this;
    return Labels.of([...this, [name, value]]);
  }

  /** These labels overlaid with others, which win. */
  merge(others: Labels): Labels {
    if (others.size === 0) return this;
    return Labels.of([...this, ...others]);
  }

  without(...names: readonly string[]): Labels {
    return this.filter((name) => !names.includes(name));
  }

  keep(names: readonly string[]): Labels {
    return this.filter((name) => names.includes(name));
  }

  filter(keep: (name: string, value: string) => boolean): Labels {
    const pairs: string[] = [];
    for (let i = 0; i < this.pairs.length; i += 2) {
      const name = this.pairs[i] ?? '';
      const value = this.pairs[i + 1] ?? '';
      if (keep(name, value)) pairs.push(name, value);
    }
    return pairs.length === this.pairs.length ? this : Labels.fromSortedPairs(pairs);
  }

  /** A text that is equal exactly for equal sets: every name and value with its length before it. */
  get key(): string {
    return (this.#key ??= keyOf(this.pairs));
  }

  /**
   * Sixteen hexadecimal digits: FNV-1a, 64 bits, over name, 0xff, value, 0xff in UTF-8, sorted by name. The same
   * as `model.LabelSet.Fingerprint` in prometheus/common, which Alertmanager's API shows.
   */
  get fingerprint(): string {
    this.#fingerprint ??= fnv1a64(this.pairs);
    return this.#fingerprint;
  }

  equals(other: Labels): boolean {
    return this === other || (this.pairs.length === other.pairs.length && this.key === other.key);
  }

  toObject(): Record<string, string> {
    return Object.fromEntries(this);
  }

  toJSON(): Record<string, string> {
    return this.toObject();
  }

  /** As PromQL writes it: `up{cluster="orders"}`. */
  toString(): string {
    const inner = [...this].filter(([name]) => name !== METRIC_NAME).map(([name, value]) => `${quoteName(name)}=${JSON.stringify(value)}`);
    const metric = this.metricName;
    if (metric === '') return `{${inner.join(', ')}}`;
    if (!isLegacyMetricName(metric)) return `{${[JSON.stringify(metric), ...inner].join(', ')}}`;
    return inner.length === 0 ? metric : `${metric}{${inner.join(', ')}}`;
  }

  *[Symbol.iterator](): Generator<readonly [string, string], void> {
    for (let i = 0; i < this.pairs.length; i += 2) yield [this.pairs[i] ?? '', this.pairs[i + 1] ?? ''];
  }
}

/**
 * The `key` of these pairs. Joined, as a text that is added up keeps every piece that it was made of: of hundreds of bytes a key,
 * that would be two thirds.
 */
export function keyOf(pairs: readonly string[]): string {
  const parts: string[] = [];
  for (const part of pairs) parts.push(String(part.length), ':', part);
  return parts.join('');
}

/** Names sort by code point, as Go's byte-wise comparison of UTF-8 does; UTF-16 order differs only beyond U+FFFF. */
export function compareNames(a: string, b: string): number {
  if (a === b) return 0;
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    if (a.charCodeAt(i) !== b.charCodeAt(i)) return (a.codePointAt(i) ?? 0) - (b.codePointAt(i) ?? 0);
  }
  return a.length - b.length;
}

/** Sorted by code point. The engine's own order is by UTF-16, several times as fast, and the same where there are no surrogates. */
export function sortedNames(names: readonly string[]): readonly string[] {
  const sorted = names.toSorted();
  return sorted.some((name) => SURROGATE.test(name)) ? sorted.sort(compareNames) : sorted;
}

/** Label sets in Prometheus's order: pair by pair, names before values, the shorter first. */
export function compareLabels(a: Labels, b: Labels): number {
  const length = Math.min(a.pairs.length, b.pairs.length);
  for (let i = 0; i < length; i++) {
    const order = compareNames(a.pairs[i] ?? '', b.pairs[i] ?? '');
    if (order !== 0) return order;
  }
  return a.pairs.length - b.pairs.length;
}

export function isLegacyLabelName(name: string): boolean {
  return /^[a-zA-Z_][a-zA-Z0-9_]*$/.test(name);
}

export function isLegacyMetricName(name: string): boolean {
  return /^[a-zA-Z_:][a-zA-Z0-9_:]*$/.test(name);
}

function quoteName(name: string): string {
  return isLegacyLabelName(name) ? name : JSON.stringify(name);
}

/** FNV-1a with 64 bits in two 32-bit halves: the prime is 2^40 + 0x1b3, so a multiplication is two small ones. */
function fnv1a64(pairs: readonly string[]): string {
  let high = 0xcbf29ce4;
  let low = 0x84222325;
  const add = (byte: number): void => {
    low = (low ^ byte) >>> 0;
    const product = low * FNV_PRIME_LOW;
    high = (Math.imul(high, FNV_PRIME_LOW) + Math.floor(product / 2 ** 32) + (low << 8)) >>> 0;
    low = product >>> 0;
  };
  for (const part of pairs) {
    for (const byte of UTF8.encode(part)) add(byte);
    add(0xff);
  }
  return high.toString(16).padStart(8, '0') + low.toString(16).padStart(8, '0');
}

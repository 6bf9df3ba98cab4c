import { formatFloat } from '../core/number-format.ts';
import { quote } from '../promql/printer.ts';
import { compareNames } from '../core/labels.ts';
import type { Labels } from '../core/labels.ts';

/** Names with their values, also with empty ones: to expect an empty annotation is not the same as to expect none. */
export type Pairs = ReadonlyMap<string, string>;

/** An alert as tests name it. */
export interface ShownAlert {
  readonly labels: Pairs;
  readonly annotations: Pairs;
}

export interface ShownSample {
  readonly labels: Labels;
  readonly value: number;
}

/** What is not as expected. Each item is told as text; `lines` are the whole for people. */
export interface Difference {
  /** "-" was expected and is not there, "+" is there and was not expected, the rest is as it should be. */
  readonly lines: readonly string[];
  readonly missing: readonly string[];
  readonly unexpected: readonly string[];
}

/** An item of a comparison in parts, so that of two that nearly agree only the parts that do not are told. */
interface Item {
  readonly text: string;
  readonly parts: ReadonlyMap<string, string>;
}

/** How alerts differ; undefined where they are the same, in whatever order. */
export function alertDifference(expected: readonly ShownAlert[], got: readonly ShownAlert[]): Difference | undefined {
  return difference(expected.map(alertItem), got.map(alertItem));
}

function alertItem({ labels, annotations }: ShownAlert): Item {
  const parts = new Map<string, string>();
  for (const [name, value] of sorted(labels)) parts.set(`label ${name}`, value);
  for (const [name, value] of sorted(annotations)) parts.set(`annotation ${name}`, value);
  return { text: `labels ${braced(labels)} annotations ${braced(annotations)}`, parts };
}

function sorted(pairs: Pairs): readonly (readonly [name: string, value: string])[] {
  return [...pairs].toSorted(([a], [b]) => compareNames(a, b));
}

function braced(pairs: Pairs): string {
  return `{${sorted(pairs)
    .map(([name, value]) => `${name}=${quote(value)}`)
    .join(', ')}}`;
}

/** How samples differ, for one that `isSame` has found to differ. */
export function sampleDifference(
  expected: readonly ShownSample[],
  got: readonly ShownSample[],
  isSame: (a: number, b: number) => boolean,
): Difference {
  // A value that counts as the same is shown as the one that was expected.
  const shown = got.map((sample) => {
    const twin = expected.find(({ labels, value }) => labels.equals(sample.labels) && isSame(value, sample.value));
    return twin ?? sample;
  });
  const found = difference(expected.map(sampleItem), shown.map(sampleItem));
  return found ?? { lines: expected.map((sample) => `! ${sampleItem(sample).text}: NaN is equal to nothing`), missing: [], unexpected: [] };
}

function sampleItem({ labels, value }: ShownSample): Item {
  return { text: `${labels.toString()} ${formatFloat(value)}`, parts: new Map([['series', labels.toString()]]) };
}

function difference(expected: readonly Item[], got: readonly Item[]): Difference | undefined {
  const unexpected = [...got];
  const missing: Item[] = [];
  const same: Item[] = [];
  for (const item of expected) {
    const at = unexpected.findIndex(({ text }) => text === item.text);
    if (at < 0) missing.push(item);
    else {
      unexpected.splice(at, 1);
      same.push(item);
    }
  }
  if (missing.length + unexpected.length === 0) return undefined;
  const rest = [...unexpected];
  const lines = same.map(({ text }) => `  ${text}`);
  for (const item of missing) {
    const twin = nearest(item, rest);
    if (twin === undefined) lines.push(`- ${item.text}`);
    else {
      rest.splice(rest.indexOf(twin), 1);
      lines.push(...partLines(item, twin));
    }
  }
  lines.push(...rest.map(({ text }) => `+ ${text}`));
  return { lines, missing: missing.map(({ text }) => text), unexpected: unexpected.map(({ text }) => text) };
}

/** The one that shares most of its parts, half of them at least. */
function nearest(item: Item, candidates: readonly Item[]): Item | undefined {
  let best: Item | undefined;
  let most = 0.5;
  for (const candidate of candidates) {
    const names = new Set([...item.parts.keys(), ...candidate.parts.keys()]);
    const shared = [...names].filter((name) => item.parts.get(name) === candidate.parts.get(name)).length / names.size;
    if (shared >= most) [best, most] = [candidate, shared];
  }
  return best;
}

/** Two that nearly agree: a sample on two lines, an alert part by part, what is the same of it on one. */
function partLines(expected: Item, got: Item): readonly string[] {
  if (expected.parts.size === 1) return [`- ${expected.text}`, `+ ${got.text}`];
  const names = [...new Set([...expected.parts.keys(), ...got.parts.keys()])];
  const [same, other] = [
    names.filter((name) => expected.parts.get(name) === got.parts.get(name)),
    names.filter((name) => expected.parts.get(name) !== got.parts.get(name)),
  ];
  const lines = [`  ${same.map((name) => shown(name, expected)).join(', ')}`];
  for (const name of other) {
    if (expected.parts.has(name)) lines.push(`-   ${shown(name, expected)}`);
    if (got.parts.has(name)) lines.push(`+   ${shown(name, got)}`);
  }
  return lines;
}

function shown(name: string, { parts }: Item): string {
  return `${name}=${quote(parts.get(name) ?? '')}`;
}

import { formatValue, sprint, sprintf, sprintln } from './go-fmt.ts';
import {
  BoxedValue,
  contentOf,
  isTrue,
  ListValue,
  MapValue,
  NamedValue,
  pointedTypeName,
  StructValue,
  textOf,
  typeName,
  unboxed,
} from './value.ts';
import { printWork } from './work.ts';
import type { PlainValue, TemplateFunction, Value } from './value.ts';

/** Go's type of parameters that are given values as they are, no value among them. */
const VALUE = 'reflect.Value';
const ANY = 'interface {}';

/** The functions Go's text/template has by itself, but `and`, `or` and `call`, which the evaluator knows. */
export const builtinFunctions: Readonly<Record<string, TemplateFunction>> = {
  not: { params: [VALUE], call: ([value]) => !isTrue(value) },
  eq: { params: [VALUE], rest: VALUE, call: ([value, ...others]) => equalsAny(unboxed(value), others.map(unboxed)) },
  ne: { params: [VALUE, VALUE], call: ([a, b]) => !equals(unboxed(a), unboxed(b)) },
  lt: { params: [VALUE, VALUE], call: ([a, b]) => less(a, b) },
  le: { params: [VALUE, VALUE], call: ([a, b]) => less(a, b) || equals(unboxed(a), unboxed(b)) },
  gt: { params: [VALUE, VALUE], call: ([a, b]) => !less(a, b) && !equals(unboxed(a), unboxed(b)) },
  ge: { params: [VALUE, VALUE], call: ([a, b]) => !less(a, b) },
  len: { params: [VALUE], call: ([value]) => BigInt(length(value)) },
  index: { params: [VALUE], rest: VALUE, call: ([value, ...keys]) => index(value, keys) },
  slice: { params: [VALUE], rest: VALUE, call: ([value, ...bounds]) => slice(value, bounds) },
  print: { params: [], rest: ANY, work: printWork, call: (args) => sprint(args) },
  printf: { params: ['string'], rest: ANY, work: printWork, call: ([format, ...args]) => sprintf(textOf(format), args) },
  println: { params: [], rest: ANY, work: printWork, call: (args) => sprintln(args) },
  html: { params: [], rest: ANY, work: printWork, call: (args) => escapeHtml(printed(args)) },
  js: { params: [], rest: ANY, work: printWork, call: (args) => escapeJs(printed(args)) },
  urlquery: { params: [], rest: ANY, work: printWork, call: (args) => queryEscape(printed(args)) },
};

/** Names the evaluator treats itself: they do not evaluate all their arguments, or call one of them. */
export const specialFunctions: ReadonlySet<string> = new Set(['and', 'or', 'call']);

type Kind = 'bool' | 'int' | 'uint' | 'float' | 'string';

function basicKind(value: Value): Kind | undefined {
  const content = contentOf(value);
  if (typeof content === 'boolean') return 'bool';
  if (typeof content === 'bigint') return value instanceof NamedValue && value.typeName.startsWith('uint') ? 'uint' : 'int';
  if (typeof content === 'number') return 'float';
  return typeof content === 'string' ? 'string' : undefined;
}

function isWhole(kind: Kind | undefined): boolean {
  return kind === 'int' || kind === 'uint';
}

function equals(a: PlainValue, b: PlainValue): boolean {
  const [kindA, kindB] = [basicKind(a), basicKind(b)];
  if (kindA !== kindB && !(isWhole(kindA) && isWhole(kindB))) {
    if (a === undefined || b === undefined) return false;
    throw incompatible(a, b);
  }
  if (kindA !== undefined || a === undefined || b === undefined) return contentOf(a) === contentOf(b);
  if (goKind(a) !== goKind(b)) throw new Error(`non-comparable types ${asText(a)}: ${typeName(a)}, ${typeName(b)}: ${formatValue(b)}`);
  if (!isComparable(b)) throw new Error(`non-comparable type ${asText(b)}: ${typeName(b)}`);
  return a === b;
}

function incompatible(a: PlainValue, b: PlainValue): Error {
  return new Error(`incompatible types for comparison: ${typeName(a)} and ${typeName(b)}`);
}

function asText(value: PlainValue): string {
  return sprintf('%s', [value]);
}

function goKind(value: PlainValue): string {
  if (value instanceof ListValue) return 'slice';
  if (value instanceof MapValue) return 'map';
  return value instanceof StructValue ? (value.isPointer ? 'pointer' : 'struct') : 'func';
}

/** Lists, maps and functions cannot be compared in Go, nor can a struct that holds one; pointers can. */
function isComparable(value: PlainValue): boolean {
  return value instanceof StructValue && (value.isPointer || ![...value.fields.values()].some((field) => field instanceof MapValue));
}

function equalsAny(value: PlainValue, others: readonly PlainValue[]): boolean {
  if (others.length === 0) throw new Error('missing argument for comparison');
  return others.some((other) => equals(value, other));
}

function less(first: Value, second: Value): boolean {
  const [a, b] = [unboxed(first), unboxed(second)];
  const [kindA, kindB] = [basicKind(a), basicKind(b)];
  if (kindA === undefined || kindB === undefined) throw new Error('invalid type for comparison');
  if (kindA !== kindB && !(isWhole(kindA) && isWhole(kindB))) throw incompatible(a, b);
  if (kindA === 'bool') throw new Error('invalid type for comparison');
  const [x, y] = [contentOf(a), contentOf(b)];
  if (typeof x === 'string' && typeof y === 'string') return Buffer.compare(Buffer.from(x), Buffer.from(y)) < 0;
  return (x as number | bigint) < (y as number | bigint);
}

function length(value: Value): number {
  if (value === undefined) throw new Error('reflect: call of reflect.Value.Type on zero Value');
  if (value === null) throw new Error('len of nil pointer');
  const content = contentOf(value);
  if (typeof content === 'string') return Buffer.byteLength(content);
  if (content instanceof ListValue) return content.items.length;
  if (content instanceof MapValue) return content.entries.size;
  throw new Error(`len of type ${pointedTypeName(unboxed(value))}`);
}

function index(value: Value, keys: readonly Value[]): Value {
  if (unboxed(value) === undefined) throw new Error('index of untyped nil');
  let at = value;
  for (const key of keys) at = indexed(at, unboxed(key));
  return at;
}

function indexed(value: Value, key: PlainValue): Value {
  const container = contentOf(value);
  if (container === undefined) throw new Error('index of nil pointer');
  if (container instanceof MapValue) {
    if (key === undefined) throw new Error('value is nil; should be of type string');
    if (typeof key !== 'string') throw new Error(`value has type ${typeName(key)}; should be string`);
    // Go's `index` gives the element's zero value for a missing key, whatever the option says.
    return container.get(key);
  }
  if (!(container instanceof ListValue) && typeof container !== 'string')
    throw new Error(`can't index item of type ${pointedTypeName(unboxed(value))}`);
  const bytes = typeof container === 'string' ? Buffer.from(container) : undefined;
  const size = bytes?.length ?? length(container);
  const at = bound(key, size);
  if (at === size) throw new Error(`reflect: ${bytes === undefined ? 'slice' : 'string'} index out of range`);
  if (bytes !== undefined) return new NamedValue('uint8', BigInt(bytes[at] ?? 0));
  return container instanceof ListValue ? container.items[at] : undefined;
}

/** An index that may also be the end. */
function bound(value: Value, capacity: number): number {
  const content = value instanceof BoxedValue ? undefined : contentOf(value);
  if (value === undefined) throw new Error('cannot index slice/array with nil');
  if (typeof content !== 'bigint') {
    const isHeld = value === null || value instanceof BoxedValue;
    throw new Error(`cannot index slice/array with type ${isHeld ? 'interface {}' : typeName(value)}`);
  }
  if (content < 0n || content > BigInt(capacity)) throw new Error(`index out of range: ${content}`);
  return Number(content);
}

function slice(value: Value, bounds: readonly Value[]): Value {
  const of = unboxed(value);
  const content = contentOf(of);
  if (of === undefined) throw new Error('slice of untyped nil');
  if (bounds.length > 3) throw new Error(`too many slice indexes: ${bounds.length}`);
  if (typeof content !== 'string' && !(content instanceof ListValue)) throw new Error(`can't slice item of type ${pointedTypeName(of)}`);
  if (bounds.length === 3 && typeof content === 'string') throw new Error('cannot 3-index slice a string');
  const size = length(content);
  const capacity = content instanceof ListValue ? content.backing.length : size;
  const [from = 0, to = size, end = capacity] = bounds.map((each) => bound(each, capacity));
  if (from > to) throw new Error(`invalid slice index: ${from} > ${to}`);
  if (to > end) throw new Error(`invalid slice index: ${to} > ${end}`);
  if (content instanceof ListValue)
    return new ListValue(content.backing.slice(from, to), content.typeName, content.methods, content.backing.slice(from, end));
  const cut = Buffer.from(content).subarray(from, to).toString('utf8');
  return of instanceof NamedValue ? new NamedValue(of.typeName, cut, { methods: of.methods }) : cut;
}

/** The arguments of the escaping functions print as an action prints them. */
function printed(args: readonly Value[]): string {
  return sprint(
    args.map((value) => value ?? formatValue(value)),
    formatValue,
  );
}

const HTML: Readonly<Record<string, string>> = { '"': '&#34;', "'": '&#39;', '&': '&amp;', '<': '&lt;', '>': '&gt;', '\0': '\ufffd' };

/** Go's `template.HTMLEscapeString`. */
function escapeHtml(text: string): string {
  return text.replaceAll(/["'&<>\0]/g, (char) => HTML[char] ?? char);
}

const JS: Readonly<Record<string, string>> = {
  '\\': '\\\\',
  "'": "\\'",
  '"': '\\"',
  '<': '\\u003C',
  '>': '\\u003E',
  '&': '\\u0026',
  '=': '\\u003D',
};

/** Go's `template.JSEscapeString`. */
function escapeJs(text: string): string {
  let out = '';
  for (const char of text) {
    const code = char.codePointAt(0) ?? 0;
    if (JS[char] !== undefined) out += JS[char];
    else if (code < 0x20) out += `\\u00${code.toString(16).toUpperCase().padStart(2, '0')}`;
    else if (code > 0x7f && /[\p{C}\p{Z}]/u.test(char)) out += `\\u${code.toString(16).toUpperCase().padStart(4, '0')}`;
    else out += char;
  }
  return out;
}

/** Go's `url.QueryEscape`: everything but letters, digits and `-_.~`, a space as `+`. */
export function queryEscape(text: string): string {
  return encodeURIComponent(text.toWellFormed())
    .replaceAll(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`)
    .replaceAll('%20', '+');
}

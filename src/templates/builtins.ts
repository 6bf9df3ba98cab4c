import { BelfryError } from '../core/errors.ts';
import { formatValue, sprint, sprintf, sprintln } from './go-fmt.ts';
import { isTrue, ListValue, MapValue, StructValue, textOf, typeName } from './value.ts';
import type { TemplateFunction, Value } from './value.ts';

/** The functions Go's text/template has by itself, but `and`, `or` and `call`, which the evaluator knows. */
export const builtinFunctions: Readonly<Record<string, TemplateFunction>> = {
  not: { params: ['any'], call: ([value]) => !isTrue(value) },
  eq: { params: ['any'], rest: 'any', call: ([value, ...others]) => equalsAny(value, others) },
  ne: { params: ['any', 'any'], call: ([a, b]) => !equals(a, b) },
  lt: { params: ['any', 'any'], call: ([a, b]) => less(a, b) },
  le: { params: ['any', 'any'], call: ([a, b]) => less(a, b) || equals(a, b) },
  gt: { params: ['any', 'any'], call: ([a, b]) => !less(a, b) && !equals(a, b) },
  ge: { params: ['any', 'any'], call: ([a, b]) => !less(a, b) },
  len: { params: ['any'], call: ([value]) => BigInt(length(value)) },
  index: { params: ['any'], rest: 'any', call: ([value, ...keys]) => keys.reduce((at, key) => indexed(at, key), value) },
  slice: { params: ['any'], rest: 'any', call: ([value, ...bounds]) => slice(value, bounds) },
  print: { params: [], rest: 'any', call: (args) => sprint(args) },
  printf: { params: ['string'], rest: 'any', call: ([format, ...args]) => sprintf(textOf(format), args) },
  println: { params: [], rest: 'any', call: (args) => sprintln(args) },
  html: { params: [], rest: 'any', call: (args) => escapeHtml(printed(args)) },
  js: { params: [], rest: 'any', call: (args) => escapeJs(printed(args)) },
  urlquery: { params: [], rest: 'any', call: (args) => queryEscape(printed(args)) },
};

/** Names the evaluator treats itself: they do not evaluate all their arguments, or call one of them. */
export const specialFunctions: ReadonlySet<string> = new Set(['and', 'or', 'call']);

export function templateError(message: string): BelfryError {
  return new BelfryError('TEMPLATE_INVALID', message);
}

function basicKind(value: Value): 'bool' | 'int' | 'float' | 'string' | undefined {
  if (typeof value === 'boolean') return 'bool';
  if (typeof value === 'bigint') return 'int';
  if (typeof value === 'number') return 'float';
  return typeof value === 'string' ? 'string' : undefined;
}

function equals(a: Value, b: Value): boolean {
  const kinds = [basicKind(a), basicKind(b)];
  if (isNil(a) || isNil(b)) return isNil(a) && isNil(b);
  if (kinds[0] !== kinds[1]) throw templateError('incompatible types for comparison');
  if (kinds[0] === undefined) {
    const odd = [a, b].find((value) => !isComparable(value));
    if (odd !== undefined) throw templateError(`non-comparable type ${typeName(odd)}`);
    return a === b;
  }
  return a === b;
}

/** Lists and maps cannot be compared in Go, nor can a struct that holds one; pointers can. */
function isComparable(value: Value): boolean {
  if (value instanceof ListValue || value instanceof MapValue) return false;
  return !(value instanceof StructValue) || value.isPointer || ![...value.fields.values()].some((field) => field instanceof MapValue);
}

function equalsAny(value: Value, others: readonly Value[]): boolean {
  if (others.length === 0) throw templateError('missing argument for comparison');
  return others.some((other) => equals(value, other));
}

function isNil(value: Value): boolean {
  return value === undefined || value === null;
}

function less(a: Value, b: Value): boolean {
  const kinds = [basicKind(a), basicKind(b)];
  if (kinds[0] === undefined || kinds[1] === undefined || kinds[0] === 'bool') {
    if (kinds[0] !== undefined && kinds[1] !== undefined && kinds[0] !== kinds[1]) throw templateError('incompatible types for comparison');
    throw templateError('invalid type for comparison');
  }
  if (kinds[0] !== kinds[1]) throw templateError('incompatible types for comparison');
  if (typeof a === 'string' && typeof b === 'string') return Buffer.compare(Buffer.from(a), Buffer.from(b)) < 0;
  return (a as number | bigint) < (b as number | bigint);
}

function length(value: Value): number {
  if (typeof value === 'string') return Buffer.byteLength(value);
  if (value instanceof ListValue) return value.items.length;
  if (value instanceof MapValue) return value.entries.size;
  throw templateError(isNil(value) ? 'len of nil pointer' : `len of type ${typeName(value)}`);
}

function indexed(value: Value, key: Value): Value {
  if (value instanceof MapValue) {
    if (typeof key !== 'string') throw templateError(`value has type ${typeName(key)}; should be string`);
    // Go's `index` gives the element's zero value for a missing key, whatever the option says.
    return value.get(key);
  }
  if (!(value instanceof ListValue) && typeof value !== 'string')
    throw templateError(isNil(value) ? 'index of untyped nil' : `can't index item of type ${typeName(value)}`);
  if (typeof key !== 'bigint') throw templateError(`cannot index slice/array with type ${typeName(key)}`);
  const bytes = typeof value === 'string' ? Buffer.from(value) : undefined;
  const size = bytes?.length ?? length(value);
  if (key < 0n || key >= BigInt(size)) throw templateError(`index out of range: ${key}`);
  if (bytes !== undefined) return BigInt(bytes[Number(key)] ?? 0);
  return value instanceof ListValue ? value.items[Number(key)] : undefined;
}

function slice(value: Value, bounds: readonly Value[]): Value {
  if (typeof value !== 'string' && !(value instanceof ListValue))
    throw templateError(isNil(value) ? 'slice of untyped nil' : `can't slice item of type ${typeName(value)}`);
  if (bounds.length > 3) throw templateError(`too many slice indexes: ${bounds.length}`);
  if (bounds.length === 3 && typeof value === 'string') throw templateError('cannot 3-index slice a string');
  const size = length(value);
  const [from = 0, to = size] = bounds.map((bound) => {
    if (typeof bound !== 'bigint') throw templateError(`cannot index slice/array with type ${typeName(bound)}`);
    if (bound < 0n || bound > BigInt(size)) throw templateError(`index out of range: ${bound}`);
    return Number(bound);
  });
  if (from > to) throw templateError(`invalid slice index: ${from} > ${to}`);
  if (typeof value === 'string') return Buffer.from(value).subarray(from, to).toString('utf8');
  return new ListValue(value.items.slice(from, to), value.typeName, value.methods);
}

/** The arguments of the escaping functions print as an action prints them. */
function printed(args: readonly Value[]): string {
  return sprint(
    args.map((value) => (isNil(value) ? formatValue(value) : value)),
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

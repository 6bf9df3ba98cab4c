import { isIP } from 'node:net';
import { parseDuration } from '../core/duration.ts';
import { BelfryError, errorText } from '../core/errors.ts';
import { compareNames } from '../core/labels.ts';
import { parseFloatText } from '../core/number-format.ts';
import { compileRegex } from '../core/regex.ts';
import { lowerCase, title, upperCase } from './letter-case.ts';
import { builtinFunctions, queryEscape, specialFunctions } from './builtins.ts';
import { formatValue, sprintf } from './go-fmt.ts';
import { durationPointer, timeValue } from './go-time.ts';
import { humanize, humanize1024, humanizeDuration, humanizePercentage } from './humanize.ts';
import { quote } from './quote.ts';
import { BoxedValue, ListValue, MapValue, NamedValue, StructValue, textOf, typeName, unboxed } from './value.ts';
import type { ErrorCode } from '../core/errors.ts';
import type { Labels } from '../core/labels.ts';
import type { CompiledRegex } from '../core/regex.ts';
import type { TemplateFunction, Value } from './value.ts';

/** What a rule's template may ask of its surroundings. */
export interface RuleTemplateHost {
  /** Evaluates an instant query at the template's time. May throw. */
  query(expression: string): readonly TemplateSample[];
  /** Where this Belfry's pages are, without a slash at the end. */
  readonly externalUrl: string;
  /** The template's time, milliseconds of Belfry time. */
  readonly now: number;
}

export interface TemplateSample {
  readonly labels: Labels;
  readonly value: number;
}

/** Names of Go's types, which errors show. */
const RESULT = 'template.queryResult';
const SAMPLE = '*template.sample';
const QUERY_WORK = 2000;
const MAX_ARGS_DEPTH = 20;
/** What a replacement could make of a text, at most. */
const MAX_REPLACED_LENGTH = 4 * 1024 * 1024;

const NO_EXPRESSION: ReadonlySet<ErrorCode> = new Set(['PROMQL_SYNTAX', 'PROMQL_TYPE', 'PROMQL_UNSUPPORTED'] as const);

type RuleFunction = TemplateFunction<RuleTemplateHost>;

/** The functions of rule templates, as Prometheus 3 has them, Go's own among them. */
export const ruleFunctions: ReadonlyMap<string, TemplateFunction> = functionTable<RuleTemplateHost>({
  query: { params: ['string'], work: () => QUERY_WORK, call: ([expression], host) => queried(textOf(expression), host) },
  first: { params: [RESULT], call: ([list]) => first(list) },
  label: { params: ['string', SAMPLE], call: ([name, sample]) => labelOf(sample, textOf(name)) },
  value: { params: [SAMPLE], call: ([sample]) => field(sample, 'Value') },
  strvalue: { params: [SAMPLE], call: ([sample]) => labelOf(sample, '__value__') },
  sortByLabel: {
    params: ['string', RESULT],
    work: ([, list]) => (list instanceof ListValue ? list.items.length * 50 : 0),
    call: ([name, list]) => sortByLabel(textOf(name), list),
  },
  args: { params: [], rest: 'interface {}', call: argsMap },
  humanize: ofNumber(humanize),
  humanize1024: ofNumber(humanize1024),
  humanizeDuration: ofNumber(humanizeDuration),
  humanizePercentage: ofNumber(humanizePercentage),
  humanizeTimestamp: ofNumber((seconds) => (Number.isFinite(seconds) ? (toTime(seconds).text ?? '') : sprintf('%.4g', [seconds]))),
  toTime: ofNumber(toTime),
  toDuration: ofNumber(durationPointer),
  now: { params: [], call: (_, host) => host.now / 1000 },
  parseDuration: ofText(durationSeconds),
  title: ofText(title),
  toUpper: ofText(upperCase),
  toLower: ofText(lowerCase),
  match: {
    params: ['string', 'string'],
    work: ([pattern, text]) => regexWork(pattern, text),
    call: ([pattern, text]) => regexOf(pattern).find(textOf(text)),
  },
  reReplaceAll: {
    params: ['string', 'string', 'string'],
    work: ([pattern, , text]) => regexWork(pattern, text) + 10 * textOf(text).length,
    call: ([pattern, by, text]) => replaceAll(pattern, textOf(by), textOf(text)),
  },
  graphLink: ofText((expression) => `/graph?g0.expr=${queryEscape(expression)}&g0.tab=0`),
  tableLink: ofText((expression) => `/graph?g0.expr=${queryEscape(expression)}&g0.tab=1`),
  stripPort: ofText((text) => splitHostPort(text)?.host ?? text),
  stripDomain: ofText(stripDomain),
  safeHtml: ofText((text) => new NamedValue('template.HTML', text)),
  urlQueryEscape: ofText(queryEscape),
  externalURL: { params: [], call: (_, host) => host.externalUrl },
  pathPrefix: { params: [], call: (_, host) => pathOf(host.externalUrl) },
});

/** The expressions of templates are few: each is compiled once. */
const REGEXES_MAX = 100;
const regexes = new Map<string, CompiledRegex>();
const COMPILE_WORK = 10_000;

/** Every instruction may see every character; one that is new is compiled first, as many times as it repeats things. */
function regexWork(pattern: Value, text: Value): number {
  const source = textOf(pattern);
  const known = regexes.get(source);
  if (known !== undefined) return (known.size * textOf(text).length) >> 2;
  const repeats = [...source.matchAll(/\{\d*,?(\d+)/g)].reduce((product, [, count]) => product * Math.max(1, Number(count)), 1);
  const size = source.length * Math.min(repeats, 1000);
  return COMPILE_WORK + size * 10 + (size * textOf(text).length) / 4;
}

/** Compiles an expression; as in Go, what is wrong with it is said without its place. */
function regexOf(pattern: Value): CompiledRegex {
  const source = textOf(pattern);
  const known = regexes.get(source);
  if (known !== undefined) return known;
  if (regexes.size >= REGEXES_MAX) regexes.clear();
  try {
    const compiled = compileRegex(source);
    regexes.set(source, compiled);
    return compiled;
  } catch (error) {
    const reason = error instanceof BelfryError && error.cause instanceof Error ? error.cause.message : errorText(error);
    // The one reason that our engine gives without the piece of the expression, which is empty.
    throw new Error(reason.endsWith('at end of expression') ? `${reason}: \`\`` : reason, { cause: error });
  }
}

function replaceAll(pattern: Value, by: string, text: string): string {
  if ((by.length + 1) * (text.length + 1) > MAX_REPLACED_LENGTH)
    throw new BelfryError('LIMIT_EXCEEDED', `a replacement of ${by.length} characters in a text of ${text.length}`);
  try {
    return regexOf(pattern).replaceAll(text, by);
  } catch (error) {
    if (error instanceof BelfryError || !(error instanceof Error)) throw error;
    const source = textOf(pattern);
    const shown = /[`\ufeff]|(?!\t)\p{Cc}/u.test(source) ? quote(source) : `\`${source}\``;
    throw new Error(`regexp: Compile(${shown}): ${error.message}`, { cause: error });
  }
}

/** A function table for `parseTemplate`: Go's own functions, overlaid with these. */
export function functionTable<Host>(functions: Readonly<Record<string, TemplateFunction<Host>>>): ReadonlyMap<string, TemplateFunction> {
  const table = new Map<string, TemplateFunction>(Object.entries(builtinFunctions));
  // The evaluator calls none of these three through the table; they are here so that the parser knows them.
  for (const name of specialFunctions) table.set(name, { params: [], rest: 'interface {}', call: () => undefined });
  for (const [name, definition] of Object.entries(functions)) {
    table.set(name, { ...definition, call: (args, host) => definition.call(args, host as Host) });
  }
  return table;
}

function ofText(run: (text: string) => Value): RuleFunction {
  return { params: ['string'], call: ([text]) => run(textOf(text)) };
}

/** Takes any kind of number, or a text that holds one. */
function ofNumber(run: (value: number) => Value): RuleFunction {
  return { params: ['interface {}'], call: ([value]) => run(numberOf(unboxed(value))) };
}

function numberOf(value: Value): number {
  if (typeof value === 'number') return value;
  if (typeof value === 'bigint') return Number(value);
  if (value instanceof NamedValue && value.typeName === 'time.Duration') return Number(value.content) / 1e9;
  if (typeof value !== 'string') throw new Error(`can't convert ${typeName(value)} to float`);
  const digits = /^[\d_]/.test(value) ? value.replaceAll(/(?<=[\da-f])_(?=[\da-f])/gi, '') : value;
  const number = parseFloatText(digits);
  const problem = number === undefined ? 'invalid syntax' : 'value out of range';
  // An infinity is spelt as one: digits that are too many for a float are a mistake.
  if (number === undefined || (!Number.isFinite(number) && /\d/.test(value)))
    throw new Error(`strconv.ParseFloat: parsing ${quote(value)}: ${problem}`);
  return number;
}

function argsMap(values: readonly Value[]): MapValue {
  const depth = 1 + values.reduce<number>((most, value) => Math.max(most, value instanceof MapValue ? value.depth : 0), 0);
  if (depth > MAX_ARGS_DEPTH) throw new BelfryError('LIMIT_EXCEEDED', `args within args more than ${MAX_ARGS_DEPTH} deep`);
  return new MapValue(new Map(values.map((value, i) => [`arg${i}`, value])), { depth });
}

function queried(expression: string, host: RuleTemplateHost): ListValue {
  try {
    return samplesValue(host.query(expression));
  } catch (error) {
    if (!(error instanceof BelfryError) || !NO_EXPRESSION.has(error.code) || error.position === undefined) throw error;
    // What is wrong with the text of a query has Prometheus's frame, with the place in the query.
    throw new Error(`${error.position.line}:${error.position.column}: parse error: ${error.message}`, { cause: error });
  }
}

/** The result of a query as templates see it; the labels hold `__name__`. */
export function samplesValue(samples: readonly TemplateSample[]): ListValue {
  return new ListValue(
    samples.map(({ labels, value }) => new StructValue(SAMPLE, { Labels: MapValue.ofStrings(labels), Value: new BoxedValue(value) })),
    RESULT,
  );
}

function field(sample: Value, name: string): Value {
  if (!(sample instanceof StructValue)) throw new Error('runtime error: invalid memory address or nil pointer dereference');
  return sample.fields.get(name);
}

function labelOf(sample: Value, name: string): string {
  const labels = field(sample, 'Labels');
  const value = labels instanceof MapValue ? labels.get(name) : '';
  return typeof value === 'string' ? value : '';
}

function first(list: Value): Value {
  const [item] = list instanceof ListValue ? list.items : [];
  if (item === undefined) throw new Error('first() called on vector with no elements');
  return item;
}

function sortByLabel(name: string, list: Value): ListValue {
  const items = list instanceof ListValue ? list.items : [];
  return new ListValue(
    items.toSorted((a, b) => compareNames(labelOf(a, name), labelOf(b, name))),
    RESULT,
  );
}

function toTime(seconds: number): StructValue {
  if (!Number.isFinite(seconds)) throw new Error('value is NaN or Inf');
  if (Math.abs(seconds) * 1e9 > 2 ** 63)
    throw new Error(`${formatValue(seconds)} cannot be represented as a nanoseconds timestamp since it overflows int64`);
  // Through nanoseconds, as Prometheus does: 1435781451.781 then is a millisecond less.
  return timeValue(Number(BigInt(Math.trunc(seconds * 1e9)) / 1_000_000n));
}

/** A duration in seconds; in Prometheus 3 it may be negative. */
function durationSeconds(text: string): number {
  const isNegative = text.startsWith('-');
  const rest = isNegative ? text.slice(1) : text;
  // Read unit by unit, the first that is none is named.
  const known = /^(?:\d+(?:ms|[smhdwy])(?!\D))*/.exec(rest)?.[0] ?? '';
  const unit = /^\d+(\D+)/.exec(rest.slice(known.length))?.[1];
  try {
    const seconds = parseDuration(rest) / 1000;
    return isNegative ? -seconds : seconds;
  } catch (cause) {
    if (rest === '') throw new Error('empty duration string', { cause });
    if (/out of range/.test(errorText(cause))) throw new Error('duration out of range', { cause });
    if (unit !== undefined && isOrdered(known)) throw new Error(`unknown unit ${quote(unit)} in duration ${quote(rest)}`, { cause });
    throw new Error(`not a valid duration string: ${quote(rest)}`, { cause });
  }
}

function isOrdered(duration: string): boolean {
  return /^(?:\d+y)?(?:\d+w)?(?:\d+d)?(?:\d+h)?(?:\d+m)?(?:\d+s)?(?:\d+ms)?$/.test(duration);
}

/** Go's `net.SplitHostPort`; undefined where the text is no `host:port`. */
function splitHostPort(text: string): { host: string; port: string } | undefined {
  const match = /^(?:\[([^[\]]*)\]|([^:[\]]*)):([^:[\]]*)$/.exec(text);
  return match === null ? undefined : { host: match[1] ?? match[2] ?? '', port: match[3] ?? '' };
}

function stripDomain(text: string): string {
  const parts = splitHostPort(text);
  const host = parts?.host ?? text;
  if (isIP(host) !== 0) return text;
  const name = host.split('.')[0] ?? '';
  if (parts === undefined || parts.port === '') return name;
  return name.includes(':') ? `[${name}]:${parts.port}` : `${name}:${parts.port}`;
}

function pathOf(url: string): string {
  const match = /^[a-z][a-z0-9+.-]*:\/\/[^/?#]*([^?#]*)/i.exec(url);
  return match?.[1] ?? '';
}

import { isIP } from 'node:net';
import { parseDuration } from '../core/duration.ts';
import { compareNames } from '../core/labels.ts';
import { formatFloat, parseFloatText } from '../core/number-format.ts';
import { compileRegex } from '../core/regex.ts';
import { builtinFunctions, queryEscape, specialFunctions, templateError } from './builtins.ts';
import { sprintf } from './go-fmt.ts';
import { durationValue, timeValue } from './go-time.ts';
import { humanize, humanize1024, humanizeDuration, humanizePercentage } from './humanize.ts';
import { ListValue, MapValue, StructValue, textOf, toFloat, typeName } from './value.ts';
import type { Labels } from '../core/labels.ts';
import type { ParamType, TemplateFunction, Value } from './value.ts';

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

type RuleFunction = TemplateFunction<RuleTemplateHost>;

/** The functions of rule templates, as Prometheus 3 has them, Go's own among them. */
export const ruleFunctions: ReadonlyMap<string, TemplateFunction> = functionTable<RuleTemplateHost>({
  query: { params: ['string'], call: ([expression], host) => samplesValue(host.query(textOf(expression))) },
  first: { params: ['list'], call: ([list]) => first(list) },
  label: { params: ['string', 'struct'], call: ([name, sample]) => labelOf(sample, textOf(name)) },
  value: { params: ['struct'], call: ([sample]) => field(sample, 'Value') },
  strvalue: { params: ['struct'], call: ([sample]) => labelOf(sample, '__value__') },
  sortByLabel: { params: ['string', 'list'], call: ([name, list]) => sortByLabel(textOf(name), list) },
  args: { params: [], rest: 'any', call: (values) => new MapValue(new Map(values.map((value, i) => [`arg${i}`, value])), { zero: null }) },
  humanize: ofNumber(humanize),
  humanize1024: ofNumber(humanize1024),
  humanizeDuration: ofNumber(humanizeDuration),
  humanizePercentage: ofNumber(humanizePercentage),
  humanizeTimestamp: ofNumber((seconds) => (Number.isFinite(seconds) ? (toTime(seconds).text ?? '') : sprintf('%.4g', [seconds]))),
  toTime: ofNumber(toTime),
  toDuration: ofNumber((seconds) => durationValue(seconds)),
  now: { params: [], call: (_, host) => host.now / 1000 },
  parseDuration: ofText((text) => parseDuration(text) / 1000),
  title: ofText(title),
  toUpper: ofText((text) => text.toUpperCase()),
  toLower: ofText((text) => text.toLowerCase()),
  match: { params: ['string', 'string'], call: ([pattern, text]) => compileRegex(textOf(pattern)).find(textOf(text)) },
  reReplaceAll: {
    params: ['string', 'string', 'string'],
    call: ([pattern, replacement, text]) => compileRegex(textOf(pattern)).replaceAll(textOf(text), textOf(replacement)),
  },
  graphLink: ofText((expression) => `/graph?g0.expr=${queryEscape(expression)}&g0.tab=0`),
  tableLink: ofText((expression) => `/graph?g0.expr=${queryEscape(expression)}&g0.tab=1`),
  stripPort: ofText((text) => splitHostPort(text)?.host ?? text),
  stripDomain: ofText(stripDomain),
  safeHtml: ofText((text) => text),
  urlQueryEscape: ofText(queryEscape),
  externalURL: { params: [], call: (_, host) => host.externalUrl },
  pathPrefix: { params: [], call: (_, host) => pathOf(host.externalUrl) },
});

/** A function table for `parseTemplate`: Go's own functions, overlaid with these. */
export function functionTable<Host>(functions: Readonly<Record<string, TemplateFunction<Host>>>): ReadonlyMap<string, TemplateFunction> {
  const table = new Map<string, TemplateFunction>(Object.entries(builtinFunctions));
  // The evaluator calls none of these three through the table; they are here so that the parser knows them.
  for (const name of specialFunctions) table.set(name, { params: [], rest: 'any', call: () => undefined });
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
  const params: readonly ParamType[] = ['any'];
  return {
    params,
    call: ([value]) => {
      const number = typeof value === 'string' ? parseFloatText(value) : toFloat(value);
      if (number === undefined)
        throw templateError(`can't convert ${typeof value === 'string' ? JSON.stringify(value) : typeName(value)} to float`);
      // An infinity is spelt as one: digits that are too many for a float are a mistake.
      if (typeof value === 'string' && !Number.isFinite(number) && /\d/.test(value))
        throw templateError(`${JSON.stringify(value)} is out of the range of a float`);
      return run(number);
    },
  };
}

/** The result of a query as templates see it; the labels hold `__name__`. */
export function samplesValue(samples: readonly TemplateSample[]): ListValue {
  return new ListValue(
    samples.map(({ labels, value }) => new StructValue('*template.sample', { Labels: MapValue.ofStrings(labels), Value: value })),
    'template.queryResult',
  );
}

function field(sample: Value, name: string): Value {
  if (!(sample instanceof StructValue) || !sample.fields.has(name))
    throw templateError(`wrong type for value; expected sample; got ${typeName(sample)}`);
  return sample.fields.get(name);
}

function labelOf(sample: Value, name: string): string {
  const labels = field(sample, 'Labels');
  const value = labels instanceof MapValue ? labels.get(name) : '';
  return typeof value === 'string' ? value : '';
}

function first(list: Value): Value {
  const [item] = list instanceof ListValue ? list.items : [];
  if (item === undefined) throw templateError('first() called on vector with no elements');
  return item;
}

function sortByLabel(name: string, list: Value): ListValue {
  if (!(list instanceof ListValue)) throw templateError('sortByLabel of no list');
  return new ListValue(
    list.items.toSorted((a, b) => compareNames(labelOf(a, name), labelOf(b, name))),
    list.typeName,
  );
}

function toTime(seconds: number): StructValue {
  if (!Number.isFinite(seconds) || Math.abs(seconds) * 1e9 >= 2 ** 63)
    throw templateError(`${formatFloat(seconds)} cannot be represented as a nanoseconds timestamp since it overflows int64`);
  // Through nanoseconds, as Prometheus does: 1435781451.781 then is a millisecond less.
  return timeValue(Number(BigInt(Math.trunc(seconds * 1e9)) / 1_000_000n));
}

/** Go's `strings.Title`: a letter is made a capital after a space or any ASCII sign but `_`. */
function title(text: string): string {
  return text.replaceAll(/(^|[\0-/:-@[-^`{-\x7f\s])(\p{L})/gu, (_, before: string, letter: string) => before + letter.toUpperCase());
}

/** Go's `net.SplitHostPort`; undefined where the text is no `host:port`. */
function splitHostPort(text: string): { host: string; port: string } | undefined {
  const match = /^(?:\[([^[\]]*)\]|([^:[\]]*)):([^:[\]]*)$/.exec(text);
  return match === null ? undefined : { host: match[1] ?? match[2] ?? '', port: match[3] ?? '' };
}

function stripDomain(text: string): string {
  const parts = splitHostPort(text);
  const host = parts?.host ?? text;
  // An address with a zone is none to Go's ParseIP.
  if (isIP(host) !== 0 && !host.includes('%')) return text;
  const name = host.split('.')[0] ?? '';
  if (parts === undefined || parts.port === '') return name;
  return name.includes(':') ? `[${name}]:${parts.port}` : `${name}:${parts.port}`;
}

function pathOf(url: string): string {
  const match = /^[a-z][a-z0-9+.-]*:\/\/[^/?#]*([^?#]*)/i.exec(url);
  return match?.[1] ?? '';
}

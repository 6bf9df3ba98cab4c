import { BelfryError } from '../core/errors.ts';
import { Labels } from '../core/labels.ts';
import { parseFloatText } from '../core/number-format.ts';
import { parse } from '../promql/parse.ts';

/** A value of a series in Prometheus's test notation: a number, left out, or a staleness marker. */
export type NotedValue = number | 'omitted' | 'stale';

const MAX_VALUES = 1_000_000;
// No hexadecimal numbers: `0x20` is twenty-one zeros.
const NUMBER = '[+-]?(?:inf|nan|(?:\\d+(?:\\.\\d*)?|\\.\\d+)(?:e[+-]?\\d+)?)';
const ITEM = new RegExp(`^(?:(_)|(${NUMBER}))(?:([+-](?:${NUMBER.replace('[+-]?', '')}))?x(\\d+))?$`, 'i');

/**
 * The values of `1 2 _ stale 1x3 1+2x3 _x4`: `axn` is a and n more, `a+bxn` is a, a+b, … n more, `_xn` leaves out n.
 * Throws `BAD_REQUEST`. From promql/promqltest.
 */
export function parseValues(text: string): readonly NotedValue[] {
  const values: NotedValue[] = [];
  for (const item of text.split(/\s+/).filter((part) => part !== '')) {
    if (item === 'stale') values.push('stale');
    else for (const value of expand(item)) values.push(value);
    if (values.length > MAX_VALUES) throw new BelfryError('LIMIT_EXCEEDED', `more than ${MAX_VALUES} values in one series`);
  }
  return values;
}

function expand(item: string): readonly NotedValue[] {
  if (item.startsWith('{{')) throw new BelfryError('PROMQL_UNSUPPORTED', 'native histograms are not in this version');
  const match = ITEM.exec(item);
  if (match === null) throw new BelfryError('BAD_REQUEST', `bad series values at ${JSON.stringify(item)}`);
  const [, omitted, startText = '', stepText, timesText] = match;
  const times = Number(timesText ?? 0);
  if (times > MAX_VALUES) throw new BelfryError('LIMIT_EXCEEDED', `more than ${MAX_VALUES} values in one series`);
  if (omitted !== undefined) {
    if (stepText !== undefined) throw new BelfryError('BAD_REQUEST', `bad series values at ${JSON.stringify(item)}`);
    return Array.from({ length: timesText === undefined ? 1 : times }, () => 'omitted' as const);
  }
  const step = stepText === undefined ? 0 : numberOf(stepText);
  const values: number[] = [];
  // Added up one by one, as Prometheus does, so that the rounding is the same.
  for (let i = 0, value = numberOf(startText); i <= times; i++, value += step) values.push(value);
  return values;
}

function numberOf(text: string): number {
  const value = parseFloatText(text);
  if (value === undefined) throw new BelfryError('BAD_REQUEST', `bad number ${JSON.stringify(text)}`);
  return value;
}

/** The labels of `metric{a="b"}`. Throws `BAD_REQUEST` where it is anything but a name and equalities. */
export function parseSeries(text: string): Labels {
  if (/^\s*(\{\s*\})?\s*$/.test(text)) return Labels.empty;
  const expr = parse(text);
  if (expr.kind !== 'selector' || expr.matchers.some(({ op }) => op !== '='))
    throw new BelfryError('BAD_REQUEST', `not a series: ${JSON.stringify(text)}`);
  return Labels.of(expr.matchers.map(({ name, value }) => [name, value] as const));
}

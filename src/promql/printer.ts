import { formatDuration } from '../core/duration.ts';
import { isLegacyLabelName } from '../core/labels.ts';
import { formatFloat } from '../core/number-format.ts';
import type { Aggregate, Binary, DurationExpr, Expr, Extended, Fill, Modifiers, NumberLiteral, Subquery, VectorSelector } from './ast.ts';
import { formatG } from './number-text.ts';

/** The canonical text of an expression on one line, as Prometheus prints it (in `/format_query`'s spirit and in rules). */
export function print(expr: Expr): string {
  switch (expr.kind) {
    case 'number':
      return number(expr);
    case 'string':
      return quote(expr.value);
    case 'selector':
      return selector(expr) + modifiers(expr, extension(expr.extended));
    case 'matrix':
      return `${selector(expr.selector)}[${duration(expr.rangeMs, expr.rangeExpr)}]${extension(expr.extended)}${modifiers(expr)}`;
    case 'subquery': {
      return print(expr.expr) + subquerySuffix(expr);
    }
    case 'paren':
      return `(${print(expr.expr)})`;
    case 'unary':
      return expr.op + print(expr.expr);
    case 'binary':
      return binary(expr);
    case 'aggregate':
      return aggregate(expr);
    case 'call':
      return `${expr.func}(${expr.args.map((argument) => print(argument)).join(', ')})`;
  }
}

/** A string in double quotes with Go's escapes. */
export function quote(text: string): string {
  let out = '"';
  for (const char of text) {
    const code = char.codePointAt(0) ?? 0;
    if (char === '"' || char === '\\') out += `\\${char}`;
    else if (char in SHORT_ESCAPES) out += SHORT_ESCAPES[char] ?? '';
    else if (code < 0x20 || code === 0x7f) out += `\\x${code.toString(16).padStart(2, '0')}`;
    else out += char;
  }
  return `${out}"`;
}

const SHORT_ESCAPES: Readonly<Record<string, string>> = {
  '\u0007': '\\a',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\v': '\\v',
};

/** `[5m:1m] offset 1h`. */
export function subquerySuffix(expr: Subquery): string {
  const step = expr.stepMs === undefined ? '' : duration(expr.stepMs, expr.stepExpr);
  return `[${duration(expr.rangeMs, expr.rangeExpr)}:${step}]${modifiers(expr)}`;
}

function duration(ms: number, expr: DurationExpr | undefined): string {
  return expr?.text ?? formatDuration(ms);
}

function number(expr: NumberLiteral): string {
  if (!expr.duration) return formatFloat(expr.value);
  const text = formatDuration(Math.abs(expr.value) * 1000);
  return expr.value < 0 ? `-${text}` : text;
}

function names(labels: readonly string[]): string {
  return labels.map((label) => (isLegacyLabelName(label) ? label : quote(label))).join(', ');
}

function selector(expr: VectorSelector): string {
  const matchers = expr.matchers
    .filter(({ name, op, value }) => !(name === '__name__' && op === '=' && value !== '' && value === expr.name))
    .map(({ name, op, value }) => `${isLegacyLabelName(name) ? name : quote(name)}${op}${quote(value)}`)
    .toSorted();
  const name = expr.name ?? '';
  if (matchers.length === 0) return name === '' ? '{}' : name;
  return `${name}{${matchers.join(',')}}`;
}

function extension(extended: Extended | undefined): string {
  return extended === undefined ? '' : ` ${extended}`;
}

/** `between`: what stands between `@` and `offset`. */
function modifiers({ at, offsetMs, offsetExpr }: Modifiers, between = ''): string {
  let out = '';
  if (typeof at === 'number') out += ` @ ${(at / 1000).toFixed(3)}`;
  else if (at !== undefined) out += ` @ ${at}()`;
  out += between;
  if (offsetMs !== 0 || offsetExpr !== undefined) out += ` offset ${duration(offsetMs, offsetExpr)}`;
  return out;
}

function binary(expr: Binary): string {
  return `${print(expr.left)} ${operator(expr)} ${print(expr.right)}`;
}

/** What stands between the sides: `== bool on (a) group_left (b)`. */
export function operator(expr: Binary): string {
  const { card, on, labels, include, fill } = expr.matching;
  let matching = '';
  if (on || labels.length > 0) matching = ` ${on ? 'on' : 'ignoring'} (${names(labels)})`;
  if (card === 'many-to-one' || card === 'one-to-many') {
    if (matching === '') matching = ' ignoring ()';
    matching += ` group_${card === 'many-to-one' ? 'left' : 'right'} (${names(include)})`;
  }
  return `${expr.op}${expr.bool ? ' bool' : ''}${matching}${fill === undefined ? '' : filling(fill)}`;
}

function filling({ left, right }: Fill): string {
  if (Object.is(left, right)) return ` fill (${formatG(left ?? NaN)})`;
  const parts = [left === undefined ? '' : ` fill_left (${formatG(left)})`, right === undefined ? '' : ` fill_right (${formatG(right)})`];
  return parts.join('');
}

/** What stands before the arguments: `sum by (a) `. */
export function aggregator(expr: Aggregate): string {
  if (expr.without) return `${expr.op} without (${names(expr.grouping)}) `;
  return expr.grouping.length > 0 ? `${expr.op} by (${names(expr.grouping)}) ` : expr.op;
}

function aggregate(expr: Aggregate): string {
  const param = expr.param === undefined ? '' : `${print(expr.param)}, `;
  return `${aggregator(expr)}(${param}${print(expr.expr)})`;
}

import { BelfryError } from '../core/errors.ts';
import { formatFloatVerb } from './float-format.ts';
import { FunctionValue, ListValue, MapValue, StructValue, typeName } from './value.ts';
import type { Value } from './value.ts';

const MAX_WIDTH = 10_000;
const VERB = /%([+\-# 0]*)(\*|\d+)?(?:\.(\*|\d*))?(?:\[(\d+)\])?([\s\S])?/gu;

interface Format {
  readonly plus: boolean;
  readonly minus: boolean;
  readonly sharp: boolean;
  readonly space: boolean;
  readonly zero: boolean;
  readonly width: number | undefined;
  readonly precision: number | undefined;
}

const NO_FORMAT: Format = { plus: false, minus: false, sharp: false, space: false, zero: false, width: undefined, precision: undefined };

/** Go's `fmt.Sprint`: a space between two operands when neither is a string. */
export function sprint(values: readonly Value[]): string {
  let out = '';
  for (const [index, value] of values.entries()) {
    if (index > 0 && typeof value !== 'string' && typeof values[index - 1] !== 'string') out += ' ';
    out += formatValue(value);
  }
  return out;
}

/** Go's `fmt.Sprintln`. */
export function sprintln(values: readonly Value[]): string {
  return `${values.map((value) => formatValue(value)).join(' ')}\n`;
}

/** How a value prints with `%v`. */
export function formatValue(value: Value): string {
  return formatted(value, 'v', NO_FORMAT);
}

/** Go's `fmt.Sprintf`; wrong verbs and missing or extra arguments show as Go shows them. */
export function sprintf(format: string, args: readonly Value[]): string {
  let out = '';
  let from = 0;
  let next = 0;
  let reordered = false;
  for (const match of format.matchAll(VERB)) {
    if (match.index < from) continue;
    const [all, flags = '', width, precision, index, verb] = match;
    out += format.slice(from, match.index);
    from = match.index + all.length;
    const takeSize = (text: string | undefined): number | undefined => {
      if (text !== '*') return text === undefined ? undefined : Number(text);
      const value = args[next++];
      return typeof value === 'bigint' ? Number(value) : undefined;
    };
    const widthValue = takeSize(width);
    const precisionValue = takeSize(precision);
    if ((widthValue ?? 0) > MAX_WIDTH || (precisionValue ?? 0) > MAX_WIDTH)
      throw new BelfryError('LIMIT_EXCEEDED', `a width of more than ${MAX_WIDTH} in printf`);
    if (verb === undefined) {
      out += '%!(NOVERB)';
      continue;
    }
    if (verb === '%') {
      out += '%';
      continue;
    }
    if (index !== undefined) {
      next = Number(index) - 1;
      reordered = true;
      if (next < 0 || next >= args.length) {
        out += `%!${verb}(BADINDEX)`;
        continue;
      }
    }
    if (next >= args.length) {
      out += `%!${verb}(MISSING)`;
      continue;
    }
    out += formatted(args[next++], verb, {
      plus: flags.includes('+'),
      minus: flags.includes('-') || (widthValue ?? 0) < 0,
      sharp: flags.includes('#'),
      space: flags.includes(' '),
      zero: flags.includes('0') && !flags.includes('-'),
      width: widthValue === undefined ? undefined : Math.abs(widthValue),
      precision: precisionValue,
    });
  }
  out += format.slice(from);
  if (!reordered && next < args.length)
    out += `%!(EXTRA ${args
      .slice(next)
      .map((value) => (isNil(value) ? '<nil>' : `${typeName(value)}=${formatValue(value)}`))
      .join(', ')})`;
  return out;
}

function isNil(value: Value): value is undefined | null {
  return value === undefined || value === null;
}

function formatted(value: Value, verb: string, format: Format): string {
  if (verb === 'T') return pad(typeName(value), format);
  if (isNil(value)) return verb === 'v' ? pad('<nil>', format) : `%!${verb}(<nil>)`;
  if (typeof value === 'string') return formatString(value, verb, format);
  if (typeof value === 'boolean') return verb === 'v' || verb === 't' ? pad(String(value), format) : bad(value, verb);
  if (typeof value === 'number') return formatNumber(value, verb, format);
  if (typeof value === 'bigint') return formatInteger(value, verb, format);
  if (value instanceof FunctionValue) return bad(value, verb);
  if (value instanceof StructValue && value.text !== undefined && 'vsqxX'.includes(verb)) return formatString(value.text, verb, format);
  return formatComposite(value, verb, format);
}

function formatComposite(value: ListValue | MapValue | StructValue, verb: string, format: Format): string {
  const item = (inner: Value): string => formatted(inner, isNil(inner) ? 'v' : verb, format);
  if (value instanceof ListValue) return `[${value.items.map(item).join(' ')}]`;
  if (value instanceof MapValue)
    return `map[${value
      .sortedKeys()
      .map((key) => `${formatted(key, verb, format)}:${item(value.get(key))}`)
      .join(' ')}]`;
  return `{${[...value.fields].map(([name, inner]) => (format.plus ? `${name}:${item(inner)}` : item(inner))).join(' ')}}`;
}

function bad(value: Value, verb: string): string {
  return `%!${verb}(${typeName(value)}=${formatValue(value)})`;
}

function pad(text: string, format: Format, zeros = false): string {
  const missing = (format.width ?? 0) - Array.from(text).length;
  if (missing <= 0) return text;
  if (format.minus) return text + ' '.repeat(missing);
  if (!zeros) return ' '.repeat(missing) + text;
  const sign = /^[+\- ]/.test(text) ? text.slice(0, 1) : '';
  return sign + '0'.repeat(missing) + text.slice(sign.length);
}

function formatString(text: string, verb: string, format: Format): string {
  const cut = format.precision === undefined ? text : Array.from(text).slice(0, format.precision).join('');
  switch (verb) {
    case 'v':
    case 's':
      return pad(cut, format, format.zero);
    case 'q':
      return pad(format.sharp && !cut.includes('`') ? `\`${cut}\`` : quote(cut), format, format.zero);
    case 'x':
      return pad(hex(cut, format), format, format.zero);
    case 'X':
      return pad(hex(cut, format).toUpperCase(), format, format.zero);
    default:
      return bad(text, verb);
  }
}

function hex(text: string, format: Format): string {
  const digits = Buffer.from(text, 'utf8').toString('hex');
  return format.space ? digits.replaceAll(/..(?!$)/g, '$& ') : digits;
}

/** Go's `strconv.Quote`. */
export function quote(text: string): string {
  let out = '"';
  for (const char of text) {
    const code = char.codePointAt(0) ?? 0;
    const simple = {
      '"': '\\"',
      '\\': '\\\\',
      '\n': '\\n',
      '\r': '\\r',
      '\t': '\\t',
      '\v': '\\v',
      '\f': '\\f',
      '\b': '\\b',
      '\x07': '\\a',
    }[char];
    if (simple !== undefined) out += simple;
    else if (code < 0x20 || code === 0x7f) out += `\\x${code.toString(16).padStart(2, '0')}`;
    else if (/[\p{C}\p{Z}]/u.test(char) && char !== ' ')
      out += code > 0xffff ? `\\U${code.toString(16).padStart(8, '0')}` : `\\u${code.toString(16).padStart(4, '0')}`;
    else out += char;
  }
  return `${out}"`;
}

function formatNumber(value: number, verb: string, format: Format): string {
  let text: string;
  switch (verb) {
    case 'v':
    case 'g':
    case 'G':
      text = formatFloatVerb(value, 'g', format.precision);
      break;
    case 'e':
    case 'E':
      text = formatFloatVerb(value, 'e', format.precision ?? 6);
      break;
    case 'f':
    case 'F':
      text = formatFloatVerb(value, 'f', format.precision ?? 6);
      break;
    default:
      return bad(value, verb);
  }
  if (verb === 'E' || verb === 'G') text = text.replace('e', 'E');
  if (text.startsWith('+') && !format.plus) text = format.space ? ` ${text.slice(1)}` : text;
  else if (!/^[+-]/.test(text)) text = (format.plus ? '+' : format.space ? ' ' : '') + text;
  return pad(text, format, format.zero && Number.isFinite(value));
}

function formatInteger(value: bigint, verb: string, format: Format): string {
  const radix = { v: 10, d: 10, x: 16, X: 16, o: 8, b: 2 }[verb];
  if (radix !== undefined) {
    let digits = (value < 0n ? -value : value).toString(radix);
    if (verb === 'X') digits = digits.toUpperCase();
    if (format.precision !== undefined) digits = digits.padStart(format.precision, '0');
    if (format.sharp && radix === 16) digits = `0${verb}${digits}`;
    const sign = value < 0n ? '-' : format.plus ? '+' : format.space ? ' ' : '';
    return pad(sign + digits, format, format.zero && format.precision === undefined);
  }
  const isRune = value >= 0n && value <= 0x10ffffn;
  if (verb === 'c' || verb === 'q') {
    const char = isRune ? String.fromCodePoint(Number(value)) : '\ufffd';
    return pad(verb === 'c' ? char : `'${char === "'" ? "\\'" : quote(char).slice(1, -1).replace('\\"', '"')}'`, format);
  }
  if (verb === 'U') return pad(`U+${value.toString(16).toUpperCase().padStart(4, '0')}`, format);
  return bad(value, verb);
}

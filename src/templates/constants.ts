import type { NumberConstant } from './ast.ts';
import { quote } from './quote.ts';
import type { Token } from './lexer.ts';

const SIMPLE_ESCAPES: Readonly<Record<string, number>> = { a: 7, b: 8, f: 12, n: 10, r: 13, t: 9, v: 11, '\\': 92, '"': 34, "'": 39 };
const ESCAPE = /\\(?:([abfnrtv\\"'])|([0-7]{3})|x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8}))|\\/g;
const MAX_INT = 2n ** 63n - 1n;
const MIN_INT = -(2n ** 63n);
const MAX_UINT = 2n ** 64n - 1n;
const INVALID_SYNTAX = 'invalid syntax';

/** The text a quoted or raw string stands for (Go's `strconv.Unquote`). Throws an `Error` with Go's reason. */
export function unquote(text: string): string {
  const inner = text.slice(1, -1);
  if (text.startsWith('`')) return inner.replaceAll('\r', '');
  if (!inner.includes('\\')) return inner;
  // Octal and \x escapes are bytes, which together may make one character.
  const parts: Buffer[] = [];
  let from = 0;
  for (const match of inner.matchAll(ESCAPE)) {
    const [all, simple, octal, hex, short, long] = match;
    parts.push(Buffer.from(inner.slice(from, match.index), 'utf8'));
    from = match.index + all.length;
    const code = Number.parseInt(hex ?? short ?? long ?? '', 16);
    // Each kind of quotes can only escape itself.
    if (simple !== undefined && (simple === '"' || simple === "'") && !text.startsWith(simple)) throw new Error(INVALID_SYNTAX);
    if (simple !== undefined) parts.push(Buffer.of(SIMPLE_ESCAPES[simple] ?? 0));
    else if (octal !== undefined && Number.parseInt(octal, 8) < 256) parts.push(Buffer.of(Number.parseInt(octal, 8)));
    else if (hex !== undefined) parts.push(Buffer.of(code));
    else if (code <= 0x10ffff && !(code >= 0xd800 && code < 0xe000)) parts.push(Buffer.from(String.fromCodePoint(code), 'utf8'));
    else throw new Error(INVALID_SYNTAX);
  }
  parts.push(Buffer.from(inner.slice(from), 'utf8'));
  return Buffer.concat(parts).toString('utf8');
}

/** A number constant: an int where it is written as one, else a float; it remembers whether it could be the other. */
export function numberConstant({ text, at }: Token): NumberConstant {
  const int = integer(text);
  if (int !== undefined) {
    const fits = int <= MAX_INT && int >= MIN_INT;
    const float = Number(int);
    // A sign before the 0x hides it from Go, to which the letters then are an exponent.
    const isFloat = /^[+-]0[xX]/.test(text) && /[.eEpP]/.test(text);
    return { type: 'number', at, text, int: fits ? int : undefined, float, value: fits ? (isFloat ? float : int) : undefined };
  }
  const float = floatingPoint(text);
  if (float === undefined) throw new Error(`illegal number syntax: ${quote(text)}`);
  if (!/[.eEpP]/.test(text)) throw new Error(`integer overflow: ${quote(text)}`);
  const whole = Number.isInteger(float) && float >= -(2 ** 63) && float < 2 ** 63 ? BigInt(float) : undefined;
  return { type: 'number', at, text, int: whole, float, value: float };
}

/** `'x'` is a number: the code point. */
export function charConstant({ text, at }: Token): NumberConstant {
  const [first] = /^'(?:\\(?:[abfnrtv\\']|[0-7]{3}|x[\da-fA-F]{2}|u[\da-fA-F]{4}|U[\da-fA-F]{8})|[^\\'])/u.exec(text) ?? [];
  if (first === undefined) throw new Error(INVALID_SYNTAX);
  const byte = /^'\\(?:x(..)|(\d{3}))/.exec(first);
  const code =
    byte === null ? (unquote(`${first}'`).codePointAt(0) ?? 0) : Number.parseInt(byte[1] ?? byte[2] ?? '', byte[1] === undefined ? 8 : 16);
  if (code > 255 && byte !== null) throw new Error(INVALID_SYNTAX);
  if (text !== `${first}'`) throw new Error(`malformed character constant: ${text}`);
  return { type: 'number', at, text, int: BigInt(code), float: code, value: BigInt(code) };
}

/** An integer in any of Go's bases, which 64 bits with or without a sign can hold. */
function integer(text: string): bigint | undefined {
  const [, sign = '', digits = ''] = /^([+-]?)(.*)$/.exec(text) ?? [];
  if (!separatesDigits(digits)) return undefined;
  const plain = digits.replaceAll('_', '').replace(/^0(?=[0-9])/, '0o');
  if (!/^(?:\d+|0[xX][0-9a-fA-F]+|0[oO][0-7]+|0[bB][01]+)$/.test(plain)) return undefined;
  const value = BigInt(plain) * (sign === '-' ? -1n : 1n);
  return value >= MIN_INT && value <= (sign === '' ? MAX_UINT : MAX_INT) ? value : undefined;
}

/** An underscore separates digits, or stands behind the prefix of the base. */
function separatesDigits(digits: string): boolean {
  return !/_(?![0-9a-fA-F])|(?:^|[^0-9a-fA-FxXoObB])_/.test(digits);
}

function floatingPoint(text: string): number | undefined {
  const plain = text.replaceAll('_', '');
  const isNumber = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/.test(plain);
  const value = isNumber ? Number(plain) : hexFloat(plain);
  return Number.isFinite(value) && separatesDigits(text) ? value : undefined;
}

function hexFloat(text: string): number {
  const match = /^([+-]?)0[xX]([0-9a-fA-F]*)(?:\.([0-9a-fA-F]*))?[pP]([+-]?\d+)$/.exec(text);
  if (match === null) return Number.NaN;
  const [, sign = '', whole = '', fraction = '', exponent = '0'] = match;
  if (whole === '' && fraction === '') return Number.NaN;
  let value = 0;
  for (const digit of whole + fraction) value = value * 16 + Number.parseInt(digit, 16);
  return (sign === '-' ? -1 : 1) * value * 2 ** (Number(exponent) - 4 * fraction.length);
}

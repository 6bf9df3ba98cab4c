import { invalid } from './lexer.ts';
import type { Token } from './lexer.ts';
import type { Operand } from './ast.ts';

const SIMPLE_ESCAPES: Readonly<Record<string, number>> = { a: 7, b: 8, f: 12, n: 10, r: 13, t: 9, v: 11, '\\': 92, '"': 34, "'": 39 };
const ESCAPE = /\\(?:([abfnrtv\\"'])|([0-7]{3})|x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8}))|\\/g;
const MAX_INT = 2n ** 63n - 1n;
const MIN_INT = -(2n ** 63n);

/** The text a quoted or raw string stands for (Go's `strconv.Unquote`). */
export function unquote(source: string, token: Token): string {
  const inner = token.text.slice(1, -1);
  if (token.text.startsWith('`') || !inner.includes('\\')) return inner;
  // Octal and \x escapes are bytes, which together may make one character.
  const parts: Buffer[] = [];
  let from = 0;
  for (const match of inner.matchAll(ESCAPE)) {
    const [all, simple, octal, hex, short, long] = match;
    parts.push(Buffer.from(inner.slice(from, match.index), 'utf8'));
    from = match.index + all.length;
    const code = Number.parseInt(hex ?? short ?? long ?? '', 16);
    // Each kind of quotes can only escape itself.
    if (simple !== undefined && (simple === '"' || simple === "'") && !token.text.startsWith(simple))
      throw invalid(source, token.at, 'invalid escape in a quoted string');
    if (simple !== undefined) parts.push(Buffer.of(SIMPLE_ESCAPES[simple] ?? 0));
    else if (octal !== undefined && Number.parseInt(octal, 8) < 256) parts.push(Buffer.of(Number.parseInt(octal, 8)));
    else if (hex !== undefined) parts.push(Buffer.of(code));
    else if (code <= 0x10ffff && !(code >= 0xd800 && code < 0xe000)) parts.push(Buffer.from(String.fromCodePoint(code), 'utf8'));
    else throw invalid(source, token.at, 'invalid escape in a quoted string');
  }
  parts.push(Buffer.from(inner.slice(from), 'utf8'));
  return Buffer.concat(parts).toString('utf8');
}

/** A number constant: an int where it is written as one, else a float; it remembers whether it could be the other. */
export function numberConstant(source: string, token: Token): Operand {
  const text = token.text.replaceAll('_', '');
  const bad = (): Error => invalid(source, token.at, `bad number syntax: ${JSON.stringify(token.text)}`);
  // An underscore separates digits, or stands behind the prefix of the base.
  if (/_(?![0-9a-fA-F])|(^|[^0-9a-fA-FxXoObB])_/.test(token.text)) throw bad();
  const isHex = /^[+-]?0[xX]/.test(text);
  const looksFloat = isHex ? /[.pP]/.test(text) : /[.eE]/.test(text);
  if (looksFloat) {
    const float = isHex ? hexFloat(text) : Number(text);
    if (!Number.isFinite(float)) throw bad();
    const int = Number.isInteger(float) && Math.abs(float) < 2 ** 63 ? BigInt(float) : undefined;
    return { type: 'constant', at: token.at, value: float, number: { int, float } };
  }
  const negative = text.startsWith('-');
  const digits = text.replace(/^[+-]/, '').replace(/^0(?=[0-9])/, '0o');
  let int: bigint;
  try {
    int = BigInt(digits) * (negative ? -1n : 1n);
  } catch (cause) {
    throw Object.assign(bad(), { cause });
  }
  if (int > MAX_INT || int < MIN_INT) throw invalid(source, token.at, `integer overflow: ${token.text}`);
  return { type: 'constant', at: token.at, value: int, number: { int, float: Number(int) } };
}

/** `'x'` is a number: the code point. */
export function charConstant(source: string, token: Token): Operand {
  const [first, ...more] = unquote(source, token);
  if (first === undefined || more.length > 0) throw invalid(source, token.at, `malformed character constant: ${token.text}`);
  const code = first.codePointAt(0) ?? 0;
  return { type: 'constant', at: token.at, value: BigInt(code), number: { int: BigInt(code), float: code } };
}

function hexFloat(text: string): number {
  const match = /^([+-]?)0[xX]([0-9a-fA-F]*)(?:\.([0-9a-fA-F]*))?[pP]([+-]?\d+)$/.exec(text);
  if (match === null) return Number.NaN;
  const [, sign = '', whole = '', fraction = '', exponent = '0'] = match;
  let value = 0;
  for (const digit of whole + fraction) value = value * 16 + Number.parseInt(digit, 16);
  return (sign === '-' ? -1 : 1) * value * 2 ** (Number(exponent) - 4 * fraction.length);
}

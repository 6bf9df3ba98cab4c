import { parseDuration } from '../core/duration.ts';
import { parseFloatText } from '../core/number-format.ts';

/** A literal that cannot be read; `at` is the offset of the fault within its text. */
export class LiteralError extends Error {
  override readonly name = 'LiteralError';
  readonly at: number;

  constructor(message: string, at: number) {
    super(message);
    this.at = at;
  }
}

const SIMPLE_ESCAPES: Readonly<Record<string, string>> = {
  a: '\u0007',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
  '\\': '\\',
  "'": "'",
  '"': '"',
};

/**
 * The text of a string literal in double, single or back quotes. Escapes are Go's: `\n`, `\x41`, `\101`, `\u00e9`,
 * `\U0001F600`; bytes given by `\x` and octal escapes are joined and read as UTF-8. Throws `LiteralError`.
 */
export function unquote(literal: string): string {
  const quote = literal[0] ?? '';
  if (literal.length < 2 || literal.at(-1) !== quote) throw new LiteralError(`unterminated quoted string`, 0);
  const inner = literal.slice(1, -1);
  if (quote === '`') {
    if (inner.includes('`')) throw new LiteralError('invalid syntax', 0);
    return inner.replaceAll('\r', '');
  }
  const newline = inner.indexOf('\n');
  if (newline >= 0) throw new LiteralError('unterminated quoted string', newline + 1);
  if (!inner.includes('\\')) return inner;
  return unescape(inner, quote);
}

function unescape(inner: string, quote: string): string {
  let out = '';
  let bytes: number[] = [];
  const flush = (): void => {
    if (bytes.length > 0) out += Buffer.from(bytes).toString('utf8');
    bytes = [];
  };
  for (let i = 0; i < inner.length;) {
    const char = inner[i] ?? '';
    if (char !== '\\') {
      flush();
      out += char;
      i++;
      continue;
    }
    const kind = inner[i + 1] ?? '';
    const simple = SIMPLE_ESCAPES[kind];
    if (simple !== undefined) {
      // The other kind of quote needs no escape, and Go refuses one.
      if ((kind === "'" || kind === '"') && kind !== quote) throw new LiteralError(`unknown escape sequence \\${kind}`, i + 1);
      flush();
      out += simple;
      i += 2;
      continue;
    }
    const numeric = /^(?:x([0-9a-fA-F]{2})|([0-7]{3})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8}))/.exec(inner.slice(i + 1, i + 10));
    if (numeric === null) throw new LiteralError(`unknown escape sequence \\${kind}`, i + 1);
    const [whole, hex, octal, short, long] = numeric;
    const code = hex ?? short ?? long;
    const value = octal === undefined ? Number.parseInt(code ?? '0', 16) : Number.parseInt(octal, 8);
    if (hex !== undefined || octal !== undefined) {
      if (value > 255) throw new LiteralError('octal escape value greater than 255', i + 1);
      bytes.push(value);
    } else {
      if (value > 0x10_ffff || (value >= 0xd800 && value < 0xe000))
        throw new LiteralError('escape sequence is an invalid Unicode code point', i + 1);
      flush();
      out += String.fromCodePoint(value);
    }
    i += 1 + whole.length;
  }
  flush();
  return out;
}

/**
 * A number as PromQL writes it, without sign: decimal with optional exponent and `_` between digits, `0x1F`, octal
 * `017`, `Inf`, `NaN`, or a duration (`1h30m` is 5400 seconds). Throws `LiteralError`.
 */
export function readNumber(text: string): { value: number; duration: boolean } {
  if (/^0[xX][0-9a-fA-F_]+$/.test(text)) return { value: Number(`0x${text.slice(2).replaceAll('_', '')}`), duration: false };
  if (/^0[0-7]+$/.test(text)) return { value: Number.parseInt(text, 8), duration: false };
  const plain = parseFloatText(text.replaceAll(/(?<=\d)_(?=\d)/g, ''));
  if (plain === Infinity && /^\d/.test(text)) throw new LiteralError(`value out of range: ${text.slice(0, 40)}`, 0);
  if (plain !== undefined) return { value: plain, duration: false };
  return { value: readDuration(text) / 1000, duration: true };
}

/** Milliseconds of a duration with units. Throws `LiteralError`. */
export function readDuration(text: string): number {
  try {
    return parseDuration(text);
  } catch (error) {
    throw new LiteralError(error instanceof Error ? error.message : String(error), 0);
  }
}

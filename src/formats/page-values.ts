import type { PageTemplate } from './page-layout.ts';

const NEWLINE = 10;
const MINUS = 45;
const PLUS = 43;
const POINT = 46;
const ZERO = 48;
const NINE = 57;
const UPPER_E = 69;
const LOWER_E = 101;
/** So many decimal digits are exact in a double, and so many powers of ten. */
const EXACT_DIGITS = 15;
const EXACT_POWER = 22;
const EXPONENT_MAX = 9999;

const POWERS_OF_TEN = Float64Array.from({ length: EXACT_POWER + 1 }, (_, i) => 10 ** i);

/** Where the number that was read last has ended. */
let ended = 0;

/**
 * True when the page has exactly the template's fixed bytes; its values are then in `values`, one a column. Makes no string
 * and no object, but for numbers of more than 15 digits.
 */
export function fillValues(template: PageTemplate, body: Uint8Array, view: DataView, values: Float64Array): boolean {
  const { valued } = template;
  const lines = valued.length;
  let at = 0;
  let column = 0;
  for (let line = 0; line < lines; line++) {
    if (!template.isAt(line, view, at)) return false;
    at += template.lengthOf(line);
    if (valued[line] === 1) {
      const value = readValue(body, at);
      if (ended < 0) return false;
      values[column++] = value;
      at = ended;
    }
    if (at < body.length && body[at] !== NEWLINE) return false;
    at++;
  }
  return at >= body.length;
}

/** Where the value that `readValue` read has ended: at a line's end, or at the body's. -1 where it was no plain number. */
export function valueEnd(): number {
  return ended;
}

/**
 * The number from `from` to the line's end, NaN included. Exact by Clinger's condition: at most 15 digits and a power of ten
 * up to 22 are one correctly rounded operation; others go through `Number`. Whatever else stands there (another way to write
 * a number, a timestamp) is left to the careful parser: `valueEnd` is then -1.
 */
export function readValue(body: Uint8Array, from: number): number {
  const length = body.length;
  const negative = body[from] === MINUS;
  let at = negative ? from + 1 : from;
  let mantissa = 0;
  const first = at;
  let byte = at < length ? body[at]! : NEWLINE;
  while (byte >= ZERO && byte <= NINE) {
    mantissa = mantissa * 10 + (byte - ZERO);
    at++;
    byte = at < length ? body[at]! : NEWLINE;
  }
  if (byte === NEWLINE && at > first && at - first <= EXACT_DIGITS) {
    ended = at;
    return negative ? -mantissa : mantissa;
  }
  return readFraction(body, from, at, mantissa, at - first);
}

/** Goes on at `from` after so many digits before the point, for the number that begins at `start`. */
function readFraction(body: Uint8Array, start: number, from: number, before: number, digitsBefore: number): number {
  const length = body.length;
  let at = from;
  let mantissa = before;
  let digits = digitsBefore;
  if (at < length && body[at] === POINT) {
    for (at++; at < length; at++) {
      const byte = body[at]!;
      if (byte < ZERO || byte > NINE) break;
      mantissa = mantissa * 10 + (byte - ZERO);
      digits++;
    }
  }
  let power = digitsBefore - digits;
  if (digits > 0 && at < length && (body[at] === UPPER_E || body[at] === LOWER_E)) {
    const sign = body[at + 1];
    const first = sign === MINUS || sign === PLUS ? at + 2 : at + 1;
    let exponent = 0;
    for (at = first; at < length; at++) {
      const byte = body[at]!;
      if (byte < ZERO || byte > NINE) break;
      if (exponent < EXPONENT_MAX) exponent = exponent * 10 + (byte - ZERO);
    }
    if (at === first) return readWord(body, start);
    power += sign === MINUS ? -exponent : exponent;
  }
  if (digits === 0 || (at < length && body[at] !== NEWLINE)) return readWord(body, start);
  ended = at;
  if (digits > EXACT_DIGITS || power > EXACT_POWER || power < -EXACT_POWER) return readLong(textOf(body, start, at));
  const value = power < 0 ? mantissa / POWERS_OF_TEN[-power]! : mantissa * POWERS_OF_TEN[power]!;
  return body[start] === MINUS ? -value : value;
}

/** A number of many digits, or with a large exponent; one that no double can hold is left to the careful parser. */
function readLong(text: string): number {
  const value = Number(text);
  if (!Number.isFinite(value)) ended = -1;
  return value;
}

/** What is no number in digits. */
function readWord(body: Uint8Array, from: number): number {
  ended = from;
  while (ended < body.length && body[ended] !== NEWLINE) ended++;
  if (ended - from <= 4) {
    const text = textOf(body, from, ended);
    if (text === 'NaN') return Number.NaN;
    if (text === '+Inf') return Infinity;
    if (text === '-Inf') return -Infinity;
  }
  ended = -1;
  return Number.NaN;
}

function textOf(body: Uint8Array, from: number, to: number): string {
  return Buffer.from(body.buffer, body.byteOffset + from, to - from).toString('latin1');
}

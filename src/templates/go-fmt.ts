import { BelfryError } from '../core/errors.ts';
import { formatFloatVerb, formatHexFloat, formatMantissaExponent } from './float-format.ts';
import { noFormat, pad, truncated } from './format-spec.ts';
import { isPrintable, quote, quoteChar } from './quote.ts';
import { BoxedValue, contentOf, FunctionValue, ListValue, MapValue, NamedValue, StructValue, typeName } from './value.ts';
import type { Format } from './format-spec.ts';
import type { Value } from './value.ts';

/** Go allows a million; a template that asks for more than this has made a mistake. */
const MAX_WIDTH = 10_000;
const GO_MAX_WIDTH = 1_000_000;
const MAX_RUNE = 0x10ffffn;
/** Characters of a formatted text, or of a printed list. */
const MAX_LENGTH = 65_536;

/** Go's `fmt.Sprint`: a space between two operands when neither is a string. `show` is how each of them prints. */
export function sprint(values: readonly Value[], show = (value: Value): string => formatted(value, 'v', noFormat())): string {
  let out = '';
  for (const [index, value] of values.entries()) {
    if (index > 0 && typeof contentOf(value) !== 'string' && typeof contentOf(values[index - 1]) !== 'string') out += ' ';
    out += show(value);
  }
  return out;
}

/** Go's `fmt.Sprintln`. */
export function sprintln(values: readonly Value[]): string {
  return `${values.map((value) => formatted(value, 'v', noFormat())).join(' ')}\n`;
}

/** How a value shows where an action prints it: as with `%v`, but what a pointer points at instead of the pointer. */
export function formatValue(value: Value): string {
  if (value instanceof BoxedValue) return formatValue(value.content);
  if (isNil(value)) return '<no value>';
  return value instanceof StructValue ? formatStruct(value, 'v', noFormat()) : formatted(value, 'v', noFormat());
}

/** Go's `fmt.Sprintf`; wrong verbs and missing or extra arguments show as Go shows them. Throws `LIMIT_EXCEEDED`. */
export function sprintf(format: string, args: readonly Value[]): string {
  return new Printf(format, args).run();
}

class Printf {
  readonly #format: string;
  readonly #args: readonly Value[];
  #at = 0;
  #next = 0;
  #reordered = false;
  #indexIsGood = true;
  #out = '';

  constructor(format: string, args: readonly Value[]) {
    this.#format = format;
    this.#args = args;
  }

  run(): string {
    const format = this.#format;
    while (this.#at < format.length) {
      if (this.#out.length > MAX_LENGTH) throw tooLong('printf');
      const percent = format.indexOf('%', this.#at);
      this.#out += format.slice(this.#at, percent < 0 ? format.length : percent);
      if (percent < 0) break;
      this.#at = percent + 1;
      this.#directive();
    }
    if (!this.#reordered && this.#next < this.#args.length) {
      const extra = this.#args.slice(this.#next);
      const shown = extra.map((value) => (isNil(value) ? '<nil>' : `${typeName(value)}=${formatted(value, 'v', noFormat())}`));
      this.#out += `%!(EXTRA ${shown.join(', ')})`;
    }
    return this.#out;
  }

  /** What follows a `%`: flags, width, precision, an argument's index before each of them, and the verb. */
  #directive(): void {
    const format = this.#flags();
    this.#indexIsGood = true;
    let indexed = this.#index();
    if (this.#format[this.#at] === '*') {
      const width = this.#star('%!(BADWIDTH)');
      if (width !== undefined && width < 0) {
        format.minus = true;
        format.zero = false;
      }
      format.width = width === undefined ? undefined : Math.abs(width);
      indexed = false;
    } else {
      format.width = this.#number();
      if (indexed && format.width !== undefined) this.#indexIsGood = false;
    }
    // A point that nothing follows is a verb, as since Go 1.20.
    if (this.#format[this.#at] === '.' && this.#at + 1 < this.#format.length) {
      this.#at++;
      if (indexed) this.#indexIsGood = false;
      indexed = this.#index();
      if (this.#format[this.#at] === '*') {
        format.precision = this.#star('%!(BADPREC)', 0);
        indexed = false;
      } else format.precision = this.#number() ?? 0;
    }
    if (!indexed) this.#index();
    this.#verb(format);
  }

  #flags(): Format {
    const format = noFormat();
    for (; ; this.#at++) {
      switch (this.#format.charAt(this.#at)) {
        case '#':
          format.sharp = true;
          break;
        case '0':
          format.zero = !format.minus;
          break;
        case '+':
          format.plus = true;
          break;
        case '-':
          format.minus = true;
          format.zero = false;
          break;
        case ' ':
          format.space = true;
          break;
        default:
          return format;
      }
    }
  }

  /** `[2]`: which argument comes next. True where there was a good one. */
  #index(): boolean {
    if (this.#format[this.#at] !== '[') return false;
    this.#reordered = true;
    const close = this.#format.indexOf(']', this.#at);
    const text = close < 0 ? '' : this.#format.slice(this.#at + 1, close);
    this.#at = close < 0 || this.#format.length - this.#at < 3 ? this.#at + 1 : close + 1;
    const index = /^\d+$/.test(text) ? Number(text) - 1 : -1;
    if (index >= 0 && index < this.#args.length) {
      this.#next = index;
      return true;
    }
    this.#indexIsGood = false;
    return false;
  }

  #number(): number | undefined {
    const digits = /^\d+/.exec(this.#format.slice(this.#at, this.#at + 10))?.[0];
    if (digits === undefined) return undefined;
    this.#at += digits.length;
    return limited(Number(digits));
  }

  /** A width or precision that is an argument; one that is none, or below `least`, is said in the output. */
  #star(complaint: string, least = -GO_MAX_WIDTH): number | undefined {
    this.#at++;
    const value = this.#next < this.#args.length ? this.#args[this.#next++] : undefined;
    const size = typeof value === 'bigint' && value <= GO_MAX_WIDTH && value >= -GO_MAX_WIDTH ? Number(value) : undefined;
    if (size !== undefined && size >= least) return limited(size);
    this.#out += complaint;
    return undefined;
  }

  #verb(format: Format): void {
    const code = this.#format.codePointAt(this.#at);
    if (code === undefined) {
      this.#out += '%!(NOVERB)';
      return;
    }
    const verb = String.fromCodePoint(code);
    this.#at += verb.length;
    if (verb === '%') this.#out += '%';
    else if (!this.#indexIsGood) this.#out += `%!${verb}(BADINDEX)`;
    else if (this.#next >= this.#args.length) this.#out += `%!${verb}(MISSING)`;
    else if (verb === 'v' && format.sharp) this.#out += goSyntax(this.#args[this.#next++], format);
    else if (verb === 'v') this.#out += formatted(this.#args[this.#next++], verb, { ...format, named: format.plus, plus: false });
    else this.#out += formatted(this.#args[this.#next++], verb, format);
  }
}

function tooLong(what: string): BelfryError {
  return new BelfryError('LIMIT_EXCEEDED', `${what} gave a text of more than ${MAX_LENGTH} characters`);
}

function limited(size: number): number {
  if (Math.abs(size) > MAX_WIDTH) throw new BelfryError('LIMIT_EXCEEDED', `a width of more than ${MAX_WIDTH} in printf`);
  return size;
}

function isNil(value: Value): value is undefined | null {
  return value === undefined || value === null;
}

function formatted(value: Value, verb: string, format: Format): string {
  if (verb === 'T') return pad(truncated(typeName(value), format), format);
  if (isNil(value)) return verb === 'v' ? pad('<nil>', format) : `%!${verb}(<nil>)`;
  if (typeof value === 'string') return formatString(value, verb, format);
  if (typeof value === 'boolean') return verb === 'v' || verb === 't' ? pad(String(value), format) : bad(value, verb, format);
  if (typeof value === 'number') return formatNumber(value, verb, format);
  if (typeof value === 'bigint') return formatInteger(value, verb, format);
  if (value instanceof FunctionValue) return bad(value, verb, format);
  if (value instanceof BoxedValue) return formatted(value.content, verb, format);
  if (value instanceof NamedValue) {
    if (value.text !== undefined && 'vsqxX'.includes(verb)) return formatString(value.text, verb, format);
    const isKnown = typeof value.content === 'string' ? 'vsqxX'.includes(verb) : 'vdxXoObcqU'.includes(verb);
    return isKnown ? formatted(value.content, verb, format) : bad(value, verb, format);
  }
  if (value instanceof StructValue) {
    if (value.text !== undefined && 'vsqxX'.includes(verb)) return formatString(value.text, verb, format);
    return (value.isPointer ? '&' : '') + formatStruct(value, verb, format);
  }
  return formatCollection(value, verb, format);
}

/** `%#v`: as Go source would have it. */
function goSyntax(value: Value, format: Format): string {
  const plain = { ...format, sharp: false, plus: false };
  const inner = (item: Value): string => (isNil(item) ? 'interface {}(nil)' : goSyntax(item, format));
  if (value instanceof BoxedValue) return inner(value.content);
  if (value instanceof StructValue && value.text === undefined) {
    const fields = [...value.fields].map(([name, field]) => `${name}:${inner(field)}`);
    return `${value.typeName.replace(/^\*/, '&')}{${fields.join(', ')}}`;
  }
  if (typeof value === 'string') return formatted(value, 'q', plain);
  if (value instanceof ListValue) return `${value.typeName}{${value.items.map(inner).join(', ')}}`;
  if (!(value instanceof MapValue)) return formatted(value, 'v', plain);
  const entries = value.sortedKeys().map((key) => `${goSyntax(key, format)}:${inner(value.get(key))}`);
  return `${value.typeName}{${entries.join(', ')}}`;
}

function formatStruct(value: StructValue, verb: string, format: Format): string {
  if (value.text !== undefined) return formatString(value.text, verb, format);
  const fields = [...value.fields].map(([name, field]) => (format.named ? `${name}:` : '') + formatted(field, verb, format));
  return `{${fields.join(' ')}}`;
}

/** What a pointer in a list points at is shown, where Go would show the address. */
function formatCollection(value: ListValue | MapValue, verb: string, format: Format): string {
  const item = (element: Value): string => {
    // A pointer is a number to some verbs, and nothing that the others could show.
    if (element instanceof StructValue && element.isPointer && element.text === undefined && !'vpbodxX'.includes(verb))
      return `%!${verb}(${element.typeName}=&${formatStruct(element, 'v', noFormat())})`;
    if (element instanceof StructValue) return formatStruct(element, verb, format);
    return isNil(element) ? '<nil>' : formatted(element, verb, format);
  };
  const shown: string[] = [];
  let length = 0;
  const add = (text: string): void => {
    shown.push(text);
    length += text.length;
    if (length > MAX_LENGTH) throw tooLong('a list or map');
  };
  if (value instanceof ListValue) for (const element of value.items) add(item(element));
  else for (const key of value.sortedKeys()) add(`${formatted(key, verb, format)}:${item(value.get(key))}`);
  return value instanceof ListValue ? `[${shown.join(' ')}]` : `map[${shown.join(' ')}]`;
}

function bad(value: Value, verb: string, format: Format): string {
  return `%!${verb}(${typeName(value)}=${formatted(value, 'v', format)})`;
}

function formatString(text: string, verb: string, format: Format): string {
  switch (verb) {
    case 'v':
    case 's':
      return pad(truncated(text, format), format);
    case 'q': {
      const cut = truncated(text, format);
      const raw = format.sharp && !/[`\ufeff]|(?!\t)\p{Cc}/u.test(cut);
      return pad(raw ? `\`${cut}\`` : quote(cut, format.plus), format);
    }
    case 'x':
    case 'X':
      return pad(hex(text, verb, format), format);
    default:
      return bad(text, verb, format);
  }
}

/** The bytes in hexadecimal; the precision counts bytes. */
function hex(text: string, verb: 'x' | 'X', { precision, sharp, space }: Format): string {
  const bytes = [...Buffer.from(text, 'utf8').subarray(0, precision)].map((byte) => byte.toString(16).padStart(2, '0'));
  const digits = verb === 'X' ? bytes.map((byte) => byte.toUpperCase()) : bytes;
  const prefix = sharp && digits.length > 0 ? `0${verb}` : '';
  return space ? digits.map((byte) => prefix + byte).join(' ') : prefix + digits.join('');
}

function formatNumber(value: number, verb: string, format: Format): string {
  const digits = floatDigits(value, verb, format);
  if (digits === undefined) return bad(value, verb, format);
  const unsigned = digits.replace(/^[+-]/, '');
  const asked = format.plus ? '+' : format.space ? ' ' : '';
  if (!Number.isFinite(value)) {
    // Zeros before an infinity would look like a number; its plus is always shown, unless a space stands for it.
    const sign = Number.isNaN(value) ? asked : value < 0 ? '-' : asked || '+';
    return pad(sign + unsigned, format, false);
  }
  const shown = format.sharp && verb !== 'b' ? withPoint(unsigned, verb, format.precision) : unsigned;
  const sign = digits.startsWith('-') ? '-' : asked;
  if (sign === '' || !format.zero) return pad(sign + shown, format);
  return sign + pad(shown, { ...format, width: Math.max(0, (format.width ?? 0) - 1) });
}

function floatDigits(value: number, verb: string, { precision }: Format): string | undefined {
  switch (verb) {
    case 'v':
    case 'g':
      return formatFloatVerb(value, 'g', precision);
    case 'G':
      return formatFloatVerb(value, 'g', precision).replace('e', 'E');
    case 'e':
      return formatFloatVerb(value, 'e', precision ?? 6);
    case 'E':
      return formatFloatVerb(value, 'e', precision ?? 6).replace('e', 'E');
    case 'f':
    case 'F':
      return formatFloatVerb(value, 'f', precision ?? 6);
    case 'x':
      return formatHexFloat(value, precision);
    case 'X':
      return formatHexFloat(value, precision).toUpperCase().replace('INF', 'Inf').replace('NAN', 'NaN');
    case 'b':
      return formatMantissaExponent(value);
    default:
      return undefined;
  }
}

/** The sharp flag: a decimal point in any case, and with `%g` the zeros at the end that it leaves out. */
function withPoint(digits: string, verb: string, precision: number | undefined): string {
  const isHex = verb === 'x' || verb === 'X';
  const [, mantissa = '', tail = ''] = (isHex ? /^(.*?)([pP].*)?$/ : /^(.*?)([eE].*)?$/).exec(digits) ?? [];
  let wanted = 'vgGx'.includes(verb) ? (precision ?? 6) : 0;
  wanted -= mantissa.replace('.', '').replace(/^0+/, '').length;
  if (mantissa === '0') wanted--;
  const point = mantissa.includes('.') ? '' : '.';
  return mantissa + point + '0'.repeat(Math.max(0, wanted)) + tail;
}

const RADIX: Readonly<Record<string, number>> = { v: 10, d: 10, x: 16, X: 16, o: 8, O: 8, b: 2 };

function formatInteger(value: bigint, verb: string, format: Format): string {
  const radix = RADIX[verb];
  if (radix !== undefined) return formatDigits(value, radix, verb, format);
  const code = value >= 0n && value <= MAX_RUNE ? Number(value) : 0xfffd;
  const char = code >= 0xd800 && code < 0xe000 ? '\ufffd' : String.fromCodePoint(code);
  switch (verb) {
    case 'c':
      return pad(char, format);
    case 'q':
      return pad(quoteChar(char, format.plus), format);
    case 'U': {
      const digits = BigInt.asUintN(64, value).toString(16).toUpperCase();
      const shown = format.sharp && value >= 0n && value <= MAX_RUNE && isPrintable(char) ? ` '${char}'` : '';
      return pad(`U+${digits.padStart(Math.max(4, format.precision ?? 0), '0')}${shown}`, format, false);
    }
    default:
      return bad(value, verb, format);
  }
}

function formatDigits(value: bigint, radix: number, verb: string, format: Format): string {
  const { precision, width, sharp } = format;
  if (precision === 0 && value === 0n) return ' '.repeat(width ?? 0);
  const sign = value < 0n ? '-' : format.plus ? '+' : format.space ? ' ' : '';
  // The zero flag is a precision that fills the width; one that is given takes its place.
  const least = precision ?? (format.zero && width !== undefined ? width - sign.length : 0);
  let digits = (value < 0n ? -value : value).toString(radix);
  if (verb === 'X') digits = digits.toUpperCase();
  digits = digits.padStart(least, '0');
  if (verb === 'O') digits = `0o${sharp && !digits.startsWith('0') ? '0' : ''}${digits}`;
  else if (sharp && radix === 16) digits = `0${verb}${digits}`;
  else if (sharp && radix === 2) digits = `0b${digits}`;
  else if (sharp && radix === 8 && !digits.startsWith('0')) digits = `0${digits}`;
  return pad(sign + digits, format, false);
}

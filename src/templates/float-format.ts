/** Go's `strconv.FormatFloat` in the forms that `fmt` uses. `precision` undefined means the shortest exact digits. */
export function formatFloatVerb(value: number, verb: 'e' | 'f' | 'g', precision: number | undefined): string {
  if (Number.isNaN(value)) return 'NaN';
  if (!Number.isFinite(value)) return value > 0 ? '+Inf' : '-Inf';
  const sign = value < 0 || Object.is(value, -0) ? '-' : '';
  const magnitude = Math.abs(value);
  switch (verb) {
    case 'e':
      return sign + scientific(parts(magnitude, precision));
    case 'f':
      return sign + (precision === undefined ? plain(parts(magnitude, undefined)) : fixed(magnitude, precision));
    case 'g':
      return sign + general(magnitude, precision);
  }
}

const MAX_DIGITS = 100;

interface Decimal {
  /** Significant digits, the first before the point. */
  readonly digits: string;
  readonly exponent: number;
}

/** JavaScript's own digits are exact up to 100 after the point, but it rounds ties up and Go rounds them to even. */
function parts(magnitude: number, precision: number | undefined): Decimal {
  if (precision === undefined) return split(magnitude.toExponential());
  const kept = Math.min(MAX_DIGITS, precision);
  const rounded = mayBeTie(magnitude, kept) ? evenDigits(magnitude, kept) : split(magnitude.toExponential(kept));
  return { digits: rounded.digits + '0'.repeat(precision - kept), exponent: rounded.exponent };
}

/** A tie needs a 5 after the digits that are kept; the exact digits are only asked for where the shortest say so. */
function mayBeTie(magnitude: number, kept: number): boolean {
  if (kept >= 15) return true;
  const { digits } = split(magnitude.toExponential());
  return digits.length === kept + 2 && digits.endsWith('5');
}

function evenDigits(magnitude: number, kept: number): Decimal {
  const exact = split(magnitude.toExponential(MAX_DIGITS));
  const digits = exact.digits.slice(0, kept + 1);
  return isTie(exact.digits.slice(kept + 1), digits) ? { digits, exponent: exact.exponent } : split(magnitude.toExponential(kept));
}

function split(text: string): Decimal {
  const [mantissa = '0', exponent = '0'] = text.split('e');
  return { digits: mantissa.replace('.', ''), exponent: Number(exponent) };
}

/** Exactly half a unit more than an even last digit: it stays. */
function isTie(rest: string, kept: string): boolean {
  return /^50*$/.test(rest) && /[02468]$/.test(kept);
}

function scientific({ digits, exponent }: Decimal): string {
  const fraction = digits.length > 1 ? `.${digits.slice(1)}` : '';
  return `${digits[0] ?? '0'}${fraction}e${exponent < 0 ? '-' : '+'}${String(Math.abs(exponent)).padStart(2, '0')}`;
}

function plain({ digits, exponent }: Decimal): string {
  if (exponent < 0) return `0.${'0'.repeat(-exponent - 1)}${digits}`;
  const whole = digits.slice(0, exponent + 1).padEnd(exponent + 1, '0');
  const fraction = digits.slice(exponent + 1);
  return fraction === '' ? whole : `${whole}.${fraction}`;
}

/** `toFixed` gives up its digits from 1e21 on, where a double has no fraction any more. */
function fixed(magnitude: number, precision: number): string {
  if (magnitude >= 1e21) return precision === 0 ? String(BigInt(magnitude)) : `${BigInt(magnitude)}.${'0'.repeat(precision)}`;
  const kept = Math.min(MAX_DIGITS, precision);
  const exact = magnitude.toFixed(MAX_DIGITS);
  const end = exact.length - (MAX_DIGITS - kept);
  const truncated = exact.slice(0, end).replace(/\.$/, '');
  const text = isTie(exact.slice(end), truncated) ? truncated : magnitude.toFixed(kept);
  return text + '0'.repeat(precision - kept);
}

/**
 * `%g`: an exponent where it is below -4 or not below the precision; the shortest form decides as with precision 6.
 * Zeros at the end of the fraction are left out.
 */
function general(magnitude: number, precision: number | undefined): string {
  const wanted = precision === 0 ? 1 : precision;
  const decimal = parts(magnitude, wanted === undefined ? undefined : wanted - 1);
  const digits = decimal.digits.replace(/0+$/, '') || '0';
  let limit = wanted ?? 6;
  if (wanted !== undefined && limit > digits.length && digits.length > decimal.exponent) limit = digits.length;
  if (decimal.exponent < -4 || decimal.exponent >= limit) return scientific({ digits, exponent: decimal.exponent });
  return plain({ digits, exponent: decimal.exponent });
}

/** The parts of a finite double: `mantissa * 2 ** exponent`, the mantissa of 53 bits where the number is normal. */
function binary(magnitude: number): { mantissa: bigint; exponent: number } {
  const bits = new DataView(new ArrayBuffer(8));
  bits.setFloat64(0, magnitude);
  const all = bits.getBigUint64(0);
  const biased = Number((all >> 52n) & 0x7ffn);
  const fraction = all & ((1n << 52n) - 1n);
  return biased === 0 ? { mantissa: fraction, exponent: -1074 } : { mantissa: fraction | (1n << 52n), exponent: biased - 1075 };
}

/** `%b`: `4503599627370496p-52`. */
export function formatMantissaExponent(value: number): string {
  if (!Number.isFinite(value)) return formatFloatVerb(value, 'e', undefined);
  const { mantissa, exponent } = binary(Math.abs(value));
  const sign = value < 0 || Object.is(value, -0) ? '-' : '';
  return `${sign}${mantissa}p${exponent < 0 ? '-' : '+'}${Math.abs(exponent)}`;
}

/** `%x`: `0x1.8p+01`, with as many hexadecimal digits as are needed or asked for, rounded to even. */
export function formatHexFloat(value: number, precision: number | undefined): string {
  if (!Number.isFinite(value)) return formatFloatVerb(value, 'e', undefined);
  const sign = value < 0 || Object.is(value, -0) ? '-' : '';
  let { mantissa, exponent } = binary(Math.abs(value));
  if (mantissa !== 0n) {
    while (mantissa < 1n << 52n) {
      mantissa <<= 1n;
      exponent--;
    }
    exponent += 52;
  } else exponent = 0;
  if (precision !== undefined && precision < 13) {
    const dropped = BigInt(4 * (13 - precision));
    const rest = mantissa & ((1n << dropped) - 1n);
    const half = 1n << (dropped - 1n);
    mantissa >>= dropped;
    if (rest > half || (rest === half && (mantissa & 1n) === 1n)) mantissa++;
    mantissa <<= dropped;
    if (mantissa >= 1n << 53n) {
      mantissa >>= 1n;
      exponent++;
    }
  }
  const whole = mantissa >> 52n;
  const digits = (mantissa & ((1n << 52n) - 1n)).toString(16).padStart(13, '0');
  const fraction = precision === undefined ? digits.replace(/0+$/, '') : digits.slice(0, precision).padEnd(precision, '0');
  const point = fraction === '' ? '' : `.${fraction}`;
  return `${sign}0x${whole}${point}p${exponent < 0 ? '-' : '+'}${String(Math.abs(exponent)).padStart(2, '0')}`;
}

import { NamedValue, StructValue, textOf } from './value.ts';
import type { Methods, Value } from './value.ts';

const MONTHS = ['January', 'February', 'March', 'April', 'May', 'June', 'July', 'August', 'September', 'October', 'November', 'December'];
const DAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];
const LAYOUT = new RegExp(
  [
    'January|Jan(?![a-z])|Monday|Mon(?![a-z])|2006|MST|Z07:00:00|Z070000|Z0700|Z07:00|Z07|-07:00:00|-070000|-0700|-07:00|-07',
    '002|01|02|03|04|05|06|15|__2|_2(?!006)|PM|pm|[.,](?:0+|9+)(?!\\d)|1|2|3|4|5',
  ].join('|'),
  'g',
);

/** Fractions of a millisecond are lost: Belfry's and Prometheus's times have none. */
interface Time {
  readonly date: Date;
  readonly nanoseconds: number;
}

function two(value: number, fill = '0'): string {
  return String(value).padStart(2, fill);
}

/** Formats a UTC time in Go's layout language (the reference time is `Mon Jan 2 15:04:05 MST 2006`). */
export function formatGoTime(ms: number, layout: string): string {
  const date = new Date(ms);
  const time = { date, nanoseconds: (((ms % 1000) + 1000) % 1000) * 1_000_000 };
  return layout.replaceAll(LAYOUT, (part) => formatPart(time, part));
}

function formatPart(time: Time, part: string): string {
  const { date } = time;
  const month = MONTHS[date.getUTCMonth()] ?? '';
  const day = DAYS[date.getUTCDay()] ?? '';
  const hour12 = date.getUTCHours() % 12 || 12;
  const dayOfYear = Math.floor((date.getTime() - Date.UTC(date.getUTCFullYear(), 0, 1)) / 86_400_000) + 1;
  switch (part) {
    case 'January':
      return month;
    case 'Jan':
      return month.slice(0, 3);
    case 'Monday':
      return day;
    case 'Mon':
      return day.slice(0, 3);
    case '2006':
      return String(date.getUTCFullYear()).padStart(4, '0');
    case '06':
      return two(date.getUTCFullYear() % 100);
    case '01':
      return two(date.getUTCMonth() + 1);
    case '1':
      return String(date.getUTCMonth() + 1);
    case '02':
      return two(date.getUTCDate());
    case '_2':
      return two(date.getUTCDate(), ' ');
    case '2':
      return String(date.getUTCDate());
    case '002':
      return String(dayOfYear).padStart(3, '0');
    case '__2':
      return String(dayOfYear).padStart(3, ' ');
    case '15':
      return two(date.getUTCHours());
    case '03':
      return two(hour12);
    case '3':
      return String(hour12);
    case '04':
      return two(date.getUTCMinutes());
    case '4':
      return String(date.getUTCMinutes());
    case '05':
      return two(date.getUTCSeconds());
    case '5':
      return String(date.getUTCSeconds());
    case 'PM':
      return date.getUTCHours() < 12 ? 'AM' : 'PM';
    case 'pm':
      return date.getUTCHours() < 12 ? 'am' : 'pm';
    case 'MST':
      return 'UTC';
    default:
      return formatZoneOrFraction(time, part);
  }
}

function formatZoneOrFraction(time: Time, part: string): string {
  if (part.startsWith('Z')) return 'Z';
  if (part.startsWith('-')) return part.replaceAll('7', '0').replace('-', '+');
  const digits = String(time.nanoseconds)
    .padStart(9, '0')
    .slice(0, part.length - 1);
  const point = part[0] ?? '.';
  if (part.includes('0')) return point + digits;
  const kept = digits.replace(/0+$/, '');
  return kept === '' ? '' : point + kept;
}

/** Go's `time.Time` in UTC: prints as Go prints it, with the methods templates use. */
export function timeValue(ms: number): StructValue {
  const time: Time = { date: new Date(ms), nanoseconds: (((ms % 1000) + 1000) % 1000) * 1_000_000 };
  const { date } = time;
  const itself = (): StructValue => timeValue(ms);
  const int =
    (value: number): (() => bigint) =>
    () =>
      BigInt(value);
  const method = (call: () => Value): Methods[string] => ({ params: [], call });
  const methods: Methods = {
    Format: { params: ['string'], call: ([layout]) => formatGoTime(ms, textOf(layout)) },
    UTC: method(itself),
    Local: method(itself),
    Unix: method(int(Math.floor(ms / 1000))),
    UnixMilli: method(int(ms)),
    UnixNano: method(() => BigInt(ms) * 1_000_000n),
    Year: method(int(date.getUTCFullYear())),
    Month: method(() => nameOf('time.Month', date.getUTCMonth() + 1, MONTHS[date.getUTCMonth()])),
    Weekday: method(() => nameOf('time.Weekday', date.getUTCDay(), DAYS[date.getUTCDay()])),
    Day: method(int(date.getUTCDate())),
    Hour: method(int(date.getUTCHours())),
    Minute: method(int(date.getUTCMinutes())),
    Second: method(int(date.getUTCSeconds())),
    YearDay: method(() => BigInt(formatGoTime(ms, '002').replace(/^0+/, ''))),
    IsZero: method(() => ms === -62_135_596_800_000),
    String: method(() => formatGoTime(ms, GO_STRING)),
    Nanosecond: method(() => BigInt(time.nanoseconds)),
    UnixMicro: method(() => BigInt(ms) * 1000n),
    Add: { params: ['time.Duration'], call: ([by]) => timeValue(ms + Number(nanosecondsOf(by) / NS_PER_MS)) },
    AddDate: {
      params: ['int', 'int', 'int'],
      call: ([years, months, days]) => timeValue(addDate(date, Number(years), Number(months), Number(days))),
    },
    Sub: { params: ['time.Time'], call: ([other]) => durationOf(BigInt(ms - timeMs(other)) * NS_PER_MS) },
    Truncate: { params: ['time.Duration'], call: ([by]) => timeValue(truncated(ms, nanosecondsOf(by))) },
    Before: { params: ['time.Time'], call: ([other]) => ms < timeMs(other) },
    After: { params: ['time.Time'], call: ([other]) => ms > timeMs(other) },
    Equal: { params: ['time.Time'], call: ([other]) => ms === timeMs(other) },
    Compare: { params: ['time.Time'], call: ([other]) => BigInt(Math.sign(ms - timeMs(other))) },
  };
  const text = formatGoTime(ms, GO_STRING);
  return new StructValue('*time.Time', {}, { text, methods, inner: ms, unexported: ['wall', 'ext', 'loc'] });
}

const NS_PER_MS = 1_000_000n;

function nameOf(type: string, value: number, text = ''): NamedValue {
  return new NamedValue(type, BigInt(value), { text, methods: { String: { params: [], call: () => text } } });
}

function addDate(date: Date, years: number, months: number, days: number): number {
  const moved = new Date(date);
  moved.setUTCFullYear(date.getUTCFullYear() + years, date.getUTCMonth() + months, date.getUTCDate() + days);
  return moved.getTime();
}

/** Down to a multiple of the duration since the year one, as Go's times count. */
function truncated(ms: number, nanoseconds: bigint): number {
  if (nanoseconds <= 0n) return ms;
  const sinceYearOne = (BigInt(ms) - YEAR_ONE_MS) * NS_PER_MS;
  return ms - Math.ceil(Number(sinceYearOne % nanoseconds) / 1e6);
}

const YEAR_ONE_MS = -62_135_596_800_000n;

const GO_STRING = '2006-01-02 15:04:05.999999999 -0700 MST';

function timeMs(value: Value): number {
  const ms = value instanceof StructValue ? value.inner : undefined;
  return typeof ms === 'number' ? ms : Number.NaN;
}

function nanosecondsOf(value: Value): bigint {
  return value instanceof NamedValue && typeof value.content === 'bigint' ? value.content : 0n;
}

/** A pointer to Go's `time.Duration`, which is what Prometheus's function gives. */
export function durationPointer(seconds: number): StructValue {
  const nanoseconds = seconds * 1e9;
  const fits = nanoseconds > -(2 ** 63) && nanoseconds < 2 ** 63;
  const inner = durationOf(fits ? BigInt(Math.trunc(nanoseconds)) : -(2n ** 63n));
  return new StructValue('*time.Duration', {}, { inner, methods: inner.methods, text: inner.text ?? '' });
}

/** Go's `time.Duration`. */
export function durationOf(nanoseconds: bigint): NamedValue {
  const text = goDuration(nanoseconds);
  const float = (unit: number) => ({ params: [], call: () => Number(nanoseconds) / unit });
  const int = (unit: bigint) => ({ params: [], call: () => nanoseconds / unit });
  const methods: Methods = {
    Seconds: float(1e9),
    Minutes: float(60e9),
    Hours: float(3600e9),
    Milliseconds: int(NS_PER_MS),
    Microseconds: int(1000n),
    Nanoseconds: int(1n),
    Abs: { params: [], call: () => durationOf(nanoseconds < 0n ? -nanoseconds : nanoseconds) },
    String: { params: [], call: () => text },
  };
  return new NamedValue('time.Duration', nanoseconds, { text, methods });
}

function goDuration(nanoseconds: bigint): string {
  if (nanoseconds === 0n) return '0s';
  const sign = nanoseconds < 0n ? '-' : '';
  const rest = nanoseconds < 0n ? -nanoseconds : nanoseconds;
  for (const [unit, size] of [
    ['ns', 1n],
    ['µs', 1000n],
    ['ms', 1_000_000n],
  ] as const)
    if (rest < size * 1000n) return `${sign}${decimal(rest, size)}${unit}`;
  const minutes = rest / 60_000_000_000n;
  const seconds = `${decimal(rest % 60_000_000_000n, 1_000_000_000n)}s`;
  if (minutes === 0n) return sign + seconds;
  return minutes < 60n ? `${sign}${minutes}m${seconds}` : `${sign}${minutes / 60n}h${minutes % 60n}m${seconds}`;
}

/** A number of units with what is left over as a fraction, without the zeros at its end. */
function decimal(value: bigint, unit: bigint): string {
  const fraction = String(value % unit)
    .padStart(String(unit).length - 1, '0')
    .replace(/0+$/, '');
  return fraction === '' || unit === 1n ? String(value / unit) : `${value / unit}.${fraction}`;
}

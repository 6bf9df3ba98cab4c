import { StructValue, textOf } from './value.ts';
import type { Methods, Value } from './value.ts';

const MONTHS = ['January', 'February', 'March', 'April', 'May', 'June', 'July', 'August', 'September', 'October', 'November', 'December'];
const DAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];
const LAYOUT = new RegExp(
  [
    'January|Jan(?![a-z])|Monday|Mon(?![a-z])|2006|MST|Z07:00:00|Z070000|Z0700|Z07:00|Z07|-07:00:00|-070000|-0700|-07:00|-07',
    '002|01|02|03|04|05|06|15|__2|_2|PM|pm|[.,](?:0+|9+)(?!\\d)|1|2|3|4|5',
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
  const date = new Date(ms);
  const itself = (): StructValue => timeValue(ms);
  const int =
    (value: number): (() => bigint) =>
    () =>
      BigInt(value);
  const method = (call: () => bigint | StructValue | string | boolean): Methods[string] => ({ params: [], call });
  const methods: Methods = {
    Format: { params: ['string'], call: ([layout]) => formatGoTime(ms, textOf(layout)) },
    UTC: method(itself),
    Local: method(itself),
    Unix: method(int(Math.floor(ms / 1000))),
    UnixMilli: method(int(ms)),
    UnixNano: method(() => BigInt(ms) * 1_000_000n),
    Year: method(int(date.getUTCFullYear())),
    Month: method(() => new StructValue('time.Month', {}, { text: MONTHS[date.getUTCMonth()] ?? '' })),
    Weekday: method(() => new StructValue('time.Weekday', {}, { text: DAYS[date.getUTCDay()] ?? '' })),
    Day: method(int(date.getUTCDate())),
    Hour: method(int(date.getUTCHours())),
    Minute: method(int(date.getUTCMinutes())),
    Second: method(int(date.getUTCSeconds())),
    YearDay: method(() => BigInt(formatGoTime(ms, '002').replace(/^0+/, ''))),
    IsZero: method(() => ms === -62_135_596_800_000),
    String: method(() => formatGoTime(ms, GO_STRING)),
    Add: { params: ['struct'], call: ([by]) => timeValue(ms + durationMs(by)) },
    Sub: { params: ['struct'], call: ([other]) => durationValue((ms - timeMs(other)) / 1000) },
    Before: { params: ['struct'], call: ([other]) => ms < timeMs(other) },
    After: { params: ['struct'], call: ([other]) => ms > timeMs(other) },
  };
  return new StructValue('*time.Time', { unixMs: ms }, { text: formatGoTime(ms, GO_STRING), methods });
}

const GO_STRING = '2006-01-02 15:04:05.999999999 -0700 MST';

function timeMs(value: Value): number {
  const ms = value instanceof StructValue ? value.fields.get('unixMs') : undefined;
  if (typeof ms !== 'number') throw new Error('wrong type for value; expected time.Time');
  return ms;
}

function durationMs(value: Value): number {
  const seconds = value instanceof StructValue ? value.fields.get('seconds') : undefined;
  if (typeof seconds !== 'number') throw new Error('wrong type for value; expected time.Duration');
  return Math.round(seconds * 1000);
}

/** Go's `time.Duration`. */
export function durationValue(seconds: number): StructValue {
  const text = goDuration(seconds);
  const methods: Methods = {
    Seconds: { params: [], call: () => seconds },
    Minutes: { params: [], call: () => seconds / 60 },
    Hours: { params: [], call: () => seconds / 3600 },
    Milliseconds: { params: [], call: () => BigInt(Math.trunc(seconds * 1000)) },
    String: { params: [], call: () => text },
  };
  return new StructValue('time.Duration', { seconds }, { text, methods });
}

function goDuration(seconds: number): string {
  const sign = seconds < 0 ? '-' : '';
  const magnitude = Math.abs(seconds);
  if (magnitude === 0) return '0s';
  const exact = (value: number): string => String(Number(value.toFixed(9)));
  if (magnitude < 1e-6) return `${sign}${Math.round(magnitude * 1e9)}ns`;
  if (magnitude < 1e-3) return `${sign}${exact(magnitude * 1e6)}µs`;
  if (magnitude < 1) return `${sign}${exact(magnitude * 1e3)}ms`;
  const hours = Math.floor(magnitude / 3600);
  const minutes = Math.floor(magnitude / 60) % 60;
  const rest = exact(magnitude - hours * 3600 - minutes * 60);
  if (hours > 0) return `${sign}${hours}h${minutes}m${rest}s`;
  return minutes > 0 ? `${sign}${minutes}m${rest}s` : `${sign}${rest}s`;
}

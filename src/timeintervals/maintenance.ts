import { parse } from 'node-cron';
import { BelfryError, errorText } from '../core/errors.ts';
import { civilAt, instantOf } from './civil-time.ts';

const DAY_MS = 86_400_000;
/** A longer window would be a cluster that is never looked after. */
export const MAINTENANCE_MAX_MS = 7 * DAY_MS;

/** Starts of something that comes again, in minutes of local time. */
export interface Schedule {
  readonly minutes: readonly number[];
  readonly hours: readonly number[];
  readonly monthDays: ReadonlySet<number>;
  readonly months: ReadonlySet<number>;
  /** 0 is Sunday. */
  readonly weekDays: ReadonlySet<number>;
}

/**
 * A schedule as crontab(5) writes it: minute, hour, day of the month, month, day of the week, or a name such as
 * `@daily`. Throws `BAD_REQUEST` for anything else, also for seconds and for the extensions `L`, `W` and `#`.
 */
export function parseSchedule(text: string): Schedule {
  const expected = 'expected the five fields of cron: minute, hour, day of the month, month, day of the week, such as 0 2 * * 6';
  if (!/^\s*@[a-z]+\s*$/.test(text) && text.trim().split(/\s+/).length !== 5) throw new BelfryError('BAD_REQUEST', expected);
  let fields;
  try {
    fields = parse(text.trim());
  } catch (error) {
    throw new BelfryError('BAD_REQUEST', `not a schedule: ${errorText(error)} (${expected})`, { cause: error });
  }
  const numbers = (values: readonly (number | string)[]): readonly number[] => {
    const strange = values.find((value) => typeof value !== 'number');
    if (strange !== undefined) throw new BelfryError('BAD_REQUEST', `not a schedule: ${strange} is not known here (${expected})`);
    return values.filter((value) => typeof value === 'number').toSorted((a, b) => a - b);
  };
  const { minute, hour, dayOfMonth, month, dayOfWeek } = fields;
  return {
    minutes: numbers(minute),
    hours: numbers(hour),
    monthDays: new Set(numbers(dayOfMonth)),
    months: new Set(numbers(month)),
    weekDays: new Set(numbers(dayOfWeek)),
  };
}

/** When people work on a cluster; `cluster` may be `*` for all. */
export interface MaintenanceEntry {
  readonly cluster: string;
  readonly schedule: Schedule;
  readonly forMs: number;
  /** IANA zone of the schedule. */
  readonly timezone: string;
  /** What it is called in messages. */
  readonly name: string;
}

export interface OpenWindow {
  readonly name: string;
  /** Wall time. */
  readonly since: number;
  readonly until: number;
}

/** The maintenance windows of a configuration. Pure: the wall time is an argument. */
export class MaintenanceWindows {
  readonly #entries: readonly MaintenanceEntry[];

  constructor(entries: readonly MaintenanceEntry[]) {
    this.#entries = entries;
  }

  /** Whether a window may ever be open for the cluster. */
  concern(cluster: string): boolean {
    return this.#entries.some((entry) => entry.cluster === cluster || entry.cluster === '*');
  }

  /** Names of all windows that are open for a cluster, each once, sorted. */
  openNames(cluster: string, wallMs: number): readonly string[] {
    const names = new Set<string>();
    for (const entry of this.#entries) {
      if (entry.cluster !== cluster && entry.cluster !== '*') continue;
      if (lastStart(entry.schedule, entry.timezone, wallMs - entry.forMs, wallMs) !== undefined) names.add(entry.name);
    }
    return [...names].toSorted();
  }

  /** The window that is open for a cluster, of several the one that ends last; undefined where none is. */
  openFor(cluster: string, wallMs: number): OpenWindow | undefined {
    let open: OpenWindow | undefined;
    for (const entry of this.#entries) {
      if (entry.cluster !== cluster && entry.cluster !== '*') continue;
      const since = lastStart(entry.schedule, entry.timezone, wallMs - entry.forMs, wallMs);
      if (since === undefined || since + entry.forMs <= (open?.until ?? 0)) continue;
      open = { name: entry.name, since, until: since + entry.forMs };
    }
    return open;
  }
}

/**
 * The last start after `from` and not after `to`, both wall time. A time that the clocks show twice is a start once, the
 * first time; one that they jump over starts when they jump, so that no window is left out.
 */
export function lastStart(schedule: Schedule, timezone: string, from: number, to: number): number | undefined {
  const lastDay = Math.floor(civilAt(timezone, to) / DAY_MS) * DAY_MS;
  // A start that the clocks jump over may belong to the local day before.
  const firstDay = Math.floor(civilAt(timezone, from) / DAY_MS) * DAY_MS - DAY_MS;
  for (let day = lastDay; day >= firstDay; day -= DAY_MS) {
    if (!isOn(schedule, new Date(day))) continue;
    const start = lastOfDay(schedule, timezone, day, to);
    if (start !== undefined) return start > from ? start : undefined;
  }
  return undefined;
}

/** Later in the order of a day is never an earlier instant, also where the clocks are set back. */
function lastOfDay({ hours, minutes }: Schedule, timezone: string, day: number, to: number): number | undefined {
  for (const hour of hours.toReversed()) {
    for (const minute of minutes.toReversed()) {
      const start = instantOf(timezone, day + (hour * 60 + minute) * 60_000);
      if (start <= to) return start;
    }
  }
  return undefined;
}

/** As crontab(5): where both kinds of days are restricted, either will do. */
function isOn({ monthDays, months, weekDays }: Schedule, civil: Date): boolean {
  if (!months.has(civil.getUTCMonth() + 1)) return false;
  const [onMonthDay, onWeekDay] = [monthDays.has(civil.getUTCDate()), weekDays.has(civil.getUTCDay())];
  const bothRestricted = monthDays.size < 31 && weekDays.size < 7;
  return bothRestricted ? onMonthDay || onWeekDay : onMonthDay && onWeekDay;
}

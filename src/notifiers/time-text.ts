/** Writes times for people, in one zone, always with its name. */
export class TimeText {
  readonly #format: Intl.DateTimeFormat;

  /** For an IANA name such as `Europe/Berlin`; UTC where undefined. Zones come from the configuration, so they are few. */
  static in(timeZone = 'UTC'): TimeText {
    const known = KNOWN.get(timeZone);
    if (known !== undefined) return known;
    if (KNOWN.size >= MAX_KNOWN) KNOWN.clear();
    const made = new TimeText(timeZone);
    KNOWN.set(timeZone, made);
    return made;
  }

  private constructor(timeZone: string) {
    this.#format = new Intl.DateTimeFormat('en-US', {
      timeZone,
      hourCycle: 'h23',
      year: 'numeric',
      month: 'short',
      day: 'numeric',
      hour: '2-digit',
      minute: '2-digit',
      second: '2-digit',
      timeZoneName: 'short',
    });
  }

  /** `14:02:07 UTC`, with the date before it where that is not the day of `reference`: `20 Nov 14:02:07 UTC`. */
  at(timeMs: number, reference: number): string {
    const time = this.#parts(timeMs);
    const clock = `${time.hour}:${time.minute}:${time.second} ${time.timeZoneName}`;
    const other = this.#parts(reference);
    if (time.year === other.year && time.month === other.month && time.day === other.day) return clock;
    return time.year === other.year ? `${time.day} ${time.month} ${clock}` : `${time.day} ${time.month} ${time.year} ${clock}`;
  }

  /** `22 Nov 2026 14:02:07 UTC`. */
  full(timeMs: number): string {
    const time = this.#parts(timeMs);
    return `${time.day} ${time.month} ${time.year} ${time.hour}:${time.minute}:${time.second} ${time.timeZoneName}`;
  }

  #parts(timeMs: number): Record<'year' | 'month' | 'day' | 'hour' | 'minute' | 'second' | 'timeZoneName', string> {
    const parts = { year: '', month: '', day: '', hour: '', minute: '', second: '', timeZoneName: '' };
    // A time that no calendar has (a broken restore) must not cost the message.
    const valid = Math.abs(timeMs) <= 8.64e15 ? timeMs : 0;
    for (const { type, value } of this.#format.formatToParts(valid)) if (type in parts) parts[type as keyof typeof parts] = value;
    return parts;
  }
}

/** Making a formatter costs milliseconds, using it microseconds. */
const KNOWN = new Map<string, TimeText>();
const MAX_KNOWN = 100;

const DAY_MS = 86_400_000;
const formats = new Map<string, Intl.DateTimeFormat>();

/**
 * What the clocks of a time zone show at an instant, as milliseconds of a UTC time with the same digits, whole seconds.
 * RangeError for a zone that is not known.
 */
export function civilAt(zone: string, at: number): number {
  let format = formats.get(zone);
  if (format === undefined) {
    const number = 'numeric';
    format = new Intl.DateTimeFormat('en-US', {
      timeZone: zone,
      hourCycle: 'h23',
      year: number,
      month: number,
      day: number,
      hour: number,
      minute: number,
      second: number,
    });
    formats.set(zone, format);
  }
  const parts = new Map(format.formatToParts(at).map(({ type, value }) => [type, Number(value)]));
  const get = (type: Intl.DateTimeFormatPartTypes): number => parts.get(type) ?? 0;
  return Date.UTC(get('year'), get('month') - 1, get('day'), get('hour'), get('minute'), get('second'));
}

/**
 * The instant at which the clocks of the zone show the given time: the first one where they show it twice, and the
 * moment they jump where they never show it.
 */
export function instantOf(zone: string, civil: number): number {
  // A day before and a day after, the offsets are those on both sides of any change of the clocks between.
  const offsets = [civil - DAY_MS, civil + DAY_MS].map((at) => civilAt(zone, at) - at);
  const found = offsets.map((offset) => civil - offset).filter((at) => civilAt(zone, at) === civil);
  if (found.length > 0) return Math.min(...found);
  return firstShowing(zone, civil);
}

/** The first instant at which the clocks show that time or a later one; they jump over it within the two days around it. */
function firstShowing(zone: string, civil: number): number {
  let before = Math.floor(civil / 1000) - 2 * 86_400;
  let after = before + 4 * 86_400;
  while (after - before > 1) {
    const middle = Math.floor((before + after) / 2);
    if (civilAt(zone, middle * 1000) >= civil) after = middle;
    else before = middle;
  }
  return after * 1000;
}

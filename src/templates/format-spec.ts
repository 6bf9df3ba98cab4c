/** What stands between a `%` and its verb. */
export interface Format {
  /** `%+v`: structs with the names of their fields; the plus then asks for no sign. */
  named: boolean;
  plus: boolean;
  minus: boolean;
  sharp: boolean;
  space: boolean;
  zero: boolean;
  width: number | undefined;
  precision: number | undefined;
}

export function noFormat(): Format {
  return { named: false, plus: false, minus: false, sharp: false, space: false, zero: false, width: undefined, precision: undefined };
}

/** Fills a text up to the width, in characters. */
export function pad(text: string, format: Format, zero = format.zero): string {
  if (format.width === undefined || text.length >= 2 * format.width) return text;
  const missing = (format.width ?? 0) - Array.from(text).length;
  if (missing <= 0) return text;
  if (format.minus) return text + ' '.repeat(missing);
  return (zero ? '0' : ' ').repeat(missing) + text;
}

/** Cuts a text to the precision, in characters. */
export function truncated(text: string, format: Format): string {
  return format.precision === undefined ? text : Array.from(text).slice(0, format.precision).join('');
}

import { BelfryError } from '../core/errors.ts';
import type { Labels } from '../core/labels.ts';
import { LIMITS } from '../core/limits.ts';
import { type ExpositionFormat, type LineLimits, parseSampleLine } from './exposition.ts';

/**
 * The series of a page and, where every value stands at the end of its line, all its bytes but the values: a page
 * with the same layout is then read without making a single string. Immutable, shared by all pages that have it.
 */
export interface PageLayout {
  /** One for each sample without a timestamp of its own, in the order of the page, each series once. */
  readonly series: readonly Labels[];
  /** Undefined where pages of this layout must be parsed whole each time. */
  readonly template: PageTemplate | undefined;
}

interface PageTemplate {
  /** The fixed bytes of all lines, one after the other, line ends left out. */
  readonly bytes: Uint8Array;
  /** Line i has the bytes [starts[i], starts[i + 1]). */
  readonly starts: Int32Array;
  /** The column of line i's value, or -1 for a line that has none. */
  readonly columns: Int32Array;
}

export interface ParsedPage {
  readonly layout: PageLayout;
  /** One value for each series of the layout; reused by the next page. */
  readonly values: Float64Array;
  /** Samples that carry their own timestamp. */
  readonly timestamped: readonly { readonly labels: Labels; readonly value: number; readonly ts: number }[];
  /** Series that stood more than once; the first sample of each was taken. */
  readonly duplicates: number;
}

export interface PageLimits extends LineLimits {
  /** Samples of a page, those that stand twice or carry a time of their own included. */
  readonly seriesMax: number;
}

export const PAGE_LIMITS: PageLimits = { ...LIMITS, seriesMax: LIMITS.seriesPerTarget };

/** A line with as many labels as may be, each as long as may be, has 0.3 MB. */
const LINE_BYTES_MAX = 1024 * 1024;
/** Lines of comment that a sample may have (HELP, TYPE and UNIT), and blank ones between. */
const LINES_A_SAMPLE = 4;
/** Bytes parsed the careful way before others get a turn: some ten milliseconds. */
const SLICE_BYTES = 64 * 1024;

const NEWLINE = 10;
const HASH = 35;

/** Reads one target's pages; remembers the layout of the last one. */
export class PageParser {
  readonly #limits: PageLimits;
  #layout: PageLayout | undefined;
  #values: Float64Array = new Float64Array(0);

  constructor(limits: PageLimits = PAGE_LIMITS) {
    this.#limits = limits;
  }

  /**
   * Throws `EXPOSITION_MALFORMED`, `SCRAPE_TOO_MANY_SERIES`, `SCRAPE_LABEL_TOO_LONG`, `SCRAPE_BODY_TOO_LARGE` (too many
   * lines); the page then counts as a whole for nothing.
   */
  parse(body: Uint8Array, format: ExpositionFormat): ParsedPage {
    return this.#again(body) ?? this.#keep(new ColdPage(body, format, this.#limits).parse());
  }

  /** As `parse`; a page with another layout is read in slices, with `pause` between them. One page at a time. */
  async parseInSlices(body: Uint8Array, format: ExpositionFormat, pause: () => Promise<void>): Promise<ParsedPage> {
    const known = this.#again(body);
    if (known !== undefined) return known;
    const page = new ColdPage(body, format, this.#limits);
    while (page.read(SLICE_BYTES)) await pause();
    return this.#keep(page.finish());
  }

  /** A page whose layout is that of the last one. */
  #again(body: Uint8Array): ParsedPage | undefined {
    const known = this.#layout;
    if (known?.template === undefined || !fillValues(known.template, body, this.#values)) return undefined;
    return { layout: known, values: this.#values, timestamped: [], duplicates: 0 };
  }

  #keep(page: ParsedPage): ParsedPage {
    this.#values = page.values;
    this.#layout = page.layout;
    return page;
  }
}

/** Parses a page once. */
export function parsePage(body: Uint8Array, format: ExpositionFormat, limits: PageLimits = PAGE_LIMITS): ParsedPage {
  return new PageParser(limits).parse(body, format);
}

/** True when the page has exactly the template's fixed bytes; its values are then in `values`. Makes no string, no object. */
function fillValues(template: PageTemplate, body: Uint8Array, values: Float64Array): boolean {
  const { bytes, starts, columns } = template;
  let at = 0;
  for (let line = 0; line < columns.length; line++) {
    const end = starts[line + 1] ?? 0;
    for (let i = starts[line] ?? 0; i < end; i++) if (bytes[i] !== body[at++]) return false;
    const column = columns[line] ?? -1;
    if (column >= 0) {
      const stop = lineEnd(body, at);
      const value = readNumber(body, at, stop);
      // A text that is no plain number (or a number and a timestamp) is left to the careful parser.
      if (value !== value && !isNaNText(body, at, stop)) return false;
      values[column] = value;
      at = stop;
    }
    if (at < body.length && body[at] !== NEWLINE) return false;
    at++;
  }
  return at >= body.length;
}

function lineEnd(body: Uint8Array, from: number): number {
  let at = from;
  while (at < body.length && body[at] !== NEWLINE) at++;
  return at;
}

const POWERS_OF_TEN = Float64Array.from({ length: 23 }, (_, i) => 10 ** i);

/**
 * A decimal number. Exact by Clinger's condition: at most 15 digits and a power of ten up to 22 are one correctly
 * rounded operation; anything else goes through `Number`. NaN where the bytes are no number.
 */
function readNumber(body: Uint8Array, from: number, to: number): number {
  let at = from;
  const negative = body[at] === 45;
  if (negative) at++;
  let mantissa = 0;
  let digits = 0;
  let fraction = 0;
  let seenPoint = false;
  for (; at < to; at++) {
    const byte = body[at] ?? 0;
    if (byte >= 48 && byte <= 57) {
      mantissa = mantissa * 10 + (byte - 48);
      digits++;
      if (seenPoint) fraction++;
    } else if (byte === 46 && !seenPoint) seenPoint = true;
    else break;
  }
  if (at === to && digits > 0 && digits <= 15) {
    const value = fraction === 0 ? mantissa : mantissa / (POWERS_OF_TEN[fraction] ?? 1);
    return negative ? -value : value;
  }
  return slowNumber(body, from, to);
}

function slowNumber(body: Uint8Array, from: number, to: number): number {
  const text = Buffer.from(body.buffer, body.byteOffset + from, to - from).toString('latin1');
  if (/^[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?$/.test(text)) return Number(text);
  if (text === '+Inf') return Infinity;
  return text === '-Inf' ? -Infinity : Number.NaN;
}

function isNaNText(body: Uint8Array, from: number, to: number): boolean {
  return to - from === 3 && body[from] === 78 && body[from + 1] === 97 && body[from + 2] === 78;
}

/** The careful way: every line as text, every series as labels. */
class ColdPage {
  readonly #body: Buffer;
  readonly #format: ExpositionFormat;
  readonly #limits: PageLimits;
  readonly #decoder = new TextDecoder('utf-8', { fatal: true });
  readonly #series: Labels[] = [];
  readonly #values: number[] = [];
  readonly #seen = new Set<string>();
  readonly #timestamped: { labels: Labels; value: number; ts: number }[] = [];
  /** Where the fixed bytes of each line begin and end in the body. */
  readonly #fixedFrom: number[] = [];
  readonly #fixedTo: number[] = [];
  readonly #columns: number[] = [];
  #templated = true;
  #duplicates = 0;
  #ended = false;
  #at = 0;
  #lines = 0;

  constructor(body: Uint8Array, format: ExpositionFormat, limits: PageLimits) {
    this.#body = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
    this.#format = format;
    this.#limits = limits;
  }

  parse(): ParsedPage {
    while (this.read(SLICE_BYTES));
    return this.finish();
  }

  /** Reads the lines that begin within so many bytes; true while there are more. */
  read(bytes: number): boolean {
    const body = this.#body;
    const until = Math.min(body.length, this.#at + bytes);
    while (this.#at < until) {
      const newline = body.indexOf(NEWLINE, this.#at);
      const end = newline < 0 ? body.length : newline;
      this.#lines++;
      if (end - this.#at > LINE_BYTES_MAX)
        throw new BelfryError('EXPOSITION_MALFORMED', `line ${this.#lines}: longer than ${LINE_BYTES_MAX} bytes`);
      this.#line(this.#at, end, this.#lines);
      this.#at = end + 1;
    }
    return this.#at < body.length;
  }

  finish(): ParsedPage {
    if (this.#format === 'openmetrics' && !this.#ended)
      throw new BelfryError('EXPOSITION_MALFORMED', 'the page does not end with # EOF: it was cut off');
    return {
      layout: { series: this.#series, template: this.#templated ? this.#template() : undefined },
      values: Float64Array.from(this.#values),
      timestamped: this.#timestamped,
      duplicates: this.#duplicates,
    };
  }

  #line(from: number, to: number, lineNumber: number): void {
    const bytes = this.#body.subarray(from, to);
    if (this.#ended) throw new BelfryError('EXPOSITION_MALFORMED', `line ${lineNumber}: something after # EOF`);
    const text = this.#decode(bytes, lineNumber);
    if (/^[ \t]*(#|$)/.test(text)) {
      if (bytes[0] === HASH && this.#format === 'openmetrics' && text === '# EOF') this.#ended = true;
      const linesMax = LINES_A_SAMPLE * (this.#limits.seriesMax + 1000);
      if (lineNumber > linesMax) throw new BelfryError('SCRAPE_BODY_TOO_LARGE', `more than ${linesMax} lines`);
      this.#fix(from, to);
      this.#columns.push(-1);
      return;
    }
    const { labels, value, ts, valueStart, valueEnd } = parseSampleLine(text, lineNumber, this.#format, this.#limits);
    if (ts !== undefined) {
      this.#templated = false;
      this.#timestamped.push({ labels, value, ts });
      this.#count();
      return;
    }
    if (this.#seen.has(labels.key)) {
      this.#templated = false;
      this.#duplicates++;
      this.#count();
      return;
    }
    this.#seen.add(labels.key);
    this.#columns.push(this.#series.length);
    this.#series.push(labels);
    this.#values.push(value);
    this.#count();
    // Only a value that ends the line can be read again without looking at the rest.
    if (valueEnd !== text.length) this.#templated = false;
    this.#fix(from, to - (text.length - valueStart));
  }

  #fix(from: number, to: number): void {
    this.#fixedFrom.push(from);
    this.#fixedTo.push(to);
  }

  #count(): void {
    const { seriesMax } = this.#limits;
    if (this.#series.length + this.#timestamped.length + this.#duplicates > seriesMax)
      throw new BelfryError('SCRAPE_TOO_MANY_SERIES', `more than ${seriesMax} series`);
  }

  #decode(bytes: Buffer, lineNumber: number): string {
    try {
      return this.#decoder.decode(bytes);
    } catch (error) {
      throw new BelfryError('EXPOSITION_MALFORMED', `line ${lineNumber}: not UTF-8`, { cause: error });
    }
  }

  #template(): PageTemplate {
    const lines = this.#columns.length;
    const starts = new Int32Array(lines + 1);
    const lengthOf = (line: number): number => (this.#fixedTo[line] ?? 0) - (this.#fixedFrom[line] ?? 0);
    for (let line = 0; line < lines; line++) starts[line + 1] = (starts[line] ?? 0) + lengthOf(line);
    const bytes = new Uint8Array(starts[lines] ?? 0);
    for (let line = 0; line < lines; line++) bytes.set(this.#body.subarray(this.#fixedFrom[line], this.#fixedTo[line]), starts[line]);
    return { bytes, starts, columns: Int32Array.from(this.#columns) };
  }
}

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
  readonly seriesMax: number;
}

export const PAGE_LIMITS: PageLimits = { ...LIMITS, seriesMax: LIMITS.seriesPerTarget };

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

  /** Throws `EXPOSITION_MALFORMED`, `SCRAPE_TOO_MANY_SERIES`, `SCRAPE_LABEL_TOO_LONG`; the page then counts as a whole for nothing. */
  parse(body: Uint8Array, format: ExpositionFormat): ParsedPage {
    const known = this.#layout;
    if (known?.template !== undefined && fillValues(known.template, body, this.#values)) {
      return { layout: known, values: this.#values, timestamped: [], duplicates: 0 };
    }
    const page = new ColdPage(body, format, this.#limits).parse();
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
  readonly #fixed: Uint8Array[] = [];
  readonly #columns: number[] = [];
  #templated = true;
  #duplicates = 0;
  #ended = false;

  constructor(body: Uint8Array, format: ExpositionFormat, limits: PageLimits) {
    this.#body = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
    this.#format = format;
    this.#limits = limits;
  }

  parse(): ParsedPage {
    const body = this.#body;
    let lineNumber = 0;
    for (let start = 0; start < body.length;) {
      const newline = body.indexOf(NEWLINE, start);
      const end = newline < 0 ? body.length : newline;
      this.#line(body.subarray(start, end), ++lineNumber);
      start = end + 1;
    }
    if (this.#format === 'openmetrics' && !this.#ended)
      throw new BelfryError('EXPOSITION_MALFORMED', 'the page does not end with # EOF: it was cut off');
    return {
      layout: { series: this.#series, template: this.#templated ? this.#template() : undefined },
      values: Float64Array.from(this.#values),
      timestamped: this.#timestamped,
      duplicates: this.#duplicates,
    };
  }

  #line(bytes: Buffer, lineNumber: number): void {
    if (this.#ended) throw new BelfryError('EXPOSITION_MALFORMED', `line ${lineNumber}: something after # EOF`);
    const text = this.#decode(bytes, lineNumber);
    if (/^[ \t]*(#|$)/.test(text)) {
      if (bytes[0] === HASH && this.#format === 'openmetrics' && text === '# EOF') this.#ended = true;
      this.#fixed.push(bytes);
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
      return;
    }
    this.#seen.add(labels.key);
    this.#columns.push(this.#series.length);
    this.#series.push(labels);
    this.#values.push(value);
    this.#count();
    // Only a value that ends the line can be read again without looking at the rest.
    if (valueEnd !== text.length) this.#templated = false;
    this.#fixed.push(bytes.subarray(0, bytes.length - (text.length - valueStart)));
  }

  #count(): void {
    const { seriesMax } = this.#limits;
    if (this.#series.length + this.#timestamped.length > seriesMax)
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
    const starts = new Int32Array(this.#fixed.length + 1);
    let total = 0;
    for (const [i, bytes] of this.#fixed.entries()) {
      total += bytes.length;
      starts[i + 1] = total;
    }
    const bytes = new Uint8Array(total);
    for (const [i, part] of this.#fixed.entries()) bytes.set(part, starts[i] ?? 0);
    return { bytes, starts, columns: Int32Array.from(this.#columns) };
  }
}

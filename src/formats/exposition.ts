import { BelfryError } from '../core/errors.ts';
import { Labels, METRIC_NAME } from '../core/labels.ts';
import { LIMITS } from '../core/limits.ts';
import { parseFloatText } from '../core/number-format.ts';

/**
 * Prometheus text format 0.0.4 and OpenMetrics 1.0, a line at a time. Sources: prometheus.io "Exposition formats" and
 * the OpenMetrics specification. Anything that is neither is `EXPOSITION_MALFORMED` with its line.
 */
export type ExpositionFormat = 'text' | 'openmetrics';

/** The format a Content-Type names; text where it names none. */
export function formatOf(contentType: string | undefined): ExpositionFormat {
  return /^\s*application\/openmetrics-text\b/i.test(contentType ?? '') ? 'openmetrics' : 'text';
}

export interface ParsedLine {
  readonly labels: Labels;
  readonly value: number;
  /** Milliseconds since the epoch, where the line has its own timestamp. */
  readonly ts: number | undefined;
  /** Where the value begins in the line, and where it ends. */
  readonly valueStart: number;
  readonly valueEnd: number;
}

export interface LineLimits {
  readonly labelValueBytes: number;
  readonly labelNameBytes: number;
  readonly labelsPerSeries: number;
}

/** Parses one sample line (no comment, not blank). `lineNumber` is for the error. Throws `EXPOSITION_MALFORMED` or a limit. */
export function parseSampleLine(line: string, lineNumber: number, format: ExpositionFormat, limits: LineLimits = LIMITS): ParsedLine {
  return new LineParser(line, lineNumber, format, limits).parse();
}

const BLANK = /[ \t]*/y;
const NAME = /[a-zA-Z_:][a-zA-Z0-9_:]*/y;
const LABEL_NAME = /[a-zA-Z_][a-zA-Z0-9_]*/y;
const NUMBER_TEXT = /[^ \t#{}]+/y;
/** Milliseconds are a signed integer of 64 bits in the text format. */
const TIMESTAMP_END_MS = 2 ** 63;

/**
 * A value or a time on a page: decimal, or a word such as `NaN` and `+Inf`. Hexadecimal digits, underscores and numbers that no
 * double can hold are none, as Prometheus has it. Undefined where it is none.
 */
export function sampleNumber(text: string): number | undefined {
  if (/[pP_]/.test(text)) return undefined;
  const number = parseFloatText(text);
  return number !== undefined && Math.abs(number) === Infinity && /\d/.test(text) ? undefined : number;
}

class LineParser {
  readonly #line: string;
  readonly #lineNumber: number;
  readonly #format: ExpositionFormat;
  readonly #limits: LineLimits;
  #at = 0;

  constructor(line: string, lineNumber: number, format: ExpositionFormat, limits: LineLimits) {
    this.#line = line;
    this.#lineNumber = lineNumber;
    this.#format = format;
    this.#limits = limits;
  }

  parse(): ParsedLine {
    const entries: [string, string][] = [];
    this.#skipBlanks();
    const name = this.#take(NAME);
    if (name !== undefined) entries.push([METRIC_NAME, name]);
    this.#skipBlanks();
    if (this.#line[this.#at] === '{') this.#labels(entries);
    if (!entries.some(([label]) => label === METRIC_NAME)) throw this.#error('expected a metric name');
    this.#skipBlanks();
    const valueStart = this.#at;
    const valueText = this.#take(NUMBER_TEXT);
    const value = valueText === undefined ? undefined : sampleNumber(valueText);
    if (value === undefined) throw this.#error(`expected a value, found ${JSON.stringify(valueText ?? '')}`);
    const valueEnd = this.#at;
    const ts = this.#timestamp();
    this.#rest();
    return { labels: this.#seriesLabels(entries), value, ts, valueStart, valueEnd };
  }

  #labels(entries: [string, string][]): void {
    this.#at++;
    for (;;) {
      this.#skipBlanks();
      if (this.#line[this.#at] === '}') break;
      this.#label(entries);
      this.#skipBlanks();
      if (this.#line[this.#at] === ',') this.#at++;
      // Prometheus reads the text format, and only that, also without the comma.
      else if (this.#line[this.#at] !== '}' && this.#format === 'openmetrics') throw this.#error('expected "," or "}" after a label');
    }
    this.#at++;
  }

  #label(entries: [string, string][]): void {
    const quoted = this.#line[this.#at] === '"';
    const name = quoted ? this.#quoted() : this.#take(LABEL_NAME);
    if (name === undefined || name === '') throw this.#error('expected a label name');
    this.#skipBlanks();
    if (quoted && this.#line[this.#at] !== '=') {
      // {"metric.name", label="value"}: a quoted text alone is the metric's name.
      if (entries.some(([label]) => label === METRIC_NAME)) throw this.#error('a second metric name');
      entries.push([METRIC_NAME, name]);
      return;
    }
    if (this.#line[this.#at] !== '=') throw this.#error('expected "=" after a label name');
    if (name === METRIC_NAME) throw this.#error('the name of a metric is no label on a page');
    this.#at++;
    this.#skipBlanks();
    if (this.#line[this.#at] !== '"') throw this.#error('expected a quoted label value');
    const value = this.#quoted();
    if (entries.some(([label]) => label === name)) throw this.#error(`label ${JSON.stringify(name)} twice`);
    if (entries.length > this.#limits.labelsPerSeries) throw this.#tooLong(`more than ${this.#limits.labelsPerSeries} labels`);
    entries.push([name, value]);
  }

  /** A text in double quotes with the escapes \\, \" and \n; any other escape is kept as it stands. */
  #quoted(): string {
    const start = this.#at + 1;
    let end = start;
    let escaped = false;
    for (; this.#line[end] !== '"'; end++) {
      if (end >= this.#line.length) throw this.#error('a quoted text does not end');
      if (this.#line[end] === '\\') {
        escaped = true;
        end++;
      }
    }
    this.#at = end + 1;
    const raw = this.#line.slice(start, end);
    if (!escaped) return raw;
    return raw.replaceAll(/\\(["\\n])/g, (_, character: string) => (character === 'n' ? '\n' : character));
  }

  /** Milliseconds: text format counts milliseconds, OpenMetrics seconds with a fraction. */
  #timestamp(): number | undefined {
    this.#skipBlanks();
    if (this.#at >= this.#line.length || this.#line[this.#at] === '#') return undefined;
    const text = this.#take(NUMBER_TEXT) ?? '';
    const number = sampleNumber(text);
    const isValid = this.#format === 'openmetrics' ? Number.isFinite(number) : /^\d+$/.test(text) && Number(text) < TIMESTAMP_END_MS;
    if (number === undefined || !isValid) throw this.#error(`expected a timestamp, found ${JSON.stringify(text)}`);
    return this.#format === 'openmetrics' ? Math.round(number * 1000) : number;
  }

  /** Nothing, or an exemplar in OpenMetrics, which Belfry does not keep. */
  #rest(): void {
    this.#skipBlanks();
    if (this.#at >= this.#line.length) return;
    if (this.#format === 'openmetrics' && this.#line.startsWith('# {', this.#at)) return;
    throw this.#error(`unexpected ${JSON.stringify(this.#line.slice(this.#at, this.#at + 20))} at the end`);
  }

  #seriesLabels(entries: readonly [string, string][]): Labels {
    const { labelNameBytes, labelValueBytes } = this.#limits;
    for (const [name, value] of entries) {
      if (name.length * 3 > labelNameBytes && Buffer.byteLength(name) > labelNameBytes)
        throw this.#tooLong(`a label name longer than ${labelNameBytes} bytes`);
      if (value.length * 3 > labelValueBytes && Buffer.byteLength(value) > labelValueBytes) {
        throw this.#tooLong(`the value of ${name.slice(0, 100)} is longer than ${labelValueBytes} bytes`);
      }
    }
    return Labels.of(entries);
  }

  #take(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const match = pattern.exec(this.#line);
    if (match === null) return undefined;
    this.#at = pattern.lastIndex;
    return match[0];
  }

  #skipBlanks(): void {
    this.#take(BLANK);
  }

  #error(what: string): BelfryError {
    return new BelfryError('EXPOSITION_MALFORMED', `line ${this.#lineNumber}: ${what}`, {
      position: { line: this.#lineNumber, column: this.#at + 1 },
    });
  }

  #tooLong(what: string): BelfryError {
    return new BelfryError('SCRAPE_LABEL_TOO_LONG', `line ${this.#lineNumber}: ${what}`, {
      position: { line: this.#lineNumber, column: this.#at + 1 },
    });
  }
}

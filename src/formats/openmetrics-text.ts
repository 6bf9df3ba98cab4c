import { BelfryError } from '../core/errors.ts';
import { isLegacyLabelName, isLegacyMetricName, type Labels, METRIC_NAME } from '../core/labels.ts';
import { formatFloat } from '../core/number-format.ts';
import { parseSampleLine, sampleNumber } from './exposition.ts';
import { escapeValue } from './write-exposition.ts';

/** OpenMetrics 1.0 text with a time at every sample: how history is brought in and taken out. */
export const OPENMETRICS_TYPE = 'application/openmetrics-text; version=1.0.0; charset=utf-8';
export const OPENMETRICS_END = '# EOF\n';

/** Samples of one series in the order of the text. Times in ms. */
export interface TimedSeries {
  readonly labels: Labels;
  readonly ts: number[];
  readonly values: number[];
}

const NEWLINE = 10;
/** Bytes read before others get their turn: some ten milliseconds. */
const SLICE_BYTES = 256 * 1024;
const LINE_BYTES_MAX = 1024 * 1024;

/**
 * Reads whole lines of such a text: all of it, or a part. Comments say nothing here. `firstLine` is the number of the first
 * line, for errors: `BAD_REQUEST` for what is no such line, or has no time.
 */
export class TimedTextReader {
  readonly #bytes: Buffer;
  readonly #decoder = new TextDecoder('utf-8', { fatal: true });
  readonly #series = new Map<string, TimedSeries>();
  #at = 0;
  #line: number;
  #isAtEnd = false;
  #before: { prefix: string; series: TimedSeries } | undefined;

  constructor(bytes: Uint8Array, firstLine = 1) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#line = firstLine - 1;
  }

  /** `# EOF` stood there. */
  get isAtEnd(): boolean {
    return this.#isAtEnd;
  }

  /** Reads a slice; true while there is more. */
  read(): boolean {
    const until = Math.min(this.#bytes.length, this.#at + SLICE_BYTES);
    while (this.#at < until) {
      const newline = this.#bytes.indexOf(NEWLINE, this.#at);
      const end = newline < 0 ? this.#bytes.length : newline;
      this.#line++;
      if (end - this.#at > LINE_BYTES_MAX) throw this.#error(`longer than ${LINE_BYTES_MAX} bytes`);
      this.#take(this.#text(this.#at, end));
      this.#at = end + 1;
    }
    return this.#at < this.#bytes.length;
  }

  series(): readonly TimedSeries[] {
    return [...this.#series.values()];
  }

  #take(text: string): void {
    if (this.#isAtEnd && text !== '') throw this.#error('something after # EOF');
    if (text === '# EOF') this.#isAtEnd = true;
    if (text === '' || text.startsWith('#') || this.#isAnother(text)) return;
    const { labels, value, ts, valueStart } = this.#parsed(text);
    if (ts === undefined) throw this.#error('a sample without a time');
    const series = this.#series.get(labels.key) ?? { labels, ts: [], values: [] };
    this.#series.set(labels.key, series);
    series.ts.push(ts);
    series.values.push(value);
    const prefix = text.slice(0, valueStart);
    // Behind a bare name nothing says where it ends: "up-1 5" and then "up2 5" are two.
    this.#before = /[ }]$/.test(prefix) ? { prefix, series } : undefined;
  }

  /** Mostly the next line is the next sample of the same series, and nothing but value and time has to be read. */
  #isAnother(text: string): boolean {
    const before = this.#before;
    if (before === undefined || !text.startsWith(before.prefix)) return false;
    const [valueText = '', timeText = '', ...more] = text.slice(before.prefix.length).split(' ');
    const [value, seconds] = [sampleNumber(valueText), sampleNumber(timeText)];
    if (more.length > 0 || value === undefined || seconds === undefined || !Number.isFinite(seconds)) return false;
    before.series.ts.push(Math.round(seconds * 1000));
    before.series.values.push(value);
    return true;
  }

  #parsed(text: string): ReturnType<typeof parseSampleLine> {
    try {
      return parseSampleLine(text, this.#line, 'openmetrics');
    } catch (error) {
      if (!(error instanceof BelfryError)) throw error;
      throw new BelfryError('BAD_REQUEST', error.message, { cause: error });
    }
  }

  #text(from: number, to: number): string {
    try {
      const text = this.#decoder.decode(this.#bytes.subarray(from, to));
      return text.endsWith('\r') ? text.slice(0, -1) : text;
    } catch (error) {
      throw new BelfryError('BAD_REQUEST', `line ${this.#line}: not UTF-8`, { cause: error });
    }
  }

  #error(what: string): BelfryError {
    return new BelfryError('BAD_REQUEST', `line ${this.#line}: ${what}`);
  }
}

/** What stands before the samples of a family; its name is without `_total` where it is a counter. */
export function familyHead(name: string, type: string, help: string): string {
  const shown = isLegacyMetricName(name) ? name : quoted(name);
  return `# TYPE ${shown} ${type}\n${help === '' ? '' : `# HELP ${shown} ${escapeValue(help)}\n`}`;
}

/** What every line of a series begins with, up to its value. */
export function seriesPrefix(labels: Labels): string {
  const name = labels.metricName;
  const pairs = [...labels].flatMap(([label, value]) =>
    label === METRIC_NAME ? [] : [`${isLegacyLabelName(label) ? label : quoted(label)}=${quoted(value)}`],
  );
  if (!isLegacyMetricName(name)) return `{${[quoted(name), ...pairs].join(',')}} `;
  return pairs.length === 0 ? `${name} ` : `${name}{${pairs.join(',')}} `;
}

/** Value and time of a sample, with the line's end. */
export function sampleText(value: number, ts: number): string {
  const seconds = Math.floor(Math.abs(ts) / 1000);
  const milliseconds = Math.abs(ts) % 1000;
  const fraction = milliseconds === 0 ? '' : `.${String(milliseconds).padStart(3, '0')}`;
  return `${formatFloat(value)} ${ts < 0 ? '-' : ''}${seconds}${fraction}\n`;
}

function quoted(text: string): string {
  return `"${escapeValue(text)}"`;
}

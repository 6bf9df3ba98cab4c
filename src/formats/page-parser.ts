import { BelfryError } from '../core/errors.ts';
import { hashBytes, hashText } from '../core/fnv.ts';
import type { Labels } from '../core/labels.ts';
import { LIMITS } from '../core/limits.ts';
import { type ExpositionFormat, type LineLimits, parseSampleLine } from './exposition.ts';
import { PageLayout, PageLayouts, PageTemplate } from './page-layout.ts';
import {
  boundCode,
  type BoundLabel,
  boundLabelAfter,
  boundOfCode,
  openMetricsLineFault,
  readComment,
  withWrittenBound,
} from './page-comments.ts';
import { fillValues, readValue, valueEnd } from './page-values.ts';

export interface ParsedPage {
  readonly layout: PageLayout;
  /** One value for each series of the layout; reused by the next page. */
  readonly values: Float64Array;
  /** Samples that carry their own timestamp. */
  readonly timestamped: readonly { readonly labels: Labels; readonly value: number; readonly ts: number }[];
  /** Series that stood more than once; the first sample of each was taken. */
  readonly duplicates: number;
  /** Where some lines of the page before were found again in another order, or among others. */
  readonly change: PageChange | undefined;
}

/** What a page has of the one before it. */
export interface PageChange {
  readonly before: PageLayout;
  /** For each series of the new layout its column in the one before, -1 where it is new. */
  readonly columns: Int32Array;
  /** The new ones, by their column. */
  readonly born: ReadonlyMap<number, Labels>;
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
const SPACE = 32;
const NO_COLUMN = -1;
/** What stands before a value that follows a name without a space between, as in `up-1`. */
const NAME_END = /[^ \t}]/;
/** As long as `# EOF`, which ends a page in OpenMetrics and is looked at each time. */
const EOF_LENGTH = 5;

/** Reads one target's pages; remembers the layout of the last one. */
export class PageParser {
  readonly #limits: PageLimits;
  readonly #layouts: PageLayouts;
  readonly #honorTimestamps: boolean;
  #layout: PageLayout | undefined;
  #values: Float64Array = new Float64Array(0);

  /** Without `honorTimestamps` the times on the page are read, and passed over. */
  constructor(limits: PageLimits = PAGE_LIMITS, layouts: PageLayouts = new PageLayouts(), honorTimestamps = true) {
    this.#limits = limits;
    this.#layouts = layouts;
    this.#honorTimestamps = honorTimestamps;
  }

  /**
   * Throws `EXPOSITION_MALFORMED`, `SCRAPE_TOO_MANY_SERIES`, `SCRAPE_LABEL_TOO_LONG`, `SCRAPE_BODY_TOO_LARGE` (too many
   * lines); the page then counts as a whole for nothing.
   */
  parse(body: Uint8Array, format: ExpositionFormat): ParsedPage {
    const known = this.#again(body, format);
    if (known !== undefined) return known;
    let page = this.#cold(body, format, this.#layout);
    while (page.read(SLICE_BYTES));
    if (page.needsAllLabels) {
      page = this.#cold(body, format, undefined);
      while (page.read(SLICE_BYTES));
    }
    return this.#keep(page.finish());
  }

  /** As `parse`; a page with another layout is read in slices, with `pause` between them. One page at a time. */
  async parseInSlices(body: Uint8Array, format: ExpositionFormat, pause: () => Promise<void>): Promise<ParsedPage> {
    const known = this.#again(body, format);
    if (known !== undefined) return known;
    let page = this.#cold(body, format, this.#layout);
    while (page.read(SLICE_BYTES)) await pause();
    if (page.needsAllLabels) {
      page = this.#cold(body, format, undefined);
      while (page.read(SLICE_BYTES)) await pause();
    }
    return this.#keep(page.finish());
  }

  #cold(body: Uint8Array, format: ExpositionFormat, before: PageLayout | undefined): ColdPage {
    return new ColdPage(body, format, this.#limits, before, this.#honorTimestamps);
  }

  /** A page whose layout is that of the last one. */
  #again(body: Uint8Array, format: ExpositionFormat): ParsedPage | undefined {
    const known = this.#layout;
    if (known?.template === undefined || known.template.format !== format) return undefined;
    if (!fillValues(known.template, body, viewOf(body), this.#values)) return undefined;
    return { layout: known, values: this.#values, timestamped: [], duplicates: 0, change: undefined };
  }

  #keep(page: ParsedPage): ParsedPage {
    const layout = this.#layouts.intern(page.layout);
    this.#values = page.values;
    this.#layout = layout;
    return { ...page, layout };
  }
}

/** Parses a page once. */
export function parsePage(body: Uint8Array, format: ExpositionFormat, limits: PageLimits = PAGE_LIMITS): ParsedPage {
  return new PageParser(limits).parse(body, format);
}

function viewOf(body: Uint8Array): DataView {
  return new DataView(body.buffer, body.byteOffset, body.byteLength);
}

/** Finds the lines of the page before in the next one: mostly each is where the last one left off. */
class KnownLines {
  readonly layout: PageLayout;
  readonly template: PageTemplate;
  /** The line that is expected next. */
  next = 0;
  /** Per line its column, and whether it has been found already. */
  readonly columns: Int32Array;
  readonly #found: Uint8Array;
  #byHash: Map<number, number> | undefined;
  #labelHashes: Set<number> | undefined;

  constructor(layout: PageLayout, template: PageTemplate) {
    this.layout = layout;
    this.template = template;
    this.columns = new Int32Array(template.lines);
    this.#found = new Uint8Array(template.lines);
    let column = 0;
    for (let line = 0; line < template.lines; line++) this.columns[line] = template.valued[line] === 1 ? column++ : NO_COLUMN;
  }

  /** The line whose fixed bytes stand at [from, …) of a line that ends at `to`; -1 where there is none that is still free. */
  find(body: Buffer, view: DataView, from: number, to: number): number {
    let line = this.next;
    if (!this.#isAt(line, view, from, to)) {
      line = this.#lookUp(body, from, to);
      if (line < 0 || !this.#isAt(line, view, from, to)) return -1;
    }
    if (this.#found[line] === 1) return -1;
    this.#found[line] = 1;
    this.next = line + 1;
    return line;
  }

  /** Whether labels with that hash may stand in the page before. */
  hasLabels(hash: number): boolean {
    this.#labelHashes ??= new Set(this.template.labelHashes);
    return this.#labelHashes.has(hash);
  }

  /** A line without a value has fixed bytes only, another one some and a value. */
  #isAt(line: number, view: DataView, from: number, to: number): boolean {
    if (line >= this.template.lines || !this.template.isAt(line, view, from)) return false;
    const left = to - from - this.template.lengthOf(line);
    return this.columns[line] === NO_COLUMN ? left === 0 : left > 0;
  }

  /** Where a line may have come from that does not follow the last one. Its value, if any, begins after the last space. */
  #lookUp(body: Buffer, from: number, to: number): number {
    this.#byHash ??= this.#hashes();
    const end = body[from] === HASH ? to : body.lastIndexOf(SPACE, to - 1) + 1;
    return end <= from ? -1 : (this.#byHash.get(hashBytes(body, from, end)) ?? -1);
  }

  #hashes(): Map<number, number> {
    const { bytes, starts, lines } = this.template;
    const byHash = new Map<number, number>();
    for (let line = 0; line < lines; line++) byHash.set(hashBytes(bytes, starts[line]!, starts[line + 1]!), line);
    return byHash;
  }
}

/** The careful way: every line as text, every series as labels, but for lines that the page before had too. */
class ColdPage {
  /** It has labels that may stand in a line whose labels were not looked at: then it must be read without the page before. */
  needsAllLabels = false;
  readonly #body: Buffer;
  readonly #view: DataView;
  readonly #format: ExpositionFormat;
  readonly #limits: PageLimits;
  readonly #honorTimestamps: boolean;
  readonly #known: KnownLines | undefined;
  /** A byte order mark is a character of the line, which no name begins with. */
  readonly #decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  /** By column; of a page that is read after another one only the new ones. */
  readonly #series = new Map<number, Labels>();
  readonly #values: number[] = [];
  /** Per column the column in the page before. */
  readonly #columns: number[] = [];
  readonly #labelHashes: number[] = [];
  readonly #seen = new Set<string>();
  readonly #timestamped: { labels: Labels; value: number; ts: number }[] = [];
  /** Where the fixed bytes of each line begin and end in the body, and whether a value follows. */
  readonly #fixedFrom: number[] = [];
  readonly #fixedTo: number[] = [];
  readonly #valued: number[] = [];
  readonly #bounds: number[] = [];
  #templated = true;
  #duplicates = 0;
  #ended = false;
  /** Of the family that the lines are of now. */
  #bound: BoundLabel = '';
  #at = 0;
  #lines = 0;

  constructor(body: Uint8Array, format: ExpositionFormat, limits: PageLimits, before: PageLayout | undefined, honorTimestamps: boolean) {
    this.#honorTimestamps = honorTimestamps;
    this.#body = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
    this.#view = viewOf(body);
    this.#format = format;
    this.#limits = limits;
    const template = before?.template;
    this.#known = before === undefined || template?.format !== format ? undefined : new KnownLines(before, template);
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
      if (!this.#knownLine(this.#at, end)) this.#line(this.#at, end, this.#lines);
      if (this.needsAllLabels) return false;
      this.#at = end + 1;
    }
    return this.#at < body.length;
  }

  finish(): ParsedPage {
    if (this.#format === 'openmetrics' && !this.#ended)
      throw new BelfryError('EXPOSITION_MALFORMED', 'the page does not end with # EOF: it was cut off');
    const isChange = this.#known !== undefined && this.#templated;
    const series = isChange ? undefined : this.#allSeries();
    const labelHashes = Int32Array.from(this.#labelHashes);
    return {
      layout: new PageLayout(labelHashes, this.#templated ? this.#template(labelHashes) : undefined, series, this.#limits),
      values: Float64Array.from(this.#values),
      timestamped: this.#timestamped,
      duplicates: this.#duplicates,
      change: isChange ? { before: this.#known!.layout, columns: Int32Array.from(this.#columns), born: this.#series } : undefined,
    };
  }

  #allSeries(): readonly Labels[] {
    const before = this.#known?.layout.series ?? [];
    return this.#columns.map((from, column) => (from < 0 ? this.#series.get(column) : before[from])!);
  }

  /** Takes a line that the page before had too: only its value is read. */
  #knownLine(from: number, to: number): boolean {
    const known = this.#known;
    if (known === undefined || this.#ended || to - from === EOF_LENGTH) return false;
    const line = known.find(this.#body, this.#view, from, to);
    if (line < 0) return false;
    const end = from + known.template.lengthOf(line);
    const column = known.columns[line]!;
    const bound = boundOfCode(known.template.bounds[line]!);
    if (column === NO_COLUMN) {
      this.#bound = bound ?? this.#bound;
      this.#fix(from, to, 0, bound);
      return true;
    }
    if (this.#bound !== bound) return false;
    const value = readValue(this.#body, end);
    if (valueEnd() !== to) return false;
    this.#add(column, value, known.template.labelHashes[column]!);
    this.#fix(from, end, 1, bound);
    return true;
  }

  #line(from: number, to: number, lineNumber: number): void {
    const bytes = this.#body.subarray(from, to);
    if (this.#ended) throw new BelfryError('EXPOSITION_MALFORMED', `line ${lineNumber}: something after # EOF`);
    const text = this.#decode(bytes, lineNumber);
    if (/^[ \t]*(#|$)/.test(text)) {
      const bound = this.#comment(text, lineNumber);
      const linesMax = LINES_A_SAMPLE * (this.#limits.seriesMax + 1000);
      if (lineNumber > linesMax) throw new BelfryError('SCRAPE_BODY_TOO_LARGE', `more than ${linesMax} lines`);
      this.#bound = bound ?? this.#bound;
      this.#fix(from, to, 0, bound);
      return;
    }
    const sample = parseSampleLine(text, lineNumber, this.#format, this.#limits);
    const fault = this.#format === 'openmetrics' ? openMetricsLineFault(text) : undefined;
    if (fault !== undefined) {
      const position = { line: lineNumber, column: fault.at + 1 };
      throw new BelfryError('EXPOSITION_MALFORMED', `line ${lineNumber}: ${fault.what}`, { position });
    }
    const { value, ts, valueStart, valueEnd: end } = sample;
    const labels = withWrittenBound(sample.labels, this.#bound);
    if (ts !== undefined && this.#honorTimestamps) {
      this.#templated = false;
      this.#timestamped.push({ labels, value, ts });
      this.#count();
      return;
    }
    const hash = hashText(labels.key);
    if (this.#known?.hasLabels(hash) === true) {
      this.needsAllLabels = true;
      return;
    }
    if (this.#seen.has(labels.key)) {
      this.#templated = false;
      this.#duplicates++;
      this.#count();
      return;
    }
    this.#seen.add(labels.key);
    this.#series.set(this.#values.length, labels);
    this.#add(NO_COLUMN, value, hash);
    // Only a value that ends the line can be read again without looking at the rest, and one that cannot be part of a name.
    if (end !== text.length || NAME_END.test(text.slice(valueStart - 1, valueStart))) this.#templated = false;
    this.#fix(from, to - (text.length - valueStart), 1, this.#bound);
  }

  /** Which label of the samples after it holds bounds, where it says so. */
  #comment(text: string, lineNumber: number): BoundLabel | undefined {
    if (this.#format === 'openmetrics' && text === '# EOF') {
      this.#ended = true;
      return undefined;
    }
    const comment = readComment(text, this.#format);
    if (typeof comment === 'string') throw new BelfryError('EXPOSITION_MALFORMED', `line ${lineNumber}: ${comment}`);
    return comment === undefined ? undefined : boundLabelAfter(comment);
  }

  #add(before: number, value: number, labelHash: number): void {
    this.#columns.push(before);
    this.#values.push(value);
    this.#labelHashes.push(labelHash);
    this.#count();
  }

  #fix(from: number, to: number, valued: number, bound: BoundLabel | undefined): void {
    this.#fixedFrom.push(from);
    this.#fixedTo.push(to);
    this.#valued.push(valued);
    this.#bounds.push(boundCode(bound));
  }

  #count(): void {
    const { seriesMax } = this.#limits;
    if (this.#values.length + this.#timestamped.length + this.#duplicates > seriesMax)
      throw new BelfryError('SCRAPE_TOO_MANY_SERIES', `more than ${seriesMax} series`);
  }

  #decode(bytes: Buffer, lineNumber: number): string {
    try {
      return this.#decoder.decode(bytes);
    } catch (error) {
      throw new BelfryError('EXPOSITION_MALFORMED', `line ${lineNumber}: not UTF-8`, { cause: error });
    }
  }

  #template(labelHashes: Int32Array): PageTemplate {
    const lines = this.#valued.length;
    const starts = new Int32Array(lines + 1);
    const lengthOf = (line: number): number => (this.#fixedTo[line] ?? 0) - (this.#fixedFrom[line] ?? 0);
    for (let line = 0; line < lines; line++) starts[line + 1] = (starts[line] ?? 0) + lengthOf(line);
    const bytes = new Uint8Array(starts[lines] ?? 0);
    for (let line = 0; line < lines; line++) bytes.set(this.#body.subarray(this.#fixedFrom[line], this.#fixedTo[line]), starts[line]);
    const [valued, bounds] = [Uint8Array.from(this.#valued), Uint8Array.from(this.#bounds)];
    return new PageTemplate({ format: this.#format, bytes, starts, valued, bounds, labelHashes });
  }
}

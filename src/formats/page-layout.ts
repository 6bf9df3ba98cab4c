import { hashBytes } from '../core/fnv.ts';
import type { Labels } from '../core/labels.ts';
import { type ExpositionFormat, type LineLimits, parseSampleLine } from './exposition.ts';
import { boundOfCode, withWrittenBound } from './page-comments.ts';

/**
 * All bytes of a page but its values, for pages in which every value ends its line. Columns are numbered in the order of
 * the lines that have a value. One copy in flat arrays: of a large fleet's pages it is most of what is remembered.
 */
export class PageTemplate {
  readonly format: ExpositionFormat;
  /** The fixed bytes of all lines, one after the other, line ends left out. */
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** Line i has the bytes [starts[i], starts[i + 1]). */
  readonly starts: Int32Array;
  /** 1 where the line ends with a value. */
  readonly valued: Uint8Array;
  /** Per line with a value the `boundCode` of its family, per `# TYPE` that of the lines after it; that of undefined for others. */
  readonly bounds: Uint8Array;
  /** Per column a hash of its labels' key: labels that are equal have the same. */
  readonly labelHashes: Int32Array;

  constructor(parts: Pick<PageTemplate, 'format' | 'bytes' | 'starts' | 'valued' | 'bounds' | 'labelHashes'>) {
    this.format = parts.format;
    this.bytes = parts.bytes;
    this.view = new DataView(parts.bytes.buffer, parts.bytes.byteOffset, parts.bytes.byteLength);
    this.starts = parts.starts;
    this.valued = parts.valued;
    this.bounds = parts.bounds;
    this.labelHashes = parts.labelHashes;
  }

  get lines(): number {
    return this.valued.length;
  }

  /** How many fixed bytes a line has. */
  lengthOf(line: number): number {
    return this.starts[line + 1]! - this.starts[line]!;
  }

  /** True when the body has the line's fixed bytes at `at`. */
  isAt(line: number, body: DataView, at: number): boolean {
    const from = this.starts[line]!;
    const length = this.starts[line + 1]! - from;
    return at + length <= body.byteLength && sameBytes(this.view, from, body, at, length);
  }

  equals(other: PageTemplate): boolean {
    const { length } = this.bytes;
    return (
      this.format === other.format &&
      length === other.bytes.length &&
      this.lines === other.lines &&
      sameBytes(this.view, 0, other.view, 0, length) &&
      this.starts.every((start, line) => start === other.starts[line]) &&
      this.valued.every((valued, line) => valued === other.valued[line])
    );
  }

  hash(): number {
    return hashBytes(this.bytes, 0, this.bytes.length);
  }

  /** Parses the lines that have a value once more. */
  series(limits: LineLimits): readonly Labels[] {
    const { bytes, starts } = this;
    const decoder = new TextDecoder();
    const series: Labels[] = [];
    for (let line = 0; line < this.lines; line++) {
      if (this.valued[line] === 0) continue;
      const text = decoder.decode(bytes.subarray(starts[line], starts[line + 1]));
      const { labels } = parseSampleLine(`${text}0`, line + 1, this.format, limits);
      series.push(withWrittenBound(labels, boundOfCode(this.bounds[line]!) ?? ''));
    }
    return series;
  }
}

/** The series of a page: immutable, shared by all pages that have them in the same lines. */
export class PageLayout {
  /** Per series a hash of its labels' key. */
  readonly labelHashes: Int32Array;
  /** Undefined where pages of this layout must be parsed whole each time. */
  readonly template: PageTemplate | undefined;
  readonly #limits: LineLimits;
  #series: readonly Labels[] | undefined;

  /** Keeps `series`, where there are any, until they are forgotten. */
  constructor(labelHashes: Int32Array, template: PageTemplate | undefined, series: readonly Labels[] | undefined, limits: LineLimits) {
    this.labelHashes = labelHashes;
    this.template = template;
    this.#series = series;
    this.#limits = limits;
  }

  get size(): number {
    return this.labelHashes.length;
  }

  /** One for each sample without a timestamp of its own, in the order of the page, each once; made anew once forgotten. */
  get series(): readonly Labels[] {
    return this.#series ?? this.template?.series(this.#limits) ?? [];
  }

  /** To be called when who reads the page has them: of all targets' pages they would be most of the memory. */
  forgetSeries(): void {
    if (this.template !== undefined) this.#series = undefined;
  }
}

/** The layouts in use, by their content: the pages of a fleet are often of one make. Shared by all parsers. */
export class PageLayouts {
  readonly #byHash = new Map<number, WeakRef<PageLayout>>();
  #sweepAt = 64;

  /** The layout that stands for all that are equal to this one. */
  intern(layout: PageLayout): PageLayout {
    const { template } = layout;
    if (template === undefined) return layout;
    const hash = template.hash();
    const known = this.#byHash.get(hash)?.deref();
    if (known?.template?.equals(template) === true) return known;
    this.#byHash.set(hash, new WeakRef(layout));
    if (this.#byHash.size > this.#sweepAt) this.#sweep();
    return layout;
  }

  #sweep(): void {
    for (const [hash, layout] of this.#byHash) if (layout.deref() === undefined) this.#byHash.delete(hash);
    this.#sweepAt = 64 + 2 * this.#byHash.size;
  }
}

/** Four bytes at a time; the last four once more where the length is no multiple of four. */
function sameBytes(a: DataView, aFrom: number, b: DataView, bFrom: number, length: number): boolean {
  if (length < 4) {
    for (let i = 0; i < length; i++) if (a.getUint8(aFrom + i) !== b.getUint8(bFrom + i)) return false;
    return true;
  }
  const last = length - 4;
  for (let i = 0; i < last; i += 4) if (a.getInt32(aFrom + i) !== b.getInt32(bFrom + i)) return false;
  return a.getInt32(aFrom + last) === b.getInt32(bFrom + last);
}

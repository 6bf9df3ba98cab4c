import { errorText } from '../../core/errors.ts';
import type { Labels } from '../../core/labels.ts';
import type { Logger } from '../../core/log.ts';
import type { Layout, SampleWriter, TargetWriter } from '../../core/sample.ts';
import type { Slices } from '../../core/slices.ts';

/**
 * Columns of one target; beyond them a further target is opened. A target is taken in by the store in one piece: so many
 * series that are new take it about 15 ms of processor time.
 */
const DEFAULT_MAX_COLUMNS = 2048;
/** Columns of series that are gone are kept while they are few, so that a topic that flaps does not change the layout. */
const UNUSED_COLUMNS_KEPT = 64;
const UNUSED_SHARE_KEPT = 0.25;

export interface SeriesRowsOptions {
  readonly writer: SampleWriter;
  /** The first target has this id, further ones `ID/1`, `ID/2` … */
  readonly targetId: string;
  readonly log: Logger;
  readonly maxColumns?: number;
  /** Rows that the store keeps raw; its own number where undefined. */
  readonly rawRows?: number;
}

export interface CommitOptions {
  /** A target without a change gets no row. */
  readonly onlyChanged?: boolean;
  /** With `onlyChanged`: but one when the last is that old. */
  readonly atLeastEveryMs?: number;
}

/** Neighbouring columns that come and go together, such as those of a topic's partitions. */
export class Segment {
  readonly length: number;
  chunk: Chunk;
  base = 0;
  used = true;
  readonly #make: () => readonly Labels[];
  /** Kept only until the store has taken them: of hundreds of thousands of series they would be most of the memory. */
  #labels: readonly Labels[] | undefined;

  constructor(make: () => readonly Labels[], chunkFor: (columns: number) => Chunk) {
    this.#make = make;
    this.#labels = make();
    this.length = this.#labels.length;
    this.chunk = chunkFor(this.length);
  }

  get labels(): readonly Labels[] {
    return this.#labels ?? this.#make();
  }

  forgetLabels(): void {
    this.#labels = undefined;
  }

  /** The sample of the segment's series `index` in the row that is being made. */
  set(index: number, value: number): void {
    this.chunk.values[this.base + index] = value;
    this.chunk.absent[this.base + index] = 0;
  }
}

/** The labels of segments, made again when they are asked for: the store asks when it first sees the layout. */
class SegmentsLayout implements Layout {
  readonly madeWhenRead = true;
  readonly #segments: readonly Segment[];

  constructor(segments: readonly Segment[]) {
    this.#segments = segments;
  }

  get series(): readonly Labels[] {
    return this.#segments.flatMap(({ labels }) => labels);
  }
}

/** Metric names by number: a column knows its own in two bytes. */
class MetricNames {
  readonly texts: string[] = [];
  readonly #numbers = new Map<string, number>();

  numberOf(name: string): number {
    let number = this.#numbers.get(name);
    if (number === undefined) this.#numbers.set(name, (number = this.texts.push(name) - 1));
    return number;
  }
}

/** One target: its columns, the row that is being made and the one before it. */
class Chunk {
  readonly target: TargetWriter;
  readonly segments = new Map<string, Segment>();
  layout: Layout = { series: [] };
  takenLayout: Layout | undefined;
  columns = 0;
  values = new Float64Array(0);
  absent = new Uint8Array(0);
  previousValues = new Float64Array(0);
  previousAbsent = new Uint8Array(0);
  names = new Uint16Array(0);
  dirty = false;
  lastTs = Number.NEGATIVE_INFINITY;
  /** Whether the store did not take its last row. */
  refused = false;

  constructor(target: TargetWriter) {
    this.target = target;
  }

  add(key: string, segment: Segment, names: MetricNames): void {
    segment.base = this.columns;
    this.segments.set(key, segment);
    this.columns += segment.length;
    this.dirty = true;
    if (this.columns > this.values.length) this.#grow(Math.max(this.columns, Math.ceil(this.values.length * 1.5)));
    for (const [i, labels] of segment.labels.entries()) this.names[segment.base + i] = names.numberOf(labels.metricName);
    this.absent.fill(1, segment.base, this.columns);
    this.previousAbsent.fill(1, segment.base, this.columns);
  }

  remove(key: string): void {
    this.segments.delete(key);
    this.dirty = true;
  }

  /** Closes the gaps that removed segments left, and makes the layout anew. */
  settle(): void {
    if (!this.dirty) return;
    this.columns = 0;
    for (const segment of this.segments.values()) {
      const { base, length } = segment;
      segment.base = this.columns;
      this.columns += length;
      if (segment.base === base) continue;
      for (const array of [this.values, this.absent, this.previousValues, this.previousAbsent, this.names]) {
        array.copyWithin(segment.base, base, base + length);
      }
    }
    this.layout = new SegmentsLayout([...this.segments.values()]);
    this.dirty = false;
  }

  /** The store has seen the layout. */
  taken(): void {
    if (this.takenLayout === this.layout) return;
    this.takenLayout = this.layout;
    for (const segment of this.segments.values()) segment.forgetLabels();
  }

  #grow(length: number): void {
    const grownFloat = (from: Float64Array): Float64Array<ArrayBuffer> => {
      const to = new Float64Array(length);
      to.set(from);
      return to;
    };
    const grownBytes = (from: Uint8Array): Uint8Array<ArrayBuffer> => {
      const to = new Uint8Array(length).fill(1);
      to.set(from);
      return to;
    };
    this.values = grownFloat(this.values);
    this.previousValues = grownFloat(this.previousValues);
    this.absent = grownBytes(this.absent);
    this.previousAbsent = grownBytes(this.previousAbsent);
    const names = new Uint16Array(length);
    names.set(this.names);
    this.names = names;
  }
}

/**
 * Rows of a changing set of series, spread over as many targets as their number needs. Layouts stay the same objects
 * while the segments stay. A row is made by `begin`, `segment(…).set(…)` and `commit`; what is not set is absent.
 */
export class SeriesRows {
  readonly #options: SeriesRowsOptions;
  readonly #maxColumns: number;
  readonly #chunks: Chunk[] = [];
  readonly #segments = new Map<string, Segment>();
  readonly #names = new MetricNames();
  #stale = true;
  #committing = false;

  constructor(options: SeriesRowsOptions) {
    this.#options = options;
    this.#maxColumns = options.maxColumns ?? DEFAULT_MAX_COLUMNS;
  }

  begin(): void {
    for (const chunk of this.#chunks) chunk.absent.fill(1);
    for (const segment of this.#segments.values()) segment.used = false;
  }

  has(key: string, length: number): boolean {
    return this.#segments.get(key)?.length === length;
  }

  /**
   * The segment of a key, made by `make` where there is none, or none with `length` series. `make` is kept and called again
   * when the layout changes: of one key it must always make the same labels, and no two segments may have a series in common.
   */
  segment(key: string, length: number, make: () => readonly Labels[]): Segment {
    const found = this.#segments.get(key);
    if (found !== undefined && found.length === length) {
      found.used = true;
      return found;
    }
    if (found !== undefined) this.#drop(key, found);
    const segment = new Segment(make, (columns) => this.#chunkWithRoom(columns));
    segment.chunk.add(key, segment, this.#names);
    this.#segments.set(key, segment);
    return segment;
  }

  /** Makes the layouts of new segments in slices, so that `commit` finds them made. */
  async settle(slices: Slices): Promise<void> {
    for (const chunk of this.#chunks) {
      chunk.settle();
      if (slices.due) await slices.pause();
    }
  }

  /**
   * Writes the row. Returns the metric names of which some series came, went or changed since the row before.
   */
  commit(ts: number, options: CommitOptions = {}): ReadonlySet<string> {
    const changed = new Set<string>();
    for (const chunk of this.#chunks) this.#commitChunk(chunk, ts, options, changed);
    this.#stale = false;
    return changed;
  }

  /**
   * As `commit`, with a turn for the event loop between targets where they take long. Until it is done no row may be begun, and
   * the series do not end: what is being written is newer than what would end them.
   */
  async commitInSlices(ts: number, slices: Slices, options: CommitOptions = {}): Promise<ReadonlySet<string>> {
    const changed = new Set<string>();
    this.#committing = true;
    try {
      for (const chunk of this.#chunks) {
        if (slices.due) await slices.pause();
        this.#commitChunk(chunk, ts, options, changed);
      }
      this.#stale = false;
    } finally {
      this.#committing = false;
    }
    return changed;
  }

  /** All series end at `ts`; the next row begins them anew. */
  markStale(ts: number): void {
    if (this.#stale || this.#committing) return;
    this.#stale = true;
    for (const chunk of this.#chunks) {
      chunk.target.markStale(Math.max(ts, chunk.lastTs + 1));
      chunk.lastTs = Math.max(ts, chunk.lastTs + 1);
      chunk.previousAbsent.fill(1);
    }
  }

  #commitChunk(chunk: Chunk, ts: number, { onlyChanged = false, atLeastEveryMs = Infinity }: CommitOptions, changed: Set<string>): void {
    chunk.settle();
    const differs = collectChanges(chunk, this.#names.texts, changed);
    if (chunk.columns === 0 && chunk.lastTs === Number.NEGATIVE_INFINITY) return;
    if (onlyChanged && !differs && !this.#stale && ts - chunk.lastTs < atLeastEveryMs) return;
    this.#append(chunk, ts);
    // After the row in which they end, so that their end is told as a change.
    this.#forgetUnused(chunk);
  }

  #append(chunk: Chunk, ts: number): void {
    const { columns } = chunk;
    // Two looks within one millisecond are two rows; a target's timestamps strictly increase.
    const rowTs = Math.max(ts, chunk.lastTs + 1);
    try {
      chunk.target.append(rowTs, chunk.layout, chunk.values.subarray(0, columns), chunk.absent.subarray(0, columns));
      chunk.lastTs = rowTs;
      chunk.refused = false;
      chunk.taken();
    } catch (error) {
      // One target that the store refuses must not keep the others from being written. Told once until it is taken again.
      if (!chunk.refused) this.#options.log.warn('kafka_row_refused', { target: this.#options.targetId, error: errorText(error) });
      chunk.refused = true;
    }
    [chunk.values, chunk.previousValues] = [chunk.previousValues, chunk.values];
    [chunk.absent, chunk.previousAbsent] = [chunk.previousAbsent, chunk.absent];
  }

  #forgetUnused(chunk: Chunk): void {
    let unused = 0;
    for (const segment of chunk.segments.values()) if (!segment.used) unused += segment.length;
    if (unused <= UNUSED_COLUMNS_KEPT || unused < chunk.columns * UNUSED_SHARE_KEPT) return;
    for (const [key, segment] of chunk.segments) if (!segment.used) this.#drop(key, segment);
  }

  #drop(key: string, segment: Segment): void {
    segment.chunk.remove(key);
    this.#segments.delete(key);
  }

  #chunkWithRoom(columns: number): Chunk {
    for (const chunk of this.#chunks) if (chunk.columns + columns <= this.#maxColumns) return chunk;
    const { writer, rawRows } = this.#options;
    const chunk = new Chunk(writer.target(this.#targetId(this.#chunks.length), rawRows === undefined ? {} : { rawRows }));
    this.#chunks.push(chunk);
    return chunk;
  }

  #targetId(number: number): string {
    const { targetId } = this.#options;
    return number === 0 ? targetId : `${targetId}/${number}`;
  }
}

function collectChanges(chunk: Chunk, names: readonly string[], into: Set<string>): boolean {
  const { values, previousValues, absent, previousAbsent } = chunk;
  let differs = false;
  for (let i = 0; i < chunk.columns; i++) {
    if (absent[i] === previousAbsent[i] && (absent[i] === 1 || values[i] === previousValues[i])) continue;
    differs = true;
    into.add(names[chunk.names[i] ?? 0] ?? '');
  }
  return differs;
}

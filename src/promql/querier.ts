import type { Labels } from '../core/labels.ts';
import type { Matcher } from '../core/matcher.ts';

/**
 * What the evaluator asks of a store. Everything is synchronous and in columns: the evaluator never sees how samples
 * are kept. Times are milliseconds of Belfry time.
 */
export interface Querier {
  /**
   * The series that all matchers accept (an absent label has the empty value), in no particular order. The result is
   * valid until control returns to the event loop, and after that as long as it says so itself. `minTs` and `maxTs` bound
   * the times that will be read, so that a store need not look into history that is not asked for. A store may give the
   * same object again, later too, as long as it stands for the same series under the same numbers: what was worked out for
   * it is then used again.
   */
  select(matchers: readonly Matcher[], minTs: number, maxTs: number): Selection;
}

/** A resolved set of series. Series are numbered 0 … n-1. */
export interface Selection {
  readonly n: number;
  /** Where a store has it: whether the series are still there and can be read, others that were born since or not. */
  holds?(): boolean;
  /** The labels of a series, `__name__` among them. */
  labels(index: number): Labels;
  /**
   * The newest sample of every series in (ts - lookbackMs, ts]. A series without one, or whose newest one is a
   * staleness marker, has `present[i]` 0. Fills all n entries of the three columns.
   */
  instant(ts: number, lookbackMs: number, out: InstantColumns): void;
  /**
   * The samples of one series in (fromTs, toTs], oldest first, staleness markers left out, written into the buffer
   * from its start. Returns how many.
   */
  window(index: number, fromTs: number, toTs: number, into: PointBuffer): number;
  /**
   * As `window`, staleness markers among the points: `stale[i]` is 1 for one. Where a store has it, instants of many steps
   * are read through it.
   */
  history?(index: number, fromTs: number, toTs: number, into: MarkedBuffer): number;
  /**
   * The fast side of `window`, where a store has one: sets the window (fromTs, toTs] that `readRun` reads, and returns how
   * many runs of neighbouring series there are; together they are all series, in order.
   */
  openRuns?(fromTs: number, toTs: number): number;
  /**
   * Tells the bounds of a run, and shows the samples of all its series as they lie in memory. False where they have to be
   * read one by one. What is shown holds until control returns to the event loop.
   */
  readRun?(run: number, into: RunBuffer): boolean;
  /**
   * All runs in the window (fromTs, toTs] at once, for those who need of each series but a cell or two: with many runs of few
   * series, what a run costs by itself is most of it. Shown as long as what `readRun` shows.
   */
  readRuns?(fromTs: number, toTs: number, into: RunTable): void;
}

/** Columns of at least n entries each. */
export interface InstantColumns {
  readonly values: Float64Array;
  readonly timestamps: Float64Array;
  readonly present: Uint8Array;
}

/** Two columns that grow by doubling and are reused from call to call. */
export class PointBuffer {
  timestamps = new Float64Array(256);
  values = new Float64Array(256);

  /** Makes room for at least that many points; what was written so far is kept. */
  reserve(count: number): void {
    if (count <= this.values.length) return;
    let capacity = this.values.length;
    while (capacity < count) capacity *= 2;
    const timestamps = new Float64Array(capacity);
    const values = new Float64Array(capacity);
    timestamps.set(this.timestamps);
    values.set(this.values);
    this.timestamps = timestamps;
    this.values = values;
  }
}

/** Points of which some are staleness markers. */
export class MarkedBuffer extends PointBuffer {
  stale = new Uint8Array(256);

  override reserve(count: number): void {
    super.reserve(count);
    if (this.stale.length >= count) return;
    const stale = new Uint8Array(this.values.length);
    stale.set(this.stale);
    this.stale = stale;
  }
}

/** The rows of those series that were sampled together, as they lie in a store's memory; see `RunBuffer`. */
interface Rows {
  readonly v: Float64Array;
  readonly irregular: Int32Array;
}

/** All runs of a selection, in order. What is told of the rows in the window stands at the run's place in the columns. */
export class RunTable {
  runs = 0;
  /** Run r is the series starts[r] … starts[r + 1] - 1. */
  starts = new Int32Array(0);
  /** By run: its rows, none where it is not shown, and its place in the columns below. */
  sources: readonly (Rows | null)[] = [];
  places = new Int32Array(0);
  /** By place: how many rows, -1 where the run is not shown; the oldest one's number; where the oldest and newest begin. */
  rows = new Int32Array(0);
  firstRow = new Int32Array(0);
  firstAt = new Int32Array(0);
  lastAt = new Int32Array(0);
  firstTs = new Float64Array(0);
  lastTs = new Float64Array(0);
  /** By series; see `RunBuffer`. */
  columns = new Int32Array(0);
}

/** A run of series that were sampled together, as a view on the store's memory: rows of cells, one row a scrape. */
export class RunBuffer {
  /** The series from … to-1. */
  from = 0;
  to = 0;
  rows = 0;
  /** Where in `cells` the oldest and the newest row begin, and their times; set where there are rows. */
  firstAt = 0;
  lastAt = 0;
  firstTs = 0;
  lastTs = 0;
  /** The same of all rows, oldest first. */
  all = { offsets: new Int32Array(0), timestamps: new Float64Array(0) };
  cells = new Float64Array(0);
  /** Says of rows whether they are those of an earlier look: a cell of a row with a number does not change any more. */
  source = 0;
  /** By series of the selection: its place in a row; -1 where it must be read through `window`. So must one with a NaN cell. */
  columns = new Int32Array(0);
  /**
   * By place in a row: up to `firstRow`, the number of the oldest row here, all cells after the first are numbers and
   * none is less than the one before.
   */
  irregular = new Int32Array(0);
  firstRow = 0;
}

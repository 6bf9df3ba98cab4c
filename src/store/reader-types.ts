import type { Labels } from '../core/labels.ts';
import type { Matcher } from '../core/matcher.ts';

/** The read side of the store, as queries use it. Times are milliseconds of Belfry time. */
export interface SeriesSelection {
  /** Series are numbered 0 … n-1. */
  readonly n: number;
  /** Dense ids of the series, ascending; the first `n` entries count. Equal ids are the same series as long as the process lives. */
  readonly ids: Int32Array;
  /**
   * Moves whenever the matchers' set of series has changed since an earlier selection by the same matchers; until then
   * they get the same object.
   */
  readonly version: number;
  /** False once a series of it is no more; until then it may be read, though others may be born that the matchers accept. */
  holds?(): boolean;
  labels(index: number): Labels;
  /** The newest sample of every series in (ts - lookbackMs, ts]; `present` is 0 where there is none or it is a staleness marker. */
  instant(ts: number, lookbackMs: number, out: InstantOut): void;
  /** The samples of one series in (fromTs, toTs], oldest first, staleness markers left out. Returns how many. */
  window(index: number, fromTs: number, toTs: number, into: PointOut): number;
  /** As `window`, staleness markers among the points. */
  history?(index: number, fromTs: number, toTs: number, into: MarkedOut): number;
  /**
   * Sets the window (fromTs, toTs] that `readRun` reads. Returns how many runs of neighbouring series of one lane there
   * are; together they are all series.
   */
  openRuns(fromTs: number, toTs: number): number;
  /**
   * Tells the bounds of a run, and shows the rows of its lane in that window as they lie. False where not all that the
   * lane has of that time is in such rows. What is shown holds until the next sample is written.
   */
  readRun(run: number, into: RunOut): boolean;
  /** The bounds of all runs, and of each what `readRun` would show. */
  readRuns?(fromTs: number, toTs: number, into: RunTableOut): void;
}

/** The runs of a selection. What is told of a lane's rows stands at the lane's number. */
export interface RunTableOut {
  runs: number;
  /** Run r is the series starts[r] … starts[r + 1] - 1. */
  starts: Int32Array;
  /** By run: the ring, none where the run is not shown; and the lane. */
  sources: readonly ({ readonly v: Float64Array; readonly irregular: Int32Array } | null)[];
  places: Int32Array;
  /** By lane; rows is -1 where the run is not shown. */
  rows: Int32Array;
  firstRow: Int32Array;
  firstAt: Int32Array;
  lastAt: Int32Array;
  firstTs: Float64Array;
  lastTs: Float64Array;
  /** As in `RunOut`. */
  columns: Int32Array;
}

/** A run of series that were sampled together: cells row by row. */
export interface RunOut {
  /** The series from … to-1. */
  from: number;
  to: number;
  rows: number;
  /** Where the cells of the oldest and of the newest row begin, and their times; where there are rows. */
  firstAt: number;
  lastAt: number;
  firstTs: number;
  lastTs: number;
  /** The same of all rows, oldest first. */
  all: { readonly offsets: Int32Array; readonly timestamps: Float64Array };
  cells: Float64Array;
  /** Which ring the rows are of: in one ring a row's number means the same row for good. */
  source: number;
  /** The column of each series of the selection, -1 where it must be read through `window`; so must one with a NaN cell. */
  columns: Int32Array;
  /** Per column the last row, counted on from `firstRow`, whose value fell below the one before it or is not a number. */
  irregular: Int32Array;
  firstRow: number;
}

/** Columns of at least n entries each. */
export interface InstantOut {
  readonly values: Float64Array;
  readonly timestamps: Float64Array;
  readonly present: Uint8Array;
}

/** Two columns that grow when asked to; what was written so far is kept. */
export interface PointOut {
  timestamps: Float64Array;
  values: Float64Array;
  reserve(count: number): void;
}

/** Points of which some are staleness markers: `stale[i]` is 1 for one. */
export interface MarkedOut extends PointOut {
  stale: Uint8Array;
}

/** Which series and how much of them a query of names is about; unset bounds are open. */
export interface SeriesFilter {
  /** A series counts when one of the matcher sets accepts it; no set at all accepts every series. */
  readonly matcherSets?: readonly (readonly Matcher[])[];
  readonly minTs?: number;
  readonly maxTs?: number;
  /** At most that many results. */
  readonly limit?: number;
}

export interface StoreStats {
  /** Series with samples within the retention, and those of them with a place in memory. */
  readonly series: number;
  readonly liveSeries: number;
  readonly targets: number;
  /** Samples appended since the start. */
  readonly samplesAppended: number;
  /** Bytes of raw rings, of sealed blocks held in memory, and of the file with its log. */
  readonly ringBytes: number;
  readonly sealedBytes: number;
  readonly fileBytes: number;
  readonly sealedBlocks: number;
  readonly minTs: number | undefined;
  readonly maxTs: number | undefined;
}

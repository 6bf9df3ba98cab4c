import type { Labels } from './labels.ts';

/**
 * The series of a target's rows, in column order. A layout is immutable and compared by identity: whoever makes rows
 * keeps using the same object while the same series come in the same order.
 */
export interface Layout {
  /** Read it once for each layout: where there are many, they are made anew at each reading. */
  readonly series: readonly Labels[];
  /** The labels are made when they are read, so that comparing them with others by identity finds nothing. */
  readonly madeWhenRead?: boolean;
  /** What most of the series are, for who has taken the layout before: then `series` need not be read. */
  readonly change?: LayoutChange | undefined;
}

/** How a layout follows from another one. */
export interface LayoutChange {
  readonly before: Layout;
  /** For each series its column in the layout before, -1 where it has none there. */
  readonly columns: Int32Array;
  /** The series of a column that the layout before has not. */
  series(column: number): Labels;
}

/**
 * Where one target's samples go: a scrape page, a Kafka collection, a rule group's results. Timestamps are
 * milliseconds of Belfry time.
 */
export interface TargetWriter {
  /**
   * Appends one row: `values[i]` is the sample of `layout.series[i]` at `ts`; `values` may be reused by the caller
   * afterwards. Where `absent[i]` is 1 that series has no sample in this row. A series which the previous row had and
   * this one has not (left out or absent) goes stale at `ts`. A `ts` not after the previous row's is refused with
   * `STORE_OUT_OF_ORDER`; too many series with `STORE_LIMIT`, the row then being dropped whole.
   */
  append(ts: number, layout: Layout, values: Float64Array, absent?: Uint8Array): void;
  /** Appends one sample that carries its own timestamp (from an exposition page or remote write). */
  appendAt(ts: number, series: Labels, value: number): void;
  /** Ends one series at `ts`, where `appendAt` began it here: its sender said that it is over. Only the store's own writer has it. */
  endAt?(ts: number, series: Labels): void;
  /** Marks every series of the target stale at `ts`: the target failed or has gone. */
  markStale(ts: number): void;
}

/** How a target will be used. */
export interface TargetHint {
  /**
   * Rows kept raw in memory, if less than the store's own number. For many series that are seldom read over time: older rows
   * are read from blocks, which takes longer.
   */
  readonly rawRows?: number;
}

/** The write side of the store. */
export interface SampleWriter {
  /** The writer of a target; the same for the same id, which is stable across restarts (`scrape/jmx/host:7071`). */
  target(id: string, hint?: TargetHint): TargetWriter;
  /** Forgets a target whose series have been marked stale; its history stays. */
  removeTarget(id: string): void;
}

/**
 * Something changed that cannot wait for the next evaluation slot, such as a broker found dead: the samples are
 * already written at `ts`; rules that select one of these metric names are evaluated now.
 */
export interface Wake {
  readonly ts: number;
  readonly metricNames: ReadonlySet<string>;
  /** The cluster it is about; rules are evaluated whole, this is for logs and metrics. */
  readonly cluster: string;
  /** A verdict: it waits for no rest that others have to take. */
  readonly urgent?: boolean;
}

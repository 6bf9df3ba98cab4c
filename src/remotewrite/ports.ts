import type { Labels } from '../core/labels.ts';

/** What the store has, in the order in which it came, for readers that go on from where they were. */
export interface SampleFeed {
  /** A reader that goes on from a position, or with what comes from now on where there is none or it cannot be read. */
  open(position: string | undefined): FeedReader;
  /** Undefined for a series that is not kept any more. */
  labels(series: number): Labels | undefined;
}

/** One reader's way through the samples: in order within a series, and nearly so over all. */
export interface FeedReader {
  /** Everything up to then has been read, ms. */
  readonly readTo: number;
  /** The position that it was to go on from could not be read: it begins with what comes from now on. */
  readonly isLost: boolean;
  /**
   * Reads on, up to `now` or a slice of it; nothing older than `oldestTs`. Between steps others may get their turn, and
   * `sink` is told of nothing while the caller lets it stand. To be taken to its end.
   */
  read(now: number, oldestTs: number, sink: SampleSink): Generator<void, void>;
  /** Where it is after a whole `read`, for `open` of a later process. `isEnd`: nothing is written any more. */
  position(isEnd: boolean): string;
}

export interface SampleSink {
  /** One sample; `stale`: the series ends there and the value does not count. */
  sample(series: number, ts: number, value: number, stale: boolean): void;
}

/** Where positions are kept over restarts. */
export interface PositionStore {
  load(): ReadonlyMap<string, string>;
  save(key: string, value: string): void;
  delete(key: string): void;
}

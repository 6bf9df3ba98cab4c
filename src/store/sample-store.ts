import type { Clock, Timer } from '../core/clock.ts';
import { BelfryError, errorText } from '../core/errors.ts';
import { LIMITS } from '../core/limits.ts';
import type { Logger } from '../core/log.ts';
import type { Meter } from '../core/meter.ts';
import type { SampleWriter } from '../core/sample.ts';
import { isArchive } from './archives.ts';
import { Backfill } from './backfill.ts';
import { BlockStore } from './block-store.ts';
import { Feed } from './feed.ts';
import { Flusher } from './flusher.ts';
import { GroupCommit } from './group-commit.ts';
import { Head, type StoreLimits } from './head.ts';
import type { StoreStats } from './reader-types.ts';
import { Reader } from './reader.ts';
import { recover } from './recovery.ts';
import { Retention } from './retention.ts';
import { isCorruption, SampleFile, setAside } from './sample-file.ts';
import { isDiskTrouble } from './state/sqlite-error.ts';
import { StoreMetrics } from './store-metrics.ts';

/** How much a kill -9 may lose at most. */
const FLUSH_INTERVAL_MS = 5000;
/** Between the pieces of a flush; one of names is some 5 ms. */
const PIECE_PAUSE_MS = 20;
/** Cells that one piece of a flush takes to the log: some 10 ms. */
const CELLS_A_PIECE = 40_000;
/** Pieces of deleting that may follow each other before samples are written again; a piece is some 5 ms. */
const DELETIONS_A_ROUND = 50;
/** Pieces of series that are forgotten, in a row; a piece is some 10 ms. */
const EXPIRIES_A_ROUND = 4;
/** Lanes of so many cells, whose sealing would take more than some five milliseconds, are sealed in pieces before their next row. */
const WIDE_LANE_CELLS = 60_000;
/** Cells that one such piece encodes. */
const CELLS_SEALED_A_PIECE = 30_000;
/** Sealed blocks stay in memory that long. */
const SEALED_KEEP_MS = 3_600_000;
/** A target that has written nothing for that long gives its memory back. */
const IDLE_TARGET_MS = 3_600_000;
/** Of the periodic rounds, every n-th looks for idle targets and expired series. */
const ROUNDS_PER_CLEANING = 60;

const DEFAULT_LIMITS: StoreLimits = {
  seriesPerTarget: LIMITS.seriesPerTarget,
  series: 4_000_000,
  rows: 120,
  ringBytesPerTarget: 64 * 1024 * 1024,
  // An hour of 85 million samples at the third of a byte that real pages take; what is beyond is read from the file.
  sealedBytes: 40 * 1024 * 1024,
  cacheBytes: 32 * 1024 * 1024,
};

export interface SampleStoreOptions {
  /** The file, or `:memory:`. */
  readonly path: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly meter: Meter;
  readonly retentionMs: number;
  /** Bytes of the file; the oldest blocks go first. No bound where it is left out. */
  readonly retentionBytes?: number;
  readonly limits?: Partial<StoreLimits>;
  readonly flushIntervalMs?: number;
  /** Cells that one piece of a periodic flush takes to the log. */
  readonly flushCells?: number;
}

/** Samples in memory and in `samples.db`. */
export interface SampleStore {
  readonly writer: SampleWriter;
  readonly reader: Reader;
  /** What is appended, for those that send it on. */
  readonly feed: Feed;
  /** History that is brought in and read out whole. */
  readonly backfill: Backfill;
  /** Writes what is new to the file. False when that failed: the samples stay in memory and the next flush tries again. */
  flush(): boolean;
  /** Resolves when all that has been appended to the targets is in the file, as `GroupCommit.committed`. */
  committed(targets: ReadonlySet<string>): Promise<void>;
  /** Flushes, seals and forgets from now on, every few seconds, until `close`. */
  start(): void;
  /** Ends, at `ts`, the series of targets from before a restart that nobody will write again. */
  endTargets(matches: (id: string) => boolean, ts: number): void;
  stats(): StoreStats;
  /** Flushes and lets the file go. Idempotent. */
  close(): void;
}

/** A file with samples further ahead of the wall clock than this was written under a wrong clock. */
const AHEAD_MAX_MS = 3_600_000;

/** A file that is damaged anew so soon after it was begun says that the disk is broken: no more are begun for so long. */
const BEGIN_ANEW_LEAST_MS = 600_000;
/** Blocks of a store that has found no file it could use. */
const MEMORY_ONLY_BYTES = 128 * 1024 * 1024;

/**
 * Opens the store and brings back what the last flush wrote. A file that is damaged, or that reaches more than an hour
 * into the future, is set aside under another name and a new one begun. Where the disk lets no file be opened, samples are
 * kept in memory, and it says so. Throws `STORE_NEWER`.
 */
export function openSampleStore(options: SampleStoreOptions): SampleStore {
  const { path, clock } = options;
  let store: OpenStore;
  try {
    store = openFile(options);
  } catch (error) {
    if (!isCorruption(error) || path === ':memory:') throw error;
    return begunAnew(options, errorText(error));
  }
  const aheadMs = (store.stats().maxTs ?? 0) - clock.wall();
  if (aheadMs <= AHEAD_MAX_MS) return store;
  store.close();
  return begunAnew(options, `its newest sample is ${Math.round(aheadMs / 60_000)} min ahead of the clock`);
}

function openFile(options: SampleStoreOptions): OpenStore {
  const attempts: readonly (() => OpenStore)[] = [
    () => new OpenStore(options, {}),
    () => new OpenStore(options, { alone: true }),
    () => new OpenStore({ ...options, path: ':memory:', retentionBytes: MEMORY_ONLY_BYTES }, { memoryOnly: true }),
  ];
  for (const [i, attempt] of attempts.entries()) {
    try {
      return attempt();
    } catch (error) {
      if (i === attempts.length - 1 || isCorruption(error) || !isDiskTrouble(error)) throw error;
      options.log.warn('store_open_failed', { file: options.path, attempt: i + 1, error: errorText(error) });
    }
  }
  throw new BelfryError('INTERNAL', 'no way to open samples.db was tried');
}

function begunAnew(options: SampleStoreOptions, why: string): SampleStore {
  putAway(options, why);
  const store = openFile(options);
  store.noteSetAside();
  return store;
}

/** Renames the file, with the time in its name, and says so. */
function putAway({ path, clock, log }: SampleStoreOptions, why: string): void {
  const kept = setAside(path, new Date(clock.wall()).toISOString().replaceAll(/[:.]/g, ''));
  log.error('store_file_set_aside', { file: kept, error: why });
}

class OpenStore implements SampleStore {
  readonly writer: SampleWriter;
  readonly reader: Reader;
  readonly feed: Feed;
  readonly backfill: Backfill;
  readonly #options: SampleStoreOptions;
  readonly #file: SampleFile;
  readonly #head: Head;
  readonly #blocks: BlockStore;
  readonly #flusher: Flusher;
  readonly #commits: GroupCommit;
  readonly #retention: Retention;
  readonly #metrics: StoreMetrics;
  #timer: Timer | undefined;
  #sealTimer: Timer | undefined;
  #rounds = 0;
  /** Pieces of expired series that this round still forgets. */
  #expiries = 0;
  /** The last round has not come to the end of what is too old, and how many pieces of it are behind. */
  #deleting = false;
  #deletions = 0;
  #degraded = false;
  #closed = false;
  readonly #memoryOnly: boolean;
  #begunAnewAt = -Infinity;

  constructor(options: SampleStoreOptions, how: { readonly alone?: boolean; readonly memoryOnly?: boolean }) {
    const limits = { ...DEFAULT_LIMITS, ...options.limits };
    this.#options = options;
    this.#memoryOnly = this.#degraded = how.memoryOnly === true;
    this.#file = new SampleFile(options.path, how);
    this.#blocks = new BlockStore(limits, this.#file, options.log, (id) => this.#head.lane(id));
    this.#head = new Head(limits, this.#blocks);
    this.#flusher = new Flusher(this.#head, this.#blocks, this.#file);
    this.#commits = new GroupCommit({
      clock: options.clock,
      isDurable: !this.#memoryOnly,
      unwritten: (targets) => this.#flusher.unwritten(targets),
      piece: (lanes, targets) => this.#writePiece((now, maxCells) => this.#flusher.commit(now, lanes, targets, maxCells)),
    });
    this.#retention = new Retention(this.#head, this.#blocks, this.#file, options.retentionMs, options.retentionBytes ?? Infinity);
    this.#metrics = new StoreMetrics(options.meter);
    this.writer = this.#head;
    this.reader = new Reader(this.#head, this.#blocks);
    this.feed = new Feed(this.#head, this.#blocks, isArchive);
    this.backfill = new Backfill({
      head: this.#head,
      blocks: this.#blocks,
      reader: this.reader,
      isDurable: !this.#memoryOnly,
      flush: () => this.#write((now, maxCells) => this.#flusher.flush(now, maxCells)) !== 'nothing',
      cutoff: () => this.#retention.cutoff(options.clock.now()),
      now: () => options.clock.now(),
    });
    try {
      recover(this.#head, this.#blocks, this.#flusher, this.#file, options.log);
    } catch (error) {
      this.#file.close();
      throw error;
    }
    const aheadMs = (this.stats().maxTs ?? 0) - options.clock.now();
    // Rows must follow the newest one, so a clock that was set back between two runs keeps targets silent that long.
    if (aheadMs > 0) options.log.warn('store_ahead_of_clock', { ahead_ms: aheadMs });
  }

  flush(): boolean {
    if (this.#closed) return false;
    const written = this.#write((now) => this.#flusher.flush(now));
    this.#trim();
    return written !== 'nothing';
  }

  committed(targets: ReadonlySet<string>): Promise<void> {
    return this.#commits.committed(targets);
  }

  start(): void {
    if (this.#timer !== undefined || this.#closed) return;
    const intervalMs = this.#options.flushIntervalMs ?? FLUSH_INTERVAL_MS;
    const arm = (delayMs: number): void => {
      this.#timer = this.#options.clock.timer(delayMs, () => {
        const more = this.#nextPiece();
        this.#sealAhead();
        if (!this.#closed) arm(more ? PIECE_PAUSE_MS : intervalMs);
      });
    };
    arm(intervalMs);
  }

  /** Seals wide lanes that are full in pieces, so that a row need not wait until all of one is encoded. */
  #sealAhead(): void {
    if (this.#closed || this.#sealTimer !== undefined || this.#head.dueLane(WIDE_LANE_CELLS) === undefined) return;
    this.#sealTimer = this.#options.clock.timer(PIECE_PAUSE_MS, () => {
      this.#sealTimer = undefined;
      const lane = this.#head.dueLane(WIDE_LANE_CELLS);
      if (lane !== undefined && !this.#blocks.encodeAhead(lane, CELLS_SEALED_A_PIECE)) this.#head.seal(lane);
      this.#sealAhead();
    });
  }

  endTargets(matches: (id: string) => boolean, ts: number): void {
    for (const [id, target] of this.#head.targets) {
      if (!matches(id)) continue;
      target.markStale(ts);
      this.#head.removeTarget(id);
    }
  }

  stats(): StoreStats {
    const { series, places, targets, lanes, samplesAppended } = this.#head;
    let ringBytes = 0;
    let minTs = Infinity;
    let maxTs = -Infinity;
    for (const lane of lanes) {
      if (lane === undefined) continue;
      ringBytes += (lane.ring?.bytes ?? 0) + (lane.side?.bytes ?? 0);
      const raw = lane.ring === null ? (lane.side?.series ?? []) : [lane.ring];
      for (const { firstTs, lastTs } of raw) {
        minTs = Math.min(minTs, firstTs);
        maxTs = Math.max(maxTs, lastTs);
      }
      minTs = Math.min(minTs, lane.storedMinTs, lane.sealed[0]?.minTs ?? Infinity);
      maxTs = Math.max(maxTs, lane.storedMaxTs, lane.sealed.at(-1)?.maxTs ?? -Infinity);
    }
    return {
      series: series.size,
      liveSeries: series.size - places.retired.size,
      targets: targets.size,
      samplesAppended,
      ringBytes,
      sealedBytes: this.#blocks.heldBytes,
      fileBytes: this.#closed ? 0 : this.#file.bytes,
      sealedBlocks: this.#blocks.heldBlocks,
      minTs: Number.isFinite(minTs) ? minTs : undefined,
      maxTs: Number.isFinite(maxTs) ? maxTs : undefined,
    };
  }

  /** The file from before was damaged and is not this one any more. */
  noteSetAside(): void {
    this.#begunAnewAt = this.#options.clock.elapsed();
    this.#metrics.setAside(this.#options.clock.now());
  }

  close(): void {
    if (this.#closed) return;
    this.#commits.close(this.flush() && !this.#memoryOnly);
    this.#closed = true;
    this.#timer?.cancel();
    this.#sealTimer?.cancel();
    this.#file.close();
  }

  /** True where the next piece is due soon. */
  #nextPiece(): boolean {
    if (this.#deleting) return this.#deletePiece() || this.#expiries > 0;
    if (this.#expiries > 0) return this.#expirePiece();
    return this.#writePiece((now, maxCells) => this.#flusher.flush(now, maxCells)) === 'some' || this.#finishRound();
  }

  /** A piece of a round, so that the loop is not held for long: names where many are new, else samples. */
  #writePiece(flush: (now: number, maxCells: number) => boolean): 'all' | 'some' | 'nothing' {
    let ahead = false;
    this.#tried('names', () => {
      ahead = this.#flusher.writeNamesAhead();
    });
    return ahead ? 'some' : this.#write(flush);
  }

  #write(flush: (now: number, maxCells: number) => boolean): 'all' | 'some' | 'nothing' {
    const { clock, flushCells = CELLS_A_PIECE } = this.#options;
    const startedAt = clock.elapsed();
    let more = false;
    const done = this.#tried('flush', () => {
      if (!this.#file.isOpen) this.#begin();
      more = flush(clock.now(), flushCells);
    });
    this.#metrics.flushed((clock.elapsed() - startedAt) / 1000);
    if (!done) return 'nothing';
    return more ? 'some' : 'all';
  }

  #trim(): void {
    const now = this.#options.clock.now();
    this.#blocks.trim(Math.max(now - SEALED_KEEP_MS, this.#retention.cutoff(now)));
  }

  /** Deletes some of what is too old. True when there is more: then nothing else is due until it is gone, or a few pieces are. */
  #deletePiece(): boolean {
    let more = false;
    this.#tried('retention', () => {
      more = this.#retention.step(this.#options.clock.now());
    });
    return (this.#deleting = more && ++this.#deletions < DELETIONS_A_ROUND);
  }

  /** True when it has not deleted all that is too old, or forgotten all that has expired. */
  #finishRound(): boolean {
    this.#trim();
    const now = this.#options.clock.now();
    this.#deletions = 0;
    const more = this.#deletePiece();
    const cleans = ++this.#rounds % ROUNDS_PER_CLEANING === 0;
    if (cleans) this.#head.parkIdle(now - IDLE_TARGET_MS);
    if (cleans || this.#retention.isExpiring) this.#expirePiece(EXPIRIES_A_ROUND);
    this.#metrics.update(this.#head, this.#blocks, this.stats(), this.#degraded);
    return more || this.#expiries > 0;
  }

  /** Forgets some of the series that have expired. True when the next of them follow soon. */
  #expirePiece(pieces = this.#expiries): boolean {
    this.#tried('expiry', () => this.#retention.expireSeries(this.#options.clock.now()));
    this.#expiries = this.#retention.isExpiring ? pieces - 1 : 0;
    return this.#expiries > 0;
  }

  /** Runs a write to the file; a failure is told when it begins and when it ends, and never reaches a collector. */
  #tried(what: string, work: () => void): boolean {
    try {
      work();
    } catch (error) {
      if (!this.#degraded) this.#options.log.error('store_write_failed', { what, error: errorText(error) });
      this.#degraded = true;
      if (isCorruption(error)) this.#letGo(errorText(error));
      return false;
    }
    if (this.#degraded && !this.#memoryOnly && what === 'flush') {
      this.#degraded = false;
      this.#options.log.info('store_write_recovered');
    }
    return true;
  }

  /** Puts a file away whose damage shows while it is written, to go on in a new one with what is in memory. */
  #letGo(why: string): void {
    const { clock, log, path } = this.#options;
    if (path === ':memory:' || clock.elapsed() - this.#begunAnewAt < BEGIN_ANEW_LEAST_MS) return;
    this.noteSetAside();
    try {
      this.#file.letGo();
      putAway(this.#options, why);
      this.#begin();
    } catch (error) {
      log.error('store_write_failed', { what: 'set aside', error: errorText(error) });
    }
  }

  #begin(): void {
    this.#file.begin(this.#options.path);
    this.#flusher.beginAnew();
  }
}

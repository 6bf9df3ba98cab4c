import type { BlockStore } from './block-store.ts';
import type { Head } from './head.ts';
import type { SampleFile } from './sample-file.ts';
import type { SeriesId } from './series-table.ts';

/** Work of one step: few enough to stay in the low milliseconds. */
const BLOCKS_A_STEP = 64;
const PAGES_A_STEP = 128;
const SERIES_A_STEP = 250;
/** Of the file's pages; with more of them free it is made smaller. */
const MAX_FREE_SHARE = 0.25;
/** Forgetting one series walks along the lists that it stands in, as forgetting hundreds does: a few are not forgotten at once. */
const EXPIRY_INTERVAL_MS = 3_600_000;

/** Deletes what is older than the retention, or more than its bytes, the oldest first, in small steps. */
export class Retention {
  readonly #head: Head;
  readonly #blocks: BlockStore;
  readonly #file: SampleFile;
  readonly #retentionMs: number;
  readonly #maxBytes: number;
  blocksDeleted = 0;
  seriesExpired = 0;
  /** The last step has not come to the end of the series that have expired. */
  isExpiring = false;
  /** The newest time that deleted blocks reached. */
  #deletedTo = -Infinity;
  #lastExpiry = -Infinity;

  constructor(head: Head, blocks: BlockStore, file: SampleFile, retentionMs: number, maxBytes: number) {
    this.#head = head;
    this.#blocks = blocks;
    this.#file = file;
    this.#retentionMs = retentionMs;
    this.#maxBytes = maxBytes;
  }

  /** Samples before that are gone, or about to be. */
  cutoff(now: number): number {
    return Math.max(now - this.#retentionMs, this.#deletedTo);
  }

  /** Deletes some blocks, or gives room back. True when there is more to do. */
  step(now: number): boolean {
    let excess = this.#file.bytes - this.#maxBytes;
    const isTooMuch = excess > 0;
    const cutoff = isTooMuch ? Infinity : now - this.#retentionMs;
    const found = this.#file.rows<{ id: number; lane: number; max_ts: number; size: number }>(
      'SELECT id, lane, max_ts, length(bytes) AS size FROM blocks WHERE max_ts < ? ORDER BY max_ts LIMIT ?',
      cutoff,
      BLOCKS_A_STEP,
    );
    // Of what is not too old no more goes than has to.
    const old = isTooMuch ? found.filter(({ size }) => (excess -= size) + size > 0) : found;
    // A shorter retention is how room is made on a full disk. Some free pages stay: new blocks fill them.
    if (old.length === 0) return this.#file.freeShare > MAX_FREE_SHARE && this.#file.shrink(PAGES_A_STEP);
    this.#file.transaction(() => {
      for (const { id } of old) this.#file.run('DELETE FROM blocks WHERE id = ?', id);
    });
    this.#file.shrink(PAGES_A_STEP);
    this.blocksDeleted += old.length;
    this.#deletedTo = Math.max(this.#deletedTo, old.at(-1)?.max_ts ?? -Infinity);
    this.#blocks.forget(old.map(({ id }) => id));
    for (const lane of new Set(old.map(({ lane: id }) => id))) this.#refreshLane(lane);
    return old.length === BLOCKS_A_STEP || this.#file.bytes > this.#maxBytes;
  }

  /** Forgets some series that have no sample left, and lanes that have nothing left. */
  expireSeries(now: number): void {
    this.isExpiring = false;
    const cutoff = this.cutoff(now);
    const expired: SeriesId[] = [];
    for (const [id, lastTs] of this.#head.places.retired) {
      if (lastTs < cutoff && expired.push(id) >= SERIES_A_STEP) break;
    }
    const lanes = this.#head.lanes.filter((lane) => lane?.isEmpty === true).map((lane) => lane!.id);
    if (expired.length < SERIES_A_STEP && now - this.#lastExpiry < EXPIRY_INTERVAL_MS) expired.length = 0;
    if (expired.length === 0 && lanes.length === 0) return;
    if (expired.length > 0) this.#lastExpiry = now;
    this.#file.transaction(() => {
      for (const id of expired) {
        this.#file.run('DELETE FROM series WHERE id = ?', id);
        this.#file.run('DELETE FROM places WHERE series = ?', id);
      }
      for (const lane of lanes) this.#file.run('DELETE FROM lanes WHERE id = ?', lane);
    });
    this.seriesExpired += expired.length;
    for (const lane of lanes) this.#head.dropLane(lane);
    if (expired.length === 0) return;
    const unused = this.#head.expire(expired);
    this.#file.transaction(() => {
      for (const symbol of unused) this.#file.run('DELETE FROM symbols WHERE id = ?', symbol);
    });
    this.isExpiring = expired.length === SERIES_A_STEP;
  }

  #refreshLane(id: number): void {
    const lane = this.#head.lane(id);
    if (lane === undefined) return;
    // A lane's rows are sealed in the order of their times; points with times of their own need not be.
    const [oldest] = this.#file.rows<{ min: number | null; max: number | null }>(
      lane.isSide
        ? 'SELECT min(min_ts) AS min, max(max_ts) AS max FROM blocks WHERE lane = ? AND id <= ?'
        : 'SELECT min_ts AS min, NULL AS max FROM blocks WHERE lane = ? AND id <= ? ORDER BY id LIMIT 1',
      id,
      lane.storedMaxId,
    );
    const [newest] = this.#file.rows<{ id: number; max: number }>(
      'SELECT id, max_ts AS max FROM blocks WHERE lane = ? AND id <= ? ORDER BY id DESC LIMIT 1',
      id,
      lane.storedMaxId,
    );
    lane.storedMinTs = oldest?.min ?? Infinity;
    lane.storedMaxTs = oldest?.max ?? newest?.max ?? -Infinity;
    lane.storedMaxId = newest?.id ?? -1;
  }
}

import { errorText } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import { BlockCache, type CachedHandle } from './block-cache.ts';
import { BlockEncoder } from './block-codec.ts';
import { ColumnCodec } from './column-codec.ts';
import type { Sealer, StoreLimits } from './head.ts';
import type { Lane } from './lane.ts';
import type { BlockHandle, BlockSource } from './lane-reader.ts';
import type { SampleFile, StoredBlockRange } from './sample-file.ts';
import type { SealedBlock } from './sealed-block.ts';
import type { SeriesId } from './series-table.ts';
import { NO_POINTS, type PointsEnd } from './side-points.ts';

/** Around what a query asks for, that much more of a lane's block list is read and remembered. */
const LIST_MARGIN_MS = 3_600_000;
const MAX_REMEMBERED_LISTS = 4096;
const MAX_TOLD = 1000;
/** How many blocks are searched for the end of a series that comes back. */
const BLOCKS_SEARCHED = 8;
const NONE: readonly BlockHandle[] = [];

/**
 * Sealed blocks: made from lanes, held in memory while they are new or not yet in the file, read back from the file
 * after that. Sealing touches no file; a flush takes what is pending.
 */
export class BlockStore implements Sealer, BlockSource {
  readonly #limits: StoreLimits;
  readonly #file: SampleFile;
  readonly #log: Logger;
  readonly #lane: (id: number) => Lane | undefined;
  readonly #encoder = new BlockEncoder();
  /** Of the one lane that is encoded ahead. */
  readonly #ahead = new BlockEncoder();
  readonly #cache: BlockCache;
  readonly #lists = new Map<number, { fromTs: number; toTs: number; blocks: readonly StoredBlockRange[] }>();
  /** Of `blocks`; forgotten as soon as any block comes or goes. */
  #lastAnswer: { lane: Lane; fromTs: number; toTs: number; blocks: readonly BlockHandle[] } | undefined;
  readonly #toldUnreadable = new Set<number>();
  /** In memory, in the order they were sealed. */
  #held: SealedBlock[] = [];
  /** Of those, the ones that the file has not yet. */
  pending: SealedBlock[] = [];
  heldBytes = 0;
  nextBlock = 1;
  nextLane = 0;
  samplesSealed = 0;
  bytesSealed = 0;
  /** Blocks given up because the file would not take them, and blocks that could not be read. */
  blocksLost = 0;
  readErrors = 0;

  constructor(limits: StoreLimits, file: SampleFile, log: Logger, lane: (id: number) => Lane | undefined) {
    this.#limits = limits;
    this.#file = file;
    this.#log = log;
    this.#lane = lane;
    this.#cache = new BlockCache(limits.cacheBytes, new ColumnCodec());
  }

  nextLaneId(): number {
    return this.nextLane++;
  }

  get heldBlocks(): number {
    return this.#held.length;
  }

  get cacheBytes(): number {
    return this.#cache.bytes;
  }

  seal(lane: Lane): void {
    const block = lane.ring === null ? this.#sealPoints(lane) : this.#sealRows(lane);
    if (block === undefined) return;
    lane.logRows = [];
    lane.keyframeDue = true;
    this.#keep(lane, block);
  }

  /**
   * Encodes some of the rows that a lane's next block will have, for when it is sealed; one lane at a time. True when there
   * is more. Only of a lane that is sealed before its next row.
   */
  encodeAhead({ ring }: Lane, cells: number): boolean {
    if (ring === null || ring.unsealed === ring.next) return false;
    if (!this.#ahead.isAt(ring, ring.unsealed, ring.next)) this.#ahead.beginRows(ring, ring.unsealed, ring.next);
    return this.#ahead.columns(cells);
  }

  #keep(lane: Lane, block: SealedBlock): void {
    this.#lastAnswer = undefined;
    lane.sealed.push(block);
    this.#held.push(block);
    this.pending.push(block);
    this.heldBytes += block.bytes.length;
    this.samplesSealed += block.samples;
    this.bytesSealed += block.bytes.length;
  }

  /** Takes a block that was made elsewhere, of a lane that is not written: newer than the lane's others. */
  add(lane: Lane, block: Pick<SealedBlock, 'minTs' | 'maxTs' | 'samples' | 'bytes'>): void {
    this.#keep(lane, { ...block, id: this.nextBlock++, lane: lane.id, logRows: [], stored: false });
  }

  /** Drops from memory what is in the file and older than `keepAfterTs` or over the bound; over twice the bound, anything. */
  trim(keepAfterTs: number): void {
    let dropped = 0;
    for (const block of this.#held) {
      const over = this.heldBytes > this.#limits.sealedBytes;
      if (!(block.stored ? over || block.maxTs < keepAfterTs : this.heldBytes > 2 * this.#limits.sealedBytes)) break;
      dropped++;
      this.#drop(block);
    }
    if (dropped > 0) this.#held = this.#held.slice(dropped);
  }

  /** Forgets blocks that retention has deleted from the file, and remembered lists with them. */
  forget(ids: readonly number[]): void {
    this.#lists.clear();
    this.#lastAnswer = undefined;
    for (const id of ids) this.#cache.remove(id);
    const gone = new Set(ids);
    for (const { id, bytes, lane: laneId } of this.#held) {
      const lane = this.#lane(laneId);
      if (!gone.has(id)) continue;
      this.heldBytes -= bytes.length;
      if (lane !== undefined) lane.sealed = lane.sealed.filter((kept) => kept.id !== id);
    }
    this.#held = this.#held.filter(({ id }) => !gone.has(id));
  }

  /** The file is a new one, and empty: what is held in memory goes into it, and of the other blocks nothing is left. */
  beginAnew(): void {
    this.#lists.clear();
    this.#lastAnswer = undefined;
    for (const block of this.#held) {
      block.stored = false;
      block.logRows = [];
    }
    this.pending = [...this.#held];
  }

  /** Neighbours in a selection share a lane and ask for the same time, so the last answer is kept. */
  blocks(lane: Lane, fromTs: number, toTs: number): readonly BlockHandle[] {
    const last = this.#lastAnswer;
    if (last !== undefined && last.lane === lane && last.fromTs === fromTs && last.toTs === toTs) return last.blocks;
    const blocks = this.#find(lane, fromTs, toTs);
    this.#lastAnswer = { lane, fromTs, toTs, blocks };
    return blocks;
  }

  #find(lane: Lane, fromTs: number, toTs: number): readonly BlockHandle[] {
    const inFile = fromTs < lane.storedMaxTs && toTs >= lane.storedMinTs;
    if (!inFile && lane.sealed.length === 0) return NONE;
    const found: BlockHandle[] = [];
    if (inFile) {
      for (const { id, min_ts: minTs, max_ts: maxTs } of this.#listed(lane, fromTs, toTs)) {
        if (maxTs > fromTs && minTs <= toTs)
          found.push(this.#guarded(lane, this.#cache.handle({ id, minTs, maxTs, held: false, load: () => this.#file.blockBytes(id) })));
      }
    }
    for (const { id, minTs, maxTs, bytes } of lane.sealed) {
      if (maxTs > fromTs && minTs <= toTs)
        found.push(this.#guarded(lane, this.#cache.handle({ id, minTs, maxTs, held: true, load: () => bytes })));
    }
    return found;
  }

  sealedEnd(lane: Lane, id: SeriesId): PointsEnd {
    const blocks = this.blocks(lane, -Infinity, Infinity);
    for (const block of blocks.slice(-BLOCKS_SEARCHED).toReversed()) {
      const column = block.column(id);
      const ts = column?.ts.at(-1);
      if (column !== undefined && ts !== undefined) return { ts, words: column.words.slice(-2) };
    }
    return NO_POINTS;
  }

  #sealRows(lane: Lane): SealedBlock | undefined {
    const ring = lane.ring!;
    const from = ring.unsealed;
    if (from === ring.next) return undefined;
    const encoder = this.#ahead.isAt(ring, from, ring.next) ? this.#ahead : this.#encoder;
    const bytes = encoder === this.#ahead ? encoder.endRows() : encoder.rows(ring, from, ring.next);
    const minTs = ring.ts[from % ring.rows]!;
    ring.unsealed = ring.next;
    ring.unlogged = ring.next;
    return this.#block(lane, minTs, ring.lastTs, encoder.samples, bytes);
  }

  #sealPoints(lane: Lane): SealedBlock | undefined {
    const series = lane.side?.series ?? [];
    let minTs = Infinity;
    let maxTs = -Infinity;
    for (const points of series) {
      if (points.unsealed === points.next) continue;
      minTs = Math.min(minTs, points.ts[points.unsealed % points.v.length]!);
      maxTs = Math.max(maxTs, points.lastTs);
    }
    if (maxTs === -Infinity) return undefined;
    const bytes = this.#encoder.side(series);
    lane.side?.sealed();
    return this.#block(lane, minTs, maxTs, this.#encoder.samples, bytes);
  }

  #block(lane: Lane, minTs: number, maxTs: number, samples: number, bytes: Uint8Array): SealedBlock {
    return { id: this.nextBlock++, lane: lane.id, minTs, maxTs, samples, bytes, logRows: lane.logRows, stored: false };
  }

  #drop(block: SealedBlock): void {
    this.#lastAnswer = undefined;
    this.#cache.remove(block.id);
    this.heldBytes -= block.bytes.length;
    const lane = this.#lane(block.lane);
    if (lane === undefined) return;
    lane.sealed = lane.sealed.filter((kept) => kept !== block);
    if (!block.stored) {
      this.pending = this.pending.filter((kept) => kept !== block);
      this.blocksLost++;
      return;
    }
    lane.storedMinTs = Math.min(lane.storedMinTs, block.minTs);
    lane.storedMaxTs = Math.max(lane.storedMaxTs, block.maxTs);
    lane.storedMaxId = block.id;
    this.#lists.delete(lane.id);
  }

  #listed(lane: Lane, fromTs: number, toTs: number): readonly StoredBlockRange[] {
    const known = this.#lists.get(lane.id);
    if (known !== undefined && known.fromTs <= fromTs && known.toTs >= toTs) return known.blocks;
    const list = { fromTs: fromTs - LIST_MARGIN_MS, toTs: toTs + LIST_MARGIN_MS, blocks: [] as readonly StoredBlockRange[] };
    try {
      list.blocks = this.#file.blockRanges(lane.id, lane.storedMaxId, list.fromTs, list.toTs);
    } catch (error) {
      this.#unreadable(lane, -1, error);
    }
    if (this.#lists.size >= MAX_REMEMBERED_LISTS) this.#lists.clear();
    this.#lists.set(lane.id, list);
    return list.blocks;
  }

  /** A block that cannot be read is a hole in the history, told once, not a failed query. */
  #guarded(lane: Lane, handle: CachedHandle): BlockHandle {
    const guarded = <T>(read: () => T): T | undefined => {
      try {
        return read();
      } catch (error) {
        this.#unreadable(lane, handle.id, error);
        return undefined;
      }
    };
    return {
      minTs: handle.minTs,
      maxTs: handle.maxTs,
      ids: () => guarded(() => handle.ids()) ?? new Int32Array(0),
      column: (series) => guarded(() => handle.column(series)),
    };
  }

  #unreadable(lane: Lane, block: number, error: unknown): void {
    this.readErrors++;
    if (this.#toldUnreadable.has(block) || this.#toldUnreadable.size >= MAX_TOLD) return;
    this.#toldUnreadable.add(block);
    this.#log.error('store_block_unreadable', { target: lane.target, block, error: errorText(error) });
  }
}

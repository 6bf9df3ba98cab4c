import { DecodedBlock } from './block-codec.ts';
import type { ColumnCodec } from './column-codec.ts';
import type { BlockHandle } from './lane-reader.ts';

const NO_SERIES = new Int32Array(0);

/** Where a block comes from. */
export interface BlockOrigin {
  readonly id: number;
  readonly minTs: number;
  readonly maxTs: number;
  /** Its encoded bytes are in memory anyway, and do not count. */
  readonly held: boolean;
  /** Undefined where the bytes cannot be had. */
  load(): Uint8Array | undefined;
}

/** A block whose bytes are loaded when a column of it is asked for. */
export interface CachedHandle extends BlockHandle {
  readonly id: number;
}

interface Entry {
  readonly block: DecodedBlock;
  readonly heldElsewhere: number;
  /** What it counts for now. */
  bytes: number;
}

/** Decoded blocks by number, the one used longest ago dropped first, within a bound of bytes. */
export class BlockCache {
  readonly #maxBytes: number;
  readonly #codec: ColumnCodec;
  readonly #blocks = new Map<number, Entry>();
  #bytes = 0;

  constructor(maxBytes: number, codec: ColumnCodec) {
    this.#maxBytes = maxBytes;
    this.#codec = codec;
  }

  get bytes(): number {
    return this.#bytes;
  }

  handle(origin: BlockOrigin): CachedHandle {
    return {
      id: origin.id,
      minTs: origin.minTs,
      maxTs: origin.maxTs,
      ids: () => this.#read(origin, (block) => block.ids()) ?? NO_SERIES,
      column: (series) => this.#read(origin, (block) => block.column(series)),
    };
  }

  remove(id: number): void {
    const entry = this.#blocks.get(id);
    if (entry === undefined) return;
    this.#blocks.delete(id);
    this.#bytes -= entry.bytes;
  }

  #read<T>(origin: BlockOrigin, what: (block: DecodedBlock) => T): T | undefined {
    let entry = this.#blocks.get(origin.id);
    if (entry === undefined) {
      const bytes = origin.load();
      if (bytes === undefined) return undefined;
      entry = {
        block: new DecodedBlock(bytes, origin.minTs, origin.maxTs, this.#codec),
        bytes: 0,
        heldElsewhere: origin.held ? bytes.length : 0,
      };
    } else this.#blocks.delete(origin.id);
    this.#blocks.set(origin.id, entry);
    const found = what(entry.block);
    const bytes = entry.block.bytesHeld - entry.heldElsewhere;
    this.#bytes += bytes - entry.bytes;
    entry.bytes = bytes;
    for (const [oldest, old] of this.#blocks) {
      if (this.#bytes <= this.#maxBytes || old === entry) break;
      this.remove(oldest);
    }
    return found;
  }
}

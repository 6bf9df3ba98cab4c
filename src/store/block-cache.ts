import { DecodedBlock } from './block-codec.ts';
import type { ColumnCodec } from './column-codec.ts';
import type { BlockHandle, DecodedColumn } from './lane-reader.ts';
import type { SeriesId } from './series-table.ts';

/** Decoded blocks by number, the one used longest ago dropped first, within a bound of bytes. */
export class BlockCache {
  readonly #maxBytes: number;
  readonly #codec: ColumnCodec;
  readonly #blocks = new Map<number, DecodedBlock>();
  #bytes = 0;

  constructor(maxBytes: number, codec: ColumnCodec) {
    this.#maxBytes = maxBytes;
    this.#codec = codec;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** A block whose bytes are loaded when a column of it is asked for; `load` says undefined where it cannot be had. */
  handle(id: number, minTs: number, maxTs: number, load: () => Uint8Array | undefined): BlockHandle {
    return { minTs, maxTs, column: (series) => this.#column(id, minTs, maxTs, series, load) };
  }

  remove(id: number): void {
    const block = this.#blocks.get(id);
    if (block === undefined) return;
    this.#blocks.delete(id);
    this.#bytes -= block.bytesHeld;
  }

  #column(id: number, minTs: number, maxTs: number, series: SeriesId, load: () => Uint8Array | undefined): DecodedColumn | undefined {
    let block = this.#blocks.get(id);
    if (block === undefined) {
      const bytes = load();
      if (bytes === undefined) return undefined;
      block = new DecodedBlock(bytes, minTs, maxTs, this.#codec);
      this.#bytes += block.bytesHeld;
    } else this.#blocks.delete(id);
    this.#blocks.set(id, block);
    const before = block.bytesHeld;
    const column = block.column(series);
    this.#bytes += block.bytesHeld - before;
    for (const [oldest, old] of this.#blocks) {
      if (this.#bytes <= this.#maxBytes || old === block) break;
      this.remove(oldest);
    }
    return column;
  }
}

import { BitReader, corrupt } from './bit-reader.ts';
import { BitWriter } from './bit-writer.ts';
import { ColumnCodec } from './column-codec.ts';
import type { BlockHandle, DecodedColumn } from './lane-reader.ts';
import type { RowRing } from './row-ring.ts';
import type { SeriesId } from './series-table.ts';
import type { SideSeries } from './side-points.ts';

/** Version 1 had fewer codes of columns, which are the same still. */
const VERSION = 2;
const OLDEST_VERSION = 1;
const ROWS = 0;
const SIDE = 1;
/** No block that was ever written has more of them. */
const MAX_BLOCK_ROWS = 65_536;
const MAX_BLOCK_COLUMNS = 262_144;
/** Of a block with more columns only that many are looked for from the first one on. */
const NARROW = 64;

/**
 * A block: version, kind, then for rows their number and the column of times, then the number of columns, a
 * directory (difference of series ids, bytes; for points with own times also how many and the bytes of the times),
 * then the columns. All numbers are varints.
 */
export class BlockEncoder {
  readonly #codec = new ColumnCodec();
  readonly #head = new BitWriter();
  readonly #body = new BitWriter();
  #cells = new Float64Array(128);
  #words = new Uint32Array(this.#cells.buffer);
  #part: { readonly ring: RowRing; readonly from: number; readonly n: number; col: number; readonly directory: number[] } | undefined;
  /** Samples in the last block, without staleness markers. */
  samples = 0;

  /** Rows [from, to) of a ring; columns without any sample or marker in them are left out. */
  rows(ring: RowRing, from: number, to: number): Uint8Array {
    this.beginRows(ring, from, to);
    return this.endRows();
  }

  /** As `rows` in parts: `columns` takes some, `endRows` what is left. In between these rows of the ring must stay. */
  beginRows(ring: RowRing, from: number, to: number): void {
    const n = to - from;
    this.#begin(ROWS, n);
    this.#head.varint(n);
    for (let i = 0; i < n; i++) this.#cells[i] = ring.ts[(from + i) % ring.rows]!;
    this.#codec.encode(this.#words, n, this.#body);
    this.#head.varint(this.#body.length);
    this.#head.append(this.#body.bytes.subarray(0, this.#body.length));
    this.#body.reset();
    this.#part = { ring, from, n, col: 0, directory: [] };
  }

  /** Encodes columns of about that many cells. True when there are more. */
  columns(cells: number): boolean {
    const part = this.#part;
    if (part === undefined) return false;
    const { ring, from, n, directory } = part;
    const end = Math.min(ring.cols, part.col + Math.ceil(cells / n));
    for (; part.col < end; part.col++) {
      const used = this.#gather(ring, part.col, from, n);
      if (used < 0) continue;
      this.samples += used;
      const start = this.#body.length;
      this.#codec.encode(this.#words, n, this.#body);
      directory.push(ring.ids[part.col]!, this.#body.length - start);
    }
    return part.col < ring.cols;
  }

  /** True while these rows are begun and not ended. */
  isAt(ring: RowRing, from: number, to: number): boolean {
    const part = this.#part;
    return part?.ring === ring && part.from === from && part.n === to - from;
  }

  endRows(): Uint8Array {
    this.columns(Infinity);
    this.#directory(this.#part?.directory ?? [], 2);
    return this.#end();
  }

  /** The points of series with own times that no block has yet. */
  side(series: readonly SideSeries[]): Uint8Array {
    this.#begin(SIDE, 0);
    const directory: number[] = [];
    for (const points of series) {
      const n = points.next - points.unsealed;
      if (n === 0) continue;
      this.#reserve(n);
      const start = this.#body.length;
      for (let i = 0; i < n; i++) this.#cells[i] = points.ts[(points.unsealed + i) % points.v.length]!;
      this.#codec.encode(this.#words, n, this.#body);
      const middle = this.#body.length;
      for (let i = 0; i < n; i++) {
        const slot = (points.unsealed + i) % points.v.length;
        this.#words[2 * i] = points.words[2 * slot]!;
        this.#words[2 * i + 1] = points.words[2 * slot + 1]!;
        if (!points.isEmpty(slot)) this.samples++;
      }
      this.#codec.encode(this.#words, n, this.#body);
      directory.push(points.id, this.#body.length - start, n, middle - start);
    }
    this.#directory(directory, 4);
    return this.#end();
  }

  /** Copies a column into the scratch; returns how many samples it has, -1 where it is absent throughout. */
  #gather(ring: RowRing, col: number, from: number, n: number): number {
    let samples = 0;
    let used = false;
    for (let i = 0; i < n; i++) {
      const cell = ((from + i) % ring.rows) * ring.stride + col;
      this.#words[2 * i] = ring.words[2 * cell]!;
      this.#words[2 * i + 1] = ring.words[2 * cell + 1]!;
      if (!ring.isEmpty(cell)) samples++;
      else if (ring.isStale(cell)) used = true;
    }
    return samples > 0 || used ? samples : -1;
  }

  #directory(entries: readonly number[], width: number): void {
    this.#head.varint(entries.length / width);
    let before = 0;
    for (let i = 0; i < entries.length; i += width) {
      this.#head.zigzag(entries[i]! - before);
      before = entries[i]!;
      for (let field = 1; field < width; field++) this.#head.varint(entries[i + field]!);
    }
  }

  #begin(kind: number, n: number): void {
    this.#part = undefined;
    this.#reserve(n);
    this.#head.reset();
    this.#body.reset();
    this.samples = 0;
    this.#head.byte(VERSION);
    this.#head.byte(kind);
  }

  #end(): Uint8Array {
    this.#part = undefined;
    this.#head.append(this.#body.bytes.subarray(0, this.#body.length));
    return this.#head.take();
  }

  #reserve(n: number): void {
    if (n <= this.#cells.length) return;
    this.#cells = new Float64Array(2 * n);
    this.#words = new Uint32Array(this.#cells.buffer);
  }
}

/** Memory for one column at a time. */
export class ColumnScratch implements DecodedColumn {
  ts: Float64Array = new Float64Array(0);
  v = new Float64Array(128);
  words = new Uint32Array(this.v.buffer);
}

/** A block's columns, each decoded when it is first asked for. Throws `STORE_CORRUPT`. */
export class DecodedBlock implements BlockHandle {
  readonly minTs: number;
  readonly maxTs: number;
  /** Bytes this object holds by now. */
  bytesHeld: number;
  readonly #bytes: Uint8Array;
  readonly #codec: ColumnCodec;
  readonly #times: Float64Array | null;
  readonly #ids: Int32Array;
  readonly #fields: Float64Array;
  readonly #width: number;
  readonly #columns = new Map<number, DecodedColumn>();
  /** The column that was found last: mostly its neighbour is asked for next. */
  #foundAt = -1;
  #searches = 0;
  /** The columns in the order of their series; made when so many have been searched for that it pays. */
  #bySeries: Int32Array | undefined;

  constructor(bytes: Uint8Array, minTs: number, maxTs: number, codec: ColumnCodec) {
    this.minTs = minTs;
    this.maxTs = maxTs;
    this.#bytes = bytes;
    this.#codec = codec;
    const from = new BitReader(bytes);
    const version = from.byte();
    if (version < OLDEST_VERSION || version > VERSION) throw corrupt(`a block of version ${version}`);
    const side = from.byte() === SIDE;
    this.#times = null;
    if (!side) {
      const rows = from.count(MAX_BLOCK_ROWS);
      const length = from.varint();
      const words = new Uint32Array(2 * rows);
      codec.decode(new BitReader(bytes, from.at, from.at + length), rows, words);
      from.take(length);
      this.#times = new Float64Array(words.buffer);
    }
    this.#width = side ? 4 : 2;
    const columns = from.count(MAX_BLOCK_COLUMNS);
    this.#ids = new Int32Array(columns);
    // Per column: offset, bytes, and for points with own times how many and the bytes of the times.
    this.#fields = new Float64Array(columns * this.#width);
    this.#readDirectory(from, columns);
    this.bytesHeld = bytes.length + 4 * columns + 8 * this.#fields.length + 8 * (this.#times?.length ?? 0) + 256;
  }

  ids(): Int32Array {
    return this.#ids;
  }

  column(id: SeriesId): DecodedColumn | undefined {
    const col = this.#columnOf(id);
    if (col < 0) return undefined;
    let column = this.#columns.get(col);
    if (column === undefined) {
      this.#columns.set(col, (column = this.#decode(col)));
      this.bytesHeld += 8 * column.v.length * (this.#times === null ? 2 : 1) + 256;
    }
    return column;
  }

  /** As `column`, decoded into memory that the caller uses again: only the first `ts.length` cells count. Rows only. */
  read(id: SeriesId, into: ColumnScratch): DecodedColumn | undefined {
    const col = this.#columnOf(id);
    if (col < 0 || this.#times === null) return this.column(id);
    const n = this.#times.length;
    if (into.v.length < n) {
      into.v = new Float64Array(2 * n);
      into.words = new Uint32Array(into.v.buffer);
    }
    const at = this.#fields[col * this.#width]!;
    this.#codec.decode(new BitReader(this.#bytes, at, at + this.#fields[col * this.#width + 1]!), n, into.words);
    into.ts = this.#times;
    return into;
  }

  /** -1 where it has none of the series. */
  #columnOf(id: SeriesId): number {
    const ids = this.#ids;
    if (ids[this.#foundAt + 1] === id) return ++this.#foundAt;
    if (ids[this.#foundAt] === id) return this.#foundAt;
    const col = ids.length <= NARROW || ++this.#searches <= NARROW ? ids.indexOf(id) : this.#searched(id);
    if (col >= 0) this.#foundAt = col;
    return col;
  }

  #searched(id: SeriesId): number {
    const ids = this.#ids;
    if (this.#bySeries === undefined) {
      this.#bySeries = Int32Array.from(ids.keys()).sort((a, b) => ids[a]! - ids[b]!);
      this.bytesHeld += 4 * ids.length;
    }
    let [low, high] = [0, ids.length - 1];
    while (low <= high) {
      const middle = (low + high) >>> 1;
      const col = this.#bySeries[middle]!;
      if (ids[col] === id) return col;
      if (ids[col]! < id) low = middle + 1;
      else high = middle - 1;
    }
    return -1;
  }

  #readDirectory(from: BitReader, columns: number): void {
    let id = 0;
    let offset = 0;
    for (let col = 0; col < columns; col++) {
      id += from.zigzag();
      this.#ids[col] = id;
      this.#fields[col * this.#width] = offset;
      for (let field = 1; field < this.#width; field++) this.#fields[col * this.#width + field] = from.varint();
      offset += this.#fields[col * this.#width + 1]!;
    }
    for (let col = 0; col < columns; col++) this.#fields[col * this.#width]! += from.at;
  }

  #decode(col: number): DecodedColumn {
    const at = this.#fields[col * this.#width]!;
    const end = at + this.#fields[col * this.#width + 1]!;
    if (this.#times !== null) {
      const words = this.#cells(at, end, this.#times.length);
      return { ts: this.#times, v: new Float64Array(words.buffer), words };
    }
    const n = this.#fields[col * 4 + 2]!;
    if (n > MAX_BLOCK_ROWS) throw corrupt(`a column of ${n} points`);
    const middle = at + this.#fields[col * 4 + 3]!;
    const words = this.#cells(middle, end, n);
    return { ts: new Float64Array(this.#cells(at, middle, n).buffer), v: new Float64Array(words.buffer), words };
  }

  #cells(at: number, end: number, n: number): Uint32Array<ArrayBuffer> {
    const words = new Uint32Array(2 * n);
    this.#codec.decode(new BitReader(this.#bytes, at, end), n, words);
    return words;
  }
}

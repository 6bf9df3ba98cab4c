import { corrupt } from './bit-reader.ts';
import type { DecodedColumn } from './lane-reader.ts';
import type { Chain } from './log-codec.ts';
import type { SeriesId } from './series-table.ts';

interface Segment {
  readonly ids: Int32Array;
  readonly rows: { readonly ts: number; readonly words: Uint32Array<ArrayBuffer> }[];
}

/** The newest samples of a lane, which no block has yet, as the log has them. */
export class HistoryTail {
  /** The log row from which on the log has all that no block has. */
  readonly logFrom: number;
  minTs = Infinity;
  maxTs = -Infinity;
  chain: Chain | undefined;
  readonly #afterTs: number;
  #segments: Segment[] = [];
  readonly #points = new Map<SeriesId, { ts: number[]; words: number[] }>();

  /** Rows up to `afterTs` are in blocks. */
  constructor(logFrom: number, afterTs: number) {
    this.logFrom = logFrom;
    this.#afterTs = afterTs;
  }

  get isEmpty(): boolean {
    return this.maxTs === -Infinity;
  }

  columns(ids: Int32Array): void {
    const none = new Float64Array(ids.length);
    this.chain = { length: 0, last: none, beforeLast: none };
    this.#segments.push({ ids: ids.slice(), rows: [] });
  }

  row(ts: number, words: Uint32Array<ArrayBuffer>): void {
    const before = this.chain;
    const segment = this.#segments.at(-1);
    if (before === undefined || segment === undefined) throw corrupt('the log has a row without columns');
    this.chain = { length: before.length + 1, last: new Float64Array(words.buffer), beforeLast: before.last };
    if (ts <= Math.max(this.#afterTs, this.maxTs)) return;
    segment.rows.push({ ts, words });
    this.#reach(ts);
  }

  point(series: SeriesId, ts: number, words: Uint32Array): void {
    let points = this.#points.get(series);
    if (points === undefined) this.#points.set(series, (points = { ts: [], words: [] }));
    if (ts <= (points.ts.at(-1) ?? -Infinity)) return;
    points.ts.push(ts);
    points.words.push(words[0] ?? 0, words[1] ?? 0);
    this.#reach(ts);
  }

  /** The runs of rows with the same columns, oldest first; each is read like a block. */
  parts(): readonly TailPart[] {
    const parts: TailPart[] = [];
    for (const segment of this.#segments) if (segment.rows.length > 0) parts.push(new TailPart(segment));
    return parts;
  }

  /** The points of a series with times of its own. */
  points(id: SeriesId): DecodedColumn | undefined {
    const points = this.#points.get(id);
    if (points === undefined) return undefined;
    const words = Uint32Array.from(points.words);
    return { ts: Float64Array.from(points.ts), v: new Float64Array(words.buffer), words };
  }

  #reach(ts: number): void {
    this.minTs = Math.min(this.minTs, ts);
    this.maxTs = Math.max(this.maxTs, ts);
  }
}

/** Rows of one width. */
export class TailPart {
  readonly #segment: Segment;
  readonly #columns = new Map<SeriesId, number>();
  readonly #ts: Float64Array;

  constructor(segment: Segment) {
    this.#segment = segment;
    for (const [col, id] of segment.ids.entries()) this.#columns.set(id, col);
    this.#ts = Float64Array.from(segment.rows, ({ ts }) => ts);
  }

  get minTs(): number {
    return this.#ts[0] ?? Infinity;
  }

  get maxTs(): number {
    return this.#ts.at(-1) ?? -Infinity;
  }

  column(id: SeriesId): DecodedColumn | undefined {
    const col = this.#columns.get(id);
    if (col === undefined) return undefined;
    const { rows } = this.#segment;
    const words = new Uint32Array(2 * rows.length);
    for (const [i, row] of rows.entries()) {
      words[2 * i] = row.words[2 * col] ?? 0;
      words[2 * i + 1] = row.words[2 * col + 1] ?? 0;
    }
    return { ts: this.#ts, v: new Float64Array(words.buffer), words };
  }
}

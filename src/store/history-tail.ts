import { corrupt } from './bit-reader.ts';
import type { DecodedColumn } from './lane-reader.ts';
import type { Chain } from './log-codec.ts';
import type { SeriesId } from './series-table.ts';

/** Three numbers of a list. */
const POINT_BYTES = 24;

interface Segment {
  /** The columns that are kept, by series, and where in a row of the log they are. */
  readonly columns: ReadonlyMap<SeriesId, number>;
  readonly places: Int32Array;
  readonly rows: { readonly ts: number; readonly words: Uint32Array }[];
}

/** The newest samples of a lane, which no block has yet, as the log has them. */
export class HistoryTail {
  /** The log row from which on the log has all that no block has. */
  readonly logFrom: number;
  minTs = Infinity;
  maxTs = -Infinity;
  /** Bytes of what is kept. */
  bytes = 0;
  chain: Chain | undefined;
  readonly #afterTs: number;
  readonly #keeps: (id: SeriesId) => boolean;
  #segments: Segment[] = [];
  readonly #points = new Map<SeriesId, { ts: number[]; words: number[] }>();
  /** The newest of each series with times of its own, kept or not. */
  readonly #newest = new Map<SeriesId, number>();
  #parts: readonly TailPart[] | undefined;

  /** Rows up to `afterTs` are in blocks; only series that `keeps` names can be read. */
  constructor(logFrom: number, afterTs: number, keeps: (id: SeriesId) => boolean) {
    this.logFrom = logFrom;
    this.#afterTs = afterTs;
    this.#keeps = keeps;
  }

  get isEmpty(): boolean {
    return this.maxTs === -Infinity;
  }

  columns(ids: Int32Array): void {
    const none = new Float64Array(ids.length);
    this.chain = { length: 0, last: none, beforeLast: none };
    const columns = new Map<SeriesId, number>();
    const places: number[] = [];
    for (const [place, id] of ids.entries()) if (this.#keeps(id)) columns.set(id, places.push(place) - 1);
    this.#segments.push({ columns, places: Int32Array.from(places), rows: [] });
  }

  row(ts: number, words: Uint32Array<ArrayBuffer>): void {
    const before = this.chain;
    const segment = this.#segments.at(-1);
    if (before === undefined || segment === undefined) throw corrupt('the log has a row without columns');
    this.chain = { length: before.length + 1, last: new Float64Array(words.buffer), beforeLast: before.last };
    if (ts <= Math.max(this.#afterTs, this.maxTs)) return;
    const { places } = segment;
    const kept = new Uint32Array(2 * places.length);
    for (let col = 0; col < places.length; col++) {
      kept[2 * col] = words[2 * places[col]!]!;
      kept[2 * col + 1] = words[2 * places[col]! + 1]!;
    }
    segment.rows.push({ ts, words: kept });
    this.bytes += kept.byteLength;
    this.#reach(ts);
  }

  point(series: SeriesId, ts: number, words: Uint32Array): void {
    if (ts <= (this.#newest.get(series) ?? -Infinity)) return;
    this.#newest.set(series, ts);
    this.#reach(ts);
    if (!this.#keeps(series)) return;
    let points = this.#points.get(series);
    if (points === undefined) this.#points.set(series, (points = { ts: [], words: [] }));
    points.ts.push(ts);
    points.words.push(words[0] ?? 0, words[1] ?? 0);
    this.bytes += POINT_BYTES;
  }

  /** The log has been played: lets go what only the next record would have needed. */
  end(): void {
    this.chain = undefined;
    this.#newest.clear();
  }

  /** The runs of rows with the same columns, oldest first; each is read like a block. */
  parts(): readonly TailPart[] {
    this.#parts ??= this.#segments.filter(({ rows }) => rows.length > 0).map((segment) => new TailPart(segment));
    return this.#parts;
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
  readonly #ts: Float64Array;

  constructor(segment: Segment) {
    this.#segment = segment;
    this.#ts = Float64Array.from(segment.rows, ({ ts }) => ts);
  }

  get minTs(): number {
    return this.#ts[0] ?? Infinity;
  }

  get maxTs(): number {
    return this.#ts.at(-1) ?? -Infinity;
  }

  column(id: SeriesId): DecodedColumn | undefined {
    const { columns, rows } = this.#segment;
    const col = columns.get(id);
    if (col === undefined) return undefined;
    const words = new Uint32Array(2 * rows.length);
    for (const [i, row] of rows.entries()) {
      words[2 * i] = row.words[2 * col] ?? 0;
      words[2 * i + 1] = row.words[2 * col + 1] ?? 0;
    }
    return { ts: this.#ts, v: new Float64Array(words.buffer), words };
  }
}

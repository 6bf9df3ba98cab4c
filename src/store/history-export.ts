import { BelfryError } from '../core/errors.ts';
import type { Labels } from '../core/labels.ts';
import type { Matcher } from '../core/matcher.ts';
import { BlockCache, type CachedHandle } from './block-cache.ts';
import { ColumnCodec } from './column-codec.ts';
import { type BlockRange, HistoryFile, type HistoryNames, type LaneContents } from './history-file.ts';
import { InvertedIndex } from './inverted-index.ts';
import { type DecodedColumn, SAMPLES } from './lane-reader.ts';
import type { PointOut } from './reader-types.ts';
import { merge, Points } from './points.ts';
import type { SeriesId } from './series-table.ts';

/** Blocks that stay decoded: series by series the same ones are asked for again. */
const CACHE_BYTES = 256 * 1024 * 1024;

/** Reads series out of `samples.db` whole, beside a running Belfry or without one, through a connection that cannot write. */
export class HistoryExport {
  readonly #file: HistoryFile;
  readonly #names: HistoryNames;
  readonly #index: InvertedIndex;
  readonly #cache = new BlockCache(CACHE_BYTES, new ColumnCodec());
  readonly #more = new Points();
  #lanes: ReadonlyMap<number, LaneContents> = new Map();

  /** Throws as `HistoryFile`. */
  constructor(path: string) {
    this.#file = new HistoryFile(path, () => undefined);
    try {
      this.#names = this.#file.names();
      const { series } = this.#names;
      this.#index = new InvertedIndex(series);
      for (let id = 0; id < series.end; id++) if (series.exists(id)) this.#index.add(id);
    } catch (error) {
      this.#file.close();
      throw error;
    }
  }

  /** Parts of the history that could not be read, or that retention took away meanwhile. */
  get holes(): number {
    return this.#file.holes;
  }

  /** The times of the oldest and newest samples. */
  bounds(): { readonly minTs: number; readonly maxTs: number } | undefined {
    return this.#file.bounds();
  }

  /** The series that one of the sets of matchers accepts; from now on they can be read in (fromTs, toTs]. */
  open(
    matcherSets: readonly (readonly Matcher[])[],
    fromTs: number,
    toTs: number,
  ): readonly { readonly id: SeriesId; readonly labels: Labels }[] {
    const ids = new Set(matcherSets.flatMap((matchers) => [...this.#index.resolve(matchers)]));
    this.#lanes = this.#file.contents(fromTs, toTs, (id) => ids.has(id)).lanes;
    return Array.from(ids, (id) => ({ id, labels: this.#names.series.labels(id) }));
  }

  /** The samples of one series in (fromTs, toTs], oldest first, staleness markers left out. Returns how many. */
  read(id: SeriesId, fromTs: number, toTs: number, into: PointOut): number {
    let n = 0;
    for (const lane of this.#names.lanes.get(id) ?? []) {
      const contents = this.#lanes.get(lane);
      if (contents === undefined) continue;
      if (n === 0) n = this.#readLane(contents, id, fromTs, toTs, into);
      else n = merge(into, n, this.#more, this.#readLane(contents, id, fromTs, toTs, this.#more));
    }
    return n;
  }

  close(): void {
    this.#file.close();
  }

  #readLane({ blocks, tail }: LaneContents, id: SeriesId, fromTs: number, toTs: number, into: PointOut): number {
    let n = 0;
    const take = (column: DecodedColumn | undefined): void => {
      // Points that the log has may be in a block as well.
      if (column !== undefined) n = SAMPLES.column(column, n === 0 ? fromTs : into.timestamps[n - 1]!, toTs, into, n);
    };
    for (const range of blocks) if (range.maxTs > fromTs && range.minTs <= toTs) take(this.#column(range, id));
    for (const part of tail?.parts() ?? []) if (part.maxTs > fromTs && part.minTs <= toTs) take(part.column(id));
    take(tail?.points(id));
    return n;
  }

  /** A block that cannot be read is a hole. */
  #column(range: BlockRange, id: SeriesId): DecodedColumn | undefined {
    try {
      return this.#handle(range).column(id);
    } catch (error) {
      if (!(error instanceof BelfryError)) throw error;
      this.#file.lose(range.id);
      return undefined;
    }
  }

  #handle(range: BlockRange): CachedHandle {
    return this.#cache.handle({ ...range, held: false, load: () => this.#file.blockBytes(range) });
  }
}

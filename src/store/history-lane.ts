import { BelfryError } from '../core/errors.ts';
import { corrupt } from './bit-reader.ts';
import type { BlockRange, HistoryFile, LaneContents } from './history-file.ts';
import { LanePoints } from './history-points.ts';
import type { HistoryTail } from './history-tail.ts';
import { LaneRows, type ColumnSource, type WindowBudget } from './history-rows.ts';
import type { DecodedColumn } from './lane-reader.ts';
import type { SeriesId } from './series-table.ts';

/** Something to take in, and from when on a present may see it. */
interface Part {
  readonly minTs: number;
  readonly maxTs: number;
  load(): ColumnSource | undefined;
  /** Its columns cannot be read. */
  lose(): void;
}

/** One lane of the file: its blocks in order and a window over them for each reach that somebody asked for. */
export class HistoryLane {
  readonly id: number;
  readonly isSide: boolean;
  readonly #file: HistoryFile;
  readonly #parts: readonly Part[];
  /** For each part the earliest time of it and of all after it: points of different series may overlap. */
  readonly #startsAt: readonly number[];
  readonly #endTs: number;
  readonly rows: LaneRows[] = [];
  readonly points: LanePoints[] = [];
  #tail: HistoryTail | undefined;
  #next = 0;

  constructor(id: number, isSide: boolean, contents: LaneContents, file: HistoryFile, endTs: number) {
    this.id = id;
    this.isSide = isSide;
    this.#file = file;
    this.#endTs = endTs;
    this.#tail = contents.tail;
    this.#parts = [...contents.blocks.map((range) => this.#blockPart(range)), ...this.#tailParts()];
    const startsAt = this.#parts.map(({ minTs }) => minTs);
    for (let i = startsAt.length - 2; i >= 0; i--) startsAt[i] = Math.min(startsAt[i]!, startsAt[i + 1]!);
    this.#startsAt = startsAt;
  }

  /** The window that is to have a series: one that reaches so far back, or the longer one that has it already. */
  windowOf(id: SeriesId, keepMs: number, budget: WindowBudget): LaneRows | LanePoints {
    const windows = this.#windows();
    const exact = windows.find((one) => one.keepMs === keepMs);
    let window = windows.find((one) => one.keepMs > keepMs && one.has(id)) ?? exact;
    if (window === undefined) {
      if (this.isSide) this.points.push((window = new LanePoints(keepMs, budget)));
      else this.rows.push((window = new LaneRows(keepMs, budget)));
    }
    window.want(id);
    return window;
  }

  /** Whether the log has anything of it. */
  get hasTail(): boolean {
    return this.#tail !== undefined;
  }

  /** The same rows with more columns. */
  replaceTail(tail: HistoryTail, budget: WindowBudget): void {
    budget.grow(tail.bytes - (this.#tail?.bytes ?? 0));
    this.#tail = tail;
  }

  /** When the next part begins; Infinity where there is none. */
  get nextTs(): number {
    return this.#startsAt[this.#next] ?? Infinity;
  }

  /** Takes in what begins at or before `now`. */
  moveTo(now: number): void {
    while (this.nextTs <= now) {
      const part = this.#parts[this.#next++]!;
      if (this.rows.length === 0 && this.points.length === 0) continue;
      const source = part.load();
      if (source === undefined) continue;
      for (const window of this.#windows()) if (!window.isBehind) append(window, source, now, part);
    }
  }

  /** Fills the windows anew of which columns have been asked for since. */
  catchUp(now: number): void {
    const behind = this.#windows().filter(({ isBehind }) => isBehind);
    if (behind.length === 0) return;
    const fromTs = now - Math.max(...behind.map(({ keepMs }) => keepMs));
    for (const window of behind) window.reset();
    for (const part of this.#parts.slice(0, this.#next)) {
      if (part.maxTs <= fromTs) continue;
      const source = part.load();
      if (source !== undefined) for (const window of behind) if (part.maxTs > now - window.keepMs) append(window, source, now, part);
    }
  }

  #windows(): readonly (LaneRows | LanePoints)[] {
    return this.isSide ? this.points : this.rows;
  }

  #tailParts(): readonly Part[] {
    const tail = this.#tail;
    if (tail === undefined) return [];
    if (this.isSide)
      return [{ minTs: tail.minTs, maxTs: tail.maxTs, load: () => ({ column: (id: SeriesId) => this.#tail?.points(id) }), lose }];
    return tail.parts().map(({ minTs, maxTs }, i) => ({ minTs, maxTs, load: () => this.#tail?.parts()[i], lose }));
  }

  #blockPart(range: BlockRange): Part {
    return {
      minTs: range.minTs,
      maxTs: range.maxTs,
      load: () => this.#file.block(range) ?? this.#moved(range),
      lose: () => this.#file.lose(range.id),
    };
  }

  /** A block that is not there any more has been deleted, or its samples are in another one by now. */
  #moved({ id, minTs, maxTs }: BlockRange): ColumnSource | undefined {
    const found = this.#file.blocksOf(this.id, minTs - 1, Math.min(maxTs, this.#endTs)).filter((range) => range.id !== id);
    const blocks = found.flatMap((range) => this.#file.block(range) ?? []);
    if (blocks.length === 0) this.#file.lose(id);
    return blocks.length === 1 ? blocks[0] : blocks.length === 0 ? undefined : { column: (series) => joined(blocks, series) };
  }
}

/** Takes in what can be read; the rest is a hole. Throws `LIMIT_EXCEEDED`. */
function append(window: LaneRows | LanePoints, source: ColumnSource, now: number, part: Part): void {
  try {
    window.append(source, now);
  } catch (error) {
    if (!(error instanceof BelfryError) || error.code !== 'STORE_CORRUPT') throw error;
    part.lose();
  }
}

/** The log was found right when it was played. */
function lose(): void {
  throw corrupt('a row of the log changed in memory');
}

/** A column over several blocks; all series of rows have the times of all. */
function joined(blocks: readonly ColumnSource[], id: SeriesId): DecodedColumn | undefined {
  const columns = blocks.flatMap((block) => block.column(id) ?? []);
  if (columns.length < blocks.length) return undefined;
  const words = new Uint32Array(columns.reduce((sum, column) => sum + column.words.length, 0));
  const ts = new Float64Array(words.length / 2);
  let at = 0;
  for (const column of columns) {
    ts.set(column.ts, at);
    words.set(column.words, 2 * at);
    at += column.ts.length;
  }
  return { ts, v: new Float64Array(words.buffer), words };
}

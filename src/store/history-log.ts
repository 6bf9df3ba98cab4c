import { BelfryError } from '../core/errors.ts';
import { HistoryTail } from './history-tail.ts';
import { playLog } from './log-codec.ts';
import { unpack } from './sample-file.ts';
import type { SeriesId } from './series-table.ts';

export interface LoggedLane {
  readonly id: number;
  /** 0: its samples carry times of their own. */
  readonly rows: number;
  readonly log_from: number;
  /** The newest time that a block of it has. */
  readonly sealed: number | null;
}

export interface LogRow {
  readonly id: number;
  readonly bytes: Uint8Array;
}

export interface LogPlay {
  readonly wants: (lane: number) => boolean;
  readonly keeps: (id: SeriesId) => boolean;
  readonly onHole: (recordId: number) => void;
  readonly checkpoint: () => void;
}

/**
 * The flush log as of one moment, packed as it is in the file: unpacked it would be every column of every lane, a hundred
 * times as much. It is played for the series that somebody wants.
 */
export class HistoryLog {
  readonly #lanes: readonly LoggedLane[];
  readonly #rows: readonly LogRow[];

  constructor(lanes: readonly LoggedLane[], rows: readonly LogRow[]) {
    this.#lanes = lanes;
    this.#rows = rows;
  }

  /**
   * What the log has of each wanted lane that no block has, of which only the series that `keeps` names can be read. A
   * record that cannot be read ends it, as at a start, and is told to `onHole`. Throws what `checkpoint` throws, which is
   * called before each record.
   */
  play({ wants, keeps, onHole, checkpoint }: LogPlay): ReadonlyMap<number, HistoryTail> {
    const tails = new Map<number, HistoryTail>();
    for (const { id, rows, log_from: logFrom, sealed } of this.#lanes)
      if (wants(id)) tails.set(id, new HistoryTail(logFrom, rows === 0 ? -Infinity : (sealed ?? -Infinity), keeps));
    let logId = 0;
    const visitor = {
      wants: (lane: number): boolean => logId >= (tails.get(lane)?.logFrom ?? Infinity),
      columns: (lane: number, ids: Int32Array): void => tails.get(lane)?.columns(ids),
      previous: (lane: number) => tails.get(lane)?.chain,
      row: (lane: number, ts: number, words: Uint32Array<ArrayBuffer>): void => tails.get(lane)?.row(ts, words),
      point: (lane: number, series: number, ts: number, words: Uint32Array): void => tails.get(lane)?.point(series, ts, words),
    };
    for (const { id, bytes } of this.#rows) {
      checkpoint();
      logId = id;
      try {
        playLog(unpack(bytes), visitor);
      } catch (error) {
        if (!(error instanceof BelfryError)) throw error;
        onHole(id);
        break;
      }
    }
    for (const [lane, tail] of tails) {
      if (tail.isEmpty) tails.delete(lane);
      tail.end();
    }
    return tails;
  }
}

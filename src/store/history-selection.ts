import type { Labels } from '../core/labels.ts';
import type { HistoryLane } from './history-lane.ts';
import type { LanePoints } from './history-points.ts';
import type { LaneRows, WindowBudget } from './history-rows.ts';
import type { FoundCell } from './lane-reader.ts';
import type { InstantOut, PointOut, RunOut, SeriesSelection } from './reader-types.ts';
import type { SeriesId } from './series-table.ts';
import { merge, Points } from './points.ts';

/** What a selection asks of the history it belongs to. */
export interface HistoryView {
  /** Nothing after it can be seen. */
  readonly now: number;
  /** Every read sees nothing: it is only found out what will be read. */
  readonly isRehearsal: boolean;
  readonly budget: WindowBudget;
  labels(id: SeriesId): Labels;
  /** The lanes that have samples of the series within the range of the history. */
  lanesOf(id: SeriesId): readonly HistoryLane[];
  /** Fills windows that were asked for since the last read. */
  catchUp(): void;
}

type Place = { readonly rows: LaneRows } | { readonly points: LanePoints };

/** Series that share the rows of one lane, or a single one that is read by itself. */
interface Run {
  readonly from: number;
  to: number;
  readonly rows: LaneRows | undefined;
  columnsVersion: number;
}

/** A set of series, resolved once for the whole history, seen through windows that move with the present. */
export class HistorySelection implements SeriesSelection {
  readonly n: number;
  readonly ids: Int32Array;
  readonly version = 0;
  readonly #view: HistoryView;
  readonly #places: readonly (readonly Place[])[];
  readonly #runs: readonly Run[];
  readonly #columns: Int32Array;
  readonly #found: FoundCell = { ts: 0, value: 0, stale: false };
  #fromTs = 0;
  #toTs = 0;

  constructor(ids: Int32Array, keepMs: number, view: HistoryView) {
    this.ids = ids;
    this.n = ids.length;
    this.#view = view;
    this.#columns = new Int32Array(ids.length).fill(-1);
    const runs: Run[] = [];
    const places: (readonly Place[])[] = [];
    for (let i = 0; i < ids.length; i++) {
      const id = ids[i]!;
      const own = view.lanesOf(id).map((lane): Place => {
        const window = lane.windowOf(id, keepMs, view.budget);
        return 'rowAt' in window ? { rows: window } : { points: window };
      });
      places.push(own);
      const [first] = own;
      const rows = own.length === 1 && first !== undefined && 'rows' in first ? first.rows : undefined;
      const last = runs.at(-1);
      if (last !== undefined && last.rows === rows) last.to = i + 1;
      else runs.push({ from: i, to: i + 1, rows, columnsVersion: -1 });
    }
    this.#places = places;
    this.#runs = runs;
  }

  labels(index: number): Labels {
    return this.#view.labels(this.ids[index]!);
  }

  instant(ts: number, lookbackMs: number, out: InstantOut): void {
    if (this.#isBlind(out)) return;
    const afterTs = ts - lookbackMs;
    const toTs = Math.min(ts, this.#view.now);
    for (const run of this.#runs) {
      if (run.rows === undefined) {
        for (let i = run.from; i < run.to; i++) this.#newest(i, afterTs, toTs, out);
        continue;
      }
      const row = run.rows.rowAt(toTs);
      if (row < 0 || run.rows.tsOf(row) <= afterTs) out.present.fill(0, run.from, run.to);
      else this.#readRow(run, run.rows, row, out);
    }
  }

  window(index: number, fromTs: number, until: number, into: PointOut): number {
    if (this.#view.isRehearsal) return 0;
    this.#view.catchUp();
    const toTs = Math.min(until, this.#view.now);
    const id = this.ids[index]!;
    const places = this.#places[index]!;
    let n = 0;
    for (const [i, place] of places.entries()) {
      const points = i === 0 ? into : new Points();
      const more = windowOf(place, id, fromTs, toTs, points);
      n = i === 0 ? more : merge(into, n, points, more);
    }
    return n;
  }

  openRuns(fromTs: number, toTs: number): number {
    this.#view.catchUp();
    this.#fromTs = fromTs;
    this.#toTs = Math.min(toTs, this.#view.now);
    return this.#view.isRehearsal ? 0 : this.#runs.length;
  }

  readRun(at: number, into: RunOut): boolean {
    const run = this.#runs[at]!;
    into.from = run.from;
    into.to = run.to;
    if (run.rows === undefined) return false;
    this.#placeColumns(run, run.rows);
    into.columns = this.#columns;
    run.rows.show(this.#fromTs, this.#toTs, into);
    return true;
  }

  #isBlind(out: InstantOut): boolean {
    if (this.#view.isRehearsal) out.present.fill(0, 0, this.n);
    else this.#view.catchUp();
    return this.#view.isRehearsal;
  }

  #readRow(run: Run, rows: LaneRows, row: number, { present, values, timestamps }: InstantOut): void {
    this.#placeColumns(run, rows);
    const at = rows.offsetOf(row);
    const ts = rows.tsOf(row);
    const { cells } = rows;
    for (let i = run.from; i < run.to; i++) {
      const col = this.#columns[i]!;
      if (col < 0) {
        present[i] = 0;
        continue;
      }
      const value = cells[at + col]!;
      present[i] = value === value || !rows.isEmpty(at + col) ? 1 : 0;
      values[i] = value;
      timestamps[i] = ts;
    }
  }

  #placeColumns(run: Run, rows: LaneRows): void {
    if (run.columnsVersion === rows.columnsVersion) return;
    run.columnsVersion = rows.columnsVersion;
    for (let i = run.from; i < run.to; i++) this.#columns[i] = rows.columnOf(this.ids[i]!);
  }

  /** Of two samples at one time the one that is no marker counts. */
  #newest(i: number, afterTs: number, toTs: number, out: InstantOut): void {
    const found = this.#found;
    let bestTs = -Infinity;
    out.present[i] = 0;
    for (const place of this.#places[i]!) {
      if (!newestOf(place, this.ids[i]!, afterTs, toTs, found)) continue;
      if (found.ts < bestTs || (found.ts === bestTs && (found.stale || out.present[i] === 1))) continue;
      bestTs = found.ts;
      out.present[i] = found.stale ? 0 : 1;
      out.values[i] = found.value;
      out.timestamps[i] = found.ts;
    }
  }
}

function windowOf(place: Place, id: SeriesId, fromTs: number, toTs: number, into: PointOut): number {
  if ('points' in place) return place.points.window(id, fromTs, toTs, into, 0);
  const col = place.rows.columnOf(id);
  return col < 0 ? 0 : place.rows.window(col, fromTs, toTs, into, 0);
}

function newestOf(place: Place, id: SeriesId, afterTs: number, toTs: number, found: FoundCell): boolean {
  if ('points' in place) return place.points.newest(id, afterTs, toTs, found);
  const { rows } = place;
  const col = rows.columnOf(id);
  const row = col < 0 ? -1 : rows.rowAt(toTs);
  if (row < 0 || rows.tsOf(row) <= afterTs) return false;
  const cell = rows.offsetOf(row) + col;
  found.ts = rows.tsOf(row);
  found.value = rows.cells[cell]!;
  found.stale = found.value !== found.value && rows.isEmpty(cell);
  return true;
}

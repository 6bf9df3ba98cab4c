import type { Labels } from '../core/labels.ts';
import type { Head } from './head.ts';
import type { Lane } from './lane.ts';
import { laneWindow, newestIn, ringWindow, SAMPLES, type BlockSource, type FoundCell } from './lane-reader.ts';
import { NO_COLUMN } from './places.ts';
import { HISTORY, MarkedPoints, mergeHistory } from './marked-window.ts';
import { merge, Points } from './points.ts';
import type { InstantOut, MarkedOut, PointOut, RunOut, RunTableOut, SeriesSelection } from './reader-types.ts';
import type { RowRing } from './row-ring.ts';
import type { SeriesId } from './series-table.ts';
import type { WindowTable } from './window-tables.ts';

const NO_LANES: readonly never[] = [];

/**
 * A resolved set of series. Neighbours in it mostly share a lane; such runs are found once and again only after a series
 * has moved, so that a row is looked up once a run and the loops over its series touch typed arrays only.
 */
export class Selected implements SeriesSelection {
  readonly n: number;
  readonly ids: Int32Array;
  readonly version: number;
  readonly #head: Head;
  readonly #source: BlockSource;
  readonly #found: FoundCell = { ts: 0, value: 0, stale: false };
  /** The lane of each run and its ring, which it has as long as any series of the run has its column there. */
  #laneIds: Int32Array = new Int32Array(0);
  #rings: readonly (RowRing | null)[] = [];
  /** The newest sample of its series that was brought in, as of a version of the archives. */
  #broughtTo = -Infinity;
  #broughtVersion = -1;
  /** Where each run begins; the last entry is the end. */
  #starts: Int32Array = new Int32Array(1);
  /** Of each series; none where it has no column or samples in several lanes. */
  readonly #columns: Int32Array;
  #hasHoles = false;
  #moves = -1;
  #isWhole = true;
  /** The removals of series after which it was looked whether they are all there. */
  #removals: number;
  #table: WindowTable | undefined;
  /** Of the time of the open runs nothing was brought in. */
  #runsInPlace = true;

  constructor(head: Head, source: BlockSource, ids: Int32Array, version: number) {
    this.#head = head;
    this.#source = source;
    this.ids = ids;
    this.n = ids.length;
    this.version = version;
    this.#columns = new Int32Array(ids.length);
    this.#removals = head.series.removals;
  }

  holds(): boolean {
    const { series } = this.#head;
    if (this.#removals !== series.removals) {
      this.#removals = series.removals;
      this.#isWhole &&= this.ids.every((id) => series.exists(id));
    }
    return this.#isWhole;
  }

  /** How many runs there are, found anew where a series has moved. */
  #countRuns(): number {
    if (this.#moves !== this.#head.places.moves) this.#findRuns();
    return this.#rings.length;
  }

  labels(index: number): Labels {
    return this.#head.series.labels(this.ids[index]!);
  }

  instant(ts: number, lookbackMs: number, out: InstantOut): void {
    const runs = this.#countRuns();
    const afterTs = ts - lookbackMs;
    if (this.#hasBrought(afterTs)) {
      for (let i = 0; i < this.n; i++) this.#instantAnywhere(i, ts, lookbackMs, out);
      return;
    }
    for (let run = 0; run < runs; run++) {
      const from = this.#starts[run]!;
      const to = this.#starts[run + 1]!;
      const ring = this.#rings[run] ?? null;
      const row = ring === null ? -1 : ring.rowAt(ts);
      if (ring === null || ring.next === 0 || row < ring.first) {
        for (let i = from; i < to; i++) this.#instantAnywhere(i, ts, lookbackMs, out);
        continue;
      }
      if (ring.ts[row % ring.rows]! > afterTs) readRow(ring, row, this.#columns, from, to, out);
      else out.present.fill(0, from, to);
      if (!this.#hasHoles) continue;
      for (let i = from; i < to; i++) if (this.#columns[i] === NO_COLUMN) this.#instantAnywhere(i, ts, lookbackMs, out);
    }
  }

  window(index: number, fromTs: number, toTs: number, into: PointOut): number {
    const { places } = this.#head;
    const id = this.ids[index]!;
    const lane = this.#head.lane(places.lane(id));
    const col = places.col(id);
    const others = places.hasOthers || this.#head.archives.maxTs > fromTs ? this.#otherLanes(id, fromTs) : NO_LANES;
    if (others.length === 0 && col >= 0 && lane !== undefined && lane.ring !== null && lane.ring.beforeTs <= fromTs) {
      return ringWindow(lane.ring, col, fromTs, toTs, into, 0);
    }
    let n = lane === undefined ? 0 : laneWindow(SAMPLES, this.#source, { lane, id, col }, fromTs, toTs, into);
    for (const found of others) {
      const points: PointOut = new Points();
      n = merge(into, n, points, laneWindow(SAMPLES, this.#source, { lane: found, id, col: found.columnOf(id) }, fromTs, toTs, points));
    }
    return n;
  }

  history(index: number, fromTs: number, toTs: number, into: MarkedOut): number {
    const { places } = this.#head;
    const id = this.ids[index]!;
    const lane = this.#head.lane(places.lane(id));
    let n = lane === undefined ? 0 : laneWindow(HISTORY, this.#source, { lane, id, col: places.col(id) }, fromTs, toTs, into);
    for (const found of this.#otherLanes(id, fromTs)) {
      const points = new MarkedPoints();
      const place = { lane: found, id, col: found.columnOf(id) };
      n = mergeHistory(into, n, points, laneWindow(HISTORY, this.#source, place, fromTs, toTs, points));
    }
    return n;
  }

  /** What else has samples of a series after `fromTs`: lanes it had before or besides, and what was brought in. */
  #otherLanes(id: SeriesId, fromTs: number): readonly Lane[] {
    const { archives, places } = this.#head;
    const others = places.others(id) ?? NO_LANES;
    const brought = fromTs < archives.maxTs ? archives.of(id) : NO_LANES;
    return [...others, ...brought].flatMap((other) => this.#head.lane(other) ?? []);
  }

  /** Something that was brought in of one of its series may be after `fromTs`. */
  #hasBrought(fromTs: number): boolean {
    const { archives } = this.#head;
    if (fromTs >= archives.maxTs) return false;
    if (this.#broughtVersion !== archives.version) {
      this.#broughtVersion = archives.version;
      this.#broughtTo = archives.maxTsOf(this.ids);
    }
    return fromTs < this.#broughtTo;
  }

  openRuns(fromTs: number, toTs: number): number {
    const runs = this.#countRuns();
    this.#runsInPlace = !this.#hasBrought(fromTs);
    this.#table = this.#head.windows.get(fromTs, toTs, this.#head.lanes.length);
    return runs;
  }

  readRuns(fromTs: number, toTs: number, into: RunTableOut): void {
    into.runs = this.openRuns(fromTs, toTs);
    const table = this.#table!;
    const rings = this.#rings;
    const lanes = this.#laneIds;
    into.starts = this.#starts;
    into.columns = this.#columns;
    into.sources = this.#runsInPlace ? rings : rings.map(() => null);
    into.places = lanes;
    if (this.#runsInPlace) table.lookAll(lanes, rings);
    into.rows = table.rows;
    into.firstRow = table.first;
    into.firstAt = table.firstAt;
    into.lastAt = table.lastAt;
    into.firstTs = table.firstTs;
    into.lastTs = table.lastTs;
  }

  readRun(run: number, into: RunOut): boolean {
    const table = this.#table;
    into.from = this.#starts[run]!;
    into.to = this.#starts[run + 1]!;
    const ring = this.#rings[run] ?? null;
    if (ring === null || table === undefined || !this.#runsInPlace) return false;
    const lane = this.#laneIds[run]!;
    table.look(lane, ring);
    const rows = table.rows[lane]!;
    if (rows < 0) return false;
    into.rows = rows;
    into.firstRow = table.first[lane]!;
    into.firstAt = table.firstAt[lane]!;
    into.lastAt = table.lastAt[lane]!;
    into.firstTs = table.firstTs[lane]!;
    into.lastTs = table.lastTs[lane]!;
    into.all = table.windows[lane]!;
    into.cells = ring.v;
    into.source = ring.serial;
    into.columns = this.#columns;
    into.irregular = ring.irregular;
    return true;
  }

  #findRuns(): void {
    const { places } = this.#head;
    const { n, ids } = this;
    const columns = this.#columns;
    const starts: number[] = [];
    const laneIds: number[] = [];
    let laneId = Number.NaN;
    this.#hasHoles = false;
    for (let i = 0; i < n; i++) {
      const id = ids[i]!;
      const idLane = places.lane(id);
      if (idLane !== laneId) {
        laneId = idLane;
        starts.push(i);
        laneIds.push(idLane);
      }
      const col = places.others(id) === undefined ? places.col(id) : NO_COLUMN;
      if (col === NO_COLUMN) this.#hasHoles = true;
      columns[i] = col;
    }
    starts.push(n);
    this.#starts = Int32Array.from(starts);
    this.#laneIds = Int32Array.from(laneIds);
    this.#rings = laneIds.map((lane) => this.#head.lane(lane)?.ring ?? null);
    this.#moves = places.moves;
  }

  /** The slow way: blocks, side points and several lanes. Of two samples at one time the one that is no marker counts. */
  #instantAnywhere(i: number, ts: number, lookbackMs: number, out: InstantOut): void {
    const { places } = this.#head;
    const id: SeriesId = this.ids[i]!;
    const found = this.#found;
    let bestTs = -Infinity;
    out.present[i] = 0;
    const look = (lane: Lane | undefined, col: number): void => {
      if (lane === undefined || !newestIn(this.#source, lane, id, col, ts, lookbackMs, found)) return;
      if (found.ts < bestTs || (found.ts === bestTs && (found.stale || out.present[i] === 1))) return;
      bestTs = found.ts;
      out.present[i] = found.stale ? 0 : 1;
      out.values[i] = found.value;
      out.timestamps[i] = found.ts;
    };
    look(this.#head.lane(places.lane(id)), places.col(id));
    for (const lane of this.#otherLanes(id, ts - lookbackMs)) look(lane, lane.columnOf(id));
  }
}

/** In a ring an absent cell means that the series had ended by then, so the newest row decides alone. */
function readRow(ring: RowRing, row: number, columns: Int32Array, from: number, to: number, out: InstantOut): void {
  const { v } = ring;
  const { values, timestamps, present } = out;
  const slot = row % ring.rows;
  const at = slot * ring.stride;
  const ts = ring.ts[slot]!;
  for (let i = from; i < to; i++) {
    const col = columns[i]!;
    if (col < 0) continue;
    const value = v[at + col]!;
    present[i] = value === value || !ring.isEmpty(at + col) ? 1 : 0;
    values[i] = value;
    timestamps[i] = ts;
  }
}

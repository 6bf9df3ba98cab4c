import type { RowRing } from './row-ring.ts';

/** Windows of one length are asked for by many rules at one time; more lengths than this are seldom in use at once. */
const MAX_TABLES = 6;

/** The rows of a ring in a window, oldest first: where the cells of each begin, and its time. */
export class RowWindow {
  offsets = new Int32Array(16);
  timestamps = new Float64Array(16);

  fill(ring: RowRing, first: number, rows: number): void {
    if (this.offsets.length < rows) {
      this.offsets = new Int32Array(Math.min(ring.rows, 2 * rows));
      this.timestamps = new Float64Array(this.offsets.length);
    }
    for (let i = 0; i < rows; i++) {
      const slot = (first + i) % ring.rows;
      this.offsets[i] = slot * ring.stride;
      this.timestamps[i] = ring.ts[slot]!;
    }
  }
}

/** Of lanes that were never asked for: most windows are read from few of them. */
const NO_WINDOW = new RowWindow();

/**
 * Which rows each ring has in one window of time, in columns by the number of the lane: found once for all rules that ask
 * for that window, and read from neighbouring memory.
 */
export class WindowTable {
  readonly lengthMs: number;
  #fromTs = Number.NaN;
  #toTs = Number.NaN;
  #round = 0;
  /** The round an entry is of, and the ring's next row and stride then. */
  #rounds = new Int32Array(0);
  #nexts = new Int32Array(0);
  #strides = new Int32Array(0);
  /** Rows in the window, -1 where the ring lacks some; the oldest one's number; where the oldest and newest begin. */
  rows = new Int32Array(0);
  first = new Int32Array(0);
  firstAt = new Int32Array(0);
  lastAt = new Int32Array(0);
  firstTs = new Float64Array(0);
  lastTs = new Float64Array(0);
  readonly windows: RowWindow[] = [];

  constructor(lengthMs: number) {
    this.lengthMs = lengthMs;
  }

  moveTo(fromTs: number, toTs: number, lanes: number): void {
    if (lanes > this.#rounds.length) this.#grow(lanes);
    if (fromTs === this.#fromTs && toTs === this.#toTs) return;
    this.#fromTs = fromTs;
    this.#toTs = toTs;
    this.#round++;
  }

  /** As `look`, of all lanes that have a ring. */
  lookAll(lanes: Int32Array, rings: readonly (RowRing | null)[]): void {
    for (let i = 0; i < lanes.length; i++) {
      const ring = rings[i]!;
      if (ring !== null) this.look(lanes[i]!, ring);
    }
  }

  /** Makes sure that the entry of a lane is that of the ring as it is. */
  look(lane: number, ring: RowRing): void {
    if (this.#rounds[lane] === this.#round && this.#nexts[lane] === ring.next && this.#strides[lane] === ring.stride) return;
    this.#rounds[lane] = this.#round;
    this.#nexts[lane] = ring.next;
    this.#strides[lane] = ring.stride;
    this.#find(lane, ring);
  }

  #find(lane: number, ring: RowRing): void {
    if (ring.next === 0 || ring.beforeTs > this.#fromTs) {
      this.rows[lane] = -1;
      return;
    }
    const first = Math.max(ring.first, ring.rowAt(this.#fromTs) + 1);
    const rows = Math.max(0, ring.rowAt(this.#toTs) + 1 - first);
    if (this.windows[lane] === NO_WINDOW) this.windows[lane] = new RowWindow();
    const window = this.windows[lane]!;
    window.fill(ring, first, rows);
    this.rows[lane] = rows;
    this.first[lane] = first;
    if (rows === 0) return;
    this.firstAt[lane] = window.offsets[0]!;
    this.lastAt[lane] = window.offsets[rows - 1]!;
    this.firstTs[lane] = window.timestamps[0]!;
    this.lastTs[lane] = window.timestamps[rows - 1]!;
  }

  /** All entries are to be found anew. */
  #grow(lanes: number): void {
    const size = Math.max(64, 2 * lanes);
    this.#rounds = new Int32Array(size);
    this.#nexts = new Int32Array(size);
    this.#strides = new Int32Array(size);
    this.rows = new Int32Array(size);
    this.first = new Int32Array(size);
    this.firstAt = new Int32Array(size);
    this.lastAt = new Int32Array(size);
    this.firstTs = new Float64Array(size);
    this.lastTs = new Float64Array(size);
    while (this.windows.length < size) this.windows.push(NO_WINDOW);
    this.#round++;
  }
}

/** The tables in use, by the length of their windows; the one used longest ago goes first. */
export class WindowTables {
  readonly #tables: WindowTable[] = [];

  /** `lanes`: one more than the highest lane number. */
  get(fromTs: number, toTs: number, lanes: number): WindowTable {
    const lengthMs = toTs - fromTs;
    let at = this.#tables.findIndex((table) => table.lengthMs === lengthMs);
    if (at < 0) at = this.#tables.push(new WindowTable(lengthMs)) - 1;
    const table = this.#tables[at]!;
    if (at > 0) {
      this.#tables.splice(at, 1);
      this.#tables.unshift(table);
      if (this.#tables.length > MAX_TABLES) this.#tables.pop();
    }
    table.moveTo(fromTs, toTs, lanes);
    return table;
  }
}

import type { ColumnSource, WindowBudget } from './history-rows.ts';
import { firstAfter, type FoundCell } from './lane-reader.ts';
import type { PointOut } from './reader-types.ts';
import { HIGH_WORD, STALE_HIGH } from './sample-codes.ts';
import type { SeriesId } from './series-table.ts';

const FIRST_POINTS = 16;

interface Points {
  n: number;
  ts: Float64Array;
  v: Float64Array;
  /** 1 where the point is a staleness marker. */
  stale: Uint8Array;
}

/** As `LaneRows`, for a lane whose samples carry times of their own. */
export class LanePoints {
  readonly keepMs: number;
  readonly #budget: WindowBudget;
  readonly #wanted = new Map<SeriesId, Points>();
  isBehind = true;

  constructor(keepMs: number, budget: WindowBudget) {
    this.keepMs = keepMs;
    this.#budget = budget;
  }

  has(id: SeriesId): boolean {
    return this.#wanted.has(id);
  }

  want(id: SeriesId): void {
    if (this.#wanted.has(id)) return;
    this.#wanted.set(id, { n: 0, ts: new Float64Array(0), v: new Float64Array(0), stale: new Uint8Array(0) });
    this.isBehind = true;
  }

  reset(): void {
    for (const points of this.#wanted.values()) points.n = 0;
    this.isBehind = false;
  }

  append(source: ColumnSource, now: number): void {
    for (const [id, points] of this.#wanted) {
      const column = source.column(id);
      if (column === undefined) continue;
      const { ts, v, words } = column;
      const first = firstAfter(ts, Math.max(now - this.keepMs, points.ts[points.n - 1] ?? -Infinity));
      if (first === ts.length) continue;
      this.#room(points, ts.length - first, now);
      for (let i = first; i < ts.length; i++) {
        points.ts[points.n] = ts[i]!;
        points.v[points.n] = v[i]!;
        points.stale[points.n++] = v[i] !== v[i] && words[2 * i + HIGH_WORD] === STALE_HIGH ? 1 : 0;
      }
    }
  }

  newest(id: SeriesId, fromTs: number, toTs: number, found: FoundCell): boolean {
    const points = this.#wanted.get(id);
    if (points === undefined) return false;
    const at = firstAfter(points.ts, toTs, points.n) - 1;
    if (at < 0 || points.ts[at]! <= fromTs) return false;
    found.ts = points.ts[at]!;
    found.value = points.v[at]!;
    found.stale = points.stale[at] === 1;
    return true;
  }

  window(id: SeriesId, fromTs: number, toTs: number, into: PointOut, from: number): number {
    const points = this.#wanted.get(id);
    if (points === undefined) return from;
    let n = from;
    const end = firstAfter(points.ts, toTs, points.n);
    const first = firstAfter(points.ts, fromTs, points.n);
    into.reserve(n + Math.max(0, end - first));
    for (let at = first; at < end; at++) {
      if (points.stale[at] === 1) continue;
      into.timestamps[n] = points.ts[at]!;
      into.values[n++] = points.v[at]!;
    }
    return n;
  }

  #room(points: Points, more: number, now: number): void {
    const gone = firstAfter(points.ts, now - this.keepMs, points.n);
    if (gone > 0) {
      points.ts.copyWithin(0, gone, points.n);
      points.v.copyWithin(0, gone, points.n);
      points.stale.copyWithin(0, gone, points.n);
      points.n -= gone;
    }
    if (points.n + more <= points.ts.length) return;
    const length = Math.max(FIRST_POINTS, points.n + more, Math.ceil(1.5 * points.ts.length));
    this.#budget.grow(17 * (length - points.ts.length));
    const { ts, v, stale } = points;
    points.ts = new Float64Array(length);
    points.v = new Float64Array(length);
    points.stale = new Uint8Array(length);
    points.ts.set(ts.subarray(0, points.n));
    points.v.set(v.subarray(0, points.n));
    points.stale.set(stale.subarray(0, points.n));
  }
}

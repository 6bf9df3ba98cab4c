import { Labels } from '../../src/core/labels.ts';
import type { StoreLimits } from '../../src/store/head.ts';

/** What the killed store is given: all of it follows from a seed and the number of the row, so that two processes agree on it. */
export const ROW_MS = 1000;
export const T0 = 1_700_000_000_000;
/** Blocks after this many rows. */
export const LIMITS: Partial<StoreLimits> = { rows: 20, sealedBytes: 60_000, cacheBytes: 400_000 };
/** What is older is deleted. */
export const RETENTION_MS = 120 * ROW_MS;
/** Who checks keeps all that the child has left. */
export const FOREVER_MS = 1e12;

export type TargetKind = 'steady' | 'changing' | 'gappy' | 'wide' | 'points';

export interface PlanTarget {
  readonly id: string;
  readonly kind: TargetKind;
  readonly series: readonly Labels[];
}

const KINDS: readonly (readonly [kind: TargetKind, width: number])[] = [
  ['steady', 12],
  ['changing', 40],
  ['gappy', 25],
  // Two lanes.
  ['wide', 1060],
  ['points', 9],
];
/** The wide target is seldom scraped. */
const WIDE_EVERY = 6;

export const TARGETS: readonly PlanTarget[] = KINDS.map(([kind, width]) => ({
  id: `t/${kind}`,
  kind,
  series: Array.from({ length: width }, (_, i) => Labels.of({ __name__: `m${i}`, target: kind, all: '1' })),
}));

/** What happens to a target in a row. `remove`: it ends and is forgotten, to be begun anew with its next row. */
export type Turn = 'append' | 'stale' | 'remove' | 'nothing';

/** The plan of one seed. */
export class Plan {
  readonly #seed: number;

  constructor(seed: number) {
    this.#seed = seed;
  }

  turn(target: number, row: number): Turn {
    const { kind } = TARGETS[target]!;
    const chance = this.#hash(target, row, 1) % 100;
    if (kind === 'wide') return row % WIDE_EVERY === 0 ? 'append' : 'nothing';
    if (kind === 'points') return 'append';
    if (kind === 'gappy' && chance < 4) return 'stale';
    return chance === 99 ? 'remove' : 'append';
  }

  /** When a target's row is; later rows are later. */
  ts(target: number, row: number): number {
    return T0 + row * ROW_MS + (this.#hash(target, row, 2) % 200);
  }

  /** True where the layout of the row has the series. */
  has(target: number, series: number, row: number): boolean {
    if (TARGETS[target]!.kind !== 'changing') return true;
    // The layout changes every few rows, by some of the series.
    return this.#hash(series, Math.floor((row + series) / 23), 3) % 3 !== 0;
  }

  /** The row has the series, and no sample of it. */
  isAbsent(target: number, series: number, row: number): boolean {
    return TARGETS[target]!.kind === 'gappy' && this.#hash(series, row, 4) % 5 === 0;
  }

  value(target: number, series: number, row: number): number {
    const random = this.#hash(target * 4096 + series, row, 5);
    switch (series % 8) {
      case 0:
        return row * 1000 + (random % 300);
      case 1:
        return series;
      case 2:
        return (random % 100_000) / 1000;
      case 3:
        return random / 7;
      case 4:
        return SPECIAL[random % SPECIAL.length]!;
      case 5:
        return Math.floor(row / 30) * 12;
      case 6:
        return random % 17 === 0 ? random : 3;
      default:
        return (row * row) / 3;
    }
  }

  /** The points with times of their own that a row brings to a series of the target `points`. */
  points(series: number, row: number): readonly number[] {
    const count = this.#hash(series, row, 6) % 4;
    const first = this.#hash(series, row, 7) % 100;
    return Array.from({ length: count }, (_, i) => T0 + row * ROW_MS + first + 200 * i);
  }

  /** Rows between two that are told as safe. */
  flushes(row: number): boolean {
    return this.#hash(0, row, 8) % 4 === 0;
  }

  /** The sample that a series has of a row, where the row was appended. */
  sample(target: number, series: number, row: number): number | undefined {
    if (this.turn(target, row) !== 'append' || !this.has(target, series, row) || this.isAbsent(target, series, row)) return undefined;
    return this.value(target, series, row);
  }

  #hash(a: number, b: number, c: number): number {
    let h =
      Math.imul(a + this.#seed + 0x9e3779b9, 0x85ebca6b) ^ Math.imul(b + 0x165667b1, 0xc2b2ae35) ^ Math.imul(c + 0x27d4eb2f, 0x9e3779b1);
    h = Math.imul(h ^ (h >>> 15), 0x2c1b3c6d);
    h = Math.imul(h ^ (h >>> 12), 0x297a2d39);
    return (h ^ (h >>> 15)) >>> 0;
  }
}

const SPECIAL = [Number.NaN, -0, 0, Infinity, -Infinity, 5e-324, 2 ** 53, -1, 0.1, 1e300];

import { formatG, formatG2 } from './number-text.ts';

/** Where counts of cumulative buckets fell: the bounds of the lowest and the highest that had to be lifted, and the largest fall. */
export interface Lifted {
  minBound: number;
  maxBound: number;
  maxFall: number;
}

/**
 * What an evaluation tells of all its histograms whose buckets had to be lifted: one sentence that grows. (Prometheus 3.13,
 * util/annotations, HistogramQuantileForcedMonotonicityInfo.)
 */
export class LiftedBuckets {
  #histograms = 1;
  #firstTs: number;
  #lastTs: number;
  readonly #lifted: Lifted;

  constructor(ts: number, lifted: Lifted) {
    this.#firstTs = ts;
    this.#lastTs = ts;
    this.#lifted = { ...lifted };
  }

  add(other: LiftedBuckets): void {
    this.#histograms += other.#histograms;
    this.#firstTs = Math.min(this.#firstTs, other.#firstTs);
    this.#lastTs = Math.max(this.#lastTs, other.#lastTs);
    this.#lifted.minBound = Math.min(this.#lifted.minBound, other.#lifted.minBound);
    this.#lifted.maxBound = Math.max(this.#lifted.maxBound, other.#lifted.maxBound);
    this.#lifted.maxFall = Math.max(this.#lifted.maxFall, other.#lifted.maxFall);
  }

  get text(): string {
    const { minBound, maxBound, maxFall } = this.#lifted;
    return (
      `, from buckets ${formatG(minBound)} to ${formatG(maxBound)}, with a max diff of ${formatG2(maxFall)}, ` +
      `over ${this.#histograms} samples from ${toSecond(this.#firstTs)} to ${toSecond(this.#lastTs)}`
    );
  }
}

/** RFC 3339, the milliseconds cut off. */
function toSecond(ts: number): string {
  const cut = Math.trunc(ts / 1000) * 1000;
  return Math.abs(cut) <= 8.64e15 ? new Date(cut).toISOString().replace('.000Z', 'Z') : `${cut} ms`;
}

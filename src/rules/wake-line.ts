import { yieldToLoop, type Clock, type Timer } from '../core/clock.ts';

/** What one turn of the event loop is given to. */
const SLICE_MS = 15;
/** An evaluation up to this dear is followed by no rest. */
const FREE_MS = 20;

/** A dearer one is followed by a rest of so many `times` its length, which is the longest that an event waits for the rules. */
export interface Rest {
  readonly times: number;
  readonly maxMs: number;
}

/** Of what can wait: its evaluations never take more than a fifth of the thread for long. */
export const LONG_REST: Rest = { times: 4, maxMs: 250 };
/** Of verdicts: hundreds of brokers that fall one after another leave the thread something to look at the others with. */
export const SHORT_REST: Rest = { times: 1, maxMs: 25 };

/** No metric has this name: among those that have changed it stands for all of them. */
export const EVERY_NAME = '';

/** How a long evaluation gives way: `pause` where `due`. */
export interface WakeSlices {
  readonly due: boolean;
  pause(): Promise<void>;
}

/** Evaluates what is selected by these metric names, at `ts` (Belfry time). */
export type EvaluateWoken = (names: ReadonlySet<string>, ts: number, slices: WakeSlices) => Promise<void>;

/**
 * Wakes on their way to an evaluation. Those of one turn of the event loop make one, at once; those that come while one
 * runs, or rests after a dear one, make the next. A start in front of 50 clusters brings thousands of them, each of which
 * would otherwise open the same plans anew.
 */
export class WakeLine {
  readonly #clock: Clock;
  readonly #evaluate: EvaluateWoken;
  readonly #rest: Rest;
  #names = new Set<string>();
  #ts = 0;
  #isBusy = false;
  #isSet = false;
  #timer: Timer | undefined;
  /** On the clock's `elapsed`. */
  #restUntil = Number.NEGATIVE_INFINITY;
  #sliceBegan = 0;
  #spentMs = 0;

  constructor(clock: Clock, evaluate: EvaluateWoken, rest: Rest = LONG_REST) {
    this.#clock = clock;
    this.#rest = rest;
    this.#evaluate = evaluate;
  }

  push(names: ReadonlySet<string>, ts: number): void {
    for (const name of names) this.#names.add(name);
    this.#ts = Math.max(this.#ts, ts);
    this.#arm();
  }

  /** Forgets what waits. An evaluation under way is its owner's to end. */
  clear(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#isSet = false;
    this.#names = new Set();
    this.#ts = 0;
  }

  #arm(): void {
    if (this.#isSet || this.#isBusy || this.#names.size === 0) return;
    this.#isSet = true;
    const restMs = this.#restUntil - this.#clock.elapsed();
    if (restMs <= 0) queueMicrotask(() => void this.#run());
    else this.#timer = this.#clock.timer(restMs, () => void this.#run());
  }

  async #run(): Promise<void> {
    if (!this.#isSet) return;
    const [names, ts] = [this.#names, this.#ts];
    this.clear();
    this.#isBusy = true;
    this.#spentMs = 0;
    this.#sliceBegan = this.#clock.elapsed();
    try {
      await this.#evaluate(names, ts, this.#slices);
    } finally {
      this.#endSlice();
      const { times, maxMs } = this.#rest;
      if (this.#spentMs > FREE_MS) this.#restUntil = this.#clock.elapsed() + Math.min(maxMs, times * this.#spentMs);
      this.#isBusy = false;
      this.#arm();
    }
  }

  readonly #slices: WakeSlices = ((line: WakeLine) => ({
    get due() {
      return line.#clock.elapsed() - line.#sliceBegan >= SLICE_MS;
    },
    pause: async () => {
      line.#endSlice();
      await yieldToLoop();
      line.#sliceBegan = line.#clock.elapsed();
    },
  }))(this);

  #endSlice(): void {
    this.#spentMs += this.#clock.elapsed() - this.#sliceBegan;
  }
}

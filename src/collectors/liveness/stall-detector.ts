import type { Clock, Timer } from '../../core/clock.ts';
import type { LivenessTimings } from './timings.ts';

/**
 * Notices when this process did not run: a blocked event loop, a SIGSTOP, a suspended machine. What looked like a
 * silence of the broker in such a time was ours.
 */
export class StallDetector {
  readonly #clock: Clock;
  readonly #timings: LivenessTimings;
  #timer: Timer | undefined;
  #expectedAt = 0;
  #wallOffsetMs = 0;
  #lastFrom = Number.NEGATIVE_INFINITY;
  #lastUntil = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock, timings: LivenessTimings) {
    this.#clock = clock;
    this.#timings = timings;
  }

  start(): void {
    this.#wallOffsetMs = this.#clock.wall() - this.#clock.now();
    this.#arm();
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  /** Whether we stood still at any moment since then, or do at this one. */
  since(from: number): boolean {
    this.#check(this.#clock.now());
    return this.#lastUntil >= from;
  }

  /** Since when we stood still, where what happens now was noticed at the end of that; else undefined. */
  get justEnded(): number | undefined {
    const now = this.#clock.now();
    this.#check(now);
    return now - this.#lastUntil <= this.#timings.stallMs ? this.#lastFrom : undefined;
  }

  #arm(): void {
    this.#expectedAt = this.#clock.now() + this.#timings.stallCheckMs;
    this.#timer = this.#clock.timer(
      this.#timings.stallCheckMs,
      () => {
        this.#check(this.#clock.now());
        this.#arm();
      },
      { unref: true },
    );
  }

  #check(now: number): void {
    // Belfry time does not run while the machine is suspended, but the wall clock jumps on afterwards.
    const wallOffsetMs = this.#clock.wall() - now;
    const jumpMs = wallOffsetMs - this.#wallOffsetMs;
    this.#wallOffsetMs = wallOffsetMs;
    if (Math.abs(jumpMs) <= this.#timings.stallMs && now - this.#expectedAt <= this.#timings.stallMs) return;
    const from = Math.min(now, this.#expectedAt - this.#timings.stallCheckMs) - Math.max(0, jumpMs);
    // Several checks at the end of one stall see the same one.
    this.#lastFrom = now - this.#lastUntil <= this.#timings.stallMs ? Math.min(this.#lastFrom, from) : from;
    this.#lastUntil = now;
  }
}

import type { Clock, Timer } from '../../core/clock.ts';
import { nextTick, offsetOf } from '../scheduler.ts';

/** Time spent over time passed: a piece of work that takes long runs more rarely. */
const MAX_DUTY = 0.1;
const MAX_DUTY_AFTER_FAILURE = 0.5;

export interface PeriodicOptions {
  readonly clock: Clock;
  /** Asked before each wait: cadences depend on the cluster's size. */
  readonly intervalMs: () => number;
  /** Decides where in the interval it runs, so that many clusters are not asked at once. */
  readonly id: string;
  /** Never rejects: what fails is told by whoever does the work. Resolves with whether it worked. */
  readonly run: () => Promise<boolean>;
  /** Of the last run that worked, the milliseconds that count for the duty; all that it took where undefined. */
  readonly costMs?: () => number;
}

/**
 * Runs at aligned ticks, never two runs at once, with a duty of at most a tenth. What failed is tried again after as long
 * as it took at most: most of that was waiting for a broker that does not answer, and the next look must not be minutes late.
 */
export class Periodic {
  readonly #options: PeriodicOptions;
  #timer: Timer | undefined;
  #running: Promise<void> | undefined;
  #stopped = true;

  constructor(options: PeriodicOptions) {
    this.#options = options;
  }

  /** Starts, with a first run at once. Idempotent. */
  start(): void {
    if (!this.#stopped) return;
    this.#stopped = false;
    this.#run();
  }

  /** Resolves when the last run has ended. Idempotent. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer?.cancel();
    this.#timer = undefined;
    await this.#running;
  }

  #run(): void {
    const { clock, run, costMs } = this.#options;
    const startedAt = clock.elapsed();
    let worked = false;
    this.#running = run()
      .then((result) => void (worked = result))
      .finally(() => {
        this.#running = undefined;
        const tookMs = clock.elapsed() - startedAt;
        if (!this.#stopped) this.#arm(worked ? (costMs?.() ?? tookMs) : tookMs, worked ? MAX_DUTY : MAX_DUTY_AFTER_FAILURE);
      });
  }

  #arm(tookMs: number, maxDuty: number): void {
    const { clock, id } = this.#options;
    const intervalMs = this.#options.intervalMs();
    const now = clock.now();
    let waitMs = nextTick(now, intervalMs, offsetOf(id, intervalMs)) - now;
    const leastMs = tookMs / maxDuty - tookMs;
    if (waitMs < leastMs) waitMs += Math.ceil((leastMs - waitMs) / intervalMs) * intervalMs;
    this.#timer = clock.timer(waitMs, () => this.#run());
  }
}

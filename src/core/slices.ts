import { yieldToLoop, type Clock } from './clock.ts';

/** Milliseconds of work after which the event loop gets its turn. */
const SLICE_MS = 8;

/** Cuts a long piece of work into slices: call `pause` often, it waits for the loop's turn when a slice is over. */
export class Slices {
  readonly #clock: Clock;
  #startedAt: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#startedAt = clock.elapsed();
  }

  get due(): boolean {
    return this.#clock.elapsed() - this.#startedAt >= SLICE_MS;
  }

  async pause(): Promise<void> {
    await yieldToLoop();
    this.#startedAt = this.#clock.elapsed();
  }
}

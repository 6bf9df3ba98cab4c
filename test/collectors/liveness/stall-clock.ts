import type { Clock, Timer } from '../../../src/core/clock.ts';

/** A clock moved by the test that can also stand still: timers that were due meanwhile all run late, at its end. */
export class StallClock implements Clock {
  #now = 1_700_000_000_000;
  #wallOffsetMs = 0;
  #sequence = 0;
  readonly #timers = new Map<number, { readonly at: number; readonly run: () => void }>();

  now(): number {
    return this.#now;
  }

  wall(): number {
    return this.#now + this.#wallOffsetMs;
  }

  elapsed(): number {
    return this.#now;
  }

  timer(delayMs: number, run: () => void): Timer {
    const id = this.#sequence++;
    this.#timers.set(id, { at: this.#now + delayMs, run });
    return { cancel: () => void this.#timers.delete(id) };
  }

  /** The process does not run for this long, as under SIGSTOP. */
  async stall(ms: number): Promise<void> {
    this.#now += ms;
    await this.advance(0);
  }

  /** The machine sleeps: the wall clock goes on, Belfry time does not. */
  suspend(ms: number): void {
    this.#wallOffsetMs += ms;
  }

  async advance(ms: number): Promise<void> {
    const end = this.#now + ms;
    await settle();
    for (;;) {
      const due = [...this.#timers].filter(([, { at }]) => at <= end).toSorted(([a, { at: x }], [b, { at: y }]) => x - y || a - b)[0];
      if (due === undefined) break;
      this.#timers.delete(due[0]);
      this.#now = Math.max(this.#now, due[1].at);
      due[1].run();
      await settle();
    }
    this.#now = end;
  }
}

async function settle(): Promise<void> {
  for (let i = 0; i < 3; i++) await new Promise<void>((resolve) => void setImmediate(resolve));
}

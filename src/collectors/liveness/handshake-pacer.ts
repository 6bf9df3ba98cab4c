import type { Clock } from '../../core/clock.ts';

/** Spaces first connections, so that a start does not hit a cluster with all handshakes at once. */
export class HandshakePacer {
  readonly #clock: Clock;
  readonly #spacingMs: number;
  #nextAt = 0;

  constructor(clock: Clock, handshakesPerSecond: number) {
    this.#clock = clock;
    this.#spacingMs = 1000 / handshakesPerSecond;
  }

  /** Milliseconds to wait before the next first connection; each call takes one place in the line. */
  place(): number {
    const now = this.#clock.elapsed();
    const at = Math.max(now, this.#nextAt);
    this.#nextAt = at + this.#spacingMs;
    return at - now;
  }
}

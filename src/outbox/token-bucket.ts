/** How often a destination may be called: `perSecond` on average, `burst` at once. */
export interface Rate {
  readonly perSecond: number;
  readonly burst: number;
}

/** A bucket that fills with time; times are milliseconds. */
export class TokenBucket {
  #rate: Rate;
  #tokens: number;
  #filledAt: number;

  constructor(rate: Rate, now: number) {
    this.#rate = rate;
    this.#tokens = rate.burst;
    this.#filledAt = now;
  }

  /** Another rate from now on; what has gathered stays, as far as it holds. */
  change(rate: Rate, now: number): void {
    this.#fill(now);
    this.#rate = rate;
    this.#tokens = Math.min(this.#tokens, rate.burst);
  }

  /** When a token will be there: now or later. */
  readyAt(now: number): number {
    this.#fill(now);
    // A hair less than one counts as one, so that rounding cannot make a timer fire again and again just too early.
    return this.#tokens > 0.999 ? now : now + Math.ceil(((1 - this.#tokens) * 1000) / this.#rate.perSecond);
  }

  isFull(now: number): boolean {
    this.#fill(now);
    return this.#tokens > this.#rate.burst - 0.001;
  }

  take(now: number): void {
    this.#fill(now);
    this.#tokens--;
  }

  #fill(now: number): void {
    const added = (Math.max(0, now - this.#filledAt) * this.#rate.perSecond) / 1000;
    this.#tokens = Math.min(this.#rate.burst, this.#tokens + added);
    this.#filledAt = now;
  }
}

import type { Clock, Timer } from '../core/clock.ts';

interface Due {
  readonly at: number;
  readonly sequence: number;
  readonly run: () => void;
}

/**
 * Belfry time as it was: it stands still while something is evaluated and then jumps to whatever is due next, so that what
 * runs on it cannot tell it from the live clock. Nothing on it ever takes long: no query runs out of time.
 */
export class ReplayClock implements Clock {
  #now: number;
  #sequence = 0;
  /** The latest first. */
  readonly #due: Due[] = [];

  constructor(now: number) {
    this.#now = now;
  }

  now(): number {
    return this.#now;
  }

  wall(): number {
    return this.#now;
  }

  elapsed(): number {
    return this.#now;
  }

  timer(delayMs: number, run: () => void): Timer {
    const due: Due = { at: this.#now + Math.max(0, Math.ceil(delayMs)), sequence: this.#sequence++, run };
    this.#due.splice(this.#placeOf(due), 0, due);
    return {
      cancel: () => {
        const at = this.#placeOf(due);
        if (this.#due[at] === due) this.#due.splice(at, 1);
      },
    };
  }

  /** When the next timer is due; Infinity where there is none. */
  get nextAt(): number {
    return this.#due.at(-1)?.at ?? Infinity;
  }

  /** Moves time to the next timer and runs it. */
  step(): void {
    const due = this.#due.pop();
    if (due === undefined) return;
    this.#now = Math.max(this.#now, due.at);
    due.run();
  }

  /** Moves time on where nothing is due before. */
  moveTo(ts: number): void {
    this.#now = Math.max(this.#now, Math.min(ts, this.nextAt));
  }

  #placeOf(due: Due): number {
    let low = 0;
    let high = this.#due.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const other = this.#due[middle];
      if (other !== undefined && (other.at > due.at || (other.at === due.at && other.sequence > due.sequence))) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

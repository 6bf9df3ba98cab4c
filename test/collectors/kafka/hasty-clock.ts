import { ManualClock } from '../../../src/core/clock.ts';
import { Slices } from '../../../src/core/slices.ts';

/** A clock by which every slice is over whenever it is asked. */
export class HastyClock extends ManualClock {
  #reads = 0;

  override elapsed(): number {
    this.#reads += 1;
    return super.elapsed() + this.#reads * 10;
  }
}

/** Gives way at every chance. */
export function hastySlices(): Slices {
  return new Slices(new HastyClock());
}

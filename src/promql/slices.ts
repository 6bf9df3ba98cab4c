/** How long a slice of an evaluation should hold the event loop. */
export const SLICE_MS = 20;
/** So many are sorted, or merged, between two looks at the clock. */
const SORTED_AT_ONCE = 512;

/** The slices of one evaluation: between them others have their turn. */
export class Slices {
  readonly #now: () => number;
  readonly #turn: () => Promise<void>;
  #until = 0;

  /** Without a clock, a slice is never over. */
  constructor({ now = () => 0 }: { readonly now?: () => number }, turn: () => Promise<void>) {
    this.#now = now;
    this.#turn = turn;
  }

  readonly isOver = (): boolean => this.#now() >= this.#until;

  /** Ends the slice, and begins the next one after the others' turn. */
  async next(): Promise<void> {
    await this.#turn();
    this.#until = this.#now() + SLICE_MS;
  }

  /** Sorts a list; equals keep their order. */
  async sort<T>(items: readonly T[], compare: (a: T, b: T) => number): Promise<readonly T[]> {
    let sorted: T[] = [];
    for (let at = 0; at < items.length; at += SORTED_AT_ONCE) {
      for (const item of items.slice(at, at + SORTED_AT_ONCE).sort(compare)) sorted.push(item);
      if (this.isOver()) await this.next();
    }
    for (let width = SORTED_AT_ONCE; width < items.length; width *= 2) {
      const merged: T[] = [];
      for (let at = 0; at < items.length; at += 2 * width) await this.#merge(sorted, at, width, compare, merged);
      sorted = merged;
    }
    return sorted;
  }

  /** Appends two sorted neighbours of that width as one. */
  async #merge<T>(from: readonly T[], at: number, width: number, compare: (a: T, b: T) => number, into: T[]): Promise<void> {
    const middle = Math.min(from.length, at + width);
    const end = Math.min(from.length, at + 2 * width);
    for (let i = at, j = middle; i < middle || j < end;) {
      const takesRight = i >= middle || (j < end && compare(from[i] as T, from[j] as T) > 0);
      into.push(from[takesRight ? j++ : i++] as T);
      if (into.length % SORTED_AT_ONCE === 0 && this.isOver()) await this.next();
    }
  }
}

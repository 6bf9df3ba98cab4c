/** How long a slice of an evaluation should hold the event loop. */
export const SLICE_MS = 20;

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
}

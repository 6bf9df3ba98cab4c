/**
 * Interned label names and values. Every text is re-created from bytes when it comes in: a slice of a page would
 * otherwise keep the whole page alive.
 */
export class SymbolTable {
  readonly #ids = new Map<string, number>();
  readonly #texts: (string | undefined)[] = [];
  readonly #uses: number[] = [];

  /** The symbol of a text, made if it is new; -1 never. Uses are counted by `retain` and `release`. */
  intern(text: string): number {
    const known = this.#ids.get(text);
    if (known !== undefined) return known;
    const id = this.#texts.length;
    this.#put(id, recreate(text));
    return id;
  }

  /** The symbol of a text, -1 where there is none. */
  find(text: string): number {
    return this.#ids.get(text) ?? -1;
  }

  text(symbol: number): string {
    return this.#texts[symbol] ?? '';
  }

  /** Puts a symbol back under the number it had, when the file is read. */
  restore(symbol: number, text: string): void {
    while (this.#texts.length < symbol) {
      this.#texts.push(undefined);
      this.#uses.push(0);
    }
    this.#put(symbol, text);
  }

  retain(symbol: number): void {
    this.#uses[symbol] = (this.#uses[symbol] ?? 0) + 1;
  }

  /** Forgets the symbol with its last use; its number is never given again. True when it was the last. */
  release(symbol: number): boolean {
    const left = (this.#uses[symbol] ?? 0) - 1;
    this.#uses[symbol] = Math.max(0, left);
    if (left > 0) return false;
    const text = this.#texts[symbol];
    if (text !== undefined) this.#ids.delete(text);
    this.#texts[symbol] = undefined;
    return true;
  }

  get size(): number {
    return this.#ids.size;
  }

  /** One more than the highest number given so far. */
  get end(): number {
    return this.#texts.length;
  }

  #put(id: number, text: string): void {
    this.#ids.set(text, id);
    this.#texts[id] = text;
    this.#uses[id] = 0;
  }
}

/** The same text in memory of its own. */
function recreate(text: string): string {
  return text.isWellFormed() ? Buffer.from(text, 'utf8').toString('utf8') : Buffer.from(text, 'utf16le').toString('utf16le');
}

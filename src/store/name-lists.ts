import { hashWords } from '../core/fnv.ts';

/**
 * The lists of names that series have, as symbols: hundreds of thousands of series have some hundred of them. A list stands
 * once, under a number that may be given again when no series has it any more.
 */
export class NameLists {
  readonly #lists: (Int32Array | undefined)[] = [];
  readonly #uses: number[] = [];
  readonly #free: number[] = [];
  readonly #byHash = new Map<number, number[]>();
  /** Neighbouring series mostly have the same names. */
  #last = -1;

  /** The number of the first `length` names, -1 where no series has them. */
  find(names: Int32Array, length: number): number {
    if (this.#last >= 0 && this.#same(this.#last, names, length)) return this.#last;
    for (const number of this.#byHash.get(hashWords(names, 0, length)) ?? []) {
      if (this.#same(number, names, length)) return (this.#last = number);
    }
    return -1;
  }

  /** The number of these names, for one series more. */
  retain(names: Int32Array, length: number): number {
    const known = this.find(names, length);
    const number = known >= 0 ? known : this.#add(names.slice(0, length));
    this.#uses[number]!++;
    return number;
  }

  /** A series that had these names is gone. */
  release(number: number): void {
    if (--this.#uses[number]! > 0) return;
    const names = this.names(number);
    const hash = hashWords(names, 0, names.length);
    const left = this.#byHash.get(hash)?.filter((other) => other !== number) ?? [];
    if (left.length === 0) this.#byHash.delete(hash);
    else this.#byHash.set(hash, left);
    this.#lists[number] = undefined;
    this.#free.push(number);
    if (this.#last === number) this.#last = -1;
  }

  names(number: number): Int32Array {
    return this.#lists[number]!;
  }

  /** How many lists there are. */
  get size(): number {
    return this.#lists.length - this.#free.length;
  }

  #add(names: Int32Array): number {
    const number = this.#free.pop() ?? this.#lists.length;
    this.#lists[number] = names;
    this.#uses[number] = 0;
    const hash = hashWords(names, 0, names.length);
    const others = this.#byHash.get(hash);
    if (others === undefined) this.#byHash.set(hash, [number]);
    else others.push(number);
    return (this.#last = number);
  }

  #same(number: number, names: Int32Array, length: number): boolean {
    const list = this.#lists[number]!;
    if (list.length !== length) return false;
    for (let i = 0; i < length; i++) if (list[i] !== names[i]) return false;
    return true;
  }
}

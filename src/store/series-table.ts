import { hashWords } from '../core/fnv.ts';
import { Labels } from '../core/labels.ts';
import { Int32List } from './int-list.ts';
import { NameLists } from './name-lists.ts';
import { SymbolTable } from './symbols.ts';

/** The dense number of a series; given once, never reused while its file lives. Stays below 2^30. */
export type SeriesId = number;

/** Labels objects kept for quick answers; the cache is emptied whole when it is full. */
const MAX_CACHED_LABELS = 16_384;
/** Taken over with each new series; the next doubling is a quarter as many series away as there are slots before it. */
const SLOTS_A_SERIES = 16;
const FREE = -1;
/** A slot whose series has been removed: what was put behind it is found past it. */
const LEFT = -2;
const NO_SLOTS = new Int32Array(0);

/**
 * Every series there is: its labels' values as symbols in one pool, and which list of names they have, found by an
 * open-addressing hash over them. A series without values in the pool (offset -1) is a hole: it has expired.
 */
export class SeriesTable {
  readonly symbols = new SymbolTable();
  readonly #nameLists = new NameLists();
  /** Per series its first value in the pool, -1 for holes; and the number of its names' list. */
  readonly #offsets = new Int32List(1024);
  readonly #lists = new Int32List(1024);
  readonly #pool = new Int32List(16_384);
  #slots = new Int32Array(2048).fill(FREE);
  /** What `#slots` was before it doubled, and up to where its entries have been taken over: some with each new series. */
  #before: Int32Array = NO_SLOTS;
  #takenOver = 0;
  #leftSlots = 0;
  #live = 0;
  /** Moves whenever series are removed. */
  removals = 0;
  #deadValues = 0;
  #labels = new Map<SeriesId, Labels>();
  /** What was looked for last, as symbols: lookups come one by one, and make no garbage. */
  readonly #wantedNames = new Int32List(32);
  readonly #wantedValues = new Int32List(32);

  /** How many series there are, holes not counted. */
  get size(): number {
    return this.#live;
  }

  /** One more than the highest id. */
  get end(): number {
    return this.#offsets.length;
  }

  exists(id: SeriesId): boolean {
    return id < this.#offsets.length && this.#offsets.values[id]! >= 0;
  }

  /** The id of these labels, -1 where there is none. */
  find(labels: Labels): SeriesId {
    if (!this.#isKnown(labels)) return -1;
    const list = this.#nameLists.find(this.#wantedNames.values, this.#wantedNames.length);
    if (list < 0) return -1;
    const hash = hashOf(list, this.#wantedValues.values, 0, this.#wantedValues.length);
    const id = this.#lookIn(this.#slots, hash, list);
    return id >= 0 || this.#before.length === 0 ? id : this.#lookIn(this.#before, hash, list);
  }

  /** Adds labels that `find` did not know, under the next id. */
  add(labels: Labels): SeriesId {
    const symbols = labels.pairs.map((text) => this.symbols.intern(text));
    const id = this.#offsets.length;
    this.#put(id, symbols);
    return id;
  }

  /** Puts a series back under the id it had. Ids must ascend. */
  restore(id: SeriesId, symbols: readonly number[]): void {
    this.skipTo(id);
    this.#put(id, symbols);
  }

  /** Leaves out the ids below `end`. */
  skipTo(end: SeriesId): void {
    while (this.#offsets.length < end) {
      this.#offsets.push(-1);
      this.#lists.push(-1);
    }
  }

  /** Name, value, name, value … as symbols; empty for holes. */
  pairs(id: SeriesId): Int32Array {
    const offset = this.#offsets.values[id]!;
    if (offset < 0) return new Int32Array(0);
    const names = this.#namesOf(id);
    const pairs = new Int32Array(2 * names.length);
    const pool = this.#pool.values;
    for (let i = 0; i < names.length; i++) {
      pairs[2 * i] = names[i]!;
      pairs[2 * i + 1] = pool[offset + i]!;
    }
    return pairs;
  }

  /** The symbols of the names of these series' labels. */
  namesOf(ids: Int32Array): ReadonlySet<number> {
    const lists = new Set<number>();
    for (const id of ids) if (this.#offsets.values[id]! >= 0) lists.add(this.#lists.values[id]!);
    const found = new Set<number>();
    for (const list of lists) for (const name of this.#nameLists.names(list)) found.add(name);
    return found;
  }

  /** The symbol of a label's value, -1 where the series has no such label. */
  valueOf(id: SeriesId, name: number): number {
    const offset = this.#offsets.values[id]!;
    if (offset < 0) return -1;
    const names = this.#namesOf(id);
    for (let i = 0; i < names.length; i++) if (names[i] === name) return this.#pool.values[offset + i]!;
    return -1;
  }

  labels(id: SeriesId): Labels {
    const cached = this.#labels.get(id);
    if (cached !== undefined) return cached;
    const texts: string[] = [];
    for (const symbol of this.pairs(id)) texts.push(this.symbols.text(symbol));
    const labels = Labels.fromSortedPairs(texts);
    if (this.#labels.size >= MAX_CACHED_LABELS) this.#labels = new Map();
    this.#labels.set(id, labels);
    return labels;
  }

  /** Removes series for good. Returns the symbols that nothing uses any more. */
  remove(ids: readonly SeriesId[]): readonly number[] {
    const unused: number[] = [];
    this.removals++;
    for (const id of ids) {
      if (!this.exists(id)) continue;
      this.#leaveSlot(id);
      for (const symbol of this.pairs(id)) if (this.symbols.release(symbol)) unused.push(symbol);
      this.#deadValues += this.#namesOf(id).length;
      this.#nameLists.release(this.#lists.values[id]!);
      this.#offsets.values[id] = -1;
      this.#labels.delete(id);
      this.#live--;
    }
    this.#compact();
    if (4 * this.#leftSlots > this.#slots.length) this.#rehash();
    return unused;
  }

  /** Bytes of the typed arrays. */
  get bytes(): number {
    return (
      4 * (this.#offsets.values.length + this.#lists.values.length + this.#pool.values.length + this.#slots.length + this.#before.length)
    );
  }

  #put(id: SeriesId, symbols: readonly number[]): void {
    this.#offsets.push(this.#pool.length);
    const names = this.#wantedNames;
    names.length = 0;
    for (let i = 0; i < symbols.length; i += 2) {
      names.push(symbols[i]!);
      this.#pool.push(symbols[i + 1]!);
    }
    for (const symbol of symbols) this.symbols.retain(symbol);
    this.#lists.push(this.#nameLists.retain(names.values, names.length));
    this.#live++;
    if (2 * this.#live > this.#slots.length) this.#double();
    this.#insert(id);
    if (this.#before.length > 0) this.#takeOver(SLOTS_A_SERIES);
  }

  /** Whether every text has a symbol; then `#wantedNames` and `#wantedValues` have them. */
  #isKnown({ pairs }: Labels): boolean {
    const names = this.#wantedNames;
    const values = this.#wantedValues;
    names.length = 0;
    values.length = 0;
    for (let i = 0; i < pairs.length; i += 2) {
      const name = this.symbols.find(pairs[i]!);
      const value = this.symbols.find(pairs[i + 1]!);
      if (name < 0 || value < 0) return false;
      names.push(name);
      values.push(value);
    }
    return true;
  }

  /** The series with these names and the wanted values, -1 where these slots have none. */
  #lookIn(slots: Int32Array, hash: number, list: number): SeriesId {
    const mask = slots.length - 1;
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const id = slots[slot]!;
      if (id === FREE || (id !== LEFT && this.#lists.values[id] === list && this.#hasWanted(id))) return id;
    }
  }

  #hasWanted(id: SeriesId): boolean {
    const offset = this.#offsets.values[id]!;
    const pool = this.#pool.values;
    const { values, length } = this.#wantedValues;
    for (let i = 0; i < length; i++) if (pool[offset + i] !== values[i]) return false;
    return true;
  }

  /** Puts a series that is in no slot into the next free one: nothing needs comparing. */
  #insert(id: SeriesId): void {
    const slots = this.#slots;
    const mask = slots.length - 1;
    let slot = this.#hash(id) & mask;
    while (slots[slot]! >= 0) slot = (slot + 1) & mask;
    if (slots[slot] === LEFT) this.#leftSlots--;
    slots[slot] = id;
  }

  /** In both tables: before an entry has been taken over it is in the older one, afterwards in both. */
  #leaveSlot(id: SeriesId): void {
    const hash = this.#hash(id);
    for (const slots of [this.#slots, this.#before]) {
      if (slots.length === 0) continue;
      const mask = slots.length - 1;
      let slot = hash & mask;
      while (slots[slot] !== id && slots[slot] !== FREE) slot = (slot + 1) & mask;
      if (slots[slot] !== id) continue;
      slots[slot] = LEFT;
      if (slots === this.#slots) this.#leftSlots++;
    }
  }

  #hash(id: SeriesId): number {
    const offset = this.#offsets.values[id]!;
    return hashOf(this.#lists.values[id]!, this.#pool.values, offset, offset + this.#namesOf(id).length);
  }

  #namesOf(id: SeriesId): Int32Array {
    return this.#nameLists.names(this.#lists.values[id]!);
  }

  /** Twice the slots: hundreds of thousands of series would hold the loop, so that they come over little by little. */
  #double(): void {
    this.#takeOver(this.#before.length);
    this.#before = this.#slots;
    this.#takenOver = 0;
    this.#leftSlots = 0;
    this.#slots = new Int32Array(2 * this.#before.length).fill(FREE);
  }

  #takeOver(count: number): void {
    const before = this.#before;
    const end = Math.min(before.length, this.#takenOver + count);
    for (let slot = this.#takenOver; slot < end; slot++) if (before[slot]! >= 0) this.#insert(before[slot]!);
    this.#takenOver = end;
    if (end === before.length) this.#before = NO_SLOTS;
  }

  #rehash(): void {
    this.#before = NO_SLOTS;
    this.#takenOver = 0;
    this.#leftSlots = 0;
    this.#slots.fill(FREE);
    for (let id = 0; id < this.#offsets.length; id++) if (this.#offsets.values[id]! >= 0) this.#insert(id);
  }

  /** Gives back the pool space of removed series once it is more than half of the pool. */
  #compact(): void {
    if (2 * this.#deadValues <= this.#pool.length) return;
    const old = this.#pool.toArray();
    this.#pool.length = 0;
    this.#deadValues = 0;
    for (let id = 0; id < this.#offsets.length; id++) {
      const offset = this.#offsets.values[id]!;
      if (offset < 0) continue;
      this.#offsets.values[id] = this.#pool.length;
      for (let i = 0; i < this.#namesOf(id).length; i++) this.#pool.push(old[offset + i]!);
    }
  }
}

/** Finished so that the low bits depend on all of them. */
function hashOf(list: number, values: Int32Array, from: number, to: number): number {
  let hash = hashWords(values, from, to) ^ Math.imul(list + 1, 0x9e3779b1);
  hash ^= hash >>> 15;
  return Math.imul(hash, 0x2c1b3c6d) ^ (hash >>> 12);
}

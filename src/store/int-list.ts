/** From so many entries on the system maps an array on its own, and what is not used of it takes no memory. */
const MAPPED = 32_768;

/** Whole numbers below 2^31 in a typed array that grows as it is needed. */
export class Int32List {
  values: Int32Array;
  length = 0;

  constructor(capacity = 4) {
    this.values = new Int32Array(capacity);
  }

  push(value: number): void {
    if (this.length === this.values.length) this.reserve(this.length + 1);
    this.values[this.length++] = value;
  }

  reserve(capacity: number): void {
    if (capacity <= this.values.length) return;
    const { length } = this.values;
    // Thousands of lists have some hundred entries: half of what they took would be room.
    const roomier = length < 16 || length >= MAPPED ? length * 2 : length + (length >>> 2);
    const grown = new Int32Array(Math.max(capacity, roomier));
    grown.set(this.values.subarray(0, this.length));
    this.values = grown;
  }

  /** Sets an entry, growing to it; entries in between are `fill`. */
  put(index: number, value: number, fill: number): void {
    this.reserve(index + 1);
    while (this.length <= index) this.values[this.length++] = fill;
    this.values[index] = value;
  }

  /**
   * Takes out the entries that `gone` has a 1 for; the others keep their order. Who has a view of the values keeps what
   * it saw. Returns how many went.
   */
  drop(gone: Uint8Array): number {
    const { values, length } = this;
    let kept = 0;
    while (kept < length && gone[values[kept]!] !== 1) kept++;
    if (kept === length) return 0;
    const left = new Int32Array(Math.max(4, length));
    left.set(values.subarray(0, kept));
    for (let i = kept; i < length; i++) if (gone[values[i]!] !== 1) left[kept++] = values[i]!;
    this.values = left;
    this.length = kept;
    return length - kept;
  }

  toArray(): Int32Array {
    return this.values.slice(0, this.length);
  }
}

/** What copies reach back to at most, and so what is looked at together. */
const FRAGMENT_BYTES = 65_536;
const TABLE_BITS = 14;
/** A fragment's last bytes are not searched: four are compared at once. */
const TAIL_BYTES = 15;

/**
 * Makes Snappy blocks (google/snappy, format_description.txt; not the framed format): literals, and copies of at least
 * four bytes found through a table of hashes. What cannot be made smaller is searched ever more thinly.
 */
export class SnappyCompressor {
  readonly #table = new Uint16Array(1 << TABLE_BITS);
  #out: Uint8Array = new Uint8Array(4096);
  #to = 0;

  /** The block of the bytes; its memory is used again by the next call. */
  compress(bytes: Uint8Array): Uint8Array {
    const worst = 32 + bytes.length + Math.ceil(bytes.length / 6);
    if (this.#out.length < worst) this.#out = new Uint8Array(worst + (worst >>> 1));
    this.#to = 0;
    let length = bytes.length;
    for (; length >= 0x80; length = Math.floor(length / 128)) this.#out[this.#to++] = (length & 0x7f) | 0x80;
    this.#out[this.#to++] = length;
    for (let from = 0; from < bytes.length; from += FRAGMENT_BYTES)
      this.#fragment(bytes, from, Math.min(bytes.length, from + FRAGMENT_BYTES));
    return this.#out.subarray(0, this.#to);
  }

  #fragment(bytes: Uint8Array, start: number, end: number): void {
    const table = this.#table.fill(0);
    const last = end - TAIL_BYTES;
    let told = start;
    let at = start + 1;
    let missed = 32;
    while (at < last) {
      const four = fourBytes(bytes, at);
      const slot = Math.imul(four, 0x1e35a7bd) >>> (32 - TABLE_BITS);
      const earlier = start + table[slot]!;
      table[slot] = at - start;
      if (earlier >= at || fourBytes(bytes, earlier) !== four) {
        at += missed++ >>> 5;
        continue;
      }
      missed = 32;
      if (told < at) this.#literal(bytes, told, at);
      let length = 4;
      while (at + length < end && bytes[earlier + length] === bytes[at + length]) length++;
      this.#copy(at - earlier, length);
      at += length;
      told = at;
    }
    if (told < end) this.#literal(bytes, told, end);
  }

  #literal(bytes: Uint8Array, from: number, to: number): void {
    const out = this.#out;
    const less = to - from - 1;
    if (less < 60) out[this.#to++] = less << 2;
    else if (less < 256) {
      out[this.#to++] = 60 << 2;
      out[this.#to++] = less;
    } else {
      out[this.#to++] = 61 << 2;
      out[this.#to++] = less & 0xff;
      out[this.#to++] = less >>> 8;
    }
    if (less < 32) for (let i = from; i < to; i++) out[this.#to++] = bytes[i]!;
    else {
      out.set(bytes.subarray(from, to), this.#to);
      this.#to += less + 1;
    }
  }

  #copy(offset: number, length: number): void {
    let left = length;
    // The last copy must not be shorter than four bytes.
    for (; left >= 68; left -= 64) this.#longCopy(offset, 64);
    if (left > 64) {
      this.#longCopy(offset, 60);
      left -= 60;
    }
    if (left >= 12 || offset >= 2048) this.#longCopy(offset, left);
    else {
      this.#out[this.#to++] = ((offset >>> 8) << 5) | ((left - 4) << 2) | 1;
      this.#out[this.#to++] = offset & 0xff;
    }
  }

  #longCopy(offset: number, length: number): void {
    this.#out[this.#to++] = ((length - 1) << 2) | 2;
    this.#out[this.#to++] = offset & 0xff;
    this.#out[this.#to++] = offset >>> 8;
  }
}

function fourBytes(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
}

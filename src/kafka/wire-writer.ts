import { BelfryError } from '../core/errors.ts';

const FIRST_SIZE = 256;
/** Longest string whose length fits in an INT16. */
const MAX_STRING_BYTES = 0x7fff;

/** Writes one Kafka request, big-endian, into one buffer that grows by doubling. */
export class WireWriter {
  #bytes = Buffer.allocUnsafe(FIRST_SIZE);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  int8(value: number): this {
    const at = this.#grow(1);
    this.#bytes.writeInt8(value, at);
    return this;
  }

  boolean(value: boolean): this {
    return this.int8(value ? 1 : 0);
  }

  int16(value: number): this {
    const at = this.#grow(2);
    this.#bytes.writeInt16BE(value, at);
    return this;
  }

  int32(value: number): this {
    const at = this.#grow(4);
    this.#bytes.writeInt32BE(value, at);
    return this;
  }

  /** A whole number of at most 53 bits. */
  int64(value: number): this {
    const at = this.#grow(8);
    this.#bytes.writeBigInt64BE(BigInt(value), at);
    return this;
  }

  unsignedVarint(value: number): this {
    let rest = value;
    while (rest >= 0x80) {
      this.#byte((rest % 0x80) | 0x80);
      rest = Math.floor(rest / 0x80);
    }
    return this.#byte(rest);
  }

  zeroUuid(): this {
    const at = this.#grow(16);
    this.#bytes.fill(0, at, at + 16);
    return this;
  }

  string(value: string): this {
    const length = checkedLength(value);
    this.int16(length);
    return this.#text(value, length);
  }

  compactString(value: string): this {
    const length = checkedLength(value);
    this.unsignedVarint(length + 1);
    return this.#text(value, length);
  }

  bytes(value: Buffer): this {
    this.int32(value.length);
    const at = this.#grow(value.length);
    value.copy(this.#bytes, at);
    return this;
  }

  /** `undefined` is the null array, which means "all" in most requests. */
  compactArray<T>(items: readonly T[] | undefined, write: (item: T) => void): this {
    if (items === undefined) return this.unsignedVarint(0);
    this.unsignedVarint(items.length + 1);
    for (const item of items) write(item);
    return this;
  }

  /** No tagged fields. */
  noTags(): this {
    return this.unsignedVarint(0);
  }

  /** Sets an INT32 that was written before, such as the length of the whole. */
  setInt32(at: number, value: number): void {
    this.#bytes.writeInt32BE(value, at);
  }

  /** What has been written; valid until the next write. */
  written(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }

  #byte(value: number): this {
    // Growing may replace the buffer, so it must come first.
    const at = this.#grow(1);
    this.#bytes[at] = value;
    return this;
  }

  #text(value: string, length: number): this {
    const at = this.#grow(length);
    this.#bytes.write(value, at, length, 'utf8');
    return this;
  }

  #grow(byteCount: number): number {
    const at = this.#length;
    const needed = at + byteCount;
    if (needed > this.#bytes.length) {
      const grown = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, needed));
      this.#bytes.copy(grown, 0, 0, at);
      this.#bytes = grown;
    }
    this.#length = needed;
    return at;
  }
}

function checkedLength(value: string): number {
  const length = Buffer.byteLength(value);
  if (length > MAX_STRING_BYTES) throw new BelfryError('KAFKA_UNSUPPORTED', `a string of ${length} bytes is too long for a Kafka request`);
  return length;
}

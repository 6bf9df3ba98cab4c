/** Quotients of a Rice code are written in unary up to this many ones; that many mean that the number follows as it is. */
export const RICE_ESCAPE = 23;
/** The widest remainder of a Rice code. */
export const MAX_RICE_BITS = 46;

/** `2 ** k` of a k that is not known beforehand is slow. */
export const POWERS_OF_TWO = Float64Array.from({ length: 64 }, (_, exponent) => 2 ** exponent);

/** Writes bytes, whole numbers and runs of bits into one buffer that grows. Whole numbers are below 2^53. */
export class BitWriter {
  bytes = new Uint8Array(4096);
  length = 0;
  #held = 0;
  #heldBits = 0;

  reset(): void {
    this.length = 0;
    this.#held = 0;
    this.#heldBits = 0;
  }

  /** A copy of what was written so far, bits filled up to a byte. */
  take(): Uint8Array {
    this.align();
    const copy = Buffer.allocUnsafeSlow(this.length);
    copy.set(this.bytes.subarray(0, this.length));
    return copy;
  }

  byte(value: number): void {
    if (this.length === this.bytes.length) this.#grow(1);
    this.bytes[this.length++] = value;
  }

  /** Little-endian base 128. */
  varint(value: number): void {
    let rest = value;
    while (rest >= 0x80) {
      const high = Math.floor(rest / 0x80);
      this.byte(rest - high * 0x80 + 0x80);
      rest = high;
    }
    this.byte(rest);
  }

  /** A number with its sign in the lowest bit; its magnitude is below 2^52. */
  zigzag(value: number): void {
    this.varint(value >= 0 ? 2 * value : -2 * value - 1);
  }

  append(bytes: Uint8Array): void {
    if (this.length + bytes.length > this.bytes.length) this.#grow(bytes.length);
    this.bytes.set(bytes, this.length);
    this.length += bytes.length;
  }

  /** At most 24 bits, the highest first. */
  bits(value: number, count: number): void {
    this.#held = (this.#held << count) | value;
    this.#heldBits += count;
    while (this.#heldBits >= 8) {
      this.#heldBits -= 8;
      this.byte((this.#held >>> this.#heldBits) & 0xff);
    }
    this.#held &= (1 << this.#heldBits) - 1;
  }

  bits32(value: number, count: number): void {
    if (count > 16) this.bits((value >>> 16) & ((1 << (count - 16)) - 1), count - 16);
    this.bits(count >= 16 ? value & 0xffff : value & ((1 << count) - 1), Math.min(16, count));
  }

  /** A whole number by Rice's code with `k` remainder bits. */
  rice(value: number, k: number): void {
    const unit = POWERS_OF_TWO[k]!;
    const quotient = Math.floor(value / unit);
    if (quotient >= RICE_ESCAPE) {
      this.bits((1 << RICE_ESCAPE) - 1, RICE_ESCAPE);
      this.wide(value, 54);
      return;
    }
    this.bits((1 << (quotient + 1)) - 2, quotient + 1);
    this.wide(value - quotient * unit, k);
  }

  /** Fills the last byte with zeros. */
  align(): void {
    if (this.#heldBits > 0) this.byte((this.#held << (8 - this.#heldBits)) & 0xff);
    this.#held = 0;
    this.#heldBits = 0;
  }

  /** A whole number of up to 54 bits, the highest first. */
  wide(value: number, count: number): void {
    if (count <= 24) {
      this.bits(value, count);
      return;
    }
    const top = Math.floor(value / 2 ** 24);
    this.wide(top, count - 24);
    this.bits(value - top * 2 ** 24, 24);
  }

  #grow(by: number): void {
    const grown = new Uint8Array(Math.max(this.bytes.length * 2, this.length + by));
    grown.set(this.bytes.subarray(0, this.length));
    this.bytes = grown;
  }
}

import { BelfryError } from '../core/errors.ts';
import { POWERS_OF_TWO, RICE_ESCAPE } from './bit-writer.ts';

/** Reads what a `BitWriter` wrote. Throws `STORE_CORRUPT` where the bytes end too early or make no sense. */
export class BitReader {
  readonly bytes: Uint8Array;
  at: number;
  readonly end: number;
  #held = 0;
  #heldBits = 0;

  constructor(bytes: Uint8Array, at = 0, end = bytes.length) {
    this.bytes = bytes;
    this.at = at;
    this.end = end;
    if (end > bytes.length || at > end) throw corrupt('a part lies outside of its block');
  }

  byte(): number {
    if (this.at >= this.end) throw corrupt('ends too early');
    return this.bytes[this.at++]!;
  }

  varint(): number {
    let value = 0;
    for (let unit = 1; ; unit *= 0x80) {
      if (unit > 2 ** 49) throw corrupt('a number is too long');
      const byte = this.byte();
      value += (byte & 0x7f) * unit;
      if (byte < 0x80) return value;
    }
  }

  /** A varint that must not be above `max`; for counts that memory is taken for. */
  count(max: number): number {
    const value = this.varint();
    if (value > max) throw corrupt(`a count of ${value} is above ${max}`);
    return value;
  }

  zigzag(): number {
    const value = this.varint();
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }

  take(length: number): Uint8Array {
    if (this.at + length > this.end) throw corrupt('ends too early');
    this.at += length;
    return this.bytes.subarray(this.at - length, this.at);
  }

  /** At most 24 bits. */
  bits(count: number): number {
    while (this.#heldBits < count) {
      this.#held = (this.#held << 8) | this.byte();
      this.#heldBits += 8;
    }
    this.#heldBits -= count;
    const value = (this.#held >>> this.#heldBits) & ((1 << count) - 1);
    this.#held &= (1 << this.#heldBits) - 1;
    return value;
  }

  bits32(count: number): number {
    const high = count > 16 ? this.bits(count - 16) : 0;
    return ((high << 16) | this.bits(Math.min(16, count))) >>> 0;
  }

  rice(k: number): number {
    let quotient = 0;
    while (quotient < RICE_ESCAPE && this.bits(1) === 1) quotient++;
    return quotient === RICE_ESCAPE ? this.wide(54) : quotient * POWERS_OF_TWO[k]! + this.wide(k);
  }

  /** Skips to the next whole byte. */
  align(): void {
    this.#held = 0;
    this.#heldBits = 0;
  }

  /** A whole number of up to 54 bits, the highest first. */
  wide(count: number): number {
    if (count <= 24) return this.bits(count);
    const top = this.wide(count - 24);
    return top * 2 ** 24 + this.bits(24);
  }
}

export function corrupt(what: string): BelfryError {
  return new BelfryError('STORE_CORRUPT', `stored samples cannot be read: ${what}`);
}

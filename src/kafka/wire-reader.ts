import { BelfryError } from '../core/errors.ts';

/** Bytes of the longest unsigned varint that still fits in 32 bits. */
const MAX_VARINT_BYTES = 5;

/**
 * Reads one Kafka answer, big-endian, front to back. Nothing in it is believed: each read is checked against what is
 * left, and a length is checked before anything is made from it, so that a hostile answer costs no more memory than
 * its own bytes. Every failure is a `BelfryError` `KAFKA_MALFORMED` with the name of the answer and the byte position.
 */
export class WireReader {
  readonly #bytes: Buffer;
  readonly #what: string;
  #position: number;

  constructor(bytes: Buffer, what: string, position = 0) {
    this.#bytes = bytes;
    this.#what = what;
    this.#position = position;
  }

  get position(): number {
    return this.#position;
  }

  get remaining(): number {
    return this.#bytes.length - this.#position;
  }

  int8(): number {
    return (this.#byte() << 24) >> 24;
  }

  boolean(): boolean {
    return this.#byte() !== 0;
  }

  int16(): number {
    const at = this.#take(2);
    return this.#bytes.readInt16BE(at);
  }

  uint16(): number {
    const at = this.#take(2);
    return this.#bytes.readUInt16BE(at);
  }

  int32(): number {
    const at = this.#take(4);
    return this.#bytes.readInt32BE(at);
  }

  /** As a number: exact up to 2^53, which no offset and no size reaches. */
  int64(): number {
    const at = this.#take(8);
    return this.#bytes.readInt32BE(at) * 2 ** 32 + this.#bytes.readUInt32BE(at + 4);
  }

  unsignedVarint(): number {
    let value = 0;
    let factor = 1;
    for (let i = 0; i < MAX_VARINT_BYTES; i++) {
      const byte = this.#byte();
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) {
        if (value > 0xff_ff_ff_ff) break;
        return value;
      }
      factor *= 128;
    }
    throw this.malformed('a varint beyond 32 bits');
  }

  skip(byteCount: number): void {
    this.#take(byteCount);
  }

  skipUuid(): void {
    this.#take(16);
  }

  /** INT16 length before it. */
  string(): string {
    return this.nullableString() ?? this.#missing('a string');
  }

  nullableString(): string | undefined {
    const length = this.int16();
    return length < 0 ? undefined : this.#text(length);
  }

  /** Varint length + 1 before it; 0 is null. */
  compactString(): string {
    return this.compactNullableString() ?? this.#missing('a string');
  }

  compactNullableString(): string | undefined {
    const length = this.unsignedVarint() - 1;
    return length < 0 ? undefined : this.#text(length);
  }

  skipCompactString(): void {
    const length = this.unsignedVarint() - 1;
    if (length > 0) this.#take(length);
  }

  /** INT32 length before it. */
  bytes(): Buffer {
    const length = this.int32();
    if (length < 0) return Buffer.alloc(0);
    const at = this.#take(length);
    return this.#bytes.subarray(at, at + length);
  }

  skipCompactBytes(): void {
    this.skipCompactString();
  }

  /**
   * The length of an array whose elements take at least `elementBytes` each; 0 for a null array. A length that the
   * rest of the answer cannot hold is refused here, before anybody allocates for it.
   */
  arrayLength(elementBytes: number): number {
    return this.#checkedLength(this.int32(), elementBytes);
  }

  compactArrayLength(elementBytes: number): number {
    return this.#checkedLength(this.unsignedVarint() - 1, elementBytes);
  }

  /** Tagged fields carry what this version does not know; they are skipped. */
  skipTags(): void {
    const count = this.unsignedVarint();
    if (count > this.remaining / 2) throw this.malformed(`${count} tagged fields in ${this.remaining} bytes`);
    for (let i = 0; i < count; i++) {
      this.unsignedVarint();
      this.#take(this.unsignedVarint());
    }
  }

  /** Bytes left over mean that the answer was not in the layout it claimed. */
  expectEnd(): void {
    if (this.remaining > 0) throw this.malformed(`${this.remaining} bytes too many`);
  }

  malformed(why: string): BelfryError {
    return new BelfryError('KAFKA_MALFORMED', `malformed ${this.#what} answer at byte ${this.#position}: ${why}`);
  }

  #byte(): number {
    const at = this.#take(1);
    return this.#bytes[at] ?? 0;
  }

  #take(byteCount: number): number {
    const at = this.#position;
    if (byteCount > this.#bytes.length - at) throw this.malformed(`${byteCount} bytes announced, ${this.remaining} left`);
    this.#position = at + byteCount;
    return at;
  }

  #text(length: number): string {
    const at = this.#take(length);
    return this.#bytes.toString('utf8', at, at + length);
  }

  #checkedLength(length: number, elementBytes: number): number {
    if (length <= 0) return 0;
    if (length * elementBytes > this.remaining) throw this.malformed(`an array of ${length} announced, ${this.remaining} bytes left`);
    return length;
  }

  #missing(what: string): never {
    throw this.malformed(`null where ${what} must be`);
  }
}

/** A growing column of integers, whose length is not known before the last one is read. */
export class IntColumn {
  #values: Int32Array;
  #length = 0;

  constructor(capacity = 64) {
    this.#values = new Int32Array(capacity);
  }

  get length(): number {
    return this.#length;
  }

  push(value: number): void {
    if (this.#length === this.#values.length) {
      const grown = new Int32Array(this.#values.length * 2);
      grown.set(this.#values);
      this.#values = grown;
    }
    this.#values[this.#length++] = value;
  }

  toInt32(): Int32Array {
    return this.#values.slice(0, this.#length);
  }

  toInt16(): Int16Array {
    return Int16Array.from(this.#values.subarray(0, this.#length));
  }

  toUint8(): Uint8Array {
    return Uint8Array.from(this.#values.subarray(0, this.#length));
  }
}

/** A growing column of doubles, for offsets. */
export class DoubleColumn {
  #values: Float64Array;
  #length = 0;

  constructor(capacity = 64) {
    this.#values = new Float64Array(capacity);
  }

  push(value: number): void {
    if (this.#length === this.#values.length) {
      const grown = new Float64Array(this.#values.length * 2);
      grown.set(this.#values);
      this.#values = grown;
    }
    this.#values[this.#length++] = value;
  }

  toFloat64(): Float64Array {
    return this.#values.slice(0, this.#length);
  }
}

import { MAX_INTEGER } from './int-column.ts';
import { corrupt, type BitReader } from './bit-reader.ts';
import { readSmall } from './difference-column.ts';
import { HIGH_WORD } from './sample-codes.ts';

/** Most decimals that are tried; nanoseconds as seconds have nine. */
const MAX_SCALE = 12;
const POWERS = Array.from({ length: MAX_SCALE + 1 }, (_, exponent) => 10 ** exponent);
/** Steps between neighbouring doubles that a value may be off a decimal: what a sum or an interpolation leaves behind. */
const MAX_STEPS = 4096;

/**
 * The smallest number of decimals with which all values are whole numbers, exactly (`ints / 10^scale === values`), or
 * -1. Negative zero is none. Fills `ints`.
 */
export function asIntegers(values: Float64Array, n: number, ints: Float64Array): number {
  let scale = 0;
  for (let i = 0; i < n; i++) {
    const value = values[i]!;
    if (value === 0 ? Object.is(value, -0) : !(Math.abs(value) <= MAX_INTEGER)) return -1;
    while (Math.round(value * POWERS[scale]!) / POWERS[scale]! !== value) if (++scale > MAX_SCALE) return -1;
  }
  const power = POWERS[scale]!;
  for (let i = 0; i < n; i++) {
    const int = Math.round(values[i]! * power);
    if (Math.abs(int) > MAX_INTEGER || int / power !== values[i]!) return -1;
    ints[i] = int === 0 ? 0 : int;
  }
  return scale;
}

/** Doubles in other ways as whole numbers, where no number of decimals makes them exact. Holds scratch memory. */
export class NearDecimals {
  /** How many steps each value is above the decimal that it is near to. */
  steps = new Float64Array(128);
  readonly #cell = new Float64Array(1);
  readonly #cellWords = new Uint32Array(this.#cell.buffer);

  /** The smallest number of decimals that all values are near to, or -1; fills `ints` and `steps`. */
  of(values: Float64Array, words: Uint32Array, n: number, ints: Float64Array): number {
    if (this.steps.length < n) this.steps = new Float64Array(ints.length);
    for (let scale = 0; scale <= MAX_SCALE; scale++) if (this.#isNear(values, words, n, ints, POWERS[scale]!)) return scale;
    return -1;
  }

  /** The steps as `writeSmall` wrote them. Throws `STORE_CORRUPT`. */
  read(from: BitReader, n: number): void {
    if (this.steps.length < n) this.steps = new Float64Array(2 * n);
    readSmall(from, n, this.steps);
  }

  /** The values again: words of doubles from `ints` and `steps`. */
  restore(ints: Float64Array, n: number, scale: number, words: Uint32Array): void {
    const power = powerOf(scale);
    for (let i = 0; i < n; i++) {
      this.#cell[0] = ints[i]! / power;
      addSteps(this.#cellWords[0]!, this.#cellWords[1]!, this.steps[i]!, words, i);
    }
  }

  #isNear(values: Float64Array, words: Uint32Array, n: number, ints: Float64Array, power: number): boolean {
    for (let i = 0; i < n; i++) {
      const int = Math.round(values[i]! * power);
      if (!(Math.abs(int) <= MAX_INTEGER)) return false;
      this.#cell[0] = (ints[i] = int === 0 ? 0 : int) / power;
      const steps = stepsBetween(this.#cellWords[0]!, this.#cellWords[1]!, words, i);
      if (!(Math.abs(steps) <= MAX_STEPS)) return false;
      this.steps[i] = steps;
    }
    return true;
  }
}

/** Each double as its steps from the first one, as whole numbers that may be inexact where they are above 2^53. */
export function asSteps(words: Uint32Array, n: number, ints: Float64Array): void {
  const low = words[0]!;
  const high = words[1]!;
  for (let i = 0; i < n; i++) ints[i] = stepsBetween(low, high, words, i);
}

/** The doubles that are so many steps from the first one. */
export function fromSteps(low: number, high: number, ints: Float64Array, n: number, words: Uint32Array): void {
  for (let i = 0; i < n; i++) addSteps(low, high, ints[i]!, words, i);
}

export function powerOf(scale: number): number {
  const power = POWERS[scale];
  if (power === undefined) throw corrupt(`scale ${scale}`);
  return power;
}

/** Doubles of one sign lie in the order of their bits. */
function stepsBetween(low: number, high: number, words: Uint32Array, i: number): number {
  return (words[2 * i + HIGH_WORD]! - high) * 2 ** 32 + (words[2 * i]! - low);
}

function addSteps(low: number, high: number, steps: number, words: Uint32Array, i: number): void {
  const sum = low + steps;
  const carry = Math.floor(sum / 2 ** 32);
  words[2 * i] = sum - carry * 2 ** 32;
  words[2 * i + HIGH_WORD] = high + carry;
}

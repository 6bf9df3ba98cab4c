/**
 * Compensated sums (Kahan in Neumaier's form), one accumulator a slot. The true sum of a slot is `sums[i] + errors[i]`;
 * an overflow clears the error, so that infinities do not turn into NaN.
 */
export class KahanSums {
  sums = new Float64Array(16);
  errors = new Float64Array(16);

  /** Zeroes the first `slots` accumulators. */
  reset(slots: number): void {
    if (slots > this.sums.length) {
      this.sums = new Float64Array(slots * 2);
      this.errors = new Float64Array(slots * 2);
      return;
    }
    this.sums.fill(0, 0, slots);
    this.errors.fill(0, 0, slots);
  }

  add(slot: number, value: number): void {
    const sum = this.sums[slot] ?? 0;
    const total = sum + value;
    if (total === Infinity || total === -Infinity) this.errors[slot] = 0;
    else if (Math.abs(sum) >= Math.abs(value)) this.errors[slot] = (this.errors[slot] ?? 0) + (sum - total + value);
    else this.errors[slot] = (this.errors[slot] ?? 0) + (value - total + sum);
    this.sums[slot] = total;
  }

  /** Adds each of the first n values to its slot. */
  addAll(slots: Int32Array, added: Float64Array, n: number): void {
    const { sums, errors } = this;
    for (let i = 0; i < n; i++) {
      const slot = slots[i] ?? 0;
      const value = added[i] ?? 0;
      const sum = sums[slot] ?? 0;
      const total = sum + value;
      errors[slot] = compensate(value, sum, total, errors[slot] ?? 0);
      sums[slot] = total;
    }
  }

  total(slot: number): number {
    return (this.sums[slot] ?? 0) + (this.errors[slot] ?? 0);
  }
}

/** The error term that belongs to `sum + value`, added to the one before. */
export function compensate(value: number, sum: number, total: number, error: number): number {
  if (total === Infinity || total === -Infinity) return 0;
  return Math.abs(sum) >= Math.abs(value) ? error + (sum - total + value) : error + (value - total + sum);
}

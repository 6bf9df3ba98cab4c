import { KahanSums } from './kahan.ts';
import { quantileOf } from './quantile.ts';

/**
 * Aggregates values into slots: `slots[i]` (0 … count-1, each at least once) is the slot of `values[i]`. Fills the
 * first `count` entries of `out`. Kernels own scratch space: one object a plan.
 */
export interface AggregateKernel {
  run(values: Float64Array, n: number, slots: Int32Array, count: number, out: Float64Array): void;
}

class Sum implements AggregateKernel {
  readonly #sums = new KahanSums();

  run(values: Float64Array, n: number, slots: Int32Array, count: number, out: Float64Array): void {
    const sums = this.#sums;
    sums.reset(count);
    sums.addAll(slots, values, n);
    for (let slot = 0; slot < count; slot++) out[slot] = sums.total(slot);
  }
}

/** The compensated sum by the count; where the sum overflows, a running mean from there on. */
class Avg implements AggregateKernel {
  readonly #sums = new KahanSums();
  #counts = new Float64Array(0);
  #running = new Uint8Array(0);

  run(values: Float64Array, n: number, slots: Int32Array, count: number, out: Float64Array): void {
    const sums = this.#sums;
    sums.reset(count);
    if (this.#counts.length < count) {
      this.#counts = new Float64Array(count * 2);
      this.#running = new Uint8Array(count * 2);
    }
    this.#counts.fill(0, 0, count);
    this.#running.fill(0, 0, count);
    for (let i = 0; i < n; i++) this.#add(slots[i] ?? 0, values[i] ?? 0);
    for (let slot = 0; slot < count; slot++) {
      const size = this.#counts[slot] ?? 1;
      out[slot] = this.#running[slot] === 1 ? sums.total(slot) : (sums.sums[slot] ?? 0) / size + (sums.errors[slot] ?? 0) / size;
    }
  }

  #add(slot: number, value: number): void {
    const sums = this.#sums;
    const before = this.#counts[slot] ?? 0;
    const size = before + 1;
    this.#counts[slot] = size;
    if (this.#running[slot] === 0) {
      const total = (sums.sums[slot] ?? 0) + value;
      if (before === 0 || Number.isNaN(total) || Number.isFinite(total)) {
        sums.add(slot, value);
        return;
      }
      this.#running[slot] = 1;
      sums.sums[slot] = (sums.sums[slot] ?? 0) / before;
      sums.errors[slot] = (sums.errors[slot] ?? 0) / before;
    }
    const keep = before / size;
    sums.sums[slot] = (sums.sums[slot] ?? 0) * keep;
    sums.errors[slot] = (sums.errors[slot] ?? 0) * keep;
    sums.add(slot, value / size);
  }
}

class Min implements AggregateKernel {
  run(values: Float64Array, n: number, slots: Int32Array, count: number, out: Float64Array): void {
    out.fill(NaN, 0, count);
    for (let i = 0; i < n; i++) {
      const slot = slots[i] ?? 0;
      const value = values[i] ?? 0;
      const least = out[slot] ?? 0;
      if (value < least || Number.isNaN(least)) out[slot] = value;
    }
  }
}

class Max implements AggregateKernel {
  run(values: Float64Array, n: number, slots: Int32Array, count: number, out: Float64Array): void {
    out.fill(NaN, 0, count);
    for (let i = 0; i < n; i++) {
      const slot = slots[i] ?? 0;
      const value = values[i] ?? 0;
      const most = out[slot] ?? 0;
      if (value > most || Number.isNaN(most)) out[slot] = value;
    }
  }
}

class Count implements AggregateKernel {
  run(_: Float64Array, n: number, slots: Int32Array, count: number, out: Float64Array): void {
    out.fill(0, 0, count);
    for (let i = 0; i < n; i++) {
      const slot = slots[i] ?? 0;
      out[slot] = (out[slot] ?? 0) + 1;
    }
  }
}

class Group implements AggregateKernel {
  run(_: Float64Array, __: number, ___: Int32Array, count: number, out: Float64Array): void {
    out.fill(1, 0, count);
  }
}

/** Welford's variance; a group that holds an infinity or NaN has NaN. */
class Variance implements AggregateKernel {
  readonly #root: boolean;
  #counts = new Float64Array(0);
  #means = new Float64Array(0);

  constructor(root: boolean) {
    this.#root = root;
  }

  run(values: Float64Array, n: number, slots: Int32Array, count: number, out: Float64Array): void {
    if (this.#counts.length < count) {
      this.#counts = new Float64Array(count * 2);
      this.#means = new Float64Array(count * 2);
    }
    const counts = this.#counts;
    const means = this.#means;
    counts.fill(0, 0, count);
    means.fill(0, 0, count);
    out.fill(0, 0, count);
    for (let i = 0; i < n; i++) {
      const slot = slots[i] ?? 0;
      const value = values[i] ?? 0;
      const size = (counts[slot] ?? 0) + 1;
      counts[slot] = size;
      const distance = value - (means[slot] ?? 0);
      means[slot] = (means[slot] ?? 0) + distance / size;
      out[slot] = (out[slot] ?? 0) + distance * (value - (means[slot] ?? 0));
    }
    for (let slot = 0; slot < count; slot++) {
      const variance = (out[slot] ?? 0) / (counts[slot] ?? 1);
      out[slot] = this.#root ? Math.sqrt(variance) : variance;
    }
  }
}

/** The q-quantile of each slot; q is set before each run. */
export class QuantileKernel implements AggregateKernel {
  q = 0;

  run(values: Float64Array, n: number, slots: Int32Array, count: number, out: Float64Array): void {
    const starts = new Int32Array(count + 1);
    for (let i = 0; i < n; i++) {
      const next = (slots[i] ?? 0) + 1;
      starts[next] = (starts[next] ?? 0) + 1;
    }
    for (let slot = 1; slot <= count; slot++) starts[slot] = (starts[slot] ?? 0) + (starts[slot - 1] ?? 0);
    const sorted = new Float64Array(n);
    const at = starts.slice();
    for (let i = 0; i < n; i++) {
      const slot = slots[i] ?? 0;
      const place = at[slot] ?? 0;
      sorted[place] = values[i] ?? 0;
      at[slot] = place + 1;
    }
    for (let slot = 0; slot < count; slot++) out[slot] = quantileOf(this.q, sorted.subarray(starts[slot], starts[slot + 1]));
  }
}

/** A new kernel for an aggregation without parameter. */
export function aggregateKernel(op: 'sum' | 'avg' | 'min' | 'max' | 'count' | 'group' | 'stddev' | 'stdvar'): AggregateKernel {
  switch (op) {
    case 'sum':
      return new Sum();
    case 'avg':
      return new Avg();
    case 'min':
      return new Min();
    case 'max':
      return new Max();
    case 'count':
      return new Count();
    case 'group':
      return new Group();
    case 'stddev':
      return new Variance(true);
    case 'stdvar':
      return new Variance(false);
  }
}

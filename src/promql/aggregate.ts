import { METRIC_NAME, Labels } from '../core/labels.ts';
import { formatFloat } from '../core/number-format.ts';
import type { Aggregate } from './ast.ts';
import { QuantileKernel, type AggregateKernel } from './aggregate-kernels.ts';
import { executionError, type Exec } from './exec.ts';
import { isLabelName } from './label-functions.ts';
import { LabelPiece } from './look-ahead.ts';
import { formatG } from './number-text.ts';
import { IdMap, Projection, Vec, type InternSpace, type ScalarOp, type Space, type VectorOp } from './space.ts';
import { warnOfQuantile } from './window-functions.ts';

/** Which group each series of a space belongs to, worked out once a series. */
class Grouping {
  readonly space: InternSpace;
  readonly #source: Space;
  readonly #projection: Projection;
  readonly #single: boolean;
  readonly #groups = new IdMap();
  /** The slot of a group in the step at hand; valid where `#rounds` holds this round. */
  readonly #slots = new IdMap();
  readonly #rounds = new IdMap();
  #round = 0;
  /** The groups of this step's slots. */
  order: Int32Array = new Int32Array(16);
  slots: Int32Array = new Int32Array(0);
  count = 0;
  /** The ids that the slots were assigned to last, and what came of it: mostly they are the same at the next step. */
  #ids = new Int32Array(0);
  #n = -1;
  #count = 0;

  constructor(source: Space, grouping: readonly string[], without: boolean) {
    this.#source = source;
    this.#single = !without && grouping.length === 0;
    const names = without || !grouping.includes(METRIC_NAME) ? 'none' : source.names;
    this.#projection = new Projection(without ? [METRIC_NAME, ...grouping] : grouping, !without, names);
    this.space = this.#projection.space;
    if (this.#single) this.space.idOf(Labels.empty);
  }

  groupOf(id: number): number {
    const known = this.#groups.get(id);
    if (known >= 0) return known;
    const group = this.#projection.idOf(this.#source.labels(id));
    this.#groups.set(id, group);
    return group;
  }

  /** Numbers the groups that occur in a vector 0 … count-1 in order of appearance. */
  assign(vec: Vec): void {
    const { n, ids } = vec;
    if (this.slots.length < n) this.slots = new Int32Array(Math.max(n, this.slots.length * 2));
    this.#round++;
    this.count = 0;
    if (this.#single) {
      this.slots.fill(0, 0, n);
      this.order[0] = 0;
      this.count = n > 0 ? 1 : 0;
      return;
    }
    if (sameIds(this.#ids, this.#n, ids, n)) {
      this.count = this.#count;
      return;
    }
    for (let i = 0; i < n; i++) {
      const group = this.groupOf(ids[i] ?? 0);
      if (this.#rounds.get(group) !== this.#round) this.#open(group);
      this.slots[i] = this.#slots.get(group);
    }
    if (this.#ids.length < n) this.#ids = new Int32Array(this.slots.length);
    this.#ids.set(n === ids.length ? ids : ids.subarray(0, n));
    this.#n = n;
    this.#count = this.count;
  }

  #open(group: number): void {
    this.#rounds.set(group, this.#round);
    this.#slots.set(group, this.count);
    if (this.count === this.order.length) {
      const grown = new Int32Array(this.count * 2);
      grown.set(this.order);
      this.order = grown;
    }
    this.order[this.count++] = group;
  }
}

function sameIds(a: Int32Array, n: number, b: Int32Array, m: number): boolean {
  if (n !== m) return false;
  for (let i = 0; i < n; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** An aggregation that gives one value a group. */
export class AggregateOpNode implements VectorOp {
  readonly space: Space;
  readonly #expr: Aggregate;
  readonly #exec: Exec;
  readonly #inner: VectorOp;
  readonly #kernel: AggregateKernel;
  readonly #param: ScalarOp | undefined;
  readonly #grouping: Grouping;
  readonly #out = new Vec();

  constructor(expr: Aggregate, exec: Exec, inner: VectorOp, kernel: AggregateKernel, param?: ScalarOp) {
    this.#expr = expr;
    this.#exec = exec;
    this.#inner = inner;
    this.#kernel = kernel;
    this.#param = param;
    this.#grouping = new Grouping(inner.space, expr.grouping, expr.without);
    this.space = this.#grouping.space;
    if (expr.without || expr.grouping.length > 0) exec.pieces.push(new LabelPiece(inner.space, (id) => this.#grouping.groupOf(id)));
  }

  eval(ts: number): Vec {
    const vec = this.#inner.eval(ts);
    const grouping = this.#grouping;
    const out = this.#out;
    grouping.assign(vec);
    out.reset(grouping.count);
    if (this.#param !== undefined && this.#kernel instanceof QuantileKernel) {
      this.#kernel.q = this.#param.eval(ts);
      warnOfQuantile(this.#exec, this.#kernel.q, this.#expr.param ?? this.#expr);
    }
    this.#kernel.run(vec.values, vec.n, grouping.slots, grouping.count, out.values);
    out.ids.set(grouping.order.subarray(0, grouping.count));
    out.n = grouping.count;
    return out;
  }
}

/** `topk`, `bottomk` and `limitk`: some elements of each group as they are. */
export class SelectKOp implements VectorOp {
  readonly space: Space;
  readonly #op: 'topk' | 'bottomk' | 'limitk';
  readonly #inner: VectorOp;
  readonly #param: ScalarOp;
  readonly #grouping: Grouping;
  readonly #out = new Vec();

  constructor(op: 'topk' | 'bottomk' | 'limitk', expr: Aggregate, inner: VectorOp, param: ScalarOp) {
    this.#op = op;
    this.#inner = inner;
    this.#param = param;
    this.space = inner.space;
    this.#grouping = new Grouping(inner.space, expr.grouping, expr.without);
  }

  eval(ts: number): Vec {
    const vec = this.#inner.eval(ts);
    const k = wholeNumber(this.#param.eval(ts));
    const out = this.#out;
    out.reset(vec.n);
    if (k < 1) return out;
    const grouping = this.#grouping;
    grouping.assign(vec);
    const members: number[][] = Array.from({ length: grouping.count }, () => []);
    const keep = this.#op === 'limitk' ? keepFirst : this.#op === 'topk' ? keepLargest : keepSmallest;
    for (let i = 0; i < vec.n; i++) keep(members[grouping.slots[i] ?? 0] ?? [], i, vec.values, k);
    for (const group of members) for (const index of group) out.push(vec.ids[index] ?? 0, vec.values[index] ?? 0);
    return out;
  }
}

function wholeNumber(value: number): number {
  if (Number.isNaN(value)) throw executionError('Parameter value is NaN');
  if (value >= 2 ** 63 || value < -(2 ** 63)) throw executionError(`Scalar value ${formatG(value)} overflows int64`);
  return Math.trunc(value);
}

function keepFirst(kept: number[], index: number, _: Float64Array, k: number): void {
  if (kept.length < k) kept.push(index);
}

/** Keeps the k largest sorted from the largest on; NaN counts as smaller than everything. */
function keepLargest(kept: number[], index: number, values: Float64Array, k: number): void {
  insert(kept, index, k, (a, b) => {
    const x = values[a] ?? 0;
    const y = values[b] ?? 0;
    return Number.isNaN(y) ? !Number.isNaN(x) : x > y;
  });
}

/** Keeps the k smallest sorted from the smallest on; NaN comes last here too. */
function keepSmallest(kept: number[], index: number, values: Float64Array, k: number): void {
  insert(kept, index, k, (a, b) => {
    const x = values[a] ?? 0;
    const y = values[b] ?? 0;
    return Number.isNaN(y) ? !Number.isNaN(x) : x < y;
  });
}

function insert(kept: number[], index: number, k: number, before: (a: number, b: number) => boolean): void {
  const last = kept.at(-1);
  if (kept.length >= k && last !== undefined && !before(index, last)) return;
  let low = 0;
  let high = kept.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (before(index, kept[middle] ?? 0)) high = middle;
    else low = middle + 1;
  }
  kept.splice(low, 0, index);
  if (kept.length > k) kept.pop();
}

/** `count_values`: how often each value occurs in a group, the value as a label. */
export class CountValuesOp implements VectorOp {
  readonly space: InternSpace;
  readonly #inner: VectorOp;
  readonly #label: string;
  readonly #projection: Projection;
  readonly #out = new Vec();

  constructor(expr: Aggregate, inner: VectorOp, label: string) {
    if (!isLabelName(label)) throw executionError(`invalid label name ${JSON.stringify(label)}`);
    this.#inner = inner;
    this.#label = label;
    const names = expr.without ? [METRIC_NAME, ...expr.grouping] : [...expr.grouping, label];
    this.#projection = new Projection(names, !expr.without);
    this.space = this.#projection.space;
  }

  eval(ts: number): Vec {
    const vec = this.#inner.eval(ts);
    const counts = new Map<number, number>();
    for (let i = 0; i < vec.n; i++) {
      const labels = this.#inner.space.labels(vec.ids[i] ?? 0).with(this.#label, formatFloat(vec.values[i] ?? 0));
      const id = this.#projection.idOf(labels);
      counts.set(id, (counts.get(id) ?? 0) + 1);
    }
    const out = this.#out;
    out.reset(counts.size);
    for (const [id, count] of counts) out.push(id, count);
    return out;
  }
}

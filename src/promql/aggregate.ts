import { METRIC_NAME, Labels } from '../core/labels.ts';
import { formatFloat } from '../core/number-format.ts';
import type { Aggregate } from './ast.ts';
import { QuantileKernel, type AggregateKernel } from './aggregate-kernels.ts';
import { executionError, type Exec } from './exec.ts';
import { isLabelName } from './label-functions.ts';
import { never } from './look-ahead.ts';
import { formatG } from './number-text.ts';
import { IdMap, InternSpace, Projection, Vec, type LabelWork, type ScalarOp, type Space, type VectorOp } from './space.ts';
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

  get labelWork(): readonly LabelWork[] {
    return this.#single ? [] : [{ space: this.#source, look: (id) => void this.groupOf(id), into: this.space }];
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
  readonly labelWork: readonly LabelWork[];
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
    this.labelWork = this.#grouping.labelWork;
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

/** Of more than these, all are sorted: each one that is put in its place moves those behind it. */
const INSERTED_MAX = 1000;

/** `topk`, `bottomk` and `limitk`: some elements of each group as they are. */
export class SelectKOp implements VectorOp {
  readonly space: Space;
  readonly labelWork: readonly LabelWork[];
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
    this.labelWork = this.#grouping.labelWork;
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
    const before = this.#op === 'limitk' ? undefined : this.#op === 'topk' ? isLarger(vec.values) : isSmaller(vec.values);
    const sorts = before !== undefined && k > INSERTED_MAX;
    for (let i = 0; i < vec.n; i++) {
      const kept = members[grouping.slots[i] ?? 0] ?? [];
      if (before !== undefined && !sorts) insert(kept, i, k, before);
      else if (sorts || kept.length < k) kept.push(i);
    }
    for (const kept of members) {
      if (sorts) kept.sort((x, y) => (before(x, y) ? -1 : before(y, x) ? 1 : 0));
      for (let i = 0; i < kept.length && i < k; i++) out.push(vec.ids[kept[i] ?? 0] ?? 0, vec.values[kept[i] ?? 0] ?? 0);
    }
    return out;
  }
}

function wholeNumber(value: number): number {
  if (Number.isNaN(value)) throw executionError('Parameter value is NaN');
  if (value >= 2 ** 63 || value < -(2 ** 63)) throw executionError(`Scalar value ${formatG(value)} overflows int64`);
  return Math.trunc(value);
}

type Before = (a: number, b: number) => boolean;

/** The largest first; NaN counts as smaller than everything. */
function isLarger(values: Float64Array): Before {
  return (a, b) => {
    const x = values[a] ?? 0;
    const y = values[b] ?? 0;
    return y !== y ? x === x : x > y;
  };
}

/** The smallest first; NaN comes last here too. */
function isSmaller(values: Float64Array): Before {
  return (a, b) => {
    const x = values[a] ?? 0;
    const y = values[b] ?? 0;
    return y !== y ? x === x : x < y;
  };
}

/** Keeps the first k in their order; of equals, those that came earlier. */
function insert(kept: number[], index: number, k: number, before: Before): void {
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

/** After so many elements it is looked whether that is enough. */
const VALUES_A_LOOK = 256;

/** `count_values`: how often each value occurs in a group, the value as a label. */
export class CountValuesOp implements VectorOp {
  readonly space = new InternSpace();
  readonly labelWork: readonly LabelWork[];
  readonly #inner: VectorOp;
  readonly #label: string;
  /** Where the label with the value is among those that are left out. */
  readonly #isDropped: boolean;
  readonly #groups: Projection;
  readonly #groupIds = new IdMap();
  /** By group and value: the id of the result. */
  readonly #results: Map<number | '-0', number>[] = [];
  readonly #out = new Vec();
  #begun: { readonly ts: number; readonly vec: Vec; readonly counts: Map<number, number> } | undefined;
  #next = 0;

  constructor(expr: Aggregate, inner: VectorOp, label: string) {
    if (!isLabelName(label)) throw executionError(`invalid label name ${JSON.stringify(label)}`);
    this.#inner = inner;
    this.#label = label;
    this.#isDropped = expr.without && (expr.grouping.includes(label) || label === METRIC_NAME);
    const names = expr.without ? [METRIC_NAME, ...expr.grouping, label] : expr.grouping.filter((name) => name !== label);
    this.#groups = new Projection(names, !expr.without);
    this.labelWork = [{ space: inner.space, look: (id) => void this.#groupOf(id), into: this.#groups.space }];
  }

  eval(ts: number): Vec {
    return this.work(ts, never) ?? this.#out;
  }

  work(ts: number, enough: () => boolean): Vec | undefined {
    if (this.#begun?.ts !== ts) {
      this.#begun = { ts, vec: this.#inner.eval(ts), counts: new Map() };
      this.#next = 0;
    }
    const { vec, counts } = this.#begun;
    while (this.#next < vec.n) {
      const at = this.#next++;
      const id = this.#resultOf(this.#groupOf(vec.ids[at] ?? 0), vec.values[at] ?? 0);
      counts.set(id, (counts.get(id) ?? 0) + 1);
      if (this.#next % VALUES_A_LOOK === 0 && enough()) return undefined;
    }
    this.#begun = undefined;
    const out = this.#out;
    out.reset(counts.size);
    for (const [id, count] of counts) out.push(id, count);
    return out;
  }

  #groupOf(id: number): number {
    let group = this.#groupIds.get(id);
    if (group < 0) this.#groupIds.set(id, (group = this.#groups.idOf(this.#inner.space.labels(id))));
    return group;
  }

  #resultOf(group: number, value: number): number {
    const results = (this.#results[group] ??= new Map());
    const key = Object.is(value, -0) ? '-0' : value;
    const known = results.get(key);
    if (known !== undefined) return known;
    const labels = this.#groups.space.labels(group);
    const id = this.space.idOf(this.#isDropped ? labels : labels.with(this.#label, formatFloat(value)));
    results.set(key, id);
    return id;
  }
}

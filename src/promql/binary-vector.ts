import { METRIC_NAME, type Labels } from '../core/labels.ts';
import type { Binary, Matching } from './ast.ts';
import { isComparison, isSetOp } from './ast.ts';
import { executionError, type Exec } from './exec.ts';
import { never } from './look-ahead.ts';
import { arithmeticKernel, comparisonKernel, dropsName, type ArithmeticKernel, type ComparisonKernel } from './operators.ts';
import { IdMap, InternSpace, Projection, Seen, Vec, duplicateLabels, type LabelWork, type Space, type VectorOp } from './space.ts';

/** With labels from the one side, there may be ever more results as its labels change; then everything is begun anew. */
const MAX_RESULTS = 100_000;

/** After so many pairs it is looked whether that is enough: some are to be given labels. */
const PAIRS_A_LOOK = 256;

/**
 * Numbers the labels by which series of two spaces find each other: those of `on`, or all but the name and those of
 * `ignoring`. Each series' number is worked out once.
 */
class Signatures {
  readonly projection: Projection;

  constructor({ on, labels }: Matching) {
    this.projection = new Projection(on ? labels : [METRIC_NAME, ...labels], on);
  }

  reader(source: Space): (id: number) => number {
    const known = new IdMap();
    return (id) => {
      let signature = known.get(id);
      if (signature < 0) {
        signature = this.projection.idOf(source.labels(id));
        known.set(id, signature);
      }
      return signature;
    };
  }
}

/** `and`, `or`, `unless`: elements as they are, kept by whether the other side has their signature. */
export class SetOpNode implements VectorOp {
  readonly space: Space;
  readonly labelWork: readonly LabelWork[];
  readonly #op: Binary['op'];
  readonly #left: VectorOp;
  readonly #right: VectorOp;
  readonly #leftSignature: (id: number) => number;
  readonly #rightSignature: (id: number) => number;
  readonly #leftIds = new IdMap();
  readonly #rightIds = new IdMap();
  readonly #union: InternSpace | undefined;
  readonly #seen = new Seen();
  readonly #results = new Seen();
  readonly #out = new Vec();

  constructor(expr: Binary, left: VectorOp, right: VectorOp) {
    const signatures = new Signatures(expr.matching);
    this.#op = expr.op;
    this.#left = left;
    this.#right = right;
    this.#leftSignature = signatures.reader(left.space);
    this.#rightSignature = signatures.reader(right.space);
    this.#union = expr.op === 'or' ? new InternSpace() : undefined;
    this.space = this.#union ?? left.space;
    const into = signatures.projection.space;
    this.labelWork = [
      { space: left.space, look: this.#leftSignature, into },
      { space: right.space, look: this.#rightSignature, into },
      ...this.#unions(left.space, this.#leftIds),
    ];
  }

  #unions(space: Space, ids: IdMap): readonly LabelWork[] {
    const into = this.#union;
    return into === undefined ? [] : [{ space, look: (id) => void translate(id, ids, space, into), into }];
  }

  eval(ts: number): Vec {
    const left = this.#left.eval(ts);
    const right = this.#right.eval(ts);
    return this.#union === undefined ? this.#filter(left, right) : this.#unite(left, right, this.#union);
  }

  #filter(left: Vec, right: Vec): Vec {
    const seen = this.#seen;
    const out = this.#out;
    seen.begin();
    for (let i = 0; i < right.n; i++) seen.add(this.#rightSignature(right.ids[i] ?? 0));
    out.reset(left.n);
    const wanted = this.#op === 'and';
    for (let i = 0; i < left.n; i++) {
      const id = left.ids[i] ?? 0;
      if (seen.has(this.#leftSignature(id)) === wanted) out.push(id, left.values[i] ?? 0);
    }
    return out;
  }

  #unite(left: Vec, right: Vec, union: InternSpace): Vec {
    const seen = this.#seen;
    const out = this.#out;
    seen.begin();
    this.#results.begin();
    out.reset(left.n + right.n);
    for (let i = 0; i < left.n; i++) {
      const id = left.ids[i] ?? 0;
      seen.add(this.#leftSignature(id));
      this.#put(translate(id, this.#leftIds, this.#left.space, union), left.values[i] ?? 0);
    }
    for (let i = 0; i < right.n; i++) {
      const id = right.ids[i] ?? 0;
      if (!seen.has(this.#rightSignature(id))) this.#put(translate(id, this.#rightIds, this.#right.space, union), right.values[i] ?? 0);
    }
    return out;
  }

  #put(id: number, value: number): void {
    if (!this.#results.add(id)) throw duplicateLabels();
    this.#out.push(id, value);
  }
}

function translate(id: number, known: IdMap, from: Space, to: InternSpace): number {
  let result = known.get(id);
  if (result < 0) {
    result = to.idOf(from.labels(id));
    known.set(id, result);
  }
  return result;
}

/**
 * How results get their labels. `signature`: the signature is the result. `many`: the many side's labels as they are.
 * `derived`: from the many side's alone. `pair`: with labels of the one side (`group_left (…)`).
 */
type LabelPlan = 'signature' | 'many' | 'derived' | 'pair';

function labelPlan(expr: Binary): LabelPlan {
  const { card, on, labels, include } = expr.matching;
  const drops = dropsName(expr.op, expr.bool);
  // The name may be matched by, and is dropped all the same.
  if (drops && on && card === 'one-to-one' && labels.includes(METRIC_NAME)) return 'derived';
  if (card === 'one-to-one') return on || drops ? 'signature' : labels.length === 0 ? 'many' : 'derived';
  if (include.length > 0) return 'pair';
  return drops ? 'derived' : 'many';
}

/**
 * Arithmetic and comparisons between vectors. The "many" side is the left one, but for `group_right`. Pairs are found
 * through signatures; one kernel then runs over the columns of all pairs.
 */
export class VectorBinaryOp implements VectorOp {
  readonly space: Space;
  readonly labelWork: readonly LabelWork[];
  readonly #expr: Binary;
  readonly #exec: Exec;
  readonly #many: VectorOp;
  readonly #one: VectorOp;
  readonly #swapped: boolean;
  readonly #manySignature: (id: number) => number;
  readonly #oneSignature: (id: number) => number;
  readonly #signatures: Signatures;
  readonly #plan: LabelPlan;
  readonly #results: InternSpace;
  readonly #derived = new IdMap();
  readonly #lastOne = new IdMap();
  readonly #arithmetic: ArithmeticKernel | undefined;
  readonly #comparison: ComparisonKernel | undefined;
  /** Per signature: the one side's row, valid where it was seen this step. */
  readonly #rows = new IdMap();
  readonly #oneSeen = new Seen();
  readonly #matched = new Seen();
  readonly #resultSeen = new Seen();
  readonly #out = new Vec();
  readonly #pairs = new Pairs();
  /** Whose pairs are being combined, and which comes next. */
  #begun: { readonly ts: number; readonly many: Vec; readonly one: Vec } | undefined;
  #next = 0;

  constructor(expr: Binary, exec: Exec, left: VectorOp, right: VectorOp) {
    this.#expr = expr;
    this.#exec = exec;
    this.#swapped = expr.matching.card === 'one-to-many';
    this.#many = this.#swapped ? right : left;
    this.#one = this.#swapped ? left : right;
    this.#signatures = new Signatures(expr.matching);
    this.#manySignature = this.#signatures.reader(this.#many.space);
    this.#oneSignature = this.#signatures.reader(this.#one.space);
    this.#plan = labelPlan(expr);
    this.#results = this.#plan === 'signature' ? this.#signatures.projection.space : new InternSpace();
    this.space = this.#plan === 'many' ? this.#many.space : this.#results;
    const many = this.#many.space;
    const into = this.#signatures.projection.space;
    const derives = this.#plan === 'derived' && (many.known ?? 0) < MAX_RESULTS;
    this.labelWork = [
      { space: many, look: this.#manySignature, into },
      { space: this.#one.space, look: this.#oneSignature, into },
      // Ids that find no match get labels for nothing, so that not more are made than may be kept.
      ...(derives ? [{ space: many, look: (id: number) => void this.#derive(id, -1) }] : []),
    ];
    const { op } = expr;
    if (isComparison(op)) this.#comparison = comparisonKernel(op);
    else if (!isSetOp(op)) this.#arithmetic = arithmeticKernel(op);
  }

  eval(ts: number): Vec {
    return this.work(ts, never) ?? this.#out;
  }

  work(ts: number, enough: () => boolean): Vec | undefined {
    if (this.#begun?.ts !== ts && !this.#begin(ts)) return this.#out;
    if (!this.#combine(enough)) return undefined;
    this.#begun = undefined;
    return this.#out;
  }

  /** Finds the pairs. False where there are none. */
  #begin(ts: number): boolean {
    const left = (this.#swapped ? this.#one : this.#many).eval(ts);
    const right = (this.#swapped ? this.#many : this.#one).eval(ts);
    const many = this.#swapped ? right : left;
    const one = this.#swapped ? left : right;
    this.#exec.budget.tick(many.n + one.n);
    this.#out.reset(many.n);
    // Nothing can match an empty side, and Prometheus does not look for duplicates then either.
    if (many.n === 0 || one.n === 0) return false;
    this.#index(one);
    this.#pair(many, one);
    const pairs = this.#pairs;
    if (pairs.grownBytes > 0) this.#exec.budget.room(pairs.grownBytes);
    pairs.grownBytes = 0;
    this.#comparison?.(pairs.left, pairs.right, pairs.n, pairs.keep);
    this.#arithmetic?.(pairs.left, pairs.right, pairs.n, pairs.result);
    this.#matched.begin();
    this.#resultSeen.begin();
    this.#begun = { ts, many, one };
    this.#next = 0;
    return true;
  }

  #index(one: Vec): void {
    this.#oneSeen.begin();
    for (let row = 0; row < one.n; row++) {
      const id = one.ids[row] ?? 0;
      const signature = this.#oneSignature(id);
      if (!this.#oneSeen.add(signature)) {
        const side = this.#swapped ? 'left' : 'right';
        const group = this.#signatures.projection.project(this.#one.space.labels(id)).toString();
        const other = one.ids[this.#rows.get(signature)] ?? 0;
        const series = [id, other]
          .map((which) => plainText(this.#one.space.labels(which)))
          .toSorted()
          .toReversed();
        throw executionError(
          `found duplicate series for the match group ${group} on the ${side} hand-side of the operation: ` +
            `[${series.join(', ')}];` +
            'many-to-many matching not allowed: matching labels must be unique on one side',
        );
      }
      this.#rows.set(signature, row);
    }
  }

  #pair(many: Vec, one: Vec): void {
    const pairs = this.#pairs;
    pairs.reset(many.n);
    for (let row = 0; row < many.n; row++) {
      const signature = this.#manySignature(many.ids[row] ?? 0);
      if (!this.#oneSeen.has(signature)) continue;
      const oneRow = this.#rows.get(signature);
      const a = many.values[row] ?? 0;
      const b = one.values[oneRow] ?? 0;
      pairs.push(row, oneRow, signature, this.#swapped ? b : a, this.#swapped ? a : b);
    }
  }

  /** Goes on with the pairs; true where all are done. */
  #combine(enough: () => boolean): boolean {
    const out = this.#out;
    const pairs = this.#pairs;
    const { n } = pairs;
    const { bool } = this.#expr;
    const { many, one } = this.#begun ?? { many: out, one: out };
    while (this.#next < n) {
      const i = this.#next++;
      const manyId = many.ids[pairs.manyRows[i] ?? 0] ?? 0;
      const oneId = one.ids[pairs.oneRows[i] ?? 0] ?? 0;
      // Matches that are not unique are an error even where the comparison lets none of them through.
      const id = this.#result(manyId, oneId, pairs.signatures[i] ?? 0);
      if (this.#comparison === undefined) out.push(id, pairs.result[i] ?? 0);
      else if (bool) out.push(id, pairs.keep[i] ?? 0);
      else if (pairs.keep[i] === 1) out.push(id, pairs.left[i] ?? 0);
      if (this.#next % PAIRS_A_LOOK === 0 && enough()) return this.#next === n;
    }
    return true;
  }

  #result(manyId: number, oneId: number, signature: number): number {
    if (this.#expr.matching.card === 'one-to-one') {
      if (!this.#matched.add(signature))
        throw executionError('multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)');
      if (this.#plan === 'signature') return signature;
    }
    const id = this.#plan === 'many' ? manyId : this.#derive(manyId, oneId);
    if (!this.#resultSeen.add(id)) throw this.#sameLabels();
    return id;
  }

  #sameLabels(): Error {
    if (this.#expr.matching.card === 'one-to-one') return duplicateLabels();
    return executionError('multiple matches for labels: grouping labels must ensure unique matches');
  }

  #derive(manyId: number, oneId: number): number {
    const known = this.#derived.get(manyId);
    if (known >= 0 && (this.#plan === 'derived' || this.#lastOne.get(manyId) === oneId)) return known;
    const { card, on, labels, include } = this.#expr.matching;
    let result = this.#many.space.labels(manyId);
    if (dropsName(this.#expr.op, this.#expr.bool)) result = result.without(METRIC_NAME);
    if (card === 'one-to-one') result = on ? result.keep(labels) : result.without(...labels);
    if (include.length > 0) {
      const from = this.#one.space.labels(oneId);
      for (const name of include) result = result.with(name, from.get(name));
      if (this.#expr.bool) result = result.without(METRIC_NAME);
    }
    const id = this.#results.idOf(result);
    if (id >= MAX_RESULTS) this.#exec.wornOut = true;
    this.#derived.set(manyId, id);
    this.#lastOne.set(manyId, oneId);
    return id;
  }
}

/** Labels as Go prints them, the name among them. */
function plainText(labels: Labels): string {
  return `{${Array.from(labels, ([name, value]) => `${name}=${JSON.stringify(value)}`).join(', ')}}`;
}

/** Bytes of a pair: three numbers of rows, three values, and whether it is kept. */
const PAIR_BYTES = 37;

/** The columns of the pairs found in one step. */
class Pairs {
  n = 0;
  /** What it took of memory and is not counted yet. */
  grownBytes = 0;
  manyRows = new Int32Array(0);
  oneRows = new Int32Array(0);
  signatures = new Int32Array(0);
  left = new Float64Array(0);
  right = new Float64Array(0);
  result = new Float64Array(0);
  keep = new Uint8Array(0);

  reset(capacity: number): void {
    this.n = 0;
    if (capacity <= this.left.length) return;
    const size = Math.max(capacity, this.left.length * 2);
    this.grownBytes += (size - this.left.length) * PAIR_BYTES;
    this.manyRows = new Int32Array(size);
    this.oneRows = new Int32Array(size);
    this.signatures = new Int32Array(size);
    this.left = new Float64Array(size);
    this.right = new Float64Array(size);
    this.result = new Float64Array(size);
    this.keep = new Uint8Array(size);
  }

  push(manyRow: number, oneRow: number, signature: number, left: number, right: number): void {
    const at = this.n++;
    this.manyRows[at] = manyRow;
    this.oneRows[at] = oneRow;
    this.signatures[at] = signature;
    this.left[at] = left;
    this.right[at] = right;
  }
}

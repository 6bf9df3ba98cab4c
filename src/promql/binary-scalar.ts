import type { Binary } from './ast.ts';
import { isComparison, isSetOp } from './ast.ts';
import {
  arithmetic,
  arithmeticKernel,
  compare,
  comparisonKernel,
  mirrored,
  type ArithmeticKernel,
  type ComparisonKernel,
} from './operators.ts';
import { Relabel, Vec, type LabelWork, type ScalarOp, type Space, type VectorOp } from './space.ts';

/** Scalar with scalar; a comparison gives 0 or 1. */
export class ScalarBinaryOp implements ScalarOp {
  readonly #op: Binary['op'];
  readonly #left: ScalarOp;
  readonly #right: ScalarOp;

  constructor(expr: Binary, left: ScalarOp, right: ScalarOp) {
    this.#op = expr.op;
    this.#left = left;
    this.#right = right;
  }

  eval(ts: number): number {
    const a = this.#left.eval(ts);
    const b = this.#right.eval(ts);
    const op = this.#op;
    if (isComparison(op)) return compare(op, a, b) ? 1 : 0;
    return isSetOp(op) ? NaN : arithmetic(op, a, b);
  }
}

/** A vector and a scalar, the scalar on either side; a filtering comparison keeps the vector's values and names. */
export class VectorScalarOp implements VectorOp {
  readonly space: Space;
  readonly labelWork: readonly LabelWork[];
  readonly #vector: VectorOp;
  readonly #scalar: ScalarOp;
  readonly #scalarLeft: boolean;
  readonly #arithmetic: ArithmeticKernel | undefined;
  readonly #comparison: ComparisonKernel | undefined;
  readonly #bool: boolean;
  readonly #relabel: Relabel | undefined;
  readonly #out = new Vec();
  #constants = new Float64Array(0);
  #keep = new Uint8Array(0);

  constructor(expr: Binary, vector: VectorOp, scalar: ScalarOp, scalarLeft: boolean) {
    const { op } = expr;
    this.#vector = vector;
    this.#scalar = scalar;
    this.#scalarLeft = scalarLeft;
    this.#bool = expr.bool;
    if (isComparison(op)) this.#comparison = comparisonKernel(scalarLeft ? mirrored(op) : op);
    else if (!isSetOp(op)) this.#arithmetic = arithmeticKernel(op);
    this.#relabel = this.#arithmetic !== undefined || expr.bool ? Relabel.dropName(vector.space) : undefined;
    this.space = this.#relabel?.space ?? vector.space;
    this.labelWork = this.#relabel?.labelWork ?? [];
  }

  eval(ts: number): Vec {
    const vec = this.#vector.eval(ts);
    const { n } = vec;
    if (this.#constants.length < n) {
      this.#constants = new Float64Array(n * 2);
      this.#keep = new Uint8Array(n * 2);
    }
    this.#constants.fill(this.#scalar.eval(ts), 0, n);
    if (this.#arithmetic !== undefined) this.#calculate(vec, this.#arithmetic);
    else if (this.#comparison !== undefined) this.#filter(vec, this.#comparison);
    this.#relabel?.apply(this.#out);
    return this.#out;
  }

  #calculate(vec: Vec, kernel: ArithmeticKernel): void {
    const out = this.#out;
    out.copy(vec);
    if (this.#scalarLeft) kernel(this.#constants, vec.values, vec.n, out.values);
    else kernel(vec.values, this.#constants, vec.n, out.values);
  }

  #filter(vec: Vec, kernel: ComparisonKernel): void {
    const { n, ids, values } = vec;
    const keep = this.#keep;
    kernel(values, this.#constants, n, keep);
    const out = this.#out;
    out.reset(n);
    for (let i = 0; i < n; i++) {
      if (this.#bool) out.push(ids[i] ?? 0, keep[i] ?? 0);
      else if (keep[i] === 1) out.push(ids[i] ?? 0, values[i] ?? 0);
    }
  }
}

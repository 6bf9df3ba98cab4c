import { METRIC_NAME } from '../core/labels.ts';
import type { Fill, Matching } from './ast.ts';
import type { Budget } from './exec.ts';
import { IdMap, InternSpace, Projection, Seen, Vec, type VectorOp } from './space.ts';

/**
 * The sides of an operator with `fill`, `fill_left` or `fill_right`: what has no match on a side gets an element there, with
 * the labels that are matched by and the value that was given. (Prometheus 3.x, promql/engine.go, VectorBinop.)
 */
export class FilledSides {
  readonly left: VectorOp;
  readonly right: VectorOp;
  readonly #leftSide: Side;
  readonly #rightSide: Side;

  constructor(budget: Budget, { card, on, labels }: Matching, fill: Fill, left: VectorOp, right: VectorOp) {
    const { left: fillLeft, right: fillRight } = fill;
    const projection = new Projection(on ? labels : [METRIC_NAME, ...labels], on);
    projection.space.budget = budget;
    // The sides of `group_right` are exchanged there before they are filled, so that each modifier fills the other one.
    const swapped = card === 'one-to-many';
    this.#leftSide = new Side(budget, left, projection, swapped ? fillRight : fillLeft);
    this.#rightSide = new Side(budget, right, projection, swapped ? fillLeft : fillRight);
    this.left = { space: this.#leftSide.space, eval: (ts) => this.#evalLeft(ts) };
    // What is missing on a side is known only when both are read: the left one, which operators ask for first, reads both.
    this.right = { space: this.#rightSide.space, eval: () => this.#rightSide.out };
  }

  /** Works out both sides. */
  #evalLeft(ts: number): Vec {
    this.#leftSide.read(ts);
    this.#rightSide.read(ts);
    const here = this.#leftSide.signatures.slice();
    this.#leftSide.fill(this.#rightSide.signatures);
    this.#rightSide.fill(here);
    return this.#leftSide.out;
  }
}

/** One side: its elements in a space of their own, which has room for those that are filled in. */
class Side {
  readonly space = new InternSpace();
  readonly out = new Vec();
  /** Of the elements read, in their order. */
  signatures: number[] = [];
  readonly #inner: VectorOp;
  readonly #projection: Projection;
  readonly #value: number | undefined;
  readonly #ids = new IdMap();
  readonly #known = new IdMap();
  readonly #filled = new IdMap();
  readonly #seen = new Seen();

  constructor(budget: Budget, inner: VectorOp, projection: Projection, value: number | undefined) {
    this.space.budget = budget;
    this.#inner = inner;
    this.#projection = projection;
    this.#value = value;
  }

  read(ts: number): void {
    const { ids, values, n } = this.#inner.eval(ts);
    this.out.reset(n);
    this.signatures.length = 0;
    this.#seen.begin();
    for (let i = 0; i < n; i++) {
      const from = ids[i] ?? 0;
      if (this.#ids.get(from) < 0) {
        const labels = this.#inner.space.labels(from);
        this.#ids.set(from, this.space.idOf(labels));
        this.#known.set(from, this.#projection.idOf(labels));
      }
      const signature = this.#known.get(from);
      this.#seen.add(signature);
      this.signatures.push(signature);
      this.out.push(this.#ids.get(from), values[i] ?? 0);
    }
  }

  /** Adds an element for each signature that was not read. */
  fill(signatures: readonly number[]): void {
    const value = this.#value;
    if (value === undefined) return;
    const wanted = signatures.filter((signature) => this.#seen.add(signature));
    const read = this.out.n;
    const before = { ids: this.out.ids, values: this.out.values };
    this.out.reset(read + wanted.length);
    if (this.out.ids !== before.ids) {
      this.out.ids.set(before.ids.subarray(0, read));
      this.out.values.set(before.values.subarray(0, read));
    }
    this.out.n = read;
    for (const signature of wanted) {
      let id = this.#filled.get(signature);
      if (id < 0) this.#filled.set(signature, (id = this.space.idOf(this.#projection.space.labels(signature))));
      this.out.push(id, value);
    }
  }
}

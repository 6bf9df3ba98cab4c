import type { Aggregate } from './ast.ts';
import { executionError, type Exec } from './exec.ts';
import { labelsHash } from './labels-hash.ts';
import { formatG } from './number-text.ts';
import { Vec, type ScalarOp, type Space, type VectorOp } from './space.ts';

const HASHES = 2 ** 64;

/**
 * `limit_ratio`: about that share of the elements as they are, by the hash of their labels. -0.4 keeps what 0.6 leaves out;
 * groups make no difference. (Prometheus 3.x, promql/engine.go, RatioSampler.)
 */
export class LimitRatioOp implements VectorOp {
  readonly space: Space;
  readonly #expr: Aggregate;
  readonly #exec: Exec;
  readonly #inner: VectorOp;
  readonly #param: ScalarOp;
  /** By id: the hash as a share of all hashes, 0 … 1. */
  readonly #places: number[] = [];
  readonly #out = new Vec();

  constructor(expr: Aggregate, exec: Exec, inner: VectorOp, param: ScalarOp) {
    this.#expr = expr;
    this.#exec = exec;
    this.#inner = inner;
    this.#param = param;
    this.space = inner.space;
  }

  eval(ts: number): Vec {
    const { ids, values, n } = this.#inner.eval(ts);
    const ratio = this.#ratio(ts);
    const out = this.#out;
    out.reset(n);
    for (let i = 0; i < n; i++) {
      const id = ids[i] ?? 0;
      const place = (this.#places[id] ??= Number(labelsHash(this.space.labels(id))) / HASHES);
      if (ratio >= 0 ? place < ratio : place >= 1 + ratio) out.push(id, values[i] ?? 0);
    }
    return out;
  }

  #ratio(ts: number): number {
    const given = this.#param.eval(ts);
    if (Number.isNaN(given)) throw executionError('Ratio value is NaN');
    const ratio = Math.max(-1, Math.min(1, given));
    if (ratio !== given) {
      const message = `ratio value should be between -1 and 1, got ${formatG(given)}, capping to ${ratio}`;
      this.#exec.warn(message, this.#expr.param ?? this.#expr);
    }
    return ratio;
  }
}

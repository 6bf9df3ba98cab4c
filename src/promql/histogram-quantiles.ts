import { formatG } from './number-text.ts';
import type { Call } from './ast.ts';
import type { Exec } from './exec.ts';
import { HistogramOp } from './histogram.ts';
import { IdMap, InternSpace, Seen, Vec, duplicateLabels, type ScalarOp, type Space, type VectorOp } from './space.ts';

interface Part {
  readonly q: ScalarOp;
  readonly op: HistogramOp;
  /** By id of the quantile: its id with the label, for the text below. */
  ids: IdMap;
  text: string;
}

/** `histogram_quantiles(v, label, q…)`: as many times `histogram_quantile`, each result with its q as a label. */
export class HistogramQuantilesOp implements VectorOp {
  readonly space = new InternSpace('none');
  readonly #label: string;
  readonly #held: HeldOp;
  readonly #parts: readonly Part[];
  readonly #exec: Exec;
  readonly #seen = new Seen();
  readonly #out = new Vec();

  constructor(call: Call, exec: Exec, inner: VectorOp, label: string, quantiles: readonly ScalarOp[]) {
    this.#exec = exec;
    this.#label = label;
    this.#held = new HeldOp(inner);
    this.#parts = quantiles.map((q, index) => {
      const args = [call.args[index + 2] ?? call, call.args[0] ?? call];
      const single = { ...call, func: 'histogram_quantile', args };
      const op = new HistogramOp(single, exec, [q], this.#held, call.args[1]);
      op.space.budget = exec.budget;
      return { q, op, ids: new IdMap(), text: '' };
    });
  }

  eval(ts: number): Vec {
    const out = this.#out;
    this.#held.read(ts);
    this.#seen.begin();
    out.reset(this.#held.vec.n * this.#parts.length);
    for (const part of this.#parts) this.#add(part, part.op.eval(ts), openMetricsFloat(part.q.eval(ts)));
    return out;
  }

  #add(part: Part, { ids, values, n }: Vec, text: string): void {
    if (part.text !== text) {
      // A quantile that changes makes labels without end.
      if (part.text !== '') this.#exec.wornOut = true;
      part.text = text;
      part.ids = new IdMap();
    }
    for (let i = 0; i < n; i++) {
      const from = ids[i] ?? 0;
      let id = part.ids.get(from);
      if (id < 0) part.ids.set(from, (id = this.space.idOf(part.op.space.labels(from).with(this.#label, text))));
      if (!this.#seen.add(id)) throw duplicateLabels();
      this.#out.push(id, values[i] ?? 0);
    }
  }
}

/** What several parts read, evaluated once. */
class HeldOp implements VectorOp {
  readonly space: Space;
  vec = new Vec();
  readonly #inner: VectorOp;

  constructor(inner: VectorOp) {
    this.#inner = inner;
    this.space = inner.space;
  }

  read(ts: number): void {
    this.vec = this.#inner.eval(ts);
  }

  eval(): Vec {
    return this.vec;
  }
}

/** A number as labels of OpenMetrics have it: `1.0`, `0.99`. */
function openMetricsFloat(value: number): string {
  const text = formatG(value);
  return Number.isFinite(value) && !/[.e]/.test(text) ? `${text}.0` : text;
}

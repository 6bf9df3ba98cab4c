import type { Labels } from '../core/labels.ts';
import { compileRegex, type CompiledRegex } from '../core/regex.ts';
import { Relabel, Vec, type Space, type VectorOp } from './space.ts';
import { executionError, type Exec } from './exec.ts';
import { LabelPiece } from './look-ahead.ts';

/** Changes labels by a function of the labels alone, once a series. */
export class RelabelOp implements VectorOp {
  readonly space: Space;
  readonly #inner: VectorOp;
  readonly #relabel: Relabel;
  readonly #out = new Vec();

  constructor(exec: Exec, inner: VectorOp, derive: (labels: Labels) => Labels) {
    this.#inner = inner;
    this.#relabel = new Relabel(inner.space, derive);
    this.space = this.#relabel.space;
    exec.pieces.push(new LabelPiece(inner.space, (id) => this.#relabel.look(id)));
  }

  eval(ts: number): Vec {
    this.#out.copy(this.#inner.eval(ts));
    this.#relabel.apply(this.#out);
    return this.#out;
  }
}

/** `label_replace(v, dst, replacement, src, regex)`; the regular expression must match the whole value. */
export function labelReplace(dst: string, replacement: string, src: string, pattern: string): (labels: Labels) => Labels {
  let regex: CompiledRegex;
  try {
    regex = compileRegex(pattern);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw executionError(`invalid regular expression in label_replace(): ${pattern} (${message})`);
  }
  if (!isLabelName(dst)) throw executionError(`invalid destination label name in label_replace(): ${dst}`);
  return (labels) => {
    const value = regex.expandWhole(labels.get(src), replacement);
    return value === undefined ? labels : labels.with(dst, value);
  };
}

/** `label_join(v, dst, separator, src…)`. */
export function labelJoin(dst: string, separator: string, sources: readonly string[]): (labels: Labels) => Labels {
  for (const source of sources) if (!isLabelName(source)) throw executionError(`invalid source label name in label_join(): ${source}`);
  if (!isLabelName(dst)) throw executionError(`invalid destination label name in label_join(): ${dst}`);
  return (labels) => labels.with(dst, sources.map((source) => labels.get(source)).join(separator));
}

/** Any text but none, and none that was invalid UTF-8 (read as the replacement character). */
export function isLabelName(name: string): boolean {
  return name !== '' && !name.includes('\uFFFD');
}

import { BelfryError } from '../core/errors.ts';
import type { Labels } from '../core/labels.ts';
import { compileRegex, type CompiledRegex } from '../core/regex.ts';
import { Relabel, Vec, type LabelWork, type Space, type VectorOp } from './space.ts';
import { executionError } from './exec.ts';

/** Characters of a label value that an expression makes: each one that is made of others may be twice as long. */
const VALUE_MAX = 1_000_000;

/** Changes labels by a function of the labels alone, once a series. */
export class RelabelOp implements VectorOp {
  readonly space: Space;
  readonly labelWork: readonly LabelWork[];
  readonly #inner: VectorOp;
  readonly #relabel: Relabel;
  readonly #out = new Vec();

  constructor(inner: VectorOp, derive: (labels: Labels) => Labels) {
    this.#inner = inner;
    this.#relabel = new Relabel(inner.space, derive);
    this.space = this.#relabel.space;
    this.labelWork = this.#relabel.labelWork;
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
  const references = replacement.split('$').length - 1;
  return (labels) => {
    const from = labels.get(src);
    checkLength('label_replace', replacement.length + references * from.length);
    const value = regex.expandWhole(from, replacement);
    return value === undefined ? labels : labels.with(dst, value);
  };
}

/** `label_join(v, dst, separator, src…)`. */
export function labelJoin(dst: string, separator: string, sources: readonly string[]): (labels: Labels) => Labels {
  for (const source of sources) if (!isLabelName(source)) throw executionError(`invalid source label name in label_join(): ${source}`);
  if (!isLabelName(dst)) throw executionError(`invalid destination label name in label_join(): ${dst}`);
  return (labels) => {
    const values = sources.map((source) => labels.get(source));
    checkLength(
      'label_join',
      values.reduce((sum, value) => sum + value.length + separator.length, 0),
    );
    return labels.with(dst, values.join(separator));
  };
}

function checkLength(name: string, length: number): void {
  if (length > VALUE_MAX) throw new BelfryError('PROMQL_LIMIT', `${name}() makes a label value of more than ${VALUE_MAX} characters`);
}

/** Any text but none, and none that was invalid UTF-8 (read as the replacement character). */
export function isLabelName(name: string): boolean {
  return name !== '' && !name.includes('\uFFFD');
}

import { compareLabels, type Labels } from '../core/labels.ts';

/** What an evaluation wants to tell beside its result; each text once, with a position in the expression. */
export interface Annotations {
  readonly warnings: readonly string[];
  readonly infos: readonly string[];
}

export interface ScalarValue extends Annotations {
  readonly type: 'scalar';
  /** Milliseconds. */
  readonly ts: number;
  readonly value: number;
}

export interface StringValue extends Annotations {
  readonly type: 'string';
  readonly ts: number;
  readonly value: string;
}

/**
 * An instant vector in columns. Labels are made when they are asked for; ask before control returns to the event
 * loop, since the store may change its series afterwards.
 */
export interface VectorValue extends Annotations {
  readonly type: 'vector';
  readonly ts: number;
  readonly n: number;
  /** Exactly n entries. */
  readonly values: Float64Array;
  labels(index: number): Labels;
}

export interface Series {
  readonly labels: Labels;
  /** Milliseconds, rising; as many as `values`. */
  readonly timestamps: Float64Array;
  readonly values: Float64Array;
}

export interface MatrixValue extends Annotations {
  readonly type: 'matrix';
  /** In the order of their labels. */
  readonly series: readonly Series[];
}

/** The order of a matrix. */
export function byLabels(a: Series, b: Series): number {
  return compareLabels(a.labels, b.labels);
}

export type Value = ScalarValue | StringValue | VectorValue | MatrixValue;

import type { ArithmeticOp, BinaryOp, ComparisonOp } from './ast.ts';

/** Go's `math.Pow`, which gives 1 where JavaScript gives NaN: `1 ^ NaN`, `1 ^ Inf`, `-1 ^ Inf`. */
export function power(base: number, exponent: number): number {
  if (base === 1) return 1;
  if (base === -1 && (exponent === Infinity || exponent === -Infinity)) return 1;
  return base ** exponent;
}

/** Go's `math.Min`: an infinity at the far end wins over NaN. */
export function least(a: number, b: number): number {
  return a === -Infinity || b === -Infinity ? -Infinity : Math.min(a, b);
}

/** Go's `math.Max`. */
export function greatest(a: number, b: number): number {
  return a === Infinity || b === Infinity ? Infinity : Math.max(a, b);
}

/** One arithmetic operation. */
export function arithmetic(op: ArithmeticOp, a: number, b: number): number {
  switch (op) {
    case '+':
      return a + b;
    case '-':
      return a - b;
    case '*':
      return a * b;
    case '/':
      return a / b;
    case '%':
      return a % b;
    case '^':
      return power(a, b);
    case 'atan2':
      return Math.atan2(a, b);
  }
}

export function compare(op: ComparisonOp, a: number, b: number): boolean {
  switch (op) {
    case '==':
      return a === b;
    case '!=':
      return a !== b;
    case '>':
      return a > b;
    case '<':
      return a < b;
    case '>=':
      return a >= b;
    case '<=':
      return a <= b;
  }
}

/** The comparison with its sides exchanged: `s < v` is `v > s`. */
export function mirrored(op: ComparisonOp): ComparisonOp {
  switch (op) {
    case '>':
      return '<';
    case '<':
      return '>';
    case '>=':
      return '<=';
    case '<=':
      return '>=';
    case '==':
    case '!=':
      return op;
  }
}

/** out[i] = a[i] op b[i] for the first n; `out` may be one of the inputs. */
export type ArithmeticKernel = (a: Float64Array, b: Float64Array, n: number, out: Float64Array) => void;

/** keep[i] = a[i] op b[i] ? 1 : 0 for the first n. */
export type ComparisonKernel = (a: Float64Array, b: Float64Array, n: number, keep: Uint8Array) => void;

/** A loop a common operator; the rare ones share one. */
export function arithmeticKernel(op: ArithmeticOp): ArithmeticKernel {
  switch (op) {
    case '+':
      return (a, b, n, out) => {
        for (let i = 0; i < n; i++) out[i] = (a[i] ?? 0) + (b[i] ?? 0);
      };
    case '-':
      return (a, b, n, out) => {
        for (let i = 0; i < n; i++) out[i] = (a[i] ?? 0) - (b[i] ?? 0);
      };
    case '*':
      return (a, b, n, out) => {
        for (let i = 0; i < n; i++) out[i] = (a[i] ?? 0) * (b[i] ?? 0);
      };
    case '/':
      return (a, b, n, out) => {
        for (let i = 0; i < n; i++) out[i] = (a[i] ?? 0) / (b[i] ?? 0);
      };
    case '%':
    case '^':
    case 'atan2':
      return (a, b, n, out) => {
        for (let i = 0; i < n; i++) out[i] = arithmetic(op, a[i] ?? 0, b[i] ?? 0);
      };
  }
}

export function comparisonKernel(op: ComparisonOp): ComparisonKernel {
  switch (op) {
    case '>':
      return (a, b, n, keep) => {
        for (let i = 0; i < n; i++) keep[i] = (a[i] ?? 0) > (b[i] ?? 0) ? 1 : 0;
      };
    case '<':
      return (a, b, n, keep) => {
        for (let i = 0; i < n; i++) keep[i] = (a[i] ?? 0) < (b[i] ?? 0) ? 1 : 0;
      };
    case '>=':
      return (a, b, n, keep) => {
        for (let i = 0; i < n; i++) keep[i] = (a[i] ?? 0) >= (b[i] ?? 0) ? 1 : 0;
      };
    case '<=':
      return (a, b, n, keep) => {
        for (let i = 0; i < n; i++) keep[i] = (a[i] ?? 0) <= (b[i] ?? 0) ? 1 : 0;
      };
    case '==':
      return (a, b, n, keep) => {
        for (let i = 0; i < n; i++) keep[i] = (a[i] ?? 0) === (b[i] ?? 0) ? 1 : 0;
      };
    case '!=':
      return (a, b, n, keep) => {
        for (let i = 0; i < n; i++) keep[i] = (a[i] ?? 0) === (b[i] ?? 0) ? 0 : 1;
      };
  }
}

/** What an operator does to the metric name: arithmetic and `bool` make another quantity of it. */
export function dropsName(op: BinaryOp, bool: boolean): boolean {
  return bool || ['+', '-', '*', '/', '%', '^', 'atan2'].includes(op);
}

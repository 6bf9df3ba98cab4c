import type { Matcher } from '../core/matcher.ts';

/** The four types of a PromQL expression; `matrix` is a range vector. */
export type ValueType = 'scalar' | 'vector' | 'matrix' | 'string';

export type ArithmeticOp = '+' | '-' | '*' | '/' | '%' | '^' | 'atan2';
export type ComparisonOp = '==' | '!=' | '>' | '<' | '>=' | '<=';
export type SetOp = 'and' | 'or' | 'unless';
export type BinaryOp = ArithmeticOp | ComparisonOp | SetOp;

export type AggregateOp =
  | 'sum'
  | 'avg'
  | 'min'
  | 'max'
  | 'count'
  | 'group'
  | 'stddev'
  | 'stdvar'
  | 'topk'
  | 'bottomk'
  | 'quantile'
  | 'count_values'
  | 'limitk'
  | 'limit_ratio';

/** Where a node stands in the text: offsets in UTF-16 units, the end excluded. */
export interface Span {
  readonly from: number;
  readonly to: number;
}

/** A time an expression is pinned to: `@ 1609746000` in milliseconds, or the bounds of the query. */
export type At = number | 'start' | 'end';

/** What durations may depend on: the step of the whole query and how long it is; both 0 for an instant. */
export interface QueryDurations {
  readonly stepMs: number;
  readonly rangeMs: number;
}

/** A duration that is written as arithmetic: `5m * 2`, `step() + 1s`. */
export interface DurationExpr {
  /** The canonical text. */
  readonly text: string;
  /** In milliseconds, where it depends on the query. Throws `PROMQL_EXECUTION` where it comes out as none. */
  readonly resolve?: (query: QueryDurations) => number;
}

/** The modifiers of a selector or subquery: `@` and `offset`, the latter in milliseconds, negative looks ahead. */
export interface Modifiers {
  readonly at?: At;
  readonly offsetMs: number;
  readonly offsetExpr?: DurationExpr;
}

export interface NumberLiteral extends Span {
  readonly kind: 'number';
  readonly value: number;
  /** Written as a duration (`5m`), and printed so. */
  readonly duration: boolean;
}

export interface StringLiteral extends Span {
  readonly kind: 'string';
  readonly value: string;
}

/**
 * How the samples beside a range are taken in: `anchored` the one before it as it is, `smoothed` those on both sides, between
 * which the values at its ends are interpolated.
 */
export type Extended = 'anchored' | 'smoothed';

export interface VectorSelector extends Span, Modifiers {
  readonly kind: 'selector';
  /** The name before the braces; undefined where there is none (a name in the braces is a matcher only). */
  readonly name?: string;
  /** Every matcher, the one for `name` last. */
  readonly matchers: readonly Matcher[];
  readonly extended?: Extended;
}

/** A range selector; the modifiers stand here, those of the inner selector are unset. */
export interface MatrixSelector extends Span, Modifiers {
  readonly kind: 'matrix';
  readonly selector: VectorSelector;
  readonly rangeMs: number;
  readonly rangeExpr?: DurationExpr;
  readonly extended?: Extended;
}

export interface Subquery extends Span, Modifiers {
  readonly kind: 'subquery';
  readonly expr: Expr;
  readonly rangeMs: number;
  readonly rangeExpr?: DurationExpr;
  /** Undefined takes the engine's default step. */
  readonly stepMs?: number;
  readonly stepExpr?: DurationExpr;
}

export interface Paren extends Span {
  readonly kind: 'paren';
  readonly expr: Expr;
}

export interface Unary extends Span {
  readonly kind: 'unary';
  readonly op: '+' | '-';
  readonly expr: Expr;
}

/** How the series of two vectors find each other. */
export interface Matching {
  readonly card: 'one-to-one' | 'many-to-one' | 'one-to-many' | 'many-to-many';
  /** True for `on (…)`, false for `ignoring (…)` and for no clause. */
  readonly on: boolean;
  readonly labels: readonly string[];
  /** The labels in `group_left (…)`, taken from the "one" side. */
  readonly include: readonly string[];
  /** What stands for series that one side lacks: `fill_left (0) fill_right (1)`; `fill (0)` gives both. */
  readonly fill?: Fill;
}

export interface Fill {
  readonly left?: number;
  readonly right?: number;
}

export interface Binary extends Span {
  readonly kind: 'binary';
  readonly op: BinaryOp;
  readonly left: Expr;
  readonly right: Expr;
  readonly bool: boolean;
  readonly matching: Matching;
  /** Where the operator itself stands. */
  readonly opSpan: Span;
}

export interface Aggregate extends Span {
  readonly kind: 'aggregate';
  readonly op: AggregateOp;
  readonly expr: Expr;
  readonly param?: Expr;
  readonly without: boolean;
  readonly grouping: readonly string[];
}

export interface Call extends Span {
  readonly kind: 'call';
  readonly func: string;
  readonly args: readonly Expr[];
}

export type Expr = NumberLiteral | StringLiteral | VectorSelector | MatrixSelector | Subquery | Paren | Unary | Binary | Aggregate | Call;

const COMPARISONS: ReadonlySet<string> = new Set(['==', '!=', '>', '<', '>=', '<=']);
const SET_OPS: ReadonlySet<string> = new Set(['and', 'or', 'unless']);

export function isComparison(op: BinaryOp): op is ComparisonOp {
  return COMPARISONS.has(op);
}

export function isSetOp(op: BinaryOp): op is SetOp {
  return SET_OPS.has(op);
}

/** The expression inside any number of parentheses. */
export function unwrapParens(expr: Expr): Expr {
  let inner = expr;
  while (inner.kind === 'paren') inner = inner.expr;
  return inner;
}

/** The direct parts of an expression, in the order they are written. */
export function children(expr: Expr): readonly Expr[] {
  switch (expr.kind) {
    case 'number':
    case 'string':
    case 'selector':
      return [];
    case 'matrix':
      return [expr.selector];
    case 'subquery':
    case 'paren':
    case 'unary':
      return [expr.expr];
    case 'binary':
      return [expr.left, expr.right];
    case 'aggregate':
      return expr.param === undefined ? [expr.expr] : [expr.param, expr.expr];
    case 'call':
      return expr.args;
  }
}

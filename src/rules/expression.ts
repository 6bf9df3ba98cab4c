import { BelfryError } from '../core/errors.ts';
import { children, unwrapParens } from '../promql/ast.ts';
import { typeName } from '../promql/check.ts';
import { prepare } from '../promql/prepare.ts';
import type { Expr } from '../promql/ast.ts';
import type { EvalOptions } from '../promql/exec.ts';
import type { ParseOptions } from '../promql/parse.ts';
import type { Opening } from '../promql/kept-plan.ts';
import type { SelectorInfo } from '../promql/prepare.ts';
import type { Querier } from '../promql/querier.ts';
import type { ScalarValue, VectorValue } from '../promql/value.ts';

/** The PromQL expression of a rule, parsed and checked: it gives a scalar or an instant vector. */
export interface Expression {
  /** The canonical text on one line, as Prometheus shows a rule's and puts it into links. */
  readonly text: string;
  readonly selectors: readonly SelectorInfo[];
  /** Whether `label_replace` or `label_join` in it writes this label. */
  writesLabel(name: string): boolean;
  /** The instant value at `ts` (ms). Throws `PROMQL_EXECUTION`, `PROMQL_LIMIT` or `PROMQL_TIMEOUT`. */
  instant(querier: Querier, ts: number, options?: EvalOptions): ScalarValue | VectorValue;
  /**
   * Does beforehand, slice by slice, what is dear the first time over new series, where there are at least so many. Throws as
   * `instant`.
   */
  openAt(querier: Querier, ts: number, options: EvalOptions, seriesLeast: number): Opening;
}

/** Parses and checks an expression. Throws a `BelfryError` with a position in the text. */
export function prepareExpression(text: string, options: ParseOptions = {}): Expression {
  const prepared = prepare(text, options);
  if (prepared.type !== 'vector' && prepared.type !== 'scalar')
    throw new BelfryError('PROMQL_TYPE', `a rule needs an instant vector or a scalar, this is a ${typeName(prepared.type)}`, {
      position: { line: 1, column: 1 },
    });
  return {
    text: prepared.print(),
    selectors: prepared.selectors,
    writesLabel: (name) => writesLabel(prepared.expr, name),
    openAt: (querier, ts, options, seriesLeast) => prepared.openAt(querier, ts, options, seriesLeast),
    instant: (querier, ts, options) => {
      const value = prepared.instant(querier, ts, options);
      if (value.type === 'vector' || value.type === 'scalar') return value;
      throw new BelfryError('PROMQL_EXECUTION', 'rule result is not a vector or scalar');
    },
  };
}

function writesLabel(expr: Expr, name: string): boolean {
  if (expr.kind === 'call' && (expr.func === 'label_replace' || expr.func === 'label_join')) {
    const target = expr.args[1] === undefined ? undefined : unwrapParens(expr.args[1]);
    if (target?.kind === 'string' && target.value === name) return true;
  }
  return children(expr).some((child) => writesLabel(child, name));
}

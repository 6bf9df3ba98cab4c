import { children, type Expr, type QueryDurations } from './ast.ts';

/** Whether any duration in an expression depends on the query: `x[step()]`. */
export function dependsOnQuery(expr: Expr): boolean {
  const own =
    (expr.kind === 'selector' && expr.offsetExpr?.resolve !== undefined) ||
    (expr.kind === 'matrix' && (expr.rangeExpr?.resolve ?? expr.offsetExpr?.resolve) !== undefined) ||
    (expr.kind === 'subquery' && (expr.rangeExpr?.resolve ?? expr.stepExpr?.resolve ?? expr.offsetExpr?.resolve) !== undefined);
  return own || children(expr).some((child) => dependsOnQuery(child));
}

/** The expression with those durations worked out. Throws `PROMQL_EXECUTION` where one comes out as none. */
export function resolveDurations(expr: Expr, query: QueryDurations): Expr {
  const inner = (child: Expr): Expr => resolveDurations(child, query);
  switch (expr.kind) {
    case 'number':
    case 'string':
      return expr;
    case 'selector':
      return { ...expr, offsetMs: expr.offsetExpr?.resolve?.(query) ?? expr.offsetMs };
    case 'matrix':
      return {
        ...expr,
        rangeMs: expr.rangeExpr?.resolve?.(query) ?? expr.rangeMs,
        offsetMs: expr.offsetExpr?.resolve?.(query) ?? expr.offsetMs,
      };
    case 'subquery': {
      const resolved = {
        ...expr,
        expr: inner(expr.expr),
        rangeMs: expr.rangeExpr?.resolve?.(query) ?? expr.rangeMs,
        offsetMs: expr.offsetExpr?.resolve?.(query) ?? expr.offsetMs,
      };
      const stepMs = expr.stepExpr?.resolve?.(query) ?? expr.stepMs;
      return stepMs === undefined ? resolved : { ...resolved, stepMs };
    }
    case 'paren':
    case 'unary':
      return { ...expr, expr: inner(expr.expr) };
    case 'binary':
      return { ...expr, left: inner(expr.left), right: inner(expr.right) };
    case 'aggregate':
      return expr.param === undefined ? { ...expr, expr: inner(expr.expr) } : { ...expr, expr: inner(expr.expr), param: inner(expr.param) };
    case 'call':
      return { ...expr, args: expr.args.map(inner) };
  }
}

import { formatFloat } from '../core/number-format.ts';
import type { Matcher } from '../core/matcher.ts';
import type { Binary, Expr, Modifiers, ValueType } from './ast.ts';
import { FUNCTIONS } from './functions.ts';

/** The tree of a checked expression as `/parse_query` of Prometheus 3 shows it (web/api/v1/translate_ast.go). Milliseconds. */
export function astJson(expr: Expr): object {
  switch (expr.kind) {
    case 'number':
      return { type: 'numberLiteral', val: formatFloat(expr.value) };
    case 'string':
      return { type: 'stringLiteral', val: expr.value };
    case 'paren':
      return { type: 'parenExpr', expr: astJson(expr.expr) };
    case 'unary':
      return { type: 'unaryExpr', op: expr.op, expr: astJson(expr.expr) };
    case 'selector':
      return { type: 'vectorSelector', ...selectorJson(expr), ...modifiersJson(expr) };
    case 'matrix':
      return { type: 'matrixSelector', range: expr.rangeMs, ...selectorJson(expr.selector), ...modifiersJson(expr) };
    case 'subquery':
      return { type: 'subquery', expr: astJson(expr.expr), range: expr.rangeMs, step: expr.stepMs ?? 0, ...modifiersJson(expr) };
    case 'aggregate': {
      const { op, grouping, without } = expr;
      const param = expr.param === undefined ? null : astJson(expr.param);
      return { type: 'aggregation', op, expr: astJson(expr.expr), param, grouping, without };
    }
    case 'call': {
      const { args = [], variadic = 0, returns = 'vector' } = FUNCTIONS.get(expr.func) ?? {};
      return {
        type: 'call',
        func: { name: expr.func, argTypes: args, variadic, returnType: returns },
        args: expr.args.map((argument) => astJson(argument)),
      };
    }
    case 'binary':
      return binaryJson(expr);
  }
}

function binaryJson(expr: Binary): object {
  const { card, labels, on, include } = expr.matching;
  // Only vectors are matched with each other.
  const isMatched = typeOf(expr.left) === 'vector' && typeOf(expr.right) === 'vector';
  return {
    type: 'binaryExpr',
    op: expr.op,
    lhs: astJson(expr.left),
    rhs: astJson(expr.right),
    matching: isMatched ? { card, labels, on, include } : null,
    bool: expr.bool,
  };
}

function typeOf(expr: Expr): ValueType {
  switch (expr.kind) {
    case 'number':
      return 'scalar';
    case 'string':
      return 'string';
    case 'paren':
    case 'unary':
      return typeOf(expr.expr);
    case 'selector':
    case 'aggregate':
      return 'vector';
    case 'matrix':
    case 'subquery':
      return 'matrix';
    case 'call':
      return FUNCTIONS.get(expr.func)?.returns ?? 'vector';
    case 'binary':
      return typeOf(expr.left) === 'scalar' && typeOf(expr.right) === 'scalar' ? 'scalar' : 'vector';
  }
}

function selectorJson({ name = '', matchers }: { readonly name?: string; readonly matchers: readonly Matcher[] }) {
  return { name, matchers: matchers.map(({ name: label, value, op }) => ({ name: label, value, type: op })) };
}

function modifiersJson({ at, offsetMs }: Modifiers) {
  return { offset: offsetMs, timestamp: typeof at === 'number' ? at : null, startOrEnd: typeof at === 'string' ? at : null };
}

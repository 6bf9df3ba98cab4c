import type { Expr } from './ast.ts';
import { aggregator, operator, print, subquerySuffix } from './printer.ts';

/** A longer expression is written over several lines. */
const LINE_LENGTH = 100;
const INDENT = '  ';

/** The expression as people like to read it, as `/format_query` of Prometheus writes it (promql/parser/prettier.go). */
export function pretty(expr: Expr, level = 0): string {
  const indent = INDENT.repeat(level);
  const text = print(expr);
  // Counted in bytes of UTF-8.
  const isShort = Buffer.byteLength(text) <= LINE_LENGTH;
  // A short subquery is not indented there, and so it is not here.
  if (isShort && expr.kind !== 'unary') return expr.kind === 'subquery' ? text : indent + text;
  switch (expr.kind) {
    case 'aggregate': {
      const parameters = expr.param === undefined ? '' : `${pretty(expr.param, level + 1)},\n`;
      return `${indent}${aggregator(expr)}(\n${parameters}${pretty(expr.expr, level + 1)}\n${indent})`;
    }
    case 'binary':
      return `${pretty(expr.left, level + 1)}\n${indent}${operator(expr)}\n${pretty(expr.right, level + 1)}`;
    case 'call':
      return `${indent}${expr.func}(\n${expr.args.map((argument) => pretty(argument, level + 1)).join(',\n')}\n${indent})`;
    case 'paren':
      return `${indent}(\n${pretty(expr.expr, level + 1)}\n${indent})`;
    case 'subquery':
      return pretty(expr.expr, level) + subquerySuffix(expr);
    case 'unary':
      return indent + expr.op + pretty(expr.expr, level).trim();
    case 'number':
    case 'string':
    case 'selector':
    case 'matrix':
      return indent + text;
  }
}

import { isSetOp, unwrapParens } from '../promql/ast.ts';
import type { Aggregate, Binary, Call, Expr } from '../promql/ast.ts';

/** Functions of an instant vector or range whose result has no labels of its input. */
const WITHOUT_LABELS: ReadonlySet<string> = new Set(['scalar', 'vector', 'time', 'pi']);

/** Whether the series of a result can have a label, as far as the expression alone tells; true where it leaves that open. */
export function mayHaveLabel(expr: Expr, label: string): boolean {
  const inner = unwrapParens(expr);
  switch (inner.kind) {
    case 'number':
    case 'string':
      return false;
    case 'selector':
      // A matcher for its absence says that it is not there.
      return !inner.matchers.some(({ name, op, value }) => name === label && op === '=' && value === '');
    case 'matrix':
      return mayHaveLabel(inner.selector, label);
    case 'subquery':
    case 'paren':
    case 'unary':
      return mayHaveLabel(inner.expr, label);
    case 'aggregate':
      return ofAggregate(inner, label);
    case 'call':
      return ofCall(inner, label);
    case 'binary':
      return ofBinary(inner, label);
  }
}

function ofAggregate(expr: Aggregate, label: string): boolean {
  if (expr.op === 'count_values' && expr.param?.kind === 'string' && expr.param.value === label) return true;
  const keepsSeries = ['topk', 'bottomk', 'limitk', 'limit_ratio'].includes(expr.op);
  const isKept = keepsSeries || expr.grouping.includes(label) !== expr.without;
  return isKept && mayHaveLabel(expr.expr, label);
}

function ofCall({ func, args }: Call, label: string): boolean {
  const target = args[1] === undefined ? undefined : unwrapParens(args[1]);
  if ((func === 'label_replace' || func === 'label_join') && target?.kind === 'string' && target.value === label) return true;
  if (WITHOUT_LABELS.has(func)) return false;
  if (func === 'absent' || func === 'absent_over_time') {
    // It takes the labels that its selector asks for by value.
    const [argument] = args;
    const inner = argument === undefined ? undefined : unwrapParens(argument);
    const selector = inner?.kind === 'matrix' ? inner.selector : inner;
    return selector?.kind === 'selector' && selector.matchers.some(({ name, op, value }) => name === label && op === '=' && value !== '');
  }
  return args.some((arg) => mayHaveLabel(arg, label));
}

function ofBinary({ op, left, right, matching }: Binary, label: string): boolean {
  if (op === 'or') return mayHaveLabel(left, label) || mayHaveLabel(right, label);
  if (isSetOp(op)) return mayHaveLabel(left, label);
  const [fromLeft, fromRight] = [mayHaveLabel(left, label), mayHaveLabel(right, label)];
  if (matching.include.includes(label)) return true;
  if (matching.card === 'many-to-one') return fromLeft;
  if (matching.card === 'one-to-many') return fromRight;
  // Between a vector and a number the vector's labels stay.
  if (!isVector(left) || !isVector(right)) return fromLeft || fromRight;
  const isMatched = matching.on === matching.labels.includes(label);
  // A comparison that filters keeps the left side as it is but for what is not matched on.
  return isMatched && fromLeft && fromRight;
}

function isVector(expr: Expr): boolean {
  const inner = unwrapParens(expr);
  if (inner.kind === 'number' || inner.kind === 'string') return false;
  if (inner.kind === 'unary') return isVector(inner.expr);
  if (inner.kind === 'binary') return isVector(inner.left) || isVector(inner.right);
  return !(inner.kind === 'call' && ['scalar', 'time', 'pi'].includes(inner.func));
}

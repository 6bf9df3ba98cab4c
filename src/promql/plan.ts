import type { Aggregate, Binary, Call, Expr } from './ast.ts';
import { children, isSetOp, unwrapParens } from './ast.ts';
import { aggregateKernel, QuantileKernel } from './aggregate-kernels.ts';
import { AggregateOpNode, CountValuesOp, SelectKOp } from './aggregate.ts';
import { ScalarBinaryOp, VectorScalarOp } from './binary-scalar.ts';
import { SetOpNode, VectorBinaryOp } from './binary-vector.ts';
import type { Exec, QueryTimes } from './exec.ts';
import { BoundedRangeOp, ExtendedRangeOp, extendedKernel, SmoothedSelectorOp } from './extended-ranges.ts';
import { FilledSides } from './fill.ts';
import { FUNCTIONS } from './functions.ts';
import { HistogramQuantilesOp } from './histogram-quantiles.ts';
import { HistogramOp } from './histogram.ts';
import { InfoOp } from './info.ts';
import { FillOp, InvariantOp, MAP_KERNELS, MapOp, ScalarOfOp, SingleOp, SortByLabelOp, SortOp } from './instant-functions.ts';
import { labelJoin, labelReplace, RelabelOp } from './label-functions.ts';
import { LimitRatioOp } from './limit-ratio.ts';
import { compareByLabels } from './natural-order.ts';
import { greatest, least } from './operators.ts';
import { RANGE_KERNELS } from './range-kernels.ts';
import { InstantSelectorOp, RangeSelectorOp, type MatrixOp } from './selectors.ts';
import type { ScalarOp, VectorOp } from './space.ts';
import { StagedOp } from './staged-op.ts';
import { SubqueryOp } from './subquery.ts';
import { AbsentOp, isEmptyWindow, WindowFunctionOp } from './window-functions.ts';

/**
 * A planned part of an expression: what can be chosen from the text alone (kernels, regular expressions, who drops
 * names) is chosen; opening it for an evaluation resolves its selectors and gives it room for its columns.
 */
export type VectorPlan = (exec: Exec) => VectorOp;
export type ScalarPlan = (exec: Exec) => ScalarOp;
export type MatrixPlan = (exec: Exec) => MatrixOp;

/** Functions whose result changes with the evaluation's time though their arguments do not. */
const TIME_DEPENDENT: ReadonlySet<string> = new Set(
  'days_in_month day_of_month day_of_week day_of_year end hour info minute month predict_linear range start step time timestamp year'.split(
    ' ',
  ),
);

/** True where `@` pins everything in the expression, so that every step gives the same. */
function isInvariant(expr: Expr): boolean {
  switch (expr.kind) {
    case 'selector':
    case 'matrix':
    case 'subquery':
      return expr.at !== undefined;
    case 'call':
      return !TIME_DEPENDENT.has(expr.func) && expr.args.every((argument) => isInvariant(argument));
    case 'number':
    case 'string':
    case 'paren':
    case 'unary':
    case 'binary':
    case 'aggregate':
      return children(expr).every((child) => isInvariant(child));
  }
}

/** Plans a checked expression of type instant vector. */
export function planVector(expr: Expr): VectorPlan {
  const node = planVectorNode(expr);
  const plan: VectorPlan = (exec) => new StagedOp(exec, node(exec));
  if (!isInvariant(expr)) return plan;
  return (exec) => new InvariantOp(exec, plan);
}

function planVectorNode(expr: Expr): VectorPlan {
  switch (expr.kind) {
    case 'selector':
      return (exec) => (expr.extended === 'smoothed' ? new SmoothedSelectorOp(expr, exec) : new InstantSelectorOp(expr, exec));
    case 'paren':
      return planVectorNode(expr.expr);
    case 'unary': {
      const inner = planVector(expr.expr);
      const kernel = kernelOf('-');
      return expr.op === '+' ? inner : (exec) => new MapOp(inner(exec), kernel, []);
    }
    case 'binary':
      return planBinary(expr);
    case 'aggregate':
      return planAggregate(expr);
    case 'call':
      return planCall(expr);
    case 'number':
    case 'string':
    case 'matrix':
    case 'subquery':
      throw new TypeError(`${expr.kind} is no instant vector`);
  }
}

/** Plans a checked expression of type scalar. */
export function planScalar(expr: Expr): ScalarPlan {
  switch (expr.kind) {
    case 'number': {
      const op = constant(expr.value);
      return () => op;
    }
    case 'paren':
      return planScalar(expr.expr);
    case 'unary': {
      const inner = planScalar(expr.expr);
      return (exec) => (expr.op === '+' ? inner(exec) : negated(inner(exec)));
    }
    case 'binary': {
      const left = planScalar(expr.left);
      const right = planScalar(expr.right);
      return (exec) => new ScalarBinaryOp(expr, left(exec), right(exec));
    }
    case 'call': {
      if (expr.func === 'time') return () => timeInSeconds;
      if (expr.func === 'pi') return () => constant(Math.PI);
      const bound = QUERY_BOUNDS[expr.func];
      if (bound !== undefined) return (exec) => ({ eval: () => bound(exec.query) / 1000 });
      if (expr.func === 'min_of' || expr.func === 'max_of') return planExtreme(expr, expr.func === 'min_of' ? least : greatest);
      const inner = planVector(argument(expr, 0));
      return (exec) => new ScalarOfOp(inner(exec));
    }
    case 'string':
    case 'selector':
    case 'matrix':
    case 'subquery':
    case 'aggregate':
      throw new TypeError(`${expr.kind} is no scalar`);
  }
}

/** `start()` and the like, in milliseconds: of the whole query, in subqueries too. */
const QUERY_BOUNDS: Readonly<Record<string, (query: QueryTimes) => number>> = {
  start: ({ startTs }) => startTs,
  end: ({ endTs }) => endTs,
  range: ({ startTs, endTs }) => endTs - startTs,
  step: ({ stepMs }) => stepMs,
};

function planExtreme(call: Call, choose: (a: number, b: number) => number): ScalarPlan {
  const first = planScalar(argument(call, 0));
  const second = planScalar(argument(call, 1));
  return (exec) => {
    const [a, b] = [first(exec), second(exec)];
    return { eval: (ts) => choose(a.eval(ts), b.eval(ts)) };
  };
}

/** Plans a checked expression of type range vector. */
export function planMatrix(expr: Expr): MatrixPlan {
  const inner = unwrapParens(expr);
  if (inner.kind === 'matrix')
    return (exec) => (inner.extended === undefined ? new RangeSelectorOp(inner, exec) : new BoundedRangeOp(inner, exec));
  if (inner.kind !== 'subquery') throw new TypeError(`${inner.kind} is no range vector`);
  const plan = isScalarTyped(inner.expr) ? singlePlan(planScalar(inner.expr)) : planVector(inner.expr);
  return (exec) => new SubqueryOp(inner, exec, plan);
}

function singlePlan(plan: ScalarPlan): VectorPlan {
  return (exec) => new SingleOp(plan(exec));
}

function constant(value: number): ScalarOp {
  return { constant: value, eval: () => value };
}

function negated(inner: ScalarOp): ScalarOp {
  return inner.constant === undefined ? { eval: (ts) => -inner.eval(ts) } : constant(-inner.constant);
}

const timeInSeconds: ScalarOp = { eval: (ts) => ts / 1000 };

function argument(call: Call, index: number): Expr {
  const found = call.args[index];
  if (found === undefined) throw new TypeError(`${call.func} lacks argument ${index}`);
  return found;
}

function stringArgument(call: Call, index: number): string {
  const found = unwrapParens(argument(call, index));
  return found.kind === 'string' ? found.value : '';
}

function kernelOf(name: string): NonNullable<ReturnType<typeof MAP_KERNELS.get>> {
  const kernel = MAP_KERNELS.get(name);
  if (kernel === undefined) throw new TypeError(`no kernel for ${name}`);
  return kernel;
}

function isScalarTyped(expr: Expr): boolean {
  const inner = unwrapParens(expr);
  switch (inner.kind) {
    case 'number':
      return true;
    case 'unary':
      return isScalarTyped(inner.expr);
    case 'binary':
      return isScalarTyped(inner.left) && isScalarTyped(inner.right);
    case 'call':
      return FUNCTIONS.get(inner.func)?.returns === 'scalar';
    case 'string':
    case 'selector':
    case 'matrix':
    case 'subquery':
    case 'paren':
    case 'aggregate':
      return false;
  }
}

function planBinary(expr: Binary): VectorPlan {
  if (isScalarTyped(expr.left)) {
    const scalar = planScalar(expr.left);
    const vector = planVector(expr.right);
    return (exec) => new VectorScalarOp(expr, vector(exec), scalar(exec), true);
  }
  if (isScalarTyped(expr.right)) {
    const vector = planVector(expr.left);
    const scalar = planScalar(expr.right);
    return (exec) => new VectorScalarOp(expr, vector(exec), scalar(exec), false);
  }
  const left = planVector(expr.left);
  const right = planVector(expr.right);
  if (isSetOp(expr.op)) return (exec) => new SetOpNode(expr, left(exec), right(exec));
  const { matching } = expr;
  const { fill } = matching;
  if (fill === undefined) return (exec) => new VectorBinaryOp(expr, exec, left(exec), right(exec));
  return (exec) => {
    const filled = new FilledSides(exec.budget, matching, fill, left(exec), right(exec));
    return new VectorBinaryOp(expr, exec, filled.left, filled.right);
  };
}

function planAggregate(expr: Aggregate): VectorPlan {
  const inner = planVector(expr.expr);
  const { op, param } = expr;
  if (op === 'count_values') {
    const label = param === undefined ? undefined : unwrapParens(param);
    return (exec) => new CountValuesOp(expr, inner(exec), label?.kind === 'string' ? label.value : '');
  }
  const scalar = param === undefined ? undefined : planScalar(param);
  switch (op) {
    case 'topk':
    case 'bottomk':
    case 'limitk':
      return (exec) => new SelectKOp(op, expr, inner(exec), scalar?.(exec) ?? constant(0));
    case 'quantile':
      return (exec) => new AggregateOpNode(expr, exec, inner(exec), new QuantileKernel(), scalar?.(exec));
    case 'limit_ratio':
      return (exec) => new LimitRatioOp(expr, exec, inner(exec), scalar?.(exec) ?? constant(0));
    case 'sum':
    case 'avg':
    case 'min':
    case 'max':
    case 'count':
    case 'group':
    case 'stddev':
    case 'stdvar':
      return (exec) => new AggregateOpNode(expr, exec, inner(exec), aggregateKernel(op));
  }
}

function planCall(call: Call): VectorPlan {
  const range = call.args[0] === undefined ? undefined : unwrapParens(call.args[0]);
  if (range?.kind === 'matrix' && range.extended !== undefined) {
    const extended = extendedKernel(call.func, range.extended);
    return (exec) => new WindowFunctionOp(call, exec, new ExtendedRangeOp(range, exec), extended, []);
  }
  const kernel = RANGE_KERNELS.get(call.func);
  if (kernel !== undefined) {
    const at = call.func === 'quantile_over_time' ? 1 : 0;
    const matrix = planMatrix(argument(call, at));
    const params = call.args.filter((_, index) => index !== at).map((param) => planScalar(param));
    return (exec) =>
      new WindowFunctionOp(
        call,
        exec,
        matrix(exec),
        kernel,
        params.map((param) => param(exec)),
      );
  }
  const build = CALLS[call.func] ?? mapCall;
  return build(call);
}

/** A function of each value, or of the evaluation's time where the argument may be left out. */
function mapCall(call: Call): VectorPlan {
  const kernel = kernelOf(call.func);
  if (call.args.length === 0) return () => new SingleOp(timeInSeconds, kernel);
  const inner = planVector(argument(call, 0));
  return (exec) => new MapOp(inner(exec), kernel, []);
}

function clampCall(least: Expr | undefined, most: Expr | undefined, call: Call): VectorPlan {
  const inner = planVector(argument(call, 0));
  const low = least === undefined ? () => constant(-Infinity) : planScalar(least);
  const high = most === undefined ? () => constant(Infinity) : planScalar(most);
  return (exec) => new MapOp(inner(exec), kernelOf('clamp'), [low(exec), high(exec)], true);
}

function histogramCall(call: Call): VectorPlan {
  const params = call.args.slice(0, -1).map((param) => planScalar(param));
  const inner = planVector(argument(call, call.args.length - 1));
  return (exec) =>
    new HistogramOp(
      call,
      exec,
      params.map((param) => param(exec)),
      inner(exec),
    );
}

function sortCall(call: Call, make: (inner: VectorOp) => VectorOp): VectorPlan {
  const inner = planVector(argument(call, 0));
  return (exec) => {
    if (exec.startTs !== exec.endTs) exec.warn('sort is ineffective for range queries since results are always ordered by labels', call);
    return make(inner(exec));
  };
}

function sortByLabel(call: Call, sign: 1 | -1): VectorPlan {
  const names = call.args.slice(1).map((_, index) => stringArgument(call, index + 1));
  return sortCall(call, (inner) => new SortByLabelOp(inner, (a, b) => sign * compareByLabels(a, b, names)));
}

const CALLS: Readonly<Record<string, (call: Call) => VectorPlan>> = {
  vector: (call) => singlePlan(planScalar(argument(call, 0))),
  clamp: (call) => clampCall(call.args[1], call.args[2], call),
  clamp_min: (call) => clampCall(call.args[1], undefined, call),
  clamp_max: (call) => clampCall(undefined, call.args[1], call),
  round: (call) => {
    const inner = planVector(argument(call, 0));
    const nearest = call.args[1] === undefined ? () => constant(1) : planScalar(call.args[1]);
    return (exec) => new MapOp(inner(exec), kernelOf('round'), [nearest(exec)]);
  },
  timestamp: (call) => {
    const selector = unwrapParens(argument(call, 0));
    if (selector.kind === 'selector') {
      return (exec) => new MapOp(new InstantSelectorOp(selector, exec, true), () => undefined, []);
    }
    const inner = planVector(selector);
    return (exec) => new FillOp(inner(exec), timeInSeconds);
  },
  sort: (call) => sortCall(call, (inner) => new SortOp(inner, false)),
  sort_desc: (call) => sortCall(call, (inner) => new SortOp(inner, true)),
  sort_by_label: (call) => sortByLabel(call, 1),
  sort_by_label_desc: (call) => sortByLabel(call, -1),
  absent: (call) => {
    const inner = planVector(argument(call, 0));
    return (exec) => {
      const op = inner(exec);
      return new AbsentOp(call, (ts) => op.eval(ts).n === 0);
    };
  },
  absent_over_time: (call) => {
    const matrix = planMatrix(argument(call, 0));
    return (exec) => new AbsentOp(call, isEmptyWindow(matrix(exec)));
  },
  histogram_quantile: (call) => histogramCall(call),
  histogram_fraction: (call) => histogramCall(call),
  histogram_quantiles: (call) => {
    const inner = planVector(argument(call, 0));
    const quantiles = call.args.slice(2).map((param) => planScalar(param));
    const open = (exec: Exec): ScalarOp[] => quantiles.map((quantile) => quantile(exec));
    return (exec) => new HistogramQuantilesOp(call, exec, inner(exec), stringArgument(call, 1), open(exec));
  },
  info: (call) => {
    const base = planVector(argument(call, 0));
    return (exec) => new InfoOp(call, exec, base(exec));
  },
  label_replace: (call) => {
    const inner = planVector(argument(call, 0));
    const derive = labelReplace(stringArgument(call, 1), stringArgument(call, 2), stringArgument(call, 3), stringArgument(call, 4));
    return (exec) => new RelabelOp(inner(exec), derive);
  },
  label_join: (call) => {
    const inner = planVector(argument(call, 0));
    const sources = call.args.slice(3).map((_, index) => stringArgument(call, index + 3));
    const derive = labelJoin(stringArgument(call, 1), stringArgument(call, 2), sources);
    return (exec) => new RelabelOp(inner(exec), derive);
  },
};

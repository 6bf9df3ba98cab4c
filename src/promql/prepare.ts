import type { Matcher } from '../core/matcher.ts';
import { BelfryError } from '../core/errors.ts';
import type { Expr, ValueType } from './ast.ts';
import { children, unwrapParens } from './ast.ts';
import { check, typeName } from './check.ts';
import type { Exec, EvalOptions } from './exec.ts';
import { execAt, matrixInSlices, matrixOf, openInSlices, type InstantRun } from './instant-run.ts';
import { parse, type ParseOptions } from './parse.ts';
import { KeptPlan, type Opening } from './kept-plan.ts';
import { planMatrix, planScalar, planVector, type VectorPlan } from './plan.ts';
import { print } from './printer.ts';
import type { Querier } from './querier.ts';
import { dependsOnQuery, resolveDurations } from './query-durations.ts';
import { RangeRun, vectorOf } from './range-run.ts';
import type { ScalarOp, VectorOp } from './space.ts';
import type { MatrixValue, ScalarValue, Value, VectorValue } from './value.ts';

/** A selector that an expression reads. */
export interface SelectorInfo {
  readonly matchers: readonly Matcher[];
  /** Where the selector names one metric. */
  readonly metricName?: string;
}

/** A parsed, checked and planned expression; immutable, may be evaluated any number of times. */
export interface Prepared {
  readonly type: ValueType;
  /** The text as it was given. */
  readonly text: string;
  readonly expr: Expr;
  readonly selectors: readonly SelectorInfo[];
  /** The canonical text. */
  print(): string;
  /** Evaluates at one time, in milliseconds. Throws `PROMQL_EXECUTION`, `PROMQL_LIMIT`, `PROMQL_TIMEOUT`. */
  instant(querier: Querier, ts: number, options?: EvalOptions): Value;
  /**
   * The same in slices of about 20 ms by `options.now`, before each of which `turn` is awaited, so that a long one does not
   * hold the event loop: what has to be read of the store is read in slices, and then worked out.
   */
  instantInSlices(querier: Querier, ts: number, options: EvalOptions, turn: () => Promise<void>): Promise<Value>;
  /**
   * Does beforehand what makes the first `instant` over new series dear, so that the next one is cheap: about 20 ms of it by
   * `options.now`. Nothing where it stands for fewer series than `seriesLeast`. Throws what `instant` would throw.
   */
  openAt(querier: Querier, ts: number, options?: EvalOptions, seriesLeast?: number): Opening;
  /**
   * Evaluates at startTs, startTs + stepMs, … endTs: the same values as `instant` at each step, every selector
   * resolved once. Only for scalars and instant vectors. Throws as `instant`.
   */
  range(querier: Querier, range: RangeTimes, options?: EvalOptions): MatrixValue;
  /**
   * The same in slices of about 20 ms by `options.now`, before each of which `turn` is awaited, so that a long one does
   * not hold the event loop. What comes in between is seen by the steps that are not evaluated yet.
   */
  rangeInSlices(querier: Querier, range: RangeTimes, options: EvalOptions, turn: () => Promise<void>): Promise<MatrixValue>;
}

/** Milliseconds; the end is included where a step falls on it. */
export interface RangeTimes {
  readonly startTs: number;
  readonly endTs: number;
  readonly stepMs: number;
}

/** Reads, checks and plans an expression. Throws `PROMQL_SYNTAX`, `PROMQL_TYPE`, `PROMQL_UNSUPPORTED` with a position. */
export function prepare(text: string, options: ParseOptions = {}): Prepared {
  const expr = parse(text, options);
  const type = check(expr, text, options);
  const evaluate = dependsOnQuery(expr) ? planLater(text, expr, type) : planRoot(text, expr, type);
  const selectors = selectorsOf(expr);
  const rangeRun = (querier: Querier, range: RangeTimes, evalOptions: EvalOptions): RangeRun => {
    if (!(range.stepMs > 0)) throw new BelfryError('BAD_REQUEST', 'zero or negative query resolution step widths are not accepted');
    if (range.endTs < range.startTs) throw new BelfryError('BAD_REQUEST', 'end timestamp must not be before start time');
    return new RangeRun({ text, querier, range, options: evalOptions, open: evaluate.open(range), selectors });
  };
  return {
    type,
    text,
    expr,
    selectors,
    print: () => print(expr),
    instant: (querier, ts, evalOptions = {}) => evaluate.instant(querier, ts, evalOptions),
    instantInSlices: async (querier, ts, evalOptions, turn) =>
      evaluate.inSlices({ text, querier, ts, options: evalOptions, selectors }, turn),
    openAt: (querier, ts, evalOptions = {}, seriesLeast = 0) => evaluate.openAt(querier, ts, evalOptions, seriesLeast),
    range: (querier, range, evalOptions = {}) => rangeRun(querier, range, evalOptions).whole(),
    rangeInSlices: async (querier, range, evalOptions, turn) => rangeRun(querier, range, evalOptions).inSlices(turn),
  };
}

interface Root {
  instant(querier: Querier, ts: number, options: EvalOptions): Value;
  inSlices(run: InstantRun, turn: () => Promise<void>): Promise<Value>;
  openAt(querier: Querier, ts: number, options: EvalOptions, seriesLeast: number): Opening;
  /** For a range. Throws `BAD_REQUEST` for what has none. */
  open(range: RangeTimes): VectorPlan;
}

/** Plans what has durations that depend on the query: for instants, of which all are alike, once, for each range anew. */
function planLater(text: string, expr: Expr, type: ValueType): Root {
  let known: Root | undefined;
  const instant = (): Root => (known ??= planRoot(text, resolveDurations(expr, { stepMs: 0, rangeMs: 0 }), type));
  return {
    instant: (querier, ts, options) => instant().instant(querier, ts, options),
    inSlices: async (run, turn) => instant().inSlices(run, turn),
    openAt: (querier, ts, options, seriesLeast) => instant().openAt(querier, ts, options, seriesLeast),
    open: (range) => {
      const { startTs, endTs, stepMs } = range;
      return planRoot(text, resolveDurations(expr, { stepMs, rangeMs: endTs - startTs }), type).open(range);
    },
  };
}

function planRoot(text: string, expr: Expr, type: ValueType): Root {
  const refuse = (): never => {
    throw new BelfryError('BAD_REQUEST', `invalid expression type "${typeName(type)}" for range query, must be Scalar or instant Vector`);
  };
  const at = (querier: Querier, ts: number, options: EvalOptions): Exec => execAt({ text, querier, ts, options });
  switch (type) {
    case 'scalar': {
      const plan = planScalar(expr);
      return {
        instant: (querier, ts, options) => {
          const exec = at(querier, ts, options);
          return instantScalar(exec, plan(exec));
        },
        inSlices: async (run, turn) => {
          const { exec, op } = await openInSlices(run, plan, turn);
          return instantScalar(exec, op);
        },
        openAt: () => 'open',
        open: () => (exec) => vectorOf(plan(exec)),
      };
    }
    case 'vector': {
      const plan = planVector(expr);
      const kept = new KeptPlan(text, expr, plan);
      return {
        instant: (querier, ts, options) => kept.run(querier, ts, options, instantVector),
        inSlices: async (run, turn) => {
          const { exec, op } = await openInSlices(run, plan, turn);
          return instantVector(exec, op);
        },
        openAt: (querier, ts, options, seriesLeast) => kept.openAt(querier, ts, options, seriesLeast),
        open: () => plan,
      };
    }
    case 'matrix': {
      const plan = planMatrix(expr);
      return {
        instant: (querier, ts, options) => {
          const exec = at(querier, ts, options);
          return matrixOf(exec, plan(exec));
        },
        inSlices: async (run, turn) => matrixInSlices(run, plan, turn),
        openAt: () => 'open',
        open: refuse,
      };
    }
    case 'string': {
      const literal = unwrapParens(expr);
      const value = literal.kind === 'string' ? literal.value : '';
      const stringAt = (ts: number): Value => ({ type: 'string', ts, value, warnings: [], infos: [] });
      return { instant: (_, ts) => stringAt(ts), inSlices: async ({ ts }) => stringAt(ts), openAt: () => 'open', open: refuse };
    }
  }
}

function instantScalar(exec: Exec, op: ScalarOp): ScalarValue {
  return { type: 'scalar', ts: exec.startTs, value: op.eval(exec.startTs), ...exec.annotations() };
}

function instantVector(exec: Exec, op: VectorOp): VectorValue {
  const vec = op.eval(exec.startTs);
  const { n } = vec;
  const ids = vec.ids.slice(0, n);
  return {
    type: 'vector',
    ts: exec.startTs,
    n,
    values: vec.values.slice(0, n),
    labels: (index) => op.space.labels(ids[index] ?? 0),
    ...exec.annotations(),
  };
}

function selectorsOf(expr: Expr): readonly SelectorInfo[] {
  const found: SelectorInfo[] = [];
  const visit = (node: Expr): void => {
    if (node.kind === 'selector') {
      const name = node.matchers.find((matcher) => matcher.name === '__name__' && matcher.op === '=')?.value;
      found.push(name === undefined ? { matchers: node.matchers } : { matchers: node.matchers, metricName: name });
    }
    for (const child of children(node)) visit(child);
  };
  visit(expr);
  return found;
}

import { children, type Expr } from './ast.ts';
import { Exec, INSTANT_STEP_MS, type EvalOptions } from './exec.ts';
import { never, prepareLabels } from './look-ahead.ts';
import type { VectorPlan } from './plan.ts';
import type { Querier } from './querier.ts';
import { SLICE_MS } from './slices.ts';
import type { VectorOp } from './space.ts';

/** What was to be done to open a plan: nothing, all that there was, or some of it. */
export type Opening = 'open' | 'opened' | 'more';

/** How often a plan whose series change while it is opened is begun anew, before it is opened in one piece. */
const ATTEMPTS_MAX = 3;

interface OpenPlan {
  readonly exec: Exec;
  readonly op: VectorOp;
  /** Everything is worked out that a first evaluation would have to. */
  readonly isReady: boolean;
}

/**
 * A plan that stays open from one instant evaluation to the next, as long as its selectors stand for the same series:
 * groups, matches, result labels and columns are worked out once and not at each evaluation of a rule.
 */
export class KeptPlan {
  readonly #text: string;
  readonly #plan: VectorPlan;
  readonly #keeps: boolean;
  #open: OpenPlan | undefined;
  /** How often it was begun to open it since it was last open. */
  #attempts = 0;

  constructor(text: string, expr: Expr, plan: VectorPlan) {
    this.#text = text;
    this.#plan = plan;
    this.#keeps = isKept(expr);
  }

  /** Evaluates at one time: `read` makes the result of the opened plan, which belongs to the next evaluation again. */
  run<T>(querier: Querier, ts: number, options: EvalOptions, read: (exec: Exec, op: VectorOp) => T): T {
    const before = this.#open;
    // An evaluation that fails leaves nothing behind.
    this.#open = undefined;
    const open = before?.exec.moveTo(ts, querier, options) === true ? before : this.#begin(querier, ts, options);
    const result = read(open.exec, open.op);
    this.#attempts = 0;
    if (this.#keeps) this.#open = open.isReady ? open : { ...open, isReady: true };
    return result;
  }

  /**
   * Opens the plan for the evaluations to come, where it is not open for the series there are, for as long as a slice by
   * `options.now`. An evaluation may come at any time: it uses what there is, and works out the rest. Of fewer series than
   * `seriesLeast` it works out all.
   */
  openAt(querier: Querier, ts: number, options: EvalOptions, seriesLeast: number): Opening {
    if (!this.#keeps) return 'open';
    const before = this.#open;
    const isSame = before?.exec.moveTo(ts, querier, options) === true;
    if (isSame && before.isReady) return 'open';
    this.#open = undefined;
    const open = isSame ? before : this.#begin(querier, ts, options);
    if (open.exec.series < seriesLeast) {
      this.#open = open;
      return 'open';
    }
    const until = (options.now?.() ?? 0) + SLICE_MS;
    const isOver = (): boolean => (options.now?.() ?? 0) >= until;
    if (!prepareLabels(open.exec, this.#attempts < ATTEMPTS_MAX ? isOver : never)) {
      this.#open = open;
      return 'more';
    }
    open.op.eval(open.exec.startTs);
    this.#attempts = 0;
    this.#open = { ...open, isReady: true };
    return 'opened';
  }

  #begin(querier: Querier, ts: number, options: EvalOptions): OpenPlan {
    this.#attempts++;
    const exec = new Exec(this.#text, querier, { startTs: ts, endTs: ts, stepMs: INSTANT_STEP_MS }, options);
    return { exec, op: this.#plan(exec), isReady: false };
  }
}

/**
 * Whether nothing that an opened plan holds depends on the time it was opened at. A subquery collects points, `@` makes
 * results that do not change within one evaluation, and `count_values` makes labels of values, without end.
 */
function isKept(expr: Expr): boolean {
  if (expr.kind === 'subquery') return false;
  if ((expr.kind === 'selector' || expr.kind === 'matrix') && expr.at !== undefined) return false;
  if (expr.kind === 'aggregate' && expr.op === 'count_values') return false;
  return children(expr).every((child) => isKept(child));
}

import { children, type Expr } from './ast.ts';
import { Exec, INSTANT_STEP_MS, type EvalOptions } from './exec.ts';
import type { VectorPlan } from './plan.ts';
import type { Querier } from './querier.ts';
import type { VectorOp } from './space.ts';

/**
 * A plan that stays open from one instant evaluation to the next, as long as its selectors stand for the same series:
 * groups, matches, result labels and columns are worked out once and not at each evaluation of a rule.
 */
export class KeptPlan {
  readonly #text: string;
  readonly #plan: VectorPlan;
  readonly #keeps: boolean;
  #open: { readonly exec: Exec; readonly op: VectorOp } | undefined;

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
    let open = before;
    if (before === undefined || !before.exec.moveTo(ts, querier, options)) {
      const exec = new Exec(this.#text, querier, { startTs: ts, endTs: ts, stepMs: INSTANT_STEP_MS }, options);
      open = { exec, op: this.#plan(exec) };
    }
    if (open === undefined) throw new TypeError('a plan that is not open');
    const result = read(open.exec, open.op);
    if (this.#keeps) this.#open = open;
    return result;
  }

  /** Opens the plan for the evaluations to come, where it is not open for the series there are. True when that was to be done. */
  openAt(querier: Querier, ts: number, options: EvalOptions): boolean {
    if (!this.#keeps || this.#open?.exec.moveTo(ts, querier, options) === true) return false;
    this.run(querier, ts, options, (exec, op) => op.eval(exec.startTs));
    return true;
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

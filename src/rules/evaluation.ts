import { BelfryError } from '../core/errors.ts';
import { Labels } from '../core/labels.ts';
import type { Alert } from '../core/alert.ts';
import type { Clock } from '../core/clock.ts';
import type { Logger } from '../core/log.ts';
import type { Layout } from '../core/sample.ts';
import type { AlertStateRow } from '../core/state.ts';
import type { EvalOptions } from '../promql/exec.ts';
import type { Opening } from '../promql/kept-plan.ts';
import type { Querier } from '../promql/querier.ts';
import type { RuleTemplateHost, TemplateSample } from '../templates/prometheus-functions.ts';
import type { ScalarValue, VectorValue } from '../promql/value.ts';
import type { Expression } from './expression.ts';
import type { InputSelectors } from './input-selectors.ts';
import type { RuleEngineOptions } from './ports.ts';

/** One evaluation of one rule. */
export interface Evaluation {
  /** The evaluation's time; later than the one before in the same group. */
  readonly ts: number;
  /** The time that is queried and that samples are written at: `ts` less the group's offset. */
  readonly queryTs: number;
  readonly querier: Querier;
  readonly clock: Pick<Clock, 'elapsed'>;
  readonly host: RuleTemplateHost;
  readonly options: RuleEngineOptions;
  readonly intervalMs: number;
  readonly logger: Logger;
  /** When the engine began, for alerts from before. */
  readonly startedAt: number;
  /** Whether Belfry itself cannot see a cluster now. */
  readonly blindness: (cluster: string) => 'held' | 'isolated' | undefined;
  /** What the rules read that is collected by somebody, recorded series seen through. */
  readonly inputs: InputSelectors;
}

/** What an evaluation gives: its series, and, of an alerting rule, what is to be saved and told. */
export interface RuleOutput {
  readonly layout: Layout;
  readonly values: Float64Array;
}

/** Changes to write before anyone is told, and then the alerts to tell. */
export class Outcome {
  readonly saves: AlertStateRow[] = [];
  readonly deletes: { readonly ruleKey: string; readonly alertKey: string }[] = [];
  readonly alerts: Alert[] = [];
}

/** A vector's columns. */
export type Vector = Pick<VectorValue, 'n' | 'values' | 'labels'>;

/** A rule's result as a vector: a scalar is one sample without labels. */
export function asVector(result: ScalarValue | VectorValue): Vector {
  if (result.type === 'vector') return result;
  return { n: 1, values: Float64Array.of(result.value), labels: () => Labels.empty };
}

/** Evaluates an expression at the evaluation's time, within its time limit. Throws a `BelfryError`. */
export function evaluateExpression(expression: Expression, evaluation: Evaluation): Vector {
  return asVector(expression.instant(evaluation.querier, evaluation.queryTs, limitsOf(evaluation)));
}

/**
 * Opens the expression's plan where that is to be done and it stands for at least so many series, for as long as a slice. Throws as
 * an evaluation does.
 */
export function openExpression(expression: Expression, evaluation: Evaluation, seriesLeast: number): Opening {
  return expression.openAt(evaluation.querier, evaluation.queryTs, limitsOf(evaluation), seriesLeast);
}

function limitsOf({ clock, options }: Evaluation): EvalOptions {
  const now = (): number => clock.elapsed();
  return { now, deadlineMs: now() + options.queryTimeoutMs };
}

/** The expression's samples as a template's `query` gives them. */
export function querySamples(expression: Expression, evaluation: Evaluation): readonly TemplateSample[] {
  const vector = evaluateExpression(expression, evaluation);
  return Array.from({ length: vector.n }, (_, i) => ({ labels: vector.labels(i), value: vector.values[i] ?? Number.NaN }));
}

/** Throws `RULE_LIMIT` where a rule gives more series than its group allows. */
export function checkLimit(count: number, limit: number, what: string): void {
  if (limit > 0 && count > limit) throw new BelfryError('RULE_LIMIT', `exceeded limit of ${limit} with ${count} ${what}`);
}

/** Keeps one layout object while a rule's series stay the same, as the store's rows want it. */
export class LayoutKeeper {
  #layout: Layout = { series: [] };
  #values = new Float64Array(0);

  /** The layout of these series and a column of values to fill, reused from call to call. */
  of(series: readonly Labels[]): RuleOutput & { values: Float64Array } {
    const known = this.#layout.series;
    if (known.length !== series.length || !known.every((labels, i) => labels.equals(series[i] ?? Labels.empty))) {
      this.#layout = { series };
      this.#values = new Float64Array(series.length);
    }
    return { layout: this.#layout, values: this.#values };
  }
}

import { BelfryError } from '../core/errors.ts';
import { Labels } from '../core/labels.ts';
import { checkLimit, evaluateExpression, LayoutKeeper } from './evaluation.ts';
import type { Evaluation, RuleOutput } from './evaluation.ts';
import type { GroupDefinition, RecordingRuleDefinition } from './model.ts';

/** One recording rule: its expression's result under another name. */
export class RecordingRule {
  readonly definition: RecordingRuleDefinition;
  readonly #limit: number;
  readonly #layout = new LayoutKeeper();
  /** What has been made of a series of the result, worked out once. */
  readonly #made = new WeakMap<Labels, Labels>();

  constructor(definition: RecordingRuleDefinition, group: GroupDefinition) {
    this.definition = definition;
    this.#limit = group.limit;
  }

  /** Throws when the query fails, gives too many series, or two of them with the same labels. */
  evaluate(evaluation: Evaluation): RuleOutput {
    const { expression, name, labels: ruleLabels } = this.definition;
    const vector = evaluateExpression(expression, evaluation);
    checkLimit(vector.n, this.#limit, 'series');
    const series: Labels[] = [];
    const seen = new Set<string>();
    for (let i = 0; i < vector.n; i++) {
      const sample = vector.labels(i);
      let labels = this.#made.get(sample);
      if (labels === undefined) this.#made.set(sample, (labels = Labels.of([...sample, ['__name__', name], ...ruleLabels])));
      if (seen.has(labels.key))
        throw new BelfryError('RULE_DUPLICATE_ALERT', 'vector contains metrics with the same labelset after applying rule labels');
      seen.add(labels.key);
      series.push(labels);
    }
    const output = this.#layout.of(series);
    output.values.set(vector.values);
    return output;
  }
}

import { BelfryError, errorText } from '../core/errors.ts';
import { Labels } from '../core/labels.ts';
import { silentLogger } from '../core/log.ts';
import { evaluateExpression } from './evaluation.ts';
import { isConstant, SampleTemplates } from './expand.ts';
import type { AlertEntry } from './alert-entry.ts';
import type { Evaluation } from './evaluation.ts';
import type { AlertingRuleDefinition } from './model.ts';

export interface Identity {
  readonly labels: Labels;
  /** The sample's own, without the metric name. */
  readonly sampleLabels: Labels;
}

/** A sample of the expression with what the rule makes of it. */
export interface Candidate {
  readonly identity: Identity;
  readonly annotations: Labels;
  readonly value: number;
  /** It stands for data that is missing. */
  readonly withoutData: boolean;
}

/** Makes alerts of a rule's samples; what cannot have changed since the last evaluation is not worked out again. */
export class CandidateMaker {
  readonly #definition: AlertingRuleDefinition;
  readonly #identities = new WeakMap<Labels, Identity>();
  readonly #constantAnnotations: boolean;

  constructor(definition: AlertingRuleDefinition) {
    this.#definition = definition;
    this.#constantAnnotations = isConstant(definition.annotations);
  }

  /** By identity. Throws when the query fails, or `RULE_DUPLICATE_ALERT`. */
  make(evaluation: Evaluation, entries: ReadonlyMap<string, AlertEntry>): Map<string, Candidate> {
    const vector = evaluateExpression(this.#definition.expression, evaluation);
    const found = new Map<string, Candidate>();
    for (let i = 0; i < vector.n; i++) {
      const candidate = this.candidate(vector.labels(i), vector.values[i] ?? Number.NaN, evaluation, entries);
      const { key } = candidate.identity.labels;
      if (found.has(key))
        throw new BelfryError('RULE_DUPLICATE_ALERT', 'vector contains metrics with the same labelset after applying alert labels');
      found.set(key, candidate);
    }
    return found;
  }

  /**
   * Expands the templates once for a made-up sample and forgets the result: what a first use costs (their queries parsed,
   * code compiled) is some 20 ms that no first alert should wait for.
   */
  rehearse(evaluation: Evaluation): void {
    const sample = Labels.of({ cluster: 'rehearsal', broker: '0', topic: 'rehearsal', instance: 'rehearsal' });
    this.candidate(sample, 1, { ...evaluation, logger: silentLogger }, new Map());
  }

  /** What the rule makes of one sample. */
  candidate(
    sample: Labels,
    value: number,
    evaluation: Evaluation,
    entries: ReadonlyMap<string, AlertEntry>,
    withoutData = false,
  ): Candidate {
    const { name: rule, annotations: texts } = this.#definition;
    const onError = (template: string, error: unknown): void =>
      evaluation.logger.warn('template_failed', { rule, template, error: errorText(error) });
    const templates = new SampleTemplates(sample, value, evaluation.options.externalLabels, evaluation.host);
    const identity = this.#identity(sample, templates, onError);
    const entry = this.#constantAnnotations ? entries.get(identity.labels.key) : undefined;
    const same = entry?.expandedBy === this.#definition && Object.is(entry.value, value);
    const annotations = same ? entry.annotations : Labels.of(templates.expand(texts, onError));
    return { identity, value, annotations, withoutData };
  }

  /** Where the rule's labels are literal, a series' identity is worked out once. */
  #identity(sample: Labels, templates: SampleTemplates, onError: (name: string, error: unknown) => void): Identity {
    const known = this.#identities.get(sample);
    if (known !== undefined) return known;
    const { labels, name } = this.#definition;
    const sampleLabels = sample.without('__name__');
    const identity = { sampleLabels, labels: Labels.of([...sampleLabels, ...templates.expand(labels, onError), ['alertname', name]]) };
    if (labels.every(({ template }) => template.isLiteral)) this.#identities.set(sample, identity);
    return identity;
  }
}

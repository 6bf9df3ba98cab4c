import { BelfryError, errorText } from '../core/errors.ts';
import { MapValue, StructValue } from '../templates/value.ts';
import type { Labels } from '../core/labels.ts';
import type { RuleTemplateHost } from '../templates/prometheus-functions.ts';
import type { Value } from '../templates/value.ts';
import type { TemplatedText } from './model.ts';

/** What Prometheus sets before a rule's template begins. */
export const TEMPLATE_VARIABLES: readonly string[] = ['$labels', '$externalLabels', '$externalURL', '$value'];

/** Functions whose result may differ for the same sample. */
const CHANGING: readonly string[] = ['query', 'now'];

/** Whether the texts are the same for the same sample, whenever they are expanded. */
export function isConstant(texts: readonly TemplatedText[]): boolean {
  return texts.every(({ template }) => CHANGING.every((name) => !template.functions.has(name)));
}

/** What the templates of one sample see; made only when the first of them has something to expand. */
export class SampleTemplates {
  readonly #labels: Labels;
  readonly #value: number;
  readonly #externalLabels: Labels;
  readonly #host: RuleTemplateHost;
  #made: { readonly root: StructValue; readonly variables: Readonly<Record<string, Value>> } | undefined;

  constructor(labels: Labels, value: number, externalLabels: Labels, host: RuleTemplateHost) {
    this.#labels = labels;
    this.#value = value;
    this.#externalLabels = externalLabels;
    this.#host = host;
  }

  /** Expands texts. A template that fails never fails the rule: its error becomes the text. */
  expand(texts: readonly TemplatedText[], onError: (name: string, error: unknown) => void): readonly (readonly [string, string])[] {
    return texts.map(({ name, template }) => {
      if (template.isLiteral) return [name, template.text] as const;
      const { root, variables } = (this.#made ??= this.#make());
      try {
        return [name, template.execute(root, variables, this.#host)] as const;
      } catch (error) {
        if (!(error instanceof BelfryError)) throw error;
        onError(name, error);
        return [name, `<error expanding template: ${errorText(error)}>`] as const;
      }
    });
  }

  #make(): { root: StructValue; variables: Record<string, Value> } {
    const labels = MapValue.ofStrings(this.#labels);
    const externalLabels = MapValue.ofStrings(this.#externalLabels);
    const externalUrl = this.#host.externalUrl;
    const value = this.#value;
    return {
      root: new StructValue('rule data', { Labels: labels, ExternalLabels: externalLabels, ExternalURL: externalUrl, Value: value }),
      variables: { $labels: labels, $externalLabels: externalLabels, $externalURL: externalUrl, $value: value },
    };
  }
}

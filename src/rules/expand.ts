import { BelfryError } from '../core/errors.ts';
import { BoxedValue, MapValue, StructValue } from '../templates/value.ts';
import type { Labels } from '../core/labels.ts';
import type { RuleTemplateHost } from '../templates/prometheus-functions.ts';
import type { TemplatedText } from './model.ts';

/** What Prometheus puts before a rule's template; columns in its errors count it. */
export const TEMPLATE_PROLOGUE =
  '{{$labels := .Labels}}{{$externalLabels := .ExternalLabels}}{{$externalURL := .ExternalURL}}{{$value := .Value}}';

/** The type of a rule's data, as errors of Go name it. */
const DATA_TYPE = 'struct { Labels map[string]string; ExternalLabels map[string]string; ExternalURL string; Value interface {} }';

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
  #made: StructValue | undefined;

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
      this.#made ??= this.#make();
      try {
        return [name, template.execute(this.#made, this.#host)] as const;
      } catch (error) {
        if (!(error instanceof BelfryError)) throw error;
        onError(name, error);
        return [name, `<error expanding template: ${error.message}>`] as const;
      }
    });
  }

  #make(): StructValue {
    return new StructValue(DATA_TYPE, {
      Labels: MapValue.ofStrings(this.#labels),
      ExternalLabels: MapValue.ofStrings(this.#externalLabels),
      ExternalURL: this.#host.externalUrl,
      Value: new BoxedValue(this.#value),
    });
  }
}

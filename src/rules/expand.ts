import { BelfryError, errorText } from '../core/errors.ts';
import type { Labels } from '../core/labels.ts';
import { MapValue, StructValue } from '../templates/value.ts';
import type { RuleTemplateHost } from '../templates/prometheus-functions.ts';
import type { Value } from '../templates/value.ts';
import type { TemplatedText } from './model.ts';

/** What Prometheus sets before a rule's template begins. */
export const TEMPLATE_VARIABLES: readonly string[] = ['$labels', '$externalLabels', '$externalURL', '$value'];

/** What the templates of one sample see. */
export interface TemplateData {
  readonly labels: Labels;
  readonly value: number;
  readonly externalLabels: Labels;
  readonly host: RuleTemplateHost;
}

/** Expands all texts of a rule for one sample. A template that fails never fails the rule: its error becomes the text. */
export function expandAll(
  texts: readonly TemplatedText[],
  data: TemplateData,
  onError: (name: string, error: unknown) => void,
): readonly (readonly [string, string])[] {
  if (texts.length === 0) return [];
  if (texts.every(({ template }) => template.isLiteral)) return texts.map(({ name, template }) => [name, template.text] as const);
  const variables: Record<string, Value> = {
    $labels: MapValue.ofStrings(data.labels),
    $externalLabels: MapValue.ofStrings(data.externalLabels),
    $externalURL: data.host.externalUrl,
    $value: data.value,
  };
  const root = new StructValue('rule data', {
    Labels: variables['$labels'],
    ExternalLabels: variables['$externalLabels'],
    ExternalURL: variables['$externalURL'],
    Value: data.value,
  });
  return texts.map(({ name, template }) => {
    try {
      return [name, template.execute(root, variables, data.host)] as const;
    } catch (error) {
      if (!(error instanceof BelfryError)) throw error;
      onError(name, error);
      return [name, `<error expanding template: ${errorText(error)}>`] as const;
    }
  });
}

import { readFileSync } from 'node:fs';
import { parseDocument } from 'yaml';
import { z } from 'zod';

const texts = z.record(z.string(), z.string()).default({});
const ruleFileSchema = z.object({
  groups: z.array(
    z.object({
      name: z.string(),
      rules: z.array(z.object({ alert: z.string(), expr: z.string(), labels: texts, annotations: texts })),
    }),
  ),
});

/** One rule of `rules.yaml`. */
export interface DefaultRule {
  readonly alert: string;
  readonly expr: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  /** Its name with the labels that tell it from others of the name: `BrokerStopped{severity="critical"}`. */
  readonly id: string;
}

export const RULES_PATH = 'rules.yaml';
export const RULES_TEST_PATH = 'rules.test.yaml';
/** Cases that last an hour, and a day: evaluated less often, since every evaluation of all rules takes its time. */
export const LONG_TEST_PATHS = ['test/rules-default/hours.test.yaml', 'test/rules-default/long.test.yaml'] as const;

/** Labels that a default rule may set itself. */
const OWN_LABELS = ['action', 'audience', 'copies', 'resource', 'severity'] as const;

/** The rules that Belfry ships, in the order of the file. */
export const defaultRules: readonly DefaultRule[] = ruleFileSchema
  .parse(parseDocument(readFileSync(RULES_PATH, 'utf8')).toJS())
  .groups.flatMap(({ rules }) => rules)
  .map((rule) => ({ ...rule, id: idOf(rule.alert, rule.labels) }));

/** The same for a rule and for an alert it fires: of the labels only those that a rule sets. A permission's `resource` comes with its series. */
export function idOf(alert: string, labels: Readonly<Record<string, string>>): string {
  const isOwn = (name: string): boolean => labels[name] !== undefined && (name !== 'resource' || labels['operation'] === undefined);
  const own = OWN_LABELS.filter(isOwn).map((name) => `${name}="${labels[name]}"`);
  return `${alert}{${own.join(', ')}}`;
}

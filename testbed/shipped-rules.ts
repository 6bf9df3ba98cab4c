import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseDocument } from 'yaml';

const DEFAULT_RULES = fileURLToPath(new URL('../rules.yaml', import.meta.url));

export interface RuleChanges {
  /** Alert names; all others are left out. Default all. */
  readonly only?: readonly string[];
  /** By alert name: the `for` of all its rules. */
  readonly for?: Readonly<Record<string, string>>;
  /** By alert name: the `keep_firing_for` of its rules that have one. */
  readonly keepFiringFor?: Readonly<Record<string, string>>;
  /** By alert name: parts of its expressions to replace, such as a window `[5m]` by `[5s]`, also in what it recovers by. */
  readonly windows?: Readonly<Record<string, Readonly<Record<string, string>>>>;
}

/**
 * The shipped rules, the same expressions with shorter durations. Groups with a changed rule are evaluated every second.
 * Throws where a name or a part to replace is not in them, so that no test goes on with a rule that has been renamed.
 */
export function shippedRules({ only, for: durations = {}, keepFiringFor = {}, windows = {} }: RuleChanges): string {
  const file = parseDocument(readFileSync(DEFAULT_RULES, 'utf8')).toJS() as { groups: { interval: string; rules: RuleFields[] }[] };
  const names = new Set(file.groups.flatMap(({ rules }) => rules.map(({ alert }) => alert)));
  for (const name of [...(only ?? []), ...Object.keys(durations), ...Object.keys(windows)]) {
    if (!names.has(name)) throw new Error(`the shipped rules have no ${name}`);
  }
  for (const [name, replacements] of Object.entries(windows)) {
    const expressions = file.groups.flatMap(({ rules }) => rules.filter(({ alert }) => alert === name).map(({ expr }) => expr));
    for (const from of Object.keys(replacements)) {
      if (!expressions.some((expr) => expr.includes(from))) throw new Error(`${name} has no ${from} in its expressions`);
    }
  }
  for (const group of file.groups) {
    if (only !== undefined) group.rules = group.rules.filter(({ alert }) => only.includes(alert));
    for (const rule of group.rules) {
      const duration = durations[rule.alert];
      const replacements = Object.entries(windows[rule.alert] ?? {});
      const kept = keepFiringFor[rule.alert];
      if (duration !== undefined) rule.for = duration;
      if (kept !== undefined && rule.keep_firing_for !== undefined) rule.keep_firing_for = kept;
      for (const [from, to] of replacements) {
        rule.expr = rule.expr.replaceAll(from, to);
        const recover = rule.annotations?.['belfry_recover'];
        if (recover !== undefined) rule.annotations = { ...rule.annotations, belfry_recover: recover.replaceAll(from, to) };
      }
      if (duration !== undefined || replacements.length > 0) group.interval = '1s';
    }
  }
  return JSON.stringify({ groups: file.groups.filter(({ rules }) => rules.length > 0) });
}

interface RuleFields {
  alert: string;
  expr: string;
  for?: string;
  keep_firing_for?: string;
  annotations?: Readonly<Record<string, string>>;
}

import { nearestName } from '../core/nearest.ts';
import { parse, type ParseOptions } from '../promql/parse.ts';
import { actionWithoutCluster, diskFullRepair, forBelowInterval, rawCounter, recoverSide, unknownMetric } from './lint-checks.ts';
import type { Expr } from '../promql/ast.ts';
import type { RuleFile } from './load.ts';
import type { GroupDefinition, RuleDefinition, RuleSet } from './model.ts';

/** Every lint there is, by the name that switches it on and off. */
export const LINTS = [
  'duplicate-rules',
  'unknown-metric',
  'for-below-interval',
  'raw-counter',
  'recover-side',
  'action-without-cluster',
  'disk-full-repair',
] as const;

export type Lint = (typeof LINTS)[number];

/** What is known of a metric name: it has been seen, it is another's and cannot be judged, or nobody has ever seen it. */
export interface KnownMetrics {
  /** Undefined where it cannot be said. */
  seen(name: string): boolean | undefined;
  /** `counter`, `gauge` and so on, where the page it came from said so. */
  typeOf(name: string): string | undefined;
  /** For the nearest one to a misspelt name. */
  readonly names: Iterable<string>;
}

export interface LintOptions {
  readonly lints: ReadonlySet<Lint>;
  readonly metrics: KnownMetrics;
}

/** Something in a rule that is legal and most likely a mistake. */
export interface LintFinding {
  readonly file: string;
  readonly line: number;
  readonly lint: Lint;
  readonly message: string;
}

/** What a check sees of a rule. */
export interface LintedRule {
  readonly rule: RuleDefinition;
  readonly group: GroupDefinition;
  readonly expr: Expr;
  /** What of experimental PromQL is enabled. */
  readonly promql: ParseOptions | undefined;
  readonly metrics: KnownMetrics;
  /** Names that recording rules of the same files make. */
  readonly recorded: ReadonlySet<string>;
  /** The nearest known name, as `, did you mean x?`. */
  readonly nearest: (name: string) => string;
}

const CHECKS: Readonly<Record<Exclude<Lint, 'duplicate-rules'>, (linted: LintedRule) => readonly string[]>> = {
  'unknown-metric': unknownMetric,
  'for-below-interval': forBelowInterval,
  'raw-counter': rawCounter,
  'recover-side': recoverSide,
  'action-without-cluster': actionWithoutCluster,
  'disk-full-repair': diskFullRepair,
};

/** As a rule file's lines are counted. */
const LINE_END = /\r\n?|\n/;
const DISABLE = /#.*\bbelfry:lint-disable\s+([\w-]+(?:\s*,\s*[\w-]+)*)/;

/** Looks for mistakes that no parser can see. A rule says with `# belfry:lint-disable NAME` what does not apply to it. */
export function lintRules(ruleSet: RuleSet, files: readonly RuleFile[], { lints, metrics }: LintOptions): readonly LintFinding[] {
  const found: LintFinding[] = [];
  const recorded = new Set(ruleSet.groups.flatMap(({ rules }) => rules.flatMap(({ kind, name }) => (kind === 'recording' ? [name] : []))));
  const names = [...recorded, ...metrics.names];
  const nearest = (name: string): string => {
    const other = nearestName(name, names);
    return other === undefined ? '' : `, did you mean ${other}?`;
  };
  const add = (group: GroupDefinition, rule: RuleDefinition, lint: Lint, cause: string): void => {
    const message = `group ${JSON.stringify(group.name)}, ${JSON.stringify(rule.name)}: ${cause}`;
    found.push({ file: group.file, line: rule.line, lint, message });
  };
  for (const { path, text } of files) {
    const groups = ruleSet.groups.filter(({ file }) => file === path);
    const exempt = exemptions(text, groups);
    const isOn = (rule: RuleDefinition, lint: Lint): boolean => lints.has(lint) && exempt.get(rule)?.has(lint) !== true;
    for (const { rule, group } of duplicates(groups))
      if (isOn(rule, 'duplicate-rules')) add(group, rule, 'duplicate-rules', 'a second rule with this name and these labels');
    for (const group of groups) {
      for (const rule of group.rules) {
        const linted: LintedRule = {
          rule,
          group,
          expr: parse(rule.expression.text, ruleSet.promql),
          promql: ruleSet.promql,
          metrics,
          recorded,
          nearest,
        };
        for (const lint of LINTS) {
          if (lint === 'duplicate-rules' || !isOn(rule, lint)) continue;
          for (const cause of CHECKS[lint](linted)) add(group, rule, lint, cause);
        }
      }
    }
  }
  return found.toSorted((a, b) => (a.file === b.file ? a.line - b.line : 0));
}

/** Comments that name a lint no one has; they switch off nothing. */
export function unknownExemptions({ path, text }: RuleFile): readonly { file: string; line: number; name: string }[] {
  const known = new Set<string>(LINTS);
  return text.split(LINE_END).flatMap((line, i) =>
    namesIn(line)
      .filter((name) => !known.has(name))
      .map((name) => ({ file: path, line: i + 1, name })),
  );
}

function namesIn(line: string): readonly string[] {
  return DISABLE.exec(line)?.[1]?.split(/\s*,\s*/) ?? [];
}

/** What comments switch off: in the lines of the rule, or alone on a line right above it. */
function exemptions(text: string, groups: readonly GroupDefinition[]): ReadonlyMap<RuleDefinition, ReadonlySet<string>> {
  const lines = text.split(LINE_END);
  const rules = groups.flatMap((group) => group.rules).toSorted((a, b) => a.line - b.line);
  const startOf = (rule: RuleDefinition | undefined): number => {
    let start = (rule?.line ?? lines.length + 1) - 1;
    while (rule !== undefined && start > 0 && /^\s*#/.test(lines[start - 1] ?? '')) start--;
    return start;
  };
  return new Map(
    rules.map((rule, i) => [rule, new Set(lines.slice(startOf(rule), startOf(rules[i + 1])).flatMap((line) => namesIn(line)))] as const),
  );
}

/** As promtool's own lint: the same name and the same labels a second time in a file, whatever the expressions. */
function duplicates(groups: readonly GroupDefinition[]): readonly { rule: RuleDefinition; group: GroupDefinition }[] {
  const seen = new Set<string>();
  return groups.flatMap((group) =>
    group.rules.flatMap((rule) => {
      const labels = rule.kind === 'recording' ? [...rule.labels] : rule.labels.map(({ name, template }) => [name, template.text] as const);
      const key = JSON.stringify([rule.name, labels.toSorted(([a], [b]) => (a < b ? -1 : 1))]);
      const isSecond = seen.has(key);
      seen.add(key);
      return isSecond ? [{ rule, group }] : [];
    }),
  );
}

import type { SelectorInfo } from '../promql/prepare.ts';
import type { RuleDefinition, RuleSet } from './model.ts';

const SYNTHETIC: ReadonlySet<string> = new Set(['ALERTS', 'ALERTS_FOR_STATE']);
const MAX_DEPTH = 10;

/**
 * What an expression reads that somebody collects. A recorded series that is not there is a result and not missing
 * data: in its place stand the selectors of the rule that records it. `ALERTS` are never missing data.
 */
export class InputSelectors {
  readonly #recording = new Map<string, RuleDefinition[]>();
  readonly #known = new Map<RuleDefinition, readonly SelectorInfo[]>();

  constructor(ruleSet: RuleSet) {
    for (const { rules } of ruleSet.groups) {
      for (const rule of rules) {
        if (rule.kind !== 'recording') continue;
        const rules = this.#recording.get(rule.name) ?? [];
        rules.push(rule);
        this.#recording.set(rule.name, rules);
      }
    }
  }

  /** The same object for the same rule each time. */
  of(rule: RuleDefinition): readonly SelectorInfo[] {
    let selectors = this.#known.get(rule);
    if (selectors === undefined) this.#known.set(rule, (selectors = this.#collect(rule, 0, new Set())));
    return selectors;
  }

  #collect(rule: RuleDefinition, depth: number, seen: Set<RuleDefinition>): readonly SelectorInfo[] {
    if (depth > MAX_DEPTH || seen.has(rule)) return [];
    seen.add(rule);
    return rule.expression.selectors.flatMap((selector) => {
      const name = selector.metricName ?? '';
      if (SYNTHETIC.has(name)) return [];
      const recording = this.#recording.get(name);
      return recording === undefined ? [selector] : recording.flatMap((source) => this.#collect(source, depth + 1, seen));
    });
  }
}

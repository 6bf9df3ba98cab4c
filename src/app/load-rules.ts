import type { BelfryConfig } from '../config/config.ts';
import { parseRuleFiles, readRuleFiles } from '../rules/load.ts';
import type { RuleSet } from '../rules/model.ts';

/** Reads the configured rule files. Throws `CONFIG_UNREADABLE`, or one `RULES_INVALID` that lists every mistake, a line each. */
export async function loadRules(config: BelfryConfig): Promise<RuleSet> {
  return parseRuleFiles(await readRuleFiles(config.ruleFiles), {
    evaluationIntervalMs: config.evaluationIntervalMs,
  });
}

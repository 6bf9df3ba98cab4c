import type { BelfryConfig } from '../config/config.ts';
import type { Clock } from '../core/clock.ts';
import type { Logger } from '../core/log.ts';
import { Slices } from '../core/slices.ts';
import { parseRuleFilesInSlices, readRuleFiles } from '../rules/load.ts';
import type { RuleSet } from '../rules/model.ts';

/** Reads the configured rule files. Throws `CONFIG_UNREADABLE`, or one `RULES_INVALID` that lists every mistake, a line each. Gives way. */
export async function loadRules(config: BelfryConfig, clock: Clock, log: Logger): Promise<RuleSet> {
  const files = await readRuleFiles(config.ruleFiles);
  const { evaluationIntervalMs, promql } = config;
  const ruleSet = await parseRuleFilesInSlices(files, { evaluationIntervalMs, promql }, new Slices(clock));
  for (const warning of ruleSet.warnings) log.warn('rule_file_in_part', { warning });
  return ruleSet;
}

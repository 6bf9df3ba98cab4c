import type { BelfryConfig } from '../config/config.ts';
import type { Clock } from '../core/clock.ts';
import { Slices } from '../core/slices.ts';
import { parseRuleFilesInSlices, readRuleFiles } from '../rules/load.ts';
import type { RuleSet } from '../rules/model.ts';

/** Reads the configured rule files. Throws `CONFIG_UNREADABLE`, or one `RULES_INVALID` that lists every mistake, a line each. Gives way. */
export async function loadRules(config: BelfryConfig, clock: Clock): Promise<RuleSet> {
  const files = await readRuleFiles(config.ruleFiles);
  const { evaluationIntervalMs, promql } = config;
  return await parseRuleFilesInSlices(files, { evaluationIntervalMs, promql }, new Slices(clock));
}

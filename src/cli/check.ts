import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { parseDocument } from 'yaml';
import { loadConfig } from '../config/load.ts';
import { problemText } from '../config/problems.ts';
import { BelfryError, errorText } from '../core/errors.ts';
import { checkRuleFiles, readRuleFiles } from '../rules/load.ts';
import { DEFAULT_EVALUATION_INTERVAL_MS } from '../rules/ports.ts';
import { formatProblem } from '../rules/yaml-reader.ts';
import { type ConfigOptions, loadOptionsOf } from './config-options.ts';
import type { CliContext } from './context.ts';
import { printable } from './table.ts';

interface Checked {
  readonly file: string;
  readonly summary: string;
  readonly problems: readonly string[];
  readonly warnings: readonly string[];
}

/** `belfry check`: every mistake of configurations and rule files, offline. */
export function checkCommand(program: Command, context: CliContext): void {
  program
    .command('check')
    .description('check configurations and rule files: every mistake at once, with line and column')
    .argument('[files...]', 'belfry.yaml, rule files or both; belfry.yaml of this folder where none is given')
    .option('--json', 'the findings as JSON')
    .addHelpText(
      'after',
      '\n' +
        'It connects to nothing and reads no secret, so that it can run in CI.\n' +
        'A configuration is checked with the rule files it names.\n\n' +
        'Exit status: 0 when all is well, 1 when something is wrong.',
    )
    .action(async (files: readonly string[], options: { json?: boolean }) => {
      const checked: Checked[] = [];
      for (const file of files.length === 0 ? [defaultFile(context)] : files) checked.push(await check(file, context));
      if (checked.some(({ problems }) => problems.length > 0)) context.setExitCode(1);
      if (options.json === true) context.out.write(`${JSON.stringify({ files: checked }, null, 2)}\n`);
      else for (const result of checked) report(result, context);
    });
}

function defaultFile(context: CliContext): string {
  const options: ConfigOptions = {};
  const { path } = loadOptionsOf(options, context);
  if (path === undefined) throw new BelfryError('BAD_REQUEST', 'no belfry.yaml in this folder: name the files to check');
  return path;
}

async function check(file: string, context: CliContext): Promise<Checked> {
  let text: string;
  try {
    text = readFileSync(join(file), 'utf8');
  } catch (error) {
    return { file, summary: '', problems: [`${file}:1:1 cannot read it: ${errorText(error)}`], warnings: [] };
  }
  return isRuleFile(text) ? checkRules([file]) : checkConfig(file, context);
}

/** A rule file is known by its one key, so that both kinds can be named in one command. */
function isRuleFile(text: string): boolean {
  const value: unknown = parseDocument(text).toJS({ maxAliasCount: 100 });
  return typeof value === 'object' && value !== null && 'groups' in value;
}

async function checkConfig(file: string, context: CliContext): Promise<Checked> {
  const { config, problems } = loadConfig({ ...loadOptionsOf({ config: file }, context), readSecrets: false });
  if (config === undefined) return { file, summary: '', problems: problems.map(problemText), warnings: [] };
  const rules = await checkRules(config.ruleFiles);
  return { ...rules, file, summary: `${config.clusters.length} clusters, ${config.owners.length} owners, ${rules.summary}` };
}

async function checkRules(files: readonly string[]): Promise<Checked> {
  const { ruleSet, problems } = checkRuleFiles(await readRuleFiles(files), { evaluationIntervalMs: DEFAULT_EVALUATION_INTERVAL_MS });
  const rules = ruleSet.groups.reduce((sum, group) => sum + group.rules.length, 0);
  return { file: files.join(', '), summary: `${rules} rules`, problems: problems.map(formatProblem), warnings: ruleSet.warnings };
}

function report({ file, summary, problems, warnings }: Checked, { out, err }: CliContext): void {
  for (const warning of warnings) err.write(`warning: ${printable(warning)}\n`);
  for (const problem of problems) err.write(`${printable(problem)}\n`);
  out.write(problems.length === 0 ? `${file}: ok, ${summary}\n` : `${file}: ${problems.length} mistakes\n`);
}

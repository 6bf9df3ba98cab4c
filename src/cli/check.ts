import { readdirSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import { isMap, parseDocument } from 'yaml';
import { loadConfig } from '../config/load.ts';
import { problemText } from '../config/problems.ts';
import { readTextFile } from '../config/secrets.ts';
import { BelfryError, errorText } from '../core/errors.ts';
import { checkRuleFiles, readRuleFiles } from '../rules/load.ts';
import { DEFAULT_EVALUATION_INTERVAL_MS } from '../rules/ports.ts';
import { formatProblem } from '../rules/yaml-reader.ts';
import { type ConfigOptions, loadOptionsOf } from './config-options.ts';
import type { CliContext } from './context.ts';
import { printable } from './table.ts';

const MAX_FILE_BYTES = 16 * 1024 * 1024;

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
      for (const file of filesOf(files, context)) checked.push(await check(file, context));
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

/** The files that are named; of a folder those that end as YAML does, in the order of their names. */
function filesOf(named: readonly string[], context: CliContext): readonly string[] {
  if (named.length === 0) return [defaultFile(context)];
  return named.flatMap((path) => {
    const absolute = resolve(context.workingFolder, path);
    if (statSync(absolute, { throwIfNoEntry: false })?.isDirectory() !== true) return [path];
    const found = readdirSync(absolute).filter((name) => /^[^.].*\.ya?ml$/i.test(name));
    if (found.length === 0) throw new BelfryError('BAD_REQUEST', `no YAML file in ${path}`);
    return found.toSorted().map((name) => join(path, name));
  });
}

async function check(file: string, context: CliContext): Promise<Checked> {
  let text: string;
  try {
    text = readTextFile(resolve(context.workingFolder, file), MAX_FILE_BYTES);
  } catch (error) {
    return { file, summary: '', problems: [`${file}:1:1 cannot read it: ${errorText(error)}`], warnings: [] };
  }
  return isRuleFile(text) ? checkRules([file], context, DEFAULT_EVALUATION_INTERVAL_MS) : checkConfig(file, context);
}

/** A rule file is known by its one key, so that both kinds can be named in one command. */
function isRuleFile(text: string): boolean {
  const { contents } = parseDocument(text, { prettyErrors: false, logLevel: 'silent' });
  return isMap(contents) && contents.has('groups');
}

/** The configuration's mistakes and those of the rule files it names, as far as it could be read. */
async function checkConfig(file: string, context: CliContext): Promise<Checked> {
  const { config, problems, ruleFiles } = loadConfig({ ...loadOptionsOf({ config: file }, context), readSecrets: false });
  const rules = await checkRules(ruleFiles, context, config?.evaluationIntervalMs ?? DEFAULT_EVALUATION_INTERVAL_MS);
  const parts = config === undefined ? [] : [count(config.clusters.length, 'cluster'), count(config.owners.length, 'owner')];
  return { ...rules, file, summary: [...parts, rules.summary].join(', '), problems: [...problems.map(problemText), ...rules.problems] };
}

async function checkRules(files: readonly string[], { workingFolder }: CliContext, evaluationIntervalMs: number): Promise<Checked> {
  const file = files.join(', ');
  try {
    const read = await readRuleFiles(files.map((path) => resolve(workingFolder, path)));
    const named = read.map(({ text }, i) => ({ path: files[i] ?? '', text }));
    const { ruleSet, problems } = checkRuleFiles(named, { evaluationIntervalMs });
    const rules = ruleSet.groups.reduce((sum, group) => sum + group.rules.length, 0);
    return { file, summary: count(rules, 'rule'), problems: problems.map(formatProblem), warnings: ruleSet.warnings };
  } catch (error) {
    return { file, summary: '', problems: [errorText(error)], warnings: [] };
  }
}

function count(n: number, what: string): string {
  return `${n} ${what}${n === 1 ? '' : 's'}`;
}

function report({ file, summary, problems, warnings }: Checked, { out, err }: CliContext): void {
  for (const warning of warnings) err.write(`warning: ${printable(warning)}\n`);
  for (const problem of problems) err.write(`${printable(problem)}\n`);
  out.write(`${printable(file)}: ${problems.length === 0 ? `ok, ${summary}` : count(problems.length, 'mistake')}\n`);
}

import { readdirSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import { isMap, isSeq } from 'yaml';
import type { BelfryConfig } from '../config/config.ts';
import { loadConfig } from '../config/load.ts';
import { problemText } from '../config/problems.ts';
import { readTextFile } from '../config/secrets.ts';
import { BelfryError, errorText } from '../core/errors.ts';
import { featuresOf } from '../promql/features.ts';
import type { ParseOptions } from '../promql/parse.ts';
import { lintRules, LINTS, unknownExemptions, type KnownMetrics, type Lint, type LintFinding, type LintOptions } from '../rules/lint.ts';
import { checkRuleFiles, isKubernetesRules, readRuleFiles } from '../rules/load.ts';
import { DEFAULT_EVALUATION_INTERVAL_MS } from '../rules/ports.ts';
import { formatProblem, hint, inOneGo, YamlReader } from '../rules/yaml-reader.ts';
import { BelfryClient, withClientOptions, type ClientOptions } from './client.ts';
import { type ConfigOptions, loadOptionsOf } from './config-options.ts';
import type { CliContext } from './context.ts';
import { ENABLE_FEATURE, IGNORE_UNKNOWN_FIELDS } from './enable-feature.ts';
import { documentedMetrics, storedMetrics } from './known-metrics.ts';
import { printable } from './table.ts';

const MAX_FILE_BYTES = 16 * 1024 * 1024;
/** As promtool: a lint that is to be fatal has found something. */
const EXIT_LINT = 3;

interface Options extends ClientOptions {
  readonly json?: boolean;
  readonly lint: string;
  readonly lintFatal?: boolean;
  readonly enableFeature?: readonly string[];
  readonly ignoreUnknownFields?: boolean;
}

/** How files are checked. */
interface Checking {
  readonly lint: LintOptions;
  readonly promql: ParseOptions;
  readonly evaluationIntervalMs?: number;
  readonly ignoreUnknownFields?: boolean;
}

interface Checked {
  readonly file: string;
  readonly summary: string;
  readonly problems: readonly string[];
  readonly warnings: readonly string[];
  readonly lint: readonly LintFinding[];
}

const HELP = `
It connects to nothing and reads no secret, so that it can run in CI; only with --url, not for BELFRY_URL alone, it
asks a running Belfry which metrics it has seen. A configuration is checked with the rule files it names.

Rule files are read as strictly as promtool check rules reads them: every mistake at once, as file:line:column.

Lints look for what is legal and most likely a mistake. All are on; --lint takes names, all or none:
  duplicate-rules         a second rule with the same name and labels
  unknown-metric          a metric that was never seen: by the Belfry of --url, else one of belfry_…, kafka_topic_…,
                          kafka_consumergroup_… or kafka_broker… that is not in docs/metrics.md
  for-below-interval      a "for" shorter than the interval of its group
  raw-counter             a counter compared with a number, where a rate or increase is meant
  recover-side            a belfry_recover that holds for values that fire
  action-without-cluster  a label "action" where the result has no label cluster
  disk-full-repair        "action: repair" for a disk that runs full
In a rule, or on the line above it, a comment switches some off:  # belfry:lint-disable raw-counter, unknown-metric

Exit status: 0 when all is well, 1 when something is wrong, 3 when --lint-fatal is given and only a lint found something.

Examples:
  belfry check                                  belfry.yaml of this folder and its rule files
  belfry check --lint=none rules/*.yaml         as promtool check rules --lint=none
  belfry check --lint-fatal --url http://127.0.0.1:9559 rules.yaml
`;

/** `belfry check`: every mistake of configurations and rule files, offline. */
export function checkCommand(program: Command, context: CliContext): void {
  const command = program
    .command('check')
    .description('check configurations and rule files: every mistake at once, with line and column')
    .argument('[files...]', 'belfry.yaml, rule files or both; belfry.yaml of this folder where none is given')
    .option('--lint <names>', 'the lints that look for likely mistakes: all, none, or some by name (see below)', 'all')
    .option('--lint-fatal', 'let what a lint finds fail the check, with exit status 3')
    .option(...ENABLE_FEATURE)
    .option(...IGNORE_UNKNOWN_FIELDS)
    .option('--json', 'the findings as JSON')
    .addHelpText('after', HELP);
  withClientOptions(command).action(async (files: readonly string[], options: Options) => {
    const { enableFeature = [], ignoreUnknownFields = false } = options;
    const checking: Checking = { promql: featuresOf(enableFeature), ignoreUnknownFields, lint: await lintOptionsOf(options, context) };
    const checked: Checked[] = [];
    for (const file of filesOf(files, context)) checked.push(await check(file, checking, context));
    if (checked.some(({ problems }) => problems.length > 0)) context.setExitCode(1);
    else if (options.lintFatal === true && checked.some(({ lint }) => lint.length > 0)) context.setExitCode(EXIT_LINT);
    if (options.json === true) context.out.write(`${JSON.stringify({ files: checked }, null, 2)}\n`);
    else for (const result of checked) report(result, context);
  });
}

async function lintOptionsOf(options: Options, context: CliContext): Promise<LintOptions> {
  const lints = lintsOf(options.lint);
  if (!lints.has('unknown-metric') && !lints.has('raw-counter')) return { lints, metrics: NOTHING_KNOWN };
  const metrics = options.url === undefined ? documentedMetrics(context) : await storedMetrics(new BelfryClient(options, context));
  return { lints, metrics };
}

const NOTHING_KNOWN: KnownMetrics = { names: [], seen: () => undefined, typeOf: () => undefined };

function lintsOf(text: string): ReadonlySet<Lint> {
  if (text === 'all') return new Set(LINTS);
  if (text === 'none') return new Set();
  return new Set(
    text.split(',').map((part) => {
      const name = part.trim();
      const lint = LINTS.find((candidate) => candidate === name);
      if (lint === undefined)
        throw new BelfryError('BAD_REQUEST', `no lint is called ${JSON.stringify(name)}${hint(name, [...LINTS, 'all', 'none'])}`);
      return lint;
    }),
  );
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

async function check(file: string, checking: Checking, context: CliContext): Promise<Checked> {
  let text: string;
  try {
    text = readTextFile(resolve(context.workingFolder, file), MAX_FILE_BYTES);
  } catch (error) {
    return { file, summary: '', problems: [`${file}:1:1 cannot read it: ${errorText(error)}`], warnings: [], lint: [] };
  }
  return isRuleFile(text) ? checkRules([file], checking, context) : checkConfig(file, checking, context);
}

/** A rule file is known by its one key, so that both kinds can be named in one command; what is nearly one is no configuration. */
function isRuleFile(text: string): boolean {
  const { root } = inOneGo(YamlReader.read('', text));
  return isSeq(root) || isKubernetesRules(root) || (isMap(root) && root.has('groups'));
}

/** The configuration's mistakes and those of the rule files it names, as far as it could be read. */
async function checkConfig(file: string, checking: Checking, context: CliContext): Promise<Checked> {
  const { config, problems, ruleFiles } = loadConfig({ ...loadOptionsOf({ config: file }, context), readSecrets: false });
  const configured: Checking = config === undefined ? checking : { ...checking, ...settingsOf(config, checking) };
  const rules = await checkRules(ruleFiles, configured, context);
  const parts = config === undefined ? [] : [count(config.clusters.length, 'cluster'), count(config.owners.length, 'owner')];
  return { ...rules, file, summary: [...parts, rules.summary].join(', '), problems: [...problems.map(problemText), ...rules.problems] };
}

/** What either the configuration or the command enables is enabled; what the running process refuses is a mistake. */
function settingsOf({ evaluationIntervalMs, promql }: BelfryConfig, { promql: told }: Checking): Partial<Checking> {
  return { evaluationIntervalMs, ignoreUnknownFields: false, promql: { ...promql, ...told } };
}

async function checkRules(files: readonly string[], checking: Checking, { workingFolder }: CliContext): Promise<Checked> {
  const { lint, promql, ignoreUnknownFields = false, evaluationIntervalMs = DEFAULT_EVALUATION_INTERVAL_MS } = checking;
  const file = files.join(', ');
  try {
    const read = await readRuleFiles(files.map((path) => resolve(workingFolder, path)));
    const named = read.map(({ text }, i) => ({ path: files[i] ?? '', text }));
    const { ruleSet, problems } = checkRuleFiles(named, { evaluationIntervalMs, ignoreUnknownFields, promql });
    const rules = ruleSet.groups.reduce((sum, group) => sum + group.rules.length, 0);
    return {
      file,
      summary: count(rules, 'rule'),
      problems: problems.map(formatProblem),
      warnings: [
        ...ruleSet.warnings,
        ...named.flatMap(unknownExemptions).map((found) => `${found.file}:${found.line}: no lint is called ${found.name}`),
      ],
      lint: lintRules(ruleSet, named, lint),
    };
  } catch (error) {
    return { file, summary: '', problems: [errorText(error)], warnings: [], lint: [] };
  }
}

function count(n: number, what: string): string {
  return `${n} ${what}${n === 1 ? '' : 's'}`;
}

function report({ file, summary, problems, warnings, lint }: Checked, { out, err }: CliContext): void {
  for (const warning of warnings) err.write(`warning: ${printable(warning)}\n`);
  for (const found of lint) err.write(`lint: ${printable(`${found.file}:${found.line}: ${found.message} [${found.lint}]`)}\n`);
  for (const problem of problems) err.write(`${printable(problem)}\n`);
  const linted = lint.length === 0 ? '' : `, ${count(lint.length, 'finding')} of lint`;
  out.write(`${printable(file)}: ${problems.length === 0 ? `ok, ${summary}` : count(problems.length, 'mistake')}${linted}\n`);
}

import { readFile } from 'node:fs/promises';
import { isMap } from 'yaml';
import { BelfryError, errorText } from '../core/errors.ts';
import { readRule } from './load-rule.ts';
import { formatProblem, inOneGo, YamlReader } from './yaml-reader.ts';
import type { Steps } from './yaml-documents.ts';
import type { GroupContext } from './load-rule.ts';
import type { GroupDefinition, RuleDefinition, RuleSet } from './model.ts';
import type { ParseOptions } from '../promql/parse.ts';
import type { RuleProblem, YamlFields, YamlNode } from './yaml-reader.ts';

export interface RuleFile {
  /** As errors and the API call it. */
  readonly path: string;
  readonly text: string;
}

export interface LoadOptions {
  /** For groups without an `interval`. */
  readonly evaluationIntervalMs: number;
  /** As Prometheus would: directives such as `belfry_no_data` are checked but are nothing but annotations. */
  readonly ignoreDirectives?: boolean;
  /** Leave out keys that Prometheus does not know, such as those of Thanos and Mimir, instead of refusing them. */
  readonly ignoreUnknownFields?: boolean;
  /** What of experimental PromQL is enabled. */
  readonly promql?: ParseOptions;
}

export interface CheckedRules {
  readonly ruleSet: RuleSet;
  readonly problems: readonly RuleProblem[];
}

const MAX_FILE_LENGTH = 16 * 1024 * 1024;
const MAX_RULES = 100_000;
const GROUP_FIELDS = ['name', 'interval', 'query_offset', 'limit', 'labels', 'rules'];

/** Reads rule files from disk. Throws `CONFIG_UNREADABLE` naming the file. */
export function readRuleFiles(paths: readonly string[]): Promise<readonly RuleFile[]> {
  return Promise.all(
    paths.map(async (path) => {
      try {
        return { path, text: await readFile(path, 'utf8') };
      } catch (cause) {
        throw new BelfryError('CONFIG_UNREADABLE', `${path}: ${errorText(cause)}`, { cause });
      }
    }),
  );
}

/**
 * Parses rule files as strictly as Prometheus (model/rulefmt), with Belfry's annotations. Throws `RULES_INVALID` whose
 * text holds every mistake of all files, one a line: `file:line:col: group "g", rule 3, "Name": cause`.
 */
export function parseRuleFiles(files: readonly RuleFile[], options: LoadOptions): RuleSet {
  return withoutProblems(checkRuleFiles(files, options));
}

/** Like `parseRuleFiles`, beside others: gives way to them when a slice is over. */
export async function parseRuleFilesInSlices(
  files: readonly RuleFile[],
  options: LoadOptions,
  slices: { readonly due: boolean; pause(): Promise<void> },
): Promise<RuleSet> {
  const steps = readInSteps(files, options);
  let step = steps.next();
  while (step.done !== true) {
    if (slices.due) await slices.pause();
    step = steps.next();
  }
  return withoutProblems(step.value);
}

function withoutProblems({ ruleSet, problems }: CheckedRules): RuleSet {
  if (problems.length > 0) throw new BelfryError('RULES_INVALID', problems.map(formatProblem).join('\n'));
  return ruleSet;
}

/** Like `parseRuleFiles`, but returns the mistakes; the rule set then lacks what is wrong. */
export function checkRuleFiles(files: readonly RuleFile[], options: LoadOptions): CheckedRules {
  return inOneGo(readInSteps(files, options));
}

function* readInSteps(files: readonly RuleFile[], options: LoadOptions): Steps<CheckedRules> {
  const groups: GroupDefinition[] = [];
  const problems: RuleProblem[] = [];
  const warnings: string[] = [];
  for (const file of files) {
    if (file.text.length > MAX_FILE_LENGTH) {
      problems.push({ file: file.path, line: 1, column: 1, message: `larger than ${MAX_FILE_LENGTH} characters` });
      continue;
    }
    const reader = yield* YamlReader.read(file.path, file.text, options.ignoreUnknownFields);
    // One by one: a call does not take as many arguments as a large file has groups or mistakes.
    if (reader.problems.length === 0) for (const group of yield* readGroups(reader, options)) groups.push(group);
    for (const problem of reader.problems) problems.push(problem);
    warnings.push(...reader.warnings.map(formatProblem));
  }
  const seen = new Set<string>();
  for (const [index, file] of files.entries()) {
    if (seen.has(file.path)) problems.push({ file: file.path, line: 1, column: 1, message: `named twice (place ${index + 1})` });
    seen.add(file.path);
  }
  return { ruleSet: { groups, warnings, ...(options.promql === undefined ? {} : { promql: options.promql }) }, problems };
}

/** The object in which the Prometheus operator is given rules; its groups stand under `spec`. */
export function isKubernetesRules(root: YamlNode): boolean {
  return isMap(root) && root.get('kind') === 'PrometheusRule';
}

function* readGroups(reader: YamlReader, options: LoadOptions): Steps<readonly GroupDefinition[]> {
  if (isKubernetesRules(reader.root) && options.ignoreUnknownFields !== true) {
    reader.problem(reader.root, '', 'a PrometheusRule of Kubernetes: a rule file is what stands in it under "spec", from "groups" on');
    return [];
  }
  const top = reader.fields(reader.root, '', ['groups']);
  const groups: GroupDefinition[] = [];
  const names = new Set<string>();
  let rules = 0;
  for (const node of reader.list(top.get('groups'), 'groups')) {
    const fields = reader.fields(node, 'groups', GROUP_FIELDS);
    const name = reader.text(fields.get('name'), 'group name') ?? '';
    const context = `group ${JSON.stringify(name)}`;
    if (name === '') reader.problem(node, '', 'a group must have a name');
    else if (names.has(name)) reader.problem(fields.get('name'), context, 'the name is used twice in this file');
    names.add(name);
    const group = yield* readGroup(reader, fields, name, options);
    rules += group.rules.length;
    if (rules > MAX_RULES) {
      reader.problem(node, context, `more than ${MAX_RULES} rules in one file`);
      break;
    }
    groups.push(group);
  }
  return groups;
}

function* readGroup(reader: YamlReader, fields: YamlFields, name: string, options: LoadOptions): Steps<GroupDefinition> {
  const context = `group ${JSON.stringify(name)}`;
  const intervalMs = reader.duration(fields, 'interval', context) || options.evaluationIntervalMs;
  const queryOffsetMs = reader.duration(fields, 'query_offset', context);
  const limit = reader.integer(fields, 'limit', context);
  const group: GroupContext = {
    file: reader.file,
    name,
    labels: readGroupLabels(reader, fields, context),
    ignoreDirectives: options.ignoreDirectives === true,
    promql: options.promql ?? {},
  };
  const counts = new Map<string, number>();
  const rules: RuleDefinition[] = [];
  for (const [index, node] of reader.list(fields.get('rules'), context).entries()) {
    const rule = readRule(reader, node, group, index + 1, counts);
    if (rule !== undefined) rules.push(rule);
    yield;
  }
  const contentKey = JSON.stringify([reader.file, name, intervalMs, queryOffsetMs, limit, rules.map(ruleContent)]);
  return { file: reader.file, name, intervalMs, queryOffsetMs, limit, rules, contentKey };
}

function readGroupLabels(reader: YamlReader, fields: YamlFields, context: string): GroupContext['labels'] {
  const labels: GroupContext['labels'][number][] = [];
  for (const { key, keyNode, value } of reader.entries(fields.get('labels'), `${context}, labels`) ?? []) {
    if (key === '' || key === '__name__') reader.problem(keyNode, context, `invalid label name: ${JSON.stringify(key)}`);
    else if (key === 'action') reader.problem(keyNode, context, 'the label action must stand in the labels of a rule');
    else labels.push({ name: key, text: reader.text(value, `${context}, label ${key}`) ?? '', node: value });
  }
  return labels;
}

/** What of a rule makes a group another one. */
function ruleContent(rule: RuleDefinition): unknown {
  const { key, kind, expression } = rule;
  if (rule.kind === 'recording') return [key, kind, expression.text, rule.labels];
  const texts = (list: typeof rule.labels): unknown => list.map(({ name, template }) => [name, template.text]);
  const { forMs, keepFiringForMs, noData, recover, wake } = rule;
  return [key, kind, expression.text, forMs, keepFiringForMs, texts(rule.labels), texts(rule.annotations), noData, recover?.text, wake];
}

import { writeFileSync } from 'node:fs';
import { relative, resolve } from 'node:path';
import type { Command } from 'commander';
import { BelfryError, errorText } from '../core/errors.ts';
import { compileRegex } from '../core/regex.ts';
import { featuresOf } from '../promql/features.ts';
import { loadUnitTest, runUnitTest, type UnitTestFailure, type UnitTestOptions, type UnitTestReport } from '../rules/unit-test.ts';
import type { CliContext } from './context.ts';
import { collect, ENABLE_FEATURE, IGNORE_UNKNOWN_FIELDS } from './enable-feature.ts';
import { junitOf } from './junit.ts';
import { printable } from './table.ts';

interface Options {
  readonly run?: readonly string[];
  readonly obeyDirectives?: boolean;
  readonly enableFeature?: readonly string[];
  readonly ignoreUnknownFields?: boolean;
  readonly json?: boolean;
  readonly junit?: string;
}

/** How one file went. */
export interface Tested {
  readonly file: string;
  readonly passed: number;
  readonly tests: UnitTestReport['tests'];
  readonly failures: readonly UnitTestFailure[];
  /** Why the file could not be run at all, one mistake a line. */
  readonly problems: readonly string[];
  readonly warnings: readonly string[];
}

const HELP = `
The format is that of promtool test rules, and so are the verdicts: annotations such as belfry_no_data are texts like
any other, unless --obey-directives is given. A smallest file:

  rule_files: [rules.yaml]            # names and patterns, relative to this file
  evaluation_interval: 1m
  tests:
    - name: a broker that is down     # what --run looks at
      interval: 1m                    # between the values of input_series
      input_series:
        - {series: 'up{broker="1"}', values: '1x4 0x10'}   # 1 five times, then 0 eleven times
      alert_rule_test:
        - eval_time: 8m
          alertname: Down
          exp_alerts:
            - exp_labels: {broker: "1", severity: page}
              exp_annotations: {summary: broker 1 is down}
      promql_expr_test:
        - {expr: count(up == 0), eval_time: 8m, exp_samples: [{labels: '{}', value: 1}]}

values:  1 2 3 · 1x3 = 1 1 1 1 · 0+10x3 = 0 10 20 30 · 9-3x2 = 9 6 3 · _ and _x5 no sample · stale ends the series.

In a difference "-" is what was expected and is not there, "+" what is there and was not expected.

Exit status: 0 when all passed, 1 when some failed. What else there is: docs/rules.md.
`;

/** `belfry test`: the unit tests of rules, in promtool's format and with its verdicts. */
export function testCommand(program: Command, context: CliContext): void {
  program
    .command('test')
    .description('run unit tests of rules, in the format and with the verdicts of promtool test rules')
    .argument('<files...>', 'files of unit tests, such as rules.test.yaml')
    .option('--run <regex>', 'only tests whose name has a match; may be given several times', collect)
    .option('--obey-directives', 'follow annotations such as belfry_no_data, as the running Belfry does; promtool knows none')
    .option(...ENABLE_FEATURE)
    .option(...IGNORE_UNKNOWN_FIELDS)
    .option('--json', 'the findings as JSON')
    .option('--junit <file>', 'write the findings to a file as JUnit XML, for CI')
    .addHelpText('after', HELP)
    .action(async (files: readonly string[], options: Options) => {
      const settings = settingsOf(options);
      const tested: Tested[] = [];
      for (const file of files) tested.push(await test(file, settings, context));
      if (tested.some(({ failures, problems }) => failures.length + problems.length > 0)) context.setExitCode(1);
      if (options.junit !== undefined) writeFileSync(resolve(context.workingFolder, options.junit), junitOf(tested));
      if (options.json === true) context.out.write(`${JSON.stringify({ files: tested }, null, 2)}\n`);
      else for (const result of tested) report(result, context);
    });
}

function settingsOf({ run = [], obeyDirectives = false, ignoreUnknownFields = false, enableFeature = [] }: Options): UnitTestOptions {
  const settings = { obeyDirectives, ignoreUnknownFields, promql: featuresOf(enableFeature) };
  if (run.length === 0) return settings;
  const patterns = run.map((pattern) => compileRegex(pattern));
  return { ...settings, filter: (name) => patterns.some((pattern) => pattern.find(name)) };
}

async function test(path: string, options: UnitTestOptions, { workingFolder }: CliContext): Promise<Tested> {
  const none = { file: path, passed: 0, tests: [], failures: [], problems: [], warnings: [] };
  try {
    const { file, ruleFiles, unmatched } = await loadUnitTest(resolve(workingFolder, path));
    const warnings = unmatched.map((name) => `${path}: no file matches ${JSON.stringify(name)}`);
    const { passed, tests, failures, warnings: told } = runUnitTest(file, ruleFiles, options);
    warnings.push(...told.map((line) => fromFolder(line, workingFolder)));
    if (passed + failures.length === 0) warnings.push(`${path}: no test was run`);
    return { ...none, passed, tests, failures, warnings };
  } catch (error) {
    if (!(error instanceof BelfryError)) throw error;
    return { ...none, problems: problemsOf(error, workingFolder) };
  }
}

/** The mistakes one by one. */
function problemsOf(error: BelfryError, workingFolder: string): readonly string[] {
  const text = error.code === 'RULES_INVALID' ? error.message : errorText(error);
  return text.split('\n').map((line) => fromFolder(line, workingFolder));
}

/** What is said of a file, which is named from the folder the command runs in. */
function fromFolder(line: string, workingFolder: string): string {
  const [, path = '', rest = ''] = /^(\/[^:]*)(:.*)$/.exec(line) ?? [];
  return path === '' ? line : relative(workingFolder, path) + rest;
}

function report({ file, passed, failures, problems, warnings }: Tested, { out, err }: CliContext): void {
  for (const warning of warnings) err.write(`warning: ${printable(warning)}\n`);
  for (const problem of problems) err.write(`${printable(problem)}\n`);
  const name = printable(file);
  let last: string | undefined;
  for (const { test: title, line, message } of failures) {
    const heading = `${name}:${line} ${printable(title)}`;
    if (heading !== last) out.write(`${heading}\n`);
    last = heading;
    for (const part of message.split('\n')) out.write(`  ${printable(part)}\n`);
  }
  const failed = new Set(failures.map(({ test: title, line }) => `${line} ${title}`)).size;
  const counted = `${passed + failed} test${passed + failed === 1 ? '' : 's'}`;
  if (problems.length > 0) out.write(`${name}: could not be run\n`);
  else out.write(failed === 0 ? `${name}: ok, ${counted}\n` : `${name}: ${failed} of ${counted} failed\n`);
}

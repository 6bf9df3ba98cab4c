import { relative, resolve } from 'node:path';
import type { Command } from 'commander';
import { BelfryError, errorText } from '../core/errors.ts';
import { compileRegex } from '../core/regex.ts';
import { loadUnitTest, runUnitTest, type UnitTestFailure, type UnitTestOptions } from '../rules/unit-test.ts';
import type { CliContext } from './context.ts';
import { printable } from './table.ts';

interface Options {
  readonly run?: readonly string[];
  readonly obeyDirectives?: boolean;
  readonly json?: boolean;
}

interface Tested {
  readonly file: string;
  readonly passed: number;
  readonly failures: readonly UnitTestFailure[];
  /** Why the file could not be run at all, one mistake a line. */
  readonly problems: readonly string[];
  readonly warnings: readonly string[];
}

/** `belfry test`: the unit tests of rules, in promtool's format and with its verdicts. */
export function testCommand(program: Command, context: CliContext): void {
  program
    .command('test')
    .description('run unit tests of rules, in the format and with the verdicts of promtool test rules')
    .argument('<files...>', 'files of unit tests, such as rules.test.yaml')
    .option('--run <regex>', 'only tests whose name has a match; may be given several times', collect)
    .option('--obey-directives', 'follow annotations such as belfry_no_data, as the running Belfry does; promtool knows none')
    .option('--json', 'the findings as JSON')
    .addHelpText(
      'after',
      '\nIn a difference "-" is what was expected and is not there, "+" what is there and was not expected.\n\n' +
        'Exit status: 0 when all passed, 1 when some failed.',
    )
    .action(async (files: readonly string[], options: Options) => {
      const settings = settingsOf(options);
      const tested: Tested[] = [];
      for (const file of files) tested.push(await test(file, settings, context));
      if (tested.some(({ failures, problems }) => failures.length + problems.length > 0)) context.setExitCode(1);
      if (options.json === true) context.out.write(`${JSON.stringify({ files: tested }, null, 2)}\n`);
      else for (const result of tested) report(result, context);
    });
}

function collect(value: string, before: readonly string[] = []): readonly string[] {
  return [...before, value];
}

function settingsOf({ run = [], obeyDirectives = false }: Options): UnitTestOptions {
  if (run.length === 0) return { obeyDirectives };
  const patterns = run.map((pattern) => compileRegex(pattern));
  return { obeyDirectives, filter: (name) => patterns.some((pattern) => pattern.find(name)) };
}

async function test(path: string, options: UnitTestOptions, { workingFolder }: CliContext): Promise<Tested> {
  const none = { file: path, passed: 0, failures: [], problems: [], warnings: [] };
  try {
    const { file, ruleFiles, unmatched } = await loadUnitTest(resolve(workingFolder, path));
    const warnings = unmatched.map((name) => `${path}: no file matches ${JSON.stringify(name)}`);
    const { passed, failures } = runUnitTest(file, ruleFiles, options);
    if (passed + failures.length === 0) warnings.push(`${path}: no test was run`);
    return { ...none, passed, failures, warnings };
  } catch (error) {
    if (!(error instanceof BelfryError)) throw error;
    return { ...none, problems: problemsOf(error, workingFolder) };
  }
}

/** The mistakes one by one; files are named from the folder the command runs in. */
function problemsOf(error: BelfryError, workingFolder: string): readonly string[] {
  const text = error.code === 'RULES_INVALID' ? error.message : errorText(error);
  return text.split('\n').map((line) => {
    const [, path = '', rest = ''] = /^(\/[^:]*)(:.*)$/.exec(line) ?? [];
    return path === '' ? line : relative(workingFolder, path) + rest;
  });
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

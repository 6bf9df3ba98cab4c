import { join, relative, resolve } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { ReplayProgress } from '../app/replay-run.ts';
import { routingOf, type ReplayAnswer, type ReplaySpec } from '../app/replay-spec.ts';
import { replayInThread } from '../app/replay-thread.ts';
import type { BelfryConfig } from '../config/config.ts';
import { loadConfig } from '../config/load.ts';
import { problemText } from '../config/problems.ts';
import { parseDuration } from '../core/duration.ts';
import { BelfryError, errorText } from '../core/errors.ts';
import { parseFloatText } from '../core/number-format.ts';
import { parseRfc3339 } from '../core/rfc3339.ts';
import { readRuleFiles, type RuleFile } from '../rules/load.ts';
import { type ConfigOptions, loadOptionsOf, withConfigOptions } from './config-options.ts';
import type { CliContext } from './context.ts';
import { Progress } from './replay-progress.ts';
import { remoteReplay } from './replay-remote.ts';
import { answerText } from './replay-text.ts';

export interface ReplayOptions extends ConfigOptions {
  /** Milliseconds. */
  readonly since?: number;
  /** Unix milliseconds. */
  readonly start?: number;
  /** Unix milliseconds. */
  readonly end?: number;
  /** Milliseconds. */
  readonly step?: number;
  /** Milliseconds. */
  readonly warmup?: number;
  readonly compare?: string;
  readonly alert?: string;
  readonly cluster?: string;
  readonly json?: boolean;
  readonly data?: string;
  readonly url?: string;
}

const WEEK_MS = 7 * 24 * 3_600_000;
/** What a shell reports of a command that was interrupted. */
const EXIT_INTERRUPTED = 130;
/** The word for the rules that the configuration names, or that the running Belfry has loaded. */
const CURRENT = 'current';

const HELP = `
It says how often each alert of a rule file would have fired, for how long, and whom Belfry would have told. \`for\`,
keep_firing_for, recorded series, owners, inhibition and maintenance windows count as they do live. It reads
samples.db of the data folder, beside a running Belfry too, and changes nothing.

Examples:
  belfry replay new-rules.yaml --since 7d
  belfry replay new-rules.yaml --compare current       what would change, in pages a week for each owner
  belfry replay rules.yaml --alert DiskLow --json
  belfry replay rules.yaml --url http://belfry:9559    on the Belfry there, with its history and owners

Without a file it replays the rules of the configuration. Progress goes to standard error. Ctrl-C ends it with what was
found so far, said to be partial.

Exit status: 0 it came to the end, whatever fired; 1 it could not (rules with mistakes, no history); 2 a wrong command
line; 130 stopped by Ctrl-C.`;

/** `belfry replay`: rules over the stored history. */
export function replayCommand(program: Command, context: CliContext): void {
  withConfigOptions(program.command('replay'))
    .description('how often would these rules have fired? Run them over the stored history')
    .argument('[files...]', 'rule files; where none is named those of the configuration')
    .addOption(new Option('--since <duration>', 'so far back from the end').argParser(durationOf(1)).default(WEEK_MS, '7d'))
    .option('--start <time>', 'from this time: Unix seconds, or RFC 3339', timeOf)
    .option('--end <time>', 'up to this time; the newest sample where it is left out', timeOf)
    .option('--step <duration>', 'evaluate every group that often instead of at its own interval', durationOf(1000))
    .option(
      '--warmup <duration>',
      'evaluated before the start and not counted; what for and recorded series need where it is left out',
      durationOf(0),
    )
    .option('--compare <file>', "compare with the rules of that file, or with 'current'")
    .option('--alert <name>', 'only this alert')
    .option('--cluster <name>', 'only alerts of this cluster')
    .option('--json', 'everything, as JSON')
    .option('--data, --storage.path <folder>', 'the data folder; that of the configuration where it is left out')
    .option('--url <address>', 'on the Belfry that listens there (BELFRY_TOKEN, scope operate)')
    .addHelpText('after', HELP)
    .action(async (files: readonly string[], options: ReplayOptions & { 'storage.path'?: string }) => {
      const folder = options.data ?? options['storage.path'];
      await run(files, { ...options, ...(folder === undefined ? {} : { data: folder }) }, context);
    });
}

async function run(files: readonly string[], options: ReplayOptions, context: CliContext): Promise<void> {
  const progress = new Progress(context, options.compare === undefined ? 1 : 2);
  let answer: ReplayAnswer;
  try {
    answer =
      options.url === undefined
        ? await localReplay(files, options, context, (at) => progress.show(at))
        : await remoteReplay(await askedOf(files, options, context), options.url, context, (at) => progress.show(at));
  } finally {
    progress.end();
  }
  context.out.write(options.json === true ? `${JSON.stringify(jsonOf(answer), null, 2)}\n` : answerText(answer, options.alert));
  if (answer.result.partial) context.setExitCode(EXIT_INTERRUPTED);
}

/** One result as it is; of a comparison both, and what is different. */
function jsonOf({ result, compared }: ReplayAnswer): object {
  return compared === undefined ? result : { new: result, old: compared.old, comparison: compared.comparison };
}

async function localReplay(
  files: readonly string[],
  options: ReplayOptions,
  context: CliContext,
  onProgress: (progress: ReplayProgress) => void,
): Promise<ReplayAnswer> {
  const config = configOf(options, context);
  const paths = files.length === 0 ? config.ruleFiles : files.map((file) => resolve(context.workingFolder, file));
  const old = options.compare === undefined ? undefined : await filesOf(oldPaths(options.compare, config, context));
  const ruleFiles = await filesOf(paths);
  const folder = options.data === undefined ? config.storage.path : resolve(context.workingFolder, options.data);
  const spec: ReplaySpec = {
    ...rangeOf(options),
    samplesPath: join(folder, 'samples.db'),
    files: ruleFiles,
    ...(old === undefined ? {} : { oldFiles: old }),
    evaluationIntervalMs: config.evaluationIntervalMs,
    promql: config.promql,
    routing: routingOf(config),
    externalUrl: config.http.externalUrl ?? '',
    ...(options.alert === undefined ? {} : { alert: options.alert }),
    ...(options.cluster === undefined ? {} : { cluster: options.cluster }),
    shownAs: Object.fromEntries([...ruleFiles, ...(old ?? [])].map(({ path }) => [path, shown(path, context)])),
  };
  return (context.runReplay ?? replayInThread)(spec, { signal: context.signal, onProgress });
}

/** The files' texts, for a Belfry that does not see them. */
async function askedOf(files: readonly string[], options: ReplayOptions, context: CliContext): Promise<object> {
  const texts = async (paths: readonly string[]): Promise<object> =>
    (await filesOf(paths.map((path) => resolve(context.workingFolder, path)))).map(({ path, text }) => ({
      name: shown(path, context),
      text,
    }));
  const { startTs, endTs, sinceMs, stepMs, warmupMs } = rangeOf(options);
  return {
    rules: files.length === 0 ? CURRENT : await texts(files),
    ...(options.compare === undefined ? {} : { compare: options.compare === CURRENT ? CURRENT : await texts([options.compare]) }),
    ...(startTs === undefined ? {} : { start: startTs / 1000 }),
    ...(endTs === undefined ? {} : { end: endTs / 1000 }),
    ...(sinceMs === undefined ? {} : { since: sinceMs / 1000 }),
    ...(stepMs === undefined ? {} : { step: stepMs / 1000 }),
    ...(warmupMs === undefined ? {} : { warmup: warmupMs / 1000 }),
    ...(options.alert === undefined ? {} : { alert: options.alert }),
    ...(options.cluster === undefined ? {} : { cluster: options.cluster }),
  };
}

function configOf(options: ReplayOptions, context: CliContext): BelfryConfig {
  const { config, problems } = loadConfig({ ...loadOptionsOf(options, context), readSecrets: false });
  if (config !== undefined) return config;
  throw new BelfryError('CONFIG_INVALID', problems.map(problemText).join('\n'));
}

function oldPaths(compare: string, { ruleFiles }: BelfryConfig, { workingFolder }: CliContext): readonly string[] {
  return compare === CURRENT ? ruleFiles : [resolve(workingFolder, compare)];
}

async function filesOf(paths: readonly string[]): Promise<readonly RuleFile[]> {
  if (paths.length === 0) throw new BelfryError('BAD_REQUEST', 'there are no rule files: name one');
  const files = await readRuleFiles(paths);
  const empty = files.find(({ text }) => text === '');
  if (empty !== undefined) throw new BelfryError('RULES_INVALID', `${empty.path} is empty: write "groups: []" for no rules`);
  return files;
}

function shown(path: string, { workingFolder }: CliContext): string {
  const short = relative(workingFolder, path);
  return short.startsWith('..') ? path : short;
}

type Range = Pick<ReplaySpec, 'startTs' | 'endTs' | 'sinceMs' | 'stepMs' | 'warmupMs'>;

function rangeOf(options: ReplayOptions): Range {
  const { start: startTs, end: endTs, since: sinceMs, step: stepMs, warmup: warmupMs } = options;
  return {
    ...(startTs === undefined ? {} : { startTs }),
    ...(endTs === undefined ? {} : { endTs }),
    ...(sinceMs === undefined ? {} : { sinceMs }),
    ...(stepMs === undefined ? {} : { stepMs }),
    ...(warmupMs === undefined ? {} : { warmupMs }),
  };
}

function timeOf(text: string): number {
  const seconds = parseFloatText(text);
  const ts = seconds === undefined ? parseRfc3339(text) : Math.round(seconds * 1000);
  if (ts === undefined || !Number.isFinite(ts))
    throw new InvalidArgumentError('expected Unix seconds, or a time such as 2026-11-22T06:00:00Z.');
  return ts;
}

function durationOf(leastMs: number): (text: string) => number {
  return (text) => {
    let durationMs: number;
    try {
      durationMs = parseDuration(text);
    } catch (error) {
      throw new InvalidArgumentError(`${errorText(error)}.`);
    }
    if (durationMs < leastMs) throw new InvalidArgumentError(`${text} is too short.`);
    return durationMs;
  };
}

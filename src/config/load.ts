import { createHash } from 'node:crypto';
import { globSync, readFileSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { z } from 'zod';
import { BelfryError, errorText } from '../core/errors.ts';
import type { Environment } from './env.ts';
import type { BelfryConfig, HostPort } from './config.ts';
import { parsePlaced, valueOf } from './parse-yaml.ts';
import { type ConfigPath, type ConfigProblem, type PlacedDocument, positionOf, problemsOf, problemText } from './problems.ts';
import { resolveConfig } from './resolve.ts';
import { type ConfigFile, configFileSchema } from './schema.ts';
import { FileSource, readTextFile } from './secrets.ts';

const MAX_CONFIG_BYTES = 4 * 1024 * 1024;

export interface LoadOptions {
  /** The configuration file; without one Belfry watches `brokers` and this host. */
  readonly path: string | undefined;
  readonly brokers?: readonly HostPort[];
  readonly environment: Environment;
  /** Relative paths of a configuration without a file start here. */
  readonly workingFolder: string;
  /** Where the default `rules.yaml` of the installation is. */
  readonly defaultRules: string;
  /** False for `belfry check`, which must run on machines that have no secrets. */
  readonly readSecrets?: boolean;
}

export interface LoadResult {
  /** Undefined where there are problems. */
  readonly config: BelfryConfig | undefined;
  readonly problems: readonly ConfigProblem[];
  /** Every file that was read, to be watched for changes. */
  readonly files: readonly string[];
  /** The rule files that are named and there, also where other things are wrong. */
  readonly ruleFiles: readonly string[];
}

/** Reads a configuration whole: every problem at once, and no effect on anything running. Throws nothing. */
export function loadConfig(options: LoadOptions): LoadResult {
  const problems: ConfigProblem[] = [];
  const placed = options.path === undefined ? withoutFile(options, problems) : readDocument(options, options.path, problems);
  const parsed = placed === undefined ? undefined : parseValue(placed, problems);
  if (placed === undefined || parsed?.success !== true) {
    const found = placed === undefined || parsed?.error === undefined ? problems : problemsOf(placed, parsed.error.issues);
    return { config: undefined, problems: sorted(found), files: filesOf(options, []), ruleFiles: [] };
  }
  const report = (path: ConfigPath, message: string, ofKey = false): void => {
    problems.push({ file: placed.file, position: positionOf(placed, path, ofKey), path, message });
  };
  const folder = options.path === undefined ? options.workingFolder : dirname(absolutePath(options, options.path));
  const source = new FileSource({ folder, environment: options.environment, report, readSecrets: options.readSecrets ?? true });
  const ruleFiles = expandRules(parsed.data, options, source, report);
  const resolved = resolveConfig(parsed.data, { source, report });
  const files = filesOf(options, [...source.read.keys(), ...ruleFiles]);
  if (problems.length > 0) return { config: undefined, problems: sorted(problems), files, ruleFiles };
  const texts = [...source.read, ...ruleFiles.map((file) => [file, readIfThere(file)] as const)];
  const hash = createHash('sha256')
    .update(JSON.stringify([placed.text, texts]))
    .digest('hex')
    .slice(0, 16);
  return { config: { ...resolved, file: options.path, ruleFiles, hash }, problems: [], files, ruleFiles };
}

/** What the schema says of the file; undefined, and a problem, where the YAML has no value. */
function parseValue(placed: PlacedDocument, problems: ConfigProblem[]): z.ZodSafeParseResult<ConfigFile> | undefined {
  if (problems.length > 0) return undefined;
  const value = valueOf(placed, problems);
  if (value === null || value === undefined) {
    // As with a file that is being written anew: an empty one must not drop every cluster. {} asks for the defaults.
    if (problems.length === 0) problems.push({ file: placed.file, position: { line: 1, column: 1 }, path: [], message: 'is empty' });
    return undefined;
  }
  return problems.length > 0 ? undefined : configFileSchema.safeParse(value);
}

/** The configuration, or one `CONFIG_INVALID` that lists every problem, a line each. */
export function loadConfigOrThrow(options: LoadOptions): LoadResult & { config: BelfryConfig } {
  const result = loadConfig(options);
  if (result.config !== undefined) return { ...result, config: result.config };
  throw new BelfryError('CONFIG_INVALID', result.problems.map(problemText).join('\n'));
}

function readDocument(options: LoadOptions, path: string, problems: ConfigProblem[]): PlacedDocument | undefined {
  try {
    return parsePlaced(path, readTextFile(absolutePath(options, path), MAX_CONFIG_BYTES), problems);
  } catch (error) {
    problems.push({ file: path, position: { line: 1, column: 1 }, path: [], message: `cannot read it: ${errorText(error)}` });
    return undefined;
  }
}

function absolutePath({ workingFolder }: LoadOptions, path: string): string {
  return resolve(workingFolder, path);
}

/** What runs without a file: one cluster at the given brokers, nobody to tell, this host. */
function withoutFile(options: LoadOptions, problems: ConfigProblem[]): PlacedDocument | undefined {
  const brokers = options.brokers ?? [{ host: 'localhost', port: 9092 }];
  const text = JSON.stringify({
    clusters: [{ name: 'kafka', brokers: brokers.map(({ host, port }) => `${host.includes(':') ? `[${host}]` : host}:${port}`) }],
  });
  return parsePlaced('(no configuration file)', text, problems);
}

function expandRules(
  file: ConfigFile,
  options: LoadOptions,
  source: FileSource,
  report: (path: ConfigPath, message: string) => void,
): readonly string[] {
  if (file.rules === undefined) return [options.defaultRules];
  const found = new Set<string>();
  for (const [index, pattern] of file.rules.entries()) {
    const named = /[*?[{]/.test(pattern) ? globSync(pattern, { cwd: source.folder }) : [pattern];
    const files = named.map((path) => source.absolute(path)).filter((path) => statSync(path, { throwIfNoEntry: false })?.isFile() === true);
    if (files.length === 0) report(['rules', index], `no such file: ${pattern}`);
    for (const path of files) {
      // A file that is being written anew is empty for a moment: taken for no rules it would end every alert.
      if (statSync(path).size === 0) report(['rules', index], `${pattern} is empty: write "groups: []" for no rules`);
      found.add(path);
    }
  }
  return [...found].toSorted();
}

/** A rule file that cannot be read is the rule loader's to report; here it only counts towards the hash. */
function readIfThere(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    return errorText(error);
  }
}

function filesOf(options: LoadOptions, more: readonly string[]): readonly string[] {
  return options.path === undefined ? more : [absolutePath(options, options.path), ...more];
}

function sorted(problems: readonly ConfigProblem[]): readonly ConfigProblem[] {
  return problems.toSorted((a, b) => a.position.line - b.position.line || a.position.column - b.position.column);
}

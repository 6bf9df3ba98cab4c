import { createHash } from 'node:crypto';
import { globSync, readFileSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { LineCounter, parseDocument } from 'yaml';
import { BelfryError, errorText } from '../core/errors.ts';
import type { Environment } from './env.ts';
import type { BelfryConfig, HostPort } from './config.ts';
import { type ConfigPath, type ConfigProblem, type PlacedDocument, positionOf, problemsOf, problemText } from './problems.ts';
import { resolveConfig } from './resolve.ts';
import { type ConfigFile, configFileSchema } from './schema.ts';
import { FileSource } from './secrets.ts';

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
}

/** Reads a configuration whole: every problem at once, and no effect on anything running. Throws nothing. */
export function loadConfig(options: LoadOptions): LoadResult {
  const problems: ConfigProblem[] = [];
  const placed = options.path === undefined ? withoutFile(options) : readDocument(options.path, problems);
  if (placed === undefined || problems.length > 0) return { config: undefined, problems: sorted(problems), files: filesOf(options, []) };

  const parsed = configFileSchema.safeParse(placed.document.toJS({ maxAliasCount: 100 }) ?? {});
  if (!parsed.success) {
    return { config: undefined, problems: sorted(problemsOf(placed, parsed.error.issues)), files: filesOf(options, []) };
  }
  const report = (path: ConfigPath, message: string, ofKey = false): void => {
    problems.push({ file: placed.file, position: positionOf(placed, path, ofKey), path, message });
  };
  const folder = options.path === undefined ? options.workingFolder : dirname(resolve(options.workingFolder, options.path));
  const source = new FileSource({ folder, environment: options.environment, report, readSecrets: options.readSecrets ?? true });
  const ruleFiles = expandRules(parsed.data, options, source, report);
  const hash = createHash('sha256').update(placed.document.toString());
  const resolved = resolveConfig(parsed.data, { source, report });
  for (const text of source.read.values()) hash.update(text);
  for (const file of ruleFiles) hash.update(readIfThere(file));
  const files = filesOf(options, [...source.read.keys(), ...ruleFiles]);
  if (problems.length > 0) return { config: undefined, problems: sorted(problems), files };
  const config = { ...resolved, file: options.path, ruleFiles, hash: hash.digest('hex').slice(0, 16) };
  return { config, problems: [], files };
}

/** The configuration, or one `CONFIG_INVALID` that lists every problem, a line each. */
export function loadConfigOrThrow(options: LoadOptions): LoadResult & { config: BelfryConfig } {
  const result = loadConfig(options);
  if (result.config !== undefined) return { ...result, config: result.config };
  throw new BelfryError('CONFIG_INVALID', result.problems.map(problemText).join('\n'));
}

function readDocument(path: string, problems: ConfigProblem[]): PlacedDocument | undefined {
  const at = { file: path, position: { line: 1, column: 1 }, path: [] };
  let text: string;
  try {
    if (statSync(path).size > MAX_CONFIG_BYTES) throw new Error(`larger than ${MAX_CONFIG_BYTES} bytes`);
    text = readFileSync(path, 'utf8');
  } catch (error) {
    problems.push({ ...at, message: `cannot read it: ${errorText(error)}` });
    return undefined;
  }
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  for (const error of document.errors) {
    const { line, col } = lines.linePos(error.pos[0]);
    problems.push({ ...at, position: { line, column: col }, message: error.message });
  }
  return { file: path, document, lines };
}

/** What runs without a file: one cluster at the given brokers, nobody to tell, this host. */
function withoutFile(options: LoadOptions): PlacedDocument {
  const brokers = options.brokers ?? [{ host: 'localhost', port: 9092 }];
  const text = JSON.stringify({
    clusters: [{ name: 'kafka', brokers: brokers.map(({ host, port }) => `${host.includes(':') ? `[${host}]` : host}:${port}`) }],
  });
  const lines = new LineCounter();
  return { file: '(no configuration file)', document: parseDocument(text, { lineCounter: lines }), lines };
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
    const absolute = source.absolute(pattern);
    const matches = /[*?[{]/.test(pattern)
      ? globSync(absolute)
      : [absolute].filter((path) => statSync(path, { throwIfNoEntry: false })?.isFile() === true);
    if (matches.length === 0) report(['rules', index], `no such file: ${pattern}`);
    for (const match of matches) found.add(match);
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
  return options.path === undefined ? more : [resolve(options.workingFolder, options.path), ...more];
}

function sorted(problems: readonly ConfigProblem[]): readonly ConfigProblem[] {
  return problems.toSorted((a, b) => a.position.line - b.position.line || a.position.column - b.position.column);
}

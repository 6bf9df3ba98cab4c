import { existsSync, globSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, isAbsolute, join } from 'node:path';
import { BelfryError, errorText } from '../core/errors.ts';
import { formatDuration } from '../core/duration.ts';
import { compareLabels } from '../core/labels.ts';
import type { Labels } from '../core/labels.ts';
import { silentLogger } from '../core/log.ts';
import { prepare } from '../promql/prepare.ts';
import { AlertingRule } from './alerting-rule.ts';
import { asVector, querySamples } from './evaluation.ts';
import { prepareExpression } from './expression.ts';
import { InputSelectors } from './input-selectors.ts';
import { parseRuleFiles, readRuleFiles } from './load.ts';
import { MemorySeries } from './memory-series.ts';
import { RuleRunner } from './rule-runner.ts';
import { alertDifference, sampleDifference } from './unit-test-diff.ts';
import { parseUnitTestFile } from './unit-test-file.ts';
import { DIRECTIVES } from './model.ts';
import { DEFAULT_RULE_OPTIONS } from './ports.ts';
import type { ParseOptions } from '../promql/parse.ts';
import type { TemplateSample } from '../templates/prometheus-functions.ts';
import type { Evaluation } from './evaluation.ts';
import type { Expression } from './expression.ts';
import type { RuleFile } from './load.ts';
import type { GroupDefinition, RuleSet } from './model.ts';
import type { Difference, Pairs, ShownAlert } from './unit-test-diff.ts';
import type { AlertTest, ExprTest, UnitTest, UnitTestFile } from './unit-test-file.ts';

/** How the tests of one file went. */
export interface UnitTestReport {
  readonly file: string;
  readonly passed: number;
  /** Every test that was run. */
  readonly tests: readonly { readonly name: string; readonly line: number; readonly passed: boolean }[];
  /** One for each expectation that was not met, and for each test that could not be run. */
  readonly failures: readonly UnitTestFailure[];
  /** What is legal and yet should be known, of the file and of the rule files. */
  readonly warnings: readonly string[];
}

export interface UnitTestFailure {
  readonly test: string;
  readonly line: number;
  /** What was expected and what was there, over several lines. */
  readonly message: string;
  /** What was expected and is not there, and what is there and was not expected; none where the test could not be run. */
  readonly missing: readonly string[];
  readonly unexpected: readonly string[];
}

type Finding = Omit<UnitTestFailure, 'test' | 'line'>;

export interface UnitTestOptions {
  /** Only tests whose name it accepts; that of one without a name is empty, as to promtool. */
  readonly filter?: (name: string) => boolean;
  /**
   * Follow Belfry's directives (`belfry_no_data` and the like), as the running Belfry does, and leave them out of the
   * annotations that are compared. Otherwise verdicts are those of promtool, which knows none.
   */
  readonly obeyDirectives?: boolean;
  /** Of the rule files; one of the unit-test file is always a mistake. */
  readonly ignoreUnknownFields?: boolean;
  /** What of experimental PromQL is enabled. */
  readonly promql?: ParseOptions;
}

const MAX_STEPS = 1_000_000;

/** A unit-test file with what it names. */
export interface LoadedUnitTest {
  readonly file: UnitTestFile;
  readonly ruleFiles: readonly RuleFile[];
  /** Names and patterns of rule files that no file has; promtool only warns of them. */
  readonly unmatched: readonly string[];
}

/** Reads a unit-test file and the rule files it names. Throws `CONFIG_UNREADABLE` or `RULES_INVALID`. */
export async function loadUnitTest(path: string): Promise<LoadedUnitTest> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    throw new BelfryError('CONFIG_UNREADABLE', `${path}: ${errorText(cause)}`, { cause });
  }
  const file = parseUnitTestFile(path, text);
  const matched = file.ruleFiles.map((name) => matchesOf(isAbsolute(name) ? name : join(dirname(path), name)));
  const unmatched = file.ruleFiles.filter((_, i) => matched[i]?.length === 0);
  // One that is named twice, as by a name and by a pattern, is one.
  return { file, ruleFiles: await readRuleFiles([...new Set(matched.flat())]), unmatched };
}

/** Patterns are Go's: `*` is within a folder, and braces are letters. */
function matchesOf(pattern: string): readonly string[] {
  if (!/[*?[]/.test(pattern)) return existsSync(pattern) ? [pattern] : [];
  return globSync(pattern.replaceAll(/\*{2,}/g, '*').replaceAll(/[{}]/g, '[$&]')).toSorted();
}

/** Runs the tests of a file with the verdicts of `promtool test rules`. Throws `RULES_INVALID` for bad rule files. */
export function runUnitTest(file: UnitTestFile, ruleFiles: readonly RuleFile[], options: UnitTestOptions = {}): UnitTestReport {
  const { promql = {}, ignoreUnknownFields = false } = options;
  const ignoreDirectives = options.obeyDirectives !== true;
  const ruleSets = new Map<number, RuleSet>();
  const failures: UnitTestFailure[] = [];
  const tests: { name: string; line: number; passed: boolean }[] = [];
  let passed = 0;
  for (const test of file.tests) {
    if (options.filter?.(test.isNamed ? test.name : '') === false) continue;
    let ruleSet = ruleSets.get(test.intervalMs);
    if (ruleSet === undefined) {
      ruleSet = parseRuleFiles(ruleFiles, { evaluationIntervalMs: test.intervalMs, ignoreDirectives, ignoreUnknownFields, promql });
      ruleSets.set(test.intervalMs, ruleSet);
    }
    const findings = new TestRun(file, ignoreDirectives ? test : withoutDirectives(test), ruleSet).run();
    if (findings.length === 0) passed++;
    tests.push({ name: test.name, line: test.line, passed: findings.length === 0 });
    failures.push(...findings.map((finding) => ({ test: test.name, line: test.line, ...finding })));
  }
  const [anySet] = ruleSets.values();
  return { file: file.path, passed, tests, failures, warnings: [...file.warnings, ...(anySet?.warnings ?? [])] };
}

function withoutDirectives(test: UnitTest): UnitTest {
  const directives: readonly string[] = Object.values(DIRECTIVES);
  const kept = (annotations: Pairs): Pairs => new Map([...annotations].filter(([name]) => !directives.includes(name)));
  const alertTests = test.alertTests.map((alertTest) => ({
    ...alertTest,
    expected: alertTest.expected.map(({ labels, annotations }) => ({ labels, annotations: kept(annotations) })),
  }));
  return { ...test, alertTests };
}

class TestRun {
  readonly #file: UnitTestFile;
  readonly #test: UnitTest;
  readonly #promql: ParseOptions;
  readonly #store = new MemorySeries();
  readonly #groups: readonly { readonly definition: GroupDefinition; readonly rules: readonly RuleRunner[] }[];
  readonly #inputs: InputSelectors;
  /** The queries of templates. */
  readonly #queries = new Map<string, Expression>();

  constructor(file: UnitTestFile, test: UnitTest, ruleSet: RuleSet) {
    this.#file = file;
    this.#test = test;
    this.#promql = ruleSet.promql ?? {};
    this.#inputs = new InputSelectors(ruleSet);
    // A group that the order does not name counts as the first, as in promtool.
    const place = ({ name }: GroupDefinition): number => Math.max(0, file.groupEvalOrder.indexOf(name));
    this.#groups = ruleSet.groups
      .toSorted((a, b) => place(a) - place(b))
      .map((definition) => ({ definition, rules: definition.rules.map((rule) => new RuleRunner(rule, definition)) }));
  }

  run(): readonly Finding[] {
    const { alertTests, exprTests } = this.#test;
    try {
      this.#load();
    } catch (error) {
      return [trouble(`input_series: ${errorText(error)}`)];
    }
    const endMs = Math.max(0, ...[...alertTests, ...exprTests].map(({ evalTimeMs }) => evalTimeMs));
    const stepMs = this.#file.evaluationIntervalMs;
    if (endMs / stepMs > MAX_STEPS)
      return [trouble(`more than ${MAX_STEPS} evaluations: evaluation_interval is too short for its eval_time`)];
    const failures: Finding[] = [];
    for (let atMs = 0; atMs <= endMs; atMs += stepMs) {
      const errors = this.#evaluate(atMs);
      if (errors.length > 0) return [...failures, ...errors.map(trouble)];
      // An alert test is judged on the last evaluation before or at its time.
      const due = alertTests.filter(({ evalTimeMs }) => evalTimeMs >= atMs && evalTimeMs < atMs + stepMs);
      for (const test of due.toSorted((a, b) => a.evalTimeMs - b.evalTimeMs)) failures.push(...this.#checkAlerts(test));
    }
    for (const test of exprTests) failures.push(...this.#checkExpr(test));
    return failures;
  }

  #load(): void {
    const { inputSeries, startTs, intervalMs } = this.#test;
    // Of a series that is given twice the last one counts, as in promtool.
    const series = new Map(inputSeries.map((input) => [input.labels.key, input] as const));
    for (const { labels, values } of series.values()) {
      for (const [i, value] of values.entries()) {
        if (value !== 'omitted') this.#store.add(labels, startTs + i * intervalMs, value === 'stale' ? undefined : value);
      }
    }
  }

  #evaluate(atMs: number): readonly string[] {
    const errors: string[] = [];
    for (const { definition, rules } of this.#groups) {
      const evaluation = this.#evaluation(this.#test.startTs + atMs, definition);
      for (const rule of rules) {
        rule.evaluateAndWrite(evaluation, this.#store);
        if (rule.health === 'err') errors.push(`rule: ${rule.definition.name}, time: ${formatDuration(atMs)}, err: ${rule.lastError}`);
      }
    }
    return errors;
  }

  #evaluation(ts: number, group: GroupDefinition): Evaluation {
    const { externalLabels, externalUrl } = this.#test;
    const query = (text: string): readonly TemplateSample[] => querySamples(this.#prepared(text), evaluation);
    const evaluation: Evaluation = {
      ts,
      queryTs: ts - group.queryOffsetMs,
      querier: this.#store,
      clock: { elapsed: () => 0 },
      host: { query, externalUrl, now: ts },
      options: { ...DEFAULT_RULE_OPTIONS, restoreGraceMs: 0, strictSlots: true, externalUrl, externalLabels },
      intervalMs: group.intervalMs,
      logger: silentLogger,
      startedAt: -Infinity,
      blindness: () => undefined,
      inputs: this.#inputs,
    };
    return evaluation;
  }

  #prepared(text: string): Expression {
    let expression = this.#queries.get(text);
    if (expression === undefined) this.#queries.set(text, (expression = prepareExpression(text, this.#promql)));
    return expression;
  }

  #checkAlerts({ alertname, evalTimeMs, expected }: AlertTest): readonly Finding[] {
    const got: ShownAlert[] = [];
    for (const { rules } of this.#groups) {
      for (const { rule } of rules) {
        if (!(rule instanceof AlertingRule) || rule.definition.name !== alertname) continue;
        const names = rule.definition.annotations.map(({ name }) => name);
        for (const { state, labels, annotations } of rule.entries) {
          if (state !== 'firing') continue;
          got.push({ labels: new Map(labels), annotations: new Map(names.map((name) => [name, annotations.get(name)])) });
        }
      }
    }
    const found = alertDifference(expected, got);
    return found === undefined ? [] : [finding(`alertname: ${alertname}, time: ${formatDuration(evalTimeMs)}`, found)];
  }

  #checkExpr({ expr, evalTimeMs, expected }: ExprTest): readonly Finding[] {
    const what = `expr: ${JSON.stringify(expr)}, time: ${formatDuration(evalTimeMs)}`;
    let got: { labels: Labels; value: number }[];
    try {
      got = this.#query(expr, this.#test.startTs + evalTimeMs);
    } catch (error) {
      return [trouble(`${what}, err: ${errorText(error)}`)];
    }
    const byLabels = (a: { labels: Labels }, b: { labels: Labels }): number => compareLabels(a.labels, b.labels);
    const wanted = expected.toSorted(byLabels);
    got.sort(byLabels);
    const same = (a: number, b: number): boolean => (this.#file.fuzzyCompare ? almostEqual(a, b) : a === b);
    const equal = wanted.length === got.length && wanted.every((sample, i) => matches(sample, got[i], same));
    return equal ? [] : [finding(what, sampleDifference(wanted, got, same))];
  }

  #query(expr: string, ts: number): { labels: Labels; value: number }[] {
    const value = prepare(expr, this.#promql).instant(this.#store, ts);
    if (value.type !== 'vector' && value.type !== 'scalar') throw new BelfryError('PROMQL_TYPE', 'rule result is not a vector or scalar');
    const vector = asVector(value);
    return Array.from({ length: vector.n }, (_, i) => ({ labels: vector.labels(i), value: vector.values[i] ?? Number.NaN }));
  }
}

type Sample = { readonly labels: Labels; readonly value: number };

function matches(wanted: Sample, got: Sample | undefined, same: (a: number, b: number) => boolean): boolean {
  return got !== undefined && wanted.labels.equals(got.labels) && same(wanted.value, got.value);
}

/** Equal, or neighbours: no other number lies between them. What promtool's `fuzzy_compare` lets pass. */
function almostEqual(a: number, b: number): boolean {
  if (a === b || Number.isNaN(a) || Number.isNaN(b)) return a === b;
  const distance = placeOf(a) - placeOf(b);
  return distance >= -1n && distance <= 1n;
}

/** The place of a number among all that there are, counted from zero. */
function placeOf(value: number): bigint {
  const bits = new BigInt64Array(Float64Array.of(Math.abs(value)).buffer)[0] ?? 0n;
  return value < 0 ? -bits : bits;
}

function finding(what: string, { lines, missing, unexpected }: Difference): Finding {
  return { message: [what, ...lines.map((line) => `  ${line}`)].join('\n'), missing, unexpected };
}

/** A test that could not be run. */
function trouble(message: string): Finding {
  return { message, missing: [], unexpected: [] };
}

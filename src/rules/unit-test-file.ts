import { BelfryError, errorText } from '../core/errors.ts';
import { Labels } from '../core/labels.ts';
import { parseFloatText } from '../core/number-format.ts';
import { parseSeries, parseValues } from './series-notation.ts';
import { formatProblem, inOneGo, YamlReader } from './yaml-reader.ts';
import type { Pairs, ShownAlert } from './unit-test-diff.ts';
import type { NotedValue } from './series-notation.ts';
import type { YamlFields, YamlNode } from './yaml-reader.ts';

/** A file in the format of `promtool test rules`. Durations and times are milliseconds. */
export interface UnitTestFile {
  readonly path: string;
  /** As written: names and globs relative to the file. */
  readonly ruleFiles: readonly string[];
  readonly evaluationIntervalMs: number;
  readonly groupEvalOrder: readonly string[];
  readonly fuzzyCompare: boolean;
  readonly tests: readonly UnitTest[];
  /** What is legal and yet should be known, such as a second document, which is not read. */
  readonly warnings: readonly string[];
}

export interface UnitTest {
  /** As reports call it: by its place where it has no name. */
  readonly name: string;
  readonly isNamed: boolean;
  readonly line: number;
  readonly intervalMs: number;
  readonly startTs: number;
  readonly inputSeries: readonly { readonly labels: Labels; readonly values: readonly NotedValue[] }[];
  readonly alertTests: readonly AlertTest[];
  readonly exprTests: readonly ExprTest[];
  readonly externalLabels: Labels;
  readonly externalUrl: string;
}

export interface AlertTest {
  readonly evalTimeMs: number;
  readonly alertname: string;
  readonly expected: readonly ShownAlert[];
}

export interface ExprTest {
  readonly evalTimeMs: number;
  readonly expr: string;
  readonly expected: readonly { readonly labels: Labels; readonly value: number }[];
}

const FILE_FIELDS = ['rule_files', 'evaluation_interval', 'group_eval_order', 'tests', 'fuzzy_compare'];
const TEST_FIELDS = [
  'name',
  'interval',
  'input_series',
  'alert_rule_test',
  'promql_expr_test',
  'external_labels',
  'external_url',
  'start_timestamp',
];

const RFC_3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:\d\d)$/;

/** Reads a unit-test file. Throws `RULES_INVALID` with every mistake, one a line: `file:line:col: cause`. */
export function parseUnitTestFile(path: string, text: string): UnitTestFile {
  const reader = inOneGo(YamlReader.read(path, text));
  const file = reader.problems.length === 0 ? new Parser(reader).file() : undefined;
  if (file === undefined || reader.problems.length > 0)
    throw new BelfryError('RULES_INVALID', reader.problems.map(formatProblem).join('\n'));
  return file;
}

class Parser {
  readonly #reader: YamlReader;

  constructor(reader: YamlReader) {
    this.#reader = reader;
  }

  file(): UnitTestFile {
    const reader = this.#reader;
    const fields = reader.fields(reader.root, '', FILE_FIELDS);
    const evaluationIntervalMs = reader.duration(fields, 'evaluation_interval', '') || 60_000;
    const texts = (name: string): readonly string[] => reader.list(fields.get(name), name).map((node) => reader.text(node, name) ?? '');
    const groupEvalOrder = texts('group_eval_order');
    for (const [i, name] of groupEvalOrder.entries()) {
      if (groupEvalOrder.indexOf(name) !== i)
        reader.problem(fields.get('group_eval_order'), '', `group name repeated in evaluation order: ${name}`);
    }
    return {
      path: reader.file,
      warnings: reader.warnings.map(formatProblem),
      ruleFiles: texts('rule_files'),
      evaluationIntervalMs,
      groupEvalOrder,
      fuzzyCompare: reader.boolean(fields, 'fuzzy_compare', ''),
      tests: reader.list(fields.get('tests'), 'tests').map((node, i) => this.#test(node, `test ${i + 1}`, evaluationIntervalMs)),
    };
  }

  #test(node: YamlNode, fallback: string, evaluationIntervalMs: number): UnitTest {
    const reader = this.#reader;
    const fields = reader.fields(node, fallback, TEST_FIELDS);
    const given = reader.text(fields.get('name'), fallback) ?? '';
    const name = given || fallback;
    return {
      name,
      isNamed: given !== '',
      line: reader.positionOf(node).line,
      intervalMs: reader.duration(fields, 'interval', name) || evaluationIntervalMs,
      startTs: this.#start(fields.get('start_timestamp'), name),
      inputSeries: reader.list(fields.get('input_series'), `${name}, input_series`).flatMap((item) => this.#input(item, name)),
      alertTests: reader.list(fields.get('alert_rule_test'), `${name}, alert_rule_test`).map((item) => this.#alertTest(item, name)),
      exprTests: reader.list(fields.get('promql_expr_test'), `${name}, promql_expr_test`).map((item) => this.#exprTest(item, name)),
      externalLabels: Labels.of([...this.#pairs(fields.get('external_labels'), `${name}, external_labels`)]),
      externalUrl: reader.text(fields.get('external_url'), name) ?? '',
    };
  }

  /** Unix seconds or an RFC 3339 time; the epoch where it is left out. */
  #start(node: YamlNode, context: string): number {
    const text = this.#reader.text(node, context) ?? '';
    if (text === '') return 0;
    const seconds = parseFloatText(text);
    const ms = seconds === undefined ? (RFC_3339.test(text) ? Date.parse(text) : Number.NaN) : seconds * 1000;
    if (!Number.isFinite(ms)) this.#reader.problem(node, context, `start_timestamp: not a time: ${JSON.stringify(text)}`);
    return Number.isFinite(ms) ? Math.round(ms) : 0;
  }

  /** Runs a parser over a scalar and puts its complaint at the scalar's place. */
  #parsed<T>(fields: YamlFields, field: string, context: string, parse: (text: string) => T): T | undefined {
    const node = fields.get(field);
    const text = this.#reader.text(node, context);
    if (text === undefined) return undefined;
    try {
      return parse(text);
    } catch (error) {
      this.#reader.problem(node, context, `${field}: ${errorText(error)}`);
      return undefined;
    }
  }

  #input(node: YamlNode, test: string): UnitTest['inputSeries'] {
    const context = `${test}, input_series`;
    const fields = this.#reader.fields(node, context, ['series', 'values']);
    const labels = this.#parsed(fields, 'series', context, parseSeries);
    const values = this.#parsed(fields, 'values', context, parseValues);
    return labels === undefined || values === undefined ? [] : [{ labels, values }];
  }

  #pairs(node: YamlNode, context: string): Pairs {
    const entries = this.#reader.entries(node, context) ?? [];
    return new Map(entries.map(({ key, value }) => [key, this.#reader.text(value, context) ?? ''] as const));
  }

  #alertTest(node: YamlNode, test: string): AlertTest {
    const context = `${test}, alert_rule_test`;
    const fields = this.#reader.fields(node, context, ['eval_time', 'alertname', 'exp_alerts']);
    const alertname = this.#reader.text(fields.get('alertname'), context) ?? '';
    if (alertname === '') this.#reader.problem(node, context, 'an item misses the required attribute alertname');
    const expected = this.#reader.list(fields.get('exp_alerts'), `${context}, exp_alerts`).map((item) => {
      const alert = this.#reader.fields(item, `${context}, exp_alerts`, ['exp_labels', 'exp_annotations']);
      return {
        labels: new Map([...this.#pairs(alert.get('exp_labels'), `${context}, exp_labels`), ['alertname', alertname]]),
        annotations: this.#pairs(alert.get('exp_annotations'), `${context}, exp_annotations`),
      };
    });
    return { evalTimeMs: this.#reader.duration(fields, 'eval_time', context), alertname, expected };
  }

  #exprTest(node: YamlNode, test: string): ExprTest {
    const context = `${test}, promql_expr_test`;
    const fields = this.#reader.fields(node, context, ['expr', 'eval_time', 'exp_samples']);
    const expected = this.#reader.list(fields.get('exp_samples'), `${context}, exp_samples`).flatMap((item) => {
      const sample = this.#reader.fields(item, `${context}, exp_samples`, ['labels', 'value', 'histogram']);
      if ((this.#reader.text(sample.get('histogram'), context) ?? ' ') !== '')
        this.#reader.problem(item, context, 'native histograms are not in this version');
      const labels = this.#parsed(sample, 'labels', context, parseSeries);
      const value = this.#parsed(sample, 'value', context, yamlNumber);
      return labels === undefined || value === undefined ? [] : [{ labels, value }];
    });
    return {
      evalTimeMs: this.#reader.duration(fields, 'eval_time', context),
      expr: this.#reader.text(fields.get('expr'), context) ?? '',
      expected,
    };
  }
}

/** YAML spells infinity and NaN with a point before them. */
function yamlNumber(text: string): number {
  if (text === '') return 0;
  const value = parseFloatText(text.replace(/^([+-]?)\.(inf|nan)$/i, '$1$2')) ?? (/^0x[0-9a-f]+$/i.test(text) ? Number(text) : undefined);
  if (value === undefined) throw new BelfryError('BAD_REQUEST', `not a number: ${JSON.stringify(text)}`);
  return value;
}

import { describe, expect, it } from '@jest/globals';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { checkRuleFiles, parseRuleFiles } from '../../src/rules/load.ts';
import { parseUnitTestFile } from '../../src/rules/unit-test-file.ts';
import { runUnitTest } from '../../src/rules/unit-test.ts';
import { describeWhere } from '../../testbed/skip.ts';
import { Random } from '../promql/expression-generator.ts';
import { inputFor } from './mixin-input.ts';
import { hasPromtool, promtool } from './promtool.ts';
import type { RuleSet } from '../../src/rules/model.ts';

/** By default always the same input; by hand a long run on others: `BELFRY_FUZZ_SECONDS=600 BELFRY_FUZZ_SEED=7`. */
const SECONDS = Number(process.env['BELFRY_FUZZ_SECONDS'] ?? 0);
const SEED = Number(process.env['BELFRY_FUZZ_SEED'] ?? (SECONDS > 0 ? Date.now() % 1_000_000 : 1));
const FOLDER = join(import.meta.dirname, 'mixins');
const NAMES = readdirSync(FOLDER).filter((name) => name.endsWith('.rules'));
const MINUTES = [6, 13, 21, 34, 47, 55];

const textOf = (name: string): string => readFileSync(join(FOLDER, name), 'utf8');
const ruleSetOf = (name: string): RuleSet => parseRuleFiles([{ path: name, text: textOf(name) }], { evaluationIntervalMs: 60_000 });

/** A test file that expects nothing at several times, so that everything there is gets told. */
function testOf(name: string, ruleSet: RuleSet, random: Random): string {
  const rules = ruleSet.groups.flatMap(({ rules }) => rules);
  const records = [...new Set(rules.flatMap((rule) => (rule.kind === 'recording' ? [rule.name] : [])))];
  const alerts = [...new Set(rules.flatMap((rule) => (rule.kind === 'alerting' ? [rule.name] : [])))];
  const at = (minute: number): string => `${minute}m`;
  // 61 s: no sample is exactly a window's length, or the lookback, before an evaluation, where 2.42 has the edge inside.
  const test = {
    interval: '61s',
    external_labels: { region: 'eu' },
    input_series: inputFor(ruleSet, random),
    alert_rule_test: MINUTES.flatMap((minute) => alerts.map((alertname) => ({ eval_time: at(minute), alertname }))),
    promql_expr_test: MINUTES.flatMap((minute) =>
      [...records, 'ALERTS', 'ALERTS_FOR_STATE'].map((expr) => ({ expr, eval_time: at(minute) })),
    ),
  };
  const order = ruleSet.groups.map((group) => group.name);
  return stringify({ rule_files: [name], evaluation_interval: '1m', group_eval_order: order, tests: [test] }, { lineWidth: 0 });
}

/** By what was asked, what there is: labels with a value, or labels with annotations. */
type Found = Map<string, readonly (readonly [labels: string, rest: string | number])[]>;

function seenByUs(name: string, text: string): Found {
  const { failures } = runUnitTest(parseUnitTestFile('t.yaml', text), [{ path: name, text: textOf(name) }]);
  return new Map(
    failures.map(({ message, unexpected }) => {
      const items = unexpected.map((item) => {
        const [labels = '', annotations] = item.replace(/^labels /, '').split(/ annotations (?=\{)/);
        if (annotations !== undefined) return [labels, annotations] as const;
        const space = item.lastIndexOf(' ');
        return [item.slice(0, space), Number(item.slice(space + 1).replace('Inf', 'Infinity'))] as const;
      });
      const [head = ''] = message.split('\n');
      return [head.replace(/, err: .*/, ''), sortedItems(items)];
    }),
  );
}

const sortedItems = (items: readonly (readonly [string, string | number])[]) => items.toSorted(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));

function seenByPromtool(name: string, text: string): Found {
  const { output } = promtool(['test', 'rules', 't.yaml'], { [name]: textOf(name), 't.yaml': text });
  const found: Found = new Map();
  for (const [, alertname, time, got = ''] of output.matchAll(
    /^ {4}alertname: (\S+), time: (\S+), \n {8}exp:\[\], \n {8}got:\[([^]*?)^ {12}\]/gm,
  )) {
    const items = [...got.matchAll(/Labels:(\{.*\})\n +Annotations:(\{.*\})/g)].map(
      ([, labels = '', annotations = '']) => [labels, annotations] as const,
    );
    found.set(`alertname: ${alertname}, time: ${time}`, sortedItems(items));
  }
  for (const [, expr = '', time, got = ''] of output.matchAll(/^ {4}expr: "(.*)", time: (\S+),\n {8}exp: nil\n {8}got: (.*)$/gm)) {
    const items = [...got.matchAll(/\{__name__="([^"]+)"(?:, )?((?:[^"}]|"(?:[^"\\]|\\.)*")*)\} (\S+?)(?:, (?=\{)|$)/g)].map(
      ([, metric = '', rest = '', value = '']) =>
        [rest === '' ? metric : `${metric}{${rest}}`, Number(value.replace('INF', 'Infinity').replace('Inf', 'Infinity'))] as const,
    );
    found.set(`expr: "${expr}", time: ${time}`, sortedItems(items));
  }
  // A rule that fails ends the test; in which words is another matter.
  for (const [, rule, time] of output.matchAll(/^ {4}rule: (\S+), time: (\S+), err:/gm))
    found.set(`rule: ${rule}, time: ${time?.replace('m0s', 'm')}`, []);
  if (output.includes('panic')) throw new Error(output.slice(0, 3000));
  return found;
}

function close(a: string | number, b: string | number): boolean {
  if (typeof a === 'string' || typeof b === 'string') return a === b;
  return Object.is(a, b) || Math.abs(a - b) <= 1e-10 * Math.max(Math.abs(a), Math.abs(b)) + 1e-12;
}

function compared(ours: Found, theirs: Found): readonly string[] {
  return [...new Set([...ours.keys(), ...theirs.keys()])].flatMap((what) => {
    if (ours.has(what) !== theirs.has(what) && what.startsWith('rule: ')) return [`${what}: only ${ours.has(what) ? 'we' : 'they'} fail`];
    const [us = [], them = []] = [ours.get(what), theirs.get(what)];
    const same = us.length === them.length && us.every(([labels, rest], i) => labels === them[i]?.[0] && close(rest, them[i][1]));
    return same ? [] : [`${what}\n  ours   ${JSON.stringify(us)}\n  theirs ${JSON.stringify(them)}`];
  });
}

describe('rules in the style of mixins', () => {
  it('are many, and nothing is wrong with them', () => {
    const files = NAMES.map((name) => ({ path: name, text: textOf(name) }));
    const { ruleSet, problems } = checkRuleFiles(files, { evaluationIntervalMs: 60_000 });
    expect(problems).toEqual([]);
    expect(ruleSet.groups.reduce((sum, { rules }) => sum + rules.length, 0)).toBeGreaterThanOrEqual(150);
  });
});

describeWhere(hasPromtool ? undefined : 'needs promtool (apt-get install prometheus)', 'rules in the style of mixins', () => {
  it('are accepted by promtool check rules', () => {
    const { ok, output } = promtool(['check', 'rules', ...NAMES], Object.fromEntries(NAMES.map((name) => [name, textOf(name)])));
    expect([ok, output.match(/SUCCESS/g)?.length]).toEqual([true, NAMES.length]);
  });

  it(
    `record and alert on random input as a real Prometheus does (seed ${SEED})`,
    () => {
      const counts = { records: 0, alerts: 0 };
      const until = Date.now() + SECONDS * 1000;
      for (let seed = SEED; ; seed++) {
        for (const name of NAMES) {
          const text = testOf(name, ruleSetOf(name), new Random(seed));
          const theirs = seenByPromtool(name, text);
          for (const [what, items] of theirs) counts[what.startsWith('expr') ? 'records' : 'alerts'] += items.length;
          expect({ seed, name, found: compared(seenByUs(name, text), theirs) }).toEqual({ seed, name, found: [] });
        }
        if (Date.now() >= until) break;
      }
      if (SECONDS > 0) process.stderr.write(`mixins: ${JSON.stringify(counts)}, from seed ${SEED}\n`);
      expect(Math.min(counts.records, counts.alerts)).toBeGreaterThan(100);
    },
    (SECONDS + 120) * 1000,
  );
});

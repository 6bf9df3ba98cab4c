import { describe, expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { BelfryError } from '../../src/core/errors.ts';
import { parseValues } from '../../src/rules/series-notation.ts';
import { parseUnitTestFile } from '../../src/rules/unit-test-file.ts';
import { loadUnitTest, runUnitTest } from '../../src/rules/unit-test.ts';
import { hasPromtool, promtool } from './promtool.ts';
import type { UnitTestReport } from '../../src/rules/unit-test.ts';
import { describeWhere } from '../../testbed/skip.ts';

const RULES = readFileSync(join(import.meta.dirname, 'unit', 'kafka.rules'), 'utf8');
const HEAD = 'rule_files: [kafka.rules]\nevaluation_interval: 1m\n';
const DOWN = `{exp_labels: {severity: page, instance: a, job: k}, exp_annotations: {summary: 'a of k in eu is down'}}`;

function test(input: readonly string[], checks: string, more = ''): string {
  const series = input.map((item) => `      - {${item}}`).join('\n');
  return `${HEAD}${more}tests:\n  - interval: 1m\n    external_labels: {region: eu}\n    input_series:\n${series}\n${checks}`;
}

function alertTest(evalTime: string, name: string, alerts: string): string {
  return `    alert_rule_test: [{eval_time: ${evalTime}, alertname: ${name}, exp_alerts: [${alerts}]}]\n`;
}

function exprTest(evalTime: string, expr: string, samples: string): string {
  return `    promql_expr_test: [{eval_time: ${evalTime}, expr: '${expr}', exp_samples: [${samples}]}]\n`;
}

const UP = `series: 'up{instance="a",job="k"}', values: '0x20'`;
const UP_B = `series: 'up{instance="b",job="k"}', values: '0x20'`;

/** Files of unit tests, each with its verdict, which promtool shares. */
const FILES: readonly (readonly [name: string, verdict: 'passes' | 'fails', text: string])[] = [
  ['an alert fires after its for', 'passes', test([UP], alertTest('5m', 'Down', DOWN))],
  ['an alert does not fire before', 'passes', test([UP], alertTest('4m', 'Down', ''))],
  ['an alert expected too early', 'fails', test([UP], alertTest('4m', 'Down', DOWN))],
  ['an alert not expected', 'fails', test([UP], alertTest('5m', 'Down', ''))],
  ['between evaluations the last one counts', 'passes', test([UP], alertTest('5m30s', 'Down', DOWN))],
  ['a wrong label', 'fails', test([UP], alertTest('5m', 'Down', DOWN.replace('page', 'ticket')))],
  ['a wrong annotation', 'fails', test([UP], alertTest('5m', 'Down', DOWN.replace('eu', 'us')))],
  ['missing annotations', 'fails', test([UP], alertTest('5m', 'Down', DOWN.replace(/, exp_annotations.*/, '}')))],
  ['a rule that is not there', 'passes', test([UP], alertTest('5m', 'Nowhere', ''))],
  ['a rule that is not there but should fire', 'fails', test([UP], alertTest('5m', 'Nowhere', '{}'))],
  [
    'a recording rule feeds an alert of a later group',
    'passes',
    test(
      [UP],
      alertTest('0m', 'JobDown', `{exp_labels: {job: k}, exp_annotations: {value: '0 12.3%'}}`),
      'group_eval_order: [recording, alerts]\n',
    ),
  ],
  ['keep_firing_for', 'passes', test([`series: free, values: '5 5 50x20'`], alertTest('6m', 'Kept', '{}'))],
  ['the end of keep_firing_for', 'passes', test([`series: free, values: '5 5 50x20'`], alertTest('7m', 'Kept', ''))],
  ['absence', 'passes', test([`series: heartbeat, values: '1 1 1 stale'`], alertTest('5m', 'Gone', '{}'))],
  ['absence by lookback', 'passes', test([`series: heartbeat, values: '1 1 1 _x20'`], alertTest('6m', 'Gone', ''))],
  ['ALERTS are there for other rules', 'passes', test([UP, UP_B], alertTest('5m', 'Meta', '{}'))],
  [
    'ALERTS can be queried',
    'passes',
    test(
      [UP],
      exprTest(
        '5m',
        'ALERTS{alertname="Down"}',
        `{labels: 'ALERTS{alertname="Down",alertstate="firing",instance="a",job="k",severity="page"}', value: 1}`,
      ),
    ),
  ],
  [
    'a rate',
    'passes',
    test(
      [`series: 'requests_total{path="/"}', values: '0+60x20'`],
      exprTest('10m', 'rate(requests_total[5m])', `{labels: '{path="/"}', value: 1}`),
    ),
  ],
  [
    'a recorded series with its label',
    'passes',
    test(
      [`series: 'requests_total{path="/"}', values: '0+60x20'`],
      exprTest('10m', 'requests:rate5m', `{labels: 'requests:rate5m{path="/",source="rules"}', value: 1}`),
    ),
  ],
  ['a wrong value', 'fails', test([UP], exprTest('1m', 'up', `{labels: 'up{instance="a",job="k"}', value: 1}`))],
  ['a missing sample', 'fails', test([UP, UP_B], exprTest('1m', 'up', `{labels: 'up{instance="a",job="k"}', value: 0}`))],
  [
    'samples in any order',
    'passes',
    test([UP, UP_B], exprTest('1m', 'up', `{labels: 'up{instance="b",job="k"}'}, {labels: 'up{job="k",instance="a"}', value: 0}`)),
  ],
  ['a scalar', 'passes', test([UP], exprTest('2m', 'time()', `{labels: '{}', value: 120}`))],
  ['no samples', 'passes', test([UP], exprTest('1m', 'nowhere', ''))],
  [
    'of a series that is given twice the last one counts',
    'passes',
    test(
      [`series: 'up{a="1",b="2"}', values: '1 1'`, `series: 'up{b="2",a="1"}', values: '5'`],
      exprTest('1m', 'up', `{labels: 'up{a="1",b="2"}', value: 5}`),
    ),
  ],
  ['an expression that is none', 'fails', test([UP], exprTest('1m', 'sum(', ''))],
  ['values that count down', 'passes', test([`series: free, values: '100-2.5x4'`], exprTest('4m', 'free', `{labels: free, value: 90}`))],
  ['negative values', 'passes', test([`series: free, values: '-1-1x3'`], exprTest('3m', 'free', `{labels: free, value: -4}`))],
  ['infinity', 'passes', test([`series: free, values: 'Inf'`], exprTest('0m', 'free', `{labels: free, value: .inf}`))],
  [
    'a rule that fails',
    'fails',
    test([UP, `series: 'free{a="1"}', values: 1`], alertTest('1m', 'Down', '')).replace('kafka.rules', 'failing.rules'),
  ],
];

const FAILING = `groups: [{name: g, rules: [{alert: Twice, expr: '{__name__=~"up|free"}', labels: {a: b, instance: c, job: d}}]}]`;

function run(text: string): UnitTestReport {
  const ruleFiles = [text.includes('failing.rules') ? { path: 'failing.rules', text: FAILING } : { path: 'kafka.rules', text: RULES }];
  return runUnitTest(parseUnitTestFile('t.yaml', text), ruleFiles);
}

describe('unit tests of rules', () => {
  it.each(FILES)('%s: %s', (_, verdict, text) => {
    const { passed, failures } = run(text);
    expect([passed, failures.length > 0 ? 'fails' : 'passes']).toEqual([verdict === 'passes' ? 1 : 0, verdict]);
  });

  it('shows what was expected and what was there', () => {
    expect(run(test([UP], alertTest('4m', 'Down', DOWN))).failures).toEqual([
      {
        test: 'test 1',
        line: 4,
        message: [
          'alertname: Down, time: 4m',
          '  - labels {alertname="Down", instance="a", job="k", severity="page"} annotations {summary="a of k in eu is down"}',
        ].join('\n'),
        missing: ['labels {alertname="Down", instance="a", job="k", severity="page"} annotations {summary="a of k in eu is down"}'],
        unexpected: [],
      },
    ]);
  });

  it.each([
    [
      'only the parts of an alert that differ',
      alertTest('5m', 'Down', DOWN.replace('eu', 'us').replace('page', 'ticket')),
      [
        '    label alertname="Down", label instance="a", label job="k"',
        '  -   label severity="ticket"',
        '  +   label severity="page"',
        '  -   annotation summary="a of k in us is down"',
        '  +   annotation summary="a of k in eu is down"',
      ],
    ],
    [
      'an annotation that was not expected',
      alertTest('5m', 'Down', DOWN.replace(/, exp_annotations.*/, '}')),
      [
        '    label alertname="Down", label instance="a", label job="k", label severity="page"',
        '  +   annotation summary="a of k in eu is down"',
      ],
    ],
    [
      'the two values of a sample',
      exprTest('1m', 'up + 1', `{labels: '{instance="a",job="k"}', value: 2}, {labels: '{x="y"}', value: 2}`),
      ['  - {instance="a", job="k"} 2', '  + {instance="a", job="k"} 1', '  - {x="y"} 2'],
    ],
    [
      'that NaN is equal to nothing',
      exprTest('1m', 'up / 0', `{labels: '{instance="a",job="k"}', value: .nan}`),
      ['  ! {instance="a", job="k"} NaN: NaN is equal to nothing'],
    ],
  ])('shows %s', (_, checks, lines) => {
    expect(
      run(test([UP], checks))
        .failures[0]?.message.split('\n')
        .slice(1),
    ).toEqual(lines);
  });

  it('runs only the tests that are asked for', () => {
    const text = test([UP], alertTest('5m', 'Down', DOWN)).replace('  - interval', '  - name: one\n    interval');
    const file = parseUnitTestFile('t.yaml', text);
    const ruleFiles = [{ path: 'kafka.rules', text: RULES }];
    expect(runUnitTest(file, ruleFiles, { filter: (name) => name === 'one' }).passed).toBe(1);
    expect(runUnitTest(file, ruleFiles, { filter: (name) => name === 'two' }).passed).toBe(0);
  });

  it('takes directives for annotations, as promtool does, unless it is to obey them', () => {
    const rules = 'groups: [{name: g, rules: [{alert: Low, expr: free < 10, annotations: {belfry_recover: free > 20, a: b}}]}]';
    const expected = (time: string, alerts: string): string => test([`series: free, values: '5 15'`], alertTest(time, 'Low', alerts));
    const alert = '{exp_annotations: {belfry_recover: free > 20, a: b}}';
    const verdict = (text: string, obeyDirectives: boolean): number =>
      runUnitTest(parseUnitTestFile('t.yaml', text), [{ path: 'kafka.rules', text: rules }], { obeyDirectives }).passed;
    expect([verdict(expected('0m', alert), false), verdict(expected('0m', alert), true)]).toEqual([1, 1]);
    expect([verdict(expected('1m', ''), false), verdict(expected('1m', alert), true)]).toEqual([1, 1]);
  });

  it('begins at start_timestamp', () => {
    const text = test([UP], exprTest('1m', 'time()', `{labels: '{}', value: 1700000060}`));
    expect(run(text.replace('  - interval', '  - start_timestamp: 1700000000\n    interval')).failures).toEqual([]);
    expect(run(text.replace('  - interval', `  - start_timestamp: '2023-11-14T22:13:20Z'\n    interval`)).failures).toEqual([]);
  });

  it.each([
    ['0.1', 'free * 3', '0.3', 'passes'],
    ['0.7', 'free', '0.7000000000000001', 'passes'],
    ['-0.7', 'free', '-0.7000000000000001', 'passes'],
    ['0.7', 'free', '0.7000000000000003', 'fails'],
    ['0.7', 'free', '0.70000001', 'fails'],
    ['0', 'free', '5e-324', 'passes'],
    ['0', 'free * -1', '-5e-324', 'passes'],
    ['5e-324', 'free * 1', '-5e-324', 'fails'],
    ['Inf', 'free', '1.7976931348623157e+308', 'passes'],
    ['NaN', 'free', '.nan', 'fails'],
    ['NaN', 'free', '.inf', 'fails'],
  ])('with fuzzy_compare a neighbour will do: %s, %s against %s %s', (given, expr, value, verdict) => {
    const labels = expr === 'free' ? 'free' : '{}';
    const text = test([`series: free, values: '${given}'`], exprTest('0m', expr, `{labels: '${labels}', value: ${value}}`));
    expect(run(text).passed).toBe(0);
    for (const truth of ['true', 'yes', 'On'])
      expect(run(text.replace('tests:', `fuzzy_compare: ${truth}\ntests:`)).passed).toBe(verdict === 'passes' ? 1 : 0);
    expect(run(text.replace('tests:', 'fuzzy_compare: off\ntests:')).passed).toBe(0);
  });

  it('reads the rule files that stand beside it, by name or pattern', async () => {
    const { file, ruleFiles } = await loadUnitTest(join(import.meta.dirname, 'unit', 'kafka.test'));
    expect(ruleFiles.map(({ text }) => text)).toEqual([RULES]);
    expect(runUnitTest(file, ruleFiles)).toMatchObject({ passed: 1, failures: [] });
  });

  it.each([
    ['tests: [{interval: 1x}]', 't.yaml:1:20: test 1: interval: not a valid duration string: "1x" (such as 30s, 1h30m, 5ms)'],
    ['tests: [{input_serie: []}]', 't.yaml:1:10: test 1: unknown field "input_serie", did you mean input_series?'],
    ['tests: [{input_series: [{series: "up{", values: 1}]}]', 't.yaml:1:34: test 1, input_series: series: '],
    ['tests: [{input_series: [{series: up, values: 1y}]}]', 't.yaml:1:46: test 1, input_series: values: bad series values at "1y"'],
    [
      'tests: [{alert_rule_test: [{eval_time: 1m}]}]',
      't.yaml:1:28: test 1, alert_rule_test: an item misses the required attribute alertname',
    ],
    ['group_eval_order: [a, a]', 't.yaml:1:19: group name repeated in evaluation order: a'],
  ])('refuses %s', (text, message) => {
    expect(() => parseUnitTestFile('t.yaml', text)).toThrow(message);
  });
});

describe('the notation of series', () => {
  it.each([
    ['1 2 3', [1, 2, 3]],
    ['1x3', [1, 1, 1, 1]],
    ['1+2x3', [1, 3, 5, 7]],
    ['10-2x2', [10, 8, 6]],
    ['-2-4x1', [-2, -6]],
    ['_ 1 _x2 stale', ['omitted', 1, 'omitted', 'omitted', 'stale']],
    ['1e3 .5 NaN -Inf', [1000, 0.5, Number.NaN, -Infinity]],
    ['', []],
  ])('%s', (text, values) => {
    expect(parseValues(text)).toEqual(values);
  });

  it('may tell of hundreds of thousands in a word', () => {
    expect(parseValues('0 1x300000 _x300000')).toHaveLength(600_002);
  });

  it.each(['1+', 'x3', '1x', '_+1x2', 'a', '1x99999999', '{{schema:1}}'])('refuses %s', (text) => {
    expect(() => parseValues(text)).toThrow(BelfryError);
  });
});

describeWhere(hasPromtool ? undefined : 'needs promtool (apt-get install prometheus)', 'promtool test rules', () => {
  it('has the same verdicts', () => {
    const names = FILES.map((_, i) => `t${i}.yaml`);
    const files = Object.fromEntries(FILES.map(([, , text], i) => [`t${i}.yaml`, text]));
    const { output } = promtool(['test', 'rules', ...names], { ...files, 'kafka.rules': RULES, 'failing.rules': FAILING });
    const passed = output
      .split(/^(?:Unit Testing: +|Processing test file: )/m)
      .filter((part) => part.includes('SUCCESS'))
      .map((part) => part.split('\n')[0]);
    expect(passed).toEqual(names.filter((_, i) => FILES[i]?.[1] === 'passes'));
  });
});

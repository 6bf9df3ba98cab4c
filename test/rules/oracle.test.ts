import { expect, it } from '@jest/globals';
import fc from 'fast-check';
import { stringify } from 'yaml';
import { parseUnitTestFile } from '../../src/rules/unit-test-file.ts';
import { runUnitTest } from '../../src/rules/unit-test.ts';
import { hasPromtool, promtool } from './promtool.ts';
import { describeWhere } from '../../testbed/skip.ts';

const RULES = stringify({
  groups: [
    {
      name: 'g',
      rules: [
        { record: 'down:sum', expr: 'sum by (job) (up == 0)', labels: { source: 'rules' } },
        { alert: 'Now', expr: 'up == 0' },
        { alert: 'Waits', expr: 'up == 0', for: '3m', labels: { severity: '{{ if eq $labels.job "a" }}page{{ else }}ticket{{ end }}' } },
        { alert: 'Kept', expr: 'up == 0', keep_firing_for: '2m' },
        { alert: 'WaitsAndKept', expr: 'up > 1', for: '2m', keep_firing_for: '3m' },
        { alert: 'Absent', expr: 'absent(up{job="b"})', for: '1m' },
        { alert: 'OfRecorded', expr: 'down:sum >= 0 and on () (count(up) > 1)', for: '1m' },
        { alert: 'OfAlerts', expr: 'count by (job) (ALERTS{alertstate="firing",alertname=~"Now|Kept"}) > 1' },
        { alert: 'Average', expr: 'avg_over_time(up[150s]) < 0.9', for: '1m' },
      ],
    },
  ],
});
const SERIES = ['up{job="a",i="1"}', 'up{job="a",i="2"}', 'up{job="b",i="1"}'];
const MINUTES = 14;
const EXPRESSIONS = ['ALERTS', 'ALERTS_FOR_STATE', 'down:sum'];

interface ExprTest {
  readonly expr: string;
  readonly eval_time: string;
  readonly exp_samples: readonly { readonly labels: string; readonly value: number }[];
}

function fileOf(timelines: readonly string[], exprTests: readonly ExprTest[]): string {
  const series = SERIES.map((name, i) => ({ series: name, values: timelines[i] ?? '' }));
  const test = { interval: '1m', input_series: series, promql_expr_test: exprTests };
  return stringify({ rule_files: ['rules.yaml'], evaluation_interval: '1m', tests: [test] });
}

/** Every minute's samples as our engine makes them: what it says it got where nothing was expected. */
function expectationsOf(timelines: readonly string[]): readonly ExprTest[] {
  const wanted = Array.from({ length: MINUTES }, (_, minute) =>
    EXPRESSIONS.map((expr) => ({ expr, eval_time: `${minute}m`, exp_samples: [{ labels: 'nothing', value: 0 }] })),
  ).flat();
  const ruleFiles = [{ path: 'rules.yaml', text: RULES }];
  const { failures } = runUnitTest(parseUnitTestFile('t.yaml', fileOf(timelines, wanted)), ruleFiles);
  expect(failures).toHaveLength(wanted.length);
  return wanted.map(({ expr, eval_time }, i) => {
    const samples = (failures[i]?.unexpected ?? []).map((text) => {
      const space = text.lastIndexOf(' ');
      return { labels: text.slice(0, space), value: Number(text.slice(space + 1)) };
    });
    return { expr, eval_time, exp_samples: samples };
  });
}

const value = fc.oneof(
  { weight: 5, arbitrary: fc.constant('0') },
  { weight: 5, arbitrary: fc.constant('1') },
  { weight: 2, arbitrary: fc.constant('2') },
  { weight: 2, arbitrary: fc.constant('_') },
  { weight: 1, arbitrary: fc.constant('stale') },
);
/** Prometheus 3 and we look back less than 5 min, 2.42 exactly 5: no series is silent that long without a marker. */
function ended(values: readonly string[]): string {
  return `${values.join(' ').replaceAll('_ _ _ _', '_ _ _ 1')} stale`;
}
const timelines = fc.tuple(...SERIES.map(() => fc.array(value, { minLength: 1, maxLength: MINUTES }).map(ended)));

describeWhere(hasPromtool ? undefined : 'needs promtool (apt-get install prometheus)', 'promtool test rules', () => {
  it('sees the same alerts and recorded series at every minute of random timelines', () => {
    const seed = 20_261_122;
    const samples = fc.sample(timelines, { numRuns: 40, seed });
    const files = Object.fromEntries(samples.map((lines, i) => [`t${i}.yaml`, fileOf(lines, expectationsOf(lines))]));
    const verdict = promtool(['test', 'rules', ...Object.keys(files)], { ...files, 'rules.yaml': RULES });
    expect(verdict.ok ? '' : verdict.output).toBe('');
  });
});

import { expect, it } from '@jest/globals';
import { stringify } from 'yaml';
import { parseUnitTestFile } from '../../src/rules/unit-test-file.ts';
import { runUnitTest } from '../../src/rules/unit-test.ts';
import { describeWhere } from '../../testbed/skip.ts';
import { Random } from '../promql/expression-generator.ts';
import { hasPromtool, promtool } from './promtool.ts';

/** By default always the same files; by hand a long run on others: `BELFRY_FUZZ_SECONDS=600 BELFRY_FUZZ_SEED=7`. */
const SECONDS = Number(process.env['BELFRY_FUZZ_SECONDS'] ?? 0);
const SEED = Number(process.env['BELFRY_FUZZ_SEED'] ?? (SECONDS > 0 ? Date.now() % 1_000_000 : 1));
const FILES = 40;
const END_MINUTES = 14;

// None of them is ever empty: in Prometheus such a label shows up in ALERTS with the text of its template.
const LABELS = [
  'j{{ $labels.job }}',
  '{{ $value | humanize }}',
  'x',
  'r{{ $externalLabels.region }}',
  '{{ if gt $value 1.0 }}high{{ else }}low{{ end }}',
];
// Of a template that fails the two of us tell the error in other words.
const TEXTS = [
  '{{ $labels }} {{ $value }}',
  '{{ with query "count(load)" }}{{ . | first | value }}{{ end }}',
  'it is {{ $value | printf "%.2f" }}',
  'plain "quoted" \\ text',
  '{{ range query "sum by (i) (load)" | sortByLabel "i" }}{{ .Labels.i }}={{ .Value }},{{ end }}',
];
// Windows end off the grid of the samples: 2.42 has them closed on the left.
const EXPRESSIONS = [
  'load > 1',
  'load == 0',
  'load != 2',
  'sum by (job) (load) > 3',
  'max_over_time(load[145s]) < 2',
  'rate(hits_total[205s]) > 0.01',
  'increase(hits_total[205s])',
  'absent(load{job="b"})',
  'max without (i) (load)',
  'load > on (job) group_left () mark',
  'load unless on (job) mark == 1',
  'count(ALERTS{alertstate="firing"}) > 0',
  'made:load > 0',
  'changes(load[265s]) > 1',
  'vector(time()) > 200',
  // No two are equal: of those Prometheus takes the one that it happens to meet first.
  'topk(1, (clamp(load{i="2"}, -9, 99) + 0.125 or clamp(load{job="a"}, -9, 99) + 0.0625 or clamp(load, -9, 99)) > -99)',
  'load offset 90s > 0',
  'sum(load) > bool 4',
  'label_replace(load, "j", "$1", "job", "(.)") > 0',
  'quantile(0.5, load)',
];

const pick = <T>(random: Random, items: readonly T[]): T => {
  const item = items[random.below(items.length)];
  if (item === undefined) throw new Error('nothing to pick from');
  return item;
};

/** The notation of series in all its forms. No gap is as long as the lookback, whose edge 2.42 has inside. */
function notation(random: Random): string {
  const items = Array.from({ length: 2 + random.below(6) }, () =>
    pick(random, [
      () => String(random.below(4)),
      () => `${random.below(3)}x${random.below(4)}`,
      () => `${random.below(3)}+${random.below(3)}x${random.below(5)}`,
      () => `${random.below(5)}-${random.below(3)}x${random.below(4)}`,
      () => `-${1 + random.below(3)}`,
      () => '0.5+0.25x3',
      () => '_ 1',
      () => '_x2 2',
      () => 'stale',
      () => '1e1',
      () => '.5',
      () => pick(random, ['NaN', 'Inf', '-Inf', '0', '1']),
    ])(),
  );
  return `${items.join(' ')} stale`;
}

/** High and without a reset: near zero 3.x extrapolates otherwise than 2.42. */
function counter(random: Random): string {
  return `${1000 + random.below(100)}+${random.below(9)}x${random.below(20)} stale`;
}

function ruleFile(random: Random): string {
  const rules = Array.from({ length: 2 + random.below(5) }, (_, i) => {
    const expr = pick(random, EXPRESSIONS);
    if (random.chance(0.25))
      return {
        record: pick(random, ['made:load', 'made:other']),
        expr,
        ...(random.chance(0.5) && { labels: { by: 'rules', n: String(i) } }),
      };
    return {
      alert: pick(random, ['A', 'B', 'C']),
      expr,
      ...(random.chance(0.5) && { for: pick(random, ['1m', '2m', '90s', '0s', '3m']) }),
      ...(random.chance(0.3) && { keep_firing_for: pick(random, ['1m', '3m']) }),
      ...(random.chance(0.5) && { labels: { made: pick(random, LABELS) } }),
      ...(random.chance(0.7) && { annotations: { text: pick(random, TEXTS), ...(random.chance(0.3) && { other: pick(random, TEXTS) }) } }),
    };
  });
  const half = Math.ceil(rules.length / 2);
  const groups = [
    { name: 'one', rules: rules.slice(0, half), ...(random.chance(0.2) && { limit: 1 + random.below(4) }) },
    { name: 'two', rules: rules.slice(half) },
  ];
  return stringify({ groups }, { lineWidth: 0 });
}

interface Check {
  readonly at: string;
  readonly alert?: string;
  readonly expr?: string;
}

const NOWHERE = { exp_labels: { nothing: 'like it' } };

/** Without an order of the groups promtool has none. */
function testFile(
  name: string,
  random: Random,
): { readonly head: Record<string, unknown>; readonly test: Record<string, unknown>; readonly checks: readonly Check[] } {
  const series = ['load{job="a",i="1"}', 'load{job="a",i="2"}', 'load{job="b",i="1"}', 'mark{job="a"}', 'hits_total{job="a"}'];
  const checks = Array.from({ length: 1 + random.below(4) }, (): Check => {
    const at = pick(random, [`${random.below(END_MINUTES)}m`, `${random.below(END_MINUTES)}m`, `${random.below(END_MINUTES * 4) * 15}s`]);
    return random.chance(0.6)
      ? { at, alert: pick(random, ['A', 'B', 'C', 'D']) }
      : { at, expr: pick(random, [...EXPRESSIONS, 'ALERTS', 'ALERTS_FOR_STATE', 'made:load', 'time()']) };
  });
  return {
    head: {
      rule_files: [name],
      evaluation_interval: pick(random, ['1m', '1m', '30s']),
      group_eval_order: random.chance(0.5) ? ['two', 'one'] : ['one', 'two'],
    },
    test: {
      interval: '1m',
      ...(random.chance(0.5) && { external_labels: { region: 'eu' } }),
      input_series: series
        .filter(() => random.chance(0.85))
        .map((item) => ({ series: item, values: item.startsWith('hits') ? counter(random) : notation(random) })),
    },
    checks,
  };
}

/** What is there, read from a run in which something else was expected. */
function observed(rules: string, { head, test, checks }: ReturnType<typeof testFile>): readonly (readonly string[])[] {
  return checks.map((check) => {
    const file = fileOf(head, test, [[check, [NOWHERE], [{ labels: 'nothing', value: 0 }]]]);
    const { failures } = runUnitTest(parseUnitTestFile('t.yaml', file), [{ path: 'rules.yaml', text: rules }]);
    return failures.flatMap(({ unexpected }) => unexpected);
  });
}

type Expected = readonly (readonly [check: Check, alerts: readonly object[], samples: readonly object[]])[];

function fileOf(head: object, test: object, expected: Expected): string {
  const alerts = expected.filter(([{ alert }]) => alert !== undefined);
  const exprs = expected.filter(([{ expr }]) => expr !== undefined);
  const whole = {
    ...test,
    alert_rule_test: alerts.map(([{ at, alert }, exp_alerts]) => ({ eval_time: at, alertname: alert, exp_alerts })),
    promql_expr_test: exprs.map(([{ at, expr }, , exp_samples]) => ({ eval_time: at, expr, exp_samples })),
  };
  return stringify({ ...head, tests: [whole] }, { lineWidth: 0 });
}

const pairs = (text: string): Record<string, string> =>
  Object.fromEntries(
    [...text.matchAll(/([\w]+)=("(?:[^"\\]|\\.)*")/g)].map(([, name = '', value = '']) => [name, String(JSON.parse(value))]),
  );

function asAlert(text: string): object {
  const [labels = '', annotations = ''] = text.split(/ annotations (?=\{)/);
  const { alertname: _, ...rest } = pairs(labels);
  return { exp_labels: rest, exp_annotations: pairs(annotations) };
}

function asSample(text: string): object {
  const space = text.lastIndexOf(' ');
  const value = text.slice(space + 1);
  return { labels: text.slice(0, space), value: Number(value.replace('Inf', 'Infinity')) };
}

/** Expectations that hold, or, now and then, nearly do. */
function expectations(checks: readonly Check[], seen: readonly (readonly string[])[], random: Random): Expected {
  return checks.map((check, i) => {
    const items = [...(seen[i] ?? [])];
    if (random.chance(0.25)) {
      if (items.length > 0 && random.chance(0.5)) items.splice(random.below(items.length), 1);
      else if (items.length > 0 && random.chance(0.6)) {
        const at = random.below(items.length);
        items[at] = (items[at] ?? '').replace(/\d(?=[^\d]*$)/, (digit) => String((Number(digit) + 1) % 10));
      } else items.push(check.alert === undefined ? 'load{job="z"} 1' : 'labels {alertname="A", job="z"} annotations {}');
    }
    // The order is of no account.
    if (random.chance(0.3)) items.reverse();
    return [check, check.alert === undefined ? [] : items.map(asAlert), check.alert === undefined ? items.map(asSample) : []] as const;
  });
}

function differences(seed: number, counts: { passed: number; failed: number }): readonly string[] {
  const random = new Random(seed);
  const files: Record<string, string> = {};
  const ours = new Map<string, boolean>();
  for (let i = 0; i < FILES; i++) {
    const rules = ruleFile(random);
    const test = testFile(`r${i}.yaml`, random);
    const text = fileOf(test.head, test.test, expectations(test.checks, observed(rules, test), random));
    const { failures } = runUnitTest(parseUnitTestFile('t.yaml', text), [{ path: 'rules.yaml', text: rules }]);
    counts[failures.length === 0 ? 'passed' : 'failed']++;
    files[`r${i}.yaml`] = rules;
    files[`t${i}.yaml`] = text;
    ours.set(`t${i}.yaml`, failures.length === 0);
  }
  const { output } = promtool(['test', 'rules', ...ours.keys()], files);
  const passed = new Set([...output.matchAll(/^(?:Unit Testing: +|Processing test file: )(\S+)\n {2}SUCCESS/gm)].map(([, name]) => name));
  return [...ours]
    .filter(([name, isPassed]) => passed.has(name) !== isPassed)
    .map(([name, isPassed]) => {
      const said = output.split(/^(?:Unit Testing: +|Processing test file: )/m).find((part) => part.startsWith(`${name}\n`));
      return `${isPassed ? 'only we pass' : 'only promtool passes'} it\n${files[name]}\n${files[name.replace('t', 'r')]}\n${said}`;
    });
}

describeWhere(hasPromtool ? undefined : 'needs promtool (apt-get install prometheus)', 'random unit tests of random rules', () => {
  it(
    `pass and fail as by promtool test rules (seed ${SEED})`,
    () => {
      const counts = { passed: 0, failed: 0 };
      const until = Date.now() + SECONDS * 1000;
      for (let seed = SEED; ; seed++) {
        expect({ seed, found: differences(seed, counts) }).toEqual({ seed, found: [] });
        if (Date.now() >= until) break;
      }
      if (SECONDS > 0) process.stderr.write(`unit tests: ${JSON.stringify(counts)}, from seed ${SEED}\n`);
      expect(Math.min(counts.passed, counts.failed)).toBeGreaterThan(FILES / 10);
    },
    (SECONDS + 120) * 1000,
  );
});

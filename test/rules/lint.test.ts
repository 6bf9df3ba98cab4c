import { describe, expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { lintRules, LINTS, unknownExemptions } from '../../src/rules/lint.ts';
import { parseRuleFiles } from '../../src/rules/load.ts';
import { documentedMetrics } from '../../src/cli/known-metrics.ts';
import type { KnownMetrics, Lint } from '../../src/rules/lint.ts';

const ROOT = join(import.meta.dirname, '../..');
const SEEN = new Set(['up', 'free', 'requests_total', 'belfry_kafka_log_dir_usable_bytes', 'kafka_consumergroup_lag_sum', 'odd_total']);
const METRICS: KnownMetrics = {
  names: SEEN,
  seen: (name) => SEEN.has(name),
  typeOf: (name) => ({ odd_total: 'gauge', free: 'counter' })[name],
};

function lintsOf(text: string, lints: readonly Lint[] = LINTS, metrics = METRICS): readonly string[] {
  const files = [{ path: 'r.yaml', text }];
  const ruleSet = parseRuleFiles(files, { evaluationIntervalMs: 15_000 });
  return lintRules(ruleSet, files, { lints: new Set(lints), metrics }).map(({ line, lint, message }) => `${line} ${lint}: ${message}`);
}

/** The lints that find something in one rule, given by its lines. */
function found(...lines: readonly string[]): readonly string[] {
  return lintsOf(`groups:\n  - name: g\n    rules:\n      - ${lines.join('\n        ')}`).map(
    (text) => text.split(' ')[1]?.slice(0, -1) ?? '',
  );
}

const alert = (expr: string, ...more: readonly string[]): readonly string[] => found('alert: A', `expr: '${expr}'`, ...more);

/** Each lint with rules that it is for, and rules that look like those and are good. */
const CASES: readonly (readonly [lint: Lint, bad: readonly (readonly string[])[], good: readonly (readonly string[])[]])[] = [
  [
    'unknown-metric',
    [
      ['nowhere == 0'],
      ['up == 0 unless on (job) nowhere'],
      ['rate(nowhere[5m]) > 0'],
      ['up == 0', 'annotations: {belfry_recover: nowhere > 0}'],
      ['{__name__="nowhere"} > 1'],
    ],
    [
      ['up == 0'],
      ['absent(nowhere)'],
      ['absent_over_time(nowhere[5m])'],
      ['ALERTS{alertname="B"} == 1'],
      ['{__name__=~"no.*"} > 1'],
      ['vector(1)'],
    ],
  ],
  [
    'for-below-interval',
    [['up == 0', 'for: 10s']],
    [['up == 0', 'for: 15s'], ['up == 0'], ['up == 0', 'for: 1m'], ['up == 0', 'keep_firing_for: 10s']],
  ],
  [
    'raw-counter',
    [
      ['requests_total > 0'],
      ['sum by (job) (requests_total) >= 5'],
      ['0 < requests_total'],
      ['up == 0 and requests_total != 0'],
      ['(requests_total) > -1'],
      ['free > 0'],
    ],
    [
      ['rate(requests_total[5m]) > 0'],
      ['sum(increase(requests_total[5m])) > 0'],
      ['requests_total == 0'],
      ['up / (requests_total > 0) > 5'],
      ['requests_total > requests_total offset 5m'],
      ['kafka_consumergroup_lag_sum > 0'],
      ['odd_total > 0'],
      ['count(requests_total) > 5'],
      ['up == 0 unless requests_total > 0'],
    ],
  ],
  [
    'recover-side',
    [
      ['up < 10', 'annotations: {belfry_recover: up < 20}'],
      ['up > 80', 'annotations: {belfry_recover: up < 90}'],
      ['up > 80', 'annotations: {belfry_recover: up > 70}'],
      ['up > 1e9', 'annotations: {belfry_recover: up > 1e9}'],
      ['up < -1e15', 'annotations: {belfry_recover: up < -1e15}'],
      ['up > 1e12', 'annotations: {belfry_recover: up < 1000000000005}'],
      ['up == 0', 'annotations: {belfry_recover: up >= 0}'],
      ['avg by (job) (up) > 80', 'annotations: {belfry_recover: "90 > avg by(job)(up)"}'],
    ],
    [
      ['up < 10', 'annotations: {belfry_recover: up > 20}'],
      ['up > 80', 'annotations: {belfry_recover: up <= 80}'],
      ['up > 1e9', 'annotations: {belfry_recover: up <= 1e9}'],
      ['up > 80', 'annotations: {belfry_recover: sum(up) < 90}'],
      ['up > 80 and up < 100', 'annotations: {belfry_recover: up < 90}'],
      ['up == 0', 'annotations: {belfry_recover: up == 1}'],
    ],
  ],
  [
    'action-without-cluster',
    [
      ['sum by (job) (up) == 0', 'labels: {action: repair}'],
      ['sum without (cluster) (up) == 0', 'labels: {action: scale_out}'],
      ['vector(1) == 1', 'labels: {action: repair}'],
      ['absent(up{job="a"})', 'labels: {action: repair}'],
      ['up == on (job) up', 'labels: {action: repair}'],
      ['up{cluster=""} == 0', 'labels: {action: repair}'],
    ],
    [
      ['up == 0', 'labels: {action: repair}'],
      ['sum by (cluster) (up) == 0', 'labels: {action: repair}'],
      ['sum by (job) (up) == 0', 'labels: {action: notify}'],
      ['sum by (job) (up) == 0'],
      ['absent(up{cluster="a"})', 'labels: {action: repair}'],
      ['up * on (job) group_left () count by (job) (up) == 0', 'labels: {action: repair}'],
      ['up * on (job) group_left (cluster) up == 0', 'labels: {action: repair}'],
      ['topk(1, up) == 0', 'labels: {action: repair}'],
      ['up == 0 unless on (job) up', 'labels: {action: repair}'],
    ],
  ],
  [
    'disk-full-repair',
    [['belfry_kafka_log_dir_usable_bytes < 5', 'labels: {action: repair}']],
    [
      ['belfry_kafka_log_dir_usable_bytes < 5'],
      ['belfry_kafka_log_dir_usable_bytes < 5', 'labels: {action: notify}'],
      ['up == 0', 'labels: {action: repair}'],
    ],
  ],
];

describe.each(CASES)('the lint %s', (lint, bad, good) => {
  it.each(bad.map((lines) => [lines.join('; '), lines] as const))('finds %s', (_, [expr = '', ...more]) => {
    expect(alert(expr, ...more)).toEqual([lint]);
  });

  it.each(good.map((lines) => [lines.join('; '), lines] as const))('leaves %s', (_, [expr = '', ...more]) => {
    expect(alert(expr, ...more)).toEqual([]);
  });
});

describe('lints', () => {
  it('say where, what and what may be meant', () => {
    expect(lintsOf('groups:\n  - name: g\n    rules:\n      - alert: A\n        expr: fre < 1')).toEqual([
      '4 unknown-metric: group "g", "A": no series fre has ever been seen, did you mean free?',
    ]);
  });

  it('find a second rule of the same name and labels, in any group of the file', () => {
    const rule = '{alert: A, expr: up, labels: {severity: info}}';
    expect(
      lintsOf(`groups:\n- {name: a, rules: [${rule}]}\n- {name: b, rules: [${rule}]}\n- {name: c, rules: [{alert: A, expr: up}]}`),
    ).toEqual(['3 duplicate-rules: group "b", "A": a second rule with this name and these labels']);
  });

  it('know what recording rules of the same files make', () => {
    expect(lintsOf('groups: [{name: g, rules: [{record: "a:b", expr: up}, {alert: A, expr: "a:b > 1"}]}]')).toEqual([]);
  });

  it('are off where they are not asked for', () => {
    expect(lintsOf('groups: [{name: g, rules: [{alert: A, expr: nowhere, for: 1s}]}]', ['raw-counter'])).toEqual([]);
  });

  it.each([
    ['in the rule', '      - alert: A\n        # belfry:lint-disable unknown-metric\n        expr: nowhere > 1'],
    ['at the end of a line', '      - alert: A # belfry:lint-disable unknown-metric\n        expr: nowhere > 1'],
    [
      'right above it, with a reason',
      '      # It comes next week. belfry:lint-disable unknown-metric\n      - alert: A\n        expr: nowhere > 1',
    ],
    ['one of several', '      - alert: A\n        # belfry:lint-disable raw-counter, unknown-metric\n        expr: nowhere > 1'],
    ['behind a carriage return', '      - alert: A\r        # belfry:lint-disable unknown-metric\r        expr: nowhere > 1'],
    ['in the expression', '      - alert: A\n        expr: |\n          # belfry:lint-disable unknown-metric\n          nowhere > 1'],
  ])('are switched off for a rule by a comment %s', (_, rule) => {
    const other = '      - alert: B\n        expr: nowhere > 2\n';
    const lines = lintsOf(`groups:\n  - name: g\n    rules:\n${other}${rule}\n${other}`, ['unknown-metric']);
    expect(lines).toEqual([expect.stringContaining('"B"'), expect.stringContaining('"B"')]);
  });

  it('that no one has cannot be switched off', () => {
    expect(unknownExemptions({ path: 'r', text: 'a\n# belfry:lint-disable raw-counter, raw-count\n' })).toEqual([
      { file: 'r', line: 2, name: 'raw-count' },
    ]);
  });

  it('find nothing in the default rules, whose metrics are all documented', () => {
    const context = { installation: ROOT, err: { write: (text: string) => expect(text).toBe('') } };
    const text = readFileSync(join(ROOT, 'rules.yaml'), 'utf8');
    expect(lintsOf(text, LINTS, documentedMetrics(context))).toEqual([]);
    expect(
      lintsOf(text.replaceAll('belfry_kafka_log_dir_offline', 'belfry_kafka_log_dir_ofline'), LINTS, documentedMetrics(context)),
    ).toEqual([expect.stringMatching(/unknown-metric: .* belfry_kafka_log_dir_ofline .* did you mean belfry_kafka_log_dir_offline\?/)]);
  });
});

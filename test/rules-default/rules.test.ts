import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { METRIC_NAME } from '../../src/core/labels.ts';
import { prepareExpression } from '../../src/rules/expression.ts';
import { parseUnitTestFile } from '../../src/rules/unit-test-file.ts';
import { defaultRules, idOf, LONG_TEST_PATHS, RULES_TEST_PATH } from './default-rules.ts';

const RUNBOOKS = 'docs/runbooks';
const HEADINGS = [
  '## What it means for you',
  '## What to look at',
  '## What to do',
  '## How to know it is over',
  '## When to call the platform team',
];
const alerts = [...new Set(defaultRules.map(({ alert }) => alert))];
const unitTests = [RULES_TEST_PATH, ...LONG_TEST_PATHS].flatMap((path) => parseUnitTestFile(path, readFileSync(path, 'utf8')).tests);

describe.each(defaultRules.map((rule) => [rule.id, rule] as const))('%s', (_, rule) => {
  it('has a severity, a summary, a description and its runbook', () => {
    // The Watchdog is for machines: its severity is that of no message.
    expect(rule.alert === 'Watchdog' ? ['none'] : ['critical', 'warning', 'info']).toContain(rule.labels['severity']);
    expect(rule.annotations['summary']).toBeTruthy();
    expect(rule.annotations['description']).toBeTruthy();
    expect(rule.annotations['runbook']).toBe(`${RUNBOOKS}/${rule.alert}.md`);
    expect(['keep', 'resolve']).toContain(rule.annotations['belfry_no_data']);
  });

  it('tells its reader what to do, where it wakes somebody', () => {
    if (rule.labels['severity'] === 'critical') expect(rule.annotations['belfry_do']).toBeTruthy();
  });

  it('selects only metrics that docs/metrics.md tells', () => {
    const told = new Set(readFileSync('docs/metrics.md', 'utf8').match(/\b[a-z][a-z0-9_]+\b/g));
    const queries = Object.values(rule.annotations).flatMap((text) => [...text.matchAll(/query \(printf "((?:[^"\\]|\\.)+)"/g)]);
    if (rule.annotations['belfry_effect']?.includes('query')) expect(queries.length).toBeGreaterThan(0);
    const texts = [rule.expr, rule.annotations['belfry_recover'] ?? '1', ...queries.map(([, query = '']) => withCluster(query))];
    for (const text of texts)
      for (const { metricName } of prepareExpression(text).selectors) {
        expect(metricName).toBeDefined();
        expect(told).toContain(metricName);
      }
  });

  it('has a case in which it fires', () => {
    expect(firing()).toContain(rule.id);
  });

  it('has a case in which all it selects is there, and nothing fires', () => {
    const healthy = unitTests.find(({ name }) => name === 'all is well');
    const there = new Set(healthy?.inputSeries.map(({ labels }) => labels.get(METRIC_NAME)));
    for (const { metricName } of prepareExpression(rule.expr).selectors) expect(there).toContain(metricName);
    expect(healthy?.exprTests.map(({ expr, expected }) => [expr, expected.length])).toContainEqual(['ALERTS{alertname!="Watchdog"}', 0]);
  });
});

describe('every alert', () => {
  it.each(alerts)('%s has a runbook with all its parts', (alert) => {
    const path = `${RUNBOOKS}/${alert}.md`;
    expect(existsSync(path)).toBe(true);
    const text = readFileSync(path, 'utf8');
    expect(text.startsWith(`# ${alert}\n`)).toBe(true);
    expect(text.match(/^## .*$/gm)).toEqual(HEADINGS);
    for (const part of text.split(/^## .*$/m)) expect(part.trim()).not.toBe('');
  });

  it('stands in the index of runbooks, and no runbook is without an alert', () => {
    const pages = readdirSync(RUNBOOKS).filter((name) => name !== 'README.md');
    expect(pages.toSorted()).toEqual(alerts.map((alert) => `${alert}.md`).toSorted());
    const index = readFileSync(`${RUNBOOKS}/README.md`, 'utf8');
    expect([...index.matchAll(/^\| \[(\w+)\]\(\1\.md\)/gm)].map(([, name = '']) => name).toSorted()).toEqual(alerts.toSorted());
  });

  it('is told apart from every other by its name and its own labels', () => {
    expect(new Set(defaultRules.map(({ id }) => id)).size).toBe(defaultRules.length);
  });
});

describe('the words of runbooks', () => {
  const pages = readdirSync(RUNBOOKS).map((name) => [name, readFileSync(`${RUNBOOKS}/${name}`, 'utf8')] as const);

  it.each(pages)('%s asks only what Belfry can answer', (_, text) => {
    const told = new Set(`${readFileSync('docs/metrics.md', 'utf8')} ${ownMetrics()}`.match(/\b[a-z][a-z0-9_]+\b/g));
    for (const [, query = ''] of text.matchAll(/belfry query '([^']+)'/g)) {
      if (query === 'EXPRESSION') continue;
      for (const { metricName } of prepareExpression(query).selectors) expect(told).toContain(metricName);
    }
  });
});

/** Metrics that rooms make of their own accord; each is named in the source where it is made. */
function ownMetrics(): string {
  const files = readdirSync('src', { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'));
  return files.flatMap((name) => readFileSync(`src/${name}`, 'utf8').match(/'belfry_[a-z0-9_]+'/g) ?? []).join(' ');
}

function withCluster(query: string): string {
  return query.replaceAll('%q', '"x"').replaceAll('\\"', '"');
}

/** The rules that some case expects to fire. */
function firing(): ReadonlySet<string> {
  const found = new Set<string>();
  for (const { alertTests, exprTests } of unitTests) {
    for (const { alertname, expected } of alertTests)
      for (const { labels } of expected) found.add(idOf(alertname, Object.fromEntries(labels)));
    for (const { expr, expected } of exprTests) {
      if (!expr.startsWith('ALERTS')) continue;
      for (const { labels } of expected)
        if (labels.get('alertstate') === 'firing') found.add(idOf(labels.get('alertname'), labels.toObject()));
    }
  }
  return found;
}

import { children } from '../../src/promql/ast.ts';
import { parse } from '../../src/promql/parse.ts';
import type { Expr, VectorSelector } from '../../src/promql/ast.ts';
import type { RuleSet } from '../../src/rules/model.ts';
import type { Random } from '../promql/expression-generator.ts';

/** A series of a unit test. */
export interface InputSeries {
  readonly series: string;
  readonly values: string;
}

/** Samples of a series; with the first one left out none is at the edge of a window or of the lookback (see the test). */
const SAMPLES = 58;
/** Levels around the thresholds that rules have. */
const LEVELS = [0, 0, 1, 1, 1, 2, 0.02, 0.3, 0.6, 0.97, 5, 40, 64, 200, 300, 503, 900, 3000, 70_000, 1e9];
const COUNTER = /_(total|count|sum|bucket)$|_count$/;
const BUCKETS = ['0.1', '0.5', '1', '+Inf'];
const MADE: ReadonlySet<string> = new Set(['ALERTS', 'ALERTS_FOR_STATE']);
/** Labels that the rules join on have few values, so that joins find partners. */
const VALUES: Readonly<Record<string, readonly string[]>> = {
  instance: ['db1.example.com:9100', 'web2:9100'],
  le: BUCKETS,
  job: ['a'],
  cluster: ['c1'],
};

function pick<T>(random: Random, items: readonly T[]): T {
  const item = items[random.below(items.length)];
  if (item === undefined) throw new Error('nothing to pick from');
  return item;
}

/** Series that the selectors of the rules find, with values that now and then cross the rules' thresholds. */
export function inputFor(ruleSet: RuleSet, random: Random): readonly InputSeries[] {
  const rules = ruleSet.groups.flatMap(({ rules }) => rules);
  const recorded = new Set(rules.flatMap(({ kind, name }) => (kind === 'recording' ? [name] : [])));
  const found = new Map<string, InputSeries>();
  for (const { expression } of rules) {
    const expr = parse(expression.text);
    const names = [...new Set(labelsOf(expr))];
    for (const selector of selectorsOf(expr)) {
      if (selector.name === undefined || recorded.has(selector.name) || MADE.has(selector.name) || random.chance(0.05)) continue;
      for (const labels of labelSets(selector, names, random)) {
        const series = `${selector.name}{${[...labels].map(([name, value]) => `${name}="${value}"`).join(',')}}`;
        if (!found.has(series)) found.set(series, { series, values: valuesOf(selector.name, labels.get('le'), random) });
      }
    }
  }
  return [...found.values()];
}

function selectorsOf(expr: Expr): readonly VectorSelector[] {
  return expr.kind === 'selector' ? [expr] : children(expr).flatMap(selectorsOf);
}

/** Labels that an expression groups and joins by. */
function labelsOf(expr: Expr): readonly string[] {
  const own = expr.kind === 'aggregate' ? expr.grouping : expr.kind === 'binary' ? [...expr.matching.labels, ...expr.matching.include] : [];
  return [...own, ...children(expr).flatMap(labelsOf)];
}

function labelSets(selector: VectorSelector, names: readonly string[], random: Random): readonly ReadonlyMap<string, string>[] {
  const histogram = selector.name?.endsWith('_bucket') === true;
  const sets = Array.from({ length: 1 + random.below(2) }, () => {
    const labels = new Map<string, string>([['instance', pick(random, VALUES['instance'] ?? [])]]);
    for (const name of names)
      if (name !== 'le' && /^[a-z_]+$/.test(name)) labels.set(name, pick(random, VALUES[name] ?? [`${name}1`, `${name}1`, `${name}2`]));
    for (const { name, op, value } of selector.matchers) {
      if (name === '__name__') continue;
      if (op === '=') labels.set(name, value);
      else if (op === '=~') labels.set(name, pick(random, alternativesOf(value)));
      else if (value === '') labels.set(name, `${name}1`);
    }
    return labels;
  });
  if (!histogram) return sets;
  return sets.flatMap((labels) => (labels.has('le') ? [labels] : BUCKETS.map((le) => new Map([...labels, ['le', le]]))));
}

/** Texts that a simple pattern matches. */
function alternativesOf(pattern: string): readonly string[] {
  const [, head = '', inner = '', tail = ''] = /^([^(]*)\(([^)]*)\)(.*)$/.exec(pattern) ?? ['', '', pattern, ''];
  return inner.split('|').map((part) => (head + part + tail).replace('5..', '503').replaceAll(/\.[+*]/g, 'a'));
}

function valuesOf(name: string, le: string | undefined, random: Random): string {
  const values: number[] = [];
  const isCounter = COUNTER.test(name) && !name.startsWith('kube_') && !name.includes('lag');
  // A bucket holds what the smaller ones hold; of one seed all buckets of a histogram rise in step.
  const rises = le === undefined ? pick(random, [0, 0.4, 2, 60, 1000]) : (BUCKETS.indexOf(le) + 1) * 3;
  // High enough that nobody extrapolates back to zero, which 3.x does otherwise than 2.42.
  let value = isCounter ? 1e6 * (le === undefined ? 1 : BUCKETS.indexOf(le) + 1) : pick(random, LEVELS);
  const every = 5 + random.below(25);
  for (let i = 0; i < SAMPLES; i++) {
    if (isCounter) value += rises * (le === undefined ? random.below(3) : 1);
    else if (i % every === 0) value = name === 'up' || name.includes('success') ? random.below(2) : pick(random, LEVELS);
    else if (random.chance(0.3)) value = Math.round(value * (1 + (random.next() - 0.5) / 20) * 1e6) / 1e6;
    values.push(value);
  }
  return `_ ${values.join(' ')}${random.chance(0.2) ? ' stale' : ''}`;
}

import { describe, expect, it } from '@jest/globals';
import { Labels } from '../../src/core/labels.ts';
import { prepare } from '../../src/promql/prepare.ts';
import type { Querier, Selection } from '../../src/promql/querier.ts';
import { evalAt, evalSorted, show, shownOrRefused } from './evaluating.ts';
import { load } from './memory-querier.ts';

const TS = 600_000;
const EXPERIMENTS = { experimentalFunctions: true, binopFillModifiers: true };

/** Many series in rows that are read at once; the value of each is its number. */
function manySeries(n: number): Querier {
  const selection: Selection = {
    n,
    labels: (index) => Labels.of({ __name__: 'a', i: String(index) }),
    instant: (_, __, out) => {
      for (let i = 0; i < n; i++) {
        out.values[i] = i;
        out.present[i] = 1;
      }
    },
    window: () => 0,
  };
  return { select: () => selection };
}

function times(count: number, text: string, separator: string): string {
  return Array.from({ length: count }, () => text).join(separator);
}

/** An expression that wraps itself. */
function nested(depth: number, wrap: (inner: string, level: number) => string): string {
  let text = 'a';
  for (let level = 0; level < depth; level++) text = wrap(text, level);
  return text;
}

describe('an expression that would need much memory', () => {
  it.each([
    ['columns of many selectors', times(160, 'count(a)', ' + ')],
    ['columns of many operators', `${'-'.repeat(200)}a`],
    ['labels that double', nested(20, (inner) => `label_join(${inner}, "b", "-", "i", "b", "b")`)],
    ['labels of matches', nested(20, (inner) => `${inner} * on (i) group_left () a`)],
    ['labels of sides that are filled', nested(4, (inner) => `${inner} + fill (0) a`)],
    ['labels of many quantiles', 'histogram_quantiles(label_replace(a, "le", "1", "", ""), "q", 0.1, 0.2, 0.3, 0.4, 0.5)'],
  ])('is refused in time: %s', async (_, text) => {
    const ask = async (): Promise<readonly string[]> =>
      show(await prepare(text, EXPERIMENTS).instantInSlices(manySeries(10_000), TS, { maxSamples: 30_000 }, async () => undefined));
    expect(await shownOrRefused(ask)).toContain('query processing would load too many samples into memory');
  });

  it.each([
    ['label_join', `label_join(a, "b", "${'-'.repeat(30_000)}", ${times(40, '"i"', ', ')})`],
    ['label_replace', `label_replace(a, "b", "${times(20_000, '$1', '')}", "long", "(.*)")`],
  ])('makes no label value of a million characters: %s', async (name, text) => {
    const data = load(`load 1m\n a{i="1",long="${'x'.repeat(100)}"} 1`);
    expect(await shownOrRefused(async () => evalAt(data, '1m', text))).toContain(`${name}() makes a label value of more than 1000000`);
  });
});

describe('an expression with much to read', () => {
  it.each([
    ['parentheses', `${'('.repeat(10_000)}1${')'.repeat(10_000)}`, 'nested more than 500 levels deep'],
    ['signs', `${'-'.repeat(10_000)}a`, 'nested more than 500 levels deep'],
    ['functions', `${'abs('.repeat(10_000)}a${')'.repeat(10_000)}`, 'nested more than 500 levels deep'],
    ['powers', times(10_000, '2', ' ^ '), 'nested more than 500 levels deep'],
    ['operators', times(10_000, '1', ' + '), 'more than 1500 operations upon each other'],
    ['text', ' '.repeat(100_001), 'longer than 100000 characters'],
  ])('is refused: %s', async (_, text, refusal) => {
    expect(await shownOrRefused(async () => show(prepare(text).instant(manySeries(1), TS)))).toContain(refusal);
  });
});

describe('operators in slices', () => {
  const SERIES = 1000;

  it.each([
    [times(20, 'sum(a)', ' + '), 20],
    ['count(label_replace(a, "b", "$1", "i", "(.*)"))', SERIES / 64],
    ['count(a * on (i) group_left (j) a)', SERIES / 64],
    ['count(count_values("v", a))', 3],
    ['count(histogram_quantile(0.5, a))', 3],
    ['count(a or a)', SERIES / 64],
    ['topk(2000, a)', 1],
  ])('others have their turns meanwhile, and the values are the same: %s', async (text, least) => {
    const big = manySeries(SERIES);
    const prepared = prepare(text);
    let turns = 0;
    let at = 0;
    const sliced = await prepared.instantInSlices(big, TS, { now: () => (at += 30) }, async () => void turns++);
    expect(show(sliced)).toEqual(show(prepared.instant(big, TS)));
    expect(turns).toBeGreaterThan(least);
  });
});

describe('topk and bottomk of many', () => {
  it('are the same as of few, sorted', () => {
    const values = Array.from({ length: 2500 }, (_, i) => (i % 7 === 0 ? 'NaN' : String((i * 7919) % 500)));
    const data = load(['load 1m', ...values.map((value, i) => `a{i="${i}"} ${value}`)].join('\n'));
    for (const op of ['topk', 'bottomk']) {
      const many = evalAt(data, '1m', `${op}(1500, a)`);
      expect(many).toHaveLength(1500);
      expect(evalAt(data, '1m', `${op}(900, a)`)).toEqual(many.slice(0, 900));
      expect(evalAt(data, '1m', `${op}(3000, a)`)).toHaveLength(2500);
    }
  });
});

describe('count_values', () => {
  it.each([
    ['count_values("v", a)', ['{v="0"} 2', '{v="2"} 2', '{v="NaN"} 2']],
    ['count_values("v", a or label_replace(-a{i="1"}, "n", "x", "", ""))', ['{v="-0"} 1', '{v="0"} 2', '{v="2"} 2', '{v="NaN"} 2']],
    ['count_values by (g) ("v", a)', ['{g="x", v="0"} 2', '{g="x", v="2"} 1', '{g="y", v="2"} 1', '{g="y", v="NaN"} 2']],
    ['count_values by (g, v) ("g", a)', ['{g="0"} 2', '{g="2"} 2', '{g="NaN"} 2']],
    ['count_values without (i) ("g", a)', ['{g="0"} 2', '{g="2"} 2', '{g="NaN"} 2']],
    ['count_values without (g, i) ("g", a)', ['{} 6']],
  ])('keeps apart what is written differently: %s', (text, expected) => {
    const points = [
      'a{g="x",i="1"} 0',
      'a{g="x",i="2"} 0',
      'a{g="x",i="3"} 2',
      'a{g="y",i="4"} 2',
      'a{g="y",i="5"} NaN',
      'a{g="y",i="6"} NaN',
    ];
    expect(evalSorted(load(['load 1m', ...points].join('\n')), '1m', text)).toEqual(expected);
  });
});

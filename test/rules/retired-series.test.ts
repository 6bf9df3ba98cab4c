import { afterEach, describe, expect, it } from '@jest/globals';
import { ManualClock } from '../../src/core/clock.ts';
import { silentLogger } from '../../src/core/log.ts';
import { silentMeter } from '../../src/core/meter.ts';
import { prepare } from '../../src/promql/prepare.ts';
import { RuleEngine } from '../../src/rules/engine.ts';
import { parseRuleFiles } from '../../src/rules/load.ts';
import { openSampleStore, type SampleStore } from '../../src/store/sample-store.ts';
import { MemoryAlertState } from './harness.ts';
import type { RuleSet } from '../../src/rules/model.ts';

function group(rule: string, { file = 'r.yaml', name = 'g' } = {}): RuleSet {
  const text = `groups: [{name: ${name}, interval: 10s, rules: [${rule}]}]`;
  return parseRuleFiles([{ path: file, text }], { evaluationIntervalMs: 10_000 });
}

const NOTHING = parseRuleFiles([{ path: 'r.yaml', text: 'groups: []' }], { evaluationIntervalMs: 10_000 });

let store: SampleStore | undefined;
afterEach(() => store?.close());

/** An engine on the store that Belfry runs on, where each rule's series are a target of their own. */
class Running {
  readonly clock = new ManualClock(1_700_000_000_000);
  readonly engine: RuleEngine;
  readonly #store: SampleStore;

  constructor(rules: RuleSet) {
    const { clock } = this;
    store = openSampleStore({ path: ':memory:', clock, log: silentLogger, meter: silentMeter, retentionMs: 86_400_000 });
    this.#store = store;
    const ports = { querier: store.reader, writer: store.writer, state: new MemoryAlertState(), sink: { receive: () => {} } };
    this.engine = new RuleEngine({ ...ports, clock, logger: silentLogger, meter: silentMeter }, { strictSlots: true });
    this.engine.replace(rules);
    this.engine.start();
  }

  /** What stands at each of so many seconds to come. */
  async seen(expr: string, seconds: number): Promise<readonly string[]> {
    const seen: string[] = [];
    for (let i = 0; i < seconds; i++) {
      await this.clock.advance(1000);
      const vector = prepare(expr).instant(this.#store.reader, this.clock.now());
      if (vector.type !== 'vector') throw new Error('no vector');
      seen.push(
        Array.from({ length: vector.n }, (_, k) => vector.labels(k).toString())
          .toSorted()
          .join(),
      );
    }
    return seen;
  }
}

const M = '{record: m, expr: 1}';
const TWO = '{record: m, expr: \'label_replace(vector(1), "n", "1", "", "") or label_replace(vector(2), "n", "2", "", "")\'}';
const ONE_OF_TWO = '{record: m, expr: \'label_replace(vector(1), "n", "1", "", "")\'}';

describe('the series of rules that are gone', () => {
  it.each([
    ['to another group', M, group(M, { name: 'renamed' }), 'm', 'm'],
    ['to another file', M, group(M, { file: 'moved.yaml' }), 'm', 'm'],
    ['to another group, and of its series one', TWO, group(ONE_OF_TWO, { name: 'renamed' }), 'm{n="1"}', 'm{n="1"}'],
    [
      'with its alert',
      '{alert: A, expr: vector(1)}',
      group('{alert: A, expr: vector(1)}', { name: 'renamed' }),
      'ALERTS',
      'ALERTS{alertname="A", alertstate="firing"}',
    ],
  ])('go on without a gap where the rule moves %s', async (_, before, after, expr, series) => {
    const running = new Running(group(before));
    await running.clock.advance(30_000);
    running.engine.replace(after);
    const seen = await running.seen(expr, 45);
    expect(new Set(seen)).toEqual(new Set([series]));
  });

  it('end two intervals later where nobody has taken them over', async () => {
    const running = new Running(group(TWO));
    await running.clock.advance(30_000);
    running.engine.replace(group(ONE_OF_TWO, { name: 'renamed' }));
    const seen = await running.seen('m{n="2"}', 25);
    expect([seen.slice(0, 19), seen.slice(21)]).toEqual([Array.from({ length: 19 }, () => 'm{n="2"}'), ['', '', '', '']]);
  });

  it('end two intervals later where a rule that came back gives none', async () => {
    const running = new Running(group(M));
    await running.clock.advance(30_000);
    running.engine.replace(NOTHING);
    await running.clock.advance(3000);
    running.engine.replace(group('{record: m, expr: vector(1) > 2}'));
    const seen = await running.seen('m', 25);
    expect([seen.at(0), seen.at(-1)]).toEqual(['m', '']);
    running.engine.replace(group(M));
    expect((await running.seen('m', 12)).at(-1)).toBe('m');
  });
});

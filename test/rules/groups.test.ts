import { describe, expect, it } from '@jest/globals';
import { parseRuleFiles } from '../../src/rules/load.ts';
import { Bench, ruleSetOf } from './harness.ts';

interface Row {
  readonly why: string;
  /** Lines of the group besides its name and its interval of 10 s. */
  readonly group?: string;
  readonly rule: string;
  /** Per slot: the values of `load{n="1"}`, `load{n="2"}`…; `_` ends the series, `.` writes nothing. */
  readonly input: readonly string[];
  /** Per slot: what there is afterwards of each series that the rules have made, `FAILS` where the rule has failed. */
  readonly made: readonly string[];
}

/** What a group's settings do to what its rules make. */
const TABLE: readonly Row[] = [
  {
    why: 'a recording rule at its limit is well',
    group: 'limit: 2',
    rule: '{record: m, expr: load}',
    input: ['1 2'],
    made: ['m{n="1"} 1, m{n="2"} 2'],
  },
  {
    why: 'a recording rule over its limit writes nothing and ends nothing',
    group: 'limit: 1',
    rule: '{record: m, expr: load}',
    input: ['1 .', '3 4', '. _'],
    made: ['m{n="1"} 1', 'FAILS m{n="1"} 1', 'm{n="1"} 3'],
  },
  {
    why: 'what vanished while the rule failed ends with the next result',
    group: 'limit: 1',
    rule: '{record: m, expr: load}',
    input: ['1 .', '3 4', '_ .'],
    made: ['m{n="1"} 1', 'FAILS m{n="1"} 1', 'm{n="2"} 4'],
  },
  {
    why: 'an alerting rule over its limit forgets its alerts, its series stand; within it all begins anew',
    group: 'limit: 1',
    rule: '{alert: A, expr: load > 0, for: 10s}',
    input: ['1 .', '. .', '. 1', '. _', '. .'],
    made: [
      'ALERTS{alertname="A", alertstate="pending", n="1"} 1',
      'ALERTS{alertname="A", alertstate="firing", n="1"} 1',
      'FAILS ALERTS{alertname="A", alertstate="firing", n="1"} 1',
      'ALERTS{alertname="A", alertstate="pending", n="1"} 1',
      'ALERTS{alertname="A", alertstate="firing", n="1"} 1',
    ],
  },
  {
    why: 'alerts that are kept firing count for the limit',
    group: 'limit: 1',
    rule: '{alert: A, expr: load > 0, keep_firing_for: 1m}',
    input: ['1 0', '0 1'],
    made: ['ALERTS{alertname="A", alertstate="firing", n="1"} 1', 'FAILS ALERTS{alertname="A", alertstate="firing", n="1"} 1'],
  },
  {
    why: 'labels of the group stand under those of the rule, over those of the sample; an empty one takes a label away',
    group: 'labels: {n: of-group, team: of-group, gone: ""}',
    rule: `{record: m, expr: 'label_replace(load, "gone", "x", "", "")', labels: {team: of-rule}}`,
    input: ['5'],
    made: ['m{n="of-group", team="of-rule"} 5'],
  },
  {
    why: 'labels of the group are templates of alerts, texts of recorded series',
    group: `labels: {was: 'n{{ $labels.n }}'}`,
    rule: '{alert: A, expr: load > 0}\n      - {record: m, expr: load}',
    input: ['1'],
    made: ['ALERTS{alertname="A", alertstate="firing", n="1", was="n1"} 1, m{n="1", was="n{{ $labels.n }}"} 1'],
  },
  {
    why: 'the name of the alert wins over every label',
    group: 'labels: {alertname: of-group}',
    rule: '{alert: A, expr: load > 0, labels: {alertname: of-rule}}',
    input: ['1'],
    made: ['ALERTS{alertname="A", alertstate="firing", n="1"} 1'],
  },
  {
    why: 'labels that make two series one fail the rule',
    rule: '{record: m, expr: load, labels: {n: x}}',
    input: ['1 .', '1 2'],
    made: ['m{n="x"} 1', 'FAILS m{n="x"} 1'],
  },
  {
    why: 'a rule sees what the one before it has made, and what the one after it made last time',
    rule: '{record: m, expr: load + 1}\n      - {record: o, expr: m * 10}\n      - {record: p, expr: later}\n      - {record: later, expr: load}',
    input: ['1', '2'],
    made: ['later{n="1"} 1, m{n="1"} 2, o{n="1"} 20', 'later{n="1"} 2, m{n="1"} 3, o{n="1"} 30, p{n="1"} 1'],
  },
];

function fileOf(rule: string, group = '', name = 'g'): string {
  return `groups:\n  - name: ${name}\n    interval: 10s\n${group === '' ? '' : `    ${group}\n`}    rules:\n      - ${rule}\n`;
}

function feed(bench: Bench, input: string): void {
  for (const [i, text] of input.split(' ').entries()) {
    if (text !== '.') bench.write({ __name__: 'load', n: String(i + 1) }, text === '_' ? undefined : Number(text));
  }
}

const MADE = ['ALERTS', 'later', 'm', 'o', 'p'];

function madeOf(bench: Bench): string {
  const failed = bench.engine.snapshot().some(({ rules }) => rules.some(({ health }) => health === 'err'));
  return (failed ? 'FAILS ' : '') + MADE.flatMap((name) => bench.series(name)).join(', ');
}

async function started(text: string): Promise<Bench> {
  const bench = new Bench(text, { strictSlots: true });
  bench.engine.start();
  await bench.clock.advance(0);
  return bench;
}

describe('a group', () => {
  it.each(TABLE)('$why', async ({ rule, group, input, made }) => {
    const bench = await started(fileOf(rule, group));
    const seen: string[] = [];
    for (const slot of input) {
      feed(bench, slot);
      await bench.clock.advance(10_000);
      seen.push(madeOf(bench));
    }
    expect(seen).toEqual(made);
  });

  it('queries, writes and ends series query_offset before its slot; its alerts begin at the slot', async () => {
    const bench = await started(fileOf('{alert: A, expr: load > 0}\n      - {record: m, expr: load > 0}', 'query_offset: 15s'));
    const at = (): readonly (readonly [string, number])[] => MADE.map((name) => [name, bench.series(name).length] as const);
    feed(bench, '1');
    await bench.clock.advance(14_000);
    expect(at().filter(([, count]) => count > 0)).toEqual([]);
    await bench.clock.advance(11_000);
    expect(at().filter(([, count]) => count > 0)).toEqual([
      ['ALERTS', 1],
      ['m', 1],
    ]);
    const slot = bench.engine.snapshot()[0]?.lastEvaluation ?? 0;
    const [alert] = bench.alertingRule('A').alerts;
    expect((slot - (alert?.activeAt ?? 0)) % 10_000).toBe(0);
    const begun = bench.series('ALERTS_FOR_STATE').map((text) => Number(text.split(' ').at(-1)));
    expect(begun).toEqual([Math.floor((alert?.activeAt ?? 0) / 1000)]);
    feed(bench, '0');
    await bench.clock.advance(14_000);
    expect(bench.series('m')).toHaveLength(1);
    await bench.clock.advance(11_000);
    expect(bench.series('m')).toEqual([]);
  });

  it('without an interval has the configured one; 0s is none', () => {
    const intervals = (line: string): number | undefined =>
      parseRuleFiles([{ path: 'r', text: `groups: [{name: g, ${line} rules: []}]` }], { evaluationIntervalMs: 7000 }).groups[0]?.intervalMs;
    expect(['', 'interval: 0s,', 'interval: 1m,', 'interval: 1s500ms,'].map(intervals)).toEqual([7000, 7000, 60_000, 1500]);
  });
});

const PENDING = '{alert: A, expr: load > 0, for: 30s}';

describe('a reload', () => {
  it.each<readonly [string, string, readonly string[]]>([
    ['goes on where rules change places', fileOf(`{record: m, expr: load}\n      - ${PENDING}`), ['firing A']],
    ['goes on where a rule goes', fileOf(PENDING), ['firing A']],
    ['goes on with another limit', fileOf(PENDING, 'limit: 5'), ['firing A']],
    ['goes on with an offset', fileOf(PENDING, 'query_offset: 1ms'), ['firing A']],
    ['begins anew under another name of the group', fileOf(PENDING, '', 'renamed'), []],
    ['begins anew under another name of the rule', fileOf(PENDING.replace('A', 'B')), []],
  ])('of an alert that waits %s', async (_, text, sent) => {
    const bench = await started(fileOf(`${PENDING}\n      - {record: m, expr: load}`));
    feed(bench, '1');
    await bench.clock.advance(20_000);
    bench.engine.replace(ruleSetOf(text));
    await bench.clock.advance(21_000);
    expect(bench.takeSent()).toEqual(sent);
  });

  it.each([
    ['another group', 'r.yaml', fileOf('{record: m, expr: load}', '', 'renamed')],
    ['another file', 'moved.yaml', fileOf('{record: m, expr: load}')],
    ['another place', 'r.yaml', fileOf('{record: o, expr: load}\n      - {record: m, expr: load}')],
  ])('that moves a rule to %s leaves its series without a gap', async (_, path, text) => {
    const set = (name: string, rules: string) => parseRuleFiles([{ path: name, text: rules }], { evaluationIntervalMs: 10_000 });
    const bench = await started('groups: []');
    bench.engine.replace(set('r.yaml', fileOf('{record: m, expr: load}')));
    feed(bench, '1');
    await bench.clock.advance(20_000);
    bench.engine.replace(set(path, text));
    for (let i = 0; i < 60; i++) {
      await bench.clock.advance(1000);
      expect(bench.series('m')).toEqual(['m{n="1"} 1']);
    }
  });

  it('leaves when a group was evaluated, and how long that took, as it was', async () => {
    const bench = await started(fileOf(PENDING));
    await bench.clock.advance(20_000);
    const told = () => bench.engine.snapshot().map(({ lastEvaluation, evaluationTimeMs }) => [lastEvaluation, evaluationTimeMs]);
    const before = told();
    bench.engine.replace(ruleSetOf(fileOf(PENDING, 'limit: 3')));
    expect(told()).toEqual(before);
  });

  it('takes the n-th of rules that have one name for the n-th', async () => {
    const twice = (first: string, second: string): string =>
      fileOf(`{alert: A, expr: ${first}, for: 30s}\n      - {alert: A, expr: ${second}}`);
    const bench = await started(twice('load > 0', 'load > 9'));
    feed(bench, '1 10');
    await bench.clock.advance(10_000);
    bench.engine.replace(ruleSetOf(twice('load >= 1', 'load >= 10')));
    const states = (): readonly string[] =>
      bench.engine
        .snapshot()
        .flatMap(({ rules }) => rules.map((rule) => (rule.type === 'alerting' ? rule.alerts.map(({ state }) => state).join() : '')));
    expect(states()).toEqual(['pending,pending', 'firing']);
    await bench.clock.advance(31_000);
    expect(states()).toEqual(['firing,firing', 'firing']);
  });
});

import { describe, expect, it } from '@jest/globals';
import { parseRuleFiles } from '../../src/rules/load.ts';
import { Bench, ruleSetOf } from './harness.ts';

function file(...rules: readonly string[]): string {
  return `groups:\n  - name: g\n    interval: 10s\n    rules:\n${rules.map((rule) => `      - ${rule}`).join('\n')}\n`;
}

/** Nothing is sent again within the tests. */
const OPTIONS = { strictSlots: true, resendDelayMs: 86_400_000 };

/** One of several rules that share a name, as a warning and its critical form do. */
function lag(severity: string, above = 0): string {
  return `{alert: Lag, expr: lag > ${above}, for: 30s, labels: {severity: ${severity}}}`;
}

const [WARNING, CRITICAL, INFO] = [lag('warning'), lag('critical'), lag('info')];

async function slots(bench: Bench, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    bench.write({ __name__: 'lag', topic: 't', cluster: 'c' }, 5);
    await bench.clock.advance(10_000);
  }
}

async function running(text: string, count: number): Promise<Bench> {
  const bench = new Bench(text, OPTIONS);
  bench.engine.start();
  await slots(bench, count);
  return bench;
}

/** What was sent since the last call, as `firing warning`. */
function told(bench: Bench): readonly string[] {
  return bench.sent.splice(0).map(({ alert }) => `${alert.status} ${alert.labels.get('severity')}`);
}

interface Row {
  readonly why: string;
  readonly before: readonly string[];
  readonly after: readonly string[];
  /** Told within the first slot after the change, and within five more. */
  readonly now: readonly string[];
  readonly later: readonly string[];
}

/** Every alert of `before` fires when `after` takes its place. */
const TABLE: readonly Row[] = [
  { why: 'one more before the others', before: [WARNING, CRITICAL], after: [INFO, WARNING, CRITICAL], now: [], later: ['firing info'] },
  { why: 'one more between the others', before: [WARNING, CRITICAL], after: [WARNING, INFO, CRITICAL], now: [], later: ['firing info'] },
  { why: 'the others in another order', before: [WARNING, CRITICAL], after: [CRITICAL, WARNING], now: [], later: [] },
  { why: 'the first gone', before: [WARNING, CRITICAL], after: [CRITICAL], now: ['resolved warning'], later: [] },
];

/** What is told after a change. */
async function toldAfter(bench: Bench): Promise<Pick<Row, 'now' | 'later'>> {
  await slots(bench, 1);
  const now = told(bench).toSorted();
  await slots(bench, 4);
  return { now, later: told(bench).toSorted() };
}

describe('rules of one name', () => {
  it.each(TABLE)('keep their alerts over a reload: $why', async ({ before, after, now, later }) => {
    const bench = await running(file(...before), 5);
    told(bench);
    bench.engine.replace(ruleSetOf(file(...after)));
    expect(await toldAfter(bench)).toEqual({ now, later });
  });

  it.each(TABLE)('keep their alerts over a reload, and over a restart after it: $why', async ({ before, after, later }) => {
    const bench = await running(file(...before), 5);
    bench.engine.replace(ruleSetOf(file(...after)));
    await slots(bench, 5);
    bench.engine.stop();
    const again = new Bench(file(...after), OPTIONS, bench);
    again.engine.start();
    // Handed on once more, whoever had them; and then nothing.
    const firing = [...before.filter((rule) => after.includes(rule)), ...later].length;
    expect(told(again).filter((text) => text.startsWith('firing')).length).toBeGreaterThanOrEqual(firing);
    expect(await toldAfter(again)).toEqual({ now: [], later: [] });
  });

  it.each(TABLE)('keep their alerts where the file changed while nobody looked: $why', async ({ before, after, later }) => {
    const bench = await running(file(...before), 5);
    bench.engine.stop();
    const again = new Bench(file(...after), OPTIONS, bench);
    again.engine.start();
    told(again);
    const found = await toldAfter(again);
    expect(found.later).toEqual(later);
    expect(found.now.filter((text) => text.startsWith('firing'))).toEqual([]);
  });

  it('and of equal labels are told apart by their expressions', async () => {
    const bench = await running(file(WARNING, CRITICAL), 5);
    told(bench);
    bench.engine.replace(ruleSetOf(file(lag('critical', 9), CRITICAL)));
    expect(await toldAfter(bench)).toEqual({ now: ['resolved warning'], later: [] });
  });

  it.each([
    ['of a file that is elsewhere now', ['/opt/belfry-2/rules.yaml'], []],
    [
      'of one that is one of two of its groups now',
      ['/opt/belfry-2/more.yaml', '/opt/belfry-2/rules.yaml'],
      ['firing critical', 'firing warning'],
    ],
    ['of a file that is there still, but in another', ['rules.yaml', 'other.yaml'], ['firing critical', 'firing warning']],
  ])('keep their alerts where the rule file %s', async (_, paths, later) => {
    const bench = await running(file(WARNING, CRITICAL), 5);
    bench.engine.stop();
    const again = new Bench('groups: []', OPTIONS, bench);
    const files = paths.map((path) => ({ path, text: file(WARNING, CRITICAL) }));
    again.engine.replace(parseRuleFiles(files, { evaluationIntervalMs: 10_000 }));
    again.engine.start();
    const handedOn = told(again).toSorted();
    expect([handedOn, await toldAfter(again)]).toEqual([['firing critical', 'firing warning'], { now: [], later }]);
  });

  it('keep their alerts over a restart where an alert has the label of another rule, too', async () => {
    const rules = file('{alert: Lag, expr: lag > 0, for: 30s}', '{alert: Lag, expr: sum(lag) > 9, labels: {topic: t}}');
    const bench = await running(rules, 5);
    bench.engine.stop();
    const again = new Bench(rules, OPTIONS, bench);
    again.engine.start();
    expect([told(again), await toldAfter(again)]).toEqual([['firing '], { now: [], later: [] }]);
  });

  it('and of equal labels that are one after a restart: what had come further goes on', async () => {
    const over = '{alert: Lag, expr: lag > 0 and on() vector(time()) < 1700000020}';
    const steady = '{alert: Lag, expr: lag > 0}';
    for (const before of [
      [over, steady],
      [steady, over],
    ]) {
      const bench = await running(file(...before), 5);
      expect([...bench.state.rows.values()].map(({ state }) => state).toSorted()).toEqual(['firing', 'inactive']);
      bench.engine.stop();
      const again = new Bench(file(steady), OPTIONS, bench);
      again.engine.start();
      expect([told(again), await toldAfter(again)]).toEqual([['firing '], { now: [], later: [] }]);
      expect([...bench.state.rows.values()].map(({ ruleKey, state }) => `${ruleKey} ${state}`)).toEqual(['rules.yaml;g;Lag;0 firing']);
    }
  });

  it('end their alerts where one that records takes the place of one that alerts', async () => {
    const bench = await running(file('{alert: Lag, expr: lag > 0, labels: {severity: warning}}'), 5);
    told(bench);
    bench.engine.replace(ruleSetOf(file('{record: Lag, expr: lag > 0}')));
    expect(await toldAfter(bench)).toEqual({ now: ['resolved warning'], later: [] });
    expect(bench.state.rows.size).toBe(0);
  });

  it('of two files of one name that have moved go on with those of their folders', async () => {
    const paths = (root: string): readonly string[] => ['orders', 'payments'].map((team) => `${root}/${team}/rules.yaml`);
    const filesAt = (root: string, [first, second]: readonly string[]) => {
      const files = [
        { path: paths(root)[0] ?? '', text: file(first ?? '') },
        { path: paths(root)[1] ?? '', text: file(second ?? '') },
      ];
      return parseRuleFiles(files, { evaluationIntervalMs: 10_000 });
    };
    const rules = [WARNING, CRITICAL];
    const bench = new Bench('groups: []', OPTIONS);
    bench.engine.replace(filesAt('/opt/a', rules));
    bench.engine.start();
    await slots(bench, 5);
    bench.engine.stop();
    const again = new Bench('groups: []', OPTIONS, bench);
    again.engine.replace(filesAt('/opt/b', rules));
    again.engine.start();
    expect([told(again).toSorted(), await toldAfter(again)]).toEqual([['firing critical', 'firing warning'], { now: [], later: [] }]);
  });

  it('keep their alerts where Belfry is killed at its start, before it has forgotten where they stood', async () => {
    const bench = await running(file(WARNING, CRITICAL), 5);
    bench.engine.stop();
    const { rows } = bench.state;
    const killed = new Bench(file(CRITICAL, WARNING), OPTIONS, bench);
    const before = new Map(rows);
    killed.engine.start();
    killed.engine.stop();
    for (const [key, row] of before) if (!rows.has(key)) rows.set(key, row);
    expect(rows.size).toBe(4);
    const again = new Bench(file(CRITICAL, WARNING), OPTIONS, bench);
    again.engine.start();
    expect([told(again).toSorted(), await toldAfter(again)]).toEqual([['firing critical', 'firing warning'], { now: [], later: [] }]);
    expect([...rows.values()].map(({ ruleKey, labels }) => `${ruleKey.slice(-1)} ${labels['severity']}`).toSorted()).toEqual([
      '0 critical',
      '1 warning',
    ]);
  });

  it('leave no row of the state file behind', async () => {
    const bench = await running(file(WARNING, CRITICAL), 5);
    bench.engine.replace(ruleSetOf(file(INFO, CRITICAL, WARNING)));
    await slots(bench, 2);
    bench.engine.stop();
    const again = new Bench(file(INFO, CRITICAL, WARNING), OPTIONS, bench);
    again.engine.start();
    await slots(again, 2);
    const rows = [...bench.state.rows.values()].map(({ ruleKey, labels }) => `${ruleKey.slice(-1)} ${labels['severity']}`);
    expect(rows.toSorted()).toEqual(['0 info', '1 critical', '2 warning']);
  });

  it('record their series without a gap, whatever comes before them', async () => {
    const one = '{record: m, expr: lag, labels: {of: one}}';
    const two = '{record: m, expr: lag, labels: {of: two}}';
    const bench = await running(file(one, two), 2);
    bench.engine.replace(ruleSetOf(file('{record: m, expr: lag, labels: {of: new}}', two)));
    await slots(bench, 1);
    expect(bench.series('m').map((text) => /of="(\w+)"/.exec(text)?.[1])).toEqual(['new', 'two']);
  });
});

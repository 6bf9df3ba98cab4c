import { describe, expect, it } from '@jest/globals';
import type { Labels } from '../../src/core/labels.ts';
import { Bench, ruleSetOf } from './harness.ts';
import type { GroupSnapshot } from '../../src/rules/snapshot.ts';

const UP = { __name__: 'up', broker: '1', cluster: 'c' };

function groups(...bodies: readonly string[]): string {
  return `groups:\n${bodies.map((body, i) => `  - name: g${i}\n    interval: 10s\n${body}`).join('\n')}\n`;
}

function rules(...lines: readonly string[]): string {
  return `    rules:\n${lines.map((line) => `      - ${line}`).join('\n')}`;
}

const DOWN = '{alert: Down, expr: up == 0}';
const DOWN_FOR = '{alert: Down, expr: up == 0, for: 25s}';

async function started(text: string, options = {}): Promise<Bench> {
  const bench = new Bench(text, options);
  bench.engine.start();
  await bench.clock.advance(0);
  return bench;
}

/** The time until the first slot of the bench's first group. */
async function toSlot(bench: Bench): Promise<void> {
  const evaluations = (): number => bench.engine.snapshot()[0]?.lastEvaluation ?? 0;
  const before = evaluations();
  while (evaluations() === before) await bench.clock.advance(1);
}

describe('slots', () => {
  it('are on a grid that the name of the group shifts, and each evaluation is at its slot', async () => {
    const bench = await started(groups(rules(DOWN), rules(DOWN), rules(DOWN)), { strictSlots: true });
    const slots = (): readonly number[] => bench.engine.snapshot().map(({ lastEvaluation }) => lastEvaluation);
    await bench.clock.advance(10_000);
    const first = slots();
    await bench.clock.advance(20_000);
    expect(slots()).toEqual(first.map((ts) => ts + 20_000));
    expect(new Set(first.map((ts) => ts % 10_000)).size).toBe(3);
  });

  it('that pass while the group is late are counted, never made up for', async () => {
    const bench = await started(groups(rules(DOWN)));
    await toSlot(bench);
    const [before] = bench.engine.snapshot();
    // The process stood still: its timer fires late.
    const now = bench.clock.now();
    bench.clock.now = () => now + 45_000;
    await bench.clock.advance(10_000);
    Reflect.deleteProperty(bench.clock, 'now');
    const [after] = bench.engine.snapshot();
    expect([after?.missedIterations, (after?.lastEvaluation ?? 0) - (before?.lastEvaluation ?? 0)]).toEqual([3, 40_000]);
  });

  const THREE = groups(rules('{alert: A, expr: a > 0}', '{alert: B, expr: b > 0}', '{alert: C, expr: c > 0}'));

  /** What is selected in each turn of the event loop from here on; `first` is called in a microtask of the first. */
  function turnsOf(bench: Bench, first: () => void = () => {}): string[][] {
    const turns: string[][] = [];
    let current: string[] | undefined;
    const select = bench.store.select.bind(bench.store);
    bench.store.select = (matchers) => {
      if (current === undefined) {
        turns.push((current = []));
        if (turns.length === 1) queueMicrotask(first);
        setImmediate(() => (current = undefined));
      }
      const name = matchers[0]?.value ?? '';
      if (!current.includes(name)) current.push(name);
      return select(matchers);
    };
    return turns;
  }

  it('with new series open the plan of each rule in a turn of its own, and then evaluate all rules in one', async () => {
    const bench = await started(THREE);
    for (const name of ['a', 'b', 'c']) bench.write({ __name__: name, cluster: 'c' }, 1);
    const turns = turnsOf(bench);
    await toSlot(bench);
    expect(turns).toEqual([['a'], ['b'], ['c'], ['a', 'b', 'c']]);
    expect(new Set(bench.sent.map(({ ts }) => ts)).size).toBe(1);
    expect(bench.takeSent()).toEqual(['firing A', 'firing B', 'firing C']);
  });

  it('that are opening plans hold up no wake; their own evaluation is then later than it', async () => {
    const bench = await started(THREE);
    for (const name of ['a', 'b', 'c']) bench.write({ __name__: name, cluster: 'c' }, 1);
    turnsOf(bench, () => bench.engine.wake({ ts: bench.clock.now(), metricNames: new Set(['c']), cluster: 'c' }));
    await toSlot(bench);
    expect(bench.sent.map(({ alert, ts }) => [alert.labels.get('alertname'), bench.clock.now() - ts])).toEqual([
      ['C', 0],
      ['A', -1],
      ['B', -1],
    ]);
  });

  it('that are opening plans when the engine stops evaluate nothing', async () => {
    const bench = await started(THREE);
    bench.write({ __name__: 'a', cluster: 'c' }, 1);
    const turns = turnsOf(bench, () => bench.engine.stop());
    await bench.clock.advance(30_000);
    expect(turns).toEqual([['a']]);
    expect([bench.takeSent(), bench.engine.snapshot()[0]?.lastEvaluation]).toEqual([[], 0]);
  });

  it('end when the engine stops, and start and stop may be called twice', async () => {
    const bench = await started(groups(rules(DOWN)));
    bench.engine.start();
    bench.engine.stop();
    bench.engine.stop();
    bench.write(UP, 0);
    bench.engine.wake({ ts: bench.clock.now(), metricNames: new Set(['up']), cluster: 'c' });
    await bench.clock.advance(60_000);
    expect(bench.takeSent()).toEqual([]);
    expect(bench.clock.pendingTimers).toBe(0);
  });
});

describe('recording rules', () => {
  it('are seen by the next rule of the same evaluation', async () => {
    const bench = await started(groups(rules('{record: "down:sum", expr: count(up == 0)}', '{alert: Many, expr: "down:sum > 1"}')));
    bench.write(UP, 0);
    bench.write({ ...UP, broker: '2' }, 0);
    await toSlot(bench);
    expect(bench.takeSent()).toEqual(['firing Many']);
    expect(bench.series('down:sum')).toEqual(['down:sum 2']);
  });

  it('put their labels on, drop empty ones, and end the series that vanish', async () => {
    const bench = await started(groups(rules('{record: "x", expr: "up == 0", labels: {source: rules, cluster: ""}}')));
    bench.write(UP, 0);
    await toSlot(bench);
    expect(bench.series('x')).toEqual(['x{broker="1", source="rules"} 0']);
    bench.write(UP, 1);
    await toSlot(bench);
    expect(bench.series('x')).toEqual([]);
  });

  it('end nothing when their query fails', async () => {
    const bench = await started(groups(rules('{record: "x", expr: "up == 0"}')));
    bench.write(UP, 0);
    await toSlot(bench);
    bench.store.failure = 'it fails';
    await toSlot(bench);
    bench.store.failure = undefined;
    expect(bench.series('x')).toHaveLength(1);
    expect(bench.engine.snapshot()[0]?.rules[0]).toMatchObject({ health: 'err', lastError: 'it fails' });
  });

  it('are queried and written query_offset in the past', async () => {
    const bench = await started(groups(`    query_offset: 4s\n${rules('{record: "x", expr: "up"}')}`));
    const slot = (bench.engine.snapshot()[0] as GroupSnapshot).lastEvaluation;
    expect(slot).toBe(0);
    await toSlot(bench);
    bench.write(UP, 1);
    await toSlot(bench);
    const columns = { values: new Float64Array(1), timestamps: new Float64Array(1), present: new Uint8Array(1) };
    const [matcher] = ruleSetOf('groups: [{name: q, rules: [{record: y, expr: x}]}]').groups[0]?.rules[0]?.expression.selectors ?? [];
    bench.store.select(matcher?.matchers ?? []).instant(bench.clock.now(), 300_000, columns);
    expect(columns.timestamps[0]).toBe((bench.engine.snapshot()[0]?.lastEvaluation ?? 0) - 4000);
  });
});

describe('ALERTS and ALERTS_FOR_STATE', () => {
  it('follow the state at each slot', async () => {
    const bench = await started(groups(rules(DOWN_FOR)));
    bench.write(UP, 0);
    await toSlot(bench);
    const since = Math.floor(bench.clock.now() / 1000);
    const labels = 'alertname="Down"';
    expect(bench.series('ALERTS')).toEqual([`ALERTS{${labels}, alertstate="pending", broker="1", cluster="c"} 1`]);
    expect(bench.series('ALERTS_FOR_STATE')).toEqual([`ALERTS_FOR_STATE{${labels}, broker="1", cluster="c"} ${since}`]);
    for (let i = 0; i < 3; i++) await toSlot(bench);
    expect(bench.series('ALERTS')).toEqual([`ALERTS{${labels}, alertstate="firing", broker="1", cluster="c"} 1`]);
    expect(bench.series('ALERTS_FOR_STATE')).toEqual([`ALERTS_FOR_STATE{${labels}, broker="1", cluster="c"} ${since}`]);
    bench.write(UP, 1);
    await toSlot(bench);
    expect([...bench.series('ALERTS'), ...bench.series('ALERTS_FOR_STATE')]).toEqual([]);
  });

  it('are not written between slots', async () => {
    const bench = await started(groups(rules(DOWN)));
    await toSlot(bench);
    bench.write(UP, 0);
    bench.engine.wake({ ts: bench.clock.now(), metricNames: new Set(['up']), cluster: 'c' });
    await bench.clock.advance(5);
    expect([bench.takeSent(), bench.series('ALERTS')]).toEqual([['firing Down/1'], []]);
    await toSlot(bench);
    expect(bench.series('ALERTS')).toHaveLength(1);
  });
});

describe('a wake', () => {
  const wake = async (bench: Bench, ...names: readonly string[]): Promise<readonly string[]> => {
    await bench.clock.advance(1);
    bench.engine.wake({ ts: bench.clock.now(), metricNames: new Set(names), cluster: 'c' });
    await bench.clock.advance(0);
    return bench.takeSent();
  };

  it('evaluates the rules that select what has changed, at once', async () => {
    const bench = await started(groups(rules(DOWN, '{alert: Other, expr: vector(1)}')));
    bench.write(UP, 0);
    expect(await wake(bench, 'lag')).toEqual([]);
    expect(await wake(bench, 'up', 'lag')).toEqual(['firing Down/1']);
    expect(bench.sent).toEqual([]);
  });

  it('finds selectors without a plain name', async () => {
    const bench = await started(groups(rules(`{alert: Down, expr: '{__name__=~"u.", broker="1"} == 0'}`)));
    bench.write(UP, 0);
    expect(await wake(bench, 'up')).toEqual(['firing Down/1']);
  });

  it('also evaluates later rules that read what the woken ones make, with what they have just made', async () => {
    const bench = await started(
      groups(
        rules(
          '{record: "down:sum", expr: count by (cluster) (up == 0)}',
          '{alert: Many, expr: "down:sum > 0"}',
          `{alert: Meta, expr: 'sum(ALERTS{alertname="Many",alertstate="firing"}) > 0'}`,
        ),
      ),
    );
    bench.write(UP, 0);
    expect(await wake(bench, 'up')).toEqual(['firing Many', 'firing Meta']);
    expect(bench.series('down:sum')).toEqual([]);
    await toSlot(bench);
    bench.write(UP, 1);
    expect(await wake(bench, 'up')).toEqual(['resolved Many (recovered)', 'resolved Meta (recovered)']);
    expect(bench.series('down:sum')).toEqual(['down:sum{cluster="c"} 1']);
  });

  it('comes once for many in one turn', async () => {
    const bench = await started(groups(rules(DOWN)));
    bench.write(UP, 0);
    let queries = 0;
    const select = bench.store.select.bind(bench.store);
    bench.store.select = (matchers) => {
      queries++;
      return select(matchers);
    };
    for (let i = 0; i < 10; i++) bench.engine.wake({ ts: bench.clock.now(), metricNames: new Set(['up']), cluster: 'c' });
    await bench.clock.advance(0);
    expect(bench.takeSent()).toEqual(['firing Down/1']);
    // One to see how much there is to open, one for the expression, one to remember which inputs the new alert had.
    expect(queries).toBe(3);
  });

  it.each([
    ['groups with a query_offset', `    query_offset: 1s\n${rules(DOWN)}`, {}],
    ['rules with belfry_wake: off', rules('{alert: Down, expr: up == 0, annotations: {belfry_wake: "off"}}'), {}],
    ['an engine with strict slots', rules(DOWN), { strictSlots: true }],
  ])('leaves alone %s', async (_, body, options) => {
    const bench = await started(groups(body), options);
    bench.write(UP, 0);
    expect(await wake(bench, 'up')).toEqual([]);
    await bench.clock.advance(12_000);
    expect(bench.takeSent()).toEqual(['firing Down/1']);
  });

  it('never makes the times of a group go back', async () => {
    const bench = await started(groups(rules(DOWN)));
    await toSlot(bench);
    const slot = bench.engine.snapshot()[0]?.lastEvaluation ?? 0;
    bench.write(UP, 0);
    bench.engine.wake({ ts: slot - 5000, metricNames: new Set(['up']), cluster: 'c' });
    await bench.clock.advance(0);
    expect(bench.sent.map(({ ts }) => ts)).toEqual([slot + 1]);
  });
});

describe('a deadline', () => {
  it('fires a pending alert when its for is over, not at the next slot', async () => {
    const bench = await started(groups(rules('{alert: Down, expr: up == 0, for: 3s}')));
    bench.write(UP, 0);
    await toSlot(bench);
    const slot = bench.clock.now();
    await bench.clock.advance(9000);
    expect(bench.sent.map(({ ts, alert }) => [ts, alert.startsAt])).toEqual([[slot + 3000, slot + 3000]]);
  });

  it('looks at the data again and fires nothing that has got well', async () => {
    const bench = await started(groups(rules('{alert: Down, expr: up == 0, for: 3s}')));
    bench.write(UP, 0);
    await toSlot(bench);
    await bench.clock.advance(1000);
    bench.write(UP, 1);
    await bench.clock.advance(8000);
    expect([bench.takeSent(), bench.state.rows.size]).toEqual([[], 0]);
  });

  it('is not missed when the query fails, nor asked for again and again', async () => {
    const bench = await started(groups(rules('{alert: Down, expr: up == 0, for: 3s}')));
    bench.write(UP, 0);
    await toSlot(bench);
    bench.store.failure = 'it fails';
    await bench.clock.advance(5000);
    bench.store.failure = undefined;
    await bench.clock.advance(6000);
    expect(bench.takeSent()).toEqual(['firing Down/1']);
  });
});

describe('templates', () => {
  it('may query, at the time of the evaluation', async () => {
    const bench = await started(
      groups(rules(`{alert: Down, expr: up == 0, annotations: {n: '{{ with query "sum(up)" }}{{ . | first | value }}{{ end }}'}}`)),
    );
    bench.write(UP, 0);
    bench.write({ ...UP, broker: '2' }, 5);
    await toSlot(bench);
    expect(bench.sent[0]?.alert.annotations.get('n')).toBe('5');
  });

  it('may query with what is enabled for the rules, from the reload on that enables it', async () => {
    const text = groups(rules(`{alert: Down, expr: up == 0, annotations: {n: '{{ query "limitk(1, up)" | first | value }}'}}`));
    const bench = await started(text);
    bench.write(UP, 0);
    await toSlot(bench);
    const said = (): string | undefined => bench.alertingRule('Down').alerts[0]?.annotations.get('n');
    expect(said()).toContain('promql.experimental_functions');
    bench.engine.replace({ ...ruleSetOf(text), promql: { experimentalFunctions: true } });
    await toSlot(bench);
    expect(said()).toBe('0');
  });
});

describe('snapshot', () => {
  it('tells states, health and times', async () => {
    const bench = await started(groups(rules(DOWN_FOR)));
    expect(bench.alertingRule('Down')).toMatchObject({ state: 'unknown', health: 'unknown', lastEvaluation: 0 });
    bench.write(UP, 0);
    await toSlot(bench);
    const ts = bench.engine.snapshot()[0]?.lastEvaluation;
    expect(bench.alertingRule('Down')).toMatchObject({
      state: 'pending',
      health: 'ok',
      lastEvaluation: ts,
      durationMs: 25_000,
      query: 'up == 0',
    });
    expect(bench.alertingRule('Down').alerts).toMatchObject([{ state: 'pending', activeAt: ts, value: 0 }]);
    bench.write(UP, 1);
    await toSlot(bench);
    expect(bench.alertingRule('Down')).toMatchObject({ state: 'inactive', alerts: [] });
  });
});

describe('a target that leaves the configuration', () => {
  it('resolves its alerts with that reason', async () => {
    const bench = await started(groups(rules('{alert: Down, expr: up == 0, annotations: {belfry_no_data: keep}}')));
    bench.write(UP, 0);
    bench.write({ ...UP, cluster: 'd' }, 0);
    await toSlot(bench);
    bench.takeSent();
    bench.write(UP, undefined);
    bench.engine.targetRemoved((labels: Labels) => labels.get('cluster') === 'c');
    expect(bench.takeSent()).toEqual(['resolved Down/1 (target_removed)']);
    expect(bench.alertingRule('Down').alerts.map(({ labels }) => labels.get('cluster'))).toEqual(['d']);
  });
});

describe('the log', () => {
  it('has one line of a rule that fails at each slot, and another when it fails after it was well', async () => {
    const bench = new Bench('groups:\n  - name: g\n    interval: 10s\n    rules:\n      - {record: x, expr: a + on() b}\n');
    const twice = (value: number | undefined): void => {
      bench.write({ __name__: 'a' }, 1);
      for (const side of ['l', 'r']) bench.write({ __name__: 'b', side }, side === 'l' ? 1 : value);
    };
    bench.engine.start();
    for (const value of [1, 1, 1, undefined, 1, 1]) {
      twice(value);
      await bench.clock.advance(10_000);
    }
    expect(bench.logged).toEqual(['rule_failed', 'rule_failed']);
  });

  it('has one line while alert state cannot be saved', async () => {
    const bench = new Bench('groups:\n  - name: g\n    interval: 10s\n    rules:\n      - {alert: Down, expr: a == 0}\n');
    bench.engine.start();
    bench.state.broken = true;
    bench.write({ __name__: 'a' }, 0);
    await bench.clock.advance(60_000);
    expect(bench.logged).toEqual(['alert_state_not_durable']);
  });
});

it('what clients feel of an alert that fires still is sent as soon as it changes; other texts with the next resend', async () => {
  const annotations = '{summary: "{{ $value }}", belfry_effect: "{{ if gt $value 5.0 }}many{{ else }}few{{ end }}"}';
  const bench = await started(groups(rules(`{alert: Lost, expr: lost > 0, annotations: ${annotations}}`)));
  const effects: string[] = [];
  for (const value of [1, 2, 9, 8]) {
    bench.write({ __name__: 'lost', cluster: 'c' }, value);
    await bench.clock.advance(10_000);
    effects.push(
      bench.sent
        .splice(0)
        .map(({ alert }) => alert.annotations.get('belfry_effect'))
        .join(),
    );
  }
  expect(effects).toEqual(['few', '', 'many', '']);
  bench.engine.stop();
});

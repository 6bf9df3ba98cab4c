import { describe, expect, it } from '@jest/globals';
import { ManualClock } from '../../src/core/clock.ts';
import { LONG_REST, SHORT_REST, WakeLine, type WakeSlices } from '../../src/rules/wake-line.ts';
import { Bench, ruleSetOf } from './harness.ts';

/** A line whose evaluations take this long, by the clock's `elapsed`. */
class Line {
  readonly clock = new ManualClock();
  readonly evaluated: (readonly [atMs: number, names: string, ts: number])[] = [];
  readonly line: WakeLine;
  costMs = 0;
  whileItRuns: (slices: WakeSlices) => Promise<void> = async () => {};
  readonly #begin: number;
  #computedMs = 0;

  constructor(rest = LONG_REST) {
    const { clock } = this;
    this.#begin = clock.now();
    clock.elapsed = () => clock.now() + this.#computedMs;
    this.line = new WakeLine(
      clock,
      async (names, ts, slices) => {
        this.evaluated.push([clock.now() - this.#begin, [...names].toSorted().join(' '), ts]);
        this.#computedMs += this.costMs;
        await this.whileItRuns(slices);
      },
      rest,
    );
  }

  push(ts: number, ...names: readonly string[]): void {
    this.line.push(new Set(names), ts);
  }
}

describe('wakes', () => {
  it('of one turn are evaluated once, at once, at the time of the latest', async () => {
    const line = new Line();
    line.push(2, 'a');
    line.push(1, 'b', 'a');
    await line.clock.advance(0);
    expect(line.evaluated).toEqual([[0, 'a b', 2]]);
  });

  it.each([
    { costMs: 10, at: [0, 1, 2], because: 'none where it was cheap' },
    { costMs: 30, at: [0, 120], because: 'four times as long' },
    { costMs: 2000, at: [0, 250], because: 'a quarter of a second at most' },
  ])('after an evaluation of $costMs ms wait for a rest: $because', async ({ costMs, at }) => {
    const line = new Line();
    line.costMs = costMs;
    for (let i = 0; i < 3; i++) {
      line.push(i, `name${i}`);
      await line.clock.advance(0);
      await line.clock.advance(1);
    }
    await line.clock.advance(300);
    expect(line.evaluated.map(([atMs]) => atMs)).toEqual(at);
    expect(line.evaluated.flatMap(([, names]) => names.split(' '))).toEqual(['name0', 'name1', 'name2']);
  });

  it('that come while an evaluation has given way make the next one', async () => {
    const line = new Line();
    line.costMs = 16;
    line.whileItRuns = async (slices) => {
      if (line.evaluated.length > 1) return;
      expect(slices.due).toBe(true);
      line.push(5, 'late');
      await slices.pause();
      expect([slices.due, line.evaluated.length]).toEqual([false, 1]);
    };
    line.push(1, 'a');
    await line.clock.advance(0);
    expect(line.evaluated).toEqual([
      [0, 'a', 1],
      [0, 'late', 5],
    ]);
  });

  it('that wait are forgotten when it is cleared', async () => {
    const line = new Line();
    line.costMs = 30;
    line.push(1, 'a');
    await line.clock.advance(1);
    line.push(2, 'b');
    line.line.clear();
    await line.clock.advance(300);
    expect([line.evaluated.length, line.clock.pendingTimers]).toEqual([1, 0]);
  });
});

const TEXT = `groups:
  - name: g
    interval: 10s
    rules:
      - {alert: A, expr: a > 0}
      - {alert: B, expr: b > 0}
`;

/** An engine whose every query takes 20 ms and whose rules are known to be dear; new series are there, of which nobody knows yet. */
async function dearEngine(text = TEXT): Promise<{ bench: Bench; selects: () => number }> {
  const bench = new Bench(text);
  let computedMs = 0;
  bench.clock.elapsed = () => bench.clock.now() + computedMs;
  const select = bench.store.select.bind(bench.store);
  bench.store.select = (matchers) => {
    computedMs += 20;
    return select(matchers);
  };
  bench.engine.start();
  await bench.clock.advance(20_000);
  for (const name of ['a', 'b']) bench.write({ __name__: name, cluster: 'c' }, 1);
  bench.takeSent();
  return { bench, selects: () => computedMs / 20 };
}

/** The next `setImmediate` but one: what gives way has had its turn. */
async function turn(): Promise<void> {
  for (let i = 0; i < 2; i++) await new Promise((resolve) => setImmediate(resolve));
}

describe('a wake of dear rules', () => {
  const wake = (bench: Bench): void => bench.engine.wake({ ts: bench.clock.now(), metricNames: new Set(['a', 'b']), cluster: 'c' });

  it('opens their plans a turn each, and then evaluates all of them at one time', async () => {
    const { bench } = await dearEngine();
    wake(bench);
    await Promise.resolve();
    expect(bench.sent).toEqual([]);
    await bench.clock.advance(0);
    await turn();
    expect(bench.sent.map(({ alert, ts }) => [alert.labels.get('alertname'), bench.clock.now() - ts])).toEqual([
      ['A', 0],
      ['B', 0],
    ]);
  });

  it('that is cut off by a stop evaluates nothing', async () => {
    const { bench } = await dearEngine();
    wake(bench);
    await Promise.resolve();
    bench.engine.stop();
    await bench.clock.advance(0);
    await turn();
    expect(bench.sent).toEqual([]);
  });

  it('that a reload comes into wakes the rules that there are then', async () => {
    const { bench } = await dearEngine();
    wake(bench);
    await Promise.resolve();
    bench.engine.replace(ruleSetOf(TEXT.replace('alert: B', 'alert: New')));
    await bench.clock.advance(0);
    await bench.clock.advance(1000);
    await turn();
    expect(bench.takeSent()).toEqual(['firing A', 'firing New']);
  });
});

describe('a verdict', () => {
  const wake = (bench: Bench, name: string, urgent: boolean): void =>
    bench.engine.wake({ ts: bench.clock.now(), metricNames: new Set([name]), cluster: 'c', urgent });

  it('is evaluated at once while others rest after a dear evaluation', async () => {
    const { bench } = await dearEngine();
    wake(bench, 'a', false);
    await bench.clock.advance(0);
    await turn();
    expect(bench.takeSent()).toEqual(['firing A']);
    wake(bench, 'a', false);
    wake(bench, 'b', true);
    await bench.clock.advance(0);
    await turn();
    expect(bench.takeSent()).toEqual(['firing B']);
  });

  it('does not wait for the end of an evaluation that has given way', async () => {
    const rules = ['A', 'A2', 'A3', 'A4'].map((name) => `{alert: ${name}, expr: a > 0}`).join(', ');
    const { bench } = await dearEngine(`groups:
  - {name: g, interval: 10s, rules: [${rules}]}
  - {name: other, interval: 10s, rules: [{alert: B, expr: b > 0}]}
`);
    wake(bench, 'a', false);
    await Promise.resolve();
    wake(bench, 'b', true);
    await bench.clock.advance(0);
    await turn();
    expect(bench.takeSent()).toEqual(['firing B', 'firing A', 'firing A2', 'firing A3', 'firing A4']);
  });

  it.each([
    { costMs: 10, restMs: 0 },
    { costMs: 24, restMs: 24 },
    { costMs: 2000, restMs: 25 },
  ])('waits $restMs ms after one of another broker that took $costMs ms', async ({ costMs, restMs }) => {
    const line = new Line(SHORT_REST);
    line.costMs = costMs;
    for (const name of ['one', 'other']) {
      line.push(1, name);
      await line.clock.advance(0);
    }
    await line.clock.advance(300);
    expect(line.evaluated).toEqual([
      [0, 'one', 1],
      [restMs, 'other', 1],
    ]);
  });
});

describe('the first look at all rules', () => {
  const FIRST = `groups:
  - {name: often, interval: 10s, rules: [{alert: A, expr: a > 0}, {alert: Always, expr: vector(1)}]}
  - {name: seldom, interval: 1h, rules: [{record: "a:sum", expr: sum(a)}, {alert: Sum, expr: "a:sum > 0"}]}
  - {name: later, interval: 1h, query_offset: 1s, rules: [{alert: Later, expr: a > 0}]}
`;

  it('evaluates them before their slots, but those that nothing wakes', async () => {
    const bench = new Bench(FIRST);
    bench.engine.start();
    bench.write({ __name__: 'a', cluster: 'c' }, 1);
    bench.engine.lookAtAll();
    await bench.clock.advance(0);
    await turn();
    expect(bench.takeSent()).toEqual(['firing A', 'firing Always', 'firing Sum']);
    expect(bench.series('a:sum')).toEqual([]);
    expect(bench.engine.progress().map(({ lastEvaluationTs }) => lastEvaluationTs > 0)).toEqual([true, true, false]);
  });

  it('leaves an engine with strict slots alone', async () => {
    const bench = new Bench(FIRST, { strictSlots: true });
    bench.engine.start();
    bench.engine.lookAtAll();
    await bench.clock.advance(0);
    expect(bench.engine.progress().map(({ lastEvaluationTs }) => lastEvaluationTs)).toEqual([0, 0, 0]);
  });
});

import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { Labels } from '../../src/core/labels.ts';
import { MemorySeries } from '../../src/rules/memory-series.ts';
import { Bench, ruleSetOf } from './harness.ts';

// The same values in every run.
fc.configureGlobal({ seed: 20_261_123 });

const UP = { __name__: 'up', broker: '1', cluster: 'c' };

function file(...rules: readonly string[]): string {
  return `groups:\n  - name: g\n    interval: 10s\n    rules:\n${rules.map((rule) => `      - ${rule}`).join('\n')}\n`;
}

const DOWN_FOR = '{alert: Down, expr: up == 0, for: 30s}';
const DOWN = '{alert: Down, expr: up == 0}';

async function running(text: string, inputs: readonly number[], before?: Bench): Promise<Bench> {
  const bench = new Bench(text, {}, before);
  bench.engine.start();
  for (const value of inputs) {
    bench.write(UP, value);
    await bench.clock.advance(10_000);
  }
  return bench;
}

/** Kills one engine and starts another on the same state and samples after a while. */
async function restarted(old: Bench, text: string, downMs: number): Promise<Bench> {
  old.engine.stop();
  await old.clock.advance(downMs);
  const bench = new Bench(text, {}, old);
  bench.engine.start();
  return bench;
}

describe('a restart', () => {
  it('keeps the progress of a pending alert, downtime included', async () => {
    const before = await running(file(DOWN_FOR), [0, 0]);
    const bench = await restarted(before, file(DOWN_FOR), 15_000);
    expect(bench.alertingRule('Down')).toMatchObject({ state: 'pending' });
    bench.write(UP, 0);
    await bench.clock.advance(10_000);
    expect(bench.takeSent()).toEqual(['firing Down/1']);
  });

  it('hands on again what fires, with its own start, and fires nothing anew', async () => {
    const before = await running(file(DOWN), [0, 0]);
    const [first] = before.sent;
    const bench = await restarted(before, file(DOWN), 15_000);
    expect(bench.sent.map(({ alert }) => [alert.status, alert.startsAt])).toEqual([['firing', first?.alert.startsAt]]);
    bench.takeSent();
    bench.write(UP, 0);
    await bench.clock.advance(10_000);
    expect(bench.takeSent()).toEqual([]);
  });

  it('resolves nothing before its inputs have returned', async () => {
    const before = await running(file(DOWN), [0]);
    // Down for longer than the lookback: there is nothing to see.
    const bench = await restarted(before, file(DOWN), 600_000);
    bench.takeSent();
    await bench.clock.advance(200_000);
    expect(bench.takeSent().filter((text) => text.startsWith('resolved'))).toEqual([]);
    bench.write(UP, 1);
    await bench.clock.advance(10_000);
    expect(bench.takeSent()).toContain('resolved Down/1 (recovered)');
  });

  it('waits for the inputs of the same cluster only', async () => {
    const before = await running(file(DOWN), [0]);
    const bench = await restarted(before, file(DOWN), 600_000);
    bench.takeSent();
    bench.write({ ...UP, cluster: 'other' }, 1);
    await bench.clock.advance(20_000);
    expect(bench.takeSent()).toEqual([]);
    bench.write({ ...UP, broker: '2' }, 1);
    await bench.clock.advance(20_000);
    expect(bench.takeSent()).toEqual(['resolved Down/1 (no_data)']);
  });

  it('begins nothing anew on samples from before the last that were lost, and everything on new ones', async () => {
    const before = await running(file(DOWN), [0, 1]);
    expect(before.takeSent()).toEqual(['firing Down/1', 'resolved Down/1 (recovered)']);
    before.engine.stop();
    const store = new MemorySeries();
    store.add(Labels.of(UP), before.clock.now() - 10_000, 0);
    await before.clock.advance(15_000);
    const bench = new Bench(file(DOWN), {}, { clock: before.clock, state: before.state, store });
    bench.engine.start();
    await bench.clock.advance(30_000);
    expect(bench.takeSent()).not.toContain('firing Down/1');
    bench.write(UP, 0);
    await bench.clock.advance(10_000);
    expect(bench.takeSent()).toEqual(['firing Down/1']);
  });

  it('waits no longer than the grace', async () => {
    const before = await running(file(DOWN), [0]);
    const bench = await restarted(before, file(DOWN), 600_000);
    await bench.clock.advance(320_000);
    expect(bench.takeSent().at(-1)).toMatch(/^resolved Down\/1/);
  });

  it('sends a resolve again that may not have been heard', async () => {
    const before = await running(file(DOWN), [0, 1]);
    const bench = await restarted(before, file(DOWN), 1000);
    expect(bench.takeSent()).toEqual(['resolved Down/1 (recovered)']);
  });

  it('resolves the alerts of rules that went meanwhile', async () => {
    const before = await running(file(DOWN), [0]);
    const bench = await restarted(before, file('{alert: Else, expr: up == 0}'), 1000);
    expect(bench.takeSent()).toEqual(['resolved Down/1 (rule_removed)']);
    expect(bench.state.rows.size).toBe(0);
  });

  it('tells of rules that went before it forgets them: a kill in between loses no resolve', async () => {
    const before = await running(file(DOWN), [0]);
    before.engine.stop();
    before.takeSent();
    const killed = new Bench(file('{alert: Else, expr: up == 0}'), {}, before);
    killed.state.broken = true;
    killed.engine.start();
    expect(killed.takeSent()).toEqual(['resolved Down/1 (rule_removed)']);
    killed.state.broken = false;
    expect(killed.state.rows.size).toBe(1);
    const bench = await restarted(killed, file('{alert: Else, expr: up == 0}'), 1000);
    expect(bench.takeSent()).toEqual(['resolved Down/1 (rule_removed)']);
    expect(bench.state.rows.size).toBe(0);
  });

  it('tells again how an alert ended whose rule went meanwhile, which may not have been heard', async () => {
    const before = await running(file(DOWN), [0, 1]);
    const bench = await restarted(before, file('{alert: Else, expr: up == 0}'), 1000);
    expect(bench.takeSent()).toEqual(['resolved Down/1 (recovered)']);
    expect(bench.state.rows.size).toBe(0);
  });

  it('keeps firing what was kept firing', async () => {
    const rule = '{alert: Down, expr: up == 0, keep_firing_for: 1m}';
    const before = await running(file(rule), [0, 1]);
    const bench = await restarted(before, file(rule), 10_000);
    bench.takeSent();
    bench.write(UP, 1);
    await bench.clock.advance(20_000);
    expect(bench.takeSent()).toEqual([]);
    bench.write(UP, 1);
    await bench.clock.advance(30_000);
    expect(bench.takeSent()).toEqual(['resolved Down/1 (recovered)']);
  });
});

describe('a reload', () => {
  it('disturbs nothing of a group that stays as it is', async () => {
    const bench = await running(file(DOWN_FOR), [0]);
    const before = bench.engine.snapshot()[0];
    bench.engine.replace(ruleSetOf(file(DOWN_FOR)));
    expect(bench.engine.snapshot()[0]).toEqual(before);
    await bench.clock.advance(30_000);
    expect(bench.takeSent()).toEqual(['firing Down/1']);
  });

  it.each([
    ['its expression', '{alert: Down, expr: up < 1, for: 30s}'],
    ['an annotation', '{alert: Down, expr: up == 0, for: 30s, annotations: {a: b}}'],
    ['a rule beside it', `${DOWN_FOR}\n      - {alert: Else, expr: up == 2}`],
  ])('keeps a pending alert when %s changes', async (_, rule) => {
    const bench = await running(file(DOWN_FOR), [0, 0]);
    bench.engine.replace(ruleSetOf(file(rule)));
    bench.write(UP, 0);
    await bench.clock.advance(21_000);
    expect(bench.takeSent()).toEqual(['firing Down/1']);
  });

  it('goes on from the same moment when the labels of a rule change', async () => {
    const bench = await running(file(DOWN), [0, 0]);
    const startsAt = bench.sent[0]?.alert.startsAt;
    bench.takeSent();
    bench.engine.replace(ruleSetOf(file('{alert: Down, expr: up == 0, labels: {severity: critical}}')));
    bench.write(UP, 0);
    await bench.clock.advance(10_000);
    expect(bench.sent.map(({ alert }) => [alert.status, alert.labels.get('severity'), alert.resolveReason])).toEqual([
      ['resolved', '', 'rule_removed'],
      ['firing', 'critical', undefined],
    ]);
    expect(bench.sent[1]?.alert.startsAt).toBe(startsAt);
  });

  it('sends back to pending what a longer for asks for', async () => {
    const bench = await running(file(DOWN), [0]);
    bench.engine.replace(ruleSetOf(file('{alert: Down, expr: up == 0, for: 1h}')));
    bench.write(UP, 0);
    await bench.clock.advance(10_000);
    expect(bench.alertingRule('Down').state).toBe('pending');
  });

  it('tells the end of what fired before, when it recovers within the longer for', async () => {
    const bench = await running(file(DOWN), [0]);
    bench.engine.replace(ruleSetOf(file('{alert: Down, expr: up == 0, for: 1h}')));
    bench.write(UP, 0);
    await bench.clock.advance(10_000);
    bench.takeSent();
    bench.write(UP, 1);
    await bench.clock.advance(10_000);
    expect(bench.takeSent()).toEqual(['resolved Down/1 (recovered)']);
  });

  it('is saved as ended before it is told, and forgotten after, when a rule goes', async () => {
    const bench = await running(file(DOWN), [0]);
    bench.order.length = 0;
    bench.engine.replace(ruleSetOf('groups: []'));
    expect(bench.order).toEqual(['saved', 'sent', 'saved']);
  });

  it('resolves the alerts of a rule that is gone, forgets them, and ends their series two intervals later', async () => {
    const bench = await running(file(DOWN, '{record: x, expr: up}'), [0]);
    bench.takeSent();
    bench.engine.replace(ruleSetOf(file('{alert: Else, expr: up == 2}')));
    expect(bench.takeSent()).toEqual(['resolved Down/1 (rule_removed)']);
    expect(bench.state.rows.size).toBe(0);
    expect([bench.series('x').length, bench.series('ALERTS').length]).toEqual([1, 1]);
    await bench.clock.advance(20_000);
    expect([bench.series('x').length, bench.series('ALERTS').length]).toEqual([0, 0]);
  });

  it('lets a rule come back before its series end', async () => {
    const bench = await running(file('{record: x, expr: up}'), [0]);
    bench.engine.replace(ruleSetOf('groups: []'));
    await bench.clock.advance(5000);
    bench.engine.replace(ruleSetOf(file('{record: x, expr: up}')));
    await bench.clock.advance(30_000);
    expect(bench.series('x')).toHaveLength(1);
  });

  it('with nothing in it stops everything', async () => {
    const bench = await running(file(DOWN), [0]);
    bench.engine.replace(ruleSetOf('groups: []'));
    bench.engine.stop();
    expect(bench.clock.pendingTimers).toBe(0);
  });
});

describe('a restart at any instant', () => {
  const TEXT = file('{alert: Down, expr: up == 0, for: 20s, keep_firing_for: 20s}', '{alert: Now, expr: up == 0}', '{record: x, expr: up}');

  /** The alert state after each slot, what is sent with its time left out. */
  async function history(inputs: readonly string[], restartAfter: number | undefined): Promise<readonly unknown[]> {
    let bench = new Bench(TEXT, { strictSlots: true });
    bench.engine.start();
    const states: unknown[] = [];
    for (const [i, input] of inputs.entries()) {
      if (i === restartAfter) {
        bench.engine.stop();
        bench = new Bench(TEXT, { strictSlots: true }, bench);
        bench.engine.start();
      }
      bench.store.failure = input === 'E' ? 'it fails' : undefined;
      bench.write(UP, input === 'E' ? 0 : Number(input));
      await bench.clock.advance(10_000);
      states.push([...bench.state.rows.values()].map((row) => ({ ...row, lastSentAt: 0, value: 0 })));
    }
    bench.engine.stop();
    return states;
  }

  it('changes no decision after it', async () => {
    const inputs = fc.array(fc.constantFrom('0', '0', '1', 'E'), { minLength: 2, maxLength: 14 });
    await fc.assert(
      fc.asyncProperty(inputs, fc.nat(13), async (list, at) => {
        expect(await history(list, at % list.length)).toEqual(await history(list, undefined));
      }),
      { numRuns: 60 },
    );
  });
});

describe('while Belfry is blind', () => {
  const RULE = file(DOWN_FOR);

  async function blinded(rules: string, inputs: readonly number[]) {
    let blind: 'held' | 'isolated' | undefined;
    const bench = new Bench(rules, {}, undefined, (cluster) => (cluster === 'c' ? blind : undefined));
    bench.engine.start();
    for (const value of inputs) {
      bench.write(UP, value);
      await bench.clock.advance(10_000);
    }
    return { bench, becomes: (now: typeof blind) => void (blind = now) };
  }

  it.each(['held', 'isolated'] as const)('%s: nothing resolves, and after it only when data are back', async (how) => {
    const { bench, becomes } = await blinded(file(DOWN), [0]);
    expect(bench.takeSent()).toEqual(['firing Down/1']);
    becomes(how);
    bench.write(UP, 1);
    await bench.clock.advance(400_000);
    expect(bench.takeSent().filter((text) => text.startsWith('resolved'))).toEqual([]);
    becomes(undefined);
    await bench.clock.advance(30_000);
    expect(bench.takeSent().filter((text) => text.startsWith('resolved'))).toEqual([]);
    bench.write(UP, 1);
    await bench.clock.advance(10_000);
    expect(bench.takeSent()).toContain('resolved Down/1 (recovered)');
  });

  it('and no data come back: what fires resolves after the grace', async () => {
    const { bench, becomes } = await blinded(file('{alert: Down, expr: up == 0}'), [0]);
    becomes('isolated');
    await bench.clock.advance(400_000);
    becomes(undefined);
    await bench.clock.advance(290_000);
    expect(bench.takeSent().filter((text) => text.startsWith('resolved'))).toEqual([]);
    await bench.clock.advance(30_000);
    expect(bench.takeSent()).toContain('resolved Down/1 (no_data)');
  });

  it('nothing fires; held counts on, isolated begins anew', async () => {
    for (const [how, firesAfterMs] of [
      ['held', 10_000],
      ['isolated', 30_000],
    ] as const) {
      const { bench, becomes } = await blinded(RULE, [0, 0]);
      becomes(how);
      for (let i = 0; i < 6; i++) {
        bench.write(UP, 0);
        await bench.clock.advance(10_000);
      }
      expect(bench.takeSent()).toEqual([]);
      becomes(undefined);
      const from = bench.clock.now();
      while (bench.sent.length === 0) {
        bench.write(UP, 0);
        await bench.clock.advance(5000);
        if (bench.clock.now() - from > 60_000) throw new Error('it never fires');
      }
      expect(bench.clock.now() - from).toBeLessThanOrEqual(firesAfterMs);
      expect(bench.clock.now() - from).toBeGreaterThan(firesAfterMs - 10_000);
    }
  });

  it('another cluster is as ever', async () => {
    const { bench, becomes } = await blinded(file(DOWN), []);
    becomes('isolated');
    bench.write({ ...UP, cluster: 'other' }, 0);
    await bench.clock.advance(10_000);
    expect(bench.takeSent()).toEqual(['firing Down/1']);
    bench.write({ ...UP, cluster: 'other' }, 1);
    await bench.clock.advance(10_000);
    expect(bench.takeSent()).toEqual(['resolved Down/1 (recovered)']);
  });
});

describe('the wall clock', () => {
  it.each([
    ['forward', 3_600_000],
    ['back', -3_600_000],
  ])('set %s by an hour cuts no `for` short and lengthens none', async (_, byMs) => {
    const bench = await running(file(DOWN_FOR), [0]);
    bench.clock.stepWall(byMs);
    bench.write(UP, 0);
    await bench.clock.advance(10_000);
    bench.write(UP, 0);
    expect(bench.takeSent()).toEqual([]);
    await bench.clock.advance(20_000);
    expect(bench.takeSent()).toEqual(['firing Down/1']);
  });
});

import { describe, expect, it } from '@jest/globals';
import { Bench } from './harness.ts';

interface Row {
  readonly n: number;
  readonly why: string;
  /** Lines of the rule besides `alert: Down` and `expr: up == 0`. */
  readonly rule?: string;
  /** Another expression. */
  readonly expr?: string;
  /** Per slot: 0 or 1 is the sample, _ ends the series, . writes nothing, E makes the query fail. */
  readonly input: string;
  /** Per slot: - no alert, p pending, F firing, r resolved and kept. */
  readonly states: string;
  /** Per slot: what the sink got: f firing, r resolved, n resolved for lack of data, . nothing. */
  readonly sent: string;
}

/**
 * Slots are 10 s apart, a resend is due after 30 s, a resolved alert is kept for 60 s. This table is the proof of the
 * state machine: a change of behaviour is a change of a row.
 */
const TABLE: readonly Row[] = [
  { n: 1, why: 'without for it fires at first sight', input: '1 0 0 1', states: '- F F r', sent: '. f . r' },
  { n: 2, why: 'it waits until for is over', rule: 'for: 20s', input: '0 0 0 0', states: 'p p F F', sent: '. . f .' },
  { n: 3, why: 'for counts from the first sight', rule: 'for: 25s', input: '0 0 0 0', states: 'p p p F', sent: '. . . f' },
  { n: 4, why: 'a pending alert goes without a word', rule: 'for: 20s', input: '0 0 1 0 0', states: 'p p - p p', sent: '. . . . .' },
  { n: 5, why: 'pending again after resolved', rule: 'for: 10s', input: '0 0 1 0 0', states: 'p F r p F', sent: '. f r . f' },
  {
    n: 6,
    why: 'what fires is sent again after the resend delay',
    input: '0 0 0 0 0 0 0 0',
    states: 'F F F F F F F F',
    sent: 'f . . . f . . .',
  },
  {
    n: 7,
    why: 'what is resolved is sent again, and then forgotten',
    input: '0 1 1 1 1 1 1 1 1 1',
    states: 'F r r r r r r r - -',
    sent: 'f r . . . r . . . .',
  },
  {
    n: 8,
    why: 'keep_firing_for bridges a gap',
    rule: 'keep_firing_for: 20s',
    input: '0 1 0 1 1 1',
    states: 'F F F F F r',
    sent: 'f . . . f r',
  },
  {
    n: 9,
    why: 'keep_firing_for begins anew with each absence',
    rule: 'keep_firing_for: 30s',
    input: '0 1 1 0 1 1 1 1',
    states: 'F F F F F F F r',
    sent: 'f . . . f . . r',
  },
  {
    n: 10,
    why: 'keep_firing_for keeps nothing that only waits',
    rule: 'for: 20s\nkeep_firing_for: 20s',
    input: '0 1',
    states: 'p -',
    sent: '. .',
  },
  { n: 11, why: 'a failed query changes nothing', rule: 'for: 20s', input: '0 E 0 0', states: 'p p F F', sent: '. . f .' },
  {
    n: 12,
    why: 'a failed query resolves nothing and goes on being sent',
    input: '0 E E E E 1',
    states: 'F F F F F r',
    sent: 'f . . . f r',
  },
  { n: 13, why: 'series that end resolve a foreign rule, with the reason', input: '0 _ . .', states: 'F r r r', sent: 'f n . .' },
  {
    n: 14,
    why: 'belfry_no_data: keep keeps it firing until it is seen well',
    rule: 'annotations: {belfry_no_data: keep}',
    input: '0 _ . . 1',
    states: 'F F F F r',
    sent: 'f . . . r',
  },
  {
    n: 15,
    why: 'belfry_no_data: keep does not keep what only waits',
    rule: 'for: 20s\nannotations: {belfry_no_data: keep}',
    input: '0 _ .',
    states: 'p - -',
    sent: '. . .',
  },
  {
    n: 16,
    why: 'belfry_no_data: alert lets silence count as bad',
    rule: 'for: 20s\nannotations: {belfry_no_data: alert}',
    input: '0 _ . . 1',
    states: 'p p F F r',
    sent: '. . f . r',
  },
  {
    n: 17,
    why: 'belfry_recover holds it until another expression says so',
    rule: 'annotations: {belfry_recover: up > 1}',
    input: '0 1 1 2 2',
    states: 'F F F r r',
    sent: 'f . . r .',
  },
  {
    n: 18,
    why: 'belfry_recover does not hold what lost its data',
    rule: 'annotations: {belfry_recover: up > 1}',
    input: '0 1 _',
    states: 'F F r',
    sent: 'f . n',
  },
  { n: 19, why: 'absence is data to absent()', expr: 'absent(up)', input: '. . 1 _ .', states: 'F F r F F', sent: 'f . r f .' },
  {
    n: 20,
    why: 'the right side of unless may be empty',
    expr: 'up == 0 unless on (broker) maintenance',
    rule: 'annotations: {belfry_no_data: keep}',
    input: '0 0 1',
    states: 'F F r',
    sent: 'f . r',
  },
  { n: 21, why: 'a scalar is an alert without labels', expr: 'scalar(sum(up)) < bool 1', input: '0 0', states: 'F F', sent: 'f .' },
  { n: 22, why: 'NaN is a value like any other', expr: 'up / 0 != 5', input: '0 0', states: 'F F', sent: 'f .' },
];

const YAML_INDENT = '\n        ';

async function run(row: Row): Promise<Pick<Row, 'states' | 'sent'>> {
  const lines = [`alert: Down`, `expr: ${row.expr ?? 'up == 0'}`, ...(row.rule ?? '').split('\n')].filter((line) => line !== '');
  const bench = new Bench(`groups:\n  - name: g\n    interval: 10s\n    rules:\n      - ${lines.join(YAML_INDENT)}`, {
    strictSlots: true,
    resendDelayMs: 30_000,
    resolvedRetentionMs: 60_000,
  });
  bench.engine.start();
  const states: string[] = [];
  const sent: string[] = [];
  for (const symbol of row.input.split(' ')) {
    bench.store.failure = symbol === 'E' ? 'it fails' : undefined;
    const series = { __name__: 'up', broker: '1' };
    if (symbol === '_') bench.write(series, undefined);
    else if (/\d/.test(symbol)) bench.write(series, Number(symbol));
    await bench.clock.advance(10_000);
    const state = [...bench.state.rows.values()][0]?.state;
    states.push(state === undefined ? '-' : state === 'pending' ? 'p' : state === 'firing' ? 'F' : 'r');
    const got = bench.takeSent().map((text) => (text.startsWith('firing') ? 'f' : text.includes('no_data') ? 'n' : 'r'));
    sent.push(got.join('') || '.');
  }
  bench.engine.stop();
  expect(bench.clock.pendingTimers).toBe(0);
  return { states: states.join(' '), sent: sent.join(' ') };
}

describe('the alert state machine', () => {
  it.each(TABLE)('$n: $why', async (row) => {
    expect(await run(row)).toEqual({ states: row.states, sent: row.sent });
  });

  it('numbers its rows', () => {
    expect(TABLE.map(({ n }) => n)).toEqual(TABLE.map((_, i) => i + 1));
  });
});

const FLEET = [{ broker: '1' }, { broker: '2' }, { broker: '3' }];

function group(rule: string, more = ''): string {
  return `groups:\n  - name: g\n    interval: 10s\n${more}    rules:\n      - ${rule.split('\n').join(YAML_INDENT)}`;
}

describe('identity', () => {
  it('is the sample without its name, the labels of the rule and the name of the alert, the later winning', async () => {
    const bench = new Bench(
      group('alert: Down\nexpr: up == 0\nlabels: {job: "{{ $labels.job }}-x", alertname: no, empty: "{{ $labels.none }}"}'),
    );
    bench.engine.start();
    bench.write({ __name__: 'up', job: 'a', alertname: 'sample' }, 0);
    await bench.clock.advance(10_000);
    expect(bench.sent[0]?.alert.labels.toObject()).toEqual({ alertname: 'Down', job: 'a-x' });
  });

  it('must be unique, or the rule fails and nothing changes', async () => {
    const bench = new Bench(group('alert: Down\nexpr: up == 0\nlabels: {broker: any}'));
    bench.engine.start();
    bench.write({ __name__: 'up', broker: '1' }, 0);
    await bench.clock.advance(10_000);
    expect(bench.takeSent()).toEqual(['firing Down/any']);
    bench.write({ __name__: 'up', broker: '2' }, 0);
    await bench.clock.advance(10_000);
    expect(bench.takeSent()).toEqual([]);
    expect(bench.alertingRule('Down')).toMatchObject({
      health: 'err',
      state: 'firing',
      lastError: 'vector contains metrics with the same labelset after applying alert labels',
    });
  });

  it('does not change with what an annotation says, nor with a template that fails', async () => {
    const bench = new Bench(group('alert: Down\nexpr: up == 0\nannotations: {text: "{{ $value }}", bad: "{{ .Nope }}"}'));
    bench.engine.start();
    bench.write({ __name__: 'up', broker: '1' }, 0);
    await bench.clock.advance(10_000);
    const [alert] = bench.alertingRule('Down').alerts;
    expect(alert?.annotations.get('text')).toBe('0');
    expect(alert?.annotations.get('bad')).toMatch(/^<error expanding template: .*can't evaluate field Nope/);
  });
});

describe('a limit', () => {
  it('fails the rule, and tells the end of what it told: nobody follows it any more', async () => {
    const bench = new Bench(group('alert: Down\nexpr: up == 0', '    limit: 2\n'));
    bench.engine.start();
    for (const broker of FLEET.slice(0, 2)) bench.write({ __name__: 'up', ...broker }, 0);
    await bench.clock.advance(10_000);
    expect(bench.takeSent()).toHaveLength(2);
    for (const broker of FLEET) bench.write({ __name__: 'up', ...broker }, 0);
    await bench.clock.advance(10_000);
    const ends = bench.sent.filter(({ alert }) => alert.status === 'resolved');
    expect(ends.map(({ alert }) => alert.resolveReason)).toEqual(['limit_exceeded', 'limit_exceeded']);

    expect(bench.alertingRule('Down')).toMatchObject({ health: 'err', lastError: 'exceeded limit of 2 with 3 alerts', alerts: [] });
  });
});

describe('belfry_no_data: alert', () => {
  const RULE = 'alert: Down\nexpr: up == 0\nfor: 20s\nlabels: {action: repair}\nannotations: {belfry_no_data: alert}';

  it('makes an alert of a cluster that falls silent, without an action, and ends it when data is back', async () => {
    const bench = new Bench(group(RULE), { strictSlots: true });
    bench.engine.start();
    const series = [1, 2].map((broker) => ({ __name__: 'up', cluster: 'c', broker: String(broker) }));
    for (const labels of [...series, { __name__: 'up', cluster: 'd', broker: '1' }]) bench.write(labels, 1);
    await bench.clock.advance(10_000);
    for (const labels of series) bench.write(labels, undefined);
    await bench.clock.advance(30_000);
    expect(bench.sent.map(({ alert }) => [alert.labels.toObject(), alert.source.action])).toEqual([
      [{ alertname: 'Down', cluster: 'c', action: 'repair' }, undefined],
    ]);
    for (const labels of series) bench.write(labels, 1);
    await bench.clock.advance(10_000);
    expect(bench.takeSent()).toEqual(['firing Down', 'resolved Down (recovered)']);
  });

  it('does not miss a cluster that has been taken out', async () => {
    const bench = new Bench(group(RULE), { strictSlots: true });
    bench.engine.start();
    bench.write({ __name__: 'up', cluster: 'c' }, 1);
    await bench.clock.advance(10_000);
    bench.write({ __name__: 'up', cluster: 'c' }, undefined);
    bench.engine.targetRemoved((labels) => labels.get('cluster') === 'c');
    await bench.clock.advance(60_000);
    expect(bench.takeSent()).toEqual([]);
  });
});

describe('what is sent', () => {
  it('begins when it fired and names its rule, its page and until when it holds', async () => {
    const bench = new Bench(group('alert: Down\nexpr: up == 0\nfor: 10s\nlabels: {action: repair}'), { strictSlots: true });
    bench.engine.start();
    bench.write({ __name__: 'up', broker: '1' }, 0);
    await bench.clock.advance(20_000);
    const { ts, alert } = bench.sent[0] ?? { ts: 0 };
    expect(alert).toMatchObject({
      status: 'firing',
      startsAt: ts,
      endsAt: ts + 240_000,
      value: 0,
      generatorUrl: 'http://belfry.example/graph?g0.expr=up+%3D%3D+0&g0.tab=1',
      source: { kind: 'rule', file: 'rules.yaml', group: 'g', rule: 'Down', action: 'repair' },
    });
  });

  it('takes no action from a sample', async () => {
    const bench = new Bench(group('alert: Down\nexpr: up == 0'));
    bench.engine.start();
    bench.write({ __name__: 'up', action: 'repair' }, 0);
    await bench.clock.advance(10_000);
    expect(bench.sent[0]?.alert.source).not.toHaveProperty('action');
  });

  it('asks for no act because data is missing', async () => {
    const bench = new Bench(group('alert: Down\nexpr: up == 0\nlabels: {action: repair}\nannotations: {belfry_no_data: keep}'));
    bench.engine.start();
    bench.write({ __name__: 'up', broker: '1' }, 0);
    await bench.clock.advance(10_000);
    bench.write({ __name__: 'up', broker: '1' }, undefined);
    await bench.clock.advance(90_000);
    expect(bench.sent.map(({ alert }) => alert.source.action)).toEqual(['repair', undefined]);
  });

  it('is saved first, in one transaction an evaluation', async () => {
    const bench = new Bench(group('alert: Down\nexpr: up == 0'));
    bench.engine.start();
    for (const broker of FLEET) bench.write({ __name__: 'up', ...broker }, 0);
    await bench.clock.advance(30_000);
    expect(bench.order).toEqual(['saved', 'sent']);
    expect(bench.state.transactions).toBe(1);
    expect([...bench.state.rows.values()].map(({ lastSentAt, firedAt }) => lastSentAt === firedAt)).toEqual([true, true, true]);
  });

  it('is sent from memory when it cannot be saved', async () => {
    const bench = new Bench(group('alert: Down\nexpr: up == 0'));
    bench.state.broken = true;
    bench.engine.start();
    bench.write({ __name__: 'up', broker: '1' }, 0);
    await bench.clock.advance(10_000);
    expect(bench.takeSent()).toEqual(['firing Down/1']);
  });
});

describe('alert state that could not be saved', () => {
  it('is saved with the next write that works, as it is then', async () => {
    const bench = new Bench(group('alert: Down\nexpr: up == 0'));
    bench.engine.start();
    bench.state.broken = true;
    for (const broker of FLEET) bench.write({ __name__: 'up', ...broker }, 0);
    await bench.clock.advance(10_000);
    bench.write({ __name__: 'up', broker: '1' }, 1);
    await bench.clock.advance(10_000);
    expect(bench.state.rows.size).toBe(0);
    bench.state.broken = false;
    await bench.clock.advance(10_000);
    expect([...bench.state.rows.values()].map(({ state }) => state)).toEqual(['inactive', 'firing', 'firing']);
  });
});

import { describe, expect, it } from '@jest/globals';
import { judge, type Disturbance, type Truth } from './judge.ts';
import type { Double, Settled, Sink, Telling } from './ledger.ts';

const INCIDENT = '01M834SBK8KNBFYRJC4M8W11KA';
const LABELS = { alertname: 'BrokerCrashed', cluster: 'orders-dal', broker: '2' };
const NONE = '0001-01-01T00:00:00Z';

/** The fault is there from 1 s to 61 s. */
const UNDONE_AT = 61_000;

function telling(sink: Sink, at: number, over: boolean, labels: Readonly<Record<string, string>> = LABELS): Telling {
  const status = over ? 'resolved' : 'firing';
  const alert = {
    status,
    labels,
    annotations: {},
    startsAt: new Date(1000).toISOString(),
    endsAt: over ? new Date(at).toISOString() : NONE,
  } as const;
  return {
    sink,
    at,
    incident: INCIDENT,
    over,
    key: `${sink} ${at}`,
    text: `${status} broker 2`,
    alerts: sink === 'webhook' ? [alert] : [],
  };
}

const ALL = (['slack', 'mail', 'webhook'] as const).flatMap((sink) => [telling(sink, 1500, false), telling(sink, 62_000, true)]);

function violations(
  tellings: readonly Telling[],
  options: { doubles?: readonly Double[]; truth?: Partial<Truth> } = {},
): readonly string[] {
  const { doubles = [], truth = {} } = options;
  const lastOf = (sink: Sink): Map<string, Telling> =>
    new Map(tellings.filter((each) => each.sink === sink).map((each) => [each.incident, each]));
  const matches: Truth['allows'] = ({ alertname, broker }) => alertname === 'BrokerCrashed' && broker === '2';
  const whole: Truth = {
    calmSince: 0,
    undoneAt: UNDONE_AT,
    requirements: [{ what: 'BrokerCrashed of broker 2', matches, phrase: /broker 2/ }],
    allows: matches,
    disturbances: [],
    settled: [],
    ...truth,
  };
  return judge({ tellings: [...tellings], doubles: [...doubles], lastOf }, { tellings: 0, doubles: 0 }, whole).violations;
}

const without = (sink: Sink, over?: boolean): Telling[] =>
  ALL.filter((each) => each.sink !== sink || (over !== undefined && each.over !== over));
const outage = (from: number, until: number): Disturbance => ({ kind: '500', sink: 'mail', from, until });

describe('the judge of a round', () => {
  it('has nothing to say where all three were told of the fault and of its end', () => {
    expect(violations(ALL)).toEqual([]);
  });

  it.each([
    ['a sink that was told nothing', without('mail'), ['BrokerCrashed of broker 2 was not told by mail', 'was not told by mail, but:']],
    ['a sink that was told of the end alone', without('slack', false), ['BrokerCrashed of broker 2 was not told by slack']],
    ['a sink that was not told of the end', without('webhook', true), ['was not told by webhook; last']],
    [
      'an alert about a broker that nothing was done to',
      [...ALL, telling('webhook', 62_500, true, { ...LABELS, broker: '3' })],
      ['false alert: BrokerCrashed orders-dal/3'],
    ],
  ])('finds %s', (_what, tellings, expected) => {
    expect(violations(tellings)).toEqual(expected.map((text) => expect.stringContaining(text)));
  });

  it.each([
    ['an outage that ended long before the fault did', outage(1000, 9000), 1],
    ['an outage after which no attempt was due before the fault ended', outage(1000, 40_000), 0],
  ])('%s', (_what, disturbance, expected) => {
    expect(violations(without('mail', false), { truth: { disturbances: [disturbance] } })).toHaveLength(expected);
  });

  const first = telling('webhook', 5000, false);
  const second = telling('webhook', 9000, false);
  const kill = (from: number): Disturbance => ({ kind: 'kill -9', from, until: from + 2000 });
  const settled: Settled = { sink: 'webhook', at: 5003, incident: INCIDENT };
  it.each([
    { what: 'nothing was killed', truth: {}, excused: false },
    { what: 'the first was in flight at a kill', truth: { disturbances: [kill(5001)] }, excused: true },
    { what: 'the kill came much later', truth: { disturbances: [kill(7000)] }, excused: false },
    { what: 'Belfry had noted the first as delivered', truth: { disturbances: [kill(5010)], settled: [settled] }, excused: false },
    {
      what: 'what was noted was another sink',
      truth: { disturbances: [kill(5010)], settled: [{ ...settled, sink: 'mail' as const }] },
      excused: true,
    },
    { what: 'another sink was out of order', truth: { disturbances: [outage(4000, 8000)] }, excused: false },
  ])('a double, where $what: excused $excused', ({ truth, excused }) => {
    expect(violations(ALL, { doubles: [{ first, second }], truth })).toHaveLength(excused ? 0 : 1);
  });

  it('excuses one incident a sink and kill, not two', () => {
    const other = { ...first, incident: '01M834S3EKA65EAH2566191XAP' };
    const doubles = [
      { first, second },
      { first: other, second: { ...other, at: 9100 } },
    ];
    expect(violations(ALL, { doubles, truth: { disturbances: [kill(5001)] } })).toHaveLength(1);
  });
});

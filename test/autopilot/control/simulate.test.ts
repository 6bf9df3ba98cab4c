import { describe, expect, it } from '@jest/globals';
import { drillRequest } from '../../../src/autopilot/control/drill.ts';
import { simulate } from '../../../src/autopilot/control/simulate.ts';
import type { ClusterPicture } from '../../../src/autopilot/picture.ts';
import { DEFAULT_POLICY } from '../../../src/autopilot/policy.ts';
import type { GuardVerdict, Mode } from '../../../src/core/autopilot.ts';
import { clusterOf, healthyBroker } from './harness.ts';

const NOW = 1_700_000_000_000;
const PASSES: GuardVerdict = { guard: 'last_copy', holds: false, sentence: 'no partition has its last copy there' };
const HOLDS: GuardVerdict = { guard: 'start_grace', holds: true, sentence: 'started 10 s ago' };

function run(faults: readonly string[], mode: Mode = 'auto', verdict = PASSES, picture: ClusterPicture = clusterOf('orders', 3)) {
  const seen: ClusterPicture[] = [];
  const judge = (_: unknown, one: ClusterPicture): readonly GuardVerdict[] => {
    seen.push(one);
    return [verdict];
  };
  return { ...simulate({ picture, policy: DEFAULT_POLICY, now: NOW, modeOf: () => mode, judge }, faults), seen };
}

describe('a simulation', () => {
  it.each<[Mode, GuardVerdict, string, RegExp]>([
    ['off', PASSES, 'off', /its mode is off, so nothing is done/],
    ['observe', PASSES, 'observed', /only written to the journal; no guard holds/],
    ['approve', HOLDS, 'awaiting_approval', /waits for a person's approval; the guard start_grace would hold: started 10 s ago/],
    ['auto', PASSES, 'open', /its mode is auto; no guard holds/],
    ['auto', HOLDS, 'blocked', /its mode is auto; the guard start_grace would hold/],
  ])('of a broker that is down says in mode %s what comes of the intents', (mode, verdict, state, text) => {
    const { intents, sentences } = run(['broker=2:down'], mode, verdict);
    expect(intents.map((one) => [one.action, one.target, one.state])).toEqual([
      ['repair', 'broker/2', state],
      ['replace', 'broker/2', state],
    ]);
    expect(sentences.join('\n')).toMatch(text);
    expect(sentences).toContain('1 partitions would be under-replicated.');
  });

  it('asks the guards about the cluster as it would be, and leaves the present one alone', () => {
    const picture = clusterOf('orders', 3);
    const [seen] = run(['broker=1:down', 'reassigning'], 'auto', PASSES, picture).seen;
    expect(seen?.brokers.get(1)).toMatchObject({ up: false, registered: false, verdict: 'crashed' });
    expect(seen?.partitions[0]).toMatchObject({ isr: [2, 3], leader: 2 });
    expect(seen?.reassigning).toHaveLength(1);
    expect(picture).toEqual(clusterOf('orders', 3));
  });

  it('names partitions that lose their last copy', () => {
    const lone = { topic: 'lone', partition: 0, replicas: [2], isr: [2], leader: 2, minIsr: 1, adding: [], lastIsr: [2] };
    const { sentences, seen } = run(['broker=2:down'], 'auto', PASSES, clusterOf('orders', 3, { partitions: [lone] }));
    expect(sentences).toContain('1 partitions would have no leader: lone-0.');
    expect(seen[0]?.partitions[0]).toMatchObject({ leader: -1, lastIsr: [2] });
  });

  it.each([
    [['blind', 'broker=2:down'], 'orders could not be seen: nobody answers (imagined). Nothing is concluded and nothing is done.'],
    [['broker=1:down', 'broker=2:down'], 'Brokers 1 and 2 would be in trouble at once: needs_human. No act is asked for.'],
    [['broker=2:fenced'], 'Broker 2 runs and is not registered yet: it would be recovering and left alone; a person is asked after 4 h.'],
    [['reassigning'], 'No broker would be unhealthy: no act is asked for.'],
  ])('of %j asks for nothing', (faults, sentence) => {
    const { sentences, intents } = run(faults);
    expect(intents).toEqual([]);
    expect(sentences).toContain(sentence);
  });

  it.each([
    ['broker=9:down', 'NOT_FOUND'],
    ['broker=x:down', 'BAD_REQUEST'],
    ['broker=2:gone', 'BAD_REQUEST'],
    ['', 'BAD_REQUEST'],
  ])('of %j is refused', (fault, code) => {
    expect(() => run([fault])).toThrow(expect.objectContaining({ code }));
  });
});

describe('a drill', () => {
  const labels = { drill: 'yes' };
  it('repairs a broker that is well, as an incident of its own', () => {
    expect(drillRequest(clusterOf('orders', 3, { labels }), 2, 'anna', NOW)).toMatchObject({
      cluster: 'orders',
      action: 'repair',
      broker: 2,
      drill: true,
      incidentId: expect.stringMatching(/^drill-/),
    });
  });

  it('is refused beside an intent that has not ended: it would hold up what is needed', () => {
    const picture = clusterOf('orders', 3, { labels });
    expect(() => drillRequest(picture, 2, 'anna', NOW, [{ id: '01A' }])).toThrow(/has not ended \(01A\)/);
  });

  it.each<[string, ClusterPicture | undefined, number, string]>([
    ['a cluster without the label', clusterOf('orders', 3), 2, 'CONFLICT'],
    ['a cluster labelled otherwise', clusterOf('orders', 3, { labels: { drill: 'no' } }), 2, 'CONFLICT'],
    ['a blind picture', clusterOf('orders', 3, { labels, blind: 'too old' }), 2, 'CONFLICT'],
    ['no picture', undefined, 2, 'CONFLICT'],
    ['a broker that is not there', clusterOf('orders', 3, { labels }), 9, 'NOT_FOUND'],
    ['a broker that is down', clusterOf('orders', 1, { labels, brokers: new Map([[2, healthyBroker(2, { up: false })]]) }), 2, 'CONFLICT'],
  ])('is refused on %s', (_, picture, broker, code) => {
    expect(() => drillRequest(picture, broker, 'anna', NOW)).toThrow(expect.objectContaining({ code }));
  });
});

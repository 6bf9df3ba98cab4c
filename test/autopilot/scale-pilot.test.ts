import { describe, expect, it } from '@jest/globals';
import type { Intent } from '../../src/core/autopilot.ts';
import { freshRow } from '../../src/autopilot/scale/look.ts';
import { EMPTY_MEMORY } from '../../src/autopilot/scale/memory.ts';
import { brokerOf, CLUSTER, MINUTE, Rig } from './pilot-rig.ts';

/** An auto-pilot that has begun to grow its cluster from three brokers to four, under a lease. */
async function growing(): Promise<Rig> {
  const rig = await new Rig({ modes: { scale_out: 'auto' }, fleet: { actsPerHourMax: 100 } }).started();
  const { id } = rig.pilot.book.request({
    cluster: CLUSTER,
    action: 'scale_out',
    broker: undefined,
    desiredBrokers: 4,
    currentBrokers: 3,
    incidentId: 'growth',
    attempt: 1,
    reason: 'it is over-utilised',
    evidence: [],
    drill: false,
  });
  await rig.pilot.book.lease(id, 'executor-1');
  const now = rig.clock.now();
  const memory = { ...EMPTY_MEMORY, members: [1, 2, 3], target: 4, attempt: 1, leasedAt: now };
  rig.store.saveCluster({ ...freshRow(CLUSTER, now), state: 'scaling_out', intentId: id, incidentId: 'growth', desired: 4, memory });
  await rig.killedAndStarted();
  return rig;
}

const states = (rig: Rig): readonly Intent['state'][] => rig.pilot.book.all().map(({ state }) => state);
const size = (rig: Rig) => rig.pilot.state().clusters[0]?.scale?.state;

describe('a change of size whose executor was lost', () => {
  it('and that is asked for again in vain ends with a person, who is asked before the next one', async () => {
    const rig = await growing();
    rig.pilot.control.hold(CLUSTER, 600 * MINUTE, 'anna', 'a move');
    await rig.until('asked again', () => states(rig).length === 2, 10 * MINUTE);
    expect(states(rig)).toEqual(['failed', 'blocked']);
    await rig.until('a person is needed', () => rig.edges().includes('scaling_out→needs_human'), 90 * MINUTE);
    expect([states(rig), rig.errors]).toEqual([['failed', 'cancelled'], []]);
    expect(rig.pilot.control.modeOf(CLUSTER, 'scale_out')).toBe('approve');
    expect(rig.outcomes()).toEqual(['scale_out needed', 'scale_out blocked']);
  });

  it('and that comes to its end by itself has nobody to be done by any more', async () => {
    const rig = await growing();
    rig.pilot.control.hold(CLUSTER, 600 * MINUTE, 'anna', 'a move');
    await rig.until('asked again', () => states(rig).length === 2, 10 * MINUTE);
    rig.cluster.brokers.set(4, brokerOf(4));
    rig.cluster.replicas = [1, 2, 3, 4].map((id) => [id, (id % 4) + 1]);
    await rig.clock.advance(2000);
    expect([size(rig), states(rig), rig.errors]).toEqual(['steady', ['failed', 'cancelled'], []]);
    expect(rig.pilot.control.modeOf(CLUSTER, 'scale_out')).toBe('auto');
  });
});

describe('the number of brokers that is wanted', () => {
  it('is that of the lease while the cluster is seen, and the present one while what was seen is old', async () => {
    const rig = await growing();
    expect(rig.pilot.desired(CLUSTER)).toMatchObject({ desired: 4, current: 3 });
    rig.cluster.ageMs = 15_001;
    expect(rig.pilot.desired(CLUSTER)).toMatchObject({ desired: 3, current: 3 });
    expect(rig.pilot.state().clusters[0]).toMatchObject({ desired: 3, blind: 'what was seen of it last is too old' });
  });
});

import { describe, expect, it } from '@jest/globals';
import { MINUTE, Rig } from './pilot-rig.ts';

describe('one crash, mended', () => {
  it('waits for the supervisor, asks for a repair, and believes only what it sees itself', async () => {
    const rig = await new Rig().started();
    rig.crash(2);
    expect(rig.stateOf(2)).toBe('unhealthy');
    await rig.clock.advance(119_000);
    expect(rig.intents()).toEqual([]);
    await rig.openIntent(10_000);
    const { id, fencingToken } = await rig.lease();
    expect(rig.stateOf(2)).toBe('repairing');
    rig.pilot.book.ack({ intentId: id, fencingToken, status: 'succeeded', text: 'restarted' });
    expect(rig.stateOf(2)).toBe('verifying');
    await rig.clock.advance(MINUTE);
    expect(rig.stateOf(2)).toBe('verifying');
    rig.cluster.comesBack(2);
    await rig.clock.advance(5000);
    expect(rig.stateOf(2)).toBe('verifying');
    rig.cluster.inSync(2);
    await rig.clock.advance(2000);
    expect(rig.stateOf(2)).toBe('healthy');
    expect(rig.intents()).toEqual(['repair 1 succeeded']);
    expect(rig.edges()).toEqual([
      'healthy→suspect',
      'suspect→unhealthy',
      'unhealthy→repairing',
      'repairing→verifying',
      'verifying→healthy',
    ]);
    expect(rig.outcomes()).toEqual(['repair needed']);
    expect(rig.notes.at(-1)?.text).toContain('broker 2 is mended and verified after');
    expect(rig.errors).toEqual([]);
    await rig.pilot.stop();
  });
});

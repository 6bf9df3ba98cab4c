import { describe, expect, it } from '@jest/globals';
import { desiredOf } from '../../../src/autopilot/scale/desired.ts';
import { broker, evidence, load, MINUTE, partition, ScaleWorld, spreadOver } from './scale-world.ts';

const OUT = [evidence('scale_out')];
const IN = [evidence('scale_in')];

function asked(world: ScaleWorld): number | undefined {
  return world.look().want?.desired;
}

describe('growing: what calls for a broker more', () => {
  it.each<[string, readonly number[], number | undefined]>([
    ['half of the brokers over the trigger', [0.75, 0.75, 0.1, 0.1], 5],
    ['one hot broker', [0.99, 0.1, 0.1, 0.1], undefined],
    ['all of them close to it: the mean above 0.8 of it', [0.57, 0.57, 0.57, 0.57], 5],
    ['the mean just below that', [0.55, 0.55, 0.55, 0.55], undefined],
    ['a wide breach: two at once', [0.95, 0.95, 0.9, 0.9], 6],
  ])('%s', (_, shares, desired) => {
    const world = new ScaleWorld(4);
    world.evidence = OUT;
    world.loads = shares.map((handlers, index) => load(index + 1, { handlers }));
    expect(asked(world)).toBe(desired);
  });

  it.each<[string, (world: ScaleWorld) => void]>([
    ['no alert asks for it', (world) => (world.evidence = [])],
    ['the mode is off', (world) => (world.modes = { scale_out: 'off', scale_in: 'auto' })],
    ['the picture is blind', (world) => (world.blind = 'no answer')],
    ['nothing says how busy brokers are', (world) => (world.loads = [])],
    [
      'one broker says nothing',
      (world) => (world.loads = world.loads.map((each, i) => (i === 0 ? { ...each, handlers: undefined } : each))),
    ],
    ['a broker is down', (world) => (world.brokers[1] = broker(2, { up: false, registered: false }))],
    ['a broker is in trouble', (world) => world.troubled.add(2)],
    ['partitions are being moved', (world) => (world.reassigning = [{ topic: 't', partition: 1 }])],
    ['whether they are is not known', (world) => (world.reassigning = undefined)],
    ['a broker catches up', (world) => (world.partitions = [partition('t', 0, [1, 2, 3], { isr: [1, 2] })])],
    ['as many as there may be', (world) => (world.policy = { ...world.policy, scale: { ...world.policy.scale, max: 4 } })],
    ['a new one leads nothing yet', (world) => void world.brokers.push(broker(9))],
  ])('not while %s', (_, change) => {
    const world = new ScaleWorld(4);
    world.evidence = OUT;
    world.busy(0.9);
    change(world);
    world.lookFor(20 * MINUTE);
    expect(world.wants).toEqual([]);
  });

  it('judges bytes per second where no exporter says more, and only where it is known what a broker can take', () => {
    const loads = [1, 2, 3].map((id) => load(id, { handlers: undefined, cpu: undefined, network: undefined, bytesPerSecond: 9e6 }));
    for (const [perBroker, desired] of [
      [10e6, 4],
      [undefined, undefined],
    ] as const) {
      const world = new ScaleWorld(3, { bytesPerSecondPerBroker: perBroker, stepOutMax: 1 });
      world.evidence = OUT;
      world.loads = loads;
      expect(asked(world)).toBe(desired);
    }
  });

  it('believes the forecast of a disk only where disks are half-way to the trigger', () => {
    for (const [disk, desired] of [
      [0.4, 4],
      [0.2, undefined],
    ] as const) {
      const world = new ScaleWorld(3);
      world.evidence = [evidence('scale_out', { resource: 'disk_forecast' })];
      world.loads = [1, 2, 3].map((id) => load(id, { disk }));
      expect(asked(world)).toBe(desired);
    }
  });

  it('says once that the limit is reached, loudly, and once that one broker is hot, quietly', () => {
    const full = new ScaleWorld(4, { max: 4 });
    full.evidence = OUT;
    full.busy(0.9);
    full.lookFor(10 * MINUTE);
    expect(full.notes).toEqual([expect.stringMatching(/^! .*4 brokers are the most there may be/)]);
    const hot = new ScaleWorld(4);
    hot.evidence = OUT;
    hot.loads = [0.99, 0.1, 0.1, 0.1].map((handlers, index) => load(index + 1, { handlers }));
    hot.lookFor(10 * MINUTE);
    expect(hot.notes).toEqual([expect.stringMatching(/^broker 1 is over-utilised while the cluster is not/)]);
  });
});

describe('growing: until the load has moved', () => {
  function grown(): ScaleWorld {
    const world = new ScaleWorld(3);
    world.evidence = OUT;
    world.busy(0.65);
    world.look();
    expect(world.wants).toMatchObject([{ action: 'scale_out', desired: 4, current: 3, broker: undefined }]);
    world.becomes('leased');
    world.look(1000);
    return world;
  }

  it('joins, moves, succeeds, and then rests for its cooldown', () => {
    const world = grown();
    world.look(MINUTE);
    expect(world.row).toMatchObject({ state: 'scaling_out', desired: 4 });
    world.brokers.push(broker(4));
    world.look(MINUTE);
    expect(world.row?.state).toBe('rebalancing');
    // It has started, and that is not enough.
    world.lookFor(5 * MINUTE);
    expect(world.row?.state).toBe('rebalancing');
    world.reassigning = [{ topic: 't', partition: 1 }];
    world.partitions = spreadOver([1, 2, 3, 4]);
    world.look(MINUTE);
    expect(world.row?.state).toBe('rebalancing');
    world.reassigning = [];
    world.look(MINUTE);
    // Its executor may have leaders to elect still.
    expect(world.row?.state).toBe('rebalancing');
    world.said('succeeded: all is moved');
    const { settle } = world.look(1000);
    expect(settle?.to).toBe('succeeded');
    expect(world.path).toEqual(['steady → scaling_out', 'scaling_out → rebalancing', 'rebalancing → steady']);
    world.busy(0.9);
    world.lookFor(29 * MINUTE);
    expect(world.wants).toHaveLength(1);
    world.lookFor(2 * MINUTE);
    expect(world.wants).toHaveLength(2);
  });

  it('asks for a person when the load does not move in time', () => {
    const world = grown();
    world.brokers.push(broker(4));
    world.lookFor(70 * MINUTE);
    expect(world.row?.state).toBe('needs_human');
    expect(world.notes).toEqual([expect.stringMatching(/^! the cluster has not come to 4 brokers in time: broker 4 does not lead/)]);
    world.evidence = [];
    world.look(MINUTE);
    expect(world.row?.state).toBe('steady');
  });

  it('calls it off when the load falls before anybody took the lease, and not afterwards', () => {
    const early = new ScaleWorld(3);
    early.evidence = OUT;
    early.busy(0.65);
    early.look();
    early.evidence = [];
    expect(early.look(MINUTE).settle?.to).toBe('cancelled');
    expect(early.row).toMatchObject({ state: 'steady', desired: 0 });
    const late = grown();
    late.evidence = [];
    expect(late.look(MINUTE).settle).toBeUndefined();
    expect(late.row?.state).toBe('scaling_out');
  });

  it('asks anew when its executor was lost and nothing moves, three times at most', () => {
    const world = grown();
    for (const attempt of [2, 3]) {
      world.becomes('unknown');
      world.look(10_000);
      world.look(25_000);
      expect(world.wants.at(-1)).toMatchObject({ attempt, desired: 4 });
      world.becomes('leased');
      world.look(1000);
    }
    world.becomes('unknown');
    world.look(35_000);
    expect(world.row?.state).toBe('needs_human');
  });

  it.each(['observed', 'rejected', 'expired'] as const)('%s: not asked for again within the cooldown', (state) => {
    const world = new ScaleWorld(3);
    world.evidence = OUT;
    world.busy(0.65);
    world.look();
    world.becomes(state);
    world.lookFor(29 * MINUTE);
    expect(world.wants).toHaveLength(1);
    world.lookFor(3 * MINUTE);
    expect(world.wants).toHaveLength(2);
  });
});

describe('shrinking: who may go', () => {
  function idle(): ScaleWorld {
    const world = new ScaleWorld(5);
    world.evidence = IN;
    return world;
  }

  it('the one with the fewest bytes, after an hour of being able to', () => {
    const world = idle();
    world.brokers[3] = broker(4, { usedBytes: 5e8 });
    world.lookFor(60 * MINUTE);
    expect(world.wants).toEqual([]);
    world.lookFor(2 * MINUTE);
    expect(world.wants).toMatchObject([{ action: 'scale_in', broker: 4, desired: 4, current: 5 }]);
  });

  it('one recommendation against it within the hour holds it back for another hour', () => {
    const world = idle();
    world.lookFor(30 * MINUTE);
    world.loads = world.loads.map((each) => ({ ...each, cpu: 0.58 }));
    world.look(MINUTE);
    world.loads = world.loads.map((each) => ({ ...each, cpu: 0.1 }));
    world.lookFor(58 * MINUTE);
    expect(world.wants).toEqual([]);
    world.lookFor(5 * MINUTE);
    expect(world.wants).toHaveLength(1);
  });

  it.each<[string, (world: ScaleWorld) => void]>([
    ['the quorum is not known', (world) => (world.quorum = undefined)],
    ['all are voters', (world) => (world.quorum = { leaderId: 1, voters: [1, 2, 3, 4, 5].map((id) => ({ id, caughtUp: true })) })],
    ['each holds a last copy', (world) => (world.partitions = [1, 2, 3, 4, 5].map((id) => partition('one', id, [id], { minIsr: 1 })))],
    ['each is the last of its rack', (world) => (world.brokers = world.brokers.map((each) => ({ ...each, rack: `r${each.id}` })))],
    ['a topic has as many copies', (world) => (world.partitions = [partition('wide', 0, [1, 2, 3, 4, 5])])],
    ['a min ISR is not known', (world) => (world.partitions = world.partitions.map((each) => ({ ...each, minIsr: undefined })))],
    ['min says so', (world) => (world.policy = { ...world.policy, scale: { ...world.policy.scale, min: 5 } })],
    ['nobody knows what they hold', (world) => (world.brokers = world.brokers.map((each) => ({ ...each, usedBytes: undefined })))],
    [
      'one member is over-utilised',
      (world) => (world.loads = world.loads.map((each) => (each.broker === 5 ? { ...each, cpu: 0.75 } : each))),
    ],
    ['the others would pass 60 %', (world) => (world.loads = world.loads.map((each) => ({ ...each, disk: 0.5 })))],
    ['the next thing would be to grow again', (world) => (world.loads = world.loads.map((each) => ({ ...each, cpu: 0.4 })))],
    ['the disks are not known', (world) => (world.loads = world.loads.map((each) => ({ ...each, disk: undefined })))],
    [
      'the processors are known of some',
      (world) => (world.loads = world.loads.map((each) => (each.broker < 3 ? { ...each, cpu: undefined } : each))),
    ],
    ['nothing says what clients do', (world) => (world.loads = world.loads.map((each) => ({ ...each, handlers: undefined })))],
    ['an alert asks for more brokers', (world) => (world.evidence = [...OUT, ...IN])],
    ['no step is allowed', (world) => (world.policy = { ...world.policy, scale: { ...world.policy.scale, stepInMax: 0 } })],
    ['a broker is away', (world) => (world.brokers[0] = broker(1, { up: false }))],
  ])('nobody while %s', (_, change) => {
    const world = idle();
    change(world);
    world.lookFor(180 * MINUTE);
    expect(world.wants).toEqual([]);
    expect(world.path).toEqual([]);
  });

  it('by bytes per second where no exporter says more', () => {
    const world = new ScaleWorld(5, { bytesPerSecondPerBroker: 10e6 });
    world.evidence = IN;
    world.loads = world.loads.map(({ broker: id }) =>
      load(id, { handlers: undefined, cpu: undefined, network: undefined, bytesPerSecond: 1e6 }),
    );
    world.lookFor(62 * MINUTE);
    expect(world.wants).toHaveLength(1);
  });
});

describe('shrinking: drained first, then removed', () => {
  function draining(): ScaleWorld {
    const world = new ScaleWorld(5);
    world.evidence = IN;
    world.lookFor(62 * MINUTE);
    expect(world.row).toMatchObject({ state: 'draining', drainingBroker: 5 });
    world.becomes('leased');
    world.look(1000);
    return world;
  }
  const without5 = spreadOver([1, 2, 3, 4]);
  const shown = (world: ScaleWorld) => desiredOf(world.row, world.picture, { halted: false, modes: world.modes })?.desired;

  it('desires fewer only after the drain, and is done when the broker is gone', () => {
    const world = draining();
    expect(shown(world)).toBe(5);
    world.reassigning = [{ topic: 't', partition: 1 }];
    world.lookFor(5 * MINUTE);
    expect([world.row?.state, shown(world)]).toEqual(['draining', 5]);
    world.reassigning = [];
    world.partitions = without5;
    world.look(MINUTE);
    expect([world.row?.state, shown(world)]).toEqual(['scaling_in', 4]);
    world.lookFor(3 * MINUTE);
    expect(world.row?.state).toBe('scaling_in');
    world.brokers[4] = broker(5, { up: false, registered: false });
    world.look(MINUTE);
    expect(world.row?.state).toBe('scaling_in');
    world.said('succeeded: it is gone');
    const { settle, forget } = world.look(1000);
    expect([settle?.to, forget]).toEqual(['succeeded', 5]);
    // Still expected for a moment: not wanted back.
    expect([world.row?.state, world.row?.drainingBroker, shown(world)]).toEqual(['steady', -1, 4]);
    world.brokers = world.brokers.slice(0, 4);
    world.lookFor(3 * MINUTE);
    expect(shown(world)).toBe(4);
    world.lookFor(23 * 60 * MINUTE);
    expect(world.wants).toHaveLength(1);
  });

  it.each<[string, (world: ScaleWorld) => void, string]>([
    ['load rises', (world) => (world.evidence = OUT), 'steady'],
    ['a partition falls below its min ISR', (world) => (world.partitions = [partition('t', 0, [1, 2, 5], { isr: [1] })]), 'needs_human'],
    ['the broker dies with data on it', (world) => (world.brokers[4] = broker(5, { up: false, registered: false })), 'needs_human'],
  ])('stops and says so loudly when %s', (_, change, state) => {
    const world = draining();
    change(world);
    expect(world.look(MINUTE).settle?.to).toBe(state === 'steady' ? 'cancelled' : 'failed');
    expect(world.row?.state).toBe(state);
    expect(world.notes).toEqual([expect.stringMatching(/^! .*broker 5.* was stopped/)]);
    expect(shown(world)).toBe(5);
  });

  it.each<[string, ScaleWorld['reassigning']]>([
    ['is older than the rest', [{ topic: 't', partition: 1 }]],
    ['is not known', undefined],
  ])('goes on when the broker was stopped at once after its drain and the list of moves %s', (_, reassigning) => {
    const world = draining();
    world.partitions = without5;
    world.brokers[4] = broker(5, { up: false, registered: false });
    world.reassigning = reassigning;
    expect(world.look(1000).settle).toBeUndefined();
    expect(world.row?.state).toBe('draining');
    world.reassigning = [];
    world.look(1000);
    expect(world.row?.state).toBe('scaling_in');
    world.reassigning = reassigning;
    world.said('succeeded: it is gone');
    expect(world.look(1000).settle).toBeUndefined();
    expect(world.row?.state).toBe('scaling_in');
    world.reassigning = [];
    expect(world.look(1000).settle?.to).toBe('succeeded');
    expect([world.row?.state, world.notes]).toEqual(['steady', [expect.stringMatching(/is drained and gone/)]]);
  });

  it('goes back to draining when replicas are put on it again', () => {
    const world = draining();
    world.partitions = without5;
    world.look(MINUTE);
    world.partitions = spreadOver([1, 2, 3, 4, 5]);
    world.look(MINUTE);
    expect([world.row?.state, shown(world)]).toEqual(['draining', 5]);
  });

  it('is over when a person has finished it', () => {
    const world = draining();
    world.lookFor(70 * MINUTE);
    expect(world.row).toMatchObject({ state: 'needs_human', drainingBroker: 5 });
    world.partitions = without5;
    world.brokers = world.brokers.slice(0, 4);
    expect(world.look(MINUTE).forget).toBe(5);
    expect(world.row?.state).toBe('steady');
  });

  it('concludes nothing while it cannot see', () => {
    const world = draining();
    world.blind = 'no answer';
    world.lookFor(200 * MINUTE);
    expect(world.row?.state).toBe('draining');
  });
});

describe('the desired count', () => {
  const modes = { scale_out: 'auto', scale_in: 'auto' } as const;
  const raised = { ...new ScaleWorld(3).look().row, state: 'scaling_out' as const, desired: 4 };
  const { picture } = new ScaleWorld(3);
  it.each([
    ['a leased target', raised, picture, { halted: false, modes }, 4],
    ['halted', raised, picture, { halted: true, modes }, 3],
    ['in observe', raised, picture, { halted: false, modes: { ...modes, scale_out: 'observe' as const } }, 3],
    ['off', raised, picture, { halted: false, modes: { ...modes, scale_out: 'off' as const } }, 3],
    ['blind', raised, { ...picture, blind: 'too old' }, { halted: false, modes }, 3],
    ['not leased', { ...raised, desired: 0 }, picture, { halted: false, modes }, 3],
    ['lower without a drain', { ...raised, desired: 2 }, picture, { halted: false, modes }, 3],
    [
      'a dead broker still counts',
      undefined,
      { ...picture, brokers: new Map([[1, broker(1, { registered: false })]]) },
      { halted: false, modes },
      1,
    ],
    ['never looked at', undefined, undefined, { halted: false, modes }, undefined],
    ['no broker known', raised, { ...picture, brokers: new Map() }, { halted: false, modes }, undefined],
    ['another cluster', raised, { ...picture, clusterIdChanged: true }, { halted: false, modes }, undefined],
  ])('%s', (_, row, seen, holds, desired) => {
    expect(desiredOf(row, seen, holds)?.desired).toBe(desired);
  });
});

import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { ClusterPicture } from '../../../src/autopilot/picture.ts';
import { broker, evidence, load, MINUTE, partition, ScaleWorld, spreadOver } from './scale-world.ts';

/** Facts of one picture are of different ages, and some are not known for a moment: after a start, or while a request fails. */

const IN = [evidence('scale_in')];
const without5 = spreadOver([1, 2, 3, 4]);

function waiting(): ScaleWorld {
  const world = new ScaleWorld(5);
  world.evidence = IN;
  world.lookFor(62 * MINUTE);
  expect(world.row).toMatchObject({ state: 'draining', drainingBroker: 5 });
  return world;
}

function draining(): ScaleWorld {
  const world = waiting();
  world.becomes('leased');
  world.look(1000);
  return world;
}

describe('a removal that waits for its lease', () => {
  it.each<[string, (world: ScaleWorld) => void]>([
    ['the quorum is not known', (world) => (world.quorum = undefined)],
    ['the broker has not been heard of yet', (world) => (world.brokers[4] = broker(5, { up: undefined }))],
    [
      'the minimum of a new topic is not known yet',
      (world) => (world.partitions = [...world.partitions, partition('new', 0, [1, 2, 5], { minIsr: undefined })]),
    ],
    ['the load is not known', (world) => (world.loads = [])],
    [
      'the disk of one broker is not known',
      (world) => (world.loads = world.loads.map((one, i) => (i === 2 ? { ...one, disk: undefined } : one))),
    ],
  ])('goes on waiting while %s', (_, change) => {
    const world = waiting();
    world.seeingSince = world.now;
    change(world);
    world.lookFor(5 * MINUTE);
    expect([world.row?.state, world.intent?.state]).toEqual(['draining', 'open']);
  });

  it.each<[string, (world: ScaleWorld) => void]>([
    ['the broker votes in the quorum', (world) => (world.quorum = { leaderId: 5, voters: [{ id: 5, caughtUp: true }] })],
    ['the broker is down', (world) => (world.brokers[4] = broker(5, { up: false }))],
    ['it holds the last copy', (world) => (world.partitions = [partition('t', 0, [1, 2, 5], { isr: [5] })])],
    ['a broker is busy', (world) => (world.loads = [1, 2, 3, 4, 5].map((id) => load(id, { cpu: id === 2 ? 0.9 : 0.1 })))],
    [
      'the others would be too full, and the processors are not known',
      (world) => (world.loads = [1, 2, 3, 4, 5].map((id) => load(id, { cpu: id === 2 ? undefined : 0.1, disk: 0.55 }))),
    ],
  ])('is called off when %s', (_, change) => {
    const world = waiting();
    change(world);
    expect(world.look(1000).settle?.to).toBe('cancelled');
    expect(world.row?.state).toBe('steady');
  });

  it('is called off where the load stays unknown for longer than it takes to know it', () => {
    const world = waiting();
    world.seeingSince = world.now;
    world.loads = [];
    world.lookFor(12 * MINUTE);
    expect(world.row?.state).toBe('steady');
  });
});

describe('the time of an act', () => {
  it('has not run out because Belfry was away while it was done', () => {
    const world = draining();
    world.said('succeeded: it is gone');
    world.partitions = without5;
    world.brokers[4] = broker(5, { up: false, registered: false });
    // Two hours later Belfry is back; the list of moves and the pings come a little after the metadata.
    world.now += 120 * MINUTE;
    world.seeingSince = world.now;
    world.reassigning = undefined;
    world.brokers[0] = broker(1, { up: undefined });
    expect(world.look(1000).settle).toBeUndefined();
    world.reassigning = [];
    world.brokers[0] = broker(1);
    world.look(1000);
    expect(world.look(1000).settle?.to).toBe('succeeded');
  });

  it('has not run out while it is not known for a moment whether partitions move', () => {
    const world = draining();
    world.lookFor(50 * MINUTE);
    world.partitions = without5;
    world.look(1000);
    expect(world.row?.state).toBe('scaling_in');
    world.brokers[4] = broker(5, { up: false, registered: false });
    world.said('succeeded: it is gone');
    world.reassigning = undefined;
    world.lookFor(20 * MINUTE);
    expect(world.row?.state).toBe('scaling_in');
    world.reassigning = [];
    expect(world.look(1000).settle?.to).toBe('succeeded');
  });

  it('runs out all the same where that stays unknown', () => {
    const world = draining();
    world.reassigning = undefined;
    world.lookFor(150 * MINUTE);
    expect(world.row?.state).toBe('needs_human');
  });
});

describe('a drain', () => {
  it('is not stopped by a topic whose minimum is more than it has copies', () => {
    const world = draining();
    world.partitions = [...world.partitions, partition('single', 0, [1], { minIsr: 2 })];
    expect(world.look(1000).settle).toBeUndefined();
    expect(world.row?.state).toBe('draining');
  });
});

/** The truth of a removal, one moment after the other: moves begin, go on, end; the broker stops; its session ends. */
interface Moment {
  readonly partitions: ClusterPicture['partitions'];
  readonly moves: NonNullable<ClusterPicture['reassigning']>;
  readonly up: boolean;
  readonly registered: boolean;
}

const before = spreadOver([1, 2, 3, 4, 5]);

/** Moved are those below `index`; the one at it is being moved: Kafka lists what is added among the replicas. */
function movedTo(index: number): Pick<Moment, 'partitions' | 'moves'> {
  const partitions = before.map((one, at) => {
    if (at < index) return without5[at] ?? one;
    return at > index ? one : { ...one, replicas: [...new Set([...one.replicas, ...(without5[at]?.replicas ?? [])])], isr: one.isr };
  });
  return { partitions, moves: index < before.length ? [{ topic: 't', partition: index }] : [] };
}

const MOMENTS: readonly Moment[] = [
  ...[0, 7, 8, 20, 29].map((index) => ({ ...movedTo(index), up: true, registered: true })),
  { ...movedTo(before.length), up: true, registered: true },
  { ...movedTo(before.length), up: false, registered: true },
  { ...movedTo(before.length), up: false, registered: false },
];

describe('a removal that an executor does well', () => {
  it('comes to its end without a person, however old each fact is', () => {
    const age = fc.integer({ min: 0, max: 3 });
    const look = fc.record({ metadata: age, liveness: age, moves: fc.option(age, { nil: undefined }), heard: fc.boolean() });
    const seed = 20_261_123;
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(MOMENTS.length + 4), look), { minLength: 1, maxLength: 40 }), (looks) => {
        const world = draining();
        let saidAt: number | undefined;
        const ordered = looks.toSorted(([a], [b]) => a - b);
        const last = { metadata: 0, liveness: 0, moves: 0, heard: true };
        for (const [at, seen] of [...ordered, [99, last] as const, [99, last] as const]) {
          const moment = (back: number): Moment => MOMENTS[Math.max(0, Math.min(MOMENTS.length - 1, at - back))] ?? fail();
          world.partitions = moment(seen.metadata).partitions;
          world.reassigning = seen.moves === undefined ? undefined : moment(seen.moves).moves;
          const up = seen.heard ? moment(seen.liveness).up : undefined;
          world.brokers[4] = broker(5, { up, registered: moment(seen.metadata).registered });
          if (saidAt === undefined && at >= MOMENTS.length && world.row?.intentId !== '') world.said(`succeeded: at ${(saidAt = at)}`);
          world.look(2000);
        }
        expect([world.path.at(-1), world.notes]).toEqual(['scaling_in → steady', [expect.stringMatching(/^broker 5 is drained and gone/)]]);
      }),
      { seed, numRuns: 100 },
    );
  });
});

function fail(): never {
  throw new Error('no such moment');
}

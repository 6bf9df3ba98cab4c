import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { triggersOf } from '../../../src/autopilot/scale/load-model.ts';
import { memoryOf } from '../../../src/autopilot/scale/memory.ts';
import { broker, evidence, load, MINUTE, ScaleWorld, spreadOver } from './scale-world.ts';

const RUN = { seed: 4, numRuns: 60 };
// Doubles drawn at random are mostly next to nothing.
const share = percents(0, 100);

const step = fc.record({
  handlers: fc.array(share, { minLength: 12, maxLength: 12 }),
  disk: share,
  out: fc.boolean(),
  in: fc.boolean(),
  minutes: fc.integer({ min: 1, max: 60 }),
  does: fc.constantFrom('nothing', 'leases', 'completes', 'rejects', 'expires', 'loses'),
});

/** Does the act that is asked for, at once and wholly. */
function complete(world: ScaleWorld): void {
  const { intent } = world;
  if (intent === undefined || world.row?.intentId !== intent.id) return;
  if (intent.state === 'open') world.becomes('leased');
  world.look(1000);
  if (intent.action === 'scale_out') {
    for (let id = Math.max(...world.brokers.map((each) => each.id)) + 1; world.brokers.length < (intent.desiredBrokers ?? 0); id++)
      world.brokers.push(broker(id));
  } else world.brokers = world.brokers.filter(({ id }) => id !== intent.broker);
  world.partitions = spreadOver(world.brokers.map(({ id }) => id));
  for (let looks = 0; looks < 3; looks++) world.look(1000);
}

describe('whatever happens', () => {
  it('wants are within the limits, one step at most, and never shrink a cluster with an over-utilised member', () => {
    let wanted = { scale_out: 0, scale_in: 0 };
    fc.assert(
      fc.property(fc.array(step, { minLength: 5, maxLength: 40 }), fc.integer({ min: 3, max: 8 }), (steps, count) => {
        const world = new ScaleWorld(count, { min: 3, max: 8, cooldownInMs: 60 * MINUTE, stabiliseInMs: 10 * MINUTE });
        const { scale } = world.policy;
        for (const now of steps) {
          world.evidence = [...(now.out ? [evidence('scale_out')] : []), ...(now.in ? [evidence('scale_in')] : [])];
          const calm = now.in && !now.out;
          world.loads = world.brokers.map(({ id }, index) => {
            const drawn = now.handlers[index % 12] ?? 0;
            const handlers = calm ? 0.4 * drawn : 0.2 + 0.8 * drawn;
            return load(id, { handlers, disk: now.disk * (calm ? 0.4 : 1) });
          });
          for (let left = now.minutes; left > 0; left -= 1) {
            const before = world.brokers.length;
            const { want } = world.look(MINUTE);
            if (want === undefined || want.attempt > 1) continue;
            wanted = { ...wanted, [want.action]: wanted[want.action] + 1 };
            expect(want.current).toBe(before);
            expect(want.desired).toBeGreaterThanOrEqual(scale.min);
            expect(want.desired).toBeLessThanOrEqual(scale.max);
            if (want.action === 'scale_out') expect(want.desired - before).toBeLessThanOrEqual(scale.stepOutMax);
            else {
              expect(before - want.desired).toBe(1);
              const triggers = triggersOf(scale);
              for (const { handlers, disk } of world.loads) {
                expect(handlers).toBeLessThanOrEqual(triggers.handlers);
                expect(disk).toBeLessThanOrEqual(triggers.disk);
              }
            }
          }
          const open = world.intent?.state === 'open' && world.row?.intentId === world.intent.id;
          if (now.does === 'completes') complete(world);
          else if (now.does === 'loses' && world.intent !== undefined && !open) world.becomes('unknown');
          else if (open && now.does !== 'nothing' && now.does !== 'loses')
            world.becomes(now.does === 'leases' ? 'leased' : now.does === 'rejects' ? 'rejected' : 'expired');
        }
        expect(JSON.stringify(world.row).length).toBeLessThan(8192);
      }),
      RUN,
    );
    // Vacuous otherwise.
    expect(wanted.scale_out).toBeGreaterThan(20);
    expect(wanted.scale_in).toBeGreaterThan(20);
  });

  it('noise between reset and trigger neither grows nor shrinks a cluster', () => {
    fc.assert(
      fc.property(fc.array(percents(48, 55), { minLength: 20, maxLength: 60 }), (noise) => {
        const world = new ScaleWorld(5);
        world.evidence = [evidence('scale_out')];
        for (const value of noise) {
          world.busy(value);
          world.look(3 * MINUTE);
        }
        world.evidence = [evidence('scale_in')];
        for (const value of noise) {
          world.busy(value);
          world.look(3 * MINUTE);
        }
        expect(world.wants).toEqual([]);
      }),
      RUN,
    );
  });

  it('what a removal leaves never calls for the broker back', () => {
    let removed = 0;
    fc.assert(
      fc.property(fc.array(percents(0, 45), { minLength: 4, maxLength: 8 }), (shares) => {
        const world = new ScaleWorld(shares.length);
        world.evidence = [evidence('scale_in')];
        world.loads = shares.map((handlers, index) => load(index + 1, { handlers }));
        world.lookFor(62 * MINUTE);
        const [want] = world.wants;
        if (want === undefined) return;
        removed++;
        const gone = world.loads.find((each) => each.broker === want.broker)?.handlers ?? 0;
        complete(world);
        world.loads = world.brokers.map(({ id }) => load(id, { handlers: (shares[id - 1] ?? 0) + gone / (shares.length - 1) }));
        world.evidence = [evidence('scale_out')];
        world.lookFor(60 * MINUTE);
        expect(world.wants).toHaveLength(1);
      }),
      RUN,
    );
    expect(removed).toBeGreaterThan(5);
  });

  it('what stands in the row, however it was damaged, is read or counts as nothing', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.constantFrom('out', 'in', 'armed', 'members', 'attempt', 'warming', 'x'), fc.jsonValue()), (stored) => {
        const memory = memoryOf(stored as Record<string, unknown>);
        expect(Array.isArray(memory.members) && Array.isArray(memory.out.slices) && typeof memory.attempt === 'number').toBe(true);
      }),
      RUN,
    );
  });
});

function percents(min: number, max: number): fc.Arbitrary<number> {
  return fc.integer({ min, max }).map((percent) => percent / 100);
}

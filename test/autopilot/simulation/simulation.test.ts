import { describe, expect, it } from '@jest/globals';
import { Random } from './random.ts';
import { Referee, Violation } from './referee.ts';
import { SimCluster } from './sim-cluster.ts';
import { FLEET, Simulation } from './simulation.ts';

/**
 * The auto-pilot as a whole against a simulated fleet: crashes, pauses, slow and stuck recoveries, lost disks, rolling
 * restarts, networks cut between Belfry and the clusters, wrong alarms, executors that die and lie, restarts of Belfry,
 * disks that take no writes. `run.ts` beside this file does the same for a million steps.
 */
const STEPS = 20_000;
const SEEDS = [20_261_122, 20_261_123, 20_261_124, 20_261_125];

async function played(seed: number, steps: number): ReturnType<Simulation['run']> {
  try {
    return await new Simulation(seed).run(steps);
  } catch (error) {
    if (error instanceof Violation) throw new Error(`seed ${seed}: ${error.message}\n${error.history.join('\n')}`, { cause: error });
    throw error;
  }
}

describe('the auto-pilot in a simulated fleet', () => {
  let probesInAll = 0;

  it.each(SEEDS)(
    'takes no wrong lease, makes no edge that is not legal, and mends what crashes alone (seed %i)',
    async (seed) => {
      const { leases, acts, restarts, probes } = await played(seed, STEPS / SEEDS.length);
      // A fleet in which nothing is ever done would prove nothing.
      expect(leases).toBeGreaterThan(10);
      expect(acts).toBeGreaterThan(10);
      expect(restarts).toBeGreaterThan(0);
      probesInAll += probes;
    },
    60_000,
  );

  it('has mended crashes that came alone, in one run or another', () => {
    expect(probesInAll).toBeGreaterThan(SEEDS.length);
  });
});

describe('the referee', () => {
  const now = 1_790_000_000_000;
  const calm = { halted: false, breaker: false, durable: true, blind: false, held: false, mode: 'auto', startedAt: 0 };
  const lease = (action: 'repair' | 'replace', broker: number): Parameters<Referee['onLease']>[0] => ({
    id: 'one',
    key: 'one',
    cluster: 'a',
    action,
    broker,
    desiredBrokers: undefined,
    currentBrokers: undefined,
    incidentId: 'incident',
    attempt: 1,
    mode: 'auto',
    state: 'leased',
    reason: 'down',
    createdAt: now,
    changedAt: now,
    expiresAt: now,
    opensAt: 0,
    guards: [],
    evidence: [{ what: 'verdict', value: 'crashed', at: now }],
    lease: undefined,
    approvedBy: undefined,
    lastWord: '',
    drill: false,
  });
  const crashed = (...ids: readonly number[]): SimCluster => {
    const cluster = new SimCluster('a', new Random(1), now);
    for (const id of ids) {
      const broker = cluster.brokers.get(id);
      if (broker !== undefined) cluster.kill(broker, now);
    }
    cluster.step(now + 10_000, 10_000);
    return cluster;
  };

  it('lets pass the repair of the one that crashed', () => {
    expect(() => new Referee(FLEET).onLease(lease('repair', 1), crashed(1), calm, now + 10_000)).not.toThrow();
  });

  it.each([
    ['while halted', lease('repair', 1), crashed(1), { ...calm, halted: true }],
    ['of a cluster that is not seen', lease('repair', 1), crashed(1), { ...calm, blind: true }],
    ['that is up and registered', lease('repair', 2), crashed(), calm],
    ['while broker 2 is in trouble too', lease('repair', 1), crashed(1, 2), calm],
    ['without evidence', { ...lease('repair', 1), evidence: [] }, crashed(1), calm],
    ['in mode approve', lease('repair', 1), crashed(1), { ...calm, mode: 'approve' }],
  ])('sees a lease %s', (words, intent, cluster, truth) => {
    expect(() => new Referee(FLEET).onLease(intent, cluster, truth, now + 10_000)).toThrow(words);
  });

  it('sees two acts in one cluster', () => {
    expect(() => new Referee(FLEET).onStep([lease('repair', 1), lease('repair', 2)])).toThrow('two acts in flight in a');
  });
});

import { describe, expect, it } from '@jest/globals';
import { WatchedFleet, type FleetOptions } from './watched-fleet.ts';

const ALL = { c1: 'all', c2: 'all', c3: 'all' } as const;
/** Two pings that are missed, and the hold of fifteen seconds. */
const FOUND_OUT = 20_000;

interface Case {
  readonly name: string;
  readonly fleet?: FleetOptions;
  readonly lose: Readonly<Record<string, readonly number[] | 'all'>>;
  /** While it is being found out: which clusters are held. */
  readonly held: readonly string[];
  /** And then. */
  readonly isolated: boolean;
  readonly unreachable: readonly string[];
  /** Verdicts about single brokers that are shown then. */
  readonly alarming?: readonly string[];
}

const CASES: readonly Case[] = [
  {
    name: 'everything is silent and no reference answers: it is us',
    fleet: { references: ['dead', 'dead'] },
    lose: ALL,
    held: ['c1', 'c2', 'c3'],
    isolated: true,
    unreachable: ['c1', 'c2', 'c3'],
  },
  {
    name: 'everything is silent and one reference answers: it is them, one word a cluster',
    fleet: { references: ['dead', 'up'] },
    lose: ALL,
    held: ['c1', 'c2', 'c3'],
    isolated: false,
    unreachable: ['c1', 'c2', 'c3'],
    alarming: ['c1', 'c2', 'c3'].flatMap((name) => [1, 2, 3].map((id) => `${name}/${id} not_answering`)),
  },
  {
    name: 'a reference that refuses does not answer',
    fleet: { references: ['refused'] },
    lose: ALL,
    held: ['c1', 'c2', 'c3'],
    isolated: true,
    unreachable: ['c1', 'c2', 'c3'],
  },
  {
    name: 'one cluster is silent and no reference answers: it is us, and the others are watched',
    fleet: { references: ['dead'] },
    lose: { c2: 'all' },
    held: ['c2'],
    isolated: true,
    unreachable: ['c2'],
  },
  {
    name: 'one cluster is silent and a reference answers: it is that cluster',
    fleet: { references: ['up'] },
    lose: { c2: 'all' },
    held: ['c2'],
    isolated: false,
    unreachable: ['c2'],
    alarming: ['c2/1 not_answering', 'c2/2 not_answering', 'c2/3 not_answering'],
  },
  {
    name: 'one broker is silent: nobody thinks of us',
    fleet: { references: ['dead'] },
    lose: { c1: [2] },
    held: [],
    isolated: false,
    unreachable: [],
    alarming: ['c1/2 not_answering'],
  },
  {
    name: 'more than half of all, of three clusters, no reference: it is us, though each cluster has one that answers',
    fleet: { references: ['dead'] },
    lose: { c1: [1, 2], c2: [1, 2], c3: [2] },
    held: ['c1', 'c2', 'c3'],
    isolated: true,
    unreachable: [],
  },
  {
    name: 'more than half of all, of three clusters, a reference answers: each broker for itself',
    fleet: { references: ['up'] },
    lose: { c1: [1, 2], c2: [1, 2], c3: [2] },
    held: ['c1', 'c2', 'c3'],
    isolated: false,
    unreachable: [],
    alarming: ['c1/1 not_answering', 'c1/2 not_answering', 'c2/1 not_answering', 'c2/2 not_answering', 'c3/2 not_answering'],
  },
  {
    name: 'just under half of all',
    fleet: { references: ['dead'] },
    lose: { c1: [1, 2], c2: [1], c3: [2] },
    held: [],
    isolated: false,
    unreachable: [],
    alarming: ['c1/1 not_answering', 'c1/2 not_answering', 'c2/1 not_answering', 'c3/2 not_answering'],
  },
  {
    name: 'more than half of all, of two clusters only',
    fleet: { clusters: [5, 5], references: ['dead'] },
    lose: { c1: [1, 2, 3, 4], c2: [1, 2] },
    held: [],
    isolated: false,
    unreachable: [],
    alarming: [...[1, 2, 3, 4].map((id) => `c1/${id} not_answering`), 'c2/1 not_answering', 'c2/2 not_answering'],
  },
  {
    name: 'no references, three clusters and nobody answers: it is us',
    lose: ALL,
    held: ['c1', 'c2', 'c3'],
    isolated: true,
    unreachable: ['c1', 'c2', 'c3'],
  },
  {
    name: 'no references, and one of four clusters answers: it is them',
    fleet: { clusters: [1, 1, 1, 1] },
    lose: ALL,
    held: ['c1', 'c2', 'c3'],
    isolated: false,
    unreachable: ['c1', 'c2', 'c3'],
    alarming: ['c1/1 not_answering', 'c2/1 not_answering', 'c3/1 not_answering'],
  },
  {
    name: 'no references and two clusters: their owners are told, rather than nobody',
    fleet: { clusters: [1, 1] },
    lose: { c1: 'all', c2: 'all' },
    held: ['c1', 'c2'],
    isolated: false,
    unreachable: ['c1', 'c2'],
    alarming: ['c1/1 not_answering', 'c2/1 not_answering'],
  },
];

describe('who has fallen silent', () => {
  it.each(CASES)('$name', async ({ fleet: options, lose, held, isolated, unreachable, alarming = [] }) => {
    await using fleet = await WatchedFleet.start(options);
    const names = fleet.clusters.map((_, i) => `c${i + 1}`);
    fleet.lose(lose);
    await fleet.clock.advance(5000);
    expect(names.filter((name) => fleet.said(name).includes('held'))).toEqual(held);
    expect(fleet.isolation.isolated).toBe(false);
    expect(fleet.alarming()).toEqual([]);

    await fleet.clock.advance(FOUND_OUT);
    expect(fleet.isolation.isolated).toBe(isolated);
    expect(fleet.own('belfry_watcher_isolated')).toBe(Number(isolated));
    expect(names.filter((name) => fleet.said(name).includes('unreachable'))).toEqual(unreachable);
    expect(names.filter((name) => fleet.said(name).includes('held'))).toEqual(isolated ? held : []);
    expect(fleet.alarming()).toEqual(alarming);
    // What fires of clusters that answer goes on; of others nothing begins or ends.
    for (const name of names) expect(fleet.isolation.blindness(name)).toBe(isolated && unreachable.includes(name) ? 'isolated' : undefined);
  });

  it('is not asked where the kernels refuse: those brokers are down', async () => {
    await using fleet = await WatchedFleet.start({ references: ['dead'] });
    const before = fleet.probes;
    for (const name of ['c1', 'c2', 'c3']) for (const id of [1, 2, 3]) fleet.fake(name).kill(id);
    await fleet.clock.advance(FOUND_OUT);
    expect(fleet.isolation.isolated).toBe(false);
    expect(fleet.probes - before).toBeLessThanOrEqual(1);
    expect(fleet.alarming()).toHaveLength(9);
  });

  it('is not taken for ours on the word of references that have not answered for long', async () => {
    await using fleet = await WatchedFleet.start({ references: ['dead', 'up'] });
    fleet.references[1] = 'dead';
    await fleet.clock.advance(5 * 60_000);
    fleet.lose({ c1: 'all' });
    await fleet.clock.advance(FOUND_OUT);
    expect(fleet.isolation.isolated).toBe(true);
    fleet.find({ c1: 'all' });
    await fleet.clock.advance(10 * 60_000);
    fleet.lose({ c1: 'all' });
    await fleet.clock.advance(FOUND_OUT);
    expect([fleet.isolation.isolated, fleet.said('c1')]).toEqual([false, 'unreachable']);
  });

  it('wakes the rules when it is us, and when it is over', async () => {
    await using fleet = await WatchedFleet.start({ references: ['dead'] });
    fleet.forgetEvents();
    fleet.lose(ALL);
    await fleet.clock.advance(FOUND_OUT);
    expect(fleet.wakes.map(({ metricNames }) => metricNames.has('belfry_watcher_isolated'))).toEqual([true]);
    fleet.references[0] = 'up';
    await fleet.clock.advance(5000);
    expect(fleet.own('belfry_watcher_isolated')).toBe(0);
    expect(fleet.own('belfry_reference_up', { reference: 'ref1:443' })).toBe(1);
    expect(fleet.wakes).toHaveLength(2);
  });

  it('a blip of five seconds is nothing to anybody', async () => {
    await using fleet = await WatchedFleet.start({ references: ['dead'] });
    fleet.lose(ALL);
    await fleet.clock.advance(5000);
    fleet.find(ALL);
    for (let second = 0; second < 30; second++) {
      await fleet.clock.advance(1000);
      expect(fleet.alarming()).toEqual([]);
    }
    expect(fleet.isolation.isolated).toBe(false);
    for (const name of ['c1', 'c2', 'c3']) expect([fleet.said(name), fleet.reasons(name)]).toEqual(['', ['', '', '']]);
  });

  it('a silence that was found to be a cluster’s own stays its own when references fail an hour later', async () => {
    await using fleet = await WatchedFleet.start({ references: ['up'] });
    fleet.lose({ c1: 'all' });
    await fleet.clock.advance(FOUND_OUT);
    fleet.references[0] = 'dead';
    await fleet.clock.advance(120_000);
    expect(fleet.isolation.isolated).toBe(false);
    expect(fleet.said('c1')).toBe('unreachable');
    // The next silence is a new question.
    fleet.lose({ c2: 'all' });
    await fleet.clock.advance(FOUND_OUT);
    expect(fleet.isolation.isolated).toBe(true);
  });
});

describe('another cluster, while Belfry is isolated from one', () => {
  it('whose brokers all refuse is seen: the way to it works', async () => {
    await using fleet = await WatchedFleet.start({ references: ['dead'] });
    fleet.lose({ c1: 'all' });
    await fleet.clock.advance(60_000);
    expect(['c1', 'c2'].map((name) => fleet.isolation.blindness(name))).toEqual(['isolated', undefined]);
    for (const id of [1, 2, 3]) fleet.fake('c2').kill(id);
    await fleet.clock.advance(FOUND_OUT);
    expect(['c1', 'c2'].map((name) => fleet.isolation.blindness(name))).toEqual(['isolated', undefined]);
    expect(fleet.said('c2')).toBe('unreachable');
    expect(fleet.alarming().filter((line) => line.startsWith('c2'))).toHaveLength(3);
  });
});

describe('the end of an isolation', () => {
  it.each<readonly [string, (fleet: WatchedFleet) => void]>([
    ['a reference answers', (fleet) => void (fleet.references[0] = 'up')],
    ['the clusters answer', (fleet) => fleet.find(ALL)],
    [
      'both',
      (fleet) => {
        fleet.references[0] = 'up';
        fleet.find(ALL);
      },
    ],
  ])('%s: it is over, and nothing stale is shown', async (_, end) => {
    await using fleet = await WatchedFleet.start({ references: ['dead'] });
    fleet.lose(ALL);
    await fleet.clock.advance(120_000);
    expect(fleet.isolation.isolated).toBe(true);
    end(fleet);
    for (let tenths = 0; tenths < 60; tenths++) {
      await fleet.clock.advance(100);
      expect(fleet.alarming()).toEqual([]);
    }
    expect(fleet.isolation.isolated).toBe(false);
    fleet.find(ALL);
    await fleet.clock.advance(10_000);
    for (const name of ['c1', 'c2', 'c3']) {
      expect([1, 2, 3].map((id) => fleet.cluster(name).up(id))).toEqual([1, 1, 1]);
      expect(fleet.said(name)).toBe('');
    }
  });

  it('is no break of any broker: three of them in a quarter of an hour are no flapping', async () => {
    await using fleet = await WatchedFleet.start({ references: ['dead'] });
    for (let time = 0; time < 3; time++) {
      fleet.lose(ALL);
      await fleet.clock.advance(60_000);
      expect(fleet.isolation.isolated).toBe(true);
      fleet.find(ALL);
      await fleet.clock.advance(60_000);
    }
    for (const id of [1, 2, 3]) expect(fleet.cluster('c1').of('belfry_broker_flapping', id)).toBe(0);
  });

  it('tells of a broker that died meanwhile, its cause not stated', async () => {
    await using fleet = await WatchedFleet.start({ references: ['dead'] });
    fleet.lose(ALL);
    await fleet.clock.advance(60_000);
    // Its session has run out since: that it is fenced proves no orderly stop.
    fleet.fake('c1').fence(2);
    fleet.fake('c1').broker(2).connect = 'refused';
    fleet.find({ c1: [1, 3], c2: 'all', c3: 'all' });
    await fleet.clock.advance(10_000);
    expect(fleet.alarming()).toEqual(['c1/2 unknown']);
  });

  it('keeps a crash from before, which is over when the copies are back', async () => {
    await using fleet = await WatchedFleet.start({ references: ['dead'] });
    fleet.fake('c1').kill(2);
    await fleet.clock.advance(2000);
    fleet.fake('c1').fence(2);
    fleet.fake('c1').restart(2);
    await fleet.clock.advance(10_000);
    expect(fleet.alarming()).toEqual(['c1/2 crashed']);
    fleet.lose(ALL);
    for (let second = 0; second < 60; second++) {
      await fleet.clock.advance(1000);
      expect(fleet.alarming()).toEqual(['c1/2 crashed']);
    }
    fleet.find(ALL);
    await fleet.clock.advance(5000);
    expect(fleet.alarming()).toEqual(['c1/2 crashed']);
    fleet.fake('c1').caughtUp(2);
    await fleet.clock.advance(30_000);
    expect(fleet.alarming()).toEqual([]);
  });

  it('leaves no timer behind', async () => {
    const fleet = await WatchedFleet.start({ references: ['dead'] });
    fleet.lose(ALL);
    await fleet.clock.advance(5000);
    await fleet[Symbol.asyncDispose]();
    await fleet.clock.advance(10_000);
    expect(fleet.clock.pendingTimers).toBe(0);
  });
});

describe('a start', () => {
  it('into an isolation is found out like any other', async () => {
    await using fleet = await WatchedFleet.start({ references: ['dead'] });
    for (const { liveness } of fleet.clusters) liveness.stop();
    fleet.lose(ALL);
    for (const { liveness } of fleet.clusters) liveness.start();
    await fleet.clock.advance(8000);
    expect(fleet.said('c1')).toBe('unreachable held');
    await fleet.clock.advance(FOUND_OUT);
    expect(fleet.isolation.isolated).toBe(true);
    expect(fleet.alarming()).toEqual([]);
  });
});

describe('a start before the network is there', () => {
  it.each(['no_route', 'dns'] as const)('%s is nobody’s fault but ours, if no reference answers either', async (kind) => {
    await using fleet = await WatchedFleet.start({ references: ['dead'] });
    for (const { liveness } of fleet.clusters) liveness.stop();
    for (const fake of fleet.brokers) for (const broker of fake.brokers.values()) broker.connect = kind;
    for (const { liveness } of fleet.clusters) liveness.start();
    for (let second = 0; second < 60; second++) {
      await fleet.clock.advance(1000);
      expect(fleet.alarming()).toEqual([]);
    }
    expect(fleet.isolation.isolated).toBe(true);
  });
});

describe('an isolation, and whether it is known', () => {
  it.each([[[3]], [[3, 3, 3]]])('goes on where the configuration of clusters of %s brokers changes meanwhile', async (clusters) => {
    await using fleet = await WatchedFleet.start({ clusters, references: ['dead'] });
    fleet.lose(Object.fromEntries(clusters.map((_, i) => [`c${i + 1}`, 'all'] as const)));
    await fleet.clock.advance(60_000);
    for (const { liveness } of fleet.clusters) liveness.stop();
    for (let second = 0; second < 60; second++) {
      if (second === 3) for (const { liveness } of fleet.clusters) liveness.start();
      await fleet.clock.advance(1000);
      expect([second, fleet.isolation.isolated]).toEqual([second, true]);
    }
  });

  it('ends soon where its clusters have left the configuration', async () => {
    await using fleet = await WatchedFleet.start({ clusters: [3], references: ['dead'] });
    fleet.lose({ c1: 'all' });
    await fleet.clock.advance(60_000);
    fleet.cluster('c1').liveness.stop();
    await fleet.clock.advance(FOUND_OUT);
    expect(fleet.isolation.isolated).toBe(false);
  });

  it('is not denied after a start before that is known, which would end the alert from before', async () => {
    await using fleet = await WatchedFleet.start({ references: ['dead'] }, (begun) => begun.lose(ALL));
    expect(fleet.own('belfry_watcher_isolated')).toBeUndefined();
    await fleet.clock.advance(FOUND_OUT);
    expect(fleet.own('belfry_watcher_isolated')).toBe(1);
  });

  it('is denied at the first answer, and after a while also where nobody answers', async () => {
    await using answered = await WatchedFleet.start();
    expect(answered.own('belfry_watcher_isolated')).toBe(0);
    await using refused = await WatchedFleet.start({}, ({ brokers }) => {
      for (const fake of brokers) for (const broker of fake.brokers.values()) broker.connect = 'refused';
    });
    expect(refused.own('belfry_watcher_isolated')).toBeUndefined();
    await refused.clock.advance(10_000);
    expect(refused.own('belfry_watcher_isolated')).toBe(0);
  });
});

describe('a wall clock that is set', () => {
  it.each([
    ['forward by an hour', 3_600_000],
    ['back by an hour', -3_600_000],
    ['forward by three seconds', 3000],
  ])('%s: nobody is suspect, nothing is judged', async (_, byMs) => {
    await using fleet = await WatchedFleet.start({ references: ['dead'] });
    for (let second = 0; second < 30; second++) {
      if (second === 3) fleet.clock.stepWall(byMs);
      await fleet.clock.advance(1000);
      expect(fleet.alarming()).toEqual([]);
      for (const name of ['c1', 'c2', 'c3']) expect([fleet.said(name), fleet.reasons(name)]).toEqual(['', ['', '', '']]);
    }
    expect(fleet.isolation.isolated).toBe(false);
  });
});

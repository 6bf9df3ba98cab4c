import { afterEach, describe, expect, it } from '@jest/globals';
import type { ClusterPicture } from '../../../src/autopilot/picture.ts';
import { clusterOf, Fleet, healthyBroker } from './harness.ts';

let fleet: Fleet | undefined;
afterEach(() => fleet?.close());

const fleetOf = (clusters: readonly ClusterPicture[]): Fleet =>
  (fleet = new Fleet(Object.fromEntries(clusters.map((one) => [one.cluster, one]))));
const racks = (cluster: string, names: readonly string[], labels = {}): ClusterPicture =>
  clusterOf(cluster, 0, { labels, brokers: new Map(names.map((rack, i) => [i + 1, healthyBroker(i + 1, { rack })])) });

// Breaks: cluster, broker, seconds after the first.
const CASES: readonly [string, readonly ClusterPicture[], readonly (readonly [string, number, number])[], boolean][] = [
  ['one broker of the only cluster', [clusterOf('a', 3)], [['a', 1, 0]], false],
  [
    'one broker of each of two small clusters',
    [clusterOf('a', 3), clusterOf('b', 3)],
    [
      ['a', 1, 0],
      ['b', 1, 1],
    ],
    false,
  ],
  [
    'brokers of three clusters',
    ['a', 'b', 'c'].map((name) => clusterOf(name, 3)),
    [
      ['a', 1, 0],
      ['b', 1, 60],
      ['c', 1, 299],
    ],
    true,
  ],
  [
    'brokers of three clusters, too far apart',
    ['a', 'b', 'c'].map((name) => clusterOf(name, 3)),
    [
      ['a', 1, 0],
      ['b', 1, 60],
      ['c', 1, 300],
    ],
    false,
  ],
  [
    'the same broker again and again',
    ['a', 'b', 'c'].map((name) => clusterOf(name, 3)),
    [
      ['a', 1, 0],
      ['a', 1, 1],
      ['a', 1, 2],
    ],
    false,
  ],
  [
    'three of thirty brokers in two clusters',
    [clusterOf('a', 15), clusterOf('b', 15)],
    [
      ['a', 1, 0],
      ['a', 2, 0],
      ['b', 1, 0],
    ],
    true,
  ],
  [
    'three of thirty brokers in one cluster',
    [clusterOf('a', 15), clusterOf('b', 15)],
    [
      ['a', 1, 0],
      ['a', 2, 0],
      ['a', 3, 0],
    ],
    false,
  ],
  [
    'three of thirty-one brokers',
    [clusterOf('a', 16), clusterOf('b', 15)],
    [
      ['a', 1, 0],
      ['a', 2, 0],
      ['b', 1, 0],
    ],
    false,
  ],
  [
    'a datacenter',
    [clusterOf('a', 2, { labels: { datacenter: 'dal' } }), clusterOf('b', 30)],
    [
      ['a', 1, 0],
      ['a', 2, 9],
    ],
    true,
  ],
  [
    'a part of a datacenter',
    [clusterOf('a', 3, { labels: { datacenter: 'dal' } })],
    [
      ['a', 1, 0],
      ['a', 2, 9],
    ],
    false,
  ],
  [
    'a rack of several brokers',
    [racks('a', ['x', 'x', 'y', 'y', 'z', 'z'])],
    [
      ['a', 1, 0],
      ['a', 2, 1],
    ],
    true,
  ],
  ['a rack of one broker', [racks('a', ['x', 'y', 'z'])], [['a', 1, 0]], false],
  [
    'racks of the same name in two clusters',
    [racks('a', ['x', 'y', 'z']), racks('b', ['x', 'y', 'z'])],
    [
      ['a', 1, 0],
      ['b', 1, 0],
    ],
    false,
  ],
  [
    'a rack that spans the clusters of a datacenter',
    [racks('a', ['x', 'y', 'z'], { datacenter: 'dal' }), racks('b', ['x', 'y', 'z'], { datacenter: 'dal' })],
    [
      ['a', 1, 0],
      ['b', 1, 0],
    ],
    true,
  ],
];

describe('the breaker', () => {
  it.each(CASES)('%s: %#', async (_, clusters, breaks, opens) => {
    const { control, clock, pictures } = fleetOf(clusters);
    let at = 0;
    for (const [cluster, broker, seconds] of breaks) {
      await clock.advance((seconds - at) * 1000);
      at = seconds;
      const picture = pictures.get(cluster);
      const rack = picture?.brokers.get(broker)?.rack;
      control.unhealthy(cluster, broker, { ...picture?.labels, ...(rack === undefined ? {} : { rack }) }, clock.now());
    }
    expect(control.breaker() !== undefined).toBe(opens);
  });

  it('stays open over a restart, and is told loudly to each cluster that it is about', () => {
    const own = fleetOf(['a', 'b', 'c'].map((name) => clusterOf(name, 3)));
    for (const name of ['a', 'b', 'c']) own.control.unhealthy(name, 1, {}, own.clock.now());
    own.restart();
    expect(own.control.breaker()).toContain('brokers of 3 clusters turned unhealthy within 5 m (a, b, c); the limit is 3');
    expect(own.notes.map((note) => note.slice(0, 8))).toEqual(['LOUD a: ', 'LOUD b: ', 'LOUD c: ']);
    own.control.closeBreaker('anna', 'it was the switch');
    expect(own.control.breaker()).toBeUndefined();
    own.control.unhealthy('a', 2, {}, own.clock.now());
    expect(own.control.breaker()).toBeUndefined();
    expect(() => own.control.closeBreaker('anna', 'again')).toThrow(expect.objectContaining({ code: 'CONFLICT' }));
    own.restart();
    expect(own.control.breaker()).toBeUndefined();
  });

  it.each([
    { name: 'nobody of two others answers', down: { verdict: 'unreachable' }, opens: true },
    { name: 'brokers of two others were stopped in an orderly way', down: { verdict: 'stopped', inStopGrace: true }, opens: false },
    { name: 'two others refuse our login', down: { verdict: 'auth' }, opens: false },
    { name: 'two others went down long ago', down: { verdict: 'unreachable', downSince: -600_000 }, opens: false },
  ])('a broker of one cluster turns unhealthy while $name', async ({ down, opens }) => {
    const { control, clock, pictures } = fleetOf(['a', 'b', 'c'].map((name) => clusterOf(name, 3)));
    control.unhealthy('a', 1, {}, clock.now());
    const start = clock.now();
    for (const name of ['b', 'c']) {
      const { downSince = 0, ...rest } = down as { downSince?: number };
      const picture = clusterOf(name, 3, { blind: 'no broker of the cluster answers' });
      pictures.set(name, {
        ...picture,
        brokers: new Map([[1, healthyBroker(1, { up: false, downSince: start + 1 + downSince, ...rest })]]),
      });
    }
    control.tick(clock.now());
    expect(control.breaker()).toBeUndefined();
    await clock.advance(20_000);
    control.tick(clock.now());
    expect(control.breaker() !== undefined).toBe(opens);
    if (!opens) return;
    control.closeBreaker('anna', 'the line is back');
    control.unhealthy('a', 2, {}, clock.now());
    expect(control.breaker()).toBeUndefined();
  });
});

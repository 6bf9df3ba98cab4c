import { describe, expect, it } from '@jest/globals';
import { Discovery } from '../../../src/collectors/liveness/discovery.ts';
import { HandshakePacer } from '../../../src/collectors/liveness/handshake-pacer.ts';
import { DEFAULT_TIMINGS } from '../../../src/collectors/liveness/timings.ts';
import { silentLogger } from '../../../src/core/log.ts';
import { FakeCluster } from '../kafka/fake-cluster.ts';
import { HastyClock } from '../kafka/hasty-clock.ts';

function searching(): { clock: HastyClock; cluster: FakeCluster; discovery: Discovery; found: number[] } {
  const clock = new HastyClock();
  const cluster = new FakeCluster(clock, [1, 2, 3]);
  cluster.topics = [{ name: 'orders', partitions: Array.from({ length: 1000 }, (_, id) => ({ id, leader: 1, replicas: [1, 2] })) }];
  const found: number[] = [];
  const discovery = new Discovery({
    bootstrap: cluster.bootstrap,
    connector: cluster,
    clock,
    log: silentLogger,
    timings: DEFAULT_TIMINGS,
    pacer: new HandshakePacer(clock, 20),
    random: () => 0.5,
    found: (_metadata, facts) => void found.push(facts.get(1)?.leads ?? 0),
    failed: () => undefined,
  });
  return { clock, cluster, discovery, found };
}

describe('the search for a cluster', () => {
  it('tells the facts of the answer, counted in slices', async () => {
    const { clock, cluster, discovery, found } = searching();
    discovery.resume();
    for (let i = 0; i < 10; i++) await clock.advance(0);
    expect(found).toEqual([1000]);
    expect(cluster.open).toEqual([]);
  });

  it('tells nothing when it is paused while the answer is being taken in', async () => {
    const { clock, cluster, discovery, found } = searching();
    discovery.resume();
    // The answer is there, and not counted yet.
    while (cluster.requestsOf('Metadata').length === 0) await clock.advance(0);
    expect(found).toEqual([]);
    discovery.pause();
    for (let i = 0; i < 10; i++) await clock.advance(0);
    expect(found).toEqual([]);
    expect(cluster.open).toEqual([]);
  });
});

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { SimulatedFleet } from '../../testbed/simulated/fleet.ts';
import { SMALL_SHAPE } from '../../testbed/simulated/shape.ts';
import type { TrafficCounts } from '../../testbed/simulated/traffic.ts';
import { Stage } from '../../testbed/stage.ts';

const DESCRIBE_QUORUM = '55';
const LIST_REASSIGNMENTS = '46';
const API_VERSIONS = '18';
const DESCRIBE_LOG_DIRS = '35';
const LIST_GROUPS = '16';
/** Above 20,000 partitions looks are every 10 s, else every 5 s. */
const BIG = { ...SMALL_SHAPE, brokers: 15, topics: 101, partitionsPerTopic: 200, groups: 10, offsetsPartitions: 50 };
const SMALL = { ...SMALL_SHAPE, seed: 2, brokers: 5 };
/** Of Metadata in the two clusters. */
const INTERVALS_MS = [10_000, 5000];
const WATCHED_MS = 4000;

describe('what Belfry asks of a cluster of 20,000 partitions, and of a small one beside it', () => {
  let fleet: SimulatedFleet;
  let stage: Stage;
  let counts: readonly TrafficCounts[];

  beforeAll(async () => {
    fleet = await SimulatedFleet.start([BIG, SMALL]);
    await fleet.tell({ do: 'reset' });
    const clusters = ['big', 'small'].map((name, i) => ({ name, brokers: fleet.bootstrap(i) }));
    stage = await Stage.start({ clusters });
    await stage.belfry.queryUntil('kafka_topic_partitions{cluster="big"}', (samples) => samples.length === BIG.topics + 1, 60_000);
    // What is measured is time itself: how often it asks.
    await new Promise((resolve) => setTimeout(resolve, WATCHED_MS));
    counts = await fleet.counts();
  }, 180_000);

  afterAll(async () => {
    await stage[Symbol.asyncDispose]();
    await fleet[Symbol.asyncDispose]();
  });

  it('opens at most 3 connections to a broker, and about 20 a second', () => {
    for (const { mostPerBroker, connections, acceptedWithinMs } of counts) {
      expect(mostPerBroker).toBeLessThanOrEqual(3);
      // Over the whole, since a busy machine accepts those of a second in one moment; test/app/start-handshakes.test.ts has the rest.
      expect(connections).toBeLessThanOrEqual(20 * (1 + acceptedWithinMs / 1000));
    }
  });

  it('asks for all Metadata no oftener than the size allows', () => {
    for (const [i, intervalMs] of INTERVALS_MS.entries()) {
      const { fullMetadataAtMs = [], elapsedMs = 0 } = counts[i] ?? {};
      // Liveness and the collector begin with one each; the first tick comes at its place in the interval.
      expect(fullMetadataAtMs.length).toBeGreaterThanOrEqual(2);
      expect(fullMetadataAtMs.length).toBeLessThanOrEqual(3 + elapsedMs / intervalMs);
    }
  });

  it('asks for the quorum and for reassignments no oftener than for Metadata', () => {
    for (const [i, intervalMs] of INTERVALS_MS.entries()) {
      const { requests = {}, elapsedMs = 0 } = counts[i] ?? {};
      for (const api of [DESCRIBE_QUORUM, LIST_REASSIGNMENTS]) {
        // At the start, at its place in the interval, and then once an interval.
        expect(requests[api]).toBeLessThanOrEqual(2 + elapsedMs / intervalMs);
      }
    }
  });

  it('pings each broker once a second, and reads disks and groups once so far', () => {
    const { requests = {}, elapsedMs = 0 } = counts[0] ?? {};
    expect(requests[API_VERSIONS]).toBeLessThanOrEqual(BIG.brokers * (3 + 1.1 * (elapsedMs / 1000)));
    expect(requests[DESCRIBE_LOG_DIRS]).toBeLessThanOrEqual(BIG.brokers * (1 + Math.floor(elapsedMs / 60_000)));
    expect(requests[LIST_GROUPS]).toBeLessThanOrEqual(BIG.brokers * (2 + Math.floor(elapsedMs / 30_000)));
  });
});

import { describe, expect, it } from '@jest/globals';
import { PartitionsMemo, pictureOf, type PictureInput } from '../../src/app/cluster-picture.ts';
import { metadataOf } from '../collectors/liveness/metadata-of.ts';

const BROKERS = [1, 2].map((id) => ({ id, host: 'h', port: id, rack: `r${id}` }));
const metadata = metadataOf(
  BROKERS,
  new Map([
    ['a', [{ leader: 1, replicas: [1, 2, 3], isr: [1, 2] }]],
    ['b', [{ leader: -1, replicas: [3], isr: [] }]],
  ]),
  'one',
  1000,
);

function input(changes: Partial<PictureInput> = {}, facts: Partial<PictureInput['facts']> = {}): PictureInput {
  return {
    cluster: 'orders',
    facts: {
      metadata,
      minIsr: new Map([['a', 2]]),
      reassignments: [{ topic: 'a', partition: 0, adding: [2], removing: [] }],
      quorum: undefined,
      invisibleTopics: 0,
      usedBytesOf: (id) => (id === 1 ? 42 : undefined),
      ...facts,
    },
    liveness: [
      { id: 1, up: true, registered: true, verdict: undefined, downSince: undefined, inStopGrace: false },
      { id: 3, up: false, registered: false, verdict: 'crashed', downSince: 900, inStopGrace: false },
    ],
    clusterIdChanged: false,
    unreachable: false,
    isolated: false,
    labels: {},
    maintenance: undefined,
    lastIsr: (topic) => (topic === 'b' ? [3] : undefined),
    ...changes,
  };
}

describe('the picture of a cluster', () => {
  it('has every expected and every registered broker', () => {
    const { brokers } = pictureOf(input());
    expect(
      [...brokers.values()].map(({ id, expected, up, registered, verdict, usedBytes }) => [
        id,
        expected,
        up,
        registered,
        verdict,
        usedBytes,
      ]),
    ).toEqual([
      [1, true, true, true, undefined, 42],
      [3, true, false, false, 'crashed', undefined],
      [2, false, undefined, true, undefined, undefined],
    ]);
  });

  it('takes replicas that are being added out of the original ones, and knows the last ISR of the leaderless', () => {
    const [a, b] = pictureOf(input()).partitions;
    expect(a).toMatchObject({ replicas: [1, 3], adding: [2], isr: [1, 2], minIsr: 2, lastIsr: [1, 2] });
    expect(b).toMatchObject({ replicas: [3], isr: [], leader: -1, minIsr: undefined, lastIsr: [3] });
  });

  it.each([
    { name: 'nothing seen yet', changed: input({}, { metadata: undefined }), blind: 'the cluster has not been seen yet' },
    { name: 'nobody answers', changed: input({ unreachable: true }), blind: 'no broker of the cluster answers' },
    { name: 'Belfry is cut off', changed: input({ isolated: true }), blind: 'Belfry itself is cut off from what it watches' },
    { name: 'topics hidden', changed: input({}, { invisibleTopics: 3 }), blind: '3 topics are hidden from Belfry for lack of permission' },
    { name: 'all seen', changed: input(), blind: undefined },
  ])('is blind or not: $name', ({ changed, blind }) => {
    expect(pictureOf(changed).blind).toBe(blind);
  });

  it("tells fetches of metadata in Belfry's time, whatever the leader's clock says", () => {
    const replica = (nodeId: number, lastFetchAt: number, lastCaughtUpAt: number) => ({
      nodeId,
      logEndOffset: 9,
      lastFetchAt,
      lastCaughtUpAt,
    });
    const quorum = {
      leaderId: 101,
      leaderEpoch: 1,
      highWatermark: 9,
      voters: [replica(101, -1, 500_000), replica(102, 499_900, 480_000)],
      observers: [replica(3, 499_000, 400_000)],
      answeredAt: 2000,
    };
    const picture = pictureOf(input({}, { quorum }));
    expect(picture.brokers.get(3)?.lastQuorumFetchAt).toBe(1000);
    expect(picture.quorum).toEqual({
      leaderId: 101,
      voters: [
        { id: 101, caughtUp: true },
        { id: 102, caughtUp: false },
      ],
    });
  });

  it('makes the partitions of one answer once, and anew for the next answer or other moves', () => {
    const memo = new PartitionsMemo();
    const facts = input().facts;
    const first = pictureOf(input({ memo, facts })).partitions;
    expect(pictureOf(input({ memo, facts })).partitions).toBe(first);
    expect(pictureOf(input({ memo, facts: { ...facts, reassignments: [] } })).partitions[0]?.adding).toEqual([]);
    const next = { ...metadata, leaderId: Int32Array.from([2, -1]) };
    expect(pictureOf(input({ memo, facts: { ...facts, metadata: next } })).partitions[0]?.leader).toBe(2);
  });

  it('is of another cluster where an answer asked for anew says so', () => {
    expect(pictureOf(input({ metadata: { ...metadata, clusterId: 'two' } })).clusterIdChanged).toBe(true);
    expect(pictureOf(input({ metadata: { ...metadata, clusterId: 'one' } })).clusterIdChanged).toBe(false);
  });

  it('relies on no description of the quorum that is much older than its metadata', () => {
    const quorum = { leaderId: 101, leaderEpoch: 1, highWatermark: 9, voters: [], observers: [], answeredAt: 1000 };
    const seenAt = (answeredAt: number) => pictureOf(input({}, { quorum, metadata: { ...metadata, answeredAt } })).quorum;
    expect(seenAt(61_000)).toEqual({ leaderId: 101, voters: [] });
    expect(seenAt(61_001)).toBeUndefined();
  });
});

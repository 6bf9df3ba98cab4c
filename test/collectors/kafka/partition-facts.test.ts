import { describe, expect, it } from '@jest/globals';
import { ManualClock } from '../../../src/core/clock.ts';
import { addingReplicas, partitionFacts, uncleanElections } from '../../../src/collectors/kafka/partition-facts.ts';
import { decodeMetadata } from '../../../src/kafka/metadata.ts';
import type { ClusterMetadata } from '../../../src/kafka/observer.ts';
import { hastySlices } from './hasty-clock.ts';
import { metadataAnswer, readerOf, type PartitionSpec, type TopicSpec } from '../../kafka/answers.ts';

function metadata(topics: readonly TopicSpec[], at = 1000, clusterId = 'c'): Promise<ClusterMetadata> {
  const brokers = [1, 2, 3].map((id) => ({ id, host: 'h', port: id }));
  return decodeMetadata(readerOf(metadataAnswer(12, { clusterId, brokers, topics })), 12, new ManualClock(at), at);
}

const one = (partition: Partial<PartitionSpec>): Promise<ClusterMetadata> =>
  metadata([{ name: 't', partitions: [{ id: 0, leader: 1, replicas: [1, 2, 3], ...partition }] }]);

/** The evaluation's table: one partition, what is known beside it, what is counted. */
describe('a partition is counted', () => {
  const nothing = { leaderlessOneCopy: 0, leaderlessManyCopies: 0, underReplicated: 0, underMinIsr: 0, notPreferredLeader: 0 };
  const cases: readonly (readonly [
    name: string,
    partition: Partial<PartitionSpec>,
    adding: number[],
    minIsr: number | undefined,
    expected: object,
  ])[] = [
    ['as healthy', {}, [], 2, {}],
    ['as under-replicated with one replica out', { isr: [1, 2] }, [], 2, { underReplicated: 1 }],
    ['as under min ISR too below the minimum', { isr: [1] }, [], 2, { underReplicated: 1, underMinIsr: 1 }],
    ['not under a minimum that is unknown', { isr: [1] }, [], undefined, { underReplicated: 1 }],
    ['not under a minimum its replicas cannot reach', { replicas: [1], isr: [1] }, [], 2, {}],
    ['as leaderless, and not under a minimum too', { leader: -1, isr: [] }, [], 1, { leaderlessManyCopies: 1, underReplicated: 1 }],
    ['as leaderless with one copy', { leader: -1, replicas: [1], isr: [1] }, [], 1, { leaderlessOneCopy: 1 }],
    ['as led by another than its first replica', { leader: 2 }, [], 2, { notPreferredLeader: 1 }],
    ['as healthy while a new replica is being added', { replicas: [1, 2, 3], isr: [1, 2] }, [3], 2, {}],
    ['as one copy while a second is being added', { leader: -1, replicas: [1, 2], isr: [1] }, [2], 1, { leaderlessOneCopy: 1 }],
    ['as under-replicated for an original replica while another is added', { isr: [1] }, [3], 1, { underReplicated: 1 }],
    ['as healthy when the added replica is in sync already', { isr: [1, 2, 3] }, [3], 2, {}],
  ];

  it.each(cases)('%s', async (_, partition, adding, minIsr, expected) => {
    const facts = await partitionFacts(
      {
        metadata: await one(partition),
        adding: addingReplicas(adding.length === 0 ? [] : [{ topic: 't', partition: 0, adding, removing: [] }]),
        minIsr: new Map(minIsr === undefined ? [] : [['t', minIsr]]),
        inStopGrace: new Set(),
      },
      hastySlices(),
    );
    expect(facts).toMatchObject({ ...nothing, ...expected, minIsrUnknownTopics: minIsr === undefined ? 1 : 0 });
  });

  it('for the brokers that lead and hold it, and for the topic it belongs to', async () => {
    const facts = await partitionFacts(
      {
        metadata: await metadata([
          { name: 'good', partitions: [{ id: 0, leader: 1, replicas: [1, 2] }] },
          {
            name: 'bad',
            partitions: [
              { id: 0, leader: 2, replicas: [2, 3], isr: [2], offline: [3] },
              { id: 1, leader: -1, replicas: [3] },
            ],
          },
        ]),
        adding: new Map(),
        minIsr: new Map(),
        inStopGrace: new Set([3]),
      },
      hastySlices(),
    );
    expect(facts.troubles).toEqual([{ topic: 'bad', leaderlessOneCopy: 1, leaderlessManyCopies: 0, underReplicated: 1, underMinIsr: 0 }]);
    expect(facts.leaderlessInStopGrace).toBe(1);
    expect(facts.offlineReplicas).toBe(1);
    expect(facts.ledBy).toEqual(
      new Map([
        [1, 1],
        [2, 1],
      ]),
    );
    expect(facts.heldBy).toEqual(
      new Map([
        [1, 1],
        [2, 2],
        [3, 2],
      ]),
    );
    // Partition bad-1 has its only copy on 3, bad-0 its only one that is in sync on 2.
    expect([facts.leastInSync, Object.fromEntries(facts.leastInSyncWith)]).toEqual([1, { 1: 2, 2: 1, 3: 1 }]);
  });
});

describe('an unclean election', () => {
  const at = (partition: Partial<PartitionSpec>, time: number, clusterId = 'c'): Promise<ClusterMetadata> =>
    metadata([{ name: 't', partitions: [{ id: 0, leader: 1, epoch: 5, replicas: [1, 2, 3], isr: [1], ...partition }] }], time, clusterId);

  it.each([
    ['a leader from outside the last ISR', { leader: 2, epoch: 6, isr: [2] }, 1],
    ['a leader from outside that has joined the last ISR first', { leader: 2, epoch: 6, isr: [1, 2] }, 0],
    ['a leader from the last ISR', { leader: 1, epoch: 6 }, 0],
    ['no leader yet', { leader: -1, epoch: 6 }, 0],
    ['an older answer of another broker', { leader: 2, epoch: 4, isr: [2] }, 0],
  ])('%s: counted %s', async (_, partition, count) => {
    expect(uncleanElections(await at({}, 1000), await at(partition, 6000))).toBe(count);
  });

  it('is not concluded across a long gap, another cluster, or from an ISR nobody knew', async () => {
    const after = { leader: 2, epoch: 6, isr: [2] };
    expect(uncleanElections(undefined, await at(after, 2000))).toBe(0);
    expect(uncleanElections(await at({}, 1000), await at(after, 90_000))).toBe(0);
    expect(uncleanElections(await at({}, 1000), await at(after, 2000, 'other'))).toBe(0);
    expect(uncleanElections(await at({ leader: -1, isr: [] }, 1000), await at(after, 2000))).toBe(0);
  });

  it('is found where topics and partitions come in another order', async () => {
    const p = (id: number, leader: number, epoch: number): PartitionSpec => ({ id, leader, epoch, replicas: [1, 2], isr: [leader] });
    const before = await metadata([
      { name: 'a', partitions: [p(0, 1, 1), p(1, 1, 1)] },
      { name: 'b', partitions: [p(0, 1, 1)] },
    ]);
    const after = await metadata([
      { name: 'b', partitions: [p(0, 1, 2)] },
      { name: 'a', partitions: [p(1, 1, 1), p(0, 2, 2)] },
    ]);
    expect(uncleanElections(before, after)).toBe(1);
  });
});

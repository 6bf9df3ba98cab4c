import { describe, expect, it } from '@jest/globals';
import { brokerFacts, brokerFactsInSlices, LeadershipHistory, topicsOn } from '../../../src/collectors/liveness/broker-facts.ts';
import { hastySlices } from '../kafka/hasty-clock.ts';
import { metadataOf, type Partition } from './metadata-of.ts';

const MINUTE = 60_000;

function metadata(
  topics: Readonly<Record<string, readonly Partition[]>>,
  brokers: readonly number[] = [1, 2, 3],
): ReturnType<typeof metadataOf> {
  const listed = brokers.map((id) => ({ id, host: `kafka${id}`, port: 9092, rack: undefined }));
  return metadataOf(listed, new Map(Object.entries(topics)), 'fake-cluster', 0);
}

describe('what metadata says about a broker', () => {
  const rows: readonly { name: string; partition: Partition; want: object }[] = [
    {
      name: 'leads, with others in sync',
      partition: { leader: 2, replicas: [2, 1], isr: [2, 1] },
      want: { replicas: 1, outOfSync: 0, leads: 1, movableLeads: 1, movableIsr: 1, movableReplicas: 1 },
    },
    {
      name: 'leads, alone in the ISR',
      partition: { leader: 2, replicas: [2, 1], isr: [2] },
      want: { replicas: 1, outOfSync: 0, leads: 1, movableLeads: 0, movableIsr: 0, movableReplicas: 0 },
    },
    {
      name: 'follows in sync',
      partition: { leader: 1, replicas: [1, 2], isr: [1, 2] },
      want: { replicas: 1, outOfSync: 0, leads: 0, movableLeads: 0, movableIsr: 1, movableReplicas: 1 },
    },
    {
      name: 'follows out of sync',
      partition: { leader: 1, replicas: [1, 2], isr: [1] },
      want: { replicas: 1, outOfSync: 1, leads: 0, movableLeads: 0, movableIsr: 0, movableReplicas: 1 },
    },
    {
      name: 'holds one of no partition in sync',
      partition: { leader: -1, replicas: [1, 2], isr: [] },
      want: { replicas: 1, outOfSync: 1, leads: 0, movableLeads: 0, movableIsr: 0, movableReplicas: 0 },
    },
  ];

  it.each(rows)('it $name', ({ partition, want }) => {
    expect(brokerFacts(metadata({ orders: [partition] })).get(2)).toEqual({ registered: true, ...want });
  });

  it('is not listed, and still named by a replica', () => {
    const facts = brokerFacts(metadata({ orders: [{ leader: 1, replicas: [1, 9], isr: [1] }] }));
    expect(facts.get(9)).toMatchObject({ registered: false, replicas: 1 });
    expect(facts.get(3)).toMatchObject({ registered: true, replicas: 0 });
  });

  it('is told the same in slices', async () => {
    const look = metadata({ orders: rows.map(({ partition }) => partition) });
    expect(await brokerFactsInSlices(look, hastySlices())).toEqual(brokerFacts(look));
  });
});

describe('the topics to ask about', () => {
  const many = (count: number, leader: number): Partition[] =>
    Array.from({ length: count }, () => ({ leader, replicas: [leader, 3], isr: [leader, 3] }));

  it.each([
    { name: 'those with a replica', topics: { a: many(2, 1), b: many(2, 2) }, broker: 2, want: { topics: ['b'], sample: ['b'] } },
    {
      name: 'every topic, where it is on all',
      topics: { a: many(2, 1), b: many(2, 2) },
      broker: 3,
      want: { topics: undefined, sample: undefined },
    },
    { name: 'none', topics: { a: many(2, 1) }, broker: 9, want: { topics: [], sample: [] } },
    {
      name: 'a sample of those it leads, where they are many',
      topics: { a: many(1900, 1), b: many(1500, 2), c: many(500, 2), d: many(1, 2) },
      broker: 2,
      want: { topics: ['b', 'c', 'd'], sample: ['b', 'c'] },
    },
    {
      name: 'of those it follows, where it leads none',
      topics: { a: many(1900, 1), b: many(1500, 2) },
      broker: 3,
      want: { topics: undefined, sample: ['a'] },
    },
  ])('are $name', ({ topics, broker, want }) => {
    expect(topicsOn(metadata(topics), broker)).toEqual(want);
  });
});

describe('the history of leaderships', () => {
  it('knows the most of the last five minutes, also when it was reached before them', () => {
    const history = new LeadershipHistory();
    expect(history.most(0, 5 * MINUTE)).toBeUndefined();
    history.add(0, 10, 5 * MINUTE);
    history.add(9 * MINUTE, 4, 5 * MINUTE);
    expect(history.most(10 * MINUTE, 5 * MINUTE)).toBe(10);
    expect(history.most(14 * MINUTE, 5 * MINUTE)).toBe(4);
  });

  it('looks back from the break, not past it', () => {
    const history = new LeadershipHistory();
    history.add(0, 4, 5 * MINUTE);
    history.add(MINUTE, 9, 5 * MINUTE);
    expect(history.most(MINUTE / 2, 5 * MINUTE)).toBe(4);
  });

  it('begins anew with a broker that comes back', () => {
    const history = new LeadershipHistory();
    history.add(0, 4, 5 * MINUTE);
    history.clear();
    expect(history.most(1, 5 * MINUTE)).toBeUndefined();
  });
});

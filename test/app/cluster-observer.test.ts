import { describe, expect, it } from '@jest/globals';
import { createClusterObserver } from '../../src/app/cluster-observer.ts';
import type { ClusterWatch } from '../../src/app/cluster-watch.ts';
import { ManualClock } from '../../src/core/clock.ts';
import type { ClusterMetadata } from '../../src/kafka/observer.ts';
import { metadataOf, type Partition } from '../collectors/liveness/metadata-of.ts';

const BROKERS = [1, 2].map((id) => ({ id, host: 'h', port: id, rack: undefined }));

function answer(partitions: readonly Partition[], brokers = BROKERS): ClusterMetadata {
  return metadataOf(brokers, new Map([['a', partitions]]), 'one', 1);
}

function observing(answers: readonly ClusterMetadata[]) {
  const watch = {
    askAnew: async () => ({
      answers: answers.map((metadata, i) => ({ broker: i + 1, metadata })),
      facts: { reassignments: undefined, quorum: undefined },
    }),
    picture: (_: unknown, { metadata, ...facts }: { metadata: ClusterMetadata }) => ({ observedAt: metadata.answeredAt, ...facts }),
  } as unknown as ClusterWatch;
  const clock = new ManualClock(7);
  return createClusterObserver({
    watches: new Map([['orders', watch]]),
    clusters: () => ['orders', 'payments'],
    maintenance: () => undefined,
    labels: () => ({}),
    cruiseControl: { busy: () => undefined, ask: () => Promise.resolve() },
    clock,
  });
}

const p = { leader: 1, replicas: [1, 2], isr: [1, 2] };

describe('two brokers asked anew', () => {
  it.each([
    {
      name: 'agree',
      answers: [answer([p]), answer([{ ...p, isr: [2, 1] }])],
      agree: true,
      sentence: 'brokers 1 and 2 were asked anew and agree',
    },
    {
      name: 'name another leader',
      answers: [answer([p]), answer([{ ...p, leader: 2 }])],
      agree: false,
      sentence: 'brokers 1 and 2 were asked anew and do not agree',
    },
    {
      name: 'name another ISR',
      answers: [answer([p]), answer([{ ...p, isr: [1] }])],
      agree: false,
      sentence: 'brokers 1 and 2 were asked anew and do not agree',
    },
    {
      name: 'know other brokers',
      answers: [answer([p]), answer([p], BROKERS.slice(1))],
      agree: false,
      sentence: 'brokers 1 and 2 were asked anew and do not agree',
    },
    { name: 'are but one', answers: [answer([p])], agree: false, sentence: 'only broker 1 answered when two were asked anew' },
    { name: 'are none', answers: [], agree: false, sentence: 'no broker answered when asked anew' },
  ])('$name', async ({ answers, agree, sentence }) => {
    const confirmation = await observing(answers).confirm('orders');
    expect(confirmation).toMatchObject({ agree, sentence, askedAt: 7, brokers: answers.map((_, i) => i + 1) });
    const anew = { observedAt: 1, reassignments: undefined, quorum: undefined };
    expect(confirmation.picture).toStrictEqual(answers.length === 0 ? undefined : anew);
  });

  it('answers for a cluster that is not configured as for one that is silent', async () => {
    expect(await observing([]).confirm('nowhere')).toMatchObject({ agree: false, picture: undefined });
  });

  it('names the clusters that are configured, also one whose watch is just being replaced', () => {
    const observer = observing([]);
    expect(observer.clusters()).toEqual(['orders', 'payments']);
    expect(observer.picture('payments')).toBeUndefined();
  });
});

import { describe, expect, it } from '@jest/globals';
import { leadersOf, ProducedBytes } from '../../../src/collectors/kafka/produced-bytes.ts';
import type { LogDir } from '../../../src/kafka/observer.ts';
import { metadataOf } from '../liveness/metadata-of.ts';

const leaders = leadersOf(
  metadataOf(
    [],
    new Map([
      [
        'a',
        [
          { leader: 1, replicas: [1, 2], isr: [1, 2] },
          { leader: 2, replicas: [1, 2], isr: [1, 2] },
        ],
      ],
      ['b', [{ leader: 1, replicas: [1], isr: [1] }]],
    ]),
    'one',
    1,
  ),
);

/** A disk with partitions of topics: topic → partition → bytes. */
function disk(topics: Readonly<Record<string, Readonly<Record<number, number>>>>): LogDir {
  const entries = Object.entries(topics).map(([topic, sizes]) => [topic, Object.keys(sizes).map(Number), Object.values(sizes)] as const);
  return {
    path: '/d',
    errorCode: 0,
    totalBytes: -1,
    usableBytes: -1,
    usedBytes: 0,
    replicas: new Map(entries.map(([topic, ids]) => [topic, ids])),
    sizes: new Map(entries.map(([topic, , sizes]) => [topic, sizes])),
  };
}

describe('bytes written to the partitions that a broker leads', () => {
  it.each([
    { name: 'nothing at the first look', looks: [[disk({ a: { 0: 100 } })]], total: 0 },
    { name: 'what the logs grow by', looks: [[disk({ a: { 0: 100 }, b: { 0: 5 } })], [disk({ a: { 0: 130 }, b: { 0: 6 } })]], total: 31 },
    { name: 'no copies that others lead', looks: [[disk({ a: { 0: 0, 1: 0 } })], [disk({ a: { 0: 10, 1: 900 } })]], total: 10 },
    {
      name: 'nothing that retention took away',
      looks: [[disk({ a: { 0: 100 } })], [disk({ a: { 0: 20 } })], [disk({ a: { 0: 50 } })]],
      total: 30,
    },
    {
      name: 'nothing of a copy that was not there before',
      looks: [[disk({ b: { 0: 1 } })], [disk({ a: { 0: 900 }, b: { 0: 1 } })]],
      total: 0,
    },
    {
      name: 'nothing of a copy between two disks',
      looks: [
        [disk({ a: { 0: 10 } }), disk({ a: { 0: -1 } })],
        [disk({ a: { 0: 11 } }), disk({ a: { 0: -1 } })],
      ],
      total: 1,
    },
    {
      name: 'topics spread over disks',
      looks: [
        [disk({ a: { 0: 10 } }), disk({ b: { 0: 1 } })],
        [disk({ a: { 0: 20 } }), disk({ b: { 0: 4 } })],
      ],
      total: 13,
    },
  ])('counts $name', ({ looks, total }) => {
    const produced = new ProducedBytes();
    let last = 0;
    for (const look of looks) last = produced.add(1, look, leaders);
    expect(last).toBe(total);
  });
});

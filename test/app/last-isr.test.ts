import { describe, expect, it } from '@jest/globals';
import { LastIsr } from '../../src/app/last-isr.ts';
import type { ClusterMetadata } from '../../src/kafka/observer.ts';
import { hastySlices } from '../collectors/kafka/hasty-clock.ts';
import { metadataOf, type Partition } from '../collectors/liveness/metadata-of.ts';

function seen(topics: Readonly<Record<string, readonly Partition[]>>, clusterId = 'one'): ClusterMetadata {
  return metadataOf([], new Map(Object.entries(topics)), clusterId, 1);
}

const whole = { leader: 1, replicas: [1, 2], isr: [1, 2] };
const one = { leader: 2, replicas: [1, 2], isr: [2] };
const nobody = { leader: -1, replicas: [1, 2], isr: [] };

describe('the last ISR of a partition that has lost everybody', () => {
  it.each([
    { name: 'the look before names it', looks: [{ a: [whole, one] }, { a: [whole, nobody] }], expected: [2] },
    {
      name: 'it is kept while the ISR stays empty',
      looks: [{ a: [whole, one] }, { a: [whole, nobody] }, { a: [whole, nobody] }],
      expected: [2],
    },
    { name: 'other topics come and go', looks: [{ a: [whole, one] }, { b: [whole], a: [whole, nobody] }], expected: [2] },
    { name: 'nothing is made up at the first look', looks: [{ a: [whole, nobody] }], expected: undefined },
    {
      name: 'it ends with the first member',
      looks: [{ a: [whole, one] }, { a: [whole, nobody] }, { a: [whole, one] }],
      expected: undefined,
    },
  ])('$name', async ({ looks, expected }) => {
    const last = new LastIsr();
    for (const look of looks) await last.observe(seen(look), hastySlices());
    expect(last.of('a', 1)).toEqual(expected);
  });

  it('is nothing that another cluster of the name can know', async () => {
    const last = new LastIsr();
    await last.observe(seen({ a: [one] }), hastySlices());
    await last.observe(seen({ a: [nobody] }, 'two'), hastySlices());
    expect(last.of('a', 0)).toBeUndefined();
  });

  it('is known as it was before while a new answer is being taken in', async () => {
    const last = new LastIsr();
    await last.observe(seen({ a: [one], b: [one] }), hastySlices());
    await last.observe(seen({ a: [nobody], b: [one] }), hastySlices());
    const taking = last.observe(seen({ a: [one], b: [nobody] }), hastySlices());
    expect([last.of('a', 0), last.of('b', 0)]).toEqual([[2], undefined]);
    await taking;
    expect([last.of('a', 0), last.of('b', 0)]).toEqual([undefined, [2]]);
  });
});

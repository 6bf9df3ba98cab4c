import { describe, expect, it } from '@jest/globals';
import { yieldToLoop } from '../../src/core/clock.ts';
import { Labels } from '../../src/core/labels.ts';
import { gatheredInTurns, sortedInTurns } from '../../src/http/routes/in-turns.ts';
import { NOW, serverWith } from './harness.ts';

/** Numbers in no order, many of them more than once. */
function mixed(count: number): readonly number[] {
  return Array.from({ length: count }, (_, i) => (i * 7919) % 4999);
}

describe('work in turns', () => {
  it.each([0, 1, 2, 1999, 2000, 2001, 4000, 4001, 9999])(
    'sorts %d items as one piece of work does, equal ones in their order',
    async (count) => {
      const items = mixed(count).map((value, i) => ({ value, i }));
      const compare = (a: { value: number }, b: { value: number }) => a.value - b.value;
      expect(await sortedInTurns(items, compare, yieldToLoop)).toEqual(items.toSorted(compare));
    },
  );

  it('lets others have their turn again and again', async () => {
    let turns = 0;
    const turn = async () => void turns++;
    const all = await gatheredInTurns(mixed(10_000), turn);
    expect([all.length, turns]).toEqual([10_000, 5]);
    turns = 0;
    await sortedInTurns(all, (a, b) => a - b, turn);
    expect(turns).toBeGreaterThan(10);
  });

  it('ends where it is given up', async () => {
    const givenUp = async () => {
      throw new Error('gone');
    };
    await expect(gatheredInTurns(mixed(5000), givenUp)).rejects.toThrow('gone');
    await expect(sortedInTurns(mixed(5000), (a, b) => a - b, givenUp)).rejects.toThrow('gone');
  });
});

describe('GET /api/v1/series of many', () => {
  const made = serverWith();
  for (let i = 0; i < 5000; i++) {
    const labels = Labels.of({ __name__: 'up', instance: `<${String((i * 7919) % 5000).padStart(4, '0')}>` });
    made.rooms.querier.series.push({ labels, points: [{ ts: NOW, value: 1 }] });
  }

  it('tells all of them in order', async () => {
    const answer = await made.server.inject('/api/v1/series?match[]=up');
    expect(answer.body).toContain('\\u003c0000\\u003e');
    const { data } = answer.json<{ data: { instance: string }[] }>();
    expect(data.map(({ instance }) => instance)).toEqual(Array.from({ length: 5000 }, (_, i) => `<${String(i).padStart(4, '0')}>`));
  });

  it('makes no more than are wanted', async () => {
    let count = 0;
    const { catalog } = made.serverOptions.ports;
    const counted = {
      ...catalog,
      series: {
        ...catalog.series,
        *eachSeries({ limit = Infinity }: { limit?: number }) {
          for (; count < limit; count++) yield Labels.of({ __name__: 'up', count: String(count) });
        },
      },
    };
    const { server } = serverWith({ ports: { catalog: counted } });
    const answer = await server.inject('/api/v1/series?match[]=up&limit=3');
    expect([count, answer.json()]).toMatchObject([4, { data: { length: 3 }, warnings: ['results truncated due to limit'] }]);
  });
});

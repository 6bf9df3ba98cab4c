import { describe, expect, it } from '@jest/globals';
import { SeriesTable } from '../../src/store/series-table.ts';
import { metric } from './fixture.ts';

const labelsOf = (i: number): ReturnType<typeof metric> => metric(`m${i % 7}`, `i=${i}`);

describe('a series', () => {
  it('is found at any time while the table grows from hundreds to tens of thousands', () => {
    const table = new SeriesTable();
    const wrong: number[] = [];
    for (let i = 0; i < 20_000; i++) {
      if (table.find(labelsOf(i)) !== -1 || table.add(labelsOf(i)) !== i) wrong.push(i);
      // One of the oldest, one of the middle, the youngest: some are still where they were before the table grew.
      for (const known of [i % 100, i >> 1, i]) if (table.find(labelsOf(known)) !== known) wrong.push(known);
    }
    expect(wrong).toEqual([]);
    expect(table.size).toBe(20_000);
  });

  it('that is removed while the table grows is not found, and may come back under another id', () => {
    const table = new SeriesTable();
    // 1,024 series fill the slots that a table begins with; the next one doubles them.
    for (let i = 0; i < 1030; i++) table.add(labelsOf(i));
    table.remove([0, 500, 1029]);
    expect([0, 500, 1029].map((i) => table.find(labelsOf(i)))).toEqual([-1, -1, -1]);
    expect([1, 501, 1028].map((i) => table.find(labelsOf(i)))).toEqual([1, 501, 1028]);
    expect(table.add(labelsOf(500))).toBe(1030);
    expect(table.find(labelsOf(500))).toBe(1030);
    expect(table.size).toBe(1028);
  });

  it('is found behind others that were removed, and takes their slots in time', () => {
    const table = new SeriesTable();
    let next = 0;
    const alive = new Map<number, number>();
    const wrong: number[] = [];
    for (let round = 0; round < 40; round++) {
      for (let i = 0; i < 200; i++, next++) alive.set(next, table.add(labelsOf(next)));
      const gone = [...alive.keys()].filter((i) => (i * 7 + round) % 5 < 2);
      table.remove(gone.map((i) => alive.get(i) ?? -1));
      for (const i of gone) alive.delete(i);
      for (const i of gone) if (table.find(labelsOf(i)) !== -1) wrong.push(i);
      for (const [i, id] of alive) if (table.find(labelsOf(i)) !== id) wrong.push(i);
    }
    expect(wrong).toEqual([]);
    expect(table.size).toBe(alive.size);
  });

  it('is told from one with the same values under other names, and from one with more of them', () => {
    const table = new SeriesTable();
    const sets = [metric('m', 'a=x', 'b=y'), metric('m', 'a=x', 'c=y'), metric('m', 'a=x'), metric('m', 'a=y', 'b=x'), metric('m')];
    const ids = sets.map((labels) => table.add(labels));
    expect(sets.map((labels) => table.find(labels))).toEqual(ids);
    expect(ids.map((id) => table.labels(id).toString())).toEqual(sets.map(String));
    expect(table.find(metric('m', 'b=x', 'c=y'))).toBe(-1);
    expect([...table.namesOf(Int32Array.from(ids.slice(2)))].map((name) => table.symbols.text(name)).toSorted()).toEqual([
      '__name__',
      'a',
      'b',
    ]);
  });

  it('keeps its names while another with the same ones goes, and none of them when the last one has gone', () => {
    const table = new SeriesTable();
    const [one, other] = [table.add(metric('m', 'only=1')), table.add(metric('m', 'only=2'))];
    table.remove([one]);
    expect(table.labels(other).toString()).toBe('m{only="2"}');
    table.remove([other]);
    expect(table.pairs(other)).toHaveLength(0);
    // The number of a list of names is given again: nothing of before may be found under it.
    const later = table.add(metric('m', 'later=2'));
    expect(table.find(metric('m', 'only=2'))).toBe(-1);
    expect(table.find(metric('m', 'later=2'))).toBe(later);
    expect(table.valueOf(later, table.symbols.find('later'))).toBe(table.symbols.find('2'));
  });
});

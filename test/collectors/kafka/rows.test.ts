import { describe, expect, it } from '@jest/globals';
import { Labels } from '../../../src/core/labels.ts';
import { silentLogger } from '../../../src/core/log.ts';
import { SeriesRows } from '../../../src/collectors/kafka/rows.ts';
import { hastySlices } from './hasty-clock.ts';
import { RecordingWriter } from './recording-writer.ts';

function setup(maxColumns?: number): {
  writer: RecordingWriter;
  rows: SeriesRows;
  row: (ts: number, values: Record<string, number[]>) => ReadonlySet<string>;
} {
  const writer = new RecordingWriter();
  const rows = new SeriesRows({ writer, log: silentLogger, targetId: 'x', ...(maxColumns === undefined ? {} : { maxColumns }) });
  /** Segments by key, each with as many series as it has values; NaN is absent. */
  const row = (ts: number, values: Record<string, number[]>): ReadonlySet<string> => {
    rows.begin();
    for (const [key, numbers] of Object.entries(values)) {
      const segment = rows.segment(key, numbers.length, () => numbers.map((_, i) => Labels.of({ __name__: `m${i}`, key, i: String(i) })));
      for (const [i, number] of numbers.entries()) if (!Number.isNaN(number)) segment.set(i, number);
    }
    return rows.commit(ts);
  };
  return { writer, rows, row };
}

describe('rows of a changing set of series', () => {
  it('tell the metric names that came, changed and went', () => {
    const { row } = setup();
    expect(row(1, { a: [1, 2] })).toEqual(new Set(['m0', 'm1']));
    expect(row(2, { a: [1, 2] })).toEqual(new Set());
    expect(row(3, { a: [1, 3], b: [9] })).toEqual(new Set(['m0', 'm1']));
    expect(row(4, { a: [1, 3], b: [Number.NaN] })).toEqual(new Set(['m0']));
    expect(row(5, { a: [1, 3] })).toEqual(new Set());
  });

  it('keep the layout object while segments only fall silent, few of them', () => {
    const { row, writer } = setup();
    row(1, { a: [1], b: [2] });
    row(2, { a: [1] });
    row(3, { b: [2] });
    expect(new Set(writer.rows.get('x')?.map(({ layout }) => layout)).size).toBe(1);
    expect([...writer.samples.keys()]).toEqual(['m0{i="0", key="b"}']);
  });

  it('forget segments when many are silent, and keep the others’ values and changes right', () => {
    const { row, writer } = setup();
    const many = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`k${i}`, [i]]));
    row(1, { first: [7], ...many, last: [8] });
    expect(row(2, { first: [7], last: [8] })).toEqual(new Set(['m0']));
    expect(row(3, { first: [7], last: [8] })).toEqual(new Set());
    expect(writer.rows.get('x')?.at(-1)?.layout.series).toHaveLength(2);
    expect(Object.fromEntries(writer.samples)).toEqual({ 'm0{i="0", key="first"}': 7, 'm0{i="0", key="last"}': 8 });
  });

  it('replace a segment whose length has changed, without a series twice', () => {
    const { row, writer } = setup();
    row(1, { a: [1, 2], b: [5] });
    row(2, { a: [1, 2, 3], b: [5] });
    expect(writer.samples.size).toBe(4);
    row(3, { a: [1], b: [5] });
    expect(writer.samples.size).toBe(2);
  });

  it('spread over targets when one is full', () => {
    const { row, writer } = setup(3);
    row(1, { a: [1, 2], b: [3, 4], c: [5] });
    expect([...writer.rows.keys()]).toEqual(['x', 'x/1']);
    expect(writer.samples.size).toBe(5);
  });

  it('write only targets in which something changed, where asked to', () => {
    const { rows, row, writer } = setup(2);
    row(1, { a: [1, 2], b: [3, 4] });
    rows.begin();
    rows.segment('a', 2, () => []).set(0, 1);
    rows.segment('a', 2, () => []).set(1, 2);
    rows.segment('b', 2, () => []).set(0, 30);
    rows.segment('b', 2, () => []).set(1, 4);
    expect(rows.commit(2, { onlyChanged: true })).toEqual(new Set(['m0']));
    expect([writer.rows.get('x')?.length, writer.rows.get('x/1')?.length]).toEqual([1, 2]);
  });

  it('never go back in time, and begin anew after they ended', () => {
    const { rows, row, writer } = setup();
    row(5, { a: [1] });
    row(5, { a: [2] });
    expect(writer.rows.get('x')?.map(({ ts }) => ts)).toEqual([5, 6]);
    rows.markStale(6);
    expect(writer.samples.size).toBe(0);
    expect(row(6, { a: [2] })).toEqual(new Set(['m0']));
    expect(writer.samples.size).toBe(1);
  });

  it('written in slices are of one time, and what would end them meanwhile is older than they are', async () => {
    const { rows, row, writer } = setup(2);
    row(1, { a: [1, 2], b: [3, 4], c: [5, 6] });
    rows.begin();
    for (const [key, value] of [
      ['a', 10],
      ['b', 30],
      ['c', 50],
    ] as const)
      rows.segment(key, 2, () => []).set(0, value);
    const written = rows.commitInSlices(2, hastySlices());
    // The first slice is over before the first target: nothing is there yet, and nothing has ended.
    rows.markStale(3);
    expect(writer.samples.size).toBe(6);
    expect(await written).toEqual(new Set(['m0', 'm1']));
    expect([...writer.rows.values()].map((targetRows) => targetRows.map(({ ts }) => ts))).toEqual([
      [1, 2],
      [1, 2],
      [1, 2],
    ]);
    expect([...writer.samples.values()]).toEqual([10, 30, 50]);
    rows.markStale(3);
    expect(writer.samples.size).toBe(0);
  });
});

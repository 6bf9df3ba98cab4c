import { describe, expect, it } from '@jest/globals';
import type { Layout } from '../../src/core/sample.ts';
import { instantOf, layout, matchers, memoryHead, metric, T0, windowsOf } from './fixture.ts';

const A = metric('a', 'x=1');
const B = metric('b', 'x=1');
const C = metric('c', 'x=1');
const ALL = matchers('x=1');
const row = (...values: number[]): Float64Array => Float64Array.from(values);

describe('a target’s rows', () => {
  it('are read back at and after their time, within the lookback', () => {
    const { head, reader } = memoryHead();
    head.target('t').append(T0, layout(A, B), row(1, -0));
    const at = (ts: number): Record<string, number> => instantOf(reader.select(ALL, ts - 300_000, ts), ts);
    expect(at(T0 - 1)).toEqual({});
    expect(at(T0)).toEqual({ 'a{x="1"}': 1, 'b{x="1"}': -0 });
    expect(at(T0 + 299_999)).toEqual({ 'a{x="1"}': 1, 'b{x="1"}': -0 });
    expect(at(T0 + 300_000)).toEqual({});
  });

  it('end a series that the next row leaves out, until it comes again', () => {
    const { head, reader } = memoryHead();
    const target = head.target('t');
    target.append(T0, layout(A, B), row(1, 2));
    target.append(T0 + 1000, layout(A), row(3));
    target.append(T0 + 2000, layout(A), row(4));
    target.append(T0 + 3000, layout(C, B, A), row(7, 6, 5));
    const at = (ts: number): Record<string, number> => instantOf(reader.select(ALL, 0, ts), ts);
    expect(at(T0 + 1000)).toEqual({ 'a{x="1"}': 3 });
    expect(at(T0 + 2500)).toEqual({ 'a{x="1"}': 4 });
    expect(at(T0 + 3000)).toEqual({ 'a{x="1"}': 5, 'b{x="1"}': 6, 'c{x="1"}': 7 });
    expect(windowsOf(reader.select(ALL, 0, T0 + 9000), T0 - 1, T0 + 9000)).toEqual({
      'a{x="1"}': [
        [T0, 1],
        [T0 + 1000, 3],
        [T0 + 2000, 4],
        [T0 + 3000, 5],
      ],
      'b{x="1"}': [
        [T0, 2],
        [T0 + 3000, 6],
      ],
      'c{x="1"}': [[T0 + 3000, 7]],
    });
  });

  it('end a series whose sample is marked absent', () => {
    const { head, reader } = memoryHead();
    const same = layout(A, B);
    head.target('t').append(T0, same, row(1, 2));
    head.target('t').append(T0 + 1000, same, row(1, 2), Uint8Array.of(0, 1));
    expect(instantOf(reader.select(ALL, 0, T0 + 1000), T0 + 1000)).toEqual({ 'a{x="1"}': 1 });
  });

  it('keep NaN apart from absence, and infinities whole', () => {
    const { head, reader } = memoryHead();
    head.target('t').append(T0, layout(A, B, C), row(NaN, Infinity, -Infinity));
    expect(instantOf(reader.select(ALL, 0, T0), T0)).toEqual({ 'a{x="1"}': NaN, 'b{x="1"}': Infinity, 'c{x="1"}': -Infinity });
  });

  it('all end when the target fails, once', () => {
    const { head, reader } = memoryHead();
    const target = head.target('t');
    target.append(T0, layout(A, B), row(1, 2));
    target.markStale(T0 + 1000);
    target.markStale(T0 + 1000);
    expect(instantOf(reader.select(ALL, 0, T0 + 1000), T0 + 1000)).toEqual({});
    expect(instantOf(reader.select(ALL, 0, T0), T0)).toEqual({ 'a{x="1"}': 1, 'b{x="1"}': 2 });
  });

  it.each([
    ['at the same time', T0],
    ['earlier', T0 - 1],
  ])('are refused %s as the last one, and change nothing', (_, ts) => {
    const { head, reader } = memoryHead();
    const target = head.target('t');
    target.append(T0, layout(A), row(1));
    expect(() => target.append(ts, layout(A), row(2))).toThrow(expect.objectContaining({ code: 'STORE_OUT_OF_ORDER' }));
    expect(() => target.markStale(ts)).toThrow(expect.objectContaining({ code: 'STORE_OUT_OF_ORDER' }));
    expect(instantOf(reader.select(ALL, 0, T0), T0)).toEqual({ 'a{x="1"}': 1 });
  });

  it('with too many series are refused whole', () => {
    const { head, reader } = memoryHead({ seriesPerTarget: 2, series: 3 });
    const refused = expect.objectContaining({ code: 'STORE_LIMIT' });
    expect(() => head.target('t').append(T0, layout(A, B, C), row(1, 2, 3))).toThrow(refused);
    head.target('t').append(T0, layout(A, B), row(1, 2));
    expect(() => head.target('u').append(T0, layout(C, metric('d')), row(1, 2))).toThrow(refused);
    expect(reader.seriesCount()).toBe(2);
  });

  it('are spread over several rings when they are wide', () => {
    const { head, reader } = memoryHead();
    const wide = layout(...Array.from({ length: 2500 }, (_, i) => metric('wide', `i=${i}`, 'x=1')));
    for (let t = 0; t < 3; t++)
      head.target('t').append(
        T0 + t,
        wide,
        Float64Array.from({ length: 2500 }, (_, i) => i * 10 + t),
      );
    const found = instantOf(reader.select(ALL, 0, T0 + 1), T0 + 1);
    expect(Object.keys(found)).toHaveLength(2500);
    expect(found['wide{i="2499", x="1"}']).toBe(24_991);
  });

  it('follow a layout that says what it has of the one before, and read its labels only where it is not that one', () => {
    const { head, reader } = memoryHead();
    const target = head.target('t');
    const first = layout(A, B);
    const unread = (before: Layout): Layout => ({
      get series(): never {
        throw new Error('the labels were read');
      },
      change: { before, columns: Int32Array.of(1, -1, 0), series: () => C },
    });
    target.append(T0, first, row(1, 2));
    target.append(T0 + 1000, unread(first), row(20, 30, 10));
    const selection = reader.select(ALL, T0, T0 + 1000);
    expect(instantOf(selection, T0 + 1000)).toEqual({ 'a{x="1"}': 10, 'b{x="1"}': 20, 'c{x="1"}': 30 });
    expect(() => target.append(T0 + 2000, unread(first), row(20, 30, 10))).toThrow('the labels were read');
  });

  it('let the first of two equal series of a layout count', () => {
    const { head, reader } = memoryHead();
    head.target('t').append(T0, layout(A, A), row(1, 2));
    expect(instantOf(reader.select(ALL, 0, T0), T0)).toEqual({ 'a{x="1"}': 1 });
    expect(head.duplicateSeries).toBe(1);
  });
});

describe('samples with a time of their own', () => {
  it('may come at different times for each series', () => {
    const { head, reader } = memoryHead();
    const target = head.target('t');
    target.appendAt(T0 + 5000, A, 1);
    target.appendAt(T0, B, 2);
    expect(instantOf(reader.select(ALL, 0, T0 + 4000), T0 + 4000)).toEqual({ 'b{x="1"}': 2 });
    expect(instantOf(reader.select(ALL, 0, T0 + 5000), T0 + 5000)).toEqual({ 'a{x="1"}': 1, 'b{x="1"}': 2 });
  });

  it.each([
    ['the same sample again is ignored', T0, 1, undefined],
    ['another value at the same time is refused', T0, 2, 'STORE_DUPLICATE'],
    ['an earlier sample is refused', T0 - 1, 1, 'STORE_OUT_OF_ORDER'],
  ])('%s', (_, ts, value, code) => {
    const { head, reader } = memoryHead();
    const target = head.target('t');
    target.appendAt(T0, A, 1);
    const again = (): void => target.appendAt(ts, A, value);
    if (code === undefined) again();
    else expect(again).toThrow(expect.objectContaining({ code }));
    expect(windowsOf(reader.select(ALL, 0, T0), 0, T0)).toEqual({ 'a{x="1"}': [[T0, 1]] });
  });
});

describe('a series that two targets write', () => {
  it('is one series with the samples of both in order, one at a time', () => {
    const { head, reader } = memoryHead();
    for (const [ts, target, value] of [
      [T0, 't', 1],
      [T0, 'u', 2],
      [T0 + 1000, 'u', 3],
      [T0 + 2000, 't', 4],
    ] as const) {
      head.target(target).append(ts, layout(A), row(value));
    }
    expect(windowsOf(reader.select(ALL, 0, T0 + 9000), T0 - 1, T0 + 9000)).toEqual({
      'a{x="1"}': [
        [T0, 1],
        [T0 + 1000, 3],
        [T0 + 2000, 4],
      ],
    });
    expect(instantOf(reader.select(ALL, 0, T0 + 1500), T0 + 1500)).toEqual({ 'a{x="1"}': 3 });
  });
});

describe('a window', () => {
  it('is open on the left and closed on the right', () => {
    const { head, reader } = memoryHead();
    for (let t = 0; t < 5; t++) head.target('t').append(T0 + t * 1000, layout(A), row(t));
    expect(windowsOf(reader.select(ALL, 0, T0 + 3000), T0 + 1000, T0 + 3000)).toEqual({
      'a{x="1"}': [
        [T0 + 2000, 2],
        [T0 + 3000, 3],
      ],
    });
  });
});

describe('a removed target', () => {
  it('takes no more samples through its old writer, and starts anew under its name', () => {
    const { head, reader } = memoryHead();
    const old = head.target('t');
    old.append(T0, layout(A), row(1));
    old.markStale(T0 + 1);
    head.removeTarget('t');
    expect(() => old.append(T0 + 2, layout(A), row(1))).toThrow(expect.objectContaining({ code: 'NOT_FOUND' }));
    head.target('t').append(T0 + 2, layout(A), row(5));
    expect(instantOf(reader.select(ALL, 0, T0 + 2), T0 + 2)).toEqual({ 'a{x="1"}': 5 });
  });
});

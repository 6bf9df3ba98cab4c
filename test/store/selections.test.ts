import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { Labels } from '../../src/core/labels.ts';
import { matchesAll } from '../../src/core/matcher.ts';
import { intersect, union } from '../../src/store/postings.ts';
import { instantOf, layout, matchers, memoryHead, metric, T0 } from './fixture.ts';

// The same values in every run.
fc.configureGlobal({ seed: 20_261_123 });

const FLEET = [
  metric('up', 'job=a', 'instance=1'),
  metric('up', 'job=a', 'instance=2'),
  metric('up', 'job=b', 'instance=1'),
  metric('down', 'job=a', 'instance=1', 'why=x'),
  metric('down'),
];

describe('selecting series by matchers', () => {
  it.each([
    ['a name', ['__name__=up'], [0, 1, 2]],
    ['a name and a label', ['__name__=up', 'job=a'], [0, 1]],
    ['a label that must not be', ['__name__=up', 'job!=a'], [2]],
    ['an absent label as the empty one', ['__name__=down', 'job='], [4]],
    ['a label that must be there', ['job!='], [0, 1, 2, 3]],
    ['any value by pattern', ['why=~.+'], [3]],
    ['a set of literals', ['job=~b|c'], [2]],
    ['a set with the empty value', ['__name__=down', 'job=~|b'], [4]],
    ['a pattern over values', ['instance=~[2-9]'], [1]],
    ['a pattern that must not match, absent labels kept', ['job!~b.*'], [0, 1, 3, 4]],
    ['a value nobody has', ['job=z'], []],
    ['nothing at all', [], [0, 1, 2, 3, 4]],
  ])('%s', (_, texts, expected) => {
    const { head, reader } = memoryHead();
    head.target('t').append(T0, layout(...FLEET), new Float64Array(5));
    const selection = reader.select(matchers(...texts), 0, T0);
    expect(Array.from({ length: selection.n }, (__, i) => selection.labels(i).toString())).toEqual(
      expected.map((i) => FLEET[i]!.toString()),
    );
  });

  it('agrees with testing every series, whatever the matchers', () => {
    const value = fc.constantFrom('', 'a', 'b', 'ab', '1', '2');
    const matcher = fc.record({
      name: fc.constantFrom('__name__', 'x', 'y', 'z'),
      op: fc.constantFrom('=', '!=', '=~', '!~'),
      value: fc.constantFrom('', 'a', 'b', 'a|b', 'a.*', '.+', '.*', '[a1]', '|2'),
    });
    const labels = fc.record({ name: fc.constantFrom('m', 'n'), x: value, y: value });
    fc.assert(
      fc.property(fc.array(labels, { maxLength: 30 }), fc.array(matcher, { maxLength: 4 }), (sets, wanted) => {
        const { head, reader } = memoryHead();
        const series = sets.map(({ name, x, y }) => metric(name, `x=${x}`, `y=${y}`));
        const found = matchers(...wanted.map(({ name, op, value: text }) => `${name}${op}${text}`));
        const early = reader.select(found, 0, T0);
        expect(early.n).toBe(0);
        head.target('t').append(T0, layout(...series), new Float64Array(series.length));
        const expected = new Set(series.filter((one) => matchesAll(found, one)).map((one) => one.toString()));
        // Once as the set that was cached empty and grew, once resolved anew.
        for (const selection of [reader.select(found, 0, T0), memoryHeadWith(series).select(found, 0, T0)]) {
          expect(new Set(Array.from({ length: selection.n }, (_, i) => selection.labels(i).toString()))).toEqual(expected);
        }
      }),
    );
  });

  it('moves the version when a series that it wants is born, and only then', () => {
    const { head, reader } = memoryHead();
    const wanted = matchers('__name__=up');
    head.target('t').append(T0, layout(FLEET[0]!), new Float64Array(1));
    const before = reader.select(wanted, 0, T0).version;
    head.target('t').append(T0 + 1, layout(FLEET[0]!, FLEET[3]!), new Float64Array(2));
    expect(reader.select(wanted, 0, T0).version).toBe(before);
    head.target('t').append(T0 + 2, layout(FLEET[0]!, FLEET[3]!, FLEET[2]!), new Float64Array(3));
    expect(reader.select(matchers('__name__=up'), 0, T0).version).not.toBe(before);
    expect(reader.select(wanted, 0, T0).n).toBe(2);
  });
});

function memoryHeadWith(series: readonly Labels[]): ReturnType<typeof memoryHead>['reader'] {
  const { head, reader } = memoryHead();
  head.target('t').append(T0, layout(...series), new Float64Array(series.length));
  return reader;
}

describe('series that expire', () => {
  const expire = (head: ReturnType<typeof memoryHead>['head'], ids: readonly number[]): void => {
    for (const id of ids) head.places.retire(id, head.places.lane(id), T0);
    head.expire(ids);
  };

  it('leave every answer, as if they had never been', () => {
    fc.assert(
      fc.property(fc.subarray([0, 1, 2, 3, 4]), (ids) => {
        const { head, reader } = memoryHead();
        head.target('t').append(T0, layout(...FLEET), new Float64Array(5));
        const asked = [matchers('__name__=up'), matchers('job=~a|b'), matchers('job!=a'), matchers('instance=~.+'), matchers()];
        for (const matched of asked) reader.select(matched, 0, T0);
        expire(head, ids);
        const left = FLEET.filter((_, id) => !ids.includes(id));
        for (const matched of asked) {
          const wanted = left.filter((labels) => matchesAll(matched, labels)).map(String);
          for (const selection of [reader.select(matched, -Infinity, T0), reader.select([...matched], -Infinity, T0)])
            expect(Array.from({ length: selection.n }, (_, i) => selection.labels(i).toString())).toEqual(wanted);
          expect(reader.series({ matcherSets: [matched] }).map(String)).toEqual(wanted);
        }
        const names = new Set(left.flatMap((labels) => [...labels].map(([name]) => name)));
        expect(reader.labelNames()).toEqual([...names].toSorted());
        expect(reader.labelValues('instance')).toEqual(
          [...new Set(left.map((labels) => labels.get('instance')))].filter(Boolean).toSorted(),
        );
        for (const name of ['instance', 'job']) expect(reader.labelValueCount(name)).toBe(reader.labelValues(name).length);
      }),
      { seed: 5 },
    );
  });

  it('come back under another id', () => {
    const { head, reader } = memoryHead();
    head.target('t').append(T0, layout(...FLEET), new Float64Array(5));
    head.target('t').append(T0 + 1, layout(...FLEET.slice(1)), new Float64Array(4));
    expire(head, [0]);
    head.target('other').append(T0 + 2, layout(FLEET[0]!), Float64Array.of(8));
    expect(instantOf(reader.select(matchers('__name__=up', 'job=a'), 0, T0 + 2), T0 + 2)).toMatchObject({ [FLEET[0]!.toString()]: 8 });
  });

  it('disturb neither a selection of what is alive nor one that somebody still reads', () => {
    const { head, reader } = memoryHead();
    const target = head.target('t');
    target.append(T0, layout(...FLEET), new Float64Array(5));
    const up = matchers('__name__=up');
    head.places.retire(2, head.places.lane(2), T0 - 1);
    const live = reader.select(up, T0, T0);
    const whole = reader.select(up, T0 - 10, T0);
    expect([live.n, whole.n]).toEqual([2, 3]);
    head.expire([2]);
    expect(reader.select(up, T0, T0)).toBe(live);
    expect(Array.from((whole as unknown as { ids: Int32Array }).ids)).toEqual([0, 1, 2]);
    expect(reader.select(up, T0 - 10, T0).n).toBe(2);
  });
});

describe('a selection that somebody still reads', () => {
  it('holds while series are born and lose their columns, and no longer once one of its own expires', () => {
    const { head, reader } = memoryHead();
    head.target('t').append(T0, layout(...FLEET), Float64Array.of(1, 2, 3, 4, 5));
    const up = reader.select(matchers('__name__=up'), 0, T0);
    const down = reader.select(matchers('__name__=down'), 0, T0);
    head.target('other').append(T0, layout(metric('up', 'job=c')), Float64Array.of(6));
    head.places.retire(2, head.places.lane(2), T0);
    expect([up.n, up.holds?.(), down.holds?.()]).toEqual([3, true, true]);
    expect(instantOf(up, T0)).toMatchObject({ [FLEET[0]!.toString()]: 1, [FLEET[1]!.toString()]: 2 });
    head.expire([2]);
    expect([up.holds?.(), up.holds?.(), down.holds?.()]).toEqual([false, false, true]);
    expect(reader.select(matchers('__name__=up'), 0, T0).holds?.()).toBe(true);
  });
});

describe('names and values', () => {
  it('sort by code point, not by halves of it', () => {
    const { head, reader } = memoryHead();
    head.target('t').append(T0, layout(metric('up', 'x=\u{1f600}'), metric('up', 'x=\uff01'), metric('up', 'x=z')), new Float64Array(3));
    expect(reader.labelValues('x')).toEqual(['z', '\uff01', '\u{1f600}']);
  });

  it('are those of the series asked for, sorted', () => {
    const { head, reader } = memoryHead();
    head.target('t').append(T0, layout(...FLEET), new Float64Array(5));
    expect(reader.labelNames()).toEqual(['__name__', 'instance', 'job', 'why']);
    expect(reader.labelNames({ matcherSets: [matchers('__name__=up')] })).toEqual(['__name__', 'instance', 'job']);
    expect(reader.labelValues('job')).toEqual(['a', 'b']);
    expect(reader.labelValues('job', { matcherSets: [matchers('__name__=down')] })).toEqual(['a']);
    expect(reader.labelValues('job', { limit: 1 })).toEqual(['a']);
    expect(reader.labelValues('nothing')).toEqual([]);
    expect(['job', 'nothing'].map((name) => reader.labelValueCount(name))).toEqual([2, 0]);
    expect(reader.series({ matcherSets: [matchers('why=x'), matchers('job=b')] })).toHaveLength(2);
    expect(reader.series({ maxTs: T0 - 1 })).toEqual([]);
    expect(reader.seriesCount({ minTs: T0 })).toBe(5);
  });
});

describe('lists of ids', () => {
  const ascending = fc.uniqueArray(fc.nat(3000), { maxLength: 400 }).map((ids) => Int32Array.from(ids).toSorted());

  it('intersect and unite as sets do', () => {
    fc.assert(
      fc.property(ascending, ascending, fc.constantFrom(1, 20), (a, b, share) => {
        const short = a.filter((_, i) => i % share === 0);
        const both = new Set(b);
        expect([...intersect(short, b)]).toEqual([...short].filter((id) => both.has(id)));
        expect([...intersect(b, short)]).toEqual([...short].filter((id) => both.has(id)));
        expect([...union([short, b], 3001)]).toEqual([...new Set([...short, ...b])].toSorted((x, y) => x - y));
      }),
    );
  });
});

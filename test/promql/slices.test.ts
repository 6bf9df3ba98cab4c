import { describe, expect, it } from '@jest/globals';
import { Labels } from '../../src/core/labels.ts';
import type { Matcher } from '../../src/core/matcher.ts';
import { Exec } from '../../src/promql/exec.ts';
import { LookAhead, never, prepareAll } from '../../src/promql/look-ahead.ts';
import { prepare } from '../../src/promql/prepare.ts';
import type { MarkedBuffer, PointBuffer, Querier, Selection } from '../../src/promql/querier.ts';
import { show, showMatrix, shownOrRefused } from './evaluating.ts';
import { load, type MemoryQuerier } from './memory-querier.ts';

const TIMES = { startTs: 600_000, endTs: 1_140_000, stepMs: 60_000 };
const STEPS = 10;

function seriesOf(count: number): MemoryQuerier {
  return load(['load 1m', ...Array.from({ length: count }, (_, i) => `a{i="${i}"} ${i}+1x20`)].join('\n'));
}

/** Each piece of work takes longer than a slice. */
function slow(): () => number {
  let at = 0;
  return () => (at += 30);
}

/** Notes how long each time is that is read, by turns; other selections come with the turns `changes` names. */
class Watched implements Querier {
  readonly readMs: number[][] = [];
  readonly #inner: MemoryQuerier;
  readonly #changes: ReadonlySet<number>;
  #turns = 0;
  #selection: Selection | undefined;

  constructor(inner: MemoryQuerier, changes: readonly number[]) {
    this.#inner = inner;
    this.#changes = new Set(changes);
  }

  readonly turn = async (): Promise<void> => {
    this.readMs.push([]);
    if (this.#changes.has(++this.#turns)) this.#selection = undefined;
  };

  select(matchers: readonly Matcher[]): Selection {
    return (this.#selection ??= this.#watched(this.#inner.select(matchers)));
  }

  #watched(inner: Selection): Selection {
    const note = (fromTs: number, toTs: number): void => void this.readMs.at(-1)?.push(toTs - fromTs);
    return {
      n: inner.n,
      labels: (index) => inner.labels(index),
      instant: (ts, lookbackMs, out) => inner.instant(ts, lookbackMs, out),
      window: (index: number, fromTs: number, toTs: number, into: PointBuffer) => {
        note(fromTs, toTs);
        return inner.window(index, fromTs, toTs, into);
      },
      history: (index: number, fromTs: number, toTs: number, into: MarkedBuffer) => {
        note(fromTs, toTs);
        return inner.history?.(index, fromTs, toTs, into) ?? 0;
      },
    };
  }
}

describe('a range whose series change between its slices', () => {
  it.each([
    ['a', 300_000],
    ['sum_over_time(a[2m])', 120_000],
  ])('looks ahead by no more than the step it must get further by, and goes on in slices: %s', async (text, reachMs) => {
    const whole = (steps: number): number => reachMs + (steps - 1) * TIMES.stepMs;
    const watched = new Watched(seriesOf(3), [2]);
    const value = await prepare(text).rangeInSlices(watched, TIMES, { now: slow() }, watched.turn);
    expect(watched.readMs.filter((read) => read.length > 0)).toEqual([
      [whole(STEPS)],
      [reachMs, reachMs, reachMs],
      [whole(STEPS - 1)],
      [whole(STEPS - 1)],
      [whole(STEPS - 1)],
    ]);
    expect(showMatrix(value)).toEqual(showMatrix(prepare(text).range(seriesOf(3), TIMES)));
  });

  it('looks ahead within a subquery as far as the step asks for', async () => {
    const watched = new Watched(seriesOf(3), [2]);
    const prepared = prepare('max_over_time(a[5m:1m])');
    const value = await prepared.rangeInSlices(watched, TIMES, { now: slow() }, watched.turn);
    const [, , forced] = [[], ...watched.readMs.filter((read) => read.length > 0)];
    expect(forced).toEqual([540_000, 540_000, 540_000]);
    expect(showMatrix(value)).toEqual(showMatrix(prepared.range(seriesOf(3), TIMES)));
  });

  it.each([
    ['count(max_over_time(a[5m:30s]))', 20 * 11 + STEPS + 20],
    ['sum_over_time(max_over_time(a[3m:1m])[3m:1m])', 20 * 10 + STEPS * 20],
  ])('holds no more than one opening does, and what it has to give: %s', async (text, maxSamples) => {
    const prepared = prepare(text);
    const whole = showMatrix(prepared.range(seriesOf(20), TIMES, { maxSamples }));
    const sliced = await prepared.rangeInSlices(seriesOf(20), TIMES, { maxSamples, now: slow() }, async () => undefined);
    expect(showMatrix(sliced)).toEqual(whole);
  });

  it('still counts what it has to give', async () => {
    const ask = async (maxSamples: number): Promise<readonly string[] | string> =>
      shownOrRefused(async () =>
        showMatrix(await prepare('a').rangeInSlices(seriesOf(20), TIMES, { maxSamples, now: slow() }, async () => undefined)),
      );
    expect(await ask(20 * STEPS)).toHaveLength(20);
    expect(await ask(20 * STEPS - 1)).toContain('too many samples');
  });
});

/** A series more at each turn; what was selected before can still be read where it `holds`. */
class Growing implements Querier {
  readonly #inner: MemoryQuerier;
  readonly #holds: boolean;
  selected = 0;

  constructor(inner: MemoryQuerier, holds: boolean) {
    this.#inner = inner;
    this.#holds = holds;
  }

  readonly turn = async (): Promise<void> => {
    const labels = Labels.of({ __name__: 'a', i: 'new', turn: String(this.#inner.series.length) });
    this.#inner.series.push({ labels, points: [{ ts: 600_000, value: 1 }] });
  };

  select(matchers: readonly Matcher[]): Selection {
    this.selected++;
    const inner = this.#inner.select(matchers);
    return {
      n: inner.n,
      labels: (index) => inner.labels(index),
      instant: (ts, lookbackMs, out) => inner.instant(ts, lookbackMs, out),
      window: (index, fromTs, toTs, into) => inner.window(index, fromTs, toTs, into),
      ...(this.#holds ? { holds: () => true } : {}),
    };
  }
}

describe('series that are born between slices', () => {
  it.each(['a', 'sum_over_time(a[2m])', 'max_over_time(a[5m:1m])'])(
    'are not among those of a query that began before: %s',
    async (text) => {
      const begun = seriesOf(3);
      await new Growing(begun, true).turn();
      const prepared = prepare(text);
      const [range, instant] = [showMatrix(prepared.range(begun, TIMES)), show(prepared.instant(begun, TIMES.endTs))];
      const options = { now: slow() };
      const ranged = new Growing(seriesOf(3), true);
      expect(showMatrix(await prepared.rangeInSlices(ranged, TIMES, options, ranged.turn))).toEqual(range);
      const once = new Growing(seriesOf(3), true);
      expect(show(await prepared.instantInSlices(once, TIMES.endTs, options, once.turn))).toEqual(instant);
      expect([ranged.selected, once.selected]).toEqual([1, 1]);
    },
  );

  it('have the query begun anew where the store cannot show the others any more', async () => {
    const growing = new Growing(seriesOf(3), false);
    const value = await prepare('count(a)').rangeInSlices(growing, TIMES, { now: slow() }, growing.turn);
    expect(showMatrix(value)).toEqual(['{} 5@600 6@660 7@720 8@780 9@840 3@900 3@960 3@1020 3@1080 3@1140']);
  });
});

describe('a range vector in slices', () => {
  it('takes one turn where all fits into one slice, and one for each series and one for their order where each takes a slice', async () => {
    const turnsOf = async (now: () => number): Promise<number> => {
      let turns = 0;
      const value = await prepare('a[5m]').instantInSlices(new Watched(seriesOf(3), []), 600_000, { now }, async () => void turns++);
      expect(show(value)).toHaveLength(3);
      return turns;
    };
    expect(await turnsOf(() => 0)).toBe(1);
    expect(await turnsOf(slow())).toBe(4);
  });
});

/** Many series that all have the value 1 in the history there is of them. */
function manySeries(n: number): Querier {
  const selection: Selection = {
    n,
    labels: (index) => Labels.of({ __name__: 'a', i: String(index) }),
    instant: () => {
      throw new Error('not read ahead');
    },
    window: () => 0,
    history: (_, __, toTs, into) => {
      into.reserve(1);
      into.timestamps[0] = toTs - 3_600_000;
      into.values[0] = 1;
      into.stale[0] = 0;
      return 1;
    },
  };
  return { select: () => selection };
}

describe('what is read ahead', () => {
  const MOST = 2_000_000;

  /** How many cells many parts of one evaluation have at once, at most. */
  function mostCells(parts: number, series: number, steps: number): number {
    const range = { startTs: 0, endTs: (steps - 1) * 1000, stepMs: 1000 };
    const exec = new Exec('', manySeries(series), range, {});
    const wanted = new Uint8Array(series).fill(1);
    const aheads = Array.from({ length: parts }, () => {
      const ahead = new LookAhead(exec, () => undefined);
      const prepare = (ts: number, enough: () => boolean): boolean => {
        if (!ahead.covers(ts)) ahead.begin(ts, wanted, () => false);
        return ahead.work(enough);
      };
      ahead.enlist({ prepare }, series);
      return ahead;
    });
    let most = 0;
    for (let ts = 0; ts <= range.endTs; ts += range.stepMs) {
      prepareAll(exec, ts, never);
      for (const ahead of aheads) expect(ahead.rowOf(ts)).toBeGreaterThanOrEqual(0);
      const held = aheads.reduce((sum, { cells }) => sum + cells.values.length, 0);
      expect(aheads.reduce((sum, { cells }) => sum + cells.states.length, 0)).toBe(held);
      most = Math.max(most, held);
    }
    return most;
  }

  it.each([
    [1, 2000, 500, 1_000_000],
    [1, 2000, 1200, MOST],
    [40, 2000, 100, MOST],
    [3, 1000, 1500, MOST],
  ])('by %d parts, each over %d series and %d steps, takes %d cells together', (parts, series, steps, cells) => {
    const most = mostCells(parts, series, steps);
    expect(most).toBeLessThanOrEqual(cells);
    // Each part has as many whole steps as go into its share.
    expect(most).toBeGreaterThan(cells - parts * series);
  });

  it('is one step of each part at least', () => {
    expect(mostCells(40, 100_000, 3)).toBe(40 * 100_000);
  });

  it('is taken anew where a plan is opened anew', () => {
    const exec = new Exec('', manySeries(1000), { startTs: 0, endTs: 9_999_000, stepMs: 1000 }, {});
    for (let opening = 0; opening < 3; opening++) {
      const ahead = new LookAhead(exec, () => undefined);
      ahead.enlist({ prepare: () => true }, 1000);
      ahead.begin(0, new Uint8Array(1000).fill(1), () => false);
      expect(ahead.cells.values).toHaveLength(MOST);
      exec.budget.reopen(0);
    }
  });

  it('gives the right values where it is read in several pieces', () => {
    const lookbackMs = 3_600_001;
    const { series } = prepare('count(a)').range(manySeries(50_000), { startTs: 0, endTs: 59_000, stepMs: 1000 }, { lookbackMs });
    expect(series).toHaveLength(1);
    // A series has a value an hour before the last step of each piece only, which each step of the piece sees or not.
    expect([...(series[0]?.values ?? [])]).toEqual(Array.from({ length: 60 }, () => 50_000));
  });
});

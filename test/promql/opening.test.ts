import { describe, expect, it } from '@jest/globals';
import { Labels } from '../../src/core/labels.ts';
import { prepare } from '../../src/promql/prepare.ts';
import type { Querier, Selection } from '../../src/promql/querier.ts';

const SERIES = 1000;
const TS = 1_000_000;
/** Reads of a series' labels until the clock says that a slice is over. */
const READS_A_SLICE = 200;

/** A store with so many series of each metric, whose clock is the labels that were read of it. */
class CountingQuerier implements Querier {
  reads = 0;
  #generation = 0;
  readonly #selections = new Map<string, Selection>();

  /** 20 ms are a slice. */
  readonly now = (): number => (this.reads * 20) / READS_A_SLICE;

  /** Other series than before. */
  change(): void {
    this.#generation++;
    this.#selections.clear();
  }

  select(matchers: Parameters<Querier['select']>[0]): Selection {
    const name = matchers[0]?.value ?? '';
    const known = this.#selections.get(name) ?? this.#make(name);
    this.#selections.set(name, known);
    return known;
  }

  #make(name: string): Selection {
    const made = Array.from({ length: SERIES }, (_, i) =>
      Labels.of({ __name__: name, topic: `t${i % 150}`, partition: String(i), era: String(this.#generation) }),
    );
    return {
      n: SERIES,
      labels: (index) => {
        this.reads++;
        return made[index] ?? Labels.empty;
      },
      instant: (ts, _, out) => {
        out.present.fill(1, 0, SERIES);
        out.timestamps.fill(ts, 0, SERIES);
        for (let i = 0; i < SERIES; i++) out.values[i] = i;
      },
      window: () => 0,
    };
  }
}

const TEXTS = [
  'sum by (topic) (a) > 0',
  'a and on (partition) b',
  'a unless on (topic, partition) b',
  'sum by (topic) (a) and on (topic) sum by (topic) (b)',
  'a * on (partition) b',
  'a * on (partition) group_left () b',
  'a - ignoring (topic, era) b',
  'label_replace(a, "x", "$1", "topic", "t(.*)")',
];

describe('opening the plan of an expression over thousands of new series', () => {
  it.each(TEXTS)('takes slices, after which an evaluation reads no more labels than its result has: %s', (text) => {
    const querier = new CountingQuerier();
    const prepared = prepare(text);
    const slices: number[] = [];
    let opening: string;
    do {
      const before = querier.reads;
      opening = prepared.openAt(querier, TS, { now: querier.now });
      slices.push(querier.reads - before);
    } while (opening === 'more');
    expect([opening, prepared.openAt(querier, TS, { now: querier.now })]).toEqual(['opened', 'open']);
    expect(slices.length).toBeGreaterThanOrEqual(SERIES / (READS_A_SLICE + 128));
    expect(Math.max(...slices)).toBeLessThanOrEqual(READS_A_SLICE + 128);
    const before = querier.reads;
    prepared.instant(querier, TS, { now: querier.now });
    expect(querier.reads - before).toBe(0);
  });

  it.each(TEXTS)('gives whoever evaluates meanwhile the whole result: %s', (text) => {
    const querier = new CountingQuerier();
    const prepared = prepare(text);
    expect(prepared.openAt(querier, TS, { now: querier.now })).toBe('more');
    expect(resultOf(prepared, querier)).toEqual(resultOf(prepare(text), querier));
    expect(prepared.openAt(querier, TS, { now: querier.now })).toBe('open');
  });

  it('is left to the evaluation where there are fewer series than it is meant for', () => {
    const querier = new CountingQuerier();
    const prepared = prepare('a and on (partition) b');
    expect(prepared.openAt(querier, TS, { now: querier.now }, 2 * SERIES + 1)).toBe('open');
    expect(querier.reads).toBe(0);
    expect(prepared.openAt(querier, TS, { now: querier.now }, 2 * SERIES)).toBe('more');
  });

  it('ends also where the series are others in every turn', () => {
    const querier = new CountingQuerier();
    const prepared = prepare('a and on (partition) b');
    const openings: string[] = [];
    do {
      querier.change();
      openings.push(prepared.openAt(querier, TS, { now: querier.now }));
    } while (openings.at(-1) === 'more' && openings.length < 100);
    expect(openings).toEqual(['more', 'more', 'opened']);
  });
});

function resultOf(prepared: ReturnType<typeof prepare>, querier: Querier): readonly string[] {
  const value = prepared.instant(querier, TS);
  return value.type === 'vector' ? Array.from({ length: value.n }, (_, i) => `${value.labels(i).toString()} ${value.values[i]}`) : [];
}

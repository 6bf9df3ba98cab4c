import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { prepare, type Prepared } from '../../src/promql/prepare.ts';
import type { Querier, Selection } from '../../src/promql/querier.ts';
import { RANGE_KERNELS } from '../../src/promql/range-kernels.ts';
import type { Head } from '../../src/store/head.ts';
import { layout, memoryHead, metric, T0 } from '../store/fixture.ts';

// The same values in every run.
fc.configureGlobal({ seed: 20_261_123 });

const STEP_MS = 5000;
const ROWS = 40;
const NAMES = ['a_total', 'b'];
/** Every window function over a window that the rings hold, at their very edge, and beyond; aggregations and matches of the results. */
const TEXTS = [
  ...[...RANGE_KERNELS.keys()].flatMap((func) => ['1m', '3m', '15m'].map((range) => callOf(func, `{__name__=~"a_total|b"}[${range}]`))),
  'rate(a_total[1m] offset 20s)',
  'sum by (k) (rate(a_total[1m]))',
  'avg without (k) (delta(b[1m]))',
  'topk(2, increase(a_total[1m]))',
  'a_total + on (instance, k) group_left b',
  'rate(a_total[1m]) / on (instance, k) rate(b[1m]) > 0',
  'b > 2 or a_total',
  'timestamp(b)',
].map((text): readonly [string, Prepared] => [text, prepare(text, { experimentalFunctions: true, durationExpressions: true })]);

function callOf(func: string, matrix: string): string {
  if (func === 'quantile_over_time') return `quantile_over_time(0.3, ${matrix})`;
  if (func === 'predict_linear') return `predict_linear(${matrix}, 60)`;
  if (func === 'double_exponential_smoothing') return `double_exponential_smoothing(${matrix}, 0.5, 0.3)`;
  return `${func}(${matrix})`;
}

/** The same store without its fast side, giving another object each time. */
function plain(inner: Querier): Querier {
  return {
    select: (matchers, minTs, maxTs): Selection => {
      const selection = inner.select(matchers, minTs, maxTs);
      return {
        n: selection.n,
        labels: (index) => selection.labels(index),
        instant: (ts, lookbackMs, out) => selection.instant(ts, lookbackMs, out),
        window: (index, fromTs, toTs, into) => selection.window(index, fromTs, toTs, into),
      };
    },
  };
}

/** Labels and the bits of each value, or the refusal. */
function bitsOf(prepared: Prepared, querier: Querier, ts: number): readonly string[] {
  try {
    const value = prepared.instant(querier, ts);
    if (value.type !== 'vector') return [value.type];
    const rows = Array.from({ length: value.n }, (_, i) => `${value.labels(i).toString()} ${text(value.values[i] ?? 0)}`);
    return [...rows, ...value.warnings, ...value.infos];
  } catch (error) {
    return [String(error)];
  }
}

function text(value: number): string {
  return Object.is(value, -0) ? '-0' : String(value);
}

interface Turn {
  readonly target: number;
  /** Which of the target's series the row has, as bits; others go stale. */
  readonly present: number;
  readonly kind: 'row' | 'stale' | 'skip';
  readonly count: number;
  readonly step: number;
}

const turn: fc.Arbitrary<Turn> = fc.record({
  target: fc.nat(2),
  present: fc.oneof({ weight: 3, arbitrary: fc.constant(255) }, { weight: 1, arbitrary: fc.nat(255) }),
  kind: fc.oneof(
    { weight: 8, arbitrary: fc.constant('row' as const) },
    { weight: 1, arbitrary: fc.constantFrom('stale' as const, 'skip' as const) },
  ),
  count: fc.integer({ min: 1, max: 15 }),
  step: fc.constantFrom(1, 1, 1, 3.5, -2, 1e300, Number.NaN, Number.POSITIVE_INFINITY),
});

/** Appends rows to one of three targets; counters and gauges, with resets, gaps, endings, NaN and infinities. */
class Writer {
  readonly #head: Head;
  readonly #values = new Map<string, number>();
  now = T0;

  constructor(head: Head) {
    this.#head = head;
  }

  apply({ target, present, kind, count, step }: Turn): void {
    for (let n = 0; n < count; n++) {
      this.now += STEP_MS + ((n * 7) % 3);
      if (kind === 'skip') continue;
      const writer = this.#head.target(`t${target}`);
      if (kind === 'stale') writer.markStale(this.now);
      else {
        const series = NAMES.flatMap((name) => [0, 1, 2, 3].map((k) => metric(name, `k=${k}`, `m=${name}`, `instance=${target}`)));
        const wanted = series.filter((_, i) => ((present >> i) & 1) === 1);
        const values = wanted.map((one, i) => this.#next(one.key, i, n, step));
        writer.append(this.now, layout(...wanted), Float64Array.from(values));
      }
    }
  }

  #next(key: string, column: number, n: number, step: number): number {
    const before = this.#values.get(key) ?? column;
    // A counter that starts anew now and then; not every column at once.
    const value = (n + column) % 11 === 10 ? 0.1 * column : before + step * ((n * 13 + column) % 4);
    this.#values.set(key, Number.isFinite(value) ? value : column);
    return value;
  }
}

describe('reading whole runs of series', () => {
  it('gives the same bits as reading series one by one, whatever the data', () => {
    fc.assert(
      fc.property(fc.array(turn, { minLength: 2, maxLength: 14 }), fc.integer({ min: 0, max: 12_000 }), (turns, lateMs) => {
        const { head, reader } = memoryHead({ rows: ROWS });
        const writer = new Writer(head);
        const slow = plain(reader);
        for (const [i, each] of turns.entries()) {
          writer.apply(each);
          if (i % 3 !== 1) continue;
          for (const [expression, prepared] of TEXTS) {
            const at = writer.now + lateMs - 6000;
            const once = bitsOf(prepare(expression, { experimentalFunctions: true, durationExpressions: true }), slow, at);
            expect([expression, ...bitsOf(prepared, reader, at)]).toEqual([expression, ...once]);
          }
        }
      }),
      { numRuns: 8 },
    );
  });

  it('reads no series by itself where all samples lie in rows', () => {
    const { head, reader } = memoryHead();
    const writer = new Writer(head);
    writer.apply({ target: 0, present: 255, kind: 'row', count: 10, step: 1 });
    let read = 0;
    const watched: Querier = {
      select: (matchers, minTs, maxTs) => {
        const selection = reader.select(matchers, minTs, maxTs);
        return {
          ...plain(reader).select(matchers, minTs, maxTs),
          openRuns: (fromTs, toTs) => selection.openRuns(fromTs, toTs),
          readRun: (run, into) => selection.readRun(run, into),
          window: () => ++read,
        };
      },
    };
    const value = prepare('rate(a_total[10m])').instant(watched, writer.now);
    expect([value.type === 'vector' ? value.n : 0, read]).toEqual([4, 0]);
  });
});

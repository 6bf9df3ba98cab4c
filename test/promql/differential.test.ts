import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { Labels } from '../../src/core/labels.ts';
import { prepare } from '../../src/promql/prepare.ts';
import { BelfryError } from '../../src/core/errors.ts';
import { ExpressionGenerator, generateSeries, Random } from './expression-generator.ts';
import { MemoryQuerier } from './memory-querier.ts';
import { hasPrometheus, keyOf, RealPrometheus, type Answer } from './real-prometheus.ts';
import { describeWhere } from '../../testbed/skip.ts';

/** By default always the same expressions; by hand a long run on others: `BELFRY_FUZZ_SECONDS=600 BELFRY_FUZZ_SEED=7`. */
const SECONDS = Number(process.env['BELFRY_FUZZ_SECONDS'] ?? 0);
const SEED = Number(process.env['BELFRY_FUZZ_SEED'] ?? (SECONDS > 0 ? Date.now() % 1_000_000 : 1));
/** Shows what is excused, too. */
const SHOW = process.env['BELFRY_FUZZ_SHOW'] !== undefined;
const EXPRESSIONS = 900;
const START_TS = 1_700_000_000_000;
const SAMPLES = 160;

/**
 * Debian's Prometheus is 2.42. What is different in 3.x on purpose, with the reason; expressions these apply to are
 * kept out of the comparison, everything else must agree. Differences that depend on where samples lie (windows and
 * lookback closed on the left in 2.x, counters that start near zero) are kept out by the generated data.
 */
const KNOWN_DIFFERENCES: readonly { readonly why: string; readonly applies: RegExp; readonly only?: RegExp }[] = [
  {
    why: '3.x gives NaN for the deviation of an infinity or NaN alone, 2.42 gives 0',
    applies: /\b(stddev|stdvar)\b/,
    only: /NaN|="0"|lacks|has/,
  },
  { why: 'no difference of versions: the order of series moves the last digits of large numbers', applies: /\bstd(dev|var)\b.*\btime/ },
  {
    why: '3.x takes an exact rank of a quantile without its neighbour, so that infinities do not make NaN',
    applies: /\bquantile(_over_time)?\b/,
    only: /NaN|Infinity/,
  },
  { why: 'the same, where a quantile is taken of what comes of it', applies: /\bquantile.*\bquantile/, only: /^\{.*\} is / },
  {
    why: 'the same, where it is compared',
    applies: /\bquantile.*[<>=!] |[<>=!] .*\bquantile/,
    only: /^(has|lacks) | points, | is [01] at \d+, theirs [01] at /,
  },
  {
    why: '3.x clears the compensation at an infinity, so that lines through one are infinite',
    applies: /\b(predict_linear|deriv)\(/,
    only: / is -?Infinity at \d+, theirs NaN /,
  },
  {
    why: '3.x refuses series that become equal without their names where they meet at a step, 2.42 wherever they are in the range',
    applies: /-\(|\[/,
    only: /^ours: a value; theirs: vector cannot contain metrics with the same labelset$/,
  },
  { why: '3.x keeps histograms of different names apart and ignores small falls of buckets', applies: /histogram_quantile\(.*__name__/ },
  { why: '3.x checks that matches are unique before it filters', applies: /(>|<|>=|<=|==|!=) (on|ignoring)/ },
  { why: '3.x sees a label_replace or label_join that makes series equal at one step only', applies: /label_(replace|join)/ },
  { why: '3.x sums infinities over time without NaN from the compensation', applies: /\b(sum|avg)(_over_time)?\b/, only: /NaN/ },
  {
    why: 'no difference of versions: what Go makes of a time that is none depends on the processor, here it is NaN',
    applies: /\b(minute|hour|day_of|days_in|month|year)/,
    only: /is NaN/,
  },
  {
    why: 'the same, where it is compared',
    applies: /\b(changes|resets)\(.*\b(minute|hour|day_of|days_in|month|year)|\b(minute|hour|day_of|days_in|month|year).*[<>=!] bool /,
    only: / is \d+ at \d+, theirs \d+ at /,
  },
  { why: 'under timestamp(), Prometheus of any version forgets the offset of a selector pinned by @', applies: /timestamp\(.*offset.*@/ },
  {
    why: '2.42 loses steps where @ pins a window and the function has an argument or looks at the time',
    applies: /(predict_linear|quantile_over_time)\(.*@/,
  },
  { why: '3.x adds the compensation to a sum of -0, which makes 0 of it', applies: /\b(sum|avg)/, only: /-0/ },
  {
    why: '3.x takes a mean as the sum by the count, which moves the last digit: equal or not',
    applies: /(changes|resets|count_values|[=!<>]=?).*\bavg|\bavg.*[=!<>]/,
  },
  { why: 'the same, which a tangent magnifies', applies: /\btan\(.*\bavg/, only: /^\{.*\} is / },
  {
    why: 'no difference of versions: last digits, as a label',
    applies: /count_values/,
    only: /="-?\d+\.\d{8,}/,
  },
  { why: 'no difference of versions: % makes much of the last digits', applies: /%/, only: /^\{.*\} is / },
  { why: '2.42 cannot show a range vector in parentheses that @ pins', applies: /^\(/, only: /unexpected number of samples/ },
  { why: '2.42 keeps the metric name in atan2', applies: /atan2/ },
  { why: 'after a reset beside a gap, 3.x takes half an interval where 2.42 goes to the zero point', applies: /\b(rate|increase)\(/ },
  {
    why: 'no difference of versions: powers differ in the last digit between Go and JavaScript, and % and angles magnify it',
    applies: /^(?=.*(\^|exp|sinh|cosh))(?=.*(sin|cos|tan|%|stddev|stdvar|deriv))/,
  },
];

/** What we answer to the same question. */
function ourAnswer(querier: MemoryQuerier, text: string, startTs: number, endTs: number, stepMs: number | undefined): Answer {
  try {
    const prepared = prepare(text);
    const series = new Map<string, readonly (readonly [number, number])[]>();
    const put = (labels: Labels, timestamps: ArrayLike<number>, values: Float64Array): void => {
      series.set(
        keyOf(labels.toObject()),
        Array.from(values, (value, i) => [timestamps[i] ?? 0, value] as const),
      );
    };
    const value = stepMs === undefined ? prepared.instant(querier, startTs) : prepared.range(querier, { startTs, endTs, stepMs });
    if (value.type === 'scalar') put(Labels.empty, [startTs], Float64Array.of(value.value));
    if (value.type === 'vector') for (let i = 0; i < value.n; i++) put(value.labels(i), [startTs], value.values.slice(i, i + 1));
    if (value.type === 'matrix') for (const { labels, timestamps, values } of value.series) put(labels, timestamps, values);
    return { type: value.type, series };
  } catch (error) {
    if (error instanceof BelfryError) return { error: error.message };
    throw error;
  }
}

function close(a: number, b: number): boolean {
  if (Number.isNaN(a) || Number.isNaN(b)) return Number.isNaN(a) && Number.isNaN(b);
  return a === b || Math.abs(a - b) <= 1e-10 * Math.max(Math.abs(a), Math.abs(b)) + 1e-10;
}

/** Undefined where the answers agree, a sentence where they do not. */
function difference(ours: Answer, theirs: Answer): string | undefined {
  if ('error' in ours || 'error' in theirs) {
    if ('error' in ours && 'error' in theirs) return undefined;
    return `ours: ${'error' in ours ? ours.error : 'a value'}; theirs: ${'error' in theirs ? theirs.error : 'a value'}`;
  }
  if (ours.type !== theirs.type) return `type ${ours.type}, theirs ${theirs.type}`;
  for (const key of theirs.series.keys()) if (!ours.series.has(key)) return `lacks ${key}`;
  for (const [key, points] of ours.series) {
    const expected = theirs.series.get(key);
    if (expected === undefined) return `has ${key}, theirs has not`;
    if (points.length !== expected.length) return `${key} has ${points.length} points, theirs ${expected.length}`;
    for (const [i, [ts, value]] of points.entries()) {
      const [theirTs = 0, theirValue = 0] = expected[i] ?? [];
      if (ts !== theirTs || !close(value, theirValue)) return `${key} is ${value} at ${ts}, theirs ${theirValue} at ${theirTs}`;
    }
  }
  return undefined;
}

describeWhere(
  hasPrometheus() ? undefined : 'needs prometheus and promtool (apt-get install prometheus)',
  `the same answers as a real Prometheus (seed ${SEED})`,
  () => {
    const random = new Random(SEED);
    const series = generateSeries(random, START_TS, SAMPLES);
    const querier = new MemoryQuerier();
    let prometheus: RealPrometheus | undefined;

    beforeAll(async () => {
      for (const { name, labels, points } of series) querier.series.push({ labels: Labels.of({ __name__: name, ...labels }), points });
      prometheus = await RealPrometheus.start(series);
    });
    afterAll(async () => prometheus?.stop());

    it(
      'for random well-typed expressions',
      async () => {
        if (prometheus === undefined) throw new Error('not started');
        const generator = new ExpressionGenerator(random);
        const endAt = Date.now() + SECONDS * 1000;
        const wrong: string[] = [];
        let compared = 0;
        let excused = 0;
        while ((SECONDS > 0 ? Date.now() < endAt : compared < EXPRESSIONS) && wrong.length < 12) {
          const text = generator.expression();
          // Even milliseconds: samples stand on odd ones, so that nothing lies on the edge of a window.
          const startTs = START_TS + 600_000 + 2 * random.below(500_000);
          const stepMs = random.chance(0.4) ? random.pick([14_000, 30_000, 62_000]) : undefined;
          const endTs = startTs + (stepMs ?? 0) * random.below(15);
          const theirs = await prometheus.query(text, {
            start: startTs / 1000,
            ...(stepMs === undefined ? {} : { end: endTs / 1000, step: stepMs / 1000 }),
          });
          const wrongness = difference(ourAnswer(querier, text, startTs, endTs, stepMs), theirs);
          compared++;
          if (wrongness === undefined) continue;
          if (KNOWN_DIFFERENCES.some(({ applies, only }) => applies.test(text) && only?.test(wrongness) !== false)) {
            excused++;
            if (SHOW) process.stderr.write(`excused: ${text} from ${startTs} to ${endTs} by ${stepMs}: ${wrongness}\n`);
          } else wrong.push(`${text} from ${startTs} to ${endTs} by ${stepMs}: ${wrongness}`);
        }
        process.stderr.write(`promql: ${compared} expressions compared with a real Prometheus, ${excused} excused, seed ${SEED}\n`);
        expect(wrong).toEqual([]);
        // The table of differences must not hide a fault: it may excuse a few, not many.
        expect(excused / compared).toBeLessThan(0.02);
      },
      (SECONDS + 60) * 1000,
    );

    it.each([
      'sum(',
      'x{',
      'rate(g)',
      'g and 1',
      '1 > 2',
      '{}',
      'g + bool g',
      'topk(g, g)',
      'g[5m]',
      'unknown(g)',
      'g offset 5m offset 5m',
      '"a" + 1',
      'sum by (job) (g, g)',
      'label_join(g)',
      'g * on (job) group_left (job) g',
      'g and on (job) group_left () g',
      'g[5m:0s]',
      'count_values(1, g)',
      'g / on (job) g',
      '-1 ^ 2',
      '2 ^ -1 ^ 2',
      'g offset 1m + g offset 2m * 2',
    ])('refuses or accepts as it does: %s', async (text) => {
      if (prometheus === undefined) throw new Error('not started');
      const theirs = await prometheus.query(text, { start: START_TS / 1000 + 1000 });
      expect(difference(ourAnswer(querier, text, START_TS + 1_000_000, START_TS + 1_000_000, undefined), theirs)).toBeUndefined();
    });
  },
);

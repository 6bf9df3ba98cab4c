/** A small seeded generator of random numbers (mulberry32), so that a run can be repeated from its printed seed. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** In [0, 1). */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  }

  below(n: number): number {
    return Math.floor(this.next() * n);
  }

  chance(share: number): boolean {
    return this.next() < share;
  }

  pick<T>(items: readonly [T, ...T[]]): T {
    return items[this.below(items.length)] ?? items[0];
  }
}

/** One series with points off every grid that the queries use; NaN stays out of counters. A marker of staleness is `stale`. */
export interface GeneratedSeries {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly points: readonly { readonly ts: number; readonly value: number | 'stale' }[];
}

const JOBS = ['api', 'web', 'db'] as const;
const INSTANCES = ['0', '1', '2'] as const;
const BOUNDS = ['0.1', '0.5', '1', '5', '+Inf'] as const;

/**
 * Counters `c_total`, gauges `g`, `m` and `n:k`, histograms `h_bucket` and broken ones `hb_bucket`: one sample about every
 * 15 s from `startTs` on, with gaps, some of which begin with a marker of staleness. Counters start and restart far from zero: where Prometheus 2 and 3 differ, near it, is a table of its own.
 */
export function generateSeries(random: Random, startTs: number, samples: number): readonly GeneratedSeries[] {
  const series: GeneratedSeries[] = [];
  for (const job of JOBS) {
    for (const instance of INSTANCES) {
      if (random.chance(0.9)) series.push(counter(random, 'c_total', { job, instance }, startTs, samples));
      if (random.chance(0.9)) series.push(gauge(random, 'g', { job, instance }, startTs, samples));
      if (random.chance(0.7)) series.push(gauge(random, 'm', { job, instance, zone: random.pick(['eu', 'us']) }, startTs, samples));
    }
    series.push(...histogram(random, job, startTs, samples), ...brokenHistogram(random, job, startTs, samples));
    series.push(few(random, 'n:k', { job }, startTs, samples));
  }
  return series.map((one) => (random.chance(0.4) ? ended(random, one) : one));
}

/** A marker where a series pauses; what was to come at that time is left out. */
function ended(random: Random, { name, labels, points }: GeneratedSeries): GeneratedSeries {
  const at = random.below(points.length);
  const pause = 1 + random.below(30);
  const marked = points.map((point, i): GeneratedSeries['points'][number] => (i === at ? { ts: point.ts, value: 'stale' } : point));
  return { name, labels, points: marked.filter((_, i) => i <= at || i > at + pause) };
}

/** Buckets that fall, lack +Inf or have bounds that are none; what such data gives is defined too. */
function brokenHistogram(random: Random, job: string, startTs: number, samples: number): readonly GeneratedSeries[] {
  const at = times(random, startTs, samples);
  const bounds = ['0.5', '1', 'x', '2.5', '1e1', '+Inf'].filter(() => random.chance(0.8));
  return bounds.map((le) => ({ name: 'hb_bucket', labels: { job, le }, points: at.map((ts) => ({ ts, value: random.below(12) })) }));
}

/** A gauge of few whole values, among them both zeros. */
function few(random: Random, name: string, labels: LabelSet, startTs: number, samples: number): GeneratedSeries {
  return { name, labels, points: times(random, startTs, samples).map((ts) => ({ ts, value: random.pick([0, -0, 1, 2, 2, -1]) })) };
}

function times(random: Random, startTs: number, samples: number): readonly number[] {
  const offsetMs = 137 + 2 * random.below(5000);
  const gapFrom = random.below(samples * 2);
  return Array.from({ length: samples }, (_, i) => startTs + i * 15_000 + offsetMs).filter((_, i) => i < gapFrom || i > gapFrom + 25);
}

type LabelSet = Readonly<Record<string, string>>;

function counter(random: Random, name: string, labels: LabelSet, startTs: number, samples: number): GeneratedSeries {
  let value = 1e6 + random.below(1000);
  const points = times(random, startTs, samples).map((ts) => {
    value = random.chance(0.03) ? 500_000 + random.below(1000) : value + random.below(50) / 4;
    return { ts, value };
  });
  return { name, labels, points };
}

function gauge(random: Random, name: string, labels: LabelSet, startTs: number, samples: number): GeneratedSeries {
  let value = random.next() * 100;
  const points = times(random, startTs, samples).map((ts) => {
    value += random.next() * 10 - 5;
    const odd = random.next();
    return { ts, value: odd < 0.005 ? NaN : odd < 0.008 ? Infinity : odd < 0.1 ? Math.round(value) : value };
  });
  return { name, labels, points };
}

function histogram(random: Random, job: string, startTs: number, samples: number): readonly GeneratedSeries[] {
  const at = times(random, startTs, samples);
  const counts = BOUNDS.map((_, i) => 1000 * (i + 1));
  const columns: { ts: number; value: number }[][] = BOUNDS.map(() => []);
  for (const ts of at) {
    for (let i = random.below(BOUNDS.length); i < BOUNDS.length; i++) counts[i] = (counts[i] ?? 0) + 1 + random.below(3);
    for (let i = 1; i < BOUNDS.length; i++) counts[i] = Math.max(counts[i] ?? 0, counts[i - 1] ?? 0);
    for (const [i, column] of columns.entries()) column.push({ ts, value: counts[i] ?? 0 });
  }
  return BOUNDS.map((le, i) => ({ name: 'h_bucket', labels: { job, le }, points: columns[i] ?? [] }));
}

const MAPS = 'abs ceil floor exp sqrt ln log2 log10 sgn deg rad sin cos tan asin acos atan sinh cosh tanh asinh acosh atanh'.split(' ');
const DATES = 'minute hour day_of_week day_of_month day_of_year days_in_month month year'.split(' ');
const WINDOWS =
  'rate increase delta irate idelta deriv changes resets avg_over_time min_over_time max_over_time sum_over_time count_over_time stddev_over_time stdvar_over_time last_over_time present_over_time'.split(
    ' ',
  );
const AGGREGATES = ['sum', 'avg', 'min', 'max', 'count', 'group', 'stddev', 'stdvar'] as const;

/** Random expressions that are well typed over the series above. */
export class ExpressionGenerator {
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
  }

  /** An instant vector or, now and then, a scalar. */
  expression(): string {
    if (this.#random.chance(0.02)) return this.#any(['"a text"', `(${this.#matrix(3)})`, this.#matrix(2), '`raw\\n`', "'a\\tb'"]);
    return this.#random.chance(0.05) ? this.#scalar(3) : this.#vector(3);
  }

  #any(items: readonly string[]): string {
    return items[this.#random.below(items.length)] ?? '';
  }

  #selector(): string {
    const name = this.#random.pick(['c_total', 'g', 'm', 'g', 'm', 'n:k', '']);
    const matchers: string[] = name === '' ? [`__name__${this.#any(['="g"', '=~"g|m"', '=~"n.*|m"', '=~"c_.+"'])}`] : [];
    if (this.#random.chance(0.3)) matchers.push(`job${this.#any(['="api"', '!="db"', '=~"api|web"', '!~"w.*"', '=~".*b"'])}`);
    if (this.#random.chance(0.2)) matchers.push(`instance${this.#any(['="1"', '=~"[01]"', '!="2"', '=~"|1"'])}`);
    return name + (matchers.length > 0 ? `{${matchers.join(',')}}` : '');
  }

  #modifiers(): string {
    const offset = this.#random.chance(0.15) ? ` offset ${this.#any(['1m', '3m', '-2m', '47s', '1m30s'])}` : '';
    const at = this.#random.chance(0.06) ? ` @ ${this.#any(['start()', 'end()', '1700000900.5', '1700001200'])}` : '';
    return this.#random.chance(0.5) ? offset + at : at + offset;
  }

  #matrix(depth: number): string {
    if (depth > 1 && this.#random.chance(0.25))
      return `(${this.#random.chance(0.1) ? this.#scalar(1) : this.#vector(depth - 2)})[${this.#any(['5m', '4m', '7m'])}:${this.#any(['30s', '1m', '', '17s'])}]${this.#modifiers()}`;
    return `${this.#selector()}[${this.#any(['1m', '2m', '5m', '90s'])}]${this.#modifiers()}`;
  }

  #scalar(depth: number): string {
    const random = this.#random;
    if (depth <= 0 || random.chance(0.6))
      return this.#any(['0', '1', '2', '0.5', '-1', '10', '100', '3.7', '1e3', 'Inf', 'NaN', 'time()', 'pi()']);
    const kind = random.below(4);
    if (kind === 0) return `scalar(${this.#vector(depth - 1)})`;
    if (kind === 1) return `-(${this.#scalar(depth - 1)})`;
    if (kind === 2) return `(${this.#scalar(depth - 1)} ${this.#any(['>', '<', '==', '!=', '<=', '>='])} bool ${this.#scalar(depth - 1)})`;
    return `(${this.#scalar(depth - 1)} ${this.#any(['+', '-', '*', '/', '%', '^', 'atan2'])} ${this.#scalar(depth - 1)})`;
  }

  #vector(depth: number): string {
    const random = this.#random;
    if (depth <= 0) return this.#selector() + this.#modifiers();
    const kind = random.below(23);
    if (kind >= 20) return this.#mixture(depth);
    if (kind < 5) return this.#windowFunction(depth);
    if (kind < 8) return this.#aggregation(depth);
    if (kind < 11) return this.#binary(depth);
    if (kind < 12) return `${this.#any(MAPS)}(${this.#vector(depth - 1)})`;
    if (kind < 13) return this.#withScalar(depth);
    if (kind < 14) return this.#setOperation(depth);
    if (kind < 15) return this.#histogram();
    return this.#other(depth);
  }

  #windowFunction(depth: number): string {
    const name = this.#any(WINDOWS);
    // Rates of what may be near zero differ between Prometheus 2 and 3, see the differential test.
    if (name === 'rate' || name === 'increase') return `${name}(c_total[${this.#any(['1m', '5m', '90s'])}]${this.#modifiers()})`;
    return `${name}(${this.#matrix(depth)})`;
  }

  #clause(): string {
    const random = this.#random;
    if (random.chance(0.3)) return '';
    return `${this.#any([' by', ' without'])} (${this.#any(['job', 'instance', 'job, instance', 'zone', '', '__name__', 'job, nowhere', 'le'])}) `;
  }

  #aggregation(depth: number): string {
    const random = this.#random;
    if (random.chance(0.12))
      return `quantile${this.#clause()}(${this.#any(['0.5', '0.9', '0', '1', '0.33', '-1', '2'])}, ${this.#vector(depth - 1)})`;
    // Which of equal elements are kept is not said, so only what has no equals is chosen from.
    if (random.chance(0.12))
      return `${this.#any(['topk', 'bottomk'])}${this.#clause()}(${this.#any(['1', '2', '5', '0', '-1', '1.9', 'scalar(n:k{job="api"})'])}, ${this.#any(['c_total * g', 'c_total', 'rate(c_total[5m]) * c_total'])})`;
    if (random.chance(0.08))
      return `count_values${this.#clause()}("${this.#any(['value', 'job', 'le'])}", ${this.#any([`(${this.#vector(depth - 1)}) > bool 3`, 'n:k', this.#vector(depth - 1)])})`;
    return `${random.pick(AGGREGATES)}${this.#clause()}(${this.#vector(depth - 1)})`;
  }

  #binary(depth: number): string {
    const random = this.#random;
    const op = this.#any(['+', '-', '*', '/', '%', '^', 'atan2', '>', '<', '>=', '<=', '==', '!=', '> bool', '== bool']);
    const [left, right] = [this.#vector(depth - 1), this.#vector(depth - 1)];
    const kind = random.below(8);
    if (kind === 5)
      return `(${left}) ${op} ignoring (zone, instance) group_left (${this.#any(['', 'zone', 'nowhere', 'job'])}) (sum by (job) (${right}))`;
    if (kind === 6) return `(max by (job, zone) (${left})) ${op} on (job) group_right (${this.#any(['zone', 'instance', ''])}) (${right})`;
    if (kind === 7) return `(avg by (job) (${left})) ${op} on (job) (max by (job) (${right}))`;
    if (kind === 0) return `(${left}) ${op} on (job, instance) (${right})`;
    if (kind === 1) return `(${left}) ${op} ignoring (zone) (${right})`;
    if (kind === 2) return `(${left}) ${op} on (job) group_left ${this.#any(['()', '(zone)'])} (max by (job, zone) (${right}))`;
    if (kind === 3) return `(min by (job) (${left})) ${op} on (job) group_right () (${right})`;
    return `(${left}) ${op} (${right})`;
  }

  /** Operators side by side without parentheses: which binds first is part of the language. */
  #mixture(depth: number): string {
    const parts = [this.#operand(depth)];
    for (let i = 1 + this.#random.below(3); i > 0; i--)
      parts.push(
        this.#any(['+', '-', '*', '/', '%', '^', 'and', 'or', 'unless', '>', '== bool', 'atan2', '!= bool']),
        this.#operand(depth),
      );
    return parts.join(' ');
  }

  #operand(depth: number): string {
    const sign = this.#random.chance(0.25) ? this.#any(['-', '+', '--', '-+']) : '';
    return sign + (this.#random.chance(0.25) ? this.#any(['2', '0.5', '-3', '1e2']) : this.#vector(Math.min(1, depth - 1)));
  }

  #withScalar(depth: number): string {
    const op = this.#any(['+', '-', '*', '/', '%', '^', 'atan2', '>', '<', '>=', '!=', '> bool', '<= bool']);
    const sides = [`(${this.#vector(depth - 1)})`, this.#scalar(1)];
    if (this.#random.chance(0.5)) sides.reverse();
    return sides.join(` ${op} `);
  }

  #setOperation(depth: number): string {
    const on = this.#any(['', ' on (job)', ' on (instance)', ' ignoring (zone)', ' on ()']);
    return `(${this.#vector(depth - 1)}) ${this.#any(['and', 'or', 'unless'])}${on} (${this.#vector(depth - 1)})`;
  }

  #histogram(): string {
    const inner = this.#any([
      'h_bucket',
      'rate(h_bucket[3m])',
      'sum by (le) (rate(h_bucket[2m]))',
      'increase(h_bucket[90s])',
      'hb_bucket',
      'sum by (le, job) (hb_bucket)',
      'abs(hb_bucket - 3)',
      'hb_bucket{le!="+Inf"}',
      'g',
    ]);
    return `histogram_quantile(${this.#any(['0.5', '0.9', '0.99', '0', '1', '-1', '2', 'NaN'])}, ${inner})`;
  }

  #other(depth: number): string {
    const inner = this.#vector(depth - 1);
    switch (this.#random.below(13)) {
      case 0:
        return `${this.#any(DATES)}(${this.#any(['c_total * 1e3', 'vector(time())', '', '(g < 1e3) * 1e7', 'timestamp(m)', '-c_total * 1e4', inner])})`;
      case 1:
        return `label_replace(${inner}, "${this.#any(['new', 'zone', 'instance', '__name__'])}", "${this.#any(['x-$1', '$1', '${1}y', '', '$0', '$2z', '$$', 'k'])}", "${this.#any(['job', 'instance', 'nowhere', 'zone'])}", "${this.#any(['(a).*', '(.*)', 'api', '(?:w)(e)b', '', '(?P<n>.)(.*)', '[0-9]+'])}")`;
      case 2:
        return `label_join(${inner}, "${this.#any(['joined', 'job', 'zone', '__name__'])}", "${this.#any(['-', '', ', '])}", ${this.#any(['"job", "instance"', '"nowhere"', '"zone"', '"job", "job"'])})`;
      case 3:
        return `absent(${this.#any([inner, 'none{job="x",a=~"b"}', 'none', 'none{job="x",job="y"}', 'none{a="",b!="x"}', '{__name__="none",c="d"}', 'sum(none{a="b"})', '(none{a="b"})'])})`;
      case 4:
        return `absent_over_time(${this.#any([this.#matrix(depth), 'none{job="x"}[5m]', 'none{job="x"}[5m:1m]', '{__name__="none",a="b"}[1m]'])})`;
      case 5:
        return `clamp(${inner}, ${this.#scalar(1)}, ${this.#scalar(1)})`;
      case 6:
        return `${this.#any(['clamp_min', 'clamp_max', 'round'])}(${inner}, ${this.#scalar(1)})`;
      case 7:
        return `timestamp(${this.#any([inner, this.#selector()])})`;
      case 8:
        return `${this.#any(['sort', 'sort_desc'])}(${inner})`;
      case 9:
        return `vector(${this.#scalar(depth)})`;
      case 10:
        return `quantile_over_time(${this.#any(['0.5', '0.9', '-1', '0', '1', 'NaN', '1.01', 'scalar(n:k{job="db"})'])}, ${this.#matrix(depth)})`;
      case 11:
        return `predict_linear(${this.#matrix(depth)}, ${this.#any(['60', '3600', '-60', '0', 'scalar(g{job="api",instance="1"})'])})`;
      default:
        return `-(${inner})`;
    }
  }
}

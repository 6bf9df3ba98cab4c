import { yieldToLoop, type Clock } from '../core/clock.ts';
import { BelfryError } from '../core/errors.ts';
import type { Labels } from '../core/labels.ts';
import { LIMITS } from '../core/limits.ts';
import type { Matcher } from '../core/matcher.ts';
import type { QueryAnswer, QueryOptions, QueryPort, QueryResult, QueryStats } from '../http/ports.ts';
import type { Expr } from '../promql/ast.ts';
import { astJson } from '../promql/ast-json.ts';
import { check } from '../promql/check.ts';
import type { EvalOptions, SampleTally } from '../promql/exec.ts';
import { parse, type ParseOptions, parseSelector } from '../promql/parse.ts';
import { prepare } from '../promql/prepare.ts';
import { pretty } from '../promql/pretty.ts';
import type { Querier } from '../promql/querier.ts';
import { Slices } from '../promql/slices.ts';
import type { Value } from '../promql/value.ts';

const SAMPLES_A_LOOK = 256;

/** Queries of the HTTP API, evaluated on the store within the limits; `features` says what is enabled now. */
export function createQueryPort(querier: Querier, clock: Clock, features: () => ParseOptions = () => ({})): QueryPort {
  const turns = new LoopTurns();
  return {
    now: () => clock.now(),
    matchers: matchersOf,
    format: (text) => pretty(checked(text, features())),
    tree: (text) => astJson(checked(text, features())),
    instant: (expression, ts, options): QueryAnswer => {
      const value = prepare(expression, features()).instant(querier, ts, limitsOf(options, clock));
      return { result: resultOf(value, ts), warnings: value.warnings, infos: value.infos };
    },
    instantInSlices: async (expression, ts, options): Promise<QueryAnswer> => {
      const told = new StatsTaker(clock);
      const prepared = prepare(expression, features());
      const limits = { ...limitsOf(options, clock), ...told.begin(options) };
      const turn = (): Promise<void> => turns.take(options.signal);
      const value = await prepared.instantInSlices(querier, ts, limits, turn);
      return {
        result: await resultInSlices(value, ts, new Slices(limits, turn)),
        warnings: value.warnings,
        infos: value.infos,
        ...told.end(),
      };
    },
    range: async (expression, range, options): Promise<QueryAnswer> => {
      const told = new StatsTaker(clock);
      const prepared = prepare(expression, features());
      const limits = { ...limitsOf(options, clock), ...told.begin(options) };
      const value = await prepared.rangeInSlices(querier, range, limits, () => turns.take(options.signal));
      return { result: resultOf(value, range.endTs), warnings: value.warnings, infos: value.infos, ...told.end() };
    },
  };
}

/** The matchers of a selector that stands alone. Throws for anything else, and for one that accepts every series. */
export function matchersOf(text: string): readonly Matcher[] {
  const { matchers } = parseSelector(text);
  if (matchers.every((matcher) => matcher.matchesEmpty))
    throw new BelfryError('BAD_REQUEST', 'match[] must contain at least one non-empty matcher');
  return matchers;
}

/** What one evaluation takes, where that is asked for. */
class StatsTaker {
  readonly #clock: Clock;
  readonly #beginMs: number;
  #tally: SampleTally | undefined;
  #preparedMs = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#beginMs = clock.elapsed();
  }

  /** Now the expression is read. */
  begin({ stats = false }: QueryOptions): { readonly tally?: SampleTally } {
    if (!stats) return {};
    this.#preparedMs = this.#clock.elapsed();
    this.#tally = { total: 0, peak: 0 };
    return { tally: this.#tally };
  }

  end(): { readonly stats?: QueryStats } {
    if (this.#tally === undefined) return {};
    const { total, peak } = this.#tally;
    const [preparationMs, evaluationMs] = [this.#preparedMs - this.#beginMs, this.#clock.elapsed() - this.#preparedMs];
    return { stats: { preparationMs, evaluationMs, samples: total, peakSamples: peak } };
  }
}

/** One slice of one query a turn of the event loop, however many people ask: brokers are watched in between. */
class LoopTurns {
  #last: Promise<void> = Promise.resolve();

  /** Rejects with `PROMQL_CANCELED` where nobody waits any more. */
  async take(signal: AbortSignal | undefined): Promise<void> {
    this.#last = this.#last.then(yieldToLoop);
    await this.#last;
    if (signal?.aborted === true) throw new BelfryError('PROMQL_CANCELED', 'the query was canceled: whoever asked has gone');
  }
}

function checked(text: string, features: ParseOptions): Expr {
  const expression = parse(text, features);
  check(expression, text, features);
  return expression;
}

function limitsOf({ timeoutMs, lookbackMs }: QueryOptions, clock: Clock): EvalOptions {
  // The evaluator looks at its time while it works; one that is over already must not depend on how much there is to do.
  if (timeoutMs !== undefined && timeoutMs <= 0) throw new BelfryError('PROMQL_TIMEOUT', 'query timed out in query execution');
  return {
    maxSamples: LIMITS.querySamples,
    maxSeries: LIMITS.querySeries,
    now: () => clock.elapsed(),
    deadlineMs: clock.elapsed() + Math.min(timeoutMs ?? LIMITS.queryTimeoutMs, LIMITS.queryTimeoutMs),
    ...(lookbackMs === undefined ? {} : { lookbackMs }),
  };
}

/** The labels of an instant vector are made when they are asked for, which takes long of many. */
async function resultInSlices(value: Value, ts: number, slices: Slices): Promise<QueryResult> {
  if (value.type !== 'vector') return resultOf(value, ts);
  const samples: { readonly labels: Labels; readonly value: number }[] = [];
  for (let i = 0; i < value.n; i++) {
    if (i % SAMPLES_A_LOOK === SAMPLES_A_LOOK - 1 && slices.isOver()) await slices.next();
    samples.push({ labels: value.labels(i), value: value.values[i] ?? 0 });
  }
  return { type: 'vector', ts, samples };
}

function resultOf(value: Value, ts: number): QueryResult {
  switch (value.type) {
    case 'scalar':
      return { type: 'scalar', ts, value: value.value };
    case 'string':
      return { type: 'string', ts, text: value.value };
    case 'vector':
      return { type: 'vector', ts, samples: Array.from(value.values, (sample, i) => ({ labels: value.labels(i), value: sample })) };
    case 'matrix':
      return { type: 'matrix', series: value.series };
  }
}

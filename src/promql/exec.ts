import { BelfryError } from '../core/errors.ts';
import type { Matcher } from '../core/matcher.ts';
import type { Modifiers, Span } from './ast.ts';
import type { LiftedBuckets } from './lifted-buckets.ts';
import type { Piece } from './look-ahead.ts';
import type { InstantColumns, Querier, Selection } from './querier.ts';
import { positionAt } from './syntax-error.ts';
import type { Annotations } from './value.ts';

/** Settings of one evaluation; everything has a default. */
export interface EvalOptions {
  /** How old an instant selector's sample may be; 5 minutes. */
  readonly lookbackMs?: number;
  /** The step of a subquery that names none; 1 minute (Prometheus: the global evaluation interval). */
  readonly defaultStepMs?: number;
  /** Samples held at once before `PROMQL_LIMIT`. */
  readonly maxSamples?: number;
  /** Series that one selector may resolve to before `PROMQL_LIMIT`; unlimited. */
  readonly maxSeries?: number;
  /** Milliseconds of any clock; with `deadlineMs` on the same clock, evaluation past it ends in `PROMQL_TIMEOUT`. */
  readonly now?: () => number;
  readonly deadlineMs?: number;
  /** Told what the evaluation looks at. */
  readonly tally?: SampleTally;
}

/** How many samples an evaluation has looked at, each as often as it did, and how many it held at once. */
export interface SampleTally {
  total: number;
  peak: number;
}

const SERIES_PER_CLOCK_READ = 1024;
/** Prometheus's. */
const DEFAULT_MAX_SAMPLES = 50_000_000;
/** A sample that is held is its time and its value; what else takes memory counts as so many samples. */
const SAMPLE_BYTES = 16;
/** What every evaluation may have of it. */
const FREE_ROOM_BYTES = 16 * 1024 * 1024;
const DEFAULT_LOOKBACK_MS = 300_000;
const DEFAULT_STEP_MS = 60_000;
/** What stands for the step of an evaluation that has one time only. */
export const INSTANT_STEP_MS = 1;

interface Annotation {
  readonly kind: 'warning' | 'info';
  readonly span: Span;
  /** Told with it, of all places together. */
  readonly lifted?: LiftedBuckets;
}

/** What one evaluation may use, and what it has to say; shared by all its parts. */
export class Budget {
  maxSamples = 0;
  maxSeries = 0;
  /** Over how many series the parts of the evaluation look ahead that are open, together: they share the room there is. */
  aheadSeries = 0;
  /** By their text without position: of the same complaint in several places the last one is told, as in Prometheus. */
  readonly annotations = new Map<string, Annotation>();
  #now: (() => number) | undefined;
  #deadlineMs = 0;
  #tally: SampleTally | undefined;
  #held = 0;
  #roomBytes = -FREE_ROOM_BYTES;
  #untilClock = 0;

  constructor(options: EvalOptions) {
    this.begin(options);
  }

  /** Nothing is used and nothing is said yet. */
  begin(options: EvalOptions): void {
    this.maxSamples = options.maxSamples ?? DEFAULT_MAX_SAMPLES;
    this.maxSeries = options.maxSeries ?? Number.POSITIVE_INFINITY;
    this.#now = options.now;
    this.#deadlineMs = options.deadlineMs ?? Number.POSITIVE_INFINITY;
    this.#tally = options.tally;
    this.#held = 0;
    this.#roomBytes = -FREE_ROOM_BYTES;
    this.#untilClock = 0;
    this.annotations.clear();
  }

  /** The plan is opened anew: nothing is held but so many samples of the result. */
  reopen(samples: number): void {
    this.#held = samples;
    this.#roomBytes = -FREE_ROOM_BYTES;
    this.aheadSeries = 0;
  }

  /** Counts samples that stay until the evaluation ends. */
  hold(samples: number): void {
    this.#held += samples;
    this.transient(0);
  }

  /** Samples that are held now and let go with the step. */
  transient(samples: number): void {
    if (this.#tally !== undefined) this.#tally.peak = Math.max(this.#tally.peak, this.#held + samples);
    if (this.#held + samples + Math.max(0, this.#roomBytes) / SAMPLE_BYTES > this.maxSamples)
      throw new BelfryError('PROMQL_LIMIT', 'query processing would load too many samples into memory in query execution');
  }

  /** Counts memory that stays until the evaluation ends and is not of samples: labels of results, columns. */
  room(bytes: number): void {
    this.#roomBytes += bytes;
    this.transient(0);
  }

  /** Counts samples of the store that were looked at. */
  looked(samples: number): void {
    if (this.#tally !== undefined) this.#tally.total += samples;
  }

  tick(series: number): void {
    if (this.#now === undefined) return;
    this.#untilClock -= series + 1;
    if (this.#untilClock > 0) return;
    this.#untilClock = SERIES_PER_CLOCK_READ;
    if (this.#now() > this.#deadlineMs) throw new BelfryError('PROMQL_TIMEOUT', 'query timed out in expression evaluation');
  }
}

const NO_COLUMNS: InstantColumns = { values: new Float64Array(0), timestamps: new Float64Array(0), present: new Uint8Array(0) };

interface Selected {
  readonly matchers: readonly Matcher[];
  readonly modifiers: Modifiers;
  readonly reachMs: number;
  readonly selection: Selection;
}

/** The times of a whole query, in milliseconds; the step of an instant is 0. */
export interface QueryTimes {
  readonly startTs: number;
  readonly endTs: number;
  readonly stepMs: number;
}

/** The times one evaluation runs over, and its means: an instant is a range of one step. */
export class Exec {
  startTs: number;
  endTs: number;
  /** Up to which time it is looked ahead: the end, or the step that has to be done first. */
  aheadTs: number;
  readonly stepMs: number;
  readonly lookbackMs: number;
  readonly defaultStepMs: number;
  readonly text: string;
  readonly budget: Budget;
  /** What reads much of the store, in the order in which it is read; made known when it is opened. */
  readonly pieces: Piece[] = [];
  /** What was worked out on the way must not be used for a later evaluation: it would tell less, or grow without end. */
  wornOut = false;
  readonly #querier: Querier;
  readonly #selected: Selected[] = [];
  readonly #children: Exec[] = [];
  #columns: InstantColumns = NO_COLUMNS;
  /** What `start()` and `end()` mean: the bounds of the whole query, in subqueries too. */
  readonly #top: Exec;

  constructor(text: string, querier: Querier, range: { startTs: number; endTs: number; stepMs: number }, options: EvalOptions, top?: Exec) {
    this.text = text;
    this.startTs = range.startTs;
    this.endTs = range.endTs;
    this.aheadTs = range.endTs;
    this.stepMs = range.stepMs;
    this.lookbackMs = options.lookbackMs ?? DEFAULT_LOOKBACK_MS;
    this.defaultStepMs = options.defaultStepMs ?? DEFAULT_STEP_MS;
    this.#querier = querier;
    this.#top = top ?? this;
    this.budget = top?.budget ?? new Budget(options);
  }

  /** How many series its selectors stand for, all together. */
  get series(): number {
    return this.#selected.reduce((sum, { selection }) => sum + selection.n, 0);
  }

  /** The same evaluation over other times: those of a subquery. */
  child(startTs: number, endTs: number, stepMs: number): Exec {
    const options = { lookbackMs: this.lookbackMs, defaultStepMs: this.defaultStepMs };
    const child = new Exec(this.text, this.#querier, { startTs, endTs, stepMs }, options, this.#top);
    this.#children.push(child);
    return child;
  }

  /** The times of the whole query, in subqueries too. */
  get query(): QueryTimes {
    const { startTs, endTs, stepMs } = this.#top;
    return { startTs, endTs, stepMs: startTs === endTs && stepMs === INSTANT_STEP_MS ? 0 : stepMs };
  }

  /** Columns of at least n entries, to be read before anything else is evaluated: all selectors have them in turn. */
  columns(n: number): InstantColumns {
    const top = this.#top;
    if (top.#columns.present.length < n)
      top.#columns = { values: new Float64Array(n), timestamps: new Float64Array(n), present: new Uint8Array(n) };
    return top.#columns;
  }

  /** How many steps there are. */
  get steps(): number {
    return Math.floor((this.endTs - this.startTs) / this.stepMs) + 1;
  }

  /** Whether what every selector stands for can still be read, after others have had a turn. */
  holds(): boolean {
    for (const { matchers, modifiers, reachMs, selection } of this.#selected)
      if (!(selection.holds?.() ?? this.#resolve(this.#querier, matchers, modifiers, reachMs) === selection)) return false;
    return this.#children.every((child) => child.holds());
  }

  /** The time a selector looks at when the evaluation stands at `ts`. */
  reference(modifiers: Modifiers, ts: number): number {
    const { at, offsetMs } = modifiers;
    if (at === undefined) return ts - offsetMs;
    return (at === 'start' ? this.#top.startTs : at === 'end' ? this.#top.endTs : at) - offsetMs;
  }

  /** Resolves a selector once for all steps; `reachMs` is how far it looks back from its reference time. */
  select(matchers: readonly Matcher[], modifiers: Modifiers, reachMs: number): Selection {
    const selection = this.#resolve(this.#querier, matchers, modifiers, reachMs);
    this.#selected.push({ matchers, modifiers, reachMs, selection });
    return selection;
  }

  /**
   * Moves an evaluation of one step to another time. True where every selector still stands for the same series under
   * the same numbers, so that the opened plan and all it knows of labels may be used again.
   */
  moveTo(ts: number, querier: Querier, options: EvalOptions): boolean {
    const same =
      !this.wornOut &&
      this.lookbackMs === (options.lookbackMs ?? DEFAULT_LOOKBACK_MS) &&
      this.defaultStepMs === (options.defaultStepMs ?? DEFAULT_STEP_MS);
    if (!same) return false;
    this.startTs = ts;
    this.endTs = ts;
    this.aheadTs = ts;
    this.budget.begin(options);
    for (const { matchers, modifiers, reachMs, selection } of this.#selected)
      if (this.#resolve(querier, matchers, modifiers, reachMs) !== selection) return false;
    return true;
  }

  #resolve(querier: Querier, matchers: readonly Matcher[], modifiers: Modifiers, reachMs: number): Selection {
    const minTs = this.reference(modifiers, this.startTs) - reachMs;
    const maxTs = this.reference(modifiers, this.endTs);
    const selection = querier.select(matchers, minTs, maxTs);
    if (selection.n > this.budget.maxSeries)
      throw new BelfryError('PROMQL_LIMIT', `selector resolves to ${selection.n} series, more than the ${this.budget.maxSeries} allowed`);
    this.budget.tick(selection.n);
    return selection;
  }

  warn(message: string, span: Span): void {
    this.budget.annotations.set(`PromQL warning: ${message}`, { kind: 'warning', span });
  }

  info(message: string, span: Span): void {
    this.budget.annotations.set(`PromQL info: ${message}`, { kind: 'info', span });
  }

  /** An info of which the first position is told, and with it what was lifted anywhere. */
  infoOfLifted(message: string, span: Span, lifted: LiftedBuckets): void {
    const { annotations } = this.budget;
    const told = annotations.get(`PromQL info: ${message}`)?.lifted;
    if (told === undefined) annotations.set(`PromQL info: ${message}`, { kind: 'info', span, lifted });
    else told.add(lifted);
  }

  /** Everything that was told so far, with positions. */
  annotations(): Annotations {
    const warnings: string[] = [];
    const infos: string[] = [];
    for (const [message, { kind, span, lifted }] of this.budget.annotations) {
      const { line, column } = positionAt(this.text, span.from);
      (kind === 'warning' ? warnings : infos).push(`${message}${lifted?.text ?? ''} (${line}:${column})`);
    }
    return { warnings, infos };
  }
}

/** An error of execution, which only the data could show. */
export function executionError(message: string): BelfryError {
  return new BelfryError('PROMQL_EXECUTION', message);
}

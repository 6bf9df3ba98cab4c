import type { Clock } from '../core/clock.ts';
import { BelfryError } from '../core/errors.ts';
import { silentLogger } from '../core/log.ts';
import { silentMeter } from '../core/meter.ts';
import type { Notification } from '../core/notification.ts';
import type { Querier, Selection } from '../promql/querier.ts';
import type { Expression } from '../rules/expression.ts';
import type { GroupDefinition, RuleDefinition, RuleSet } from '../rules/model.ts';
import { ReplayClock } from '../rules/replay-clock.ts';
import type { AlertRecord } from '../rules/replay-record.ts';
import { RuleReplay } from '../rules/replay.ts';
import { History } from '../store/history.ts';
import { openSampleStore } from '../store/sample-store.ts';
import { MadeSeries, ReplayQuerier } from './replay-overlay.ts';
import { resultOf, type ReplayResult } from './replay-result.ts';
import { ReplayMessages, type ReplayRouting } from './replay-routing.ts';

export interface ReplayInput {
  /** The file `samples.db`. */
  readonly samplesPath: string;
  readonly ruleSet: RuleSet;
  readonly routing: ReplayRouting;
  /** Milliseconds of Belfry time; where left out: the newest sample, and `sinceMs` before that. */
  readonly startTs?: number;
  readonly endTs?: number;
  /** Default: 7 days. */
  readonly sinceMs?: number;
  /** Evaluates every group that often instead of at its own interval. */
  readonly stepMs?: number;
  /** Evaluated before the start. Default: what the rules' `for` and recorded series need, at most a day. */
  readonly warmupMs?: number;
  readonly externalUrl: string;
  /** Evaluate at slots only: a pending alert waits for the next one. */
  readonly strictSlots?: boolean;
  /** Only these alerts are told of; all the same every rule is evaluated. */
  readonly alert?: string;
  readonly cluster?: string;
  readonly windowBytes?: number;
}

/** How far it has come. Milliseconds of Belfry time. */
export interface ReplayProgress {
  readonly startTs: number;
  readonly endTs: number;
  readonly atTs: number;
  readonly firings: number;
}

export interface ReplayControl {
  readonly clock: Clock;
  /** Called once, when the rules have been read and found right. */
  readonly begun?: () => void;
  /** Awaited several times a second; whoever shares the thread has its turn. */
  readonly turn: (progress: ReplayProgress) => Promise<void>;
  /** Looked at in the middle of a query too. */
  readonly isCancelled: () => boolean;
}

const DEFAULT_SINCE_MS = 7 * 86_400_000;
const MAX_WARMUP_MS = 86_400_000;
const SLICE_MS = 100;
/** How long a selector sees a sample. */
const LOOKBACK_MS = 300_000;
const MAX_EVALUATIONS = 50_000_000;
const FLUSH_INTERVAL_MS = 600_000;
/** Recorded series are kept a little longer than the longest look back. */
const KEPT_MARGIN_MS = 3_600_000;

/** Live it is less, but here a query may be the first to read hours of history. */
const QUERY_TIMEOUT_MS = 60_000;
/** More than any time limit. */
const FAR_MS = 86_400_000;

const NO_SERIES: Selection = {
  n: 0,
  labels: () => {
    throw new BelfryError('INTERNAL', 'a selection without series has no labels');
  },
  instant: () => undefined,
  window: () => 0,
};
const NOTHING_MADE: Querier = { select: () => NO_SERIES };

/**
 * Runs rules over the stored history, beside a running Belfry or without one. Throws `BAD_REQUEST` where there is no history
 * in the range, `LIMIT_EXCEEDED` where it would take too much, `STOPPING` where it is cancelled before anything is evaluated.
 */
export async function replay(input: ReplayInput, control: ReplayControl): Promise<ReplayResult> {
  const made = new MadeSeries(input.ruleSet);
  const history = new History(input.samplesPath, {
    hides: made,
    checkpoint: checkpointOf(control),
    ...(input.windowBytes === undefined ? {} : { windowBytes: input.windowBytes }),
  });
  try {
    return await over(history, made, input, control);
  } finally {
    history.close();
  }
}

async function over(history: History, made: MadeSeries, input: ReplayInput, control: ReplayControl): Promise<ReplayResult> {
  const ruleSet = steppedBy(input.ruleSet, input.stepMs);
  const { startTs, endTs, notes } = rangeOf(history, input);
  if ((input.stepMs ?? 0) >= LOOKBACK_MS && ruleSet.groups.some(({ rules }) => rules.some(({ kind }) => kind === 'recording')))
    notes.push('with a step of five minutes or more, recorded series are gone before they are recorded again');
  const queryClock = queryClockOf(control);
  const neededMs = rehearse(history, made, ruleSet, startTs, queryClock);
  const warmupMs = input.warmupMs ?? neededMs;
  const warmupTs = startTs - warmupMs;
  refuseTooMuch(ruleSet, endTs - warmupTs);
  const clock = new ReplayClock(warmupTs);
  history.begin(warmupTs, endTs);
  const store = openSampleStore({
    path: ':memory:',
    clock,
    log: silentLogger,
    meter: silentMeter,
    retentionMs: MAX_WARMUP_MS + warmupMs + KEPT_MARGIN_MS,
    flushIntervalMs: FLUSH_INTERVAL_MS,
  });
  const keeps = filterOf(input);
  const messages = new ReplayMessages(input.routing, clock, startTs, (notification) => told(run, notification, keeps));
  const run: RuleReplay = new RuleReplay(
    ruleSet,
    {
      querier: new ReplayQuerier(history, store.reader, made, () => clock.now(), checkpointOf(control)),
      writer: store.writer,
      clock,
      queryClock,
      moveTo: (ts) => history.moveTo(ts),
      // The Watchdog is for a dead man's switch, not for people.
      sink: (alerts, ts) =>
        messages.routing.receive(
          alerts.filter(({ labels }) => labels.get('alertname') !== 'Watchdog'),
          ts,
        ),
      logger: silentLogger,
    },
    { warmupTs, startTs, endTs },
    { externalUrl: input.externalUrl, strictSlots: input.strictSlots === true, queryTimeoutMs: QUERY_TIMEOUT_MS },
  );
  store.start();
  const done = await run.run({
    clock: control.clock,
    sliceMs: SLICE_MS,
    isCancelled: control.isCancelled,
    turn: (atTs) => control.turn({ startTs, endTs, atTs, firings: run.record.firings }),
  });
  messages.stop();
  // Where a query of the last step needed too much memory, that is said now.
  if (done) history.moveTo(endTs);
  const reachedTs = done ? endTs : Math.max(startTs, clock.now());
  store.close();
  if (run.record.untold > 0)
    notes.push(`${run.record.untold} further firings or times of being pending are counted nowhere: there were too many`);
  return resultOf({
    ruleSet,
    record: run.record,
    failures: run.failures,
    messages,
    startTs,
    endTs: reachedTs,
    warmupMs,
    partial: !done,
    holes: history.holes,
    notes,
    keeps: ({ labels }) => keeps(labels),
  });
}

/** Notes who was told of what fires; whether the message is about an alert that is asked for. */
function told(run: RuleReplay, { alerts, receiver }: Notification, keeps: (labels: AlertRecord['labels']) => boolean): boolean {
  let counts = false;
  for (const { labels, status } of alerts) {
    counts ||= keeps(labels);
    if (status === 'firing') for (const firing of run.record.newestOf(labels.key)) firing.told.add(receiver);
  }
  return counts;
}

function filterOf({ alert, cluster }: ReplayInput): (labels: AlertRecord['labels']) => boolean {
  return (labels) =>
    (alert === undefined || labels.get('alertname') === alert) && (cluster === undefined || labels.get('cluster') === cluster);
}

function rangeOf(history: History, input: ReplayInput): { startTs: number; endTs: number; notes: string[] } {
  const bounds = history.bounds();
  if (bounds === undefined) throw new BelfryError('BAD_REQUEST', 'there are no samples yet');
  const endTs = Math.min(input.endTs ?? bounds.maxTs, bounds.maxTs);
  const wanted = input.startTs ?? endTs - (input.sinceMs ?? DEFAULT_SINCE_MS);
  const startTs = Math.max(wanted, bounds.minTs);
  const at = (ts: number): string => new Date(ts).toISOString();
  if (startTs > endTs)
    throw new BelfryError(
      'BAD_REQUEST',
      `there are no samples in that range: the history is from ${at(bounds.minTs)} to ${at(bounds.maxTs)}`,
    );
  const notes: string[] = [];
  if (wanted < bounds.minTs && input.startTs !== undefined) notes.push(`the history begins only at ${at(bounds.minTs)}`);
  if (input.endTs !== undefined && input.endTs > bounds.maxTs) notes.push(`the history ends at ${at(bounds.maxTs)}`);
  return { startTs, endTs, notes };
}

function refuseTooMuch({ groups }: RuleSet, rangeMs: number): void {
  const evaluations = groups.reduce((sum, { rules, intervalMs }) => sum + (rules.length * rangeMs) / intervalMs, 0);
  if (evaluations <= MAX_EVALUATIONS) return;
  throw new BelfryError(
    'LIMIT_EXCEEDED',
    `${Math.round(evaluations)} evaluations are more than the ${MAX_EVALUATIONS} allowed: replay a shorter range, or with a longer --step`,
  );
}

function steppedBy(ruleSet: RuleSet, stepMs: number | undefined): RuleSet {
  if (stepMs === undefined) return ruleSet;
  return { ...ruleSet, groups: ruleSet.groups.map((group): GroupDefinition => ({ ...group, intervalMs: stepMs })) };
}

/**
 * Evaluates every expression once over nothing: the history learns what is selected and how far back, and the time needed
 * before the start is known.
 */
function rehearse(history: History, made: MadeSeries, { groups }: RuleSet, startTs: number, queryClock: QueryClock): number {
  history.moveTo(startTs);
  const querier = new ReplayQuerier(
    history,
    NOTHING_MADE,
    made,
    () => startTs,
    () => undefined,
  );
  let pendingMs = 0;
  let intervalMs = 0;
  for (const group of groups) {
    intervalMs = Math.max(intervalMs, group.intervalMs);
    for (const rule of group.rules) {
      for (const expression of expressionsOf(rule)) tryOnce(expression, querier, startTs - group.queryOffsetMs, queryClock);
      if (rule.kind === 'alerting') pendingMs = Math.max(pendingMs, rule.forMs + rule.keepFiringForMs);
    }
  }
  return Math.min(MAX_WARMUP_MS, pendingMs + querier.reachMs + 2 * intervalMs);
}

function expressionsOf(rule: RuleDefinition): readonly Expression[] {
  return rule.kind === 'alerting' && rule.recover !== undefined ? [rule.expression, rule.recover] : [rule.expression];
}

function tryOnce(expression: Expression, querier: Querier, ts: number, queryClock: QueryClock): void {
  const now = (): number => queryClock.elapsed();
  try {
    expression.instant(querier, ts, { now, deadlineMs: now() + QUERY_TIMEOUT_MS });
  } catch (error) {
    // What is wrong with it is told when it is evaluated in earnest.
    if (!(error instanceof BelfryError)) throw error;
  }
}

type QueryClock = Pick<Clock, 'elapsed'>;

/** Throws `STOPPING` once the replay is cancelled. */
function checkpointOf({ isCancelled }: ReplayControl): () => void {
  return () => {
    if (isCancelled()) throw new BelfryError('STOPPING', 'the replay was stopped');
  };
}

/** Real time; once the replay is cancelled, every time limit is over at the next look. */
function queryClockOf({ clock, isCancelled }: ReplayControl): QueryClock {
  let farMs = 0;
  return { elapsed: () => clock.elapsed() + (isCancelled() ? (farMs += FAR_MS) : 0) };
}

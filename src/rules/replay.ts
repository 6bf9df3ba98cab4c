import type { Alert } from '../core/alert.ts';
import type { Clock } from '../core/clock.ts';
import type { Logger } from '../core/log.ts';
import { silentMeter } from '../core/meter.ts';
import type { SampleWriter } from '../core/sample.ts';
import type { Querier } from '../promql/querier.ts';
import { RuleEngine } from './engine.ts';
import type { RuleSet } from './model.ts';
import type { RuleEngineOptions, RuleFailure } from './ports.ts';
import type { ReplayClock } from './replay-clock.ts';
import { ReplayRecord } from './replay-record.ts';

/** What a replay needs of its surroundings. */
export interface ReplayPorts {
  /** The history, and over it what the replayed rules have made so far. */
  readonly querier: Querier;
  readonly writer: SampleWriter;
  readonly clock: ReplayClock;
  /** What the time limit of a query is measured on. */
  readonly queryClock: Pick<Clock, 'elapsed'>;
  /** Told before anything is evaluated at a time. */
  readonly moveTo: (ts: number) => void;
  /** Hears alerts as routing does. */
  readonly sink: (alerts: readonly Alert[], ts: number) => void;
  readonly logger: Logger;
}

export interface ReplayTimes {
  /** Evaluated from here on, so that `for` and recorded series have what they would have had. */
  readonly warmupTs: number;
  readonly startTs: number;
  readonly endTs: number;
}

/** How a rule failed. Milliseconds of Belfry time. */
export interface RuleFailures {
  count: number;
  firstAt: number;
  firstError: string;
  lastAt: number;
}

/** How the work is cut up; on the machine's clock. */
export interface ReplayPace {
  readonly clock: Clock;
  /** Awaited before anything is evaluated, and after every slice. */
  readonly turn: (ts: number) => Promise<void>;
  readonly sliceMs: number;
  readonly isCancelled: () => boolean;
}

/**
 * Runs the live rule engine over the past: the same groups, slots, deadlines and state machine on a clock that jumps. What
 * a live Belfry would have written to `state.db` is in `record`.
 */
export class RuleReplay {
  readonly record: ReplayRecord;
  readonly failures = new Map<string, RuleFailures>();
  readonly #ports: ReplayPorts;
  readonly #times: ReplayTimes;
  readonly #engine: RuleEngine;
  /** What failed in this step. */
  #failed: RuleFailure[] = [];

  constructor(ruleSet: RuleSet, ports: ReplayPorts, times: ReplayTimes, options: Partial<RuleEngineOptions>) {
    const { clock } = ports;
    this.#ports = ports;
    this.#times = times;
    this.record = new ReplayRecord(() => clock.now(), times.startTs);
    this.#engine = new RuleEngine(
      {
        querier: ports.querier,
        writer: ports.writer,
        state: this.record,
        sink: { receive: ports.sink },
        clock,
        queryClock: ports.queryClock,
        logger: ports.logger,
        meter: silentMeter,
        onFailure: (failure) => void this.#failed.push(failure),
      },
      options,
    );
    this.#engine.replace(ruleSet);
  }

  /**
   * Until the end of the range, or until it is cancelled, which is looked for at each step. True where it came to its end.
   * Rejects with what `moveTo` throws.
   */
  async run(pace: ReplayPace): Promise<boolean> {
    const { clock, moveTo } = this.#ports;
    const { endTs } = this.#times;
    this.#engine.start();
    await pace.turn(clock.now());
    let until = pace.clock.elapsed() + pace.sliceMs;
    let done = true;
    while (clock.nextAt <= endTs) {
      moveTo(clock.nextAt);
      clock.step();
      done = !pace.isCancelled();
      // What failed in this step may have failed because it was cancelled.
      if (!done) break;
      if (this.#failed.length > 0) this.#keepFailures();
      if (pace.clock.elapsed() < until) continue;
      await pace.turn(clock.now());
      until = pace.clock.elapsed() + pace.sliceMs;
    }
    if (done) clock.moveTo(endTs);
    this.#engine.stop();
    this.record.finish();
    return done;
  }

  #keepFailures(): void {
    for (const { file, group, index, ts, error } of this.#failed) {
      if (ts < this.#times.startTs) continue;
      const key = failureKey(file, group, index);
      const known = this.failures.get(key);
      if (known === undefined) this.failures.set(key, { count: 1, firstAt: ts, firstError: error, lastAt: ts });
      else {
        known.count++;
        known.lastAt = ts;
      }
    }
    this.#failed = [];
  }
}

/** Names a rule by its place, as two of a group may have the same name. */
export function failureKey(file: string, group: string, index: number): string {
  return `${file};${group};${index}`;
}

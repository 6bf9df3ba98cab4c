import type { Clock, Timer } from '../core/clock.ts';
import { errorText } from '../core/errors.ts';
import { hashText } from '../core/fnv.ts';
import type { Logger } from '../core/log.ts';
import type { Meter } from '../core/meter.ts';

export interface ScheduledJob {
  /** Names the job in logs and decides where in the interval it runs, so that targets are spread. */
  readonly id: string;
  readonly intervalMs: number;
  readonly timeoutMs: number;
  /**
   * Must return soon after the signal is aborted. `ts` is the tick it belongs to. A rejection is counted, and logged once
   * until a run is good.
   */
  run(ts: number, signal: AbortSignal): Promise<void>;
}

interface Running {
  readonly job: ScheduledJob;
  timer: Timer | undefined;
  inFlight: Promise<void> | undefined;
  abort: AbortController | undefined;
  failing: boolean;
}

/**
 * Runs jobs on aligned ticks: at every time t with t mod interval = `offsetOf(id, interval)`. A tick that comes while the
 * last run is in flight is skipped and counted; there is never a backlog.
 */
export class Scheduler {
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #skipped: { add(by: number): void };
  readonly #failures: { add(by: number): void };
  readonly #jobs = new Map<string, Running>();

  constructor(options: { clock: Clock; log: Logger; meter: Meter }) {
    this.#clock = options.clock;
    this.#log = options.log;
    this.#skipped = options.meter.counter(
      'belfry_collect_ticks_skipped_total',
      'Collections left out because the last one was still running.',
    );
    this.#failures = options.meter.counter('belfry_collect_failures_total', 'Collections that gave nothing, not even that they failed.');
  }

  /** Starts a job; one with the same id is replaced. Its first run is at once where `now` is set. */
  add(job: ScheduledJob, options: { now?: boolean } = {}): void {
    void this.remove(job.id);
    const running: Running = { job, timer: undefined, inFlight: undefined, abort: undefined, failing: false };
    this.#jobs.set(job.id, running);
    const now = this.#clock.now();
    if (options.now === true) this.#run(running, now);
    this.#arm(running, now);
  }

  /** Ends a job: aborts the run in flight and waits for it. */
  async remove(id: string): Promise<void> {
    const running = this.#jobs.get(id);
    if (running === undefined) return;
    this.#jobs.delete(id);
    running.timer?.cancel();
    running.abort?.abort();
    await running.inFlight;
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#jobs.keys()].map((id) => this.remove(id)));
  }

  /** `after` is the last tick: a timer may fire a little early, and a tick must not come twice. */
  #arm(running: Running, after: number): void {
    const { id, intervalMs } = running.job;
    const now = this.#clock.now();
    const ts = nextTick(Math.max(now, after), intervalMs, offsetOf(id, intervalMs));
    running.timer = this.#clock.timer(ts - now, () => {
      if (this.#jobs.get(id) !== running) return;
      if (running.inFlight === undefined) this.#run(running, ts);
      else this.#skipped.add(1);
      this.#arm(running, ts);
    });
  }

  #run(running: Running, ts: number): void {
    const { job } = running;
    const abort = new AbortController();
    const deadline = this.#clock.timer(job.timeoutMs, () => abort.abort(new Error(`not done within ${job.timeoutMs} ms`)));
    running.abort = abort;
    running.inFlight = job
      .run(ts, abort.signal)
      .then(
        () => void (running.failing = false),
        (error: unknown) => this.#failed(running, error),
      )
      .finally(() => {
        deadline.cancel();
        running.inFlight = undefined;
      });
  }

  #failed(running: Running, error: unknown): void {
    this.#failures.add(1);
    if (!running.failing) this.#log.error('collection_failed', { job: running.job.id, error: errorText(error) });
    running.failing = true;
  }
}

/** The first time after `now` that is `offset` past a multiple of the interval. */
export function nextTick(now: number, intervalMs: number, offset: number): number {
  return Math.floor((now - offset) / intervalMs + 1) * intervalMs + offset;
}

/**
 * Ticks fall on whole multiples of this: those of a large fleet come some at a time, and what wakes the process once finds code
 * and data near it for all of them.
 */
const GRAIN_MS = 100;

/** Where in every interval the job of that id has its tick: spread evenly, and the same after each start. Milliseconds. */
export function offsetOf(id: string, intervalMs: number): number {
  const offset = (hashText(id) >>> 0) % intervalMs;
  return offset - (offset % GRAIN_MS);
}

import { delay, type Clock } from '../core/clock.ts';
import { targetOf, type Action } from '../core/autopilot.ts';
import { BelfryError, errorText } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import { REPLAY_WINDOW_MS } from '../formats/intent-signature.ts';
import type { BelfryApi, Grant, OfferedIntent } from './belfry-api.ts';
import type { Probe, Step } from './driver.ts';
import { IntentRun, type RunOutcome } from './intent-run.ts';
import type { ProbingOptions } from './process-watch.ts';
import type { StopFile } from './stop-file.ts';

/** At least so long from one question to the next that brought nothing to do. */
const MIN_POLL_GAP_MS = 1000;
/** After a lease was refused, by a guard above all. */
const REFUSED_GAP_MS = 3000;
const MAX_BACKOFF_MS = 30_000;
/** A lease that was asked for without an answer may have been granted: it is asked for again, so long and so often. */
const LEASE_RETRY_MS = 500;
const LEASE_RETRIES_MAX_MS = 30_000;
/** Refused intents that are remembered, so that each is logged once. */
const MAX_REMEMBERED = 1000;

/** What the executor can do for one cluster. */
export interface ClusterPlan {
  readonly name: string;
  /** The steps of each action that it takes; intents of others are left to other executors. */
  readonly steps: ReadonlyMap<Action, readonly Step[]>;
  readonly probe: Probe | undefined;
  readonly probing: ProbingOptions;
  /** Ids of the brokers whose machines are known. */
  readonly brokers: readonly number[];
}

export interface ExecutorOptions {
  readonly api: BelfryApi;
  readonly plans: readonly ClusterPlan[];
  readonly stopFile: StopFile;
  /** How long one question for open intents may wait for its answer. */
  readonly pollMs: number;
  /** How long a step may go on after `stop`. */
  readonly stopWithinMs: number;
  readonly clock: Clock;
  readonly log: Logger;
}

/**
 * Takes intents from Belfry and carries them out, one at a time for each cluster. It begins nothing that Belfry has not
 * signed, leased and just confirmed; one that cannot reach Belfry begins nothing at all.
 */
export class Executor {
  readonly #options: ExecutorOptions;
  readonly #stop = new AbortController();
  readonly #end = new AbortController();
  #running: Promise<boolean> | undefined;

  constructor(options: ExecutorOptions) {
    this.#options = options;
  }

  /**
   * Works until it is stopped; with `once`, asks one time for each cluster and does what is open. Resolves, then, with whether
   * Belfry could be asked and all that was done has succeeded.
   */
  run({ once = false } = {}): Promise<boolean> {
    this.#running ??= Promise.all(
      this.#options.plans.map((plan) => new ClusterFollower(plan, this.#options, this.#stop.signal, this.#end.signal).follow(once)),
    ).then((ends) => ends.every((isWell) => isWell));
    return this.#running;
  }

  /** Begins nothing new, gives the step that runs its time, then abandons it; resolves when all is acknowledged. */
  async stop(): Promise<void> {
    const { clock, stopWithinMs } = this.#options;
    if (!this.#stop.signal.aborted) this.#stop.abort(new BelfryError('STOPPING', 'the executor was told to stop'));
    const timer = clock.timer(stopWithinMs, () => {
      this.#end.abort(new BelfryError('STOPPING', 'the executor was told to stop, and the time for that is over'));
    });
    try {
      await this.#running;
    } finally {
      timer.cancel();
    }
  }
}

/** Asks for the intents of one cluster and carries them out one after the other. */
class ClusterFollower {
  readonly #plan: ClusterPlan;
  readonly #options: ExecutorOptions;
  readonly #stop: AbortSignal;
  readonly #end: AbortSignal;
  readonly #log: Logger;
  readonly #remembered = new Set<string>();
  /** The highest that a lease of this cluster has had: tokens never fall. */
  #highestToken = 0;
  #failures = 0;
  #wasHalted = false;
  #lastRun: RunOutcome | undefined;

  constructor(plan: ClusterPlan, options: ExecutorOptions, stop: AbortSignal, end: AbortSignal) {
    this.#plan = plan;
    this.#options = options;
    this.#stop = stop;
    this.#end = end;
    this.#log = options.log.child({ cluster: plan.name });
  }

  async follow(once: boolean): Promise<boolean> {
    const { clock } = this.#options;
    while (!this.#stop.aborted) {
      const askedAt = clock.elapsed();
      const outcome = await this.#turn(once ? 0 : this.#options.pollMs);
      if (once) return outcome !== 'failed' && this.#lastRun !== 'failed' && this.#lastRun !== 'rejected';
      const gapMs = this.#gapAfter(outcome, clock.elapsed() - askedAt);
      if (gapMs > 0) await this.#pause(gapMs);
    }
    return true;
  }

  #gapAfter(outcome: TurnOutcome, tookMs: number): number {
    if (outcome === 'acted') return 0;
    if (outcome === 'failed') return Math.min(MAX_BACKOFF_MS, MIN_POLL_GAP_MS * 2 ** (this.#failures - 1));
    return outcome === 'refused' ? REFUSED_GAP_MS : Math.max(0, MIN_POLL_GAP_MS - tookMs);
  }

  async #turn(waitMs: number): Promise<TurnOutcome> {
    const { api, stopFile } = this.#options;
    const halted = stopFile.isThere();
    if (halted !== this.#wasHalted) this.#log.warn(halted ? 'stop_file_found' : 'stop_file_gone', { path: stopFile.path });
    this.#wasHalted = halted;
    if (halted) return 'refused';
    try {
      const intents = await api.openIntents(this.#plan.name, waitMs, this.#stop);
      this.#failures = 0;
      let refused = false;
      for (const intent of intents) {
        const taken = await this.#take(intent);
        if (taken === 'acted') return 'acted';
        refused ||= taken === 'refused';
      }
      return refused ? 'refused' : 'idle';
    } catch (error) {
      if (this.#stop.aborted) return 'idle';
      this.#failures = Math.min(10, this.#failures + 1);
      this.#log.warn('belfry_not_reached', { error: errorText(error) });
      return 'failed';
    }
  }

  async #take(intent: OfferedIntent): Promise<TurnOutcome> {
    const steps = this.#plan.steps.get(intent.action);
    if (steps === undefined) return 'idle';
    const problem = this.#problemOf(intent);
    if (problem !== undefined) {
      this.#tellOnce(intent.id, 'intent_not_believed', problem);
      return 'idle';
    }
    // The poll may have taken long: the file may have come since.
    if (this.#options.stopFile.isThere() || this.#stop.aborted) return 'refused';
    let grant: Grant;
    let requestedAt: number;
    try {
      ({ grant, requestedAt } = await this.#askForLease(intent));
    } catch (error) {
      if (this.#stop.aborted || !(error instanceof BelfryError) || error.code === 'EXECUTOR_FAILED') throw error;
      this.#tellOnce(`${intent.id} ${errorText(error)}`, 'lease_refused', errorText(error), intent.id);
      return 'refused';
    }
    if (grant.fencingToken <= this.#highestToken) {
      this.#tellOnce(intent.id, 'lease_not_believed', `fencing token ${grant.fencingToken} is not above ${this.#highestToken}`);
      return 'refused';
    }
    this.#highestToken = grant.fencingToken;
    this.#lastRun = await this.#run(grant, requestedAt, steps);
    return 'acted';
  }

  /**
   * The lease, and when it was asked for. Belfry may have granted it and ended before it could say so: nobody else may act
   * then, and the intent is no longer offered, so this process asks again; Belfry gives a holder the same lease again.
   */
  async #askForLease(intent: OfferedIntent): Promise<{ grant: Grant; requestedAt: number }> {
    const { api, clock } = this.#options;
    const firstAt = clock.elapsed();
    for (;;) {
      const requestedAt = clock.elapsed();
      try {
        return { grant: await api.lease(intent, this.#stop), requestedAt };
      } catch (error) {
        const unanswered = error instanceof BelfryError && error.code === 'EXECUTOR_FAILED' && !this.#stop.aborted;
        if (!unanswered || clock.elapsed() - firstAt >= LEASE_RETRIES_MAX_MS || this.#options.stopFile.isThere()) throw error;
        this.#tellOnce(`${intent.id} unanswered`, 'lease_not_answered', errorText(error), intent.id);
      }
      await delay(clock, LEASE_RETRY_MS, this.#stop);
    }
  }

  async #run(grant: Grant, requestedAt: number, steps: readonly Step[]): Promise<RunOutcome> {
    const { api, stopFile, clock } = this.#options;
    const { probe, probing } = this.#plan;
    const signals = { stop: this.#stop, end: this.#end };
    return await new IntentRun({ api, grant, requestedAt, steps, probe, probing, stopFile, ...signals, clock, log: this.#log }).run();
  }

  /** Why an intent cannot be what it says it is; undefined where it can. */
  #problemOf(intent: OfferedIntent): string | undefined {
    const { api, clock } = this.#options;
    if (!api.isGenuine(intent, 0, intent.signature)) return `intent for ${targetOf(intent)} is not signed by Belfry's key`;
    if (clock.wall() > intent.expiresAt + REPLAY_WINDOW_MS) return 'it expired long ago: is a clock wrong?';
    const isScaleOut = intent.action === 'scale_out';
    if (isScaleOut !== (intent.broker === undefined)) return `${intent.action} cannot be for ${targetOf(intent)}`;
    return undefined;
  }

  #tellOnce(key: string, event: string, text: string, intent = key): void {
    if (this.#remembered.has(key)) return;
    if (this.#remembered.size >= MAX_REMEMBERED) this.#remembered.clear();
    this.#remembered.add(key);
    this.#log.warn(event, { intent, text });
  }

  async #pause(ms: number): Promise<void> {
    try {
      await delay(this.#options.clock, ms, this.#stop);
    } catch (error) {
      if (!this.#stop.aborted) throw error;
    }
  }
}

type TurnOutcome = 'acted' | 'refused' | 'idle' | 'failed';

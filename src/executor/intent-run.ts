import { delay, type Clock } from '../core/clock.ts';
import { formatDuration } from '../core/duration.ts';
import { BelfryError, errorText } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import { AckSender } from './ack-sender.ts';
import type { BelfryApi, Grant } from './belfry-api.ts';
import type { Probe, ProbeResult, Step, Task } from './driver.ts';
import { LeaseKeeper } from './lease-keeper.ts';
import { type ProbingOptions, waitUntilRecovered, waitUntilStopped, wordsOf } from './process-watch.ts';
import type { StopFile } from './stop-file.ts';

/** Looks at the process before a replacement; a machine that does not answer is what replacements are for. */
const LOOKS_BEFORE_REPLACE = 3;

export interface IntentRunOptions {
  readonly api: BelfryApi;
  readonly grant: Grant;
  /** When the lease was asked for, on the scale of `clock.elapsed`. */
  readonly requestedAt: number;
  readonly steps: readonly Step[];
  readonly probe: Probe | undefined;
  readonly probing: ProbingOptions;
  readonly stopFile: StopFile;
  /** Aborted when the executor was told to stop: no further step is begun. */
  readonly stop: AbortSignal;
  /** Aborted when it must end now: the step that runs is abandoned. */
  readonly end: AbortSignal;
  readonly clock: Clock;
  readonly log: Logger;
}

export type RunOutcome = 'succeeded' | 'failed' | 'rejected';

/**
 * One intent under its lease: the probe, the steps one by one, each only after Belfry has just confirmed the lease, and
 * the last word. Never rejects: what went wrong is acknowledged and logged. When the lease is lost or a stop is asked for
 * the step that runs is let be, and none after it is begun.
 */
export class IntentRun {
  readonly #options: IntentRunOptions;
  readonly #task: Task;
  readonly #keeper: LeaseKeeper;
  readonly #acks: AckSender;
  readonly #proceed: AbortSignal;
  readonly #probe: Probe | undefined;
  /** What the newest look at the process found. */
  #seen: ProbeResult | undefined;
  /** Whether anything may have been changed. */
  #begun = false;

  constructor(options: IntentRunOptions) {
    const { grant, stop, end } = options;
    const { id, cluster, action, broker, desiredBrokers, currentBrokers } = grant.intent;
    this.#options = options;
    this.#task = {
      intentId: id,
      cluster,
      action,
      broker,
      desiredBrokers,
      currentBrokers,
      fencingToken: grant.fencingToken,
      added: new Set(),
    };
    this.#keeper = new LeaseKeeper(options);
    this.#acks = new AckSender(options);
    this.#proceed = AbortSignal.any([this.#keeper.lost, stop, end]);
    this.#probe = options.probe === undefined ? undefined : this.#remembering(options.probe);
  }

  async run(): Promise<RunOutcome> {
    const { log, clock } = this.#options;
    const { intentId, cluster, action, broker } = this.#task;
    const startedAt = clock.elapsed();
    const fields = { intent: intentId, cluster, action, ...(broker === undefined ? {} : { broker }) };
    log.info('intent_leased', fields);
    try {
      await this.#acks.now('accepted', { text: 'the lease was taken' });
      const done = await this.#act();
      await this.#acks.last('succeeded', done);
      log.info('intent_done', { ...fields, tookMs: Math.round(clock.elapsed() - startedAt) });
      return 'succeeded';
    } catch (error) {
      const status = this.#begun || !isCalledOff(error) ? 'failed' : 'rejected';
      const text = this.#begun ? errorText(error) : `nothing was begun: ${errorText(error)}`;
      log.warn('intent_not_done', { ...fields, status, text });
      // With what the process does: one that has ended is no recovery to wait for.
      await this.#acks.last(status, this.#seen === undefined ? { text } : { ...wordsOf(this.#seen), text });
      return status;
    } finally {
      this.#keeper.close();
    }
  }

  async #act(): Promise<{ text: string; process?: ProbeResult['process']; progress?: number }> {
    const { steps, clock } = this.#options;
    const { action } = this.#task;
    const probe = this.#probe;
    if (probe !== undefined && action === 'repair') await waitUntilStopped({ ...this.#watch(probe) });
    if (probe !== undefined && action === 'replace') await this.#refuseToReplaceTheLiving(probe);
    const startedAt = clock.elapsed();
    for (const [index, step] of steps.entries()) {
      const where = steps.length === 1 ? step.name : `step ${index + 1} of ${steps.length} (${step.name})`;
      await this.#confirm(where);
      this.#begun = true;
      this.#acks.running({ text: where });
      try {
        await this.#runStep(step, where);
      } catch (error) {
        // A refusal of the first step is no failed act: it is asked for again, and counts against nobody.
        if (index === 0 && error instanceof BelfryError && error.code === 'CONFLICT') this.#begun = false;
        throw error;
      }
    }
    const took = formatDuration(Math.max(1, Math.round(clock.elapsed() - startedAt)));
    const done = `${steps.map(({ name }) => name).join(', ')}: done in ${took}`;
    if (probe === undefined || action !== 'repair') return { text: done };
    const seen = await waitUntilRecovered(this.#watch(probe));
    return { ...wordsOf(seen), text: `${done}; ${seen.text}` };
  }

  #watch(probe: Probe): Parameters<typeof waitUntilStopped>[0] {
    const { probing, clock } = this.#options;
    return { probe, task: this.#task, probing, clock, acks: this.#acks, signal: this.#proceed };
  }

  #remembering(probe: Probe): Probe {
    const look: Probe['look'] = async (task, signal) => (this.#seen = await probe.look(task, signal));
    return { look };
  }

  async #refuseToReplaceTheLiving(probe: Probe): Promise<void> {
    const { clock, probing } = this.#options;
    for (let looks = 1; ; looks++) {
      const seen = await probe.look(this.#task, this.#proceed);
      this.#proceed.throwIfAborted();
      if (seen.process === 'stopped') return;
      if (seen.process === 'unknown' && looks >= LOOKS_BEFORE_REPLACE) return;
      if (seen.process !== 'unknown') throw new BelfryError('CONFLICT', `a broker that lives is not replaced: ${seen.text}`);
      await delay(clock, probing.everyMs, this.#proceed);
    }
  }

  async #confirm(where: string): Promise<void> {
    try {
      this.#proceed.throwIfAborted();
      await this.#keeper.confirm();
      this.#proceed.throwIfAborted();
    } catch (error) {
      const code = error instanceof BelfryError ? error.code : 'LEASE_LOST';
      throw new BelfryError(code, `stopped before ${where}: ${errorText(error)}`, { cause: error });
    }
  }

  async #runStep(step: Step, where: string): Promise<void> {
    const { clock, end } = this.#options;
    const overdue = new AbortController();
    const timer = clock.timer(step.timeoutMs, () => {
      overdue.abort(new BelfryError('EXECUTOR_FAILED', `not done within ${formatDuration(step.timeoutMs)}`));
    });
    const signal = AbortSignal.any([end, overdue.signal]);
    try {
      await step.run({
        task: this.#task,
        signal,
        proceed: AbortSignal.any([signal, this.#proceed]),
        confirm: () => this.#confirm(where),
        report: (text, progress) => this.#acks.running({ text, ...(progress === undefined ? {} : { progress }) }),
      });
    } catch (error) {
      const abandoned = end.aborted ? 'abandoned, its outcome is not known: ' : '';
      const isRefusal = error instanceof BelfryError && error.code === 'CONFLICT';
      throw new BelfryError(isRefusal ? 'CONFLICT' : 'EXECUTOR_FAILED', `${where}: ${abandoned}${errorText(error)}`, { cause: error });
    } finally {
      timer.cancel();
    }
  }
}

/** Not a failure of the act: it was taken back, or must not be. */
function isCalledOff(error: unknown): boolean {
  return error instanceof BelfryError && (error.code === 'LEASE_LOST' || error.code === 'STOPPING' || error.code === 'CONFLICT');
}

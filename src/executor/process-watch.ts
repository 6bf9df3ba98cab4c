import { delay, type Clock } from '../core/clock.ts';
import { BelfryError } from '../core/errors.ts';
import { formatDuration } from '../core/duration.ts';
import type { AckSender } from './ack-sender.ts';
import type { Probe, ProbeResult, Task } from './driver.ts';

/** Looks that must fail one after the other before the process counts as not to be looked at; the same for stopped again after a start. */
const SURE_AFTER = 3;

export interface ProbingOptions {
  readonly everyMs: number;
  /** A recovery, or a process that runs and does not come back, which has not advanced for so long has failed. */
  readonly stalledAfterMs: number;
  /** A process that runs without telling of a recovery is taken for hung after so long; undefined: never. */
  readonly hungAfterMs: number | undefined;
}

export interface ProcessWatchOptions {
  readonly probe: Probe;
  readonly task: Task;
  readonly probing: ProbingOptions;
  readonly clock: Clock;
  readonly acks: AckSender;
  /** Ends the watch: the lease was lost, or the executor is to stop. */
  readonly signal: AbortSignal;
}

/** Follows how long the process has shown the same: what rises has advanced. */
class Standstill {
  #best: number | undefined;
  #process: ProbeResult['process'] | undefined;
  #since: number;

  constructor(now: number) {
    this.#since = now;
  }

  /** Milliseconds without an advance. */
  note({ process, progress }: ProbeResult, now: number): number {
    const advanced = progress !== undefined && (this.#best === undefined || progress > this.#best);
    if (advanced) this.#best = progress;
    if (advanced || process !== this.#process) this.#since = now;
    this.#process = process;
    return now - this.#since;
  }
}

/**
 * Before a repair: waits for as long as the process runs or recovers, and resolves only when it may be started: it is
 * stopped, or hung for longer than is configured. Rejects where a recovery stands still, where a process runs and does
 * not come back, and where it cannot be looked at: what may be recovering is never restarted.
 */
export async function waitUntilStopped(options: ProcessWatchOptions): Promise<ProbeResult> {
  const { clock, probing, acks } = options;
  const standstill = new Standstill(clock.elapsed());
  let unknown = 0;
  for (;;) {
    const seen = await look(options);
    if (seen.process === 'stopped') return seen;
    unknown = seen.process === 'unknown' ? unknown + 1 : 0;
    if (unknown >= SURE_AFTER) throw new BelfryError('EXECUTOR_FAILED', `nothing was started: ${seen.text}`);
    const stillMs = standstill.note(seen, clock.elapsed());
    if (seen.process === 'running' && probing.hungAfterMs !== undefined && stillMs >= probing.hungAfterMs) return seen;
    if (seen.process !== 'unknown' && stillMs >= probing.stalledAfterMs) throw stalled(seen, stillMs);
    acks.running(wordsOf(seen));
    await delay(clock, probing.everyMs, options.signal);
  }
}

/**
 * After a repair: resolves when the process runs and recovers no longer, or cannot be looked at. Rejects where it has
 * ended again, or where its recovery stands still.
 */
export async function waitUntilRecovered(options: ProcessWatchOptions): Promise<ProbeResult> {
  const { clock, probing, acks } = options;
  const standstill = new Standstill(clock.elapsed());
  let alike = 0;
  let last: ProbeResult['process'] | undefined;
  for (;;) {
    const seen = await look(options);
    if (seen.process === 'running') return seen;
    alike = seen.process === last ? alike + 1 : 1;
    last = seen.process;
    if (seen.process === 'stopped' && alike >= SURE_AFTER)
      throw new BelfryError('EXECUTOR_FAILED', `it was started and has ended again: ${seen.text}`);
    if (seen.process === 'unknown' && alike >= SURE_AFTER) return seen;
    const stillMs = standstill.note(seen, clock.elapsed());
    if (stillMs >= probing.stalledAfterMs) throw stalled(seen, stillMs);
    acks.running(wordsOf(seen));
    await delay(clock, probing.everyMs, options.signal);
  }
}

async function look({ probe, task, signal }: ProcessWatchOptions): Promise<ProbeResult> {
  const seen = await probe.look(task, signal);
  signal.throwIfAborted();
  return seen;
}

export function wordsOf({ process, progress, text }: ProbeResult): { text: string; process: ProbeResult['process']; progress?: number } {
  return { text, process, ...(progress === undefined ? {} : { progress }) };
}

function stalled({ process, text }: ProbeResult, stillMs: number): BelfryError {
  const what = process === 'recovering' ? 'its recovery has stood still' : 'it has not come back';
  return new BelfryError('EXECUTOR_FAILED', `${what} for ${formatDuration(stillMs)}, and it was not restarted: ${text}`);
}

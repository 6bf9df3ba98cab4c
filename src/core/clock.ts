import { BelfryError } from './errors.ts';

/**
 * Belfry time and timers. The only file that reads a clock or starts a timer; everything else takes a `Clock`, so
 * that replay, tests and the live process run the same code.
 */
export interface Clock {
  /** Belfry time, whole milliseconds since the Unix epoch: the wall clock at start plus what has elapsed since. Never steps. */
  now(): number;
  /** The machine's wall clock now, for display and for schedules that people write. It may step. */
  wall(): number;
  /** Milliseconds with fractions since an arbitrary start; for measuring how long something took. */
  elapsed(): number;
  /** Calls `run` once after the delay. The timer keeps the process alive unless `unref` is set. */
  timer(delayMs: number, run: () => void, options?: { unref?: boolean }): Timer;
}

/** The clock of the process, which only the composition root sees as such: no room can move time. */
export interface StartableClock extends Clock {
  /**
   * Makes Belfry time begin at `ts` where it would begin earlier, such as after the newest sample of an earlier run
   * when the machine's clock was set back in between. Timers and `elapsed` do not notice. Returns the milliseconds by
   * which time was moved on, 0 where none. Called once, before anything reads `now`; a second call throws `INTERNAL`.
   */
  startNotBefore(ts: number): number;
}

export interface Timer {
  cancel(): void;
}

/** How much later than the wall clock said Belfry time began; set once. Whole milliseconds, as Belfry time is. */
class StartOffset {
  ms = 0;
  #isSet = false;

  set(ts: number, now: number): number {
    if (this.#isSet) throw new BelfryError('INTERNAL', 'Belfry time has begun already');
    if (!Number.isFinite(ts)) throw new BelfryError('INTERNAL', `Belfry time cannot begin at ${ts}`);
    this.#isSet = true;
    this.ms = Math.max(0, Math.ceil(ts) - now);
    return this.ms;
  }
}

/** setTimeout's own limit; a longer delay fires early and is set again. */
const MAX_DELAY_MS = 2 ** 31 - 1;

export class SystemClock implements StartableClock {
  readonly #epochMs = Date.now() - performance.now();
  readonly #start = new StartOffset();

  now(): number {
    return Math.round(this.#epochMs + performance.now()) + this.#start.ms;
  }

  startNotBefore(ts: number): number {
    return this.#start.set(ts, this.now());
  }

  wall(): number {
    return Date.now();
  }

  elapsed(): number {
    return performance.now();
  }

  timer(delayMs: number, run: () => void, options: { unref?: boolean } = {}): Timer {
    const dueAt = performance.now() + delayMs;
    let handle: NodeJS.Timeout;
    const arm = (): void => {
      const leftMs = Math.max(0, dueAt - performance.now());
      handle = setTimeout(() => (leftMs > MAX_DELAY_MS ? arm() : run()), Math.min(leftMs, MAX_DELAY_MS));
      if (options.unref === true) handle.unref();
    };
    arm();
    return { cancel: () => clearTimeout(handle) };
  }
}

/** A clock that moves only when a test tells it to. */
export class ManualClock implements StartableClock {
  /** `elapsed` begins at the same number, which is as arbitrary as any. */
  #now: number;
  readonly #start = new StartOffset();
  #wallOffset = 0;
  #sequence = 0;
  readonly #timers = new Map<number, { at: number; run: () => void }>();

  constructor(now = 1_700_000_000_000) {
    this.#now = now;
  }

  now(): number {
    return this.#now + this.#start.ms;
  }

  startNotBefore(ts: number): number {
    return this.#start.set(ts, this.now());
  }

  wall(): number {
    return this.#now + this.#wallOffset;
  }

  elapsed(): number {
    return this.#now;
  }

  timer(delayMs: number, run: () => void): Timer {
    const id = this.#sequence++;
    this.#timers.set(id, { at: this.#now + Math.max(0, delayMs), run });
    return { cancel: () => void this.#timers.delete(id) };
  }

  /** Steps the wall clock without moving Belfry time. */
  stepWall(byMs: number): void {
    this.#wallOffset += byMs;
  }

  get pendingTimers(): number {
    return this.#timers.size;
  }

  /** Moves time on, running timers in the order they are due, and lets promises settle after each. */
  async advance(byMs: number): Promise<void> {
    const end = this.#now + byMs;
    for (;;) {
      let next: { id: number; at: number } | undefined;
      for (const [id, timer] of this.#timers) {
        if (timer.at <= end && (next === undefined || timer.at < next.at || (timer.at === next.at && id < next.id)))
          next = { id, at: timer.at };
      }
      if (next === undefined) break;
      const timer = this.#timers.get(next.id);
      this.#timers.delete(next.id);
      this.#now = Math.max(this.#now, next.at);
      timer?.run();
      await settle();
    }
    this.#now = end;
    await settle();
  }
}

/** Lets microtasks and already finished I/O callbacks run. */
async function settle(): Promise<void> {
  for (let i = 0; i < 3; i++) await new Promise<void>((resolve) => setImmediate(resolve));
}

/** Resolves after the delay, or rejects with the signal's reason as soon as it is aborted. */
export function delay(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted === true) {
      reject(abortReason(signal));
      return;
    }
    const onAbort = (): void => {
      timer.cancel();
      if (signal !== undefined) reject(abortReason(signal));
    };
    const timer = clock.timer(delayMs, () => {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    });
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}

function abortReason(signal: AbortSignal): Error {
  return signal.reason instanceof Error ? signal.reason : new Error('aborted', { cause: signal.reason });
}

/** In one turn of the event loop the next of those who gave way goes on as long as those before it have computed less. */
const TURN_MS = 8;

/** Those whose slice is over, in the order in which they gave way. */
const yielded: (() => void)[] = [];
/** What this thread had computed when the first of this turn went on, in microseconds; undefined before it. */
let turnBegan: number | undefined;
/** The slices of this turn have taken long enough: the others wait for the next, and nobody measures any more. */
let turnIsOver = false;

/**
 * Gives the event loop a turn, so that a long piece of work can be cut into slices. Of those who wait several go on in a turn
 * where their slices are short; of long ones, one: the slices of many pieces of work at the same time would add up to one long
 * one. What counts is what was computed, as a busy machine makes everything take long.
 */
export function yieldToLoop(): Promise<void> {
  return new Promise((resolve) => {
    yielded.push(resolve);
    setImmediate(resumeNext);
  });
}

/** An immediate that is set by an immediate runs in the turn after. */
function resumeNext(): void {
  if (turnBegan === undefined) {
    turnBegan = computedUs();
    setImmediate(endTurn);
  } else {
    turnIsOver ||= computedUs() - turnBegan >= TURN_MS * 1000;
  }
  if (turnIsOver) setImmediate(resumeNext);
  else yielded.shift()?.();
}

function endTurn(): void {
  turnBegan = undefined;
  turnIsOver = false;
}

function computedUs(): number {
  const { user, system } = process.threadCpuUsage();
  return user + system;
}

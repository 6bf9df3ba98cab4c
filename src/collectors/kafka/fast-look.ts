import { delay, type Clock } from '../../core/clock.ts';
import { errorText } from '../../core/errors.ts';
import type { Logger } from '../../core/log.ts';
import type { LookResult } from './metadata-collection.ts';

const FIRST_INTERVAL_MS = 100;
const LAST_INTERVAL_MS = 1000;
const GROWTH = 1.5;
const QUIET_MS = 5000;
const LONGEST_MS = 60_000;
/** Full Metadata at a duty of a tenth at most. */
const DUTY_FACTOR = 10;
/** How much before and after the calculated end of a broker's session the looks are frequent again. */
const SESSION_EARLY_MS = 500;
const SESSION_LATE_MS = 2000;

export interface FastLookOptions {
  readonly clock: Clock;
  readonly log: Logger;
  readonly look: (avoid: ReadonlySet<number>) => Promise<LookResult>;
  readonly lookAtBrokers: (avoid: ReadonlySet<number>) => Promise<ReadonlySet<number>>;
  /** `broker.session.timeout.ms` and `broker.heartbeat.interval.ms`. */
  readonly session: () => { readonly timeoutMs: number; readonly heartbeatMs: number };
}

interface Watched {
  readonly since: number;
  left: boolean;
}

/**
 * The looks after an event, such as a broker found dead: every 100 ms, growing to 1 s while nothing changes, until the
 * brokers in question have left `brokers[]` and nothing has changed for 5 s, at most 60 s. A dead broker leaves when
 * its session ends, which is calculable within one heartbeat: around that time looks are every 100 ms again, as small
 * requests for `brokers[]` alone where full ones would cost more than a tenth of the time.
 */
export class FastLook {
  readonly #options: FastLookOptions;
  readonly #watched = new Map<number, Watched>();
  #until = 0;
  #lastChangeAt = 0;
  #intervalMs = FIRST_INTERVAL_MS;
  #running: Promise<void> | undefined;
  #abort = new AbortController();
  #wakeUp: AbortController | undefined;

  constructor(options: FastLookOptions) {
    this.#options = options;
  }

  /** Begins or prolongs the looks, until these brokers have left. */
  request(brokerIds: readonly number[]): void {
    if (this.#abort.signal.aborted) return;
    const now = this.#options.clock.now();
    for (const id of brokerIds) {
      // What is said of a broker a second time does not begin its session anew.
      if (this.#watched.get(id)?.left !== false) this.#watched.set(id, { since: now, left: false });
    }
    this.#until = now + LONGEST_MS;
    this.#lastChangeAt = now;
    this.#intervalMs = FIRST_INTERVAL_MS;
    this.#wakeUp?.abort();
    this.#running ??= this.#run();
  }

  get running(): boolean {
    return this.#running !== undefined;
  }

  async stop(): Promise<void> {
    this.#abort.abort();
    this.#wakeUp?.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    let fullCostMs = 0;
    let registered: ReadonlySet<number> | undefined;
    let nextFullAt = 0;
    while (!this.#abort.signal.aborted && !this.#finished()) {
      const startedAt = this.#options.clock.now();
      let failed = false;
      const small = startedAt < nextFullAt && registered !== undefined;
      try {
        if (small && registered !== undefined) {
          const now = await this.#options.lookAtBrokers(this.#ids());
          if (!sameIds(now, registered)) nextFullAt = 0;
        } else {
          const result = await this.#options.look(this.#ids());
          ({ registered, costMs: fullCostMs } = result);
          this.#note(result);
          nextFullAt = startedAt + fullCostMs * DUTY_FACTOR;
        }
      } catch (error) {
        this.#options.log.debug('fast_look_failed', { error: errorText(error) });
        this.#intervalMs = Math.min(LAST_INTERVAL_MS, this.#intervalMs * GROWTH);
        nextFullAt = 0;
        failed = true;
      }
      const tookMs = this.#options.clock.now() - startedAt;
      // Somebody came or went: what that means for partitions is asked without waiting.
      const brokersChanged = small && !failed && nextFullAt === 0;
      if (!brokersChanged) await this.#pause(Math.max(this.#nextIntervalMs(startedAt, fullCostMs) - tookMs, 0));
    }
    this.#watched.clear();
    // Here and not when the promise settles, so that an event in between begins anew.
    this.#running = undefined;
  }

  /** A change makes the looks frequent again. */
  #note(result: LookResult): void {
    const now = this.#options.clock.now();
    for (const [id, watched] of this.#watched) if (!result.registered.has(id)) watched.left = true;
    if (result.changed) {
      this.#lastChangeAt = now;
      this.#intervalMs = FIRST_INTERVAL_MS;
    } else {
      this.#intervalMs = Math.min(LAST_INTERVAL_MS, this.#intervalMs * GROWTH);
    }
  }

  #nextIntervalMs(now: number, fullCostMs: number): number {
    const { timeoutMs, heartbeatMs } = this.#options.session();
    for (const { since, left } of this.#watched.values()) {
      const from = since + timeoutMs - heartbeatMs - SESSION_EARLY_MS;
      if (left || now >= since + timeoutMs + SESSION_LATE_MS) continue;
      if (now >= from) return FIRST_INTERVAL_MS;
      // Not to sleep through the beginning of the window.
      return Math.min(Math.max(this.#intervalMs, fullCostMs * DUTY_FACTOR), Math.max(from - now, FIRST_INTERVAL_MS));
    }
    return Math.max(this.#intervalMs, fullCostMs * DUTY_FACTOR);
  }

  #finished(): boolean {
    const now = this.#options.clock.now();
    if (now >= this.#until) return true;
    for (const { left } of this.#watched.values()) if (!left) return false;
    return now - this.#lastChangeAt >= QUIET_MS;
  }

  async #pause(pauseMs: number): Promise<void> {
    if (this.#abort.signal.aborted) return;
    this.#wakeUp = new AbortController();
    try {
      await delay(this.#options.clock, pauseMs, this.#wakeUp.signal);
    } catch (error) {
      // A new event, or the stop.
      if (!this.#wakeUp.signal.aborted) throw error;
    }
  }

  #ids(): ReadonlySet<number> {
    return new Set(this.#watched.keys());
  }
}

function sameIds(a: ReadonlySet<number>, b: ReadonlySet<number>): boolean {
  return a.size === b.size && [...a].every((id) => b.has(id));
}

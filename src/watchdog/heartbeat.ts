import type { Clock, Timer } from '../core/clock.ts';
import { errorText } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import type { Meter } from '../core/meter.ts';

/** While nothing has been sent yet it looks so often whether everything works. */
const FIRST_LOOK_MS = 1000;
/** The first retry comes after this part of the interval, each later one after twice as long. */
const RETRY_PART = 0.1;

export interface HeartbeatOptions {
  /** How it goes out, a label: `url` or `watchdog`. */
  readonly way: string;
  /** Where it goes, without a secret, for the log. */
  readonly destination: string;
  readonly everyMs: number;
  /** What keeps Belfry from doing its work, each a sentence; empty: the heartbeat may go out. */
  readonly notWorking: () => readonly string[];
  /** One attempt, which ends by itself; what went wrong, or undefined. Must return soon after the signal is aborted. */
  readonly send: (signal: AbortSignal) => Promise<string | undefined>;
  readonly clock: Clock;
  readonly log: Logger;
  readonly meter: Meter;
}

/**
 * Says at an interval that Belfry works, and says nothing while it does not: whoever listens tells people when it falls
 * silent. What could not be sent is tried again within the interval.
 */
export class Heartbeat {
  readonly #options: HeartbeatOptions;
  readonly #meters: ReturnType<typeof heartbeatMeters>;
  readonly #abort = new AbortController();
  #timer: Timer | undefined;
  #inFlight: Promise<void> = Promise.resolve();
  #startedAt = 0;
  #state: 'new' | 'sent' | 'failed' | 'withheld' = 'new';

  constructor(options: HeartbeatOptions) {
    this.#options = options;
    this.#meters = heartbeatMeters(options.meter, options.way);
  }

  /** Idempotent. */
  start(): void {
    if (this.#timer !== undefined || this.#abort.signal.aborted) return;
    this.#startedAt = this.#options.clock.now();
    this.#arm(0, () => this.#turn());
  }

  /** Cuts off what is on its way. Idempotent. */
  async stop(): Promise<void> {
    this.#timer?.cancel();
    this.#abort.abort(new Error('Belfry is stopping'));
    await this.#inFlight;
  }

  #turn(): void {
    const { clock, everyMs, notWorking } = this.#options;
    const now = clock.now();
    const why = notWorking();
    if (why.length === 0) this.#try(now + everyMs, everyMs * RETRY_PART);
    else if (this.#state === 'new' && now - this.#startedAt < everyMs) this.#arm(Math.min(FIRST_LOOK_MS, everyMs), () => this.#turn());
    else {
      this.#meters.withheld();
      this.#becomes('withheld', { why });
      this.#arm(everyMs, () => this.#turn());
    }
  }

  /** `until`: when the next heartbeat is due; retries come before that only. */
  #try(until: number, retryMs: number): void {
    this.#inFlight = this.#attempt().then((failure) => {
      if (this.#abort.signal.aborted) return;
      const { clock, notWorking } = this.#options;
      const now = clock.now();
      if (failure === undefined) {
        this.#meters.sent(clock.wall());
        this.#becomes('sent', {});
      } else {
        this.#meters.failed();
        this.#becomes('failed', { error: failure });
      }
      const retries = failure !== undefined && now + retryMs < until;
      if (!retries) this.#arm(until - now, () => this.#turn());
      else this.#arm(retryMs, () => (notWorking().length === 0 ? this.#try(until, retryMs * 2) : this.#turn()));
    });
  }

  async #attempt(): Promise<string | undefined> {
    try {
      return await this.#options.send(this.#abort.signal);
    } catch (error) {
      return errorText(error);
    }
  }

  /** Told when it changes, not at every turn. */
  #becomes(state: 'sent' | 'failed' | 'withheld', fields: Readonly<Record<string, unknown>>): void {
    if (state === this.#state) return;
    const { log, way, destination } = this.#options;
    this.#state = state;
    if (state === 'sent') log.info('heartbeat_sent', { way, destination });
    else if (state === 'failed') log.warn('heartbeat_failed', { way, destination, ...fields });
    else log.warn('heartbeat_withheld', { way, destination, ...fields });
  }

  #arm(delayMs: number, run: () => void): void {
    if (this.#abort.signal.aborted) return;
    this.#timer?.cancel();
    this.#timer = this.#options.clock.timer(Math.max(0, delayMs), run, { unref: true });
  }
}

function heartbeatMeters(meter: Meter, way: string) {
  const sent = meter.counter('belfry_heartbeat_sent_total', 'Heartbeats that arrived.', ['way']);
  const failed = meter.counter('belfry_heartbeat_failed_total', 'Attempts to send a heartbeat that failed.', ['way']);
  const withheld = meter.counter('belfry_heartbeat_withheld_total', 'Heartbeats not sent because a part of Belfry did not work.', ['way']);
  const last = meter.gauge('belfry_heartbeat_last_success_timestamp_seconds', 'Unix time of the last heartbeat that arrived.', ['way']);
  // From the first sample on: rules look at increases.
  for (const counter of [sent, failed, withheld]) counter.add(0, { way });
  return {
    sent: (wallMs: number) => {
      sent.add(1, { way });
      last.set(wallMs / 1000, { way });
    },
    failed: () => failed.add(1, { way }),
    withheld: () => withheld.add(1, { way }),
  };
}

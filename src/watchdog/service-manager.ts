import { execFile } from 'node:child_process';
import type { Clock, Timer } from '../core/clock.ts';
import { errorText } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';

/**
 * Node cannot write to systemd's datagram socket. This program of systemd does, with the variables as its arguments; it
 * finds the socket by NOTIFY_SOCKET, which it inherits. No shell is in between.
 */
const PROGRAM = 'systemd-notify';
const SEND_TIMEOUT_MS = 10_000;
/** How often it looks whether Belfry is ready, until it is. */
const LOOK_MS = 250;
/** Not to be ready is told in the status; it is no reason to be ended and started again for ever, while alerts go on. */
const READY_AT_LATEST_MS = 60_000;

export interface ServiceManagerOptions {
  /** What keeps Belfry from its work now, each a sentence; empty: it is ready. */
  readonly notReady: () => readonly string[];
  /** After so long without a word the service manager ends the process (WATCHDOG_USEC); undefined where it does not. */
  readonly watchdogMs: number | undefined;
  readonly clock: Clock;
  readonly log: Logger;
  /** Sends one message of variables; for tests. */
  readonly send?: (variables: readonly string[]) => Promise<void>;
}

/** Tells systemd how Belfry is, as sd_notify(3) does: READY, WATCHDOG, RELOADING, STOPPING, and a status for people. */
export class ServiceManager {
  readonly #options: ServiceManagerOptions;
  readonly #send: (variables: readonly string[]) => Promise<void>;
  #looking: Timer | undefined;
  #pinging: Timer | undefined;
  /** Messages go out one after the other, in the order in which they were said. */
  #sending: Promise<void> = Promise.resolve();
  #isPinging = false;
  #startedAt = 0;
  #isReady = false;
  #isStopping = false;
  #failing = false;

  constructor(options: ServiceManagerOptions) {
    this.#options = options;
    this.#send = options.send ?? notify;
  }

  /** READY=1 as soon as Belfry is ready; WATCHDOG=1 from now on, every half of its time. */
  start(): void {
    const { clock, watchdogMs } = this.#options;
    this.#startedAt = clock.elapsed();
    this.#look();
    if (watchdogMs !== undefined) this.#armPing(watchdogMs / 2);
  }

  reloading(): void {
    if (this.#isReady && !this.#isStopping) this.#say('RELOADING=1', 'STATUS=reading the configuration again');
  }

  reloaded(): void {
    if (this.#isReady && !this.#isStopping) this.#say('READY=1', 'STATUS=watching');
  }

  /** STOPPING=1; resolves when it was said. Nothing is said after it. */
  async stopping(): Promise<void> {
    this.#looking?.cancel();
    this.#pinging?.cancel();
    if (!this.#isStopping) this.#say('STOPPING=1', 'STATUS=stopping');
    this.#isStopping = true;
    await this.#sending;
  }

  #look(): void {
    const { clock, notReady } = this.#options;
    const why = notReady();
    if (why.length > 0 && clock.elapsed() - this.#startedAt < READY_AT_LATEST_MS) {
      this.#looking = clock.timer(LOOK_MS, () => this.#look(), { unref: true });
      return;
    }
    this.#isReady = true;
    this.#say('READY=1', `STATUS=${why.length === 0 ? 'watching' : `not ready: ${why.join('; ')}`}`);
  }

  /** The timer is one of the event loop's: while the loop is held there is no word, and a late one is not sent. */
  #armPing(everyMs: number): void {
    const { clock, log } = this.#options;
    const dueAt = clock.elapsed() + everyMs;
    this.#pinging = clock.timer(
      everyMs,
      () => {
        const lateMs = clock.elapsed() - dueAt;
        if (lateMs > everyMs) log.warn('watchdog_word_withheld', { late_ms: Math.round(lateMs) });
        else this.#ping();
        this.#armPing(everyMs);
      },
      { unref: true },
    );
  }

  #ping(): void {
    // One that has not gone out yet says the same.
    if (this.#isPinging) return;
    this.#isPinging = true;
    this.#say('WATCHDOG=1');
    void this.#sending.then(() => (this.#isPinging = false));
  }

  #say(...variables: readonly string[]): void {
    // A line break would begin another variable.
    const lines = variables.map((variable) => variable.replaceAll(/[\p{Cc}\s]+/gu, ' ').slice(0, 1000));
    this.#sending = this.#sending
      .then(() => this.#send(lines))
      .then(
        () => void (this.#failing = false),
        (error: unknown) => {
          if (!this.#failing) this.#options.log.error('service_manager_not_told', { error: errorText(error) });
          this.#failing = true;
        },
      );
  }
}

function notify(variables: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    execFile(PROGRAM, [...variables], { timeout: SEND_TIMEOUT_MS }, (error) => (error === null ? resolve() : reject(error)));
  });
}

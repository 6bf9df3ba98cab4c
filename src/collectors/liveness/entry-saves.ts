import type { Clock, Timer } from '../../core/clock.ts';
import type { BrokerEntry } from './broker-entry.ts';
import type { KnownBrokers } from './known-brokers.ts';

/** How long what is no verdict may wait for others, so that brokers that answer one after another are one transaction. */
const SOON_MS = 250;

/**
 * Writes what is known of brokers down. A transaction takes as long for thirty brokers as for one, a disk's answer, for which
 * the event loop stands still.
 */
export class EntrySaves {
  readonly #clock: Clock;
  readonly #known: KnownBrokers;
  readonly #waiting = new Set<BrokerEntry>();
  #timer: Timer | undefined;

  constructor(clock: Clock, known: KnownBrokers) {
    this.#clock = clock;
    this.#known = known;
  }

  /** In one transaction, with what waits. */
  now(entries: Iterable<BrokerEntry>): void {
    for (const entry of entries) this.#waiting.add(entry);
    this.flush();
  }

  soon(entry: BrokerEntry): void {
    this.#waiting.add(entry);
    this.#timer ??= this.#clock.timer(SOON_MS, () => this.flush());
  }

  /** Saves what waits. */
  flush(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    if (this.#waiting.size === 0) return;
    const now = this.#clock.now();
    for (const entry of this.#waiting) entry.savedAt = now;
    const states = [...this.#waiting].map(({ state }) => state);
    this.#waiting.clear();
    this.#known.save(states);
  }

  /** It is not one of the brokers any more, or none of them is. */
  forget(entry?: BrokerEntry): void {
    if (entry === undefined) this.#waiting.clear();
    else this.#waiting.delete(entry);
    if (this.#waiting.size > 0) return;
    this.#timer?.cancel();
    this.#timer = undefined;
  }
}

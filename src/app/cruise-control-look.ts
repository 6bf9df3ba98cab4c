import type { Clock, Timer } from '../core/clock.ts';
import { errorText } from '../core/errors.ts';
import { CRUISE_CONTROL_IDLE, cruiseControlState } from '../executor/drivers/cruise-control.ts';
import { JsonClient } from '../executor/json-client.ts';

const INTERVAL_MS = 10_000;
const TIMEOUT_MS = 5000;

export interface CruiseControlLookParts {
  /** Cluster → address of its Cruise Control, as configured now. */
  readonly urls: () => ReadonlyMap<string, string>;
  readonly clock: Clock;
}

/**
 * Asks each configured Cruise Control every ten seconds, and before a lease, whether it executes something: what it moves
 * is nobody else's to touch. One that does not answer may be doing anything.
 */
export class CruiseControlLook {
  readonly #parts: CruiseControlLookParts;
  readonly #busy = new Map<string, string | undefined>();
  #timer: Timer | undefined;
  #stopped = false;

  constructor(parts: CruiseControlLookParts) {
    this.#parts = parts;
  }

  /** What it does, in a few words; undefined where it is idle, or the cluster has none. */
  busy(cluster: string): string | undefined {
    if (!this.#parts.urls().has(cluster)) return undefined;
    return this.#busy.has(cluster) ? this.#busy.get(cluster) : 'it has not been asked yet';
  }

  start(): void {
    const round = async (): Promise<void> => {
      const urls = this.#parts.urls();
      for (const cluster of this.#busy.keys()) if (!urls.has(cluster)) this.#busy.delete(cluster);
      await Promise.all([...urls.keys()].map((cluster) => this.ask(cluster)));
      if (!this.#stopped) this.#timer = this.#parts.clock.timer(INTERVAL_MS, () => void round(), { unref: true });
    };
    void round();
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  /** Never rejects: no answer is an answer, too. */
  async ask(cluster: string): Promise<void> {
    const baseUrl = this.#parts.urls().get(cluster);
    if (baseUrl === undefined) return;
    try {
      const state = await cruiseControlState(new JsonClient({ baseUrl, clock: this.#parts.clock }), TIMEOUT_MS);
      this.#busy.set(cluster, state === CRUISE_CONTROL_IDLE ? undefined : state);
    } catch (error) {
      this.#busy.set(cluster, `not known, as it does not answer (${errorText(error)})`);
    }
  }
}

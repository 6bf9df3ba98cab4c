import type { Clock, Timer } from '../../core/clock.ts';
import type { BrokerAddress, ClusterMetadata, Connector } from '../../kafka/observer.ts';
import type { HandshakePacer } from './handshake-pacer.ts';
import type { LivenessTimings } from './timings.ts';

export interface DiscoveryParts {
  readonly bootstrap: readonly BrokerAddress[];
  readonly connector: Connector;
  readonly clock: Clock;
  readonly timings: LivenessTimings;
  readonly pacer: HandshakePacer;
  readonly random: () => number;
  found(metadata: ClusterMetadata): void;
  /** No bootstrap address gave an answer; `error` is the last one's. */
  failed(error: unknown): void;
}

/**
 * Finds a cluster through its bootstrap addresses: one after the other until one answers, then again with back-off.
 * Runs until `pause`; at the start, and again when no broker answers any more.
 */
export class Discovery {
  readonly #parts: DiscoveryParts;
  #run = 0;
  #active = false;
  #timer: Timer | undefined;
  #failures = 0;

  constructor(parts: DiscoveryParts) {
    this.#parts = parts;
  }

  resume(): void {
    if (this.#active) return;
    this.#active = true;
    this.#run++;
    this.#failures = 0;
    void this.#round(this.#run);
  }

  pause(): void {
    this.#active = false;
    this.#run++;
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  async #round(run: number): Promise<void> {
    const { bootstrap, clock, timings, pacer, random } = this.#parts;
    let last: unknown = new Error('no bootstrap address is configured');
    for (const address of bootstrap) {
      const waitMs = pacer.place();
      if (waitMs > 0) await new Promise<void>((resolve) => void clock.timer(waitMs, resolve, { unref: true }));
      if (run !== this.#run) return;
      try {
        const metadata = await this.#ask(address);
        if (run !== this.#run) return;
        this.pause();
        this.#parts.found(metadata);
        return;
      } catch (error) {
        last = error;
      }
      if (run !== this.#run) return;
    }
    this.#parts.failed(last);
    if (run !== this.#run) return;
    this.#failures++;
    const base = Math.min(timings.backoffMaxMs, timings.backoffMinMs * 2 ** Math.min(this.#failures - 1, 16));
    this.#timer = clock.timer(base * (0.5 + random() / 2), () => void this.#round(run));
  }

  async #ask(address: BrokerAddress): Promise<ClusterMetadata> {
    const { connector, timings } = this.#parts;
    const connection = await connector.connect(address, timings.connectTimeoutMs);
    try {
      return await connection.metadata(undefined, timings.metadataTimeoutMs);
    } finally {
      connection.close();
    }
  }
}

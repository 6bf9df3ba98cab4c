import { connect } from 'node:net';
import type { Clock } from '../../core/clock.ts';
import type { BrokerAddress } from '../../kafka/observer.ts';

/** Resolves once the address has accepted a TCP connection, which is then closed; rejects where it has not in time. */
export type Probe = (address: BrokerAddress, timeoutMs: number) => Promise<void>;

/** The outcome of one round: each reference asked once, at the same time. */
export interface ProbeRound {
  readonly askedAt: number;
  /** By `host:port`. */
  readonly answered: ReadonlyMap<string, boolean>;
}

/** Connects by TCP and closes at once: nothing is said to a reference. */
export function tcpProbe(clock: Clock): Probe {
  return ({ host, port }, timeoutMs) =>
    new Promise((resolve, reject) => {
      const socket = connect({ host, port });
      const timer = clock.timer(timeoutMs, () => socket.destroy(new Error(`no answer within ${timeoutMs} ms`)));
      socket.once('connect', () => {
        timer.cancel();
        socket.destroy();
        resolve();
      });
      socket.once('error', (error) => {
        timer.cancel();
        reject(error);
      });
    });
}

/** Probes the references in rounds that never overlap. */
export class ReferenceProbes {
  readonly #clock: Clock;
  readonly #probe: Probe;
  readonly #references: () => readonly BrokerAddress[];
  readonly #done: (round: ProbeRound) => void;
  #asking = false;
  #lastAskedAt = Number.NEGATIVE_INFINITY;

  constructor(
    parts: { readonly clock: Clock; readonly probe: Probe; readonly references: () => readonly BrokerAddress[] },
    done: (round: ProbeRound) => void,
  ) {
    this.#clock = parts.clock;
    this.#probe = parts.probe;
    this.#references = parts.references;
    this.#done = done;
  }

  /** Begins a round where the last one is over and was asked so long ago. */
  perhaps(everyMs: number, timeoutMs: number): void {
    const now = this.#clock.now();
    const references = this.#references();
    if (this.#asking || references.length === 0 || now - this.#lastAskedAt < everyMs) return;
    this.#asking = true;
    this.#lastAskedAt = now;
    void this.#round(references, now, timeoutMs);
  }

  async #round(references: readonly BrokerAddress[], askedAt: number, timeoutMs: number): Promise<void> {
    const outcomes = await Promise.allSettled(references.map((address) => this.#probe(address, timeoutMs)));
    this.#asking = false;
    const answered = new Map(references.map(({ host, port }, i) => [`${host}:${port}`, outcomes[i]?.status === 'fulfilled']));
    this.#done({ askedAt, answered });
  }
}

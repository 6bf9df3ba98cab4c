import { delay, type Clock } from '../../core/clock.ts';
import { BelfryError, errorText } from '../../core/errors.ts';
import type { Logger } from '../../core/log.ts';
import { Slices } from '../../core/slices.ts';
import type { BrokerAddress, ClusterMetadata, Connector } from '../../kafka/observer.ts';
import { brokerFactsInSlices, type BrokerFacts } from './broker-facts.ts';
import type { HandshakePacer } from './handshake-pacer.ts';
import type { LivenessTimings } from './timings.ts';

type Facts = ReadonlyMap<number, BrokerFacts>;

interface Found {
  readonly metadata: ClusterMetadata;
  readonly facts: Facts;
}

export interface DiscoveryParts {
  readonly bootstrap: readonly BrokerAddress[];
  readonly connector: Connector;
  readonly clock: Clock;
  readonly log: Logger;
  readonly timings: LivenessTimings;
  readonly pacer: HandshakePacer;
  readonly random: () => number;
  found(metadata: ClusterMetadata, facts: Facts): void;
  /** No bootstrap address gave an answer, `times` in a row by now; `error` is the last one's. */
  failed(error: unknown, times: number): void;
}

/**
 * Finds a cluster through its bootstrap addresses: one after the other until one answers, then again with back-off.
 * Runs until `pause` or `settle`; at the start, and again when no broker answers any more.
 */
export class Discovery {
  readonly #parts: DiscoveryParts;
  #abort: AbortController | undefined;
  #inRound = false;
  #isLastRound = false;
  /** By address: the error that has been told. */
  readonly #told = new Map<string, string>();

  constructor(parts: DiscoveryParts) {
    this.#parts = parts;
  }

  resume(): void {
    this.#isLastRound = false;
    if (this.#abort !== undefined) return;
    this.#abort = new AbortController();
    void this.#run(this.#abort.signal);
  }

  /**
   * A broker answers that was found in another way. The round under way is the last one; it still goes on to the first
   * address that answers, so that those before it are named.
   */
  settle(): void {
    if (this.#inRound) this.#isLastRound = true;
    else this.pause();
  }

  pause(): void {
    this.#abort?.abort();
    this.#abort = undefined;
    this.#inRound = false;
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { clock, timings, random } = this.#parts;
    try {
      for (let failures = 0; ; failures++) {
        this.#inRound = true;
        const outcome = await this.#round(signal);
        if (signal.aborted) return;
        this.#inRound = false;
        if ('metadata' in outcome || this.#isLastRound) {
          this.pause();
          if ('metadata' in outcome) this.#parts.found(outcome.metadata, outcome.facts);
          return;
        }
        this.#parts.failed(outcome.error, failures + 1);
        const base = Math.min(timings.backoffMaxMs, timings.backoffMinMs * 2 ** Math.min(failures, 16));
        await delay(clock, base * (0.5 + random() / 2), signal);
      }
    } catch (error) {
      // An aborted wait is how a pause ends it.
      if (!signal.aborted) this.#parts.failed(error, 1);
    }
  }

  async #round(signal: AbortSignal): Promise<Found | { error: unknown }> {
    const { bootstrap, clock, pacer } = this.#parts;
    let error: unknown = new Error('no bootstrap address is configured');
    const failures: { readonly address: BrokerAddress; readonly error: unknown }[] = [];
    for (const address of bootstrap) {
      const waitMs = pacer.place();
      if (waitMs > 0) await delay(clock, waitMs, signal);
      try {
        const found = await this.#ask(address, signal);
        for (const failed of failures) this.#passOver(failed.address, failed.error);
        return found;
      } catch (failure) {
        error = failure;
        failures.push({ address, error });
      }
      if (signal.aborted) break;
    }
    return { error };
  }

  /** An address that gave no answer while another one did is said once, as long as its error is the same. */
  #passOver({ host, port }: BrokerAddress, failure: unknown): void {
    const [address, error] = [`${host}:${port}`, errorText(failure)];
    if (this.#told.get(address) === error) return;
    this.#told.set(address, error);
    this.#parts.log.warn('liveness_bootstrap_address_failed', { address, error });
  }

  async #ask(address: BrokerAddress, signal: AbortSignal): Promise<Found> {
    const { clock, connector, timings } = this.#parts;
    const connection = await connector.connect(address, timings.connectTimeoutMs);
    const close = (): void => connection.close();
    signal.addEventListener('abort', close, { once: true });
    try {
      if (signal.aborted) throw new BelfryError('STOPPING', 'the search was called off');
      const metadata = await connection.metadata(undefined, timings.metadataTimeoutMs);
      const slices = new Slices(clock);
      // To decode it, to count and to take it in are three pieces of work.
      await slices.pause();
      const facts = await brokerFactsInSlices(metadata, slices);
      await slices.pause();
      return { metadata, facts };
    } finally {
      signal.removeEventListener('abort', close);
      close();
    }
  }
}

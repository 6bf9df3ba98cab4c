import { delay, type Clock } from '../../core/clock.ts';
import { BelfryError } from '../../core/errors.ts';
import type { BrokerAddress, BrokerConnection, Connector, MetadataBroker } from '../../kafka/observer.ts';

/**
 * What a connection is for; each broker has at most one of each. `health` carries Metadata alone, so that nothing
 * delays the news of a lost leader. `control` carries what a broker forwards to the controller, and may hang with it.
 * `lag` carries the heavy and patient work.
 */
export type Purpose = 'health' | 'control' | 'lag';

const FIRST_RECONNECT_MS = 100;
const LAST_RECONNECT_MS = 5000;
const AFTER_AUTH_FAILURE_MS = 60_000;

/** The line in which new connections to one cluster wait. */
export interface HandshakeLine {
  /** Takes the next place. Milliseconds until its turn; who cannot wait takes one all the same, for those behind to wait. */
  place(): number;
}

export interface BrokerPoolOptions {
  readonly connector: Connector;
  readonly clock: Clock;
  readonly bootstrap: readonly BrokerAddress[];
  readonly addresses: ReadonlyMap<number, BrokerAddress>;
  readonly connectTimeoutMs: number;
  readonly random: () => number;
  readonly line: HandshakeLine;
}

interface Retry {
  waitMs: number;
  notBefore: number;
  error: unknown;
}

interface Held {
  readonly opening: Promise<BrokerConnection>;
  connection: BrokerConnection | undefined;
}

/** The held connections to the brokers of one cluster, made when they are first needed and again after they broke. */
export class BrokerPool {
  readonly #options: BrokerPoolOptions;
  readonly #open = new Map<string, Held>();
  readonly #retries = new Map<string, Retry>();
  #brokers = new Map<number, BrokerAddress>();
  readonly #abort = new AbortController();

  constructor(options: BrokerPoolOptions) {
    this.#options = options;
  }

  /** The brokers of the newest Metadata; connections to those that moved or left are closed. */
  setBrokers(brokers: readonly MetadataBroker[]): void {
    const next = new Map<number, BrokerAddress>();
    for (const { id, host, port } of brokers) next.set(id, this.#options.addresses.get(id) ?? { host, port });
    for (const [id, address] of this.#brokers) {
      if (nameOf(address) === nameOf(next.get(id))) continue;
      for (const purpose of ['health', 'control', 'lag'] as const) this.#discardKey(keyOf(id, purpose));
    }
    this.#brokers = next;
  }

  get brokerIds(): readonly number[] {
    return [...this.#brokers.keys()];
  }

  get bootstrapCount(): number {
    return this.#options.bootstrap.length;
  }

  /** The held connection to a broker. Rejects at once while the broker is not to be tried again yet. */
  connection(brokerId: number, purpose: Purpose): Promise<BrokerConnection> {
    const address = this.#brokers.get(brokerId);
    if (address === undefined) return Promise.reject(new BelfryError('KAFKA_UNREACHABLE', `broker ${brokerId} is not in the metadata`));
    return this.#get(keyOf(brokerId, purpose), address, purpose === 'lag');
  }

  /** A connection to one of the configured addresses, for when no broker is known or none can be reached. */
  bootstrapConnection(index: number): Promise<BrokerConnection> {
    const address = this.#options.bootstrap[index];
    if (address === undefined) return Promise.reject(new BelfryError('KAFKA_UNREACHABLE', 'no bootstrap address'));
    return this.#get(`bootstrap/${index}`, address, false);
  }

  /** Whether a connection of this purpose is held, so that asking costs no handshake. */
  holds(brokerId: number, purpose: Purpose): boolean {
    return this.#open.has(keyOf(brokerId, purpose));
  }

  /** Ends every connection and refuses new ones. */
  close(): void {
    this.#abort.abort(new BelfryError('STOPPING', 'the collector is stopping'));
    for (const key of this.#open.keys()) this.#discardKey(key);
  }

  /** Ends a held connection, such as after a request on it timed out. */
  discard(brokerId: number, purpose: Purpose): void {
    this.#discardKey(keyOf(brokerId, purpose));
  }

  closeBootstrap(): void {
    for (const key of this.#open.keys()) if (key.startsWith('bootstrap/')) this.#discardKey(key);
  }

  #get(key: string, address: BrokerAddress, patient: boolean): Promise<BrokerConnection> {
    if (this.#abort.signal.aborted) return Promise.reject(new BelfryError('STOPPING', 'the collector is stopping'));
    const held = this.#open.get(key);
    if (held !== undefined) return held.opening;
    const retry = this.#retries.get(nameOf(address));
    if (retry !== undefined && this.#options.clock.now() < retry.notBefore) {
      const { error } = retry;
      return Promise.reject(error instanceof Error ? error : new BelfryError('KAFKA_UNREACHABLE', nameOf(address), { cause: error }));
    }
    const opening = this.#connect(address, patient);
    const holding: Held = { opening, connection: undefined };
    this.#open.set(key, holding);
    opening.then(
      (connection) => this.#hold(key, holding, connection),
      () => this.#forget(key, holding),
    );
    return opening;
  }

  #hold(key: string, holding: Held, connection: BrokerConnection): void {
    holding.connection = connection;
    void connection.ended.then(() => this.#forget(key, holding));
    // It was given up while it was being made.
    if (this.#open.get(key) !== holding) connection.close();
  }

  #forget(key: string, holding: Held): void {
    if (this.#open.get(key) === holding) this.#open.delete(key);
  }

  async #connect(address: BrokerAddress, patient: boolean): Promise<BrokerConnection> {
    const { clock, connector, connectTimeoutMs, line } = this.#options;
    try {
      const waitMs = line.place();
      if (patient && waitMs > 0) await delay(clock, waitMs, this.#abort.signal);
      this.#abort.signal.throwIfAborted();
      const connection = await connector.connect(address, connectTimeoutMs);
      this.#retries.delete(nameOf(address));
      return connection;
    } catch (error) {
      this.#retries.set(nameOf(address), this.#nextRetry(nameOf(address), error, clock.now()));
      throw error;
    }
  }

  #nextRetry(name: string, error: unknown, now: number): Retry {
    if (error instanceof BelfryError && error.code === 'KAFKA_AUTH_FAILED') {
      return { waitMs: FIRST_RECONNECT_MS, notBefore: now + AFTER_AUTH_FAILURE_MS, error };
    }
    const before = this.#retries.get(name);
    const waitMs = before === undefined ? FIRST_RECONNECT_MS : Math.min(LAST_RECONNECT_MS, before.waitMs * 2);
    // Half of the wait is fixed, half is chance, so that many watchers do not come back at one instant.
    return { waitMs, notBefore: now + waitMs * (0.5 + 0.5 * this.#options.random()), error };
  }

  #discardKey(key: string): void {
    const held = this.#open.get(key);
    this.#open.delete(key);
    held?.connection?.close();
  }
}

function keyOf(brokerId: number, purpose: Purpose): string {
  return `${brokerId}/${purpose}`;
}

function nameOf(address: BrokerAddress | undefined): string {
  return address === undefined ? '' : `${address.host}:${address.port}`;
}

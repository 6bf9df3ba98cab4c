import { delay, type Clock } from '../../core/clock.ts';
import { BelfryError, type ErrorCode } from '../../core/errors.ts';
import type { AdminConnection, AdminConnector } from '../../kafka/admin-connection.ts';
import type { BrokerAddress } from '../../kafka/observer.ts';

export interface SessionOptions {
  readonly connector: AdminConnector;
  readonly bootstrap: readonly BrokerAddress[];
  /** Instead of what brokers advertise, by broker id. */
  readonly addresses?: ReadonlyMap<number, BrokerAddress>;
  readonly clock: Clock;
}

/** Of one request, and of one connect. */
export const REQUEST_TIMEOUT_MS = 10_000;
const CONNECT_TIMEOUT_MS = 3000;
const ROUNDS = 3;
const PAUSE_MS = 500;
/** Another broker, or the same one a moment later, may do it. Every request here may be sent twice. */
const ELSEWHERE: ReadonlySet<ErrorCode> = new Set(['KAFKA_UNREACHABLE', 'KAFKA_TIMEOUT', 'KAFKA_REFUSED']);

/** The connections of one run, one a broker at most; a broker that went away is left for another. */
export class AdminSession {
  readonly #options: SessionOptions;
  readonly #open = new Map<string, AdminConnection>();
  readonly #known: Map<number, BrokerAddress>;

  /** Sessions with different credentials may share what is known of the brokers. */
  constructor(options: SessionOptions, known = new Map<number, BrokerAddress>()) {
    this.#options = options;
    this.#known = known;
  }

  /** Where the brokers are, as Metadata told. */
  learn(brokers: readonly (BrokerAddress & { readonly id: number })[]): void {
    const { addresses } = this.#options;
    this.#known.clear();
    for (const { id, host, port } of brokers) this.#known.set(id, addresses?.get(id) ?? { host, port });
  }

  /** Asks one broker after the other until one answers. Rejects with the last error, or at once with one that all would give. */
  async ofAny<T>(work: (connection: AdminConnection) => Promise<T>): Promise<T> {
    const open = [...this.#open.values()].map(({ address }) => address);
    const all = [...open, ...this.#known.values(), ...this.#options.bootstrap];
    return this.#tryEach([...new Map(all.map((address) => [keyOf(address), address])).values()], work);
  }

  /** Asks this very broker. */
  async of<T>(brokerId: number, work: (connection: AdminConnection) => Promise<T>): Promise<T> {
    const address = this.#known.get(brokerId);
    if (address === undefined) throw new BelfryError('KAFKA_UNREACHABLE', `broker ${brokerId} is not among those that are alive`);
    return this.#tryEach([address], work);
  }

  pause(delayMs: number): Promise<void> {
    return delay(this.#options.clock, delayMs);
  }

  close(): void {
    for (const connection of this.#open.values()) connection.close();
    this.#open.clear();
  }

  async #tryEach<T>(addresses: readonly BrokerAddress[], work: (connection: AdminConnection) => Promise<T>): Promise<T> {
    let last: unknown = new BelfryError('KAFKA_UNREACHABLE', 'no broker is known');
    for (let round = 0; round < ROUNDS; round++) {
      if (round > 0) await delay(this.#options.clock, PAUSE_MS);
      for (const address of addresses) {
        try {
          return await work(await this.#connection(address));
        } catch (error) {
          if (!(error instanceof BelfryError) || !ELSEWHERE.has(error.code)) throw error;
          last = error;
        }
      }
    }
    throw last;
  }

  async #connection(address: BrokerAddress): Promise<AdminConnection> {
    const key = keyOf(address);
    const open = this.#open.get(key);
    if (open !== undefined) return open;
    const connection = await this.#options.connector.connect(address, CONNECT_TIMEOUT_MS);
    this.#open.set(key, connection);
    void connection.ended.then(() => {
      if (this.#open.get(key) === connection) this.#open.delete(key);
    });
    return connection;
  }
}

function keyOf({ host, port }: BrokerAddress): string {
  return `${host}:${port}`;
}

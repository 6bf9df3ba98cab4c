import { BelfryError } from '../../core/errors.ts';
import type { BrokerConnection } from '../../kafka/observer.ts';
import { asError } from './as-error.ts';
import type { BrokerPool, Purpose } from './pool.ts';

/** Brokers tried for one request before the collection has failed. */
const MAX_ATTEMPTS = 4;

/** Errors in which a broker gave its word: another broker would say the same. */
const ANSWERS: ReadonlySet<string> = new Set(['KAFKA_REFUSED', 'KAFKA_UNSUPPORTED', 'KAFKA_PERMISSION_MISSING', 'STOPPING']);

/** Whether a broker has refused in so many words; its connection is as good as before. */
export function isBrokersWord(error: unknown): boolean {
  return error instanceof BelfryError && ANSWERS.has(error.code);
}

/** Chooses whom to ask: one broker at a time, the same one while it answers, known dead ones last. */
export class Survivors {
  readonly #pool: BrokerPool;
  readonly #downIds: () => ReadonlySet<number>;
  readonly #preferred = new Map<Purpose, number>();

  constructor(pool: BrokerPool, downIds: () => ReadonlySet<number>) {
    this.#pool = pool;
    this.#downIds = downIds;
  }

  /** The broker that this purpose was last served by. */
  preferred(purpose: Purpose): number | undefined {
    return this.#preferred.get(purpose);
  }

  /** Settles whom Metadata will be asked of, after a bootstrap address has told which brokers there are. */
  settleHealth(): void {
    const [first] = this.#pool.brokerIds;
    if (this.#preferred.has('health') || first === undefined) return;
    this.#preferred.set('health', first);
    // Held on, it would be a fourth connection to that broker.
    this.#pool.closeBootstrap();
  }

  /**
   * Does the work on one broker's connection; when that breaks or times out, on the next one's. Rejects with the last
   * error, or at once with an error that another broker would only repeat.
   */
  async ask<T>(purpose: Purpose, avoid: ReadonlySet<number>, work: (connection: BrokerConnection) => Promise<T>): Promise<T> {
    let lastError: unknown = new BelfryError('KAFKA_UNREACHABLE', 'no broker is known');
    for (const brokerId of this.candidates(purpose, avoid).slice(0, MAX_ATTEMPTS)) {
      try {
        const result = await work(await this.#pool.connection(brokerId, purpose));
        this.#prefer(purpose, brokerId);
        return result;
      } catch (error) {
        if (isBrokersWord(error)) throw error;
        // After a time-out the answer would still come and hold up the next request.
        this.#pool.discard(brokerId, purpose);
        lastError = error;
      }
    }
    if (purpose !== 'health') throw asError(lastError);
    return this.#askBootstrap(work, lastError);
  }

  /** Connections that are not needed any more are not held: a broker has at most three from here and from liveness. */
  #prefer(purpose: Purpose, brokerId: number): void {
    const before = this.#preferred.get(purpose);
    this.#preferred.set(purpose, brokerId);
    if (purpose === 'lag') return;
    if (before !== undefined && before !== brokerId) this.#pool.discard(before, purpose);
    if (purpose === 'health') {
      this.#pool.closeBootstrap();
      if (this.#preferred.get('control') === brokerId) this.#pool.discard(brokerId, 'control');
    }
  }

  async #askBootstrap<T>(work: (connection: BrokerConnection) => Promise<T>, firstError: unknown): Promise<T> {
    let lastError = firstError;
    for (let index = 0; index < this.#pool.bootstrapCount; index++) {
      try {
        return await work(await this.#pool.bootstrapConnection(index));
      } catch (error) {
        if (isBrokersWord(error)) throw error;
        lastError = error;
      }
    }
    throw asError(lastError);
  }

  /**
   * Whom to ask first: the one that answered last, not one known to be down, and one to be avoided last of all. The
   * broker that serves Metadata is no candidate for `control`, so that it never has more than three connections.
   */
  candidates(purpose: Purpose, avoid: ReadonlySet<number>): number[] {
    const down = this.#downIds();
    const preferred = this.#preferred.get(purpose);
    const excluded = purpose === 'control' ? this.#preferred.get('health') : undefined;
    const rank = (id: number): number => (avoid.has(id) ? 8 : 0) + (down.has(id) ? 4 : 0) + (id === preferred ? 0 : 1);
    return this.#pool.brokerIds.filter((id) => id !== excluded).toSorted((a, b) => rank(a) - rank(b));
  }
}

/** What has arrived somewhere, in order, with the one way to wait for it: tests never sleep. */
export class Arrivals<T> {
  readonly #items: T[] = [];
  readonly #waiters = new Set<() => void>();

  /** All that has arrived, oldest first. */
  get all(): readonly T[] {
    return this.#items;
  }

  /** A mark in time, for `since` of `next`. */
  get count(): number {
    return this.#items.length;
  }

  add(item: T): void {
    this.#items.push(item);
    for (const wake of this.#waiters) wake();
  }

  clear(): void {
    this.#items.length = 0;
  }

  /**
   * The first item, arrived or still to come, that satisfies `predicate`; items before the mark `since` are passed over.
   * Throws after `timeoutMs` (default 30 s), saying what did arrive, and when `signal` is aborted.
   */
  next(predicate: (item: T) => boolean = () => true, { timeoutMs = 30_000, since = 0, signal }: NextOptions = {}): Promise<T> {
    let seen = since;
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        clearTimeout(timer);
        this.#waiters.delete(look);
        reject(new Error('nobody waits for it any more'));
      };
      const look = (): void => {
        for (; seen < this.#items.length; seen += 1) {
          const item = this.#items[seen];
          if (item === undefined || !predicate(item)) continue;
          clearTimeout(timer);
          this.#waiters.delete(look);
          signal?.removeEventListener('abort', onAbort);
          resolve(item);
          return;
        }
      };
      const timer = setTimeout(() => {
        this.#waiters.delete(look);
        signal?.removeEventListener('abort', onAbort);
        const arrived = this.#items.slice(since).map((item) => JSON.stringify(item).slice(0, 300));
        reject(new Error(`nothing of that kind within ${timeoutMs} ms; arrived (${arrived.length}): ${arrived.slice(-5).join(' | ')}`));
      }, timeoutMs);
      this.#waiters.add(look);
      signal?.addEventListener('abort', onAbort, { once: true });
      look();
    });
  }
}

export interface NextOptions {
  timeoutMs?: number;
  /** A `count` of before: only what arrived after it is looked at. */
  since?: number;
  signal?: AbortSignal;
}

/** Time of arrival: wall clock, ms since the epoch, with the fractions of a monotonic clock. */
export function arrivalTime(): number {
  return performance.timeOrigin + performance.now();
}

import { BelfryError } from '../../core/errors.ts';

/**
 * The memory that pages take while they are read, over all targets: each has its first `smallBytes` for nothing; a page
 * that is larger waits until it is among the `places` that may be so at the same time. All exporters turning huge at
 * once are then read one after the other, or not in time, while the small pages of the others go on.
 */
export class LargePages {
  readonly smallBytes: number;
  #free: number;
  readonly #waiting = new Set<() => void>();

  constructor({ smallBytes, places }: { readonly smallBytes: number; readonly places: number }) {
    this.smallBytes = smallBytes;
    this.#free = places;
  }

  /** For one page; `release` it when the page has been read and parsed. */
  begin(signal: AbortSignal): PagePlace {
    return new PagePlace(this, signal);
  }

  /** Resolves when there is a place; `SCRAPE_TIMEOUT` when the signal comes first. In the order of the calls. */
  async take(signal: AbortSignal): Promise<void> {
    if (this.#free > 0) {
      this.#free--;
      return;
    }
    await new Promise<void>((resolve, reject) => {
      const abort = (): void => {
        this.#waiting.delete(given);
        reject(new BelfryError('SCRAPE_TIMEOUT', 'waited in vain for other large pages to be read', { cause: signal.reason }));
      };
      const given = (): void => {
        signal.removeEventListener('abort', abort);
        resolve();
      };
      if (signal.aborted) abort();
      else {
        signal.addEventListener('abort', abort, { once: true });
        this.#waiting.add(given);
      }
    });
  }

  give(): void {
    const [next] = this.#waiting;
    if (next === undefined) this.#free++;
    else {
      this.#waiting.delete(next);
      next();
    }
  }
}

/** What one page holds of it. */
export class PagePlace {
  readonly #pages: LargePages;
  readonly #signal: AbortSignal;
  #taken = false;

  constructor(pages: LargePages, signal: AbortSignal) {
    this.#pages = pages;
    this.#signal = signal;
  }

  /** Call before more than `sizeBytes` of the page are kept. */
  async grown(sizeBytes: number): Promise<void> {
    if (this.#taken || sizeBytes <= this.#pages.smallBytes) return;
    await this.#pages.take(this.#signal);
    this.#taken = true;
  }

  /** Idempotent. */
  release(): void {
    if (this.#taken) this.#pages.give();
    this.#taken = false;
  }
}

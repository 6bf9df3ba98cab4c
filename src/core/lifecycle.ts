import { BelfryError, errorText } from './errors.ts';
import type { Clock } from './clock.ts';

interface NamedRelease {
  readonly name: string;
  readonly release: () => Promise<void> | void;
}

/**
 * What has been acquired, to be let go in reverse. A resource registers its release on the line after it exists, so
 * that a failed start and an ordered stop take the same way down.
 */
export class Lifecycle {
  readonly #releases: NamedRelease[] = [];
  #stopping: Promise<void> | undefined;

  /** Registers a release. One that is registered after the stop began is an error of the caller. */
  onStop(name: string, release: () => Promise<void> | void): void {
    if (this.#stopping !== undefined) throw new BelfryError('STOPPING', `cannot acquire ${name}: already stopping`);
    this.#releases.push({ name, release });
  }

  get stopping(): boolean {
    return this.#stopping !== undefined;
  }

  /**
   * Releases everything, last acquired first, within one deadline for all. Idempotent: later calls share the first.
   * Rejects with one error that names every release that failed or did not end in time.
   */
  stop(clock: Clock, timeoutMs: number): Promise<void> {
    this.#stopping ??= this.#release(clock, timeoutMs);
    return this.#stopping;
  }

  async #release(clock: Clock, timeoutMs: number): Promise<void> {
    const deadline = clock.elapsed() + timeoutMs;
    const failures: string[] = [];
    for (const { name, release } of this.#releases.toReversed()) {
      try {
        await within(clock, Math.max(50, deadline - clock.elapsed()), async () => release());
      } catch (error) {
        failures.push(`${name}: ${errorText(error)}`);
      }
    }
    if (failures.length > 0) throw new BelfryError('INTERNAL', `not stopped cleanly: ${failures.join('; ')}`);
  }
}

/** The work's result, or a rejection when the time is over first. The work itself is not cut off. */
export async function within<T>(clock: Clock, timeoutMs: number, work: () => Promise<T>): Promise<T> {
  let cancel = (): void => undefined;
  const overdue = new Promise<never>((_, reject) => {
    const timer = clock.timer(timeoutMs, () => reject(new BelfryError('INTERNAL', `not done within ${Math.round(timeoutMs)} ms`)));
    cancel = () => timer.cancel();
  });
  try {
    return await Promise.race([work(), overdue]);
  } finally {
    cancel();
  }
}

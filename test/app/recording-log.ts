import type { LogFields, Logger } from '../../src/core/log.ts';

/** Keeps why things ended, by event, and lets a test wait for the next one. */
export class RecordingLog implements Logger {
  readonly #events: { readonly event: string; readonly why: string }[] = [];
  readonly #waiting = new Map<string, (why: string) => void>();

  debug(): void {
    // Nobody asks.
  }

  info(event: string, fields: LogFields = {}): void {
    const why = typeof fields['why'] === 'string' ? fields['why'] : '';
    this.#events.push({ event, why });
    this.#waiting.get(event)?.(why);
    this.#waiting.delete(event);
  }

  warn(event: string, fields?: LogFields): void {
    this.info(event, fields);
  }

  error(event: string, fields?: LogFields): void {
    this.info(event, fields);
  }

  child(): Logger {
    return this;
  }

  /** The reasons of all so far. */
  events(event: string): readonly string[] {
    return this.#events.filter((one) => one.event === event).map(({ why }) => why);
  }

  /** The reason of the next one. */
  next(event: string): Promise<string> {
    return new Promise((resolve) => this.#waiting.set(event, resolve));
  }
}

import type { Logger } from '../../src/core/log.ts';
import type { Meter } from '../../src/core/meter.ts';

/** Keeps the present value of each series, as `name{label,…}`. */
export class RecordingMeter implements Meter {
  readonly values = new Map<string, number>();

  counter(name: string) {
    return {
      add: (by: number, labels?: Readonly<Record<string, string>>) => {
        const key = keyOf(name, labels);
        this.values.set(key, (this.values.get(key) ?? 0) + by);
      },
    };
  }

  gauge(name: string) {
    return {
      set: (value: number, labels?: Readonly<Record<string, string>>) => void this.values.set(keyOf(name, labels), value),
      remove: (labels: Readonly<Record<string, string>>) => void this.values.delete(keyOf(name, labels)),
    };
  }

  histogram() {
    return { observe: () => undefined };
  }

  /** All series of names that begin so. */
  of(prefix: string): Record<string, number> {
    return Object.fromEntries([...this.values].filter(([key]) => key.startsWith(prefix)).toSorted(([a], [b]) => a.localeCompare(b)));
  }
}

function keyOf(name: string, labels: Readonly<Record<string, string>> = {}): string {
  return `${name}{${Object.values(labels).join(',')}}`;
}

/** Keeps every line as JSON. */
export class RecordingLogger implements Logger {
  readonly lines: string[] = [];
  debug = (event: string, fields?: object): void => this.#add('debug', event, fields);
  info = (event: string, fields?: object): void => this.#add('info', event, fields);
  warn = (event: string, fields?: object): void => this.#add('warn', event, fields);
  error = (event: string, fields?: object): void => this.#add('error', event, fields);
  child = (): Logger => this;

  #add(level: string, event: string, fields: object = {}): void {
    this.lines.push(JSON.stringify({ level, event, ...fields }));
  }
}

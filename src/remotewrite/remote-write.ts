import type { Meter } from '../core/meter.ts';
import { Secret } from '../core/secret.ts';
import { Destination, type DestinationParts, positionKey } from './destination.ts';
import { createMeters } from './meters.ts';
import type { RemoteWriteOptions } from './schema.ts';

/** How long a destination that changes or goes may take to be told the rest. */
const STOP_MS = 2000;

/** All destinations. Those that a new configuration leaves as they are notice nothing of it. */
export class RemoteWrite {
  readonly #parts: DestinationParts;
  readonly #running = new Map<string, { readonly key: string; readonly destination: Destination }>();

  constructor({ meter, ...parts }: Omit<DestinationParts, 'meters'> & { readonly meter: Meter }) {
    this.#parts = { ...parts, meters: createMeters(meter) };
  }

  /** Sends to these from now on. One of a known name goes on where that was; where one that has gone was is forgotten. */
  async replace(destinations: readonly RemoteWriteOptions[]): Promise<void> {
    const wanted = new Map(destinations.map((options) => [options.name, options]));
    const changed = [...this.#running].filter(([name, { key }]) => {
      const options = wanted.get(name);
      return options === undefined || keyOf(options) !== key;
    });
    await Promise.all(changed.map(([, { destination }]) => destination.stop(STOP_MS)));
    for (const [name] of changed) this.#running.delete(name);
    for (const key of this.#parts.positions.load().keys()) {
      if (key.startsWith(positionKey('')) && !wanted.has(key.slice(positionKey('').length))) this.#parts.positions.delete(key);
    }
    for (const options of destinations) {
      if (this.#running.has(options.name)) continue;
      this.#running.set(options.name, { key: keyOf(options), destination: new Destination(options, this.#parts) });
    }
  }

  /** Tells every destination the rest, and keeps where each is. */
  async stop(): Promise<void> {
    await Promise.all([...this.#running.values()].map(({ destination }) => destination.stop(STOP_MS)));
    this.#running.clear();
  }
}

/** Equal for equal options, secrets included; it stays in memory. */
function keyOf(options: RemoteWriteOptions): string {
  const reveal = (value: unknown): unknown => {
    if (value instanceof Secret) return ['secret', value.reveal()];
    if (Array.isArray(value)) return value.map(reveal);
    return typeof value === 'object' && value !== null ? Object.entries(value).map(([name, inner]) => [name, reveal(inner)]) : value;
  };
  return JSON.stringify(reveal(options));
}

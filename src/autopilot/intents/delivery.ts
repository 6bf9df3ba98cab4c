import { isEnded, type Intent } from '../../core/autopilot.ts';
import type { Clock } from '../../core/clock.ts';
import type { Logger } from '../../core/log.ts';
import type { Meter } from '../../core/meter.ts';
import type { IntentEvent, IntentPublisher } from '../ports.ts';
import { publishMetrics, PublisherLane, type PublishMetrics } from './publisher-lane.ts';

export interface DeliveryOptions {
  readonly book: {
    all(): readonly Intent[];
    on(listener: (event: IntentEvent) => void): () => void;
  };
  /** Those of the configuration that holds now; asked again by `refresh`. */
  readonly publishers: () => readonly IntentPublisher[];
  readonly clock: Clock;
  readonly log: Logger;
  readonly meter: Meter;
}

/**
 * Tells every publisher of each intent that may be leased, and of what becomes of it. Kept in memory: at a start all that is
 * active is told again, which readers recognise by the event's id.
 */
export class Delivery {
  readonly #options: DeliveryOptions;
  readonly #metrics: PublishMetrics;
  readonly #lanes = new Map<IntentPublisher, PublisherLane>();
  /** Intents that were told of as open: their readers hear the rest as well. */
  readonly #told = new Set<string>();
  #unsubscribe: (() => void) | undefined;
  #stopped = false;

  constructor(options: DeliveryOptions) {
    this.#options = options;
    this.#metrics = publishMetrics(options.meter);
  }

  start(): void {
    if (this.#unsubscribe !== undefined || this.#stopped) return;
    this.#unsubscribe = this.#options.book.on(({ intent }) => this.#tell(intent));
    for (const intent of this.#options.book.all()) if (isWorthTelling(intent)) this.#told.add(intent.id);
    this.refresh();
  }

  /**
   * Takes up the publishers that a reload has made, which are told of all that is active, and lets go of the others. Who made
   * a publisher closes it.
   */
  refresh(): void {
    if (this.#unsubscribe === undefined || this.#stopped) return;
    const wanted = new Set(this.#options.publishers());
    for (const [publisher, lane] of this.#lanes) {
      if (wanted.has(publisher)) continue;
      this.#lanes.delete(publisher);
      void lane.stop();
    }
    for (const publisher of wanted) {
      if (this.#lanes.has(publisher)) continue;
      const lane = new PublisherLane(publisher, this.#options, this.#metrics);
      this.#lanes.set(publisher, lane);
      for (const intent of this.#options.book.all()) if (isWorthTelling(intent)) lane.add(intent);
    }
  }

  /** Ends at once: what was not told is told at the next start, as far as it is active then. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#unsubscribe?.();
    await Promise.all([...this.#lanes.values()].map((lane) => lane.stop()));
    this.#lanes.clear();
  }

  /** A sentence for each of these clusters whose intents would travel by that very cluster and no other way, polling apart. */
  warnings(clusters: readonly string[]): readonly string[] {
    const publishers = this.#options.publishers();
    if (publishers.length === 0) return [];
    return clusters
      .filter((cluster) => publishers.every((publisher) => publisher.cluster === cluster))
      .map(
        (cluster) =>
          `intents for ${cluster} are published only on ${cluster} itself: in trouble they may not arrive; executors can still poll`,
      );
  }

  #tell(intent: Intent): void {
    if (intent.state === 'open') this.#told.add(intent.id);
    else if (!this.#told.has(intent.id)) return;
    for (const lane of this.#lanes.values()) lane.add(intent);
    if (isEnded(intent.state)) this.#told.delete(intent.id);
  }
}

/** Executors have heard of it, or are to: it is open, or was. What was blocked again is told to nobody anew. */
function isWorthTelling({ state }: Intent): boolean {
  return state === 'open' || state === 'leased' || state === 'running' || state === 'unknown';
}

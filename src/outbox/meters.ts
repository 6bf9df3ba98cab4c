import type { Counter, Gauge, Histogram, Meter } from '../core/meter.ts';
import type { OutboxRow } from '../core/state.ts';

/** The outbox's own metrics. */
export class OutboxMeters {
  readonly #size: Gauge;
  readonly #age: Gauge;
  readonly #outcomes: Counter;
  readonly #seconds: Histogram;
  readonly #dropped: Counter;
  readonly #dead: Gauge;
  readonly #failing: Gauge;
  readonly #marked = new Map<string, Pick<OutboxRow, 'receiver' | 'integration' | 'index'>>();

  constructor(meter: Meter) {
    this.#size = meter.gauge('belfry_outbox_messages', 'Messages that wait or are on their way');
    this.#age = meter.gauge('belfry_outbox_oldest_age_seconds', 'Age of the oldest of them');
    this.#outcomes = meter.counter('belfry_outbox_deliveries_total', 'Attempts by what came of them', ['integration', 'outcome']);
    this.#seconds = meter.histogram(
      'belfry_outbox_delivery_seconds',
      'From the decision to the delivery',
      [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60, 600, 3600],
      ['integration'],
    );
    this.#dropped = meter.counter('belfry_outbox_dropped_total', 'Messages dropped before any attempt', ['reason']);
    // From the first sample on: a rule looks at its increase.
    this.#dropped.add(0, { reason: 'full' });
    this.#dead = meter.gauge('belfry_outbox_dead_destination', '1 after a message was given up, until one is delivered there', [
      'receiver',
      'integration',
    ]);
    this.#failing = meter.gauge(
      'belfry_outbox_destination_failing',
      '1 since an attempt failed and is tried again, 0 once one ended otherwise',
      ['receiver', 'integration'],
    );
  }

  size(messages: number): void {
    this.#size.set(messages);
  }

  age(oldestAgeMs: number): void {
    this.#age.set(oldestAgeMs / 1000);
  }

  delivered({ receiver, integration }: OutboxRow, latencyMs: number): void {
    this.#outcomes.add(1, { integration, outcome: 'delivered' });
    this.#seconds.observe(latencyMs / 1000, { integration });
    this.#dead.set(0, { receiver, integration });
    this.#failing.set(0, { receiver, integration });
    this.#marked.delete(`${receiver}\n${integration}`);
  }

  failed({ integration }: OutboxRow, outcome: 'retry' | 'give_up'): void {
    this.#outcomes.add(1, { integration, outcome });
  }

  retried(message: OutboxRow): void {
    this.failed(message, 'retry');
    const { receiver, integration, index } = message;
    this.#failing.set(1, { receiver, integration });
    this.#marked.set(`${receiver}\n${integration}`, { receiver, integration, index });
  }

  gaveUp(message: OutboxRow): void {
    const { receiver, integration, index } = message;
    this.failed(message, 'give_up');
    this.#dead.set(1, { receiver, integration });
    this.#failing.set(0, { receiver, integration });
    this.#marked.set(`${receiver}\n${integration}`, { receiver, integration, index });
  }

  /** A destination that is not configured any more is neither dead nor failing, and nothing will ever be delivered there to say so. */
  forgetDead(isGone: (destination: Pick<OutboxRow, 'receiver' | 'integration' | 'index'>) => boolean): void {
    for (const [key, destination] of this.#marked) {
      if (!isGone(destination)) continue;
      const labels = { receiver: destination.receiver, integration: destination.integration };
      this.#dead.remove(labels);
      this.#failing.remove(labels);
      this.#marked.delete(key);
    }
  }

  dropped(reason: 'withdrawn' | 'full'): void {
    this.#dropped.add(1, { reason });
  }
}

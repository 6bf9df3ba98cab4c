import { isEnded, type Intent } from '../../core/autopilot.ts';
import { delay, type Clock } from '../../core/clock.ts';
import { BelfryError, errorText } from '../../core/errors.ts';
import type { Logger } from '../../core/log.ts';
import type { Counter, Gauge, Meter } from '../../core/meter.ts';
import type { IntentPublisher } from '../ports.ts';

/** News that wait for one publisher; beyond it the oldest is dropped. */
export const QUEUE_MAX = 1000;
const ATTEMPT_TIMEOUT_MS = 60_000;
const FIRST_BACKOFF_MS = 1000;
const BACKOFF_MAX_MS = 60_000;

export interface PublishMetrics {
  readonly published: Counter;
  readonly waiting: Gauge;
}

export function publishMetrics(meter: Meter): PublishMetrics {
  return {
    published: meter.counter('belfry_autopilot_publish_total', 'Attempts to tell executors of an intent, by outcome', [
      'publisher',
      'outcome',
    ]),
    waiting: meter.gauge('belfry_autopilot_publish_queue', 'News of intents that wait for a publisher', ['publisher']),
  };
}

/** The way to one publisher: one after the other, in the order of what happened, until it has taken each or refused it for good. */
export class PublisherLane {
  readonly #publisher: IntentPublisher;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #metrics: PublishMetrics;
  readonly #queue: Intent[] = [];
  readonly #abort = new AbortController();
  #running: Promise<void> | undefined;
  /** What each intent was last told as, until it has ended. */
  readonly #last = new Map<string, string>();

  constructor(publisher: IntentPublisher, { clock, log }: { clock: Clock; log: Logger }, metrics: PublishMetrics) {
    this.#publisher = publisher;
    this.#clock = clock;
    this.#log = log;
    this.#metrics = metrics;
  }

  add(intent: Intent): void {
    const news = `${intent.state}.${intent.changedAt}`;
    // Several events of one change, and what changed no state, are no news.
    if (this.#abort.signal.aborted || this.#last.get(intent.id) === news) return;
    if (isEnded(intent.state)) this.#last.delete(intent.id);
    else this.#last.set(intent.id, news);
    if (this.#queue.length >= QUEUE_MAX) {
      const dropped = this.#queue.shift();
      this.#count('dropped');
      this.#log.error('intent_publish_queue_full', { publisher: this.#publisher.name, intent: dropped?.id, limit: QUEUE_MAX });
    }
    this.#queue.push(intent);
    this.#gauge();
    this.#running ??= this.#run();
  }

  /** Resolves when nothing is under way any more. */
  async stop(): Promise<void> {
    this.#abort.abort(new BelfryError('STOPPING', 'the delivery of intents is stopping'));
    this.#queue.length = 0;
    await this.#running;
    this.#metrics.waiting.remove({ publisher: this.#publisher.name });
  }

  async #run(): Promise<void> {
    let backoffMs = FIRST_BACKOFF_MS;
    for (let intent = this.#queue[0]; intent !== undefined; intent = this.#queue[0]) {
      const outcome = await this.#attempt(intent);
      if (outcome === 'retry') {
        if (!(await this.#wait(backoffMs))) break;
        backoffMs = Math.min(BACKOFF_MAX_MS, backoffMs * 2);
        continue;
      }
      backoffMs = FIRST_BACKOFF_MS;
      // It may have been dropped in the meantime, to make room.
      if (this.#queue[0] === intent) this.#queue.shift();
      this.#gauge();
    }
    this.#running = undefined;
  }

  async #attempt(intent: Intent): Promise<'done' | 'retry'> {
    const told = { publisher: this.#publisher.name, intent: intent.id, state: intent.state };
    try {
      await this.#publish(intent);
      this.#count('ok');
      return 'done';
    } catch (error) {
      if (this.#abort.signal.aborted) return 'retry';
      if (error instanceof BelfryError && error.code === 'DELIVERY_REFUSED') {
        this.#count('refused');
        this.#log.error('intent_publish_refused', { ...told, error: errorText(error) });
        return 'done';
      }
      this.#count('failed');
      this.#log.warn('intent_publish_failed', { ...told, error: errorText(error) });
      return 'retry';
    }
  }

  /** One attempt, until its time is over or all is stopping. What becomes of it after that nobody waits for. */
  async #publish(intent: Intent): Promise<void> {
    const done = new AbortController();
    const overdue = delay(this.#clock, ATTEMPT_TIMEOUT_MS, AbortSignal.any([this.#abort.signal, done.signal])).then(() => {
      throw new BelfryError('DELIVERY_FAILED', `not taken within ${ATTEMPT_TIMEOUT_MS} ms`);
    });
    try {
      await Promise.race([this.#publisher.publish(intent), overdue]);
    } finally {
      done.abort();
    }
  }

  /** False when it is stopping. */
  async #wait(backoffMs: number): Promise<boolean> {
    try {
      await delay(this.#clock, backoffMs, this.#abort.signal);
      return true;
    } catch (error) {
      if (this.#abort.signal.aborted) return false;
      throw error;
    }
  }

  #count(outcome: 'ok' | 'failed' | 'refused' | 'dropped'): void {
    this.#metrics.published.add(1, { publisher: this.#publisher.name, outcome });
  }

  #gauge(): void {
    this.#metrics.waiting.set(this.#queue.length, { publisher: this.#publisher.name });
  }
}

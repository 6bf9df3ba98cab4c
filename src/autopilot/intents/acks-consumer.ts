import type { Ack, Intent } from '../../core/autopilot.ts';
import { delay, type Clock } from '../../core/clock.ts';
import { BelfryError, errorText } from '../../core/errors.ts';
import type { Logger } from '../../core/log.ts';
import type { Counter, Meter } from '../../core/meter.ts';
import type { Secret } from '../../core/secret.ts';
import { verifyAck } from '../../formats/intent-signature.ts';
import type { IncomingMessage, KafkaMessaging } from '../../kafka/messaging.ts';
import { parseAckMessage } from './ack-message.ts';

const FIRST_BACKOFF_MS = 1000;
const BACKOFF_MAX_MS = 60_000;

export interface AcksConsumerOptions {
  readonly messaging: Pick<KafkaMessaging, 'ensureTopic' | 'consume'>;
  readonly topic: string;
  readonly groupId: string;
  readonly book: { ack(ack: Ack): Intent };
  readonly signingKey: Secret;
  readonly clock: Clock;
  readonly log: Logger;
  readonly meter: Meter;
}

/** Hears executors on the acks topic for as long as it runs. What is malformed, forged or too late is counted and logged. */
export class AcksConsumer {
  readonly #options: AcksConsumerOptions;
  readonly #acks: Counter;
  readonly #abort = new AbortController();
  #running: Promise<void> | undefined;

  constructor(options: AcksConsumerOptions) {
    this.#options = options;
    this.#acks = options.meter.counter('belfry_autopilot_acks_total', 'Acks read from the acks topic, by outcome', ['outcome']);
  }

  start(): void {
    this.#running ??= this.#run();
  }

  async stop(): Promise<void> {
    this.#abort.abort(new BelfryError('STOPPING', 'acks are not read any more'));
    await this.#running;
  }

  /** Takes one message; never rejects. */
  async take(message: IncomingMessage): Promise<void> {
    const { book, signingKey, log, topic } = this.#options;
    const where = { topic, partition: message.partition, offset: message.offset };
    try {
      const { ack, signature } = parseAckMessage(message.value ?? Buffer.alloc(0));
      if (!verifyAck(signingKey, ack, signature)) {
        this.#acks.add(1, { outcome: 'forged' });
        log.warn('ack_forged', where);
        return;
      }
      book.ack(ack);
      this.#acks.add(1, { outcome: 'ok' });
    } catch (error) {
      const code = error instanceof BelfryError ? error.code : 'INTERNAL';
      const outcome = code === 'BAD_REQUEST' || code === 'LIMIT_EXCEEDED' ? 'malformed' : code === 'INTERNAL' ? 'failed' : 'refused';
      this.#acks.add(1, { outcome });
      log.warn('ack_refused', { ...where, outcome, error: errorText(error) });
    }
  }

  async #run(): Promise<void> {
    const { clock, log, topic } = this.#options;
    let backoffMs = FIRST_BACKOFF_MS;
    while (!this.#abort.signal.aborted) {
      try {
        if (await this.#consume()) backoffMs = FIRST_BACKOFF_MS;
      } catch (error) {
        log.warn('acks_not_consumed', { topic, error: errorText(error) });
      }
      if (this.#abort.signal.aborted) return;
      try {
        await delay(clock, backoffMs, this.#abort.signal);
      } catch (error) {
        log.debug('acks_consumer_stopped', { topic, reason: errorText(error) });
        return;
      }
      backoffMs = Math.min(BACKOFF_MAX_MS, backoffMs * 2);
    }
  }

  /** Consumes until the consumer ends or this one is stopped. */
  async #consume(): Promise<boolean> {
    const { messaging, topic, groupId, log } = this.#options;
    try {
      await messaging.ensureTopic(topic);
    } catch (error) {
      log.warn('acks_topic_not_ensured', { topic, error: errorText(error) });
    }
    if (this.#abort.signal.aborted) return false;
    const consumer = await messaging.consume({ topic, groupId, onMessage: (message) => this.take(message) });
    const { signal } = this.#abort;
    const onAbort = (): void => void consumer.close();
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) await consumer.close();
    const failure = await consumer.ended;
    signal.removeEventListener('abort', onAbort);
    if (failure !== undefined) await consumer.close();
    return true;
  }
}

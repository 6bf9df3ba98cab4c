import { createHash } from 'node:crypto';
import { AcksConsumer } from '../autopilot/intents/acks-consumer.ts';
import { KafkaPublisher } from '../autopilot/intents/kafka-publisher.ts';
import { WebhookPublisher } from '../autopilot/intents/webhook-publisher.ts';
import type { IntentBook } from '../autopilot/intents/intent-book.ts';
import type { IntentPublisher } from '../autopilot/ports.ts';
import type { AutopilotConfig, BelfryConfig } from '../config/config.ts';
import { kafkaSecurity } from '../config/kafka-security.ts';
import type { Clock } from '../core/clock.ts';
import { errorText } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import type { Meter } from '../core/meter.ts';
import { Secret } from '../core/secret.ts';
import { KafkaMessaging } from '../kafka/messaging.ts';
import { PermissionBook } from '../kafka/permission-book.ts';

/** The label `cluster` of what carries intents and is none of `clusters:`. */
const BROKERS_OF_ITS_OWN = 'autopilot.publish.kafka';

export interface ChannelParts {
  readonly signingKey: () => Secret;
  readonly book: () => IntentBook;
  readonly clock: Clock;
  readonly log: Logger;
  readonly meter: Meter;
}

/** The transports that intents leave by and acks come back on, as configured; polling over HTTP needs none of them. */
export class IntentChannels {
  readonly #parts: ChannelParts;
  #publishers: readonly IntentPublisher[] = [];
  #acks: AcksConsumer | undefined;
  #permissions: PermissionBook | undefined;
  #madeFor = '';

  constructor(parts: ChannelParts) {
    this.#parts = parts;
  }

  get publishers(): readonly IntentPublisher[] {
    return this.#publishers;
  }

  /** Makes the transports of a configuration, and lets those of the last one go. True where they are others now. */
  replace(config: BelfryConfig): boolean {
    const identity = identityOf(config.autopilot, this.#parts.signingKey());
    if (identity === this.#madeFor) return false;
    this.#madeFor = identity;
    const [publishers, acks] = [this.#publishers, this.#acks];
    this.#make(config.autopilot);
    release(publishers, acks).catch((error: unknown) => this.#parts.log.error('intent_channels_not_closed', { error: errorText(error) }));
    return true;
  }

  async close(): Promise<void> {
    await release(this.#publishers, this.#acks);
    this.#permissions?.close();
    this.#publishers = [];
    this.#acks = undefined;
  }

  #make({ publish }: AutopilotConfig): void {
    const { clock, log, meter, book } = this.#parts;
    const signingKey = this.#parts.signingKey();
    const publishers: IntentPublisher[] = [];
    this.#acks = undefined;
    // What is missing where intents went before is nobody's matter any more.
    this.#permissions?.close();
    this.#permissions = undefined;
    const { kafka, webhook } = publish;
    if (kafka !== undefined) {
      const permissions = new PermissionBook({ cluster: kafka.cluster ?? BROKERS_OF_ITS_OWN, clock, log, meter });
      this.#permissions = permissions;
      const messaging = new KafkaMessaging({ brokers: kafka.brokers, security: kafkaSecurity(kafka, clock), clock, log, permissions });
      publishers.push(new KafkaPublisher({ messaging, topic: kafka.topic, cluster: kafka.cluster, signingKey, log }));
      const heard = { ack: (ack: Parameters<IntentBook['ack']>[0]) => book().ack(ack) };
      this.#acks = new AcksConsumer({
        messaging,
        topic: kafka.acksTopic,
        groupId: 'belfry-acks',
        book: heard,
        signingKey,
        clock,
        log,
        meter,
      });
      this.#acks.start();
    }
    if (webhook !== undefined) {
      const hmacSecret = webhook.secret ?? signingKey;
      publishers.push(new WebhookPublisher({ url: webhook.url, hmacSecret, signingKey, clock }));
    }
    this.#publishers = publishers;
  }
}

/** Reading ends first: its consumer lives on the publisher's client. */
async function release(publishers: readonly IntentPublisher[], acks: AcksConsumer | undefined): Promise<void> {
  await acks?.stop();
  await Promise.all(publishers.map((publisher) => publisher.close()));
}

/** What the transports are made of, secrets as their hash. */
function identityOf({ publish }: AutopilotConfig, signingKey: Secret): string {
  const text = JSON.stringify([publish, signingKey], function (this: Readonly<Record<string, unknown>>, key, value: unknown) {
    const original = this[key];
    return original instanceof Secret ? createHash('sha256').update(original.reveal()).digest('hex') : value;
  });
  return text;
}

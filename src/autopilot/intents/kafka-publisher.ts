import type { Intent } from '../../core/autopilot.ts';
import { errorText } from '../../core/errors.ts';
import type { Logger } from '../../core/log.ts';
import type { Secret } from '../../core/secret.ts';
import { encodeStructured, intentEvent, STRUCTURED_CONTENT_TYPE } from '../../formats/intent-event.ts';
import { signedPartOf, signIntent } from '../../formats/intent-signature.ts';
import type { KafkaMessaging } from '../../kafka/messaging.ts';
import type { IntentPublisher } from '../ports.ts';

export interface KafkaPublisherOptions {
  readonly messaging: Pick<KafkaMessaging, 'ensureTopic' | 'send' | 'close'>;
  readonly topic: string;
  /** The name of the watched cluster that the topic is on; undefined where Belfry does not watch it. */
  readonly cluster: string | undefined;
  readonly signingKey: Secret;
  readonly log: Logger;
}

/** Publishes intents on a topic: a CloudEvent in structured mode, keyed by cluster, so that a cluster's news stay in order. */
export class KafkaPublisher implements IntentPublisher {
  readonly name = 'kafka';
  readonly cluster: string | undefined;
  readonly #options: KafkaPublisherOptions;
  #topicIsThere = false;

  constructor(options: KafkaPublisherOptions) {
    this.#options = options;
    this.cluster = options.cluster;
  }

  async publish(intent: Intent): Promise<void> {
    const { messaging, topic, signingKey } = this.#options;
    await this.#ensureTopic();
    await messaging.send({
      topic,
      key: intent.cluster,
      value: encodeStructured(intentEvent(intent, signIntent(signingKey, signedPartOf(intent)))),
      headers: { 'content-type': STRUCTURED_CONTENT_TYPE },
    });
  }

  close(): Promise<void> {
    return this.#options.messaging.close();
  }

  /** A topic that cannot be made may still be there: the right to write to it does not include the right to make it. */
  async #ensureTopic(): Promise<void> {
    if (this.#topicIsThere) return;
    const { messaging, topic, log } = this.#options;
    try {
      if (await messaging.ensureTopic(topic)) log.info('intents_topic_made', { topic });
      this.#topicIsThere = true;
    } catch (error) {
      log.warn('intents_topic_not_ensured', { topic, error: errorText(error) });
    }
  }
}

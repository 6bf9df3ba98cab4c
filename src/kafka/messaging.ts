import kafkajs from 'kafkajs';
import { createRequire } from 'node:module';
import type { Admin, Consumer, LogEntry, Producer } from 'kafkajs';
import { delay, type Clock } from '../core/clock.ts';
import { BelfryError, errorText } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import { KafkaConnector } from './connection.ts';
import { KAFKA_ERROR } from './error-codes.ts';
import type { BrokerAddress, BrokerConnection, KafkaSecurity } from './observer.ts';
import type { Permission, PermissionSink } from './permission-book.ts';
import { messagingError, namesBehind } from './messaging-errors.ts';
import { securityOf } from './messaging-security.ts';

/**
 * Messages over Kafka: the only file that runs kafkajs. It carries, it does not observe: as soon as one partition
 * anywhere has no leader, what kafkajs says of a cluster is an error.
 */

export interface MessagingOptions {
  readonly brokers: readonly BrokerAddress[];
  readonly security?: KafkaSecurity;
  /** What the brokers see in their logs and quotas. Default `belfry`. */
  readonly clientId?: string;
  readonly clock: Clock;
  readonly log: Logger;
  /** Told which permissions the brokers miss. */
  readonly permissions?: PermissionSink;
  /** Of a connection, and of a request. Defaults 5 s and 10 s. */
  readonly connectTimeoutMs?: number;
  readonly requestTimeoutMs?: number;
}

export interface OutgoingMessage {
  readonly topic: string;
  readonly key: string;
  readonly value: string;
  readonly headers: Readonly<Record<string, string>>;
}

export interface IncomingMessage {
  readonly partition: number;
  readonly offset: string;
  readonly key: string | undefined;
  /** Undefined for a tombstone. */
  readonly value: Buffer | undefined;
}

export interface ConsumeOptions {
  readonly topic: string;
  readonly groupId: string;
  /** Must not reject: its offset is committed once it has resolved. */
  readonly onMessage: (message: IncomingMessage) => Promise<void>;
}

export interface RunningConsumer {
  /** Resolves, never rejects, when it consumes no more, whatever ended it. */
  readonly ended: Promise<BelfryError | undefined>;
  close(): Promise<void>;
}

const RETRIES = 5;
const RETRY_MAX_MS = 5000;
const COPIES = 3;
const RETENTION_MS = 7 * 24 * 3_600_000;
const UNKNOWN_TOPIC = 3;
const TOLD_AGAIN_MS = 100;
const FETCH_BYTES_MAX = 1024 * 1024;
/** kafkajs's number of its level `WARN`. */
const WARN = 2;
const ERROR = 1;

/** Produces to and consumes from one cluster. Everything throws a `BelfryError` with a code that begins with `KAFKA_`. */
export class KafkaMessaging {
  readonly #options: MessagingOptions;
  readonly #client: InstanceType<typeof kafkajs.Kafka>;
  #producer: Promise<Producer> | undefined;
  readonly #consumers = new Set<RunningConsumer>();
  #closed = false;

  constructor(options: MessagingOptions) {
    quietRequestQueue();
    this.#options = options;
    const { brokers, security = {}, clientId = 'belfry', log } = options;
    this.#client = new kafkajs.Kafka({
      brokers: brokers.map(({ host, port }) => (host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`)),
      clientId,
      connectionTimeout: options.connectTimeoutMs ?? 5000,
      authenticationTimeout: options.requestTimeoutMs ?? 10_000,
      requestTimeout: options.requestTimeoutMs ?? 10_000,
      enforceRequestTimeout: true,
      retry: { retries: RETRIES, initialRetryTime: 300, maxRetryTime: RETRY_MAX_MS },
      logLevel: WARN,
      logCreator: () => (entry) => logEntry(log, entry),
      ...securityOf(security),
    });
  }

  /**
   * Makes a topic where there is none: as many copies as three brokers allow, two of them in sync where there are three, kept
   * for seven days. Resolves with whether it was made. An existing one is left as it is.
   */
  async ensureTopic(topic: string, partitions = 1): Promise<boolean> {
    const { brokers, exists } = await this.#look(topic);
    if (exists) return false;
    const copies = Math.min(COPIES, Math.max(1, brokers));
    const config = {
      'cleanup.policy': 'delete',
      'retention.ms': String(RETENTION_MS),
      ...(copies === COPIES ? { 'min.insync.replicas': '2' } : {}),
    };
    const admin: Admin = this.#client.admin();
    try {
      await admin.connect();
      const made = await admin.createTopics({
        // Its own wait fails where a broker does not know the topic yet, which it has forwarded to the controller.
        waitForLeaders: false,
        topics: [
          {
            topic,
            numPartitions: partitions,
            replicationFactor: copies,
            configEntries: Object.entries(config).map(([name, value]) => ({ name, value })),
          },
        ],
      });
      // Made a moment ago, by us or by somebody else: the brokers may not tell of it yet.
      await this.#untilTold(topic);
      this.#allowed({ operation: 'Create', resource: `Topic ${topic}` });
      return made;
    } catch (error) {
      throw this.#failed({ operation: 'Create', resource: `Topic ${topic}` }, messagingError(`topic ${topic} could not be made`, error));
    } finally {
      await this.#disconnect(admin);
    }
  }

  /** Resolves when all in-sync copies have the message, once and in the order of the calls. One at a time. */
  async send({ topic, key, value, headers }: OutgoingMessage): Promise<void> {
    const connecting = this.#connectedProducer();
    try {
      const producer = await connecting;
      await producer.send({ topic, acks: -1, messages: [{ key, value, headers: { ...headers } }] });
      this.#allowed({ operation: 'Write', resource: `Topic ${topic}` });
    } catch (error) {
      // Its sequence numbers may be out of step with the broker's by now: the next message begins with a producer of its own.
      if (this.#producer === connecting) this.#producer = undefined;
      connecting.then(
        (producer) => this.#disconnect(producer),
        (reason: unknown) => this.#options.log.debug('kafka_producer_not_connected', { error: errorText(reason) }),
      );
      throw this.#failed({ operation: 'Write', resource: `Topic ${topic}` }, messagingError(`no message to ${topic}`, error));
    }
  }

  /** Consumes as a member of a group, from the oldest message where the group has no offset yet. Resolves once it runs. */
  async consume({ topic, groupId, onMessage }: ConsumeOptions): Promise<RunningConsumer> {
    if (this.#closed) throw new BelfryError('STOPPING', 'the Kafka client is closed');
    const consumer: Consumer = this.#client.consumer({
      groupId,
      allowAutoTopicCreation: false,
      maxBytes: FETCH_BYTES_MAX,
      // By itself it would begin again, also while or after it is closed; whoever consumes begins it again, with a pause.
      retry: { restartOnFailure: () => Promise.resolve(false) },
    });
    let end: (error: BelfryError | undefined) => void = () => undefined;
    const ended = new Promise<BelfryError | undefined>((resolve) => (end = resolve));
    consumer.on('consumer.crash', ({ payload }) => {
      const error = messagingError(`the consumer of ${topic} failed`, payload.error);
      this.#options.log.warn('kafka_consumer_failed', { topic, error: errorText(error) });
      void this.#consumingFailed(topic, groupId, error).then(end);
    });
    consumer.on('consumer.group_join', () => this.#allowed({ operation: 'Read', resource: `Group ${groupId}` }));
    consumer.on('consumer.fetch', () => this.#allowed({ operation: 'Read', resource: `Topic ${topic}` }));
    try {
      await consumer.connect();
      await consumer.subscribe({ topics: [topic], fromBeginning: true });
      await consumer.run({
        eachMessage: async ({ partition, message }) =>
          onMessage({ partition, offset: message.offset, key: message.key?.toString('utf8'), value: message.value ?? undefined }),
      });
    } catch (error) {
      await this.#disconnect(consumer);
      throw await this.#consumingFailed(topic, groupId, messagingError(`topic ${topic} cannot be consumed`, error));
    }
    const running: RunningConsumer = {
      ended,
      close: async () => {
        this.#consumers.delete(running);
        await this.#disconnect(consumer);
        end(undefined);
      },
    };
    this.#consumers.add(running);
    return running;
  }

  /** Ends consumers and producer; what is being sent is finished or fails first. */
  async close(): Promise<void> {
    this.#closed = true;
    const producer = this.#producer;
    this.#producer = undefined;
    await Promise.all([...this.#consumers].map((consumer) => consumer.close()));
    if (producer === undefined) return;
    await producer.then(
      (connected) => this.#disconnect(connected),
      (error: unknown) => this.#options.log.debug('kafka_producer_not_connected', { error: errorText(error) }),
    );
  }

  #connectedProducer(): Promise<Producer> {
    if (this.#closed) throw new BelfryError('STOPPING', 'the Kafka client is closed');
    this.#producer ??= (async () => {
      const producer = this.#client.producer({
        idempotent: true,
        maxInFlightRequests: 1,
        allowAutoTopicCreation: false,
        createPartitioner: kafkajs.Partitioners.DefaultPartitioner,
      });
      await producer.connect();
      return producer;
    })();
    return this.#producer;
  }

  /** How many brokers there are and whether the topic is there, as the first broker that answers says. */
  async #look(topic: string): Promise<{ readonly brokers: number; readonly exists: boolean }> {
    try {
      return await this.#ask(async (connection, timeoutMs) => {
        const metadata = await connection.metadata([topic], timeoutMs);
        return { brokers: metadata.brokers.length, exists: metadata.topicErrors[0] !== UNKNOWN_TOPIC };
      });
    } catch (error) {
      throw messagingError(`nobody says whether topic ${topic} is there`, error);
    }
  }

  /** Asks the first broker that answers, over a connection of our own. */
  async #ask<T>(work: (connection: BrokerConnection, timeoutMs: number) => Promise<T>): Promise<T> {
    const { brokers, security, clock, clientId, connectTimeoutMs = 5000, requestTimeoutMs = 10_000 } = this.#options;
    const connector = new KafkaConnector({
      clock,
      ...(security === undefined ? {} : { security }),
      ...(clientId === undefined ? {} : { clientId }),
    });
    let failure: unknown = new BelfryError('KAFKA_UNREACHABLE', 'no broker is configured');
    for (const address of brokers) {
      try {
        const connection = await connector.connect(address, connectTimeoutMs);
        try {
          return await work(connection, requestTimeoutMs);
        } finally {
          connection.close();
        }
      } catch (error) {
        failure = error;
      }
    }
    throw failure;
  }

  /** Resolves when the first broker that answers tells of the topic, or a request's time later: whoever uses it tries again anyway. */
  async #untilTold(topic: string): Promise<void> {
    const { clock, requestTimeoutMs = 10_000 } = this.#options;
    for (const deadline = clock.now() + requestTimeoutMs; clock.now() < deadline; await delay(clock, TOLD_AGAIN_MS)) {
      const { exists } = await this.#look(topic);
      if (exists) return;
    }
  }

  #allowed(permission: Permission): void {
    this.#options.permissions?.allowed(permission, permission.resource);
  }

  #failed(permission: Permission, error: BelfryError): BelfryError {
    if (error.code === 'KAFKA_PERMISSION_MISSING') this.#options.permissions?.refused(permission, permission.resource);
    return error;
  }

  /** Never rejects. Names what is missing on the group, of which kafkajs says only that there is no coordinator. */
  async #consumingFailed(topic: string, groupId: string, error: BelfryError): Promise<BelfryError> {
    const ofGroup: Permission = { operation: 'Read', resource: `Group ${groupId}` };
    const names = namesBehind(error);
    if (names.includes('GROUP_AUTHORIZATION_FAILED')) return this.#failed(ofGroup, error);
    if (!names.includes('KafkaJSGroupCoordinatorNotFound') || !(await this.#isGroupRefused(groupId)))
      return this.#failed({ operation: 'Read', resource: `Topic ${topic}` }, error);
    const named = new BelfryError('KAFKA_PERMISSION_MISSING', `group ${groupId} may not be read`, { cause: error });
    return this.#failed(ofGroup, named);
  }

  async #isGroupRefused(groupId: string): Promise<boolean> {
    try {
      return await this.#ask(async (connection, timeoutMs) => {
        const [group] = await connection.describeGroups([groupId], 'classic', timeoutMs);
        return group?.errorCode === KAFKA_ERROR.groupAuthorizationFailed;
      });
    } catch (error) {
      this.#options.log.debug('kafka_group_not_described', { error: errorText(error) });
      return false;
    }
  }

  async #disconnect(client: { disconnect(): Promise<void> }): Promise<void> {
    try {
      await client.disconnect();
    } catch (error) {
      this.#options.log.debug('kafka_disconnect_failed', { error: errorText(error) });
    }
  }
}

/** What kafkajs calls errors it tries again by itself; what comes of it reaches our callers as an error of ours. */
function logEntry(log: Logger, { level, namespace, log: entry }: LogEntry): void {
  const fields = { client: namespace, text: entry.message, ...(typeof entry['error'] === 'string' ? { error: entry['error'] } : {}) };
  if (level === ERROR) log.warn('kafka_messaging', fields);
  else log.debug('kafka_messaging', fields);
}

let isQuiet = false;

/**
 * kafkajs 2.2.4 sets a timer of a negative duration after every answer when nothing waits to be sent, and again each time that
 * one fires: once a millisecond for as long as a connection stands, with a warning on newer Nodes. A timer is needed only while
 * something waits; a request that has to wait sets it itself.
 */
function quietRequestQueue(): void {
  if (isQuiet) return;
  isQuiet = true;
  const queue: unknown = createRequire(import.meta.url)('kafkajs/src/network/requestQueue/index.js');
  const prototype: unknown = typeof queue === 'function' ? queue.prototype : undefined;
  if (!hasSchedule(prototype)) return;
  const schedule = prototype.scheduleCheckPendingRequests;
  prototype.scheduleCheckPendingRequests = function (this: RequestQueue): void {
    if (this.pending.length > 0) schedule.call(this);
  };
}

interface RequestQueue {
  readonly pending: readonly unknown[];
  scheduleCheckPendingRequests: () => void;
}

function hasSchedule(prototype: unknown): prototype is RequestQueue {
  return (
    typeof prototype === 'object' &&
    prototype !== null &&
    'scheduleCheckPendingRequests' in prototype &&
    typeof prototype.scheduleCheckPendingRequests === 'function'
  );
}

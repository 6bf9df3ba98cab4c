import kafkajs from 'kafkajs';
import { createRequire } from 'node:module';
import type { Admin, Consumer, KafkaConfig, LogEntry, Mechanism, Producer } from 'kafkajs';
import { delay, type Clock } from '../core/clock.ts';
import { BelfryError, errorText, type ErrorCode } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import { breakKindOf } from './break.ts';
import { KafkaConnector } from './connection.ts';
import type { BrokerAddress, KafkaSecurity, TokenSource } from './observer.ts';
import { bearerMessage, tokenErrorText } from './sasl.ts';

/**
 * Messages over Kafka: the only file that imports kafkajs. It carries, it does not observe: as soon as one partition
 * anywhere has no leader, what kafkajs says of a cluster is an error.
 */

export interface MessagingOptions {
  readonly brokers: readonly BrokerAddress[];
  readonly security?: KafkaSecurity;
  /** What the brokers see in their logs and quotas. Default `belfry`. */
  readonly clientId?: string;
  readonly clock: Clock;
  readonly log: Logger;
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
const TOKEN_TIMEOUT_MS = 10_000;
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
        waitForLeaders: true,
        topics: [
          {
            topic,
            numPartitions: partitions,
            replicationFactor: copies,
            configEntries: Object.entries(config).map(([name, value]) => ({ name, value })),
          },
        ],
      });
      // Somebody else made it a moment ago: the brokers may not tell of it yet.
      if (!made) await this.#untilTold(topic);
      return made;
    } catch (error) {
      throw messagingError(`topic ${topic} could not be made`, error);
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
    } catch (error) {
      // Its sequence numbers may be out of step with the broker's by now: the next message begins with a producer of its own.
      if (this.#producer === connecting) this.#producer = undefined;
      connecting.then(
        (producer) => this.#disconnect(producer),
        (reason: unknown) => this.#options.log.debug('kafka_producer_not_connected', { error: errorText(reason) }),
      );
      throw messagingError(`no message to ${topic}`, error);
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
      end(error);
    });
    try {
      await consumer.connect();
      await consumer.subscribe({ topics: [topic], fromBeginning: true });
      await consumer.run({
        eachMessage: async ({ partition, message }) =>
          onMessage({ partition, offset: message.offset, key: message.key?.toString('utf8'), value: message.value ?? undefined }),
      });
    } catch (error) {
      await this.#disconnect(consumer);
      throw messagingError(`topic ${topic} cannot be consumed`, error);
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
          const metadata = await connection.metadata([topic], requestTimeoutMs);
          return { brokers: metadata.brokers.length, exists: metadata.topicErrors[0] !== UNKNOWN_TOPIC };
        } finally {
          connection.close();
        }
      } catch (error) {
        failure = error;
      }
    }
    throw messagingError(`nobody says whether topic ${topic} is there`, failure);
  }

  /** Resolves when the first broker that answers tells of the topic, or a request's time later: whoever uses it tries again anyway. */
  async #untilTold(topic: string): Promise<void> {
    const { clock, requestTimeoutMs = 10_000 } = this.#options;
    for (const deadline = clock.now() + requestTimeoutMs; clock.now() < deadline; await delay(clock, TOLD_AGAIN_MS)) {
      const { exists } = await this.#look(topic);
      if (exists) return;
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

function securityOf({ tls, sasl }: KafkaSecurity): Pick<KafkaConfig, 'ssl' | 'sasl'> {
  return {
    ...(tls === undefined
      ? {}
      : {
          ssl: {
            rejectUnauthorized: tls.rejectUnauthorized,
            ...(tls.ca === undefined ? {} : { ca: tls.ca }),
            ...(tls.cert === undefined ? {} : { cert: tls.cert }),
            ...(tls.key === undefined ? {} : { key: tls.key }),
            ...(tls.serverName === undefined ? {} : { servername: tls.serverName }),
          },
        }),
    ...(sasl === undefined ? {} : { sasl: saslOf(sasl) }),
  };
}

function saslOf(sasl: NonNullable<KafkaSecurity['sasl']>): NonNullable<KafkaConfig['sasl']> {
  if (sasl.mechanism === 'OAUTHBEARER') return bearerOf(sasl.tokens);
  const { mechanism, username, password } = sasl;
  switch (mechanism) {
    case 'PLAIN':
      return { mechanism: 'plain', username, password };
    case 'SCRAM-SHA-256':
      return { mechanism: 'scram-sha-256', username, password };
    case 'SCRAM-SHA-512':
      return { mechanism: 'scram-sha-512', username, password };
  }
}

/** kafkajs's own does not read what the broker answers to a token: one that was refused would look like a lost connection. */
function bearerOf(tokens: TokenSource): Mechanism {
  return {
    mechanism: 'OAUTHBEARER',
    authenticationProvider: ({ host, port, saslAuthenticate }) => ({
      authenticate: async () => {
        const token = await tokens.token(TOKEN_TIMEOUT_MS).catch((error: unknown) => {
          throw refusal(errorText(error));
        });
        const answer = await saslAuthenticate({
          request: { encode: () => sizedBytes(bearerMessage(token)) },
          // Behind a size of four bytes, as before KIP-152.
          response: { decode: (bytes: Buffer) => bytes.subarray(4), parse: (bytes: Buffer) => bytes },
        });
        if (answer === undefined || answer.length === 0) return;
        tokens.refused(token);
        throw refusal(`${host}:${port}: ${tokenErrorText(answer)}`);
      },
    }),
  };
}

/** One that kafkajs does not try again by itself: whoever sends or consumes does, with a pause. */
function refusal(why: string): BelfryError {
  return Object.assign(new BelfryError('KAFKA_AUTH_FAILED', `authentication refused: ${why}`), { retriable: false });
}

function sizedBytes(text: string): Buffer {
  const bytes = Buffer.from(text);
  const size = Buffer.alloc(4);
  size.writeInt32BE(bytes.length);
  return Buffer.concat([size, bytes]);
}

/** What kafkajs calls errors it tries again by itself; what comes of it reaches our callers as an error of ours. */
function logEntry(log: Logger, { level, namespace, log: entry }: LogEntry): void {
  const fields = { client: namespace, text: entry.message, ...(typeof entry['error'] === 'string' ? { error: entry['error'] } : {}) };
  if (level === ERROR) log.warn('kafka_messaging', fields);
  else log.debug('kafka_messaging', fields);
}

const CODE_BY_NAME: Readonly<Record<string, ErrorCode>> = {
  KafkaJSSASLAuthenticationError: 'KAFKA_AUTH_FAILED',
  KafkaJSConnectionError: 'KAFKA_UNREACHABLE',
  KafkaJSConnectionClosedError: 'KAFKA_UNREACHABLE',
  KafkaJSNoBrokerAvailableError: 'KAFKA_UNREACHABLE',
  KafkaJSBrokerNotFound: 'KAFKA_UNREACHABLE',
  KafkaJSRequestTimeoutError: 'KAFKA_TIMEOUT',
  KafkaJSTimeout: 'KAFKA_TIMEOUT',
  KafkaJSServerDoesNotSupportApiKey: 'KAFKA_UNSUPPORTED',
};

/** Kafka's names of what a broker has answered. */
const CODE_BY_TYPE: Readonly<Record<string, ErrorCode>> = {
  UNSUPPORTED_SASL_MECHANISM: 'KAFKA_AUTH_FAILED',
  ILLEGAL_SASL_STATE: 'KAFKA_AUTH_FAILED',
  SASL_AUTHENTICATION_FAILED: 'KAFKA_AUTH_FAILED',
};

/** Of several errors, such as one a topic, the first. */
function causeOf(error: Error): unknown {
  if (!('errors' in error) || !Array.isArray(error.errors)) return error.cause;
  const [first] = error.errors as readonly unknown[];
  return first;
}

/** The innermost cause that has a code of ours decides; what no table knows was refused by a broker. */
function messagingError(what: string, error: unknown): BelfryError {
  let code: ErrorCode = 'KAFKA_REFUSED';
  for (let at: unknown = error, depth = 0; at instanceof Error && depth < 5; at = causeOf(at), depth++) {
    if (at instanceof BelfryError) return new BelfryError(at.code, what, { cause: error });
    // A certificate that is not believed, ours or the broker's: kafkajs calls it a connection error like any other.
    if (breakKindOf(at) === 'tls') return new BelfryError('KAFKA_AUTH_FAILED', what, { cause: error });
    const type = 'type' in at ? String(at.type) : '';
    code = type.endsWith('_AUTHORIZATION_FAILED') ? 'KAFKA_PERMISSION_MISSING' : (CODE_BY_NAME[at.name] ?? CODE_BY_TYPE[type] ?? code);
  }
  return new BelfryError(code, what, { cause: error });
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

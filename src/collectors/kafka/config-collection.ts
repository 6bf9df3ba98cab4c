import { Labels } from '../../core/labels.ts';
import type { Clock } from '../../core/clock.ts';
import { Slices } from '../../core/slices.ts';
import { KAFKA_ERROR } from '../../kafka/error-codes.ts';
import type { ConfigDescription } from '../../kafka/observer.ts';
import type { SeriesRows } from './rows.ts';
import type { Survivors } from './survivors.ts';

const MIN_ISR = 'min.insync.replicas';
const SESSION_TIMEOUT = 'broker.session.timeout.ms';
const HEARTBEAT_INTERVAL = 'broker.heartbeat.interval.ms';
/** Topics in one request, and in one run: a big cluster is read over several runs. */
const BATCH = 200;
const TOPICS_PER_RUN = 2000;
const TIMEOUT_MS = 10_000;
/** Configurations are asked rarely, but their series need a sample more often than a query looks back. */
const ROW_EVERY_MS = 60_000;
/** What was refused is asked for again so soon: a grant should show within a minute. */
const REFUSED_AGAIN_MS = 60_000;
const NONE: ReadonlySet<number> = new Set();

export interface ConfigCollectionParts {
  readonly survivors: Survivors;
  readonly clock: Clock;
  readonly rows: SeriesRows;
  readonly cluster: string;
  readonly refreshMs: number;
}

/** `min.insync.replicas` of each topic, and how long a broker's session lasts. What could not be read is unknown. */
export class ConfigCollection {
  readonly minIsr = new Map<string, number>();
  /** Topics whose configuration we may not read. */
  readonly refused = new Set<string>();
  /** Kafka's own defaults until the brokers have told theirs. */
  readonly session = { timeoutMs: 9000, heartbeatMs: 2000 };
  readonly #parts: ConfigCollectionParts;
  readonly #askedAt = new Map<string, number>();
  #brokerAskedAt = Number.NEGATIVE_INFINITY;
  #rowAt = Number.NEGATIVE_INFINITY;

  constructor(parts: ConfigCollectionParts) {
    this.#parts = parts;
  }

  /** Asks for topics that are new or due again; forgets topics that are gone. */
  async collect(topics: readonly string[]): Promise<void> {
    const { clock, refreshMs } = this.#parts;
    const now = clock.now();
    this.#forget(topics);
    const againMs = (topic: string): number => (this.refused.has(topic) ? Math.min(refreshMs, REFUSED_AGAIN_MS) : refreshMs);
    const due = topics.filter((topic) => now - (this.#askedAt.get(topic) ?? Number.NEGATIVE_INFINITY) >= againMs(topic));
    try {
      for (let i = 0; i < Math.min(due.length, TOPICS_PER_RUN); i += BATCH) await this.#askTopics(due.slice(i, i + BATCH), now);
      if (now - this.#brokerAskedAt >= refreshMs) await this.#askBroker(now);
    } finally {
      await this.#write(due.length > 0);
    }
  }

  async #askTopics(topics: readonly string[], now: number): Promise<void> {
    const resources = topics.map((name) => ({ type: 'topic', name, keys: [MIN_ISR] }) as const);
    const answers = await this.#parts.survivors.ask('lag', NONE, (connection) => connection.describeConfigs(resources, TIMEOUT_MS));
    for (const topic of topics) this.#askedAt.set(topic, now);
    for (const answer of answers) {
      const value = numberOf(answer, MIN_ISR);
      if (value === undefined) this.minIsr.delete(answer.name);
      else this.minIsr.set(answer.name, value);
      if (answer.errorCode === KAFKA_ERROR.topicAuthorizationFailed) this.refused.add(answer.name);
      else this.refused.delete(answer.name);
    }
  }

  async #askBroker(now: number): Promise<void> {
    const { survivors, refreshMs } = this.#parts;
    // A broker tells only its own configuration, and this is the one that will be asked.
    const [brokerId] = survivors.candidates('lag', NONE);
    if (brokerId === undefined) return;
    const resource = { type: 'broker', name: String(brokerId), keys: [SESSION_TIMEOUT, HEARTBEAT_INTERVAL] } as const;
    const [answer] = await survivors.ask('lag', NONE, (connection) => connection.describeConfigs([resource], TIMEOUT_MS));
    const isRefused = answer?.errorCode === KAFKA_ERROR.clusterAuthorizationFailed;
    this.#brokerAskedAt = isRefused ? now - Math.max(0, refreshMs - REFUSED_AGAIN_MS) : now;
    if (answer === undefined) return;
    this.session.timeoutMs = numberOf(answer, SESSION_TIMEOUT) ?? this.session.timeoutMs;
    this.session.heartbeatMs = numberOf(answer, HEARTBEAT_INTERVAL) ?? this.session.heartbeatMs;
  }

  #forget(topics: readonly string[]): void {
    if (this.#askedAt.size <= topics.length) return;
    const present = new Set(topics);
    for (const topic of this.#askedAt.keys()) {
      if (present.has(topic)) continue;
      this.#askedAt.delete(topic);
      this.minIsr.delete(topic);
      this.refused.delete(topic);
    }
  }

  async #write(somethingNew: boolean): Promise<void> {
    const { clock, rows, cluster } = this.#parts;
    const now = clock.now();
    if (!somethingNew && now - this.#rowAt < ROW_EVERY_MS) return;
    this.#rowAt = now;
    const slices = new Slices(clock);
    rows.begin();
    for (const [topic, value] of this.minIsr) {
      const make = (): Labels[] => [Labels.of({ __name__: 'belfry_kafka_topic_min_insync_replicas', cluster, topic })];
      rows.segment(topic, 1, make).set(0, value);
      if (slices.due) await slices.pause();
    }
    await rows.settle(slices);
    await rows.commitInSlices(now, slices);
  }
}

function numberOf(answer: ConfigDescription, key: string): number | undefined {
  const value = Number(answer.values.get(key) ?? Number.NaN);
  return answer.errorCode === 0 && Number.isFinite(value) && value > 0 ? value : undefined;
}

import { BelfryError } from '../../core/errors.ts';
import type { ConfigChange, ConfigRefusal } from '../../kafka/admin-requests.ts';
import { KAFKA_ERROR, kafkaErrorName } from '../../kafka/error-codes.ts';
import type { ConfigDescription } from '../../kafka/observer.ts';
import { REQUEST_TIMEOUT_MS, type AdminSession } from './session.ts';

const RATES = ['leader.replication.throttled.rate', 'follower.replication.throttled.rate'] as const;
const LEADERS = 'leader.replication.throttled.replicas';
const FOLLOWERS = 'follower.replication.throttled.replicas';
/** What brokers answer where no rate is set: the largest INT64. */
const NO_RATE = '9223372036854775807';
/**
 * Kafka keeps no note with a setting, so that ours carry their mark in the number: a rate whose last four digits are these
 * is ours, also after a crash. A throttled topic is ours while the brokers' rates are: rates are set first and removed last.
 */
const MARK = 9559;
const MARK_UNIT = 10_000;
/** Longer lists of replicas do not fit into a request; all of the topic's replicas are throttled then. */
const MAX_LIST_CHARACTERS = 16_000;
const RESOURCES_PER_REQUEST = 500;

/** One move as the throttle sees it: who has a copy to read from, and who gets one. */
export interface ThrottledMove {
  readonly topic: string;
  readonly partition: number;
  readonly sources: readonly number[];
  readonly adding: readonly number[];
}

/** The rate nearest to the wanted one (bytes per second, at least 10,000) that carries our mark. */
export function markedRate(bytesPerSecond: number): number {
  return Math.max(1, Math.round(bytesPerSecond / MARK_UNIT)) * MARK_UNIT - MARK_UNIT + MARK;
}

/** Whether the text of a rate carries our mark. */
export function isOurRate(value: string | undefined): boolean {
  return value !== undefined && /^\d{4,15}$/.test(value) && Number(value) % MARK_UNIT === MARK;
}

/** The throttle of the moves of one run: set before them, removed after them, and after a crash by the next run. */
export class ReplicationThrottle {
  readonly #read: AdminSession;
  readonly #act: AdminSession;
  #topics: ReadonlySet<string> = new Set();
  #brokers: ReadonlySet<number> = new Set();

  constructor(read: AdminSession, act: AdminSession) {
    this.#read = read;
    this.#act = act;
  }

  get isSet(): boolean {
    return this.#brokers.size > 0;
  }

  /** Removes what an earlier run of ours left behind; true where there was something. Throttles of others stay. */
  async removeStale(brokers: readonly number[], topics: readonly string[]): Promise<boolean> {
    const rates = await this.#rates(brokers);
    if (![...rates.values()].some((values) => RATES.some((key) => isOurRate(values.get(key))))) return false;
    const listed = await this.#topicsWithLists(topics);
    await this.#clear(
      listed,
      [...rates].filter(([, values]) => RATES.some((key) => isOurRate(values.get(key)))).map(([broker]) => broker),
    );
    return true;
  }

  /** Throttles these moves, and what was throttled by this before no more. Throws `CONFLICT` where others throttle already. */
  async set(bytesPerSecond: number, moves: readonly ThrottledMove[], brokers: readonly number[]): Promise<void> {
    const rate = String(markedRate(bytesPerSecond));
    for (const [broker, values] of await this.#rates(brokers)) {
      const foreign = RATES.find((key) => {
        const value = values.get(key);
        return value !== undefined && value !== NO_RATE && !isOurRate(value);
      });
      if (foreign === undefined) continue;
      const told = `${foreign}=${values.get(foreign)}`;
      throw new BelfryError('CONFLICT', `broker ${broker} has a throttle that is not ours (${told}): remove it, or go without one`);
    }
    const lists = throttledLists(moves);
    const listed = await this.#topicsWithLists([...lists.keys()].filter((topic) => !this.#topics.has(topic)));
    if (listed.length > 0)
      throw new BelfryError('CONFLICT', `topic ${listed[0]} has throttled replicas that are not ours: remove ${LEADERS}`);
    const values = new Map<string, string>(RATES.map((key) => [key, rate]));
    // Known as ours before they are set: a request that fails half way is cleaned up too.
    this.#brokers = new Set([...this.#brokers, ...brokers]);
    for (const id of brokers) await this.#alterBroker(id, values);
    const gone = [...this.#topics].filter((topic) => !lists.has(topic));
    this.#topics = new Set([...this.#topics, ...lists.keys()]);
    await this.#alter([
      ...[...lists].map(([name, list]): ConfigChange => ({ type: 'topic', name, values: list })),
      ...gone.map(withoutLists),
    ]);
  }

  /** Removes what `set` has set. */
  async remove(): Promise<void> {
    if (!this.isSet) return;
    await this.#clear([...this.#topics], [...this.#brokers]);
    this.#topics = new Set();
    this.#brokers = new Set();
  }

  async #clear(topics: readonly string[], brokers: readonly number[]): Promise<void> {
    await this.#alter(topics.map(withoutLists));
    const values = new Map<string, string | undefined>(RATES.map((key) => [key, undefined]));
    for (const id of brokers) {
      try {
        await this.#alterBroker(id, values);
      } catch (error) {
        // Without throttled replicas its rate throttles nothing; should it come back, the next run takes the rate off.
        if (!(error instanceof BelfryError) || error.code !== 'KAFKA_UNREACHABLE') throw error;
      }
    }
  }

  /** Asks whether all of this would be allowed, and changes nothing. Rejects as `set` does where it would not be. */
  async rehearse(broker: number, topic: string | undefined): Promise<void> {
    await this.#rates([broker]);
    const values = new Map<string, string>(RATES.map((key) => [key, String(markedRate(MARK_UNIT))]));
    const ofBroker = { type: 'broker', name: String(broker), values } as const;
    const only = { validateOnly: true } as const;
    throwOnRefusal(await this.#act.of(broker, (one) => one.alterConfigs([ofBroker], REQUEST_TIMEOUT_MS, only)));
    if (topic === undefined) return;
    const ofTopic = { type: 'topic', name: topic, values: new Map([[LEADERS, '*']]) } as const;
    throwOnRefusal(await this.#act.ofAny((any) => any.alterConfigs([ofTopic], REQUEST_TIMEOUT_MS, only)));
  }

  async #rates(brokers: readonly number[]): Promise<ReadonlyMap<number, ReadonlyMap<string, string>>> {
    const found = new Map<number, ReadonlyMap<string, string>>();
    for (const id of brokers) {
      const resource = { type: 'broker', name: String(id), keys: RATES } as const;
      const [told] = await this.#read.of(id, (broker) => broker.describeConfigs([resource], REQUEST_TIMEOUT_MS));
      if (told !== undefined) found.set(id, checked(told).values);
    }
    return found;
  }

  async #topicsWithLists(topics: readonly string[]): Promise<readonly string[]> {
    const found: string[] = [];
    for (const part of partsOf(topics)) {
      const resources = part.map((name) => ({ type: 'topic', name, keys: [LEADERS, FOLLOWERS] }) as const);
      for (const told of await this.#read.ofAny((any) => any.describeConfigs(resources, REQUEST_TIMEOUT_MS))) {
        if (told.errorCode === KAFKA_ERROR.unknownTopicOrPartition) continue;
        const { values } = checked(told);
        if ((values.get(LEADERS) ?? '') !== '' || (values.get(FOLLOWERS) ?? '') !== '') found.push(told.name);
      }
    }
    return found;
  }

  async #alter(changes: readonly ConfigChange[]): Promise<void> {
    for (const part of partsOf(changes)) throwOnRefusal(await this.#act.ofAny((any) => any.alterConfigs(part, REQUEST_TIMEOUT_MS)));
  }

  /** A broker's own settings are changed by that broker only. */
  async #alterBroker(id: number, values: ConfigChange['values']): Promise<void> {
    const change = { type: 'broker', name: String(id), values } as const;
    throwOnRefusal(await this.#act.of(id, (broker) => broker.alterConfigs([change], REQUEST_TIMEOUT_MS)));
  }
}

function throwOnRefusal(refusals: readonly ConfigRefusal[]): void {
  for (const { type, name, errorCode, message } of refusals) {
    // A topic that is gone has no throttle any more.
    if (errorCode === KAFKA_ERROR.unknownTopicOrPartition) continue;
    const needs = type === 'topic' ? 'AlterConfigs on that topic' : 'AlterConfigs on Cluster';
    throw refused(errorCode, `the throttle of ${type} ${name} cannot be changed (needs ${needs}): ${message || kafkaErrorName(errorCode)}`);
  }
}

/** Topic → its two lists of throttled replicas. */
function throttledLists(moves: readonly ThrottledMove[]): ReadonlyMap<string, ReadonlyMap<string, string>> {
  const leaders = new Map<string, string[]>();
  const followers = new Map<string, string[]>();
  for (const { topic, partition, sources, adding } of moves) {
    if (adding.length === 0) continue;
    push(
      leaders,
      topic,
      sources.map((id) => `${partition}:${id}`),
    );
    push(
      followers,
      topic,
      adding.map((id) => `${partition}:${id}`),
    );
  }
  return new Map(
    [...leaders].map(([topic, entries]) => [
      topic,
      new Map([
        [LEADERS, listText(entries)],
        [FOLLOWERS, listText(followers.get(topic) ?? [])],
      ]),
    ]),
  );
}

function push(lists: Map<string, string[]>, topic: string, entries: readonly string[]): void {
  const known = lists.get(topic);
  if (known === undefined) lists.set(topic, [...entries]);
  else known.push(...entries);
}

function listText(entries: readonly string[]): string {
  const text = entries.join(',');
  return text.length > MAX_LIST_CHARACTERS ? '*' : text;
}

function withoutLists(name: string): ConfigChange {
  return {
    type: 'topic',
    name,
    values: new Map([
      [LEADERS, undefined],
      [FOLLOWERS, undefined],
    ]),
  };
}

function checked(told: ConfigDescription): ConfigDescription {
  if (told.errorCode === KAFKA_ERROR.none) return told;
  const on = told.type === 'topic' ? 'that topic' : 'Cluster';
  const needs = `needs DescribeConfigs on ${on}, which AlterConfigs includes`;
  throw refused(told.errorCode, `the settings of ${told.type} ${told.name} cannot be read (${needs}): ${kafkaErrorName(told.errorCode)}`);
}

function refused(errorCode: number, message: string): BelfryError {
  const isPermission = errorCode === KAFKA_ERROR.clusterAuthorizationFailed || errorCode === KAFKA_ERROR.topicAuthorizationFailed;
  return new BelfryError(isPermission ? 'KAFKA_PERMISSION_MISSING' : 'KAFKA_REFUSED', message);
}

function partsOf<T>(items: readonly T[]): readonly (readonly T[])[] {
  const parts: T[][] = [];
  for (let at = 0; at < items.length; at += RESOURCES_PER_REQUEST) parts.push(items.slice(at, at + RESOURCES_PER_REQUEST));
  return parts;
}

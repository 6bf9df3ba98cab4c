import type { ManualClock } from '../../../src/core/clock.ts';
import type { BelfryError } from '../../../src/core/errors.ts';
import { breakError } from '../../../src/kafka/break.ts';
import { decodeMetadata } from '../../../src/kafka/metadata.ts';
import {
  ConnectionBreakError,
  type BrokerAddress,
  type BrokerConnection,
  type ClusterMetadata,
  type ConfigDescription,
  type ConfigResource,
  type ConnectionBreak,
  type Connector,
  type GroupDescription,
  type GroupOffsets,
  type ListedGroup,
  type LogDir,
  type OffsetColumns,
  type QuorumDescription,
  type Reassignment,
} from '../../../src/kafka/observer.ts';
import { metadataAnswer, readerOf, type TopicSpec } from '../../kafka/answers.ts';

export interface FakeGroup {
  readonly coordinator: number;
  readonly members: number;
  readonly type?: string;
  /** Topic → partition → committed offset. */
  readonly committed: Readonly<Record<string, Readonly<Record<number, number>>>>;
}

/** A cluster in memory, reached through the same port as a real one. Ports are 9000 + broker id. */
export class FakeCluster implements Connector {
  readonly clock: ManualClock;
  readonly brokerIds: readonly number[];
  /** In `brokers[]`. */
  readonly registered: Set<number>;
  /** Accepting connections. */
  readonly alive: Set<number>;
  topics: TopicSpec[] = [];
  readonly minIsr = new Map<string, number>();
  readonly brokerConfig = new Map<string, string>();
  readonly groups = new Map<string, FakeGroup>();
  readonly ends = new Map<string, number[]>();
  readonly logDirs = new Map<number, LogDir[]>();
  reassignments: Reassignment[] = [];
  quorum: QuorumDescription = { leaderId: 101, leaderEpoch: 3, highWatermark: 50, voters: [], observers: [], answeredAt: 0 };
  /** API → the error it fails with, at every broker. */
  readonly failing = new Map<string, BelfryError>();
  /** `BROKER API` of every request, and `BROKER connect`. */
  readonly requests: string[] = [];
  readonly open: FakeConnection[] = [];
  /** Brokers that accept requests and never answer. */
  readonly hung = new Set<number>();
  /** What an answer takes, in the fake's clock. */
  answerMs = 0;

  constructor(clock: ManualClock, brokerIds: readonly number[]) {
    this.clock = clock;
    this.brokerIds = brokerIds;
    this.registered = new Set(brokerIds);
    this.alive = new Set(brokerIds);
  }

  get bootstrap(): readonly BrokerAddress[] {
    return this.brokerIds.map((id) => ({ host: 'fake', port: 9000 + id }));
  }

  async connect(address: BrokerAddress): Promise<BrokerConnection> {
    const id = address.port - 9000;
    this.requests.push(`${id} connect`);
    await Promise.resolve();
    const refusal = this.failing.get('connect');
    if (refusal !== undefined) throw refusal;
    if (!this.alive.has(id)) throw breakError(address, new ConnectionBreakError('refused', 'connect ECONNREFUSED'));
    const connection = new FakeConnection(this, id, address);
    this.open.push(connection);
    return connection;
  }

  /** As SIGKILL does: connections break, the broker stays registered. */
  kill(id: number): void {
    this.alive.delete(id);
    for (const connection of this.open.filter(({ brokerId }) => brokerId === id)) connection.break('closed');
  }

  /** As the controller does when the session has ended: out of `brokers[]`, its leaderships gone. */
  fence(id: number): void {
    this.registered.delete(id);
    this.topics = this.topics.map((topic) => ({
      ...topic,
      partitions: topic.partitions.map((partition) => {
        if (!partition.replicas.includes(id)) return partition;
        const isr = (partition.isr ?? partition.replicas).filter((other) => other !== id);
        const leader = partition.leader === id ? (isr[0] ?? -1) : partition.leader;
        const epoch = (partition.epoch ?? 0) + (partition.leader === id ? 1 : 0);
        return { ...partition, isr: isr.length === 0 ? [id] : isr, leader, epoch, error: leader < 0 ? 5 : 0, offline: [id] };
      }),
    }));
  }

  requestsOf(api: string): string[] {
    return this.requests.filter((request) => request.endsWith(` ${api}`));
  }
}

class FakeConnection implements BrokerConnection {
  readonly address: BrokerAddress;
  readonly certificateNotAfter = undefined;
  readonly ended: Promise<ConnectionBreak>;
  readonly traffic = { requests: 0, sentBytes: 0, receivedBytes: 0 };
  readonly brokerId: number;
  readonly #cluster: FakeCluster;
  readonly #end: (reason: ConnectionBreak) => void;
  #broken: ConnectionBreakError | undefined;

  constructor(cluster: FakeCluster, brokerId: number, address: BrokerAddress) {
    this.#cluster = cluster;
    this.brokerId = brokerId;
    this.address = address;
    const { promise, resolve } = Promise.withResolvers<ConnectionBreak>();
    this.ended = promise;
    this.#end = resolve;
  }

  break(kind: 'closed' | 'local'): void {
    this.#broken ??= new ConnectionBreakError(kind, 'broken by the test');
    const at = this.#cluster.open.indexOf(this);
    if (at >= 0) this.#cluster.open.splice(at, 1);
    this.#end({ kind, at: this.#cluster.clock.now(), detail: '' });
  }

  close(): void {
    this.break('local');
  }

  apiVersions(): Promise<ReadonlyMap<number, readonly [number, number]>> {
    return this.#answer('ApiVersions', () => new Map());
  }

  async metadata(topics: readonly string[] | undefined): Promise<ClusterMetadata> {
    const askedAt = this.#cluster.clock.now();
    await this.#answer(topics?.length === 0 ? 'brokers' : 'Metadata', () => undefined);
    const { clock, registered } = this.#cluster;
    const brokers = [...registered].map((id) => ({ id, host: 'fake', port: 9000 + id }));
    const all = topics === undefined ? this.#cluster.topics : this.#cluster.topics.filter(({ name }) => topics.includes(name));
    return decodeMetadata(readerOf(metadataAnswer(12, { clusterId: 'fake', brokers, topics: all })), 12, clock, askedAt);
  }

  describeQuorum(): Promise<QuorumDescription> {
    return this.#answer('DescribeQuorum', () => this.#cluster.quorum);
  }

  describeLogDirs(): Promise<readonly LogDir[]> {
    return this.#answer('DescribeLogDirs', () => this.#cluster.logDirs.get(this.brokerId) ?? []);
  }

  listPartitionReassignments(): Promise<readonly Reassignment[]> {
    return this.#answer('ListPartitionReassignments', () => this.#cluster.reassignments);
  }

  listOffsets(at: -1 | -2, partitions: ReadonlyMap<string, readonly number[]>): Promise<OffsetColumns> {
    return this.#answer('ListOffsets', () => {
      const topics = [...partitions.keys()];
      const rows = topics.flatMap((topic, t) => (partitions.get(topic) ?? []).map((id) => ({ t, topic, id })));
      const leads = ({ topic, id }: { topic: string; id: number }): boolean =>
        this.#cluster.topics.find(({ name }) => name === topic)?.partitions.find((partition) => partition.id === id)?.leader ===
        this.brokerId;
      return {
        topics,
        topicIndex: Int32Array.from(rows, ({ t }) => t),
        partition: Int32Array.from(rows, ({ id }) => id),
        errorCode: Int16Array.from(rows, (row) => (leads(row) ? 0 : 6)),
        offset: Float64Array.from(rows, (row) => (leads(row) ? (at === -2 ? 0 : (this.#cluster.ends.get(row.topic)?.[row.id] ?? 0)) : -1)),
      };
    });
  }

  describeConfigs(resources: readonly ConfigResource[]): Promise<readonly ConfigDescription[]> {
    return this.#answer('DescribeConfigs', () =>
      resources.map(({ type, name }) => {
        if (type === 'broker') return { type, name, errorCode: 0, values: this.#cluster.brokerConfig };
        const minIsr = this.#cluster.minIsr.get(name);
        const values = new Map(minIsr === undefined ? [] : [['min.insync.replicas', String(minIsr)]]);
        return { type, name, errorCode: minIsr === undefined ? 29 : 0, values };
      }),
    );
  }

  listGroups(): Promise<readonly ListedGroup[]> {
    return this.#answer('ListGroups', () =>
      [...this.#cluster.groups]
        .filter(([, { coordinator }]) => coordinator === this.brokerId)
        .map(([groupId, { members, type = 'classic' }]) => ({ groupId, state: members > 0 ? 'Stable' : 'Empty', type })),
    );
  }

  describeGroups(groupIds: readonly string[]): Promise<readonly GroupDescription[]> {
    return this.#answer('DescribeGroups', () =>
      groupIds.map((groupId) => ({
        groupId,
        errorCode: 0,
        state: 'Stable',
        memberCount: this.#cluster.groups.get(groupId)?.members ?? 0,
      })),
    );
  }

  offsetFetch(groupIds: readonly string[]): Promise<readonly GroupOffsets[]> {
    return this.#answer('OffsetFetch', () =>
      groupIds.map((groupId) => {
        const committed = this.#cluster.groups.get(groupId)?.committed ?? {};
        const topics = Object.keys(committed);
        const rows = topics.flatMap((topic, t) =>
          Object.entries(committed[topic] ?? {}).map(([id, offset]) => ({ t, id: Number(id), offset })),
        );
        return {
          groupId,
          errorCode: 0,
          topics,
          topicIndex: Int32Array.from(rows, ({ t }) => t),
          partition: Int32Array.from(rows, ({ id }) => id),
          offset: Float64Array.from(rows, ({ offset }) => offset),
        };
      }),
    );
  }

  async #answer<T>(api: string, make: () => T): Promise<T> {
    const { requests, failing, answerMs, clock, hung } = this.#cluster;
    requests.push(`${this.brokerId} ${api}`);
    if (hung.has(this.brokerId)) await this.ended;
    if (answerMs > 0) await Promise.race([new Promise<void>((resolve) => clock.timer(answerMs, resolve)), this.ended]);
    else await Promise.resolve();
    if (this.#broken !== undefined) throw breakError(this.address, this.#broken);
    const error = failing.get(api) ?? failing.get(`${this.brokerId} ${api}`);
    if (error !== undefined) throw error;
    return make();
  }
}

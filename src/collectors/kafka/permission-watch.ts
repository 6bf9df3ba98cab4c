import { BelfryError } from '../../core/errors.ts';
import { KAFKA_ERROR } from '../../kafka/error-codes.ts';
import type {
  BrokerAddress,
  BrokerConnection,
  ClusterMetadata,
  ConfigDescription,
  ConfigResource,
  Connector,
  GroupDescription,
  GroupOffsets,
  ListedGroup,
  LogDir,
  OffsetColumns,
  QuorumDescription,
  Reassignment,
} from '../../kafka/observer.ts';
import type { Permission, PermissionSink } from '../../kafka/permission-book.ts';

/** The five grants of the watch: docs/permissions.md. */
export const WATCH_PERMISSIONS = {
  describeCluster: { operation: 'Describe', resource: 'Cluster' },
  describeClusterConfigs: { operation: 'DescribeConfigs', resource: 'Cluster' },
  describeTopics: { operation: 'Describe', resource: 'Topic *' },
  describeTopicConfigs: { operation: 'DescribeConfigs', resource: 'Topic *' },
  describeGroups: { operation: 'Describe', resource: 'Group *' },
} as const satisfies Readonly<Record<string, Permission>>;

/** Topics in one answer of which it is told one by one whether they were refused. */
const TOLD_MAX = 1000;

/** A connector whose connections tell, besides their answers, which permissions the brokers miss. */
export class PermissionWatch implements Connector {
  readonly #connector: Connector;
  readonly #sink: PermissionSink;

  constructor(connector: Connector, sink: PermissionSink) {
    this.#connector = connector;
    this.#sink = sink;
  }

  async connect(address: BrokerAddress, timeoutMs: number): Promise<BrokerConnection> {
    return new WatchedConnection(await this.#connector.connect(address, timeoutMs), this.#sink);
  }

  /** Metadata hides what may not be described: told by who compares it with what brokers hold. */
  hiddenTopics(count: number): void {
    if (count > 0) this.#sink.refused(WATCH_PERMISSIONS.describeTopics, 'hidden topics');
    else this.#sink.allowed(WATCH_PERMISSIONS.describeTopics, 'hidden topics');
  }
}

class WatchedConnection implements BrokerConnection {
  readonly #inner: BrokerConnection;
  readonly #sink: PermissionSink;

  constructor(inner: BrokerConnection, sink: PermissionSink) {
    this.#inner = inner;
    this.#sink = sink;
  }

  get address(): BrokerAddress {
    return this.#inner.address;
  }

  get certificateNotAfter(): number | undefined {
    return this.#inner.certificateNotAfter;
  }

  get ended(): BrokerConnection['ended'] {
    return this.#inner.ended;
  }

  get traffic(): BrokerConnection['traffic'] {
    return this.#inner.traffic;
  }

  apiVersions(timeoutMs: number): ReturnType<BrokerConnection['apiVersions']> {
    return this.#inner.apiVersions(timeoutMs);
  }

  metadata(topics: readonly string[] | undefined, timeoutMs: number): Promise<ClusterMetadata> {
    return this.#inner.metadata(topics, timeoutMs);
  }

  describeQuorum(timeoutMs: number): Promise<QuorumDescription> {
    return this.#ofCluster('DescribeQuorum', () => this.#inner.describeQuorum(timeoutMs));
  }

  describeLogDirs(timeoutMs: number): Promise<readonly LogDir[]> {
    return this.#ofCluster('DescribeLogDirs', () => this.#inner.describeLogDirs(timeoutMs));
  }

  listPartitionReassignments(timeoutMs: number): Promise<readonly Reassignment[]> {
    return this.#ofCluster('ListPartitionReassignments', () => this.#inner.listPartitionReassignments(timeoutMs));
  }

  async listOffsets(at: -1 | -2, partitions: ReadonlyMap<string, readonly number[]>, timeoutMs: number): Promise<OffsetColumns> {
    const answer = await this.#inner.listOffsets(at, partitions, timeoutMs);
    const refused = new Set<string>();
    for (const [i, errorCode] of answer.errorCode.entries()) {
      if (errorCode === KAFKA_ERROR.topicAuthorizationFailed) refused.add(answer.topics[answer.topicIndex[i] ?? 0] ?? '');
      if (refused.size >= TOLD_MAX) break;
    }
    for (const topic of refused) this.#sink.refused(WATCH_PERMISSIONS.describeTopics, topic);
    if (refused.size === 0)
      for (const topic of answer.topics.slice(0, TOLD_MAX)) this.#sink.allowed(WATCH_PERMISSIONS.describeTopics, topic);
    return answer;
  }

  async describeConfigs(resources: readonly ConfigResource[], timeoutMs: number): Promise<readonly ConfigDescription[]> {
    const answers = await this.#inner.describeConfigs(resources, timeoutMs);
    for (const { type, name, errorCode } of answers) {
      const [permission, code] =
        type === 'topic'
          ? ([WATCH_PERMISSIONS.describeTopicConfigs, KAFKA_ERROR.topicAuthorizationFailed] as const)
          : ([WATCH_PERMISSIONS.describeClusterConfigs, KAFKA_ERROR.clusterAuthorizationFailed] as const);
      // Every broker is asked for the same right: one that allows it is as good as another.
      const what = type === 'topic' ? name : 'broker';
      if (errorCode === code) this.#sink.refused(permission, what);
      else if (errorCode === KAFKA_ERROR.none) this.#sink.allowed(permission, what);
    }
    return answers;
  }

  listGroups(timeoutMs: number): Promise<readonly ListedGroup[]> {
    return this.#inner.listGroups(timeoutMs);
  }

  async describeGroups(groupIds: readonly string[], type: 'classic' | 'consumer', timeoutMs: number): Promise<readonly GroupDescription[]> {
    const answers = await this.#inner.describeGroups(groupIds, type, timeoutMs);
    this.#ofGroups(answers);
    return answers;
  }

  async offsetFetch(groupIds: readonly string[], timeoutMs: number): Promise<readonly GroupOffsets[]> {
    const answers = await this.#inner.offsetFetch(groupIds, timeoutMs);
    this.#ofGroups(answers);
    return answers;
  }

  close(): void {
    this.#inner.close();
  }

  #ofGroups(answers: readonly { readonly groupId: string; readonly errorCode: number }[]): void {
    for (const { groupId, errorCode } of answers) {
      if (errorCode === KAFKA_ERROR.groupAuthorizationFailed) this.#sink.refused(WATCH_PERMISSIONS.describeGroups, groupId);
      else if (errorCode === KAFKA_ERROR.none) this.#sink.allowed(WATCH_PERMISSIONS.describeGroups, groupId);
    }
  }

  async #ofCluster<T>(api: string, ask: () => Promise<T>): Promise<T> {
    try {
      const answer = await ask();
      this.#sink.allowed(WATCH_PERMISSIONS.describeCluster, api);
      return answer;
    } catch (error) {
      if (error instanceof BelfryError && error.code === 'KAFKA_PERMISSION_MISSING')
        this.#sink.refused(WATCH_PERMISSIONS.describeCluster, api);
      throw error;
    }
  }
}

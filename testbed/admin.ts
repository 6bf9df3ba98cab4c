import {
  AclOperations,
  AclPermissionTypes,
  Connection,
  ResourcePatternTypes,
  ResourceTypes,
  alterPartitionReassignmentsV0,
  createAPI,
  createAclsV3,
  createTopicsV7,
  deleteAclsV3,
  deleteTopicsV6,
  incrementalAlterConfigsV1,
  listPartitionReassignmentsV0,
  metadataV12,
  Writer,
} from '@platformatic/kafka';
import type { Acl, ConnectionOptions, Reader } from '@platformatic/kafka';

/** What a cluster says of itself, per-partition errors included as data. */
export interface ClusterView {
  /** Ids of the live brokers, ascending. */
  readonly brokers: readonly number[];
  readonly topics: ReadonlyMap<string, readonly PartitionView[]>;
}

export interface PartitionView {
  readonly partition: number;
  /** -1 when it has none. */
  readonly leader: number;
  readonly replicas: readonly number[];
  readonly isr: readonly number[];
}

/** `createTopic`: replicas as a replication factor, or one list of broker ids a partition (the first is the preferred leader). */
export interface TopicOptions {
  partitions?: number;
  replicas?: number | readonly (readonly number[])[];
  config?: Readonly<Record<string, string | number | boolean>>;
}

export interface AclOptions {
  /** E.g. `User:belfry`. */
  principal: string;
  resource: 'TOPIC' | 'GROUP' | 'CLUSTER' | 'TRANSACTIONAL_ID';
  /** `*` for all; the cluster's name is `kafka-cluster`. */
  name: string;
  operation: keyof typeof AclOperations;
  pattern?: 'LITERAL' | 'PREFIXED';
  permission?: 'ALLOW' | 'DENY';
}

export type ConnectionSecurity = Pick<ConnectionOptions, 'tls' | 'sasl'>;

const REQUEST_TIMEOUT_MS = 30_000;

/** A look at a cluster and a hand in it, on one connection to one broker. Everything throws with Kafka's own error. */
export class ClusterAdmin implements AsyncDisposable {
  readonly #connection: Connection;

  private constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** Connects to the first of `ports` (127.0.0.1) that answers. */
  static async connect(ports: readonly number[], security: ConnectionSecurity, connectTimeoutMs = 15_000): Promise<ClusterAdmin> {
    const errors: unknown[] = [];
    for (const port of ports) {
      try {
        return new ClusterAdmin(
          await openConnection(port, security, { connectTimeout: connectTimeoutMs, requestTimeout: REQUEST_TIMEOUT_MS }),
        );
      } catch (error) {
        errors.push(error);
      }
    }
    throw new AggregateError(errors, `testbed: no broker answers on ${ports.join(', ')}`);
  }

  /** The raw connection, for requests this class does not wrap. */
  get connection(): Connection {
    return this.#connection;
  }

  async view(topics: readonly string[] | null = null): Promise<ClusterView> {
    const response = await withErrorsAsData<metadataV12.MetadataResponse>(
      metadataV12.api.async(this.#connection, topics === null ? null : [...topics], false, false),
    );
    return {
      brokers: response.brokers.map((broker) => broker.nodeId).sort((a, b) => a - b),
      topics: new Map(
        response.topics.map((topic) => [
          topic.name ?? topic.topicId,
          topic.partitions
            .map(({ partitionIndex, leaderId, replicaNodes, isrNodes }) => ({
              partition: partitionIndex,
              leader: leaderId,
              replicas: replicaNodes,
              isr: isrNodes,
            }))
            .sort((a, b) => a.partition - b.partition),
        ]),
      ),
    };
  }

  async createTopic(name: string, { partitions = 1, replicas = 1, config = {} }: TopicOptions): Promise<void> {
    const explicit =
      typeof replicas === 'number' ? [] : replicas.map((brokerIds, partitionIndex) => ({ partitionIndex, brokerIds: [...brokerIds] }));
    const configs = Object.entries(config).map(([key, value]) => ({ name: key, value: String(value) }));
    const counts =
      typeof replicas === 'number'
        ? { numPartitions: partitions, replicationFactor: replicas }
        : { numPartitions: -1, replicationFactor: -1 };
    await createTopicsV7.api.async(this.#connection, [{ name, ...counts, assignments: explicit, configs }], REQUEST_TIMEOUT_MS, false);
  }

  async deleteTopic(name: string): Promise<void> {
    await deleteTopicsV6.api.async(this.#connection, [{ name, topicId: null }], REQUEST_TIMEOUT_MS);
  }

  /** Starts moving partitions: partition → its new replicas, or null to cancel a move. */
  async reassign(topic: string, moves: Readonly<Record<number, readonly number[] | null>>): Promise<void> {
    const partitions = Object.entries(moves).map(([partition, replicas]) => ({
      partitionIndex: Number(partition),
      replicas: replicas === null ? null : [...replicas],
    }));
    await alterPartitionReassignmentsV0.api.async(this.#connection, REQUEST_TIMEOUT_MS, true, [{ name: topic, partitions }]);
  }

  /** Number of partitions that are being moved. */
  async reassigning(): Promise<number> {
    const { topics } = await listPartitionReassignmentsV0.api.async(this.#connection, REQUEST_TIMEOUT_MS, null);
    return topics.reduce((sum, topic) => sum + topic.partitions.length, 0);
  }

  /** Sets (or, with null, removes) dynamic configuration of a topic, or of a broker (`name` is its id, '' is all). */
  async alterConfig(
    type: 'topic' | 'broker',
    name: string,
    config: Readonly<Record<string, string | number | boolean | null>>,
  ): Promise<void> {
    const configs = Object.entries(config).map(([key, value]) =>
      value === null ? { name: key, configOperation: 1 as const } : { name: key, configOperation: 0 as const, value: String(value) },
    );
    await incrementalAlterConfigsV1.api.async(
      this.#connection,
      [{ resourceType: type === 'topic' ? 2 : 4, resourceName: name, configs }],
      false,
    );
  }

  /** Makes the preferred replicas the leaders again, of the given partitions of a topic. */
  async electPreferredLeaders(topic: string, partitions: readonly number[]): Promise<void> {
    await electLeadersV2.async(this.#connection, topic, partitions);
  }

  async grant(options: AclOptions): Promise<void> {
    await createAclsV3.api.async(this.#connection, [toAcl(options)]);
  }

  async revoke(options: AclOptions): Promise<void> {
    await deleteAclsV3.api.async(this.#connection, [toAcl(options)]);
  }

  async close(): Promise<void> {
    await closeQuietly(this.#connection);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

function toAcl({ principal, resource, name, operation, pattern = 'LITERAL', permission = 'ALLOW' }: AclOptions): Acl {
  return {
    resourceType: ResourceTypes[resource],
    resourceName: name,
    resourcePatternType: ResourcePatternTypes[pattern],
    principal,
    host: '*',
    operation: AclOperations[operation],
    permissionType: AclPermissionTypes[permission],
  };
}

/** The client throws when any partition has an error, and hangs the whole answer on the error. */
async function withErrorsAsData<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof Error && 'response' in error && error.response !== undefined) return error.response as T;
    throw error;
  }
}

/** Opens one connection to a broker of this machine. */
export async function openConnection(port: number, security: ConnectionSecurity, options: ConnectionOptions): Promise<Connection> {
  const connection = new Connection('belfry-testbed', { ...options, ...security });
  // Its broker may be killed at any time. Every request in flight fails with that error; without a listener it would end the process too.
  connection.on('error', () => undefined);
  try {
    await connection.connect('127.0.0.1', port);
    return connection;
  } catch (error) {
    await closeQuietly(connection);
    throw error;
  }
}

async function closeQuietly(connection: Connection): Promise<void> {
  // A connection to a broker that was killed cannot be closed in order; there is nothing left to close then.
  await connection.close().catch(() => undefined);
}

/** ElectLeaders (key 43) version 2, which the client lacks: preferred election of some partitions of one topic. */
const electLeadersV2 = createAPI<[topic: string, partitions: readonly number[]], number>(
  43,
  2,
  (topic: string, partitions: readonly number[]) =>
    Writer.create()
      .appendInt8(0)
      .appendArray([topic], (writer, name) => {
        writer.appendString(name).appendArray([...partitions], (w, partition) => w.appendInt32(partition), true, false);
      })
      .appendInt32(REQUEST_TIMEOUT_MS)
      .appendTaggedFields(),
  (_correlationId: number, _apiKey: number, _apiVersion: number, reader: Reader) => {
    reader.readInt32();
    const errorCode = reader.readInt16();
    if (errorCode !== 0) throw new Error(`testbed: ElectLeaders answered error ${errorCode}`);
    return errorCode;
  },
);

import { ADMIN_APIS } from './admin-apis.ts';
import {
  decodeAlterConfigs,
  decodeAlterReassignments,
  decodeElectLeaders,
  decodeUnregisterBroker,
  writeAlterConfigsRequest,
  writeAlterReassignmentsRequest,
  writeElectLeadersRequest,
  writeUnregisterBrokerRequest,
  type ConfigChange,
  type ConfigRefusal,
  type PartitionRefusal,
  type ReplicaAssignment,
  type TopicPartition,
} from './admin-requests.ts';
import { APIS } from './apis.ts';
import { openKafkaConnection, type ConnectorOptions, type KafkaConnection } from './connection.ts';
import { KAFKA_ERROR, throwOnError } from './error-codes.ts';
import { decodeReplicaSizes, writeDescribeLogDirsRequest, type ReplicaSizes } from './log-dirs.ts';
import type { BrokerAddress, BrokerConnection, ClusterMetadata, ConfigDescription, ConfigResource, Reassignment } from './observer.ts';

/** The client id of everything that changes a cluster, so that a broker's log tells it from the watch. */
const CLIENT_ID = 'belfry-admin';

/** Opens connections that may change a cluster, with a credential of its own; the watch has none of these. */
export class AdminConnector {
  readonly #options: ConnectorOptions;

  constructor(options: ConnectorOptions) {
    this.#options = { clientId: CLIENT_ID, ...options };
  }

  /** Rejects as `Connector.connect` does. */
  async connect(address: BrokerAddress, timeoutMs: number): Promise<AdminConnection> {
    return new AdminConnection(await openKafkaConnection(address, this.#options, timeoutMs), this.#options);
  }
}

/**
 * One connection that may change a cluster, and look at what has to be known for that. Every request rejects with a
 * `BelfryError` of the codes `KAFKA_…` when it failed as a whole; what was refused of it is its result.
 */
export class AdminConnection {
  readonly address: BrokerAddress;
  readonly ended: BrokerConnection['ended'];
  readonly #connection: KafkaConnection;
  readonly #options: ConnectorOptions;

  constructor(connection: KafkaConnection, options: ConnectorOptions) {
    this.#connection = connection;
    this.#options = options;
    this.address = connection.address;
    this.ended = connection.ended;
  }

  metadata(topics: readonly string[] | undefined, timeoutMs: number): Promise<ClusterMetadata> {
    return this.#connection.metadata(topics, timeoutMs);
  }

  listPartitionReassignments(timeoutMs: number): Promise<readonly Reassignment[]> {
    return this.#connection.listPartitionReassignments(timeoutMs);
  }

  /** Of a broker only that broker itself answers. */
  describeConfigs(resources: readonly ConfigResource[], timeoutMs: number): Promise<readonly ConfigDescription[]> {
    return this.#connection.describeConfigs(resources, timeoutMs);
  }

  /** Of the replicas that this broker holds. */
  replicaSizes(timeoutMs: number): Promise<ReplicaSizes> {
    return this.#connection.call({
      api: APIS.describeLogDirs,
      timeoutMs,
      write: writeDescribeLogDirsRequest,
      read: (reader, version) => decodeReplicaSizes(reader, version, this.#options.clock),
    });
  }

  /** Starts moves, or takes running ones back. Resolves as soon as they are written down, with those refused. */
  alterReassignments(assignments: readonly ReplicaAssignment[], timeoutMs: number): Promise<readonly PartitionRefusal[]> {
    return this.#connection.call({
      api: ADMIN_APIS.alterPartitionReassignments,
      timeoutMs,
      write: (writer, version) => writeAlterReassignmentsRequest(writer, version, assignments, timeoutMs),
      read: decodeAlterReassignments,
    });
  }

  /** Makes preferred replicas leaders. Never an unclean election. Resolves with the partitions where there was none. */
  electPreferred(partitions: readonly TopicPartition[], timeoutMs: number): Promise<readonly PartitionRefusal[]> {
    return this.#connection.call({
      api: ADMIN_APIS.electLeaders,
      timeoutMs,
      write: (writer) => writeElectLeadersRequest(writer, partitions, timeoutMs),
      read: decodeElectLeaders,
    });
  }

  /** With `validateOnly` nothing is changed, and the result is what would be refused. */
  alterConfigs(changes: readonly ConfigChange[], timeoutMs: number, { validateOnly = false } = {}): Promise<readonly ConfigRefusal[]> {
    return this.#connection.call({
      api: ADMIN_APIS.incrementalAlterConfigs,
      timeoutMs,
      write: (writer) => writeAlterConfigsRequest(writer, changes, validateOnly),
      read: decodeAlterConfigs,
    });
  }

  /** Resolves with false where no such broker was registered (any more). */
  async unregister(brokerId: number, timeoutMs: number): Promise<boolean> {
    const { errorCode, message } = await this.#connection.call({
      api: ADMIN_APIS.unregisterBroker,
      timeoutMs,
      write: (writer) => writeUnregisterBrokerRequest(writer, brokerId),
      read: decodeUnregisterBroker,
    });
    if (errorCode === KAFKA_ERROR.brokerIdNotRegistered) return false;
    throwOnError('UnregisterBroker', errorCode, message);
    return true;
  }

  close(): void {
    this.#connection.close();
  }
}

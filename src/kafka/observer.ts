/**
 * What the collectors see of a broker: one connection, a few requests, answers in columns. Per-partition errors are
 * data; only a failed request or a broken connection is an error. Times are milliseconds of Belfry time.
 */
export interface BrokerAddress {
  readonly host: string;
  readonly port: number;
}

/** How a connection ended or could not be made; the words of the liveness table. */
export type BreakKind =
  /** The kernel answered the connect with a refusal. */
  | 'refused'
  /** The kernel reset an established connection. */
  | 'reset'
  /** The other side closed in an orderly way (FIN). */
  | 'closed'
  | 'timeout'
  | 'dns'
  | 'no_route'
  | 'tls'
  | 'auth'
  /** What answered does not speak Kafka. */
  | 'protocol'
  /** We closed it ourselves. */
  | 'local';

export interface ConnectionBreak {
  readonly kind: BreakKind;
  readonly at: number;
  /** One line without secrets. */
  readonly detail: string;
}

export interface BrokerConnection {
  readonly address: BrokerAddress;
  /** The listener's certificate's end (Unix milliseconds), where the connection is TLS. */
  readonly certificateNotAfter: number | undefined;
  /** Resolves, never rejects, as soon as the connection has ended for whatever reason. */
  readonly ended: Promise<ConnectionBreak>;
  /** Requests and bytes so far, for the load Belfry puts on a cluster. */
  readonly traffic: { readonly requests: number; readonly sentBytes: number; readonly receivedBytes: number };
  /** The cheapest request there is: the liveness ping. Resolves with API key → [lowest, highest] version. */
  apiVersions(timeoutMs: number): Promise<ReadonlyMap<number, readonly [number, number]>>;
  /** All topics, internal ones too, where `topics` is undefined. Decoded in slices, so that the loop is not held. */
  metadata(topics: readonly string[] | undefined, timeoutMs: number): Promise<ClusterMetadata>;
  describeQuorum(timeoutMs: number): Promise<QuorumDescription>;
  describeLogDirs(timeoutMs: number): Promise<readonly LogDir[]>;
  /** Topic and partition → the replicas being added. */
  listPartitionReassignments(timeoutMs: number): Promise<readonly Reassignment[]>;
  /** Only partitions this broker leads answer without an error. `at` is -1 for the end, -2 for the start of the log. */
  listOffsets(at: -1 | -2, partitions: ReadonlyMap<string, readonly number[]>, timeoutMs: number): Promise<OffsetColumns>;
  describeConfigs(resources: readonly ConfigResource[], timeoutMs: number): Promise<readonly ConfigDescription[]>;
  /** The groups this broker coordinates. */
  listGroups(timeoutMs: number): Promise<readonly ListedGroup[]>;
  /** Groups of one type, as `listGroups` told it. */
  describeGroups(groupIds: readonly string[], type: 'classic' | 'consumer', timeoutMs: number): Promise<readonly GroupDescription[]>;
  /** Committed offsets of whole groups; only groups this broker coordinates answer without an error. */
  offsetFetch(groupIds: readonly string[], timeoutMs: number): Promise<readonly GroupOffsets[]>;
  /** Ends it; `ended` resolves with kind `local`. */
  close(): void;
}

export interface MetadataBroker extends BrokerAddress {
  readonly id: number;
  readonly rack: string | undefined;
}

/**
 * A Metadata answer in columns. Topic t has the partitions `partitionStart[t]` … `partitionStart[t+1] - 1`; partition p
 * has the replicas `replicaIds[replicaStart[p]]` … and likewise ISR and offline replicas. Partitions of a topic are in
 * the broker's order; `partitionId[p]` is Kafka's number.
 */
export interface ClusterMetadata {
  readonly clusterId: string;
  readonly brokers: readonly MetadataBroker[];
  readonly topics: readonly string[];
  readonly topicErrors: Int16Array;
  readonly topicInternal: Uint8Array;
  readonly partitionStart: Int32Array;
  readonly partitionId: Int32Array;
  readonly partitionError: Int16Array;
  /** -1 where there is none. */
  readonly leaderId: Int32Array;
  readonly leaderEpoch: Int32Array;
  readonly replicaStart: Int32Array;
  readonly replicaIds: Int32Array;
  readonly isrStart: Int32Array;
  readonly isrIds: Int32Array;
  readonly offlineStart: Int32Array;
  readonly offlineIds: Int32Array;
  /** When the request was sent and the answer was complete. */
  readonly askedAt: number;
  readonly answeredAt: number;
}

export interface QuorumDescription {
  /** -1 where there is none. */
  readonly leaderId: number;
  readonly leaderEpoch: number;
  readonly highWatermark: number;
  readonly voters: readonly QuorumReplica[];
  readonly observers: readonly QuorumReplica[];
  readonly answeredAt: number;
}

export interface QuorumReplica {
  readonly nodeId: number;
  readonly logEndOffset: number;
  /** Unix milliseconds by the leader's clock; -1 where not known. */
  readonly lastFetchAt: number;
  readonly lastCaughtUpAt: number;
}

export interface LogDir {
  readonly path: string;
  /** Kafka's error code; 56 is KAFKA_STORAGE_ERROR, an offline dir. */
  readonly errorCode: number;
  /** Of its file system; -1 where the broker does not say. */
  readonly totalBytes: number;
  readonly usableBytes: number;
  readonly usedBytes: number;
  /** Topic → partition ids with a replica in it. */
  readonly replicas: ReadonlyMap<string, readonly number[]>;
  /** Topic → bytes of each of those replicas, in their order; -1 for a copy that is being moved between two disks. */
  readonly sizes: ReadonlyMap<string, readonly number[]>;
}

export interface Reassignment {
  readonly topic: string;
  readonly partition: number;
  readonly adding: readonly number[];
  readonly removing: readonly number[];
}

/** Row i: partition `partition[i]` of `topics[topicIndex[i]]`; `offset[i]` is -1 where `errorCode[i]` is not 0. */
export interface OffsetColumns {
  readonly topics: readonly string[];
  readonly topicIndex: Int32Array;
  readonly partition: Int32Array;
  readonly errorCode: Int16Array;
  readonly offset: Float64Array;
}

export interface ConfigResource {
  readonly type: 'topic' | 'broker';
  readonly name: string;
  /** Only these keys; all where undefined. */
  readonly keys?: readonly string[];
}

export interface ConfigDescription {
  readonly type: 'topic' | 'broker';
  readonly name: string;
  readonly errorCode: number;
  readonly values: ReadonlyMap<string, string>;
}

export interface ListedGroup {
  readonly groupId: string;
  /** `Stable`, `Empty`, `Dead` … */
  readonly state: string;
  /** `classic`, `consumer` (KIP-848), `share`, `streams`. */
  readonly type: string;
}

export interface GroupDescription {
  readonly groupId: string;
  readonly errorCode: number;
  readonly state: string;
  readonly memberCount: number;
}

export interface GroupOffsets {
  readonly groupId: string;
  readonly errorCode: number;
  readonly topics: readonly string[];
  readonly topicIndex: Int32Array;
  readonly partition: Int32Array;
  /** -1 where nothing is committed. */
  readonly offset: Float64Array;
}

/** TLS and SASL of one cluster, secrets already read. */
export interface KafkaSecurity {
  readonly tls?: {
    readonly ca?: string;
    readonly cert?: string;
    readonly key?: string;
    readonly serverName?: string;
    readonly rejectUnauthorized: boolean;
  };
  readonly sasl?: PasswordSasl | TokenSasl;
}

export interface PasswordSasl {
  readonly mechanism: 'PLAIN' | 'SCRAM-SHA-256' | 'SCRAM-SHA-512';
  readonly username: string;
  readonly password: string;
}

export interface TokenSasl {
  readonly mechanism: 'OAUTHBEARER';
  readonly tokens: TokenSource;
}

/** Where bearer tokens come from. */
export interface TokenSource {
  /** One that is good for a while. Rejects with a `ConnectionBreakError` of kind `auth` where there is none. */
  token(timeoutMs: number): Promise<string>;
  /** A broker did not take this one: the next is another. */
  refused(token: string): void;
}

/**
 * Opens connections; made once a cluster. `connect` rejects with a `BelfryError` (`KAFKA_UNREACHABLE`, `KAFKA_TIMEOUT`,
 * `KAFKA_AUTH_FAILED`, `KAFKA_MALFORMED`) whose `cause` is a `ConnectionBreakError` that tells the kind.
 */
export interface Connector {
  /** Resolves once the broker has answered ApiVersions and, where configured, TLS and SASL are done. Fresh DNS each time. */
  connect(address: BrokerAddress, timeoutMs: number): Promise<BrokerConnection>;
}

/** The cause inside a failed `connect`, and of requests that a broken connection cut short. */
export class ConnectionBreakError extends Error {
  override readonly name = 'ConnectionBreakError';
  readonly kind: BreakKind;
  /** A connect timed out before the kernel of the other side had said a word: packets are lost on the way. */
  readonly unheard: boolean;

  constructor(kind: BreakKind, detail: string, options?: { cause?: unknown; unheard?: boolean }) {
    super(detail, options);
    this.kind = kind;
    this.unheard = options?.unheard === true;
  }
}

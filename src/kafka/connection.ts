import type { Clock } from '../core/clock.ts';
import { BelfryError, type ErrorCode } from '../core/errors.ts';
import { APIS, negotiate, type Api, type ApiVersions } from './apis.ts';
import { breakError } from './break.ts';
import { decodeConfigs, writeDescribeConfigsRequest } from './configs.ts';
import { throwOnError } from './error-codes.ts';
import {
  decodeConsumerGroupDescribe,
  decodeDescribeGroups,
  decodeListGroups,
  decodeOffsetFetch,
  writeDescribeGroupsRequest,
  writeListGroupsRequest,
  writeOffsetFetchRequest,
} from './groups.ts';
import { decodeListOffsets, writeListOffsetsRequest } from './list-offsets.ts';
import { decodeLogDirs, writeDescribeLogDirsRequest } from './log-dirs.ts';
import { decodeMetadata, writeMetadataRequest } from './metadata.ts';
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
  type KafkaSecurity,
  type ListedGroup,
  type LogDir,
  type OffsetColumns,
  type QuorumDescription,
  type Reassignment,
} from './observer.ts';
import { decodeQuorum, writeDescribeQuorumRequest } from './quorum.ts';
import { decodeReassignments, writeListReassignmentsRequest } from './reassignments.ts';
import { SaslSession } from './sasl-session.ts';
import { certificateEnd, openSocket } from './socket.ts';
import { Transport } from './transport.ts';
import type { WireReader } from './wire-reader.ts';
import type { WireWriter } from './wire-writer.ts';

/** One finished request, for the load that Belfry puts on a cluster. */
export interface RequestEvent {
  readonly api: string;
  readonly sentBytes: number;
  readonly receivedBytes: number;
  /** From sending until the answer was decoded. */
  readonly durationMs: number;
  readonly outcome: ErrorCode | 'ok';
}

export interface ConnectorOptions {
  readonly clock: Clock;
  readonly security?: KafkaSecurity;
  /** What the brokers see in their logs and quotas. Default `belfry`. */
  readonly clientId?: string;
  /** The largest answer accepted. Default 128 MiB, about 2 million partitions. */
  readonly maxResponseBytes?: number;
  readonly onRequest?: (event: RequestEvent) => void;
}

const DEFAULT_MAX_RESPONSE_BYTES = 128 * 1024 * 1024;

/** Opens connections to the brokers of one cluster. */
export class KafkaConnector implements Connector {
  readonly #options: ConnectorOptions;

  constructor(options: ConnectorOptions) {
    this.#options = options;
  }

  connect(address: BrokerAddress, timeoutMs: number): Promise<BrokerConnection> {
    return openKafkaConnection(address, this.#options, timeoutMs);
  }
}

/** What every kind of connector does. Resolves and rejects as `Connector.connect`. */
export async function openKafkaConnection(address: BrokerAddress, options: ConnectorOptions, timeoutMs: number): Promise<KafkaConnection> {
  const { clock, security = {}, clientId = 'belfry', maxResponseBytes = DEFAULT_MAX_RESPONSE_BYTES } = options;
  const deadline = clock.elapsed() + timeoutMs;
  const leftMs = (): number => Math.max(1, Math.round(deadline - clock.elapsed()));
  let transport: Transport | undefined;
  try {
    const socket = await openSocket(address, security.tls, clock, timeoutMs);
    transport = new Transport(socket, { address, clock, clientId, maxResponseBytes });
    const certificateNotAfter = certificateEnd(socket);
    const connection = new KafkaConnection(transport, { ...options, address, certificateNotAfter });
    await connection.introduce(leftMs);
    return connection;
  } catch (error) {
    transport?.close('the handshake failed');
    throw connectError(address, error);
  }
}

/** Everything that can go wrong before a connection stands, as the documented `BelfryError` with its break inside. */
function connectError(address: BrokerAddress, error: unknown): BelfryError {
  if (error instanceof ConnectionBreakError) return breakError(address, error);
  if (!(error instanceof BelfryError)) {
    return new BelfryError('INTERNAL', `${address.host}:${address.port}`, { cause: error });
  }
  if (error.cause instanceof ConnectionBreakError) return error;
  const kind = error.code === 'KAFKA_TIMEOUT' ? 'timeout' : error.code === 'KAFKA_AUTH_FAILED' ? 'auth' : 'protocol';
  return new BelfryError(error.code, `${address.host}:${address.port}`, { cause: new ConnectionBreakError(kind, error.message) });
}

interface Details extends ConnectorOptions {
  readonly address: BrokerAddress;
  readonly certificateNotAfter: number | undefined;
}

/** One request and how its answer is read. */
export interface Exchange<T> {
  readonly api: Api;
  readonly timeoutMs: number;
  write(writer: WireWriter, version: number): void;
  read(reader: WireReader, version: number): T | Promise<T>;
}

/** A connection to one broker. Others than `AdminConnection` see it as a `BrokerConnection`, which only looks. */
export class KafkaConnection implements BrokerConnection {
  readonly address: BrokerAddress;
  readonly certificateNotAfter: number | undefined;
  readonly ended: Promise<ConnectionBreak>;
  readonly traffic: Transport['traffic'];
  readonly #transport: Transport;
  readonly #details: Details;
  #versions: ApiVersions = new Map();
  /** Undefined where we do not say who we are. */
  readonly #session: SaslSession | undefined;
  /** Whether the broker has answered anything that needs a proven identity. */
  #admitted = false;

  constructor(transport: Transport, details: Details) {
    this.#transport = transport;
    this.#details = details;
    this.address = details.address;
    this.certificateNotAfter = details.certificateNotAfter;
    this.ended = transport.ended;
    this.traffic = transport.traffic;
    const { clock, security } = details;
    if (security?.sasl !== undefined) this.#session = new SaslSession({ transport, clock, sasl: security.sasl });
  }

  /** What comes before the first request: which versions the broker speaks, and who we are. */
  async introduce(leftMs: () => number): Promise<void> {
    this.#versions = await this.#askVersions(leftMs());
    await this.#session?.begin(leftMs);
  }

  /** A broker closes at any request after a session's end, this one too. */
  async apiVersions(timeoutMs: number): Promise<ApiVersions> {
    await this.#session?.keep(timeoutMs);
    return this.#askVersions(timeoutMs);
  }

  #askVersions(timeoutMs: number): Promise<ApiVersions> {
    return this.#exchange(APIS.apiVersions.highest, {
      api: APIS.apiVersions,
      timeoutMs,
      write: (writer) => writer.compactString('belfry').compactString('1').noTags(),
      read: decodeApiVersions,
    });
  }

  metadata(topics: readonly string[] | undefined, timeoutMs: number): Promise<ClusterMetadata> {
    const { clock } = this.#details;
    const askedAt = clock.now();
    return this.call({
      api: APIS.metadata,
      timeoutMs,
      write: (writer, version) => writeMetadataRequest(writer, version, topics),
      read: (reader, version) => decodeMetadata(reader, version, clock, askedAt),
    });
  }

  describeQuorum(timeoutMs: number): Promise<QuorumDescription> {
    return this.call({
      api: APIS.describeQuorum,
      timeoutMs,
      write: writeDescribeQuorumRequest,
      read: (reader, version) => decodeQuorum(reader, version, this.#details.clock.now()),
    });
  }

  describeLogDirs(timeoutMs: number): Promise<readonly LogDir[]> {
    return this.call({
      api: APIS.describeLogDirs,
      timeoutMs,
      write: writeDescribeLogDirsRequest,
      read: (reader, version) => decodeLogDirs(reader, version, this.#details.clock),
    });
  }

  listPartitionReassignments(timeoutMs: number): Promise<readonly Reassignment[]> {
    return this.call({
      api: APIS.listPartitionReassignments,
      timeoutMs,
      write: (writer) => writeListReassignmentsRequest(writer, timeoutMs),
      read: decodeReassignments,
    });
  }

  listOffsets(at: -1 | -2, partitions: ReadonlyMap<string, readonly number[]>, timeoutMs: number): Promise<OffsetColumns> {
    return this.call({
      api: APIS.listOffsets,
      timeoutMs,
      write: (writer) => writeListOffsetsRequest(writer, at, partitions),
      read: (reader) => decodeListOffsets(reader, this.#details.clock),
    });
  }

  describeConfigs(resources: readonly ConfigResource[], timeoutMs: number): Promise<readonly ConfigDescription[]> {
    return this.call({
      api: APIS.describeConfigs,
      timeoutMs,
      write: (writer) => writeDescribeConfigsRequest(writer, resources),
      read: decodeConfigs,
    });
  }

  listGroups(timeoutMs: number): Promise<readonly ListedGroup[]> {
    return this.call({ api: APIS.listGroups, timeoutMs, write: writeListGroupsRequest, read: decodeListGroups });
  }

  describeGroups(groupIds: readonly string[], type: 'classic' | 'consumer', timeoutMs: number): Promise<readonly GroupDescription[]> {
    return this.call({
      api: type === 'classic' ? APIS.describeGroups : APIS.consumerGroupDescribe,
      timeoutMs,
      write: (writer) => writeDescribeGroupsRequest(writer, groupIds),
      read: type === 'classic' ? decodeDescribeGroups : decodeConsumerGroupDescribe,
    });
  }

  offsetFetch(groupIds: readonly string[], timeoutMs: number): Promise<readonly GroupOffsets[]> {
    return this.call({
      api: APIS.offsetFetch,
      timeoutMs,
      write: (writer) => writeOffsetFetchRequest(writer, groupIds),
      read: (reader) => decodeOffsetFetch(reader, this.#details.clock),
    });
  }

  close(): void {
    this.#transport.close();
  }

  /** A request in the highest version both sides speak, with the session renewed first where that is due. */
  async call<T>(exchange: Exchange<T>): Promise<T> {
    const version = negotiate(exchange.api, this.#versions);
    await this.#session?.keep(exchange.timeoutMs);
    const wasAlive = this.#transport.alive;
    const heardBytes = this.#transport.traffic.receivedBytes;
    try {
      const result = await this.#exchange(version, exchange);
      this.#admitted = true;
      return result;
    } catch (error) {
      const said = this.#transport.traffic.receivedBytes > heardBytes;
      throw (wasAlive && !said ? this.#notAdmitted(error) : undefined) ?? error;
    }
  }

  /**
   * A listener that wants SASL answers ApiVersions and then closes at the first real request: it is not a broker that
   * went away but one that does not let us in.
   */
  #notAdmitted(error: unknown): BelfryError | undefined {
    if (this.#admitted || this.#details.security?.sasl !== undefined) return undefined;
    if (!(error instanceof BelfryError && error.cause instanceof ConnectionBreakError && error.cause.kind === 'closed')) return undefined;
    const detail = 'closed at the first request after ApiVersions (the listener probably requires SASL)';
    return breakError(this.address, new ConnectionBreakError('auth', detail, { cause: error.cause }));
  }

  async #exchange<T>(version: number, exchange: Exchange<T>): Promise<T> {
    const { clock, onRequest } = this.#details;
    const startedAt = clock.elapsed();
    let sentBytes = 0;
    let receivedBytes = 0;
    let outcome: ErrorCode | 'ok' = 'ok';
    try {
      const write = (writer: WireWriter): void => exchange.write(writer, version);
      const answer = await this.#transport.request(exchange.api, version, write, exchange.timeoutMs);
      ({ sentBytes, receivedBytes } = answer);
      return await exchange.read(answer.reader, version);
    } catch (error) {
      outcome = error instanceof BelfryError ? error.code : 'INTERNAL';
      throw error;
    } finally {
      onRequest?.({ api: exchange.api.name, sentBytes, receivedBytes, durationMs: clock.elapsed() - startedAt, outcome });
    }
  }
}

/** ApiVersions v3, or v0 from a broker that does not know v3 (it then says so and still tells its versions). */
function decodeApiVersions(reader: WireReader): ApiVersions {
  const UNSUPPORTED_VERSION = 35;
  const errorCode = reader.int16();
  const flexible = errorCode !== UNSUPPORTED_VERSION;
  if (flexible) throwOnError('ApiVersions', errorCode);
  const versions = new Map<number, readonly [number, number]>();
  for (let left = flexible ? reader.compactArrayLength(7) : reader.arrayLength(6); left > 0; left--) {
    versions.set(reader.int16(), [reader.int16(), reader.int16()]);
    if (flexible) reader.skipTags();
  }
  if (flexible) {
    reader.int32(); // throttle_time_ms
    reader.skipTags();
  }
  reader.expectEnd();
  return versions;
}

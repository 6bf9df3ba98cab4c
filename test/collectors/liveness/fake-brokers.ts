import type { Clock } from '../../../src/core/clock.ts';
import { BelfryError } from '../../../src/core/errors.ts';
import {
  ConnectionBreakError,
  type BreakKind,
  type BrokerAddress,
  type BrokerConnection,
  type ClusterMetadata,
  type ConnectionBreak,
  type Connector,
} from '../../../src/kafka/observer.ts';
import { metadataOf, type Partition } from './metadata-of.ts';

interface FakeBroker {
  readonly id: number;
  address: BrokerAddress;
  /** What a connect meets; `hang` answers nothing until its time is over. */
  connect: 'ok' | 'hang' | BreakKind;
  /** Requests on a standing connection are never answered. */
  hung: boolean;
  /** Metadata is answered this late; `fail` breaks the request. */
  metadataMs: number | 'fail';
  /** In `brokers[]` of those that do not see it otherwise. */
  listed: boolean;
  readonly held: Set<FakeConnection>;
  /** Resolves when a hung broker goes on: then it answers what has queued. */
  goesOn: PromiseWithResolvers<void>;
}

/** A cluster behind the `Connector` port, driven by a clock, with a knob for every way to fail. */
export class FakeBrokers implements Connector {
  readonly clock: Clock;
  readonly brokers = new Map<number, FakeBroker>();
  clusterId = 'fake-cluster';
  kraft = true;
  /** Topic to partitions; the test changes leaders and ISRs here. */
  topics = new Map<string, Partition[]>();
  /** `survivor/broker` to what this survivor lists, where it lags behind or is ahead. */
  readonly sees = new Map<string, boolean>();
  certificateNotAfter: number | undefined;
  readonly connects: { readonly at: number; readonly address: BrokerAddress }[] = [];
  readonly metadataRequests: { readonly at: number; readonly from: number; readonly topics: readonly string[] | undefined }[] = [];

  constructor(clock: Clock, ids: readonly number[] = [1, 2, 3]) {
    this.clock = clock;
    for (const id of ids) this.add(id);
    this.topics.set('orders', [
      { leader: 1, replicas: [1, 2, 3], isr: [1, 2, 3] },
      { leader: 2, replicas: [2, 3, 1], isr: [1, 2, 3] },
      { leader: 3, replicas: [3, 1, 2], isr: [1, 2, 3] },
      { leader: 1, replicas: [1, 3, 2], isr: [1, 2, 3] },
    ]);
  }

  get bootstrap(): readonly BrokerAddress[] {
    return [...this.brokers.values()].map(({ address }) => address);
  }

  add(id: number): void {
    const address = { host: `kafka${id}`, port: 9092 };
    this.brokers.set(id, {
      id,
      address,
      connect: 'ok',
      hung: false,
      metadataMs: 1,
      listed: true,
      held: new Set(),
      goesOn: Promise.withResolvers(),
    });
  }

  broker(id: number): FakeBroker {
    const found = this.brokers.get(id);
    if (found === undefined) throw new Error(`no fake broker ${id}`);
    return found;
  }

  /** SIGKILL: sockets end, the port refuses, the cluster has noticed nothing yet. */
  kill(id: number, connect: FakeBroker['connect'] = 'refused'): void {
    this.broker(id).connect = connect;
    this.sever(id);
  }

  /** SIGTERM: leaderships and ISR memberships handed over and fenced, then the sockets end. */
  stop(id: number): void {
    this.handOver(id);
    this.broker(id).listed = false;
    this.kill(id);
  }

  handOver(id: number): void {
    for (const partitions of this.topics.values()) {
      for (const partition of partitions) {
        if (partition.isr.length < 2 || !partition.isr.includes(id)) continue;
        partition.isr = partition.isr.filter((member) => member !== id);
        if (partition.leader === id) partition.leader = partition.isr[0] ?? -1;
      }
    }
  }

  /** The session has run out: fenced, out of every ISR. */
  fence(id: number): void {
    this.handOver(id);
    this.broker(id).listed = false;
  }

  /** SIGSTOP: nothing is answered, connections stand, the kernel still accepts. */
  hang(id: number): void {
    const broker = this.broker(id);
    broker.hung = true;
    broker.connect = 'hang';
  }

  resume(id: number): void {
    const broker = this.broker(id);
    broker.hung = false;
    broker.connect = 'ok';
    broker.goesOn.resolve();
    broker.goesOn = Promise.withResolvers();
  }

  /** The process runs again and is registered; its replicas catch up with `caughtUp`. */
  restart(id: number): void {
    this.resume(id);
    this.broker(id).listed = true;
  }

  caughtUp(id: number): void {
    for (const partitions of this.topics.values()) {
      for (const partition of partitions) if (partition.replicas.includes(id) && !partition.isr.includes(id)) partition.isr.push(id);
    }
  }

  /** Ends the connections and nothing else. */
  sever(id: number, kind: BreakKind = 'closed'): void {
    for (const connection of this.broker(id).held) connection.end(kind);
  }

  get openConnections(): number {
    let open = 0;
    for (const { held } of this.brokers.values()) open += held.size;
    return open;
  }

  connectsTo(id: number): number {
    return this.connects.filter(({ address }) => address.host === this.broker(id).address.host).length;
  }

  async connect(address: BrokerAddress, timeoutMs: number): Promise<BrokerConnection> {
    this.connects.push({ at: this.clock.now(), address });
    const broker = [...this.brokers.values()].find((one) => one.address.host === address.host && one.address.port === address.port);
    const meets = broker?.connect ?? 'dns';
    if (meets === 'hang') {
      await this.#wait(timeoutMs);
      throw connectError('timeout');
    }
    if (meets !== 'ok' || broker === undefined) throw connectError(meets === 'ok' ? 'dns' : meets);
    return new FakeConnection(this, broker);
  }

  metadata(from: number, topics: readonly string[] | undefined): ClusterMetadata {
    const listed = [...this.brokers.values()].filter(({ id, listed: is }) => this.sees.get(`${from}/${id}`) ?? is);
    const wanted = new Map([...this.topics].filter(([topic]) => topics === undefined || topics.includes(topic)));
    return metadataOf(
      listed.map(({ id, address }) => ({ id, rack: undefined, ...address })),
      wanted,
      this.clusterId,
      this.clock.now(),
    );
  }

  #wait(delayMs: number): Promise<void> {
    return new Promise((resolve) => void this.clock.timer(delayMs, resolve));
  }
}

function connectError(kind: BreakKind): BelfryError {
  const code = kind === 'auth' || kind === 'tls' ? 'KAFKA_AUTH_FAILED' : kind === 'timeout' ? 'KAFKA_TIMEOUT' : 'KAFKA_UNREACHABLE';
  return new BelfryError(code, 'connect', { cause: new ConnectionBreakError(kind, kind) });
}

class FakeConnection implements BrokerConnection {
  readonly address: BrokerAddress;
  readonly certificateNotAfter: number | undefined;
  readonly ended: Promise<ConnectionBreak>;
  readonly traffic = { requests: 0, sentBytes: 0, receivedBytes: 0 };
  readonly #cluster: FakeBrokers;
  readonly #broker: FakeBroker;
  #resolveEnded: (ended: ConnectionBreak) => void;
  #over: BreakKind | undefined;

  constructor(cluster: FakeBrokers, broker: FakeBroker) {
    this.#cluster = cluster;
    this.#broker = broker;
    this.address = broker.address;
    this.certificateNotAfter = cluster.certificateNotAfter;
    const { promise, resolve } = Promise.withResolvers<ConnectionBreak>();
    this.ended = promise;
    this.#resolveEnded = resolve;
    broker.held.add(this);
  }

  end(kind: BreakKind): void {
    if (this.#over !== undefined) return;
    this.#over = kind;
    this.#broker.held.delete(this);
    this.#resolveEnded({ kind, at: this.#cluster.clock.now(), detail: kind });
  }

  async apiVersions(timeoutMs: number): Promise<ReadonlyMap<number, readonly [number, number]>> {
    await this.#answerAfter(0, timeoutMs);
    return new Map(
      this.#cluster.kraft
        ? [
            [18, [0, 4]],
            [55, [0, 2]],
          ]
        : [[18, [0, 3]]],
    );
  }

  async metadata(topics: readonly string[] | undefined, timeoutMs: number): Promise<ClusterMetadata> {
    const { metadataMs, id } = this.#broker;
    this.#cluster.metadataRequests.push({ at: this.#cluster.clock.now(), from: id, topics });
    if (metadataMs === 'fail') throw connectError('reset');
    const metadata = this.#cluster.metadata(id, topics);
    await this.#answerAfter(metadataMs, timeoutMs);
    return { ...metadata, answeredAt: this.#cluster.clock.now() };
  }

  close(): void {
    this.end('local');
  }

  describeQuorum = notHere;
  describeLogDirs = notHere;
  listPartitionReassignments = notHere;
  listOffsets = notHere;
  describeConfigs = notHere;
  listGroups = notHere;
  describeGroups = notHere;
  offsetFetch = notHere;

  async #answerAfter(delayMs: number, timeoutMs: number): Promise<void> {
    if (this.#over !== undefined) throw connectError(this.#over);
    if (delayMs === 0 && !this.#broker.hung) return;
    const { hung, goesOn } = this.#broker;
    const waitMs = hung ? timeoutMs : Math.min(delayMs, timeoutMs);
    let late = hung || delayMs > timeoutMs;
    const broken = this.ended.then(({ kind: how }) => how);
    const waited = new Promise<undefined>((resolve) => void this.#cluster.clock.timer(waitMs, () => resolve(undefined)));
    const answered = hung ? goesOn.promise.then(() => void (late = false)) : waited;
    const kind = await Promise.race([broken, waited, answered]);
    if (kind !== undefined) throw connectError(kind);
    if (late) throw new BelfryError('KAFKA_TIMEOUT', 'no answer');
  }
}

function notHere(): Promise<never> {
  return Promise.reject(new Error('liveness does not ask for this'));
}

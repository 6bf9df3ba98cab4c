import { mkdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { ClusterAdmin } from './admin.ts';
import type { AclOptions, ClusterView, ConnectionSecurity, TopicOptions } from './admin.ts';
import { planBroker, planCluster } from './cluster-plan.ts';
import type { ClusterOptions, ClusterPlan, ClusterUser } from './cluster-plan.ts';
import type { ReservedPort } from './free-port.ts';
import { fetchKafka, NEWEST_KAFKA } from './kafka-dist.ts';
import { KafkaNode } from './kafka-node.ts';
import { RecordWriter, startLoad } from './load.ts';
import type { Load, LoadOptions, WriterPorts } from './load.ts';
import { ADMIN } from './node-config.ts';
import type { NodeSpec, Security } from './node-config.ts';
import { classArchive, storageTemplate } from './storage-template.ts';
import { makeTempDir, removeTempDir } from './temp-dir.ts';
import type { TlsFiles } from './tls.ts';

export type SaslMechanism = 'PLAIN' | 'SCRAM-SHA-256' | 'SCRAM-SHA-512';

const READY_TIMEOUT_MS = 90_000;
const POLL_MS = 50;

/**
 * Starts a real Kafka cluster on free ports of 127.0.0.1 and returns when every broker answers and knows all others.
 * Nothing of it outlives this process. Throws MissingToolError, in one line, where Java or Maven is missing.
 */
export async function startCluster(options: ClusterOptions = {}): Promise<Cluster> {
  const dist = await fetchKafka(options.version ?? NEWEST_KAFKA);
  const ports: ReservedPort[] = [];
  const dir = await makeTempDir();
  let cluster: Cluster | undefined;
  try {
    const plan = await planCluster(options, dir, dist.version, ports);
    const archive = await classArchive(dist);
    const template = await storageTemplate(dist, plan.spec.scram ? plan.spec.users : {}, plan.spec.scram);
    const makeNode = async (spec: NodeSpec): Promise<KafkaNode> => {
      const nodeDir = path.join(dir, `node-${spec.id}`);
      await mkdir(nodeDir, { recursive: true });
      const { smallDisk } = options;
      const hasOne = smallDisk !== undefined && spec.brokerPort !== undefined && (smallDisk.id ?? spec.id) === spec.id;
      const disk = hasOne ? { smallDiskBytes: smallDisk.sizeBytes } : {};
      return new KafkaNode({
        dist,
        cluster: plan.spec,
        spec,
        dir: nodeDir,
        heapMb: options.heapMb ?? 256,
        jvmArgs: options.jvmArgs ?? [],
        template,
        archive,
        ...disk,
      });
    };
    cluster = new Cluster({ options, dir, ports, makeNode, ...plan });
    for (const spec of plan.nodes) await cluster.addNode(spec);
    await cluster.startAll();
    return cluster;
  } catch (error) {
    if (cluster !== undefined) await cluster[Symbol.asyncDispose]();
    else await Promise.all([removeTempDir(dir), ...ports.map((port) => port.release())]);
    throw error;
  }
}

interface ClusterParts extends ClusterPlan {
  options: ClusterOptions;
  dir: string;
  ports: ReservedPort[];
  makeNode: (spec: NodeSpec) => Promise<KafkaNode>;
}

/** A running cluster with the knobs of its faults. Dispose it: `await using cluster = await startCluster()`. */
export class Cluster implements AsyncDisposable {
  readonly clusterId: string;
  readonly security: Security;
  /** Users by name; empty unless the security is SASL. */
  readonly users: Readonly<Record<string, ClusterUser>>;
  /** PEM files for a client; undefined unless the security has TLS. */
  readonly tls: TlsFiles | undefined;
  /** Folder of the cluster: logs and data of all nodes. */
  readonly dir: string;
  readonly #parts: ClusterParts;
  readonly #nodes = new Map<number, KafkaNode>();
  readonly #loads = new Set<Load>();
  #security: ConnectionSecurity = {};

  constructor(parts: ClusterParts) {
    const { spec, dir, tls } = parts;
    this.#parts = parts;
    this.clusterId = spec.clusterId;
    this.security = spec.security;
    this.users = spec.security.startsWith('sasl') ? spec.users : {};
    this.tls = tls;
    this.dir = dir;
  }

  /** `host:port` of every broker, running or not. */
  get bootstrap(): string[] {
    return this.brokerIds.map((id) => `127.0.0.1:${this.port(id)}`);
  }

  get brokerIds(): number[] {
    return [...this.#nodes.values()].filter(({ spec }) => spec.brokerPort !== undefined).map(({ spec }) => spec.id);
  }

  get controllerIds(): number[] {
    return [...this.#nodes.values()].filter(({ spec }) => spec.controllerPort !== undefined).map(({ spec }) => spec.id);
  }

  /** Brokers whose process runs and is not paused. */
  get runningBrokerIds(): number[] {
    return this.brokerIds.filter((id) => this.#node(id).running && !this.#node(id).paused);
  }

  /** Of the listener for clients, or of a further one. */
  port(id: number, listener?: string): number {
    const { brokerPort, controllerPort, extraPorts } = this.#node(id).spec;
    if (listener !== undefined) return extraPorts?.[listener] ?? 0;
    return brokerPort ?? controllerPort ?? 0;
  }

  /** Where jmx_exporter's agent of a broker answers. */
  jmxUrl(id: number): string {
    const { jmxPort } = this.#node(id).spec;
    if (jmxPort === undefined) throw new Error('testbed: start the cluster with jmx: true');
    return `http://127.0.0.1:${jmxPort}/metrics`;
  }

  pid(id: number): number {
    return this.#node(id).pid;
  }

  /** Pids of all running nodes, controllers included. */
  get pids(): number[] {
    return [...this.#nodes.values()].filter((node) => node.running).map((node) => node.pid);
  }

  isRunning(id: number): boolean {
    return this.#node(id).running;
  }

  logPath(id: number): string {
    return this.#node(id).logPath;
  }

  /** The folder of a broker's partitions, as this process sees it. */
  logDir(id: number): string {
    return this.#node(id).dataDir;
  }

  #node(id: number): KafkaNode {
    const node = this.#nodes.get(id);
    if (node === undefined) throw new Error(`testbed: there is no node ${id}`);
    return node;
  }

  /** Adds a node that is not started yet. Of use to `startCluster` and `addBroker` only. */
  async addNode(spec: NodeSpec): Promise<void> {
    this.#nodes.set(spec.id, await this.#parts.makeNode(spec));
  }

  /** Starts every node that does not run, and waits until all is ready. */
  async startAll(): Promise<void> {
    this.#security = await this.clientSecurity();
    await Promise.all([...this.#nodes.values()].filter((node) => !node.running).map((node) => node.start()));
    await this.waitReady();
  }

  /** SIGKILL, and waits until the process is gone. */
  async kill(id: number): Promise<void> {
    await this.#node(id).kill();
  }

  /** SIGTERM (a controlled shutdown), and waits until the process is gone. */
  async stop(id: number): Promise<void> {
    await this.#node(id).stop();
  }

  /** SIGSTOP: the process holds its connections and answers nothing. */
  pause(id: number): void {
    this.#node(id).pause();
  }

  /** SIGCONT. */
  resume(id: number): void {
    this.#node(id).resume();
  }

  /** Starts a node on its ports and data again. Returns when it is ready, or at once with `wait: false`. */
  async start(id: number, { wait = true }: { wait?: boolean } = {}): Promise<void> {
    await this.#node(id).start();
    if (wait) await this.waitReady();
  }

  /** The next start of this node takes `ms` longer before its port opens; its pid is the final one from the beginning. */
  slowStart(id: number, ms: number): void {
    this.#node(id).nextStartDelayMs = ms;
  }

  /** Starts one more broker. Returns its id when it is ready. */
  async addBroker(): Promise<number> {
    const id = Math.max(...this.brokerIds) + 1;
    await this.addNode(await planBroker(this.#parts.options, id, false, this.#parts.ports));
    await this.start(id);
    return id;
  }

  /** Empties the disk of a broker that is down. */
  async removeData(id: number): Promise<void> {
    await this.#node(id).removeData();
  }

  /** Gives a broker that is down a disk which belongs to another node: it ends whenever it is started. */
  async spoilData(id: number): Promise<void> {
    await this.#node(id).spoilData();
  }

  /** Connection options for a user of this cluster: what to hand to a Kafka client. With `tls` alone any other user is `CN=belfry`. */
  async clientSecurity(user: string = ADMIN, mechanism: SaslMechanism = 'PLAIN'): Promise<ConnectionSecurity> {
    const security: ConnectionSecurity = {};
    if (this.tls !== undefined) {
      const { certPath, keyPath } = user === ADMIN ? this.tls.admin : this.tls;
      const [ca, cert, key] = await Promise.all([this.tls.caPath, certPath, keyPath].map((file) => readFile(file)));
      security.tls = { ca, ...(this.security === 'tls' ? { cert, key } : {}) };
    }
    if (this.security.startsWith('sasl')) {
      const account = this.users[user];
      if (account === undefined) throw new Error(`testbed: there is no user ${user}`);
      security.sasl = { mechanism, username: account.username, password: account.password };
    }
    return security;
  }

  /** A connection to a live broker as one of the users; close it. */
  async connectAs(user: string, mechanism: SaslMechanism = 'PLAIN'): Promise<ClusterAdmin> {
    const ports = this.runningBrokerIds.map((id) => this.port(id));
    return await ClusterAdmin.connect(ports, await this.clientSecurity(user, mechanism));
  }

  /** Runs `work` on a connection to a live broker (or to the broker `from`), as `admin`. */
  async withAdmin<T>(work: (admin: ClusterAdmin) => Promise<T>, from?: number): Promise<T> {
    const ids = from === undefined ? this.runningBrokerIds : [from];
    await using admin = await ClusterAdmin.connect(
      ids.map((id) => this.port(id)),
      this.#security,
    );
    return await work(admin);
  }

  /** What the cluster says of itself now. */
  async view(topics: readonly string[] | null = null, from?: number): Promise<ClusterView> {
    return await this.withAdmin((admin) => admin.view(topics), from);
  }

  /** Waits until what a live broker says satisfies `predicate`; throws after `timeoutMs` (default 60 s) with the last view. */
  async waitUntil(predicate: (view: ClusterView) => boolean, { timeoutMs = 60_000, from }: WaitOptions = {}): Promise<ClusterView> {
    const deadline = performance.now() + timeoutMs;
    let last: unknown;
    while (performance.now() < deadline) {
      try {
        const view = await this.view(null, from);
        if (predicate(view)) return view;
        last = { brokers: view.brokers, topics: Object.fromEntries(view.topics) };
      } catch (error) {
        last = String(error);
      }
      await sleep(POLL_MS);
    }
    throw new Error(`testbed: not so within ${timeoutMs} ms; last seen: ${JSON.stringify(last)}`);
  }

  /** Waits until every running broker answers and lists all running brokers. */
  async waitReady(timeoutMs: number = READY_TIMEOUT_MS): Promise<void> {
    const expected = this.runningBrokerIds;
    await Promise.all(expected.map((id) => this.#waitForBroker(id, expected, timeoutMs)));
  }

  async #waitForBroker(id: number, expected: readonly number[], timeoutMs: number): Promise<void> {
    const node = this.#node(id);
    const deadline = performance.now() + timeoutMs;
    while (performance.now() < deadline) {
      if (!node.running) throw new Error(`testbed: broker ${id} ended while it started:\n${await node.logTail()}`);
      try {
        const { brokers } = await this.view([], id);
        if (expected.every((other) => brokers.includes(other))) return;
      } catch {
        // It does not answer yet: its port is closed, or it is not through with its registration.
      }
      await sleep(POLL_MS);
    }
    throw new Error(`testbed: broker ${id} was not ready within ${timeoutMs} ms:\n${await node.logTail()}`);
  }

  /** Creates a topic, and waits until every live broker knows it. */
  async createTopic(name: string, options: TopicOptions = {}): Promise<void> {
    await this.withAdmin((admin) => admin.createTopic(name, options));
    await Promise.all(this.runningBrokerIds.map((from) => this.waitUntil((view) => view.topics.has(name), { from })));
  }

  /** Deletes a topic, and waits until no live broker knows it any more. */
  async deleteTopic(name: string): Promise<void> {
    await this.withAdmin((admin) => admin.deleteTopic(name));
    await Promise.all(this.runningBrokerIds.map((from) => this.waitUntil((view) => !view.topics.has(name), { from })));
  }

  /** Writes `count` records of `bytes` each (default 100); waits for partitions that have just been made. */
  async produce(topic: string, count: number, bytes = 100): Promise<void> {
    const writer = new RecordWriter(this.#writerPorts());
    try {
      await writer.writeAll(topic, count, bytes);
    } finally {
      await writer.close();
    }
  }

  /** Writes at a steady rate until it is stopped, or until the cluster is disposed. */
  load(options: LoadOptions): Load {
    const load = startLoad(this.#writerPorts(), options);
    this.#loads.add(load);
    return load;
  }

  #writerPorts(): WriterPorts {
    return { view: (topics) => this.view(topics), portOf: (id) => this.port(id), security: this.#security };
  }

  /** Starts moving partitions (partition → its new replicas); wait for its end with `waitUntil` or `reassigning`. */
  async reassign(topic: string, moves: Readonly<Record<number, readonly number[] | null>>): Promise<void> {
    await this.withAdmin((admin) => admin.reassign(topic, moves));
  }

  async alterConfig(
    type: 'topic' | 'broker',
    name: string,
    config: Readonly<Record<string, string | number | boolean | null>>,
  ): Promise<void> {
    await this.withAdmin((admin) => admin.alterConfig(type, name, config));
  }

  /** Makes the first replica of each partition its leader again. */
  async electPreferredLeaders(topic: string): Promise<void> {
    await this.withAdmin(async (admin) => {
      const partitions = (await admin.view([topic])).topics.get(topic) ?? [];
      await admin.electPreferredLeaders(
        topic,
        partitions.filter(({ leader, replicas }) => leader !== replicas[0]).map(({ partition }) => partition),
      );
    });
  }

  /** Grants and revokes access, where the cluster has an authorizer. */
  get acl(): { grant(options: AclOptions): Promise<void>; revoke(options: AclOptions): Promise<void> } {
    return {
      grant: (options) => this.withAdmin((admin) => admin.grant(options)),
      revoke: (options) => this.withAdmin((admin) => admin.revoke(options)),
    };
  }

  /** Kills every process, gives the ports back and removes all files. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...[...this.#loads].map((load) => load.stop()), ...[...this.#nodes.values()].map((node) => node.dispose())]);
    await Promise.all(this.#parts.ports.map((port) => port.release()));
    await removeTempDir(this.dir);
  }
}

export interface WaitOptions {
  timeoutMs?: number;
  /** Ask this broker; default any that lives. */
  from?: number;
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

import { existsSync } from 'node:fs';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { spawnGuarded } from './guarded-process.ts';
import type { GuardedProcess } from './guarded-process.ts';
import type { KafkaDist } from './kafka-dist.ts';
import { metaProperties, nodeProperties, secondLogDir } from './node-config.ts';
import type { ClusterSpec, NodeSpec } from './node-config.ts';
import { SmallDisk } from './small-disk.ts';
import { formatStorage, jvmFlags } from './storage-template.ts';

export interface KafkaNodeOptions {
  dist: KafkaDist;
  cluster: ClusterSpec;
  spec: NodeSpec;
  /** Folder of this node: data, log and configuration live in it. */
  dir: string;
  heapMb: number;
  jvmArgs: readonly string[];
  template: string;
  archive: string | undefined;
  /** Its data lie on a tmpfs of this size instead. */
  smallDiskBytes?: number;
}

/** One Kafka process that can be started, stopped, killed and paused, keeping its ports and its data. */
export class KafkaNode {
  readonly spec: NodeSpec;
  readonly logPath: string;
  readonly #options: KafkaNodeOptions;
  #process: GuardedProcess | undefined;
  #disk: SmallDisk | undefined;
  #paused = false;
  /** How long the next start sleeps before the JVM comes up. */
  nextStartDelayMs = 0;

  constructor(options: KafkaNodeOptions) {
    this.#options = options;
    this.spec = options.spec;
    this.logPath = path.join(options.dir, 'kafka.log');
  }

  get running(): boolean {
    return this.#process?.running === true;
  }

  get paused(): boolean {
    return this.running && this.#paused;
  }

  get pid(): number {
    if (this.#process === undefined || !this.#process.running) throw new Error(`testbed: node ${this.spec.id} is not running`);
    return this.#process.pid;
  }

  /** Where this process may look into the node's data. */
  get dataDir(): string {
    return this.#disk?.outsidePath ?? path.join(this.#options.dir, 'data');
  }

  /** Starts the process and returns at once; the storage is formatted where it is empty. */
  async start(): Promise<void> {
    if (this.running) throw new Error(`testbed: node ${this.spec.id} is running already`);
    const { dir, dist, cluster, spec, heapMb, jvmArgs, archive, smallDiskBytes } = this.#options;
    const insidePath = path.join(dir, 'data');
    if (smallDiskBytes !== undefined) this.#disk ??= await SmallDisk.mount(insidePath, smallDiskBytes, this.logPath);
    if (!existsSync(path.join(this.dataDir, 'meta.properties'))) {
      await formatStorage(this.#options.template, this.dataDir, cluster.clusterId, spec);
      if (cluster.twoLogDirs === true) {
        await mkdir(secondLogDir(this.dataDir), { recursive: true });
        await writeFile(path.join(secondLogDir(this.dataDir), 'meta.properties'), metaProperties(cluster.clusterId, spec.id));
      }
    }
    const properties = path.join(dir, 'server.properties');
    await writeFile(properties, nodeProperties(cluster, spec, insidePath));
    const jvm = [
      ...jvmFlags(heapMb),
      ...jvmArgs,
      ...(archive === undefined ? [] : [`-XX:SharedArchiveFile=${archive}`]),
      ...(await this.#jmx()),
    ];
    this.#process = spawnGuarded({
      command: dist.java,
      args: [...jvm, '-cp', dist.classpath, 'kafka.Kafka', properties],
      logPath: this.logPath,
      delayMs: this.nextStartDelayMs,
      ...(this.#disk === undefined ? {} : { namespacePid: this.#disk.pid }),
    });
    this.nextStartDelayMs = 0;
    this.#paused = false;
  }

  async #jmx(): Promise<string[]> {
    const { dir, dist, spec } = this.#options;
    if (spec.jmxPort === undefined) return [];
    const config = path.join(dir, 'jmx.yaml');
    await writeFile(config, JMX_RULES);
    return [`-javaagent:${dist.jmxAgent}=127.0.0.1:${spec.jmxPort}:${config}`];
  }

  /** SIGKILL. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL');
  }

  /** SIGTERM, which is a controlled shutdown. */
  async stop(): Promise<void> {
    await this.#end('SIGTERM');
  }

  async #end(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    if (this.#process === undefined || !this.#process.running) return;
    if (this.#paused && signal === 'SIGTERM') this.resume();
    this.#process.kill(signal);
    await this.#process.exited;
  }

  pause(): void {
    this.#signal('SIGSTOP');
    this.#paused = true;
  }

  resume(): void {
    this.#signal('SIGCONT');
    this.#paused = false;
  }

  #signal(signal: NodeJS.Signals): void {
    process.kill(this.pid, signal);
  }

  /** Empties the disk of a node that is down. */
  async removeData(): Promise<void> {
    if (this.running) throw new Error(`testbed: node ${this.spec.id} is running: stop it before its data are removed`);
    if (this.#disk === undefined) await rm(this.dataDir, { recursive: true, force: true });
    else await this.#disk.clear();
  }

  /** Puts the disk of another node in its place. */
  async spoilData(): Promise<void> {
    await this.removeData();
    await mkdir(this.dataDir, { recursive: true });
    const { spec, cluster } = this.#options;
    await writeFile(path.join(this.dataDir, 'meta.properties'), `version=1\nnode.id=${spec.id + 1000}\ncluster.id=${cluster.clusterId}\n`);
  }

  /** The last lines of its log: what a failed start is explained by. */
  async logTail(lines = 20): Promise<string> {
    return existsSync(this.logPath) ? (await readFile(this.logPath, 'utf8')).trimEnd().split('\n').slice(-lines).join('\n') : '';
  }

  async dispose(): Promise<void> {
    await this.kill();
    await this.#disk?.unmount();
  }
}

/** Names as the widely used Kafka rules for jmx_exporter give them, for the beans the tests and the demo look at. */
const JMX_RULES = `lowercaseOutputName: true
lowercaseOutputLabelNames: true
rules:
  - pattern: kafka.(\\w+)<type=(.+), name=(.+)Percent\\w*><>MeanRate
    name: kafka_$1_$2_$3_percent
    type: GAUGE
  - pattern: kafka.(\\w+)<type=(.+), name=(.+)PerSec\\w*, (.+)=(.+), (.+)=(.+)><>Count
    name: kafka_$1_$2_$3_total
    type: COUNTER
    labels: {"$4": "$5", "$6": "$7"}
  - pattern: kafka.(\\w+)<type=(.+), name=(.+)PerSec\\w*, (.+)=(.+)><>Count
    name: kafka_$1_$2_$3_total
    type: COUNTER
    labels: {"$4": "$5"}
  - pattern: kafka.(\\w+)<type=(.+), name=(.+)PerSec\\w*><>Count
    name: kafka_$1_$2_$3_total
    type: COUNTER
  - pattern: kafka.server<type=(.+), client-id=(.+)><>([a-z-]+)
    name: kafka_server_quota_$3
    type: GAUGE
    labels: {resource: "$1", clientId: "$2"}
  - pattern: kafka.(\\w+)<type=(.+), name=(.+), (.+)=(.+), (.+)=(.+)><>(?:Value|Count)
    name: kafka_$1_$2_$3
    labels: {"$4": "$5", "$6": "$7"}
  - pattern: kafka.(\\w+)<type=(.+), name=(.+), (.+)=(.+)><>(?:Value|Count)
    name: kafka_$1_$2_$3
    labels: {"$4": "$5"}
  - pattern: kafka.(\\w+)<type=(.+), name=(.+)><>(?:Value|Count)
    name: kafka_$1_$2_$3
`;

import { reservePort } from './free-port.ts';
import type { ReservedPort } from './free-port.ts';
import { ADMIN, BROKER_CERT_NAME, kafkaUuid } from './node-config.ts';
import type { ClusterSpec, ExtraListener, NodeSpec, Security } from './node-config.ts';
import { makeCa, makeKeystore } from './tls.ts';
import type { TlsFiles } from './tls.ts';

export interface ClusterOptions {
  /** Default 3; their ids are 1..N. */
  brokers?: number;
  /** `separate` (default): controllers are nodes of their own, ids 101 and up. `combined`: the first brokers are controllers too. */
  controllers?: 'separate' | 'combined';
  /** Default 1 when separate, else min(3, brokers). */
  controllerCount?: number;
  /** Default `plaintext`. */
  security?: Security;
  /** Kafka's StandardAuthorizer; `admin` is the super user; `belfry`, `alice` and others start with nothing. Needs a security that authenticates. */
  authorizer?: boolean;
  /** Users beside `admin`, `belfry` and `alice`: name → password. SASL only. */
  users?: Readonly<Record<string, string>>;
  /** jmx_exporter's agent in every broker. */
  jmx?: boolean;
  /** Default the newest proven one, `NEWEST_KAFKA`. */
  version?: string;
  /** Heap of one JVM. Default 256. */
  heapMb?: number;
  /** server.properties of all nodes, over the testbed's own. */
  brokerProps?: Readonly<Record<string, string | number | boolean>>;
  /** Every broker has a second log directory, `secondLogDir(cluster.logDir(id))`. Since Kafka 3.7. */
  twoLogDirs?: boolean;
  /** broker.session.timeout.ms. Default 9000, as Kafka's. */
  sessionTimeoutMs?: number;
  /** Racks of brokers 1, 2, …, repeated as needed. */
  racks?: readonly string[];
  /** Further listeners of every broker; those with TLS need a security with TLS. `cluster.port(id, NAME)` tells where they are. */
  listeners?: readonly ExtraListener[];
  /** More arguments of every JVM, such as `-Dname=value`. */
  jvmArgs?: readonly string[];
  /** Broker, or without an id each of them, whose data lie on a tmpfs of this size, in a mount namespace of its own. */
  smallDisk?: { id?: number; sizeBytes: number };
}

/** A user's name and password, good for PLAIN and (Kafka 3.5 and up) SCRAM. */
export interface ClusterUser {
  readonly username: string;
  readonly password: string;
}

const FIRST_CONTROLLER_ID = 101;

/** What a cluster will consist of: ports are reserved, certificates made, nothing runs yet. */
export interface ClusterPlan {
  spec: ClusterSpec;
  nodes: NodeSpec[];
  tls?: TlsFiles;
}

/** Plans a cluster. Reserved ports are added to `ports`, which the caller releases, also after an error. */
export async function planCluster(options: ClusterOptions, dir: string, version: string, ports: ReservedPort[]): Promise<ClusterPlan> {
  const { brokers = 3, controllers = 'separate', security = 'plaintext', authorizer = false } = options;
  if (!Number.isInteger(brokers) || brokers < 1 || brokers > 20) throw new Error(`testbed: brokers must be 1 to 20, not ${brokers}`);
  if (authorizer && security === 'plaintext') throw new Error('testbed: an authorizer needs security tls, sasl_plaintext or sasl_ssl');
  const combined = controllers === 'combined';
  const controllerCount = options.controllerCount ?? (combined ? Math.min(3, brokers) : 1);
  const nodes: NodeSpec[] = [];
  for (let id = 1; id <= brokers; id += 1) nodes.push(await planBroker(options, id, combined && id <= controllerCount, ports));
  for (let n = 0; !combined && n < controllerCount; n += 1) {
    nodes.push({ id: FIRST_CONTROLLER_ID + n, roles: ['controller'], controllerPort: await takePort(ports) });
  }
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const sasl = security === 'sasl_plaintext' || security === 'sasl_ssl';
  const tls = security === 'tls' || security === 'sasl_ssl' ? await makeCa(dir, { client: 'belfry', admin: ADMIN }) : undefined;
  const keystore = tls === undefined ? undefined : await makeKeystore(dir, BROKER_CERT_NAME);
  const listeners = await Promise.all(
    (options.listeners ?? []).map(async (listener) =>
      listener.altNames === undefined
        ? listener
        : { ...listener, keystorePath: await makeKeystore(dir, `belfry-testbed-${listener.name.toLowerCase()}`, listener.altNames) },
    ),
  );
  const spec: ClusterSpec = {
    clusterId: kafkaUuid(),
    security,
    authorizer,
    brokerCount: brokers,
    brokerProps: options.brokerProps ?? {},
    twoLogDirs: options.twoLogDirs ?? false,
    voters: nodes.flatMap((node) => (node.controllerPort === undefined ? [] : [{ id: node.id, port: node.controllerPort }])),
    sessionTimeoutMs: options.sessionTimeoutMs ?? 9000,
    users: allUsers(options.users ?? {}),
    listeners,
    scram: sasl && (major > 3 || (major === 3 && minor >= 5)),
    ...(tls === undefined || keystore === undefined ? {} : { tls: { caPath: tls.caPath, keystorePath: keystore } }),
  };
  return { spec, nodes, ...(tls === undefined ? {} : { tls }) };
}

/** Plans one broker, with its ports. */
export async function planBroker(options: ClusterOptions, id: number, controls: boolean, ports: ReservedPort[]): Promise<NodeSpec> {
  const extraPorts: Record<string, number> = {};
  for (const { name } of options.listeners ?? []) extraPorts[name] = await takePort(ports);
  const rack = options.racks?.[(id - 1) % options.racks.length];
  return {
    id,
    roles: controls ? ['broker', 'controller'] : ['broker'],
    brokerPort: await takePort(ports),
    ...(controls ? { controllerPort: await takePort(ports) } : {}),
    extraPorts,
    ...(options.jmx === true ? { jmxPort: await takePort(ports) } : {}),
    ...(rack === undefined ? {} : { rack }),
  };
}

async function takePort(ports: ReservedPort[]): Promise<number> {
  const reserved = await reservePort();
  ports.push(reserved);
  return reserved.port;
}

function allUsers(more: Readonly<Record<string, string>>): Record<string, ClusterUser> {
  const passwords = { [ADMIN]: 'admin-secret', belfry: 'belfry-secret', alice: 'alice-secret', ...more };
  return Object.fromEntries(Object.entries(passwords).map(([username, password]) => [username, { username, password }]));
}

import { randomBytes } from 'node:crypto';

/** How clients and brokers talk to each other. Controllers always speak plaintext among themselves: all of it is loopback. */
export type Security = 'plaintext' | 'tls' | 'sasl_plaintext' | 'sasl_ssl';

/** A further listener of every broker, with its own way for a client to prove who it is. */
export interface ExtraListener {
  /** In capitals. */
  readonly name: string;
  readonly security: Security;
  /** What stands behind `listener.name.NAME.`. */
  readonly props?: Readonly<Record<string, string | number>>;
  /** A certificate for other names than the brokers', as openssl takes them. */
  readonly altNames?: string;
}

/** One Kafka process. */
export interface NodeSpec {
  readonly id: number;
  readonly roles: readonly ('broker' | 'controller')[];
  readonly rack?: string;
  /** Port of the listener for clients and other brokers. */
  readonly brokerPort?: number;
  readonly controllerPort?: number;
  readonly jmxPort?: number;
  /** Of the further listeners, by name. */
  readonly extraPorts?: Readonly<Record<string, number>>;
}

/** What all nodes of a cluster share. */
export interface ClusterSpec {
  readonly clusterId: string;
  readonly security: Security;
  readonly authorizer: boolean;
  readonly voters: readonly { id: number; port: number }[];
  readonly brokerCount: number;
  readonly sessionTimeoutMs: number;
  readonly brokerProps: Readonly<Record<string, string | number | boolean>>;
  readonly users: Readonly<Record<string, { username: string; password: string }>>;
  readonly tls?: { caPath: string; keystorePath: string };
  readonly scram: boolean;
  /** Brokers have a second log directory beside their first, `secondLogDir` of it. */
  readonly twoLogDirs?: boolean;
  readonly listeners?: readonly (ExtraListener & { readonly keystorePath?: string })[];
}

/** A random id in Kafka's base64 form of a UUID, e.g. for a cluster or a log folder. */
export function kafkaUuid(): string {
  // A leading dash would read as an option on Kafka's command lines.
  for (;;) {
    const id = randomBytes(16).toString('base64url');
    if (!id.startsWith('-')) return id;
  }
}

export function secondLogDir(dataDir: string): string {
  return `${dataDir}-second`;
}

/** server.properties of one node. */
export function nodeProperties(cluster: ClusterSpec, node: NodeSpec, dataDir: string): string {
  const replicas = Math.min(3, cluster.brokerCount);
  const listeners = [
    ...(node.brokerPort === undefined ? [] : [`CLIENT://127.0.0.1:${node.brokerPort}`]),
    ...(node.controllerPort === undefined ? [] : [`CONTROLLER://127.0.0.1:${node.controllerPort}`]),
  ];
  const extra = cluster.listeners ?? [];
  for (const { name } of extra) if (node.extraPorts?.[name] !== undefined) listeners.push(`${name}://127.0.0.1:${node.extraPorts[name]}`);
  const isBroker = node.brokerPort !== undefined;
  const props: Record<string, string | number | boolean> = {
    'process.roles': node.roles.join(','),
    'node.id': node.id,
    'controller.quorum.voters': cluster.voters.map((voter) => `${voter.id}@127.0.0.1:${voter.port}`).join(','),
    'controller.listener.names': 'CONTROLLER',
    listeners: listeners.join(','),
    'listener.security.protocol.map': [
      `CLIENT:${PROTOCOLS[cluster.security]},CONTROLLER:PLAINTEXT`,
      ...extra.map(({ name, security }) => `${name}:${PROTOCOLS[security]}`),
    ].join(','),
    'log.dirs': cluster.twoLogDirs === true && isBroker ? `${dataDir},${secondLogDir(dataDir)}` : dataDir,
    'broker.session.timeout.ms': cluster.sessionTimeoutMs,
    'broker.heartbeat.interval.ms': Math.min(2000, Math.floor(cluster.sessionTimeoutMs / 3)),
    'controlled.shutdown.enable': true,
    'auto.create.topics.enable': false,
    'offsets.topic.replication.factor': replicas,
    'offsets.topic.num.partitions': 5,
    'transaction.state.log.replication.factor': replicas,
    'transaction.state.log.min.isr': Math.max(1, replicas - 1),
    'transaction.state.log.num.partitions': 5,
    'share.coordinator.state.topic.replication.factor': replicas,
    'share.coordinator.state.topic.min.isr': Math.max(1, replicas - 1),
    'group.initial.rebalance.delay.ms': 0,
    'num.network.threads': 2,
    'num.io.threads': 4,
    'log.cleaner.dedupe.buffer.size': 16_777_216,
    ...(isBroker ? { 'inter.broker.listener.name': 'CLIENT', ...securityProperties(cluster), ...listenerProperties(extra) } : {}),
    ...(isBroker && node.rack !== undefined ? { 'broker.rack': node.rack } : {}),
    ...(cluster.authorizer ? authorizerProperties() : {}),
    ...cluster.brokerProps,
  };
  return `${Object.entries(props)
    .map(([key, value]) => `${key}=${value}`)
    .join('\n')}\n`;
}

function listenerProperties(listeners: NonNullable<ClusterSpec['listeners']>): Record<string, string | number> {
  const props: Record<string, string | number> = {};
  for (const { name, props: own = {}, keystorePath } of listeners) {
    const prefix = `listener.name.${name.toLowerCase()}.`;
    for (const [key, value] of Object.entries(own)) props[prefix + key] = value;
    if (keystorePath !== undefined) props[`${prefix}ssl.keystore.location`] = keystorePath;
    if (keystorePath !== undefined) props[`${prefix}ssl.keystore.type`] = 'PEM';
  }
  return props;
}

const PROTOCOLS: Readonly<Record<Security, string>> = {
  plaintext: 'PLAINTEXT',
  tls: 'SSL',
  sasl_plaintext: 'SASL_PLAINTEXT',
  sasl_ssl: 'SASL_SSL',
};

/** Name under which brokers speak to brokers. It is a super user where there is an authorizer. */
export const ADMIN = 'admin';

function securityProperties(cluster: ClusterSpec): Record<string, string> {
  const { security, tls, users } = cluster;
  const props: Record<string, string> = {};
  if (tls !== undefined) {
    props['ssl.keystore.type'] = 'PEM';
    props['ssl.keystore.location'] = tls.keystorePath;
    props['ssl.truststore.type'] = 'PEM';
    props['ssl.truststore.location'] = tls.caPath;
    if (security === 'tls') props['ssl.client.auth'] = cluster.authorizer ? 'required' : 'requested';
  }
  if (security === 'sasl_ssl' || security === 'sasl_plaintext') {
    const admin = users[ADMIN] ?? { username: ADMIN, password: ADMIN };
    const known = Object.values(users).map((user) => `user_${user.username}="${user.password}"`);
    const plain = `username="${admin.username}" password="${admin.password}" ${known.join(' ')}`;
    props['sasl.mechanism.inter.broker.protocol'] = 'PLAIN';
    props['sasl.enabled.mechanisms'] = cluster.scram ? 'PLAIN,SCRAM-SHA-256,SCRAM-SHA-512' : 'PLAIN';
    props['listener.name.client.plain.sasl.jaas.config'] = `org.apache.kafka.common.security.plain.PlainLoginModule required ${plain};`;
    if (cluster.scram) {
      const scram = 'org.apache.kafka.common.security.scram.ScramLoginModule required;';
      props['listener.name.client.scram-sha-256.sasl.jaas.config'] = scram;
      props['listener.name.client.scram-sha-512.sasl.jaas.config'] = scram;
    }
  }
  return props;
}

function authorizerProperties(): Record<string, string> {
  // ANONYMOUS speaks only on the controllers' plaintext listener: every other listener authenticates (cluster.ts refuses the rest).
  return {
    'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
    'super.users': `User:${ADMIN};User:CN=${ADMIN};User:CN=${BROKER_CERT_NAME};User:ANONYMOUS`,
    'allow.everyone.if.no.acl.found': 'false',
  };
}

/** Common name of the certificate which all brokers use. */
export const BROKER_CERT_NAME = 'belfry-testbed-broker';

/** meta.properties, which makes a folder a formatted one. */
export function metaProperties(clusterId: string, nodeId: number): string {
  return `version=1\ncluster.id=${clusterId}\nnode.id=${nodeId}\ndirectory.id=${kafkaUuid()}\n`;
}

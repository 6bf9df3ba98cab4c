import type { AutopilotSettings, ClusterAutopilotSettings } from '../autopilot/schema.ts';
import type { Secret } from '../core/secret.ts';
import type { ReceiverOptions, SmtpOptions, SlackOptions } from '../notifiers/schema.ts';
import type { DeliverySettings } from '../outbox/schema.ts';
import type { RemoteWriteOptions } from '../remotewrite/schema.ts';
import type { DampingOptions, InhibitRule } from '../routing/schema.ts';
import type { MaintenanceEntry } from '../timeintervals/maintenance.ts';

export interface HostPort {
  readonly host: string;
  readonly port: number;
}

/** The configuration as the process uses it: paths absolute, secrets read, defaults applied. Durations in milliseconds. */
export interface BelfryConfig {
  /** The file it was read from; undefined where Belfry runs without one. */
  readonly file: string | undefined;
  /** Sixteen hexadecimal digits of SHA-256 over every file that went into it. */
  readonly hash: string;
  /** Absolute paths of the rule files, globs expanded, sorted. */
  readonly ruleFiles: readonly string[];
  readonly evaluationIntervalMs: number;
  /** What of Prometheus's experimental PromQL is enabled, in rules and queries. */
  readonly promql: {
    readonly experimentalFunctions: boolean;
    readonly durationExpressions: boolean;
    readonly extendedRangeSelectors: boolean;
    readonly binopFillModifiers: boolean;
  };
  readonly storage: { readonly path: string; readonly retentionMs: number; readonly retentionBytes: number | undefined };
  readonly http: HttpConfig;
  readonly host: { readonly collect: boolean; readonly cluster: string | undefined; readonly intervalMs: number };
  /** For what belongs to no cluster. */
  readonly thresholds: AppliedThresholds;
  readonly clusters: readonly ClusterConfig[];
  readonly owners: readonly OwnerConfig[];
  readonly defaultOwner: string | undefined;
  readonly slack: SlackOptions | undefined;
  readonly smtp: SmtpOptions | undefined;
  readonly autopilot: AutopilotConfig;
  readonly maintenance: readonly MaintenanceEntry[];
  readonly watch: WatchConfig;
  /** The file's own and, unless they are switched off, those that Belfry ships. */
  readonly inhibitRules: readonly InhibitRule[];
  readonly damping: DampingOptions;
  readonly delivery: DeliverySettings;
  readonly heartbeat: HeartbeatConfig | undefined;
  readonly peers: readonly PeerConfig[];
  readonly remoteWrite: readonly RemoteWriteOptions[];
}

/** How Belfry tells trouble of its own from trouble of what it watches. */
export interface WatchConfig {
  /** Addresses outside all clusters that should always answer a TCP connection; empty: isolation is judged by the clusters alone. */
  readonly references: readonly HostPort[];
  /** How long after a start nobody is told of what was not known before, for what inhibits it to be known. */
  readonly startGraceMs: number;
  /** What an alert inhibited stays inhibited for so long after that alert has ended. */
  readonly inhibitionHoldMs: number;
}

/** Where Belfry says that it works, to somebody who tells people when it does not say so any more. */
export interface HeartbeatConfig {
  readonly url: Secret | undefined;
  /** The owner whose webhook gets the Watchdog alert, at the same interval. At least one of the two is there. */
  readonly watchdogReceiver: string | undefined;
  readonly everyMs: number;
  readonly timeoutMs: number;
  /** It is withheld when collection, rules or outbox have not worked for longer. */
  readonly workedWithinMs: number;
}

/** Another Belfry that is watched by this one. */
export interface PeerConfig {
  readonly name: string;
  readonly url: string;
  readonly ca: string | undefined;
  readonly everyMs: number;
}

/** Only what the file sets; the policies have their own defaults. */
export interface AutopilotConfig {
  /** For all clusters. */
  readonly settings: AutopilotSettings;
  /** By cluster, what goes over it; apart from `clusters`, so that a new mode disturbs no connection. */
  readonly clusters: ReadonlyMap<string, ClusterAutopilotSettings>;
  /** Signs intents and acks; undefined: the key in the data folder. */
  readonly signingKey: Secret | undefined;
  readonly publish: {
    readonly kafka: IntentTopicConfig | undefined;
    readonly webhook: { readonly url: Secret; readonly secret: Secret | undefined } | undefined;
  };
}

/** Where intents are published to Kafka. */
export interface IntentTopicConfig {
  /** The one of `clusters:` that it is; undefined for brokers of its own. */
  readonly cluster: string | undefined;
  readonly brokers: readonly HostPort[];
  readonly tls: TlsConfig | undefined;
  readonly sasl: SaslConfig | undefined;
  readonly topic: string;
  readonly acksTopic: string;
}

export const TOKEN_SCOPES = ['read', 'operate', 'approve', 'executor', 'write'] as const;

/** A token of the API beside the one in the data folder. */
export interface TokenConfig {
  readonly name: string;
  readonly scopes: readonly (typeof TOKEN_SCOPES)[number][];
  readonly token: Secret;
}

export interface HttpConfig {
  readonly listen: HostPort;
  readonly externalUrl: string | undefined;
  readonly insecure: boolean;
  readonly tls: { readonly cert: string; readonly key: Secret } | undefined;
  readonly tokens: readonly TokenConfig[];
}

/** Every threshold that applies, by name, and whether it is the cluster's own, the file's or the default. */
export type AppliedThresholds = ReadonlyMap<string, { readonly value: number; readonly from: 'cluster' | 'file' | 'default' }>;

export interface ClusterConfig {
  readonly name: string;
  readonly brokers: readonly HostPort[];
  readonly owner: string | undefined;
  readonly labels: Readonly<Record<string, string>>;
  readonly thresholds: AppliedThresholds;
  readonly addresses: ReadonlyMap<number, HostPort>;
  readonly stopGraceMs: number;
  readonly tls: TlsConfig | undefined;
  readonly sasl: SaslConfig | undefined;
  readonly exporters: readonly ExporterConfig[];
  /** Patterns: whose lag is read, whose is not, and whose may alert. */
  readonly consumerGroups: {
    readonly include: string | undefined;
    readonly exclude: string | undefined;
    readonly alert: string | undefined;
  };
  /** Only what the file sets; each collector has its own defaults. */
  readonly liveness: Readonly<Record<string, number>>;
  readonly cadence: Readonly<Record<string, number>>;
}

export interface TlsConfig {
  readonly ca: string | undefined;
  readonly cert: string | undefined;
  readonly key: Secret | undefined;
  readonly serverName: string | undefined;
  readonly rejectUnauthorized: boolean;
}

export type SaslConfig =
  { readonly mechanism: 'PLAIN' | 'SCRAM-SHA-256' | 'SCRAM-SHA-512'; readonly username: string; readonly password: Secret } | OAuthConfig;

/** Bearer tokens by the client-credentials flow. */
export interface OAuthConfig {
  readonly mechanism: 'OAUTHBEARER';
  readonly tokenEndpoint: string;
  readonly clientId: string;
  readonly clientSecret: Secret;
  readonly scope: string | undefined;
  readonly audience: string | undefined;
  readonly ca: string | undefined;
}

export interface ExporterConfig {
  readonly job: string;
  readonly targets: readonly HostPort[];
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly path: string;
  readonly scheme: 'http' | 'https';
  readonly basicAuth: { readonly username: string; readonly password: Secret } | undefined;
  readonly bearerToken: Secret | undefined;
  readonly tls: TlsConfig | undefined;
  readonly labels: Readonly<Record<string, string>>;
  readonly honorTimestamps: boolean;
  readonly bodyBytesMax: number | undefined;
  readonly seriesMax: number | undefined;
}

export interface OwnerConfig {
  readonly name: string;
  readonly receiver: ReceiverOptions;
}

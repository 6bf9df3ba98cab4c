import { createSecureContext } from 'node:tls';
import { nearestName } from '../core/nearest.ts';
import { BelfryError, errorText } from '../core/errors.ts';
import { isLoopback } from '../core/loopback.ts';
import { compileRegex } from '../core/regex.ts';
import type { Secret } from '../core/secret.ts';
import type { AppliedThresholds, BelfryConfig, ClusterConfig, ExporterConfig, HostPort, HttpConfig } from './config.ts';
import { resolveSasl, resolveTls } from './connection.ts';
import { resolveAutopilot, resolveMaintenance, resolveTokens } from './resolve-autopilot.ts';
import type { ConfigPath } from './problems.ts';
import { resolveHeartbeat, resolvePeers } from './resolve-watchdog.ts';
import { resolveRemoteWrite } from './resolve-remote-write.ts';
import { resolveReceivers } from './receivers.ts';
import { inhibitRulesOf } from '../routing/schema.ts';
import { type ClusterFile, type ConfigFile, DEFAULT_THRESHOLDS } from './schema.ts';
import type { FileSource } from './secrets.ts';

export interface ResolveContext {
  readonly source: FileSource;
  readonly report: (path: ConfigPath, message: string, ofKey?: boolean) => void;
}

type Resolved = Omit<BelfryConfig, 'file' | 'hash' | 'ruleFiles'>;

/** From the file's shape to the process's: names looked up, files and secrets read, cross-checks made. Problems are reported. */
export function resolveConfig(file: ConfigFile, context: ResolveContext): Resolved {
  checkNames(file, context);
  const clusters = file.clusters.map((cluster, index) => resolveCluster(file, cluster, ['clusters', index], context));
  return {
    evaluationIntervalMs: file.evaluation_interval,
    promql: {
      experimentalFunctions: file.promql.experimental_functions,
      durationExpressions: file.promql.duration_expressions,
      extendedRangeSelectors: file.promql.extended_range_selectors,
      binopFillModifiers: file.promql.binop_fill_modifiers,
    },
    storage: {
      path: context.source.absolute(file.storage.path),
      retentionMs: file.storage.retention,
      retentionBytes: file.storage.retention_size,
    },
    http: resolveHttp(file, context),
    host: { collect: file.host.collect, cluster: file.host.cluster, intervalMs: file.host.interval },
    thresholds: thresholdsOf(withCapacity(file.thresholds, file.autopilot.scale, [], context), {}),
    clusters,
    defaultOwner: file.default_owner,
    ...resolveReceivers(file, context),
    autopilot: resolveAutopilot(file, clusters, context),
    maintenance: resolveMaintenance(file, context),
    watch: {
      references: file.watch.references,
      startGraceMs: file.watch.start_grace,
      inhibitionHoldMs: file.watch.inhibition_hold,
    },
    inhibitRules: inhibitRulesOf(file.inhibit_rules, file.default_inhibit_rules),
    damping: file.damping,
    delivery: file.delivery,
    heartbeat: resolveHeartbeat(file, context),
    peers: resolvePeers(file, context),
    remoteWrite: resolveRemoteWrite(file, context),
  };
}

function checkNames(file: ConfigFile, { report }: ResolveContext): void {
  const owners = Object.keys(file.owners);
  const unknownOwner = (path: ConfigPath, owner: string): void => {
    const near = nearestName(owner, owners);
    report(path, `no such owner: ${owner}${near === undefined ? '' : `; did you mean ${near}?`}`);
  };
  const seen = new Map<string, number>();
  for (const [index, cluster] of file.clusters.entries()) {
    const first = seen.get(cluster.name);
    if (first !== undefined) report(['clusters', index, 'name'], `clusters[${first}] has the same name`);
    else seen.set(cluster.name, index);
    if (cluster.owner !== undefined && !owners.includes(cluster.owner)) unknownOwner(['clusters', index, 'owner'], cluster.owner);
    for (const label of ['cluster', 'owner', 'broker', 'instance', 'job', '__name__']) {
      if (label in cluster.labels) report(['clusters', index, 'labels', label], `the label ${label} is Belfry's own`, true);
    }
  }
  for (const [index, cluster] of file.clusters.entries()) checkAddresses(cluster, ['clusters', index], report);
  if (file.host.cluster !== undefined && !seen.has(file.host.cluster)) report(['host', 'cluster'], `no such cluster: ${file.host.cluster}`);
  if (file.default_owner === undefined) {
    if (owners.length > 0) report(['owners'], 'default_owner is required once there are owners: alerts that nobody owns go there', true);
  } else if (!owners.includes(file.default_owner)) unknownOwner(['default_owner'], file.default_owner);
  const { fallbackTo } = file.delivery;
  if (fallbackTo !== undefined && !owners.includes(fallbackTo)) unknownOwner(['delivery', 'fallback', 'to'], fallbackTo);
}

/** One address twice is one connection counted twice, or two rows a tick for the same series. */
function checkAddresses(cluster: ClusterFile, path: ConfigPath, report: ResolveContext['report']): void {
  const twice = (addresses: readonly HostPort[], at: ConfigPath, seen: Set<string>, job = ''): void => {
    for (const [index, { host, port }] of addresses.entries()) {
      const address = `${job} ${host.toLowerCase()}:${port}`;
      if (seen.has(address)) report([...at, index], `${host}:${port} is named twice`);
      seen.add(address);
    }
  };
  twice(cluster.brokers, [...path, 'brokers'], new Set());
  const scraped = new Set<string>();
  for (const [index, { job, targets, path: page, labels }] of cluster.exporters.entries()) {
    const at = [...path, 'exporters', index];
    twice(targets, [...at, 'targets'], scraped, `${job} ${page}`);
    for (const label of ['cluster', 'job', 'instance', '__name__']) {
      if (Object.hasOwn(labels, label)) report([...at, 'labels', label], `the label ${label} is Belfry's own`, true);
    }
  }
}

function resolveHttp(file: ConfigFile, { source, report }: ResolveContext): HttpConfig {
  const { listen, tls } = file.http;
  if (!isLoopback(listen.host) && tls === undefined && !file.http.insecure) {
    report(['http', 'listen'], `${listen.host} is reachable from other machines: give http.tls, or set http.insecure: true`);
  }
  const cert = source.text(tls?.cert_file, ['http', 'tls', 'cert_file']);
  const key = source.secret({ key_file: tls?.key_file }, 'key', ['http', 'tls']);
  // An offline check goes on with an empty key.
  if (cert !== undefined && key !== undefined && key.reveal() !== '') checkCertificate(cert, key, report);
  return {
    listen,
    externalUrl: file.http.external_url?.replace(/\/+$/, ''),
    insecure: file.http.insecure,
    tls: cert === undefined || key === undefined ? undefined : { cert, key },
    tokens: resolveTokens(file, { source, report }),
  };
}

/** A pair that does not fit is found before anything is swapped for it. */
function checkCertificate(cert: string, key: Secret, report: ResolveContext['report']): void {
  try {
    createSecureContext({ cert, key: key.reveal() });
  } catch (error) {
    report(['http', 'tls'], `the certificate and the key cannot be used: ${errorText(error)}`);
  }
}

function resolveCluster(file: ConfigFile, cluster: ClusterFile, path: ConfigPath, context: ResolveContext): ClusterConfig {
  return {
    name: cluster.name,
    brokers: cluster.brokers,
    owner: cluster.owner,
    labels: cluster.labels,
    thresholds: thresholdsOf(
      withCapacity(file.thresholds, file.autopilot.scale, []),
      withCapacity(cluster.thresholds, cluster.autopilot.scale, path, context),
    ),
    addresses: new Map(Object.entries(cluster.addresses).map(([id, address]) => [Number(id), address])),
    stopGraceMs: cluster.stop_grace,
    tls: cluster.tls === undefined ? undefined : resolveTls(cluster.tls, [...path, 'tls'], context),
    sasl: cluster.sasl === undefined ? undefined : resolveSasl(cluster.sasl, [...path, 'sasl'], context),
    exporters: cluster.exporters.map((exporter, index) => resolveExporter(exporter, [...path, 'exporters', index], context)),
    consumerGroups: {
      include: groupPattern(cluster, 'include', path, context),
      exclude: groupPattern(cluster, 'exclude', path, context),
      alert: groupPattern(cluster, 'alert', path, context),
    },
    liveness: onlySet(cluster.liveness),
    cadence: onlySet(cluster.cadence),
  };
}

function groupPattern(
  cluster: ClusterFile,
  key: 'include' | 'exclude' | 'alert',
  path: ConfigPath,
  { report }: ResolveContext,
): string | undefined {
  const pattern = cluster.consumer_groups?.[key];
  if (pattern === undefined) return undefined;
  try {
    compileRegex(pattern);
  } catch (error) {
    if (!(error instanceof BelfryError)) throw error;
    report([...path, 'consumer_groups', key], error.message);
  }
  return pattern;
}

type Thresholds = Readonly<Record<string, number | undefined>>;

/**
 * What one broker can take in may be said where the scaler is configured or among the thresholds: one number, or rule and
 * scaler would judge by two.
 */
function withCapacity(
  thresholds: Thresholds,
  { bytes_per_second_per_broker: capacity }: ClusterFile['autopilot']['scale'],
  path: ConfigPath,
  context?: ResolveContext,
): Thresholds {
  if (capacity === undefined) return thresholds;
  const other = thresholds['broker_bytes_per_second'];
  if (other !== undefined && other !== capacity)
    context?.report(
      [...path, 'autopilot', 'scale', 'bytes_per_second_per_broker'],
      `thresholds.broker_bytes_per_second beside it says ${other}, this ${capacity}: give one of them`,
    );
  return { ...thresholds, broker_bytes_per_second: capacity };
}

function thresholdsOf(ofFile: Thresholds, ofCluster: Thresholds): AppliedThresholds {
  const all = new Map<string, { value: number; from: 'cluster' | 'file' | 'default' }>();
  for (const [name, value] of Object.entries(DEFAULT_THRESHOLDS)) {
    const own = ofCluster[name];
    const shared = ofFile[name];
    if (own !== undefined) all.set(name, { value: own, from: 'cluster' });
    else if (shared !== undefined) all.set(name, { value: shared, from: 'file' });
    else all.set(name, { value, from: 'default' });
  }
  return all;
}

function resolveExporter(exporter: ClusterFile['exporters'][number], path: ConfigPath, context: ResolveContext): ExporterConfig {
  const { report, source } = context;
  const timeoutMs = exporter.timeout ?? Math.min(10_000, exporter.interval);
  if (timeoutMs > exporter.interval) report([...path, 'timeout'], 'longer than the interval');
  if (exporter.tls !== undefined && exporter.scheme === 'http') report([...path, 'tls'], 'needs scheme: https', true);
  const bearerToken = source.secret(exporter, 'bearer_token', path);
  if (bearerToken !== undefined && exporter.basic_auth !== undefined)
    report([...path, 'basic_auth'], 'cannot stand beside a bearer token', true);
  return {
    job: exporter.job,
    targets: exporter.targets,
    intervalMs: exporter.interval,
    timeoutMs,
    path: exporter.path,
    scheme: exporter.scheme,
    basicAuth: basicAuthOf(exporter, path, source),
    bearerToken,
    tls: exporter.tls === undefined ? undefined : resolveTls(exporter.tls, [...path, 'tls'], context),
    labels: exporter.labels,
    honorTimestamps: exporter.honor_timestamps,
    bodyBytesMax: exporter.body_size_limit,
    seriesMax: exporter.series_limit,
  };
}

function basicAuthOf(
  exporter: ClusterFile['exporters'][number],
  path: ConfigPath,
  source: FileSource,
): { username: string; password: Secret } | undefined {
  if (exporter.basic_auth === undefined) return undefined;
  const password = source.secret(exporter.basic_auth, 'password', [...path, 'basic_auth'], { required: true });
  return password === undefined ? undefined : { username: exporter.basic_auth.username, password };
}

function onlySet(values: Readonly<Record<string, number | undefined>>): Readonly<Record<string, number>> {
  return Object.fromEntries(Object.entries(values).filter((entry): entry is [string, number] => entry[1] !== undefined));
}

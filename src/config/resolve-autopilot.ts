import { nearestName } from '../core/nearest.ts';
import type { AutopilotConfig, BelfryConfig, ClusterConfig, IntentTopicConfig, TokenConfig } from './config.ts';
import { resolveSasl, resolveTls } from './connection.ts';
import type { ConfigPath } from './problems.ts';
import type { ResolveContext } from './resolve.ts';
import type { ConfigFile } from './schema.ts';

/** A shorter token can be guessed. */
const TOKEN_CHARACTERS_LEAST = 16;

/** `autopilot:` of the file and of its clusters. */
export function resolveAutopilot(file: ConfigFile, clusters: readonly ClusterConfig[], context: ResolveContext): AutopilotConfig {
  const { publish, signing_key, signing_key_file, signing_key_env, ...settings } = file.autopilot;
  checkSizes(file, context);
  return {
    settings,
    clusters: new Map(file.clusters.map(({ name, autopilot }) => [name, autopilot])),
    signingKey: context.source.secret({ signing_key, signing_key_file, signing_key_env }, 'signing_key', ['autopilot']),
    publish: { kafka: intentTopic(publish.kafka, clusters, context), webhook: intentWebhook(publish.webhook, context) },
  };
}

type Publish = ConfigFile['autopilot']['publish'];

function intentTopic(kafka: Publish['kafka'], clusters: readonly ClusterConfig[], context: ResolveContext): IntentTopicConfig | undefined {
  if (kafka === undefined) return undefined;
  const path: ConfigPath = ['autopilot', 'publish', 'kafka'];
  const names = { topic: kafka.topic, acksTopic: kafka.acks_topic };
  if (kafka.topic === kafka.acks_topic) context.report([...path, 'acks_topic'], 'must be another topic than that of the intents');
  if ((kafka.cluster === undefined) === (kafka.brokers === undefined)) {
    context.report(path, 'needs either a cluster of clusters: or brokers of its own', true);
    return undefined;
  }
  if (kafka.cluster === undefined) {
    return {
      cluster: undefined,
      brokers: kafka.brokers ?? [],
      tls: kafka.tls === undefined ? undefined : resolveTls(kafka.tls, [...path, 'tls'], context),
      sasl: kafka.sasl === undefined ? undefined : resolveSasl(kafka.sasl, [...path, 'sasl'], context),
      ...names,
    };
  }
  for (const key of ['tls', 'sasl'] as const) {
    if (kafka[key] !== undefined) context.report([...path, key], 'is taken from the cluster: give it with brokers only', true);
  }
  const cluster = clusters.find(({ name }) => name === kafka.cluster);
  if (cluster === undefined) {
    noSuchCluster(clusters, kafka.cluster, [...path, 'cluster'], context);
    return undefined;
  }
  return { cluster: cluster.name, brokers: cluster.brokers, tls: cluster.tls, sasl: cluster.sasl, ...names };
}

function intentWebhook(webhook: Publish['webhook'], { source, report }: ResolveContext): AutopilotConfig['publish']['webhook'] {
  if (webhook === undefined) return undefined;
  const path: ConfigPath = ['autopilot', 'publish', 'webhook'];
  const url = source.secret(webhook, 'url', path, { required: true });
  const secret = source.secret(webhook, 'secret', path);
  if (url === undefined) return undefined;
  if (url.reveal() !== '' && !/^https?:\/\//.test(url.reveal())) report(path, 'expected an http or https address', true);
  return { url, secret };
}

/** The least and the largest size as they apply to each cluster. */
function checkSizes(file: ConfigFile, { report }: ResolveContext): void {
  const check = (min: number | undefined, max: number | undefined, path: ConfigPath): void => {
    if (min !== undefined && max !== undefined && min > max) report([...path, 'scale'], `min (${min}) is more than max (${max})`, true);
  };
  const all = file.autopilot.scale;
  check(all.min, all.max, ['autopilot']);
  for (const [index, { autopilot }] of file.clusters.entries()) {
    const { min, max } = autopilot.scale;
    if (min !== undefined || max !== undefined) check(min ?? all.min, max ?? all.max, ['clusters', index, 'autopilot']);
  }
}

/** `maintenance:`; its schedules are parsed already. */
export function resolveMaintenance(file: ConfigFile, context: ResolveContext): BelfryConfig['maintenance'] {
  return file.maintenance.map(({ cluster, schedule, for: forMs, timezone, name }, index) => {
    const known = cluster === '*' || file.clusters.some((each) => each.name === cluster);
    if (!known) noSuchCluster(file.clusters, cluster, ['maintenance', index, 'cluster'], context);
    return { cluster, schedule, forMs, timezone, name };
  });
}

/** `http.tokens:`. */
export function resolveTokens(file: ConfigFile, { source, report }: ResolveContext): readonly TokenConfig[] {
  const tokens: TokenConfig[] = [];
  for (const [index, fields] of file.http.tokens.entries()) {
    const path: ConfigPath = ['http', 'tokens', index];
    const token = source.secret(fields, 'token', path, { required: true });
    if (file.http.tokens.findIndex(({ name }) => name === fields.name) < index) report([...path, 'name'], 'another token has this name');
    if (token === undefined) continue;
    const text = token.reveal();
    if (text !== '' && text.length < TOKEN_CHARACTERS_LEAST)
      report(path, `the token is shorter than ${TOKEN_CHARACTERS_LEAST} characters`, true);
    if (text !== '' && tokens.some((other) => other.token.reveal() === text)) report(path, 'another name has the same token', true);
    tokens.push({ name: fields.name, scopes: [...new Set(fields.scopes)], token });
  }
  return tokens;
}

function noSuchCluster(
  clusters: readonly { readonly name: string }[],
  cluster: string,
  path: ConfigPath,
  { report }: ResolveContext,
): void {
  const near = nearestName(
    cluster,
    clusters.map(({ name }) => name),
  );
  report(path, `no such cluster: ${cluster}${near === undefined ? '' : `; did you mean ${near}?`}`);
}

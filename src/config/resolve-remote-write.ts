import type { Secret } from '../core/secret.ts';
import type { RemoteWriteOptions } from '../remotewrite/schema.ts';
import { resolveTls } from './connection.ts';
import type { ConfigPath } from './problems.ts';
import type { ResolveContext } from './resolve.ts';
import type { ConfigFile } from './schema.ts';

type DestinationFile = ConfigFile['remote_write'][number];

/** Where samples are sent to; one whose address cannot be had is left out, and a problem. */
export function resolveRemoteWrite({ remote_write: destinations }: ConfigFile, context: ResolveContext): readonly RemoteWriteOptions[] {
  const seen = new Set<string>();
  return destinations.flatMap((destination, index) => {
    const path: ConfigPath = ['remote_write', index];
    const url = context.source.secret(destination, 'url', path, { required: true });
    if (url === undefined) return [];
    const address = url.reveal();
    if (address !== '' && (!URL.canParse(address) || !/^https?:$/.test(new URL(address).protocol))) {
      context.report(path, 'the URL is not one of http or https', true);
      return [];
    }
    const name = destination.name ?? (address === '' ? `remote-${index}` : new URL(address).host.replaceAll(/[^a-zA-Z0-9._:-]/g, ''));
    if (seen.has(name)) context.report([...path, 'name'], `another destination is called ${name}: give each a name`);
    seen.add(name);
    return [{ ...plainOptions(destination), ...secretOptions(destination, path, context), name, url }];
  });
}

function plainOptions(destination: DestinationFile): Omit<RemoteWriteOptions, 'name' | 'url' | 'basicAuth' | 'authorization' | 'tls'> {
  const { queue_config: queue, metadata_config: metadata } = destination;
  return {
    timeoutMs: destination.remote_timeout,
    headers: destination.headers,
    externalLabels: destination.external_labels,
    relabel: destination.write_relabel_configs,
    queue: {
      capacity: Math.max(queue.capacity, queue.max_samples_per_send),
      minShards: Math.min(queue.min_shards, queue.max_shards),
      maxShards: queue.max_shards,
      samplesPerSend: queue.max_samples_per_send,
      deadlineMs: queue.batch_send_deadline,
      minBackoffMs: Math.min(queue.min_backoff, queue.max_backoff),
      maxBackoffMs: queue.max_backoff,
      retriesOn4xx: queue.retry_on_http_4xx,
      ageMaxMs: queue.sample_age_limit,
    },
    metadata: { send: metadata.send, intervalMs: metadata.send_interval },
  };
}

function secretOptions(
  destination: DestinationFile,
  path: ConfigPath,
  context: ResolveContext,
): Pick<RemoteWriteOptions, 'basicAuth' | 'authorization' | 'tls'> {
  const { source, report } = context;
  const { basic_auth: basic, authorization, tls_config: tls } = destination;
  const bearer = source.secret(destination, 'bearer_token', path);
  const credentials =
    authorization === undefined ? undefined : source.secret(authorization, 'credentials', [...path, 'authorization'], { required: true });
  const password = basic === undefined ? undefined : source.secret(basic, 'password', [...path, 'basic_auth'], { required: true });
  if ([bearer, authorization, basic].filter((given) => given !== undefined).length > 1)
    report(path, 'only one of basic_auth, authorization and bearer_token may be given', true);
  const token = (type: string, secret: Secret | undefined) => (secret === undefined ? undefined : { type, credentials: secret });
  return {
    basicAuth: basic === undefined || password === undefined ? undefined : { username: basic.username, password },
    authorization: token(authorization?.type ?? 'Bearer', credentials ?? bearer),
    tls: tls === undefined ? undefined : resolveTls(tls, [...path, 'tls_config'], context),
  };
}

import type { HeartbeatConfig, PeerConfig } from './config.ts';
import type { ResolveContext } from './resolve.ts';
import type { ConfigFile } from './schema.ts';

/** Where the heartbeat goes; undefined, and a problem where a URL was asked for and is none. */
export function resolveHeartbeat({ heartbeat }: ConfigFile, { source, report }: ResolveContext): HeartbeatConfig | undefined {
  if (heartbeat === undefined) return undefined;
  const url = source.secret(heartbeat, 'url', ['heartbeat'], { required: true });
  if (url === undefined) return undefined;
  const text = url.reveal();
  // An offline check goes on with an empty secret.
  if (text !== '' && (!URL.canParse(text) || !/^https?:$/.test(new URL(text).protocol)))
    report(['heartbeat'], 'the URL is not one of http or https');
  if (heartbeat.timeout > heartbeat.every) report(['heartbeat', 'timeout'], 'longer than every');
  return { url, everyMs: heartbeat.every, timeoutMs: heartbeat.timeout };
}

export function resolvePeers({ peers }: ConfigFile, { source, report }: ResolveContext): readonly PeerConfig[] {
  const seen = new Set<string>();
  return peers.map(({ name, url, ca_file, every }, index) => {
    if (seen.has(name)) report(['peers', index, 'name'], 'there is a peer of that name already');
    seen.add(name);
    return { name, url: url.replace(/\/+$/, ''), ca: source.text(ca_file, ['peers', index, 'ca_file']), everyMs: every };
  });
}

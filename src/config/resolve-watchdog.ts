import type { HeartbeatConfig, PeerConfig } from './config.ts';
import type { ResolveContext } from './resolve.ts';
import type { ConfigFile } from './schema.ts';

/** Where the heartbeat goes; undefined, and a problem, where it was asked for and has nowhere to go. */
export function resolveHeartbeat({ heartbeat, owners }: ConfigFile, { source, report }: ResolveContext): HeartbeatConfig | undefined {
  if (heartbeat === undefined) return undefined;
  const { watchdog_receiver: watchdogReceiver, every: everyMs, timeout: timeoutMs, worked_within: workedWithinMs } = heartbeat;
  const url = source.secret(heartbeat, 'url', ['heartbeat'], { required: watchdogReceiver === undefined });
  const text = url?.reveal() ?? '';
  // An offline check goes on with an empty secret.
  if (text !== '' && (!URL.canParse(text) || !/^https?:$/.test(new URL(text).protocol)))
    report(['heartbeat'], 'the URL is not one of http or https');
  if (timeoutMs > everyMs) report(['heartbeat', 'timeout'], 'longer than every');
  if (watchdogReceiver !== undefined && owners[watchdogReceiver]?.webhook === undefined)
    report(['heartbeat', 'watchdog_receiver'], `${watchdogReceiver} is no owner with a webhook`);
  if (url === undefined && watchdogReceiver === undefined) return undefined;
  return { url, watchdogReceiver, everyMs, timeoutMs, workedWithinMs };
}

export function resolvePeers({ peers }: ConfigFile, { source, report }: ResolveContext): readonly PeerConfig[] {
  const seen = new Set<string>();
  return peers.map(({ name, url, ca_file, every }, index) => {
    if (seen.has(name)) report(['peers', index, 'name'], 'there is a peer of that name already');
    seen.add(name);
    return { name, url: url.replace(/\/+$/, ''), ca: source.text(ca_file, ['peers', index, 'ca_file']), everyMs: every };
  });
}

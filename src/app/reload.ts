import type { BelfryConfig } from '../config/config.ts';
import { BelfryError, errorText } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import type { ClusterWatch } from './cluster-watch.ts';

/** Reads the configuration again: the problems where it is refused. */
export type ConfigReader = () => { readonly config: BelfryConfig | undefined; readonly problems: readonly string[] };

/** Throws CONFIG_INVALID where `next` changes what a running process cannot change. */
export function refuseWhatNeedsARestart(before: BelfryConfig, next: BelfryConfig): void {
  const fixed = ({ storage, http, host }: BelfryConfig): string =>
    JSON.stringify([storage, { ...http, tls: http.tls !== undefined, tokens: undefined }, host]);
  if (fixed(before) !== fixed(next)) throw new BelfryError('CONFIG_INVALID', 'storage, http and host change with a restart only');
}

/** What a reload has taken and only the next start goes by, each a key of the configuration. */
export function whatWaitsForARestart(before: BelfryConfig, next: BelfryConfig): readonly string[] {
  return before.watch.startGraceMs === next.watch.startGraceMs ? [] : ['watch.start_grace'];
}

/** Clusters that have not changed are not disturbed; the alerts of those that have gone end. */
export async function replaceWatches(
  watches: Map<string, ClusterWatch>,
  next: BelfryConfig,
  watch: (cluster: BelfryConfig['clusters'][number]) => void,
  on: { readonly removed: (cluster: string) => void; readonly stopFailed: (cluster: string, error: unknown) => void },
): Promise<void> {
  const wanted = new Map(next.clusters.map((cluster) => [cluster.name, cluster]));
  for (const [name, running] of watches) {
    const cluster = wanted.get(name);
    if (cluster !== undefined && running.isFor(cluster)) continue;
    watches.delete(name);
    // What does not stop cleanly must not leave the configuration half swapped.
    await running.stop().catch((error: unknown) => on.stopFailed(name, error));
    if (cluster !== undefined) watch(cluster);
    running.endSeries(watches.get(name));
    if (cluster === undefined) on.removed(name);
  }
  for (const [name, cluster] of wanted) if (!watches.has(name)) watch(cluster);
}

/** Reads the configuration again and swaps it in where it is another one. The problems where it was refused, which are logged. */
export async function tryReload(
  options: { readonly readConfig: ConfigReader; readonly log: Logger },
  current: () => BelfryConfig,
  swap: (next: BelfryConfig) => Promise<void>,
): Promise<readonly string[]> {
  try {
    const { config, problems } = options.readConfig();
    if (config === undefined) {
      options.log.error('config_reload_failed', { problems });
      return problems;
    }
    const before = current();
    if (config.hash === before.hash) return [];
    await swap(config);
    options.log.info('config_reloaded', { hash: config.hash });
    const keys = whatWaitsForARestart(before, config);
    if (keys.length > 0) options.log.warn('config_needs_restart', { keys });
    return [];
  } catch (error) {
    const lines = error instanceof BelfryError ? error.message.split('\n') : [errorText(error)];
    options.log.error('config_reload_failed', { problems: lines });
    return lines;
  }
}

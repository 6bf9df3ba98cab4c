import { scrapeTargetId } from '../collectors/scrape/scrape-target.ts';
import type { BelfryConfig } from '../config/config.ts';
import type { Labels } from '../core/labels.ts';

/**
 * What was collected before a start and will never be heard of again: clusters, and exporters of clusters, that left the
 * configuration while Belfry was down.
 */
export class LeftBehind {
  readonly #clusters: ReadonlySet<string>;
  readonly #exporters: ReadonlySet<string>;
  /** Cluster, job and instance of the exporters that were found to have left. */
  readonly #gone = new Set<string>();

  constructor({ clusters }: Pick<BelfryConfig, 'clusters'>, knownBefore: Iterable<string>) {
    const present = new Set(clusters.map(({ name }) => name));
    this.#clusters = new Set([...knownBefore].filter((name) => !present.has(name)));
    this.#exporters = new Set(
      clusters.flatMap(({ name, exporters }) =>
        exporters.flatMap(({ job, targets, path }) => targets.map((target) => scrapeTargetId(name, job, { ...target, path }))),
      ),
    );
  }

  /** Whether the target of the store with this id has left: `kafka/orders-dal/health`, `liveness/orders-dal`, `scrape/…`. */
  isTarget(id: string): boolean {
    const [room = '', cluster = '', job = '', instance = ''] = id.split('/');
    if (!['kafka', 'liveness', 'scrape'].includes(room)) return false;
    if (this.#clusters.has(cluster)) return true;
    if (room !== 'scrape' || this.#exporters.has(id)) return false;
    this.#gone.add(`${cluster}/${job}/${instance}`);
    return true;
  }

  /** Whether an alert or series with these labels is about what has left; after every target was asked for. */
  isAbout(labels: Labels): boolean {
    const cluster = labels.get('cluster');
    return this.#clusters.has(cluster) || this.#gone.has(`${cluster}/${labels.get('job')}/${labels.get('instance')}`);
  }
}

import type { Inputs } from './inputs.ts';

/**
 * For rules with `belfry_no_data: alert`: the clusters of which a selector of the rule has returned series before and
 * returns none now. Known only since the process began.
 */
export class LostClusters {
  /** By the selector's place. */
  #seen: Set<string>[] = [];

  /** Begins anew, as after a reload. */
  clear(): void {
    this.#seen = [];
  }

  /** A cluster that has left the configuration is not missed. */
  forget(matches: (cluster: string) => boolean): void {
    for (const seen of this.#seen) for (const cluster of seen) if (matches(cluster)) seen.delete(cluster);
  }

  look(inputs: Inputs): ReadonlySet<string> {
    const lost = new Set<string>();
    for (const [selector, now] of inputs.clusters().entries()) {
      const seen = (this.#seen[selector] ??= new Set());
      for (const cluster of now) seen.add(cluster);
      for (const cluster of seen) if (!now.has(cluster)) lost.add(cluster);
    }
    return lost;
  }
}

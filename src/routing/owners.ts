import type { Destination } from '../core/state.ts';
import type { OwnerDirectory } from './ports.ts';

/** Who is told what, as configured. */
export interface OwnerTableConfig {
  /** By owner: the ways to reach it. Its receiver is `owner/NAME`. */
  readonly owners: ReadonlyMap<string, readonly { readonly integration: string; readonly index: number }[]>;
  /** By cluster: its owner. */
  readonly ownerOfCluster: ReadonlyMap<string, string>;
  /** For clusters without an owner and alerts without a cluster; empty: those are told to nobody. */
  readonly defaultOwner: string;
}

/** The receiver that stands for an owner. */
export function receiverOf(owner: string): string {
  return `owner/${owner}`;
}

/** The directory of the loaded configuration; a reload replaces its content in one step. */
export class OwnerTable implements OwnerDirectory {
  #config: OwnerTableConfig;

  constructor(config: OwnerTableConfig) {
    this.#config = config;
  }

  replace(config: OwnerTableConfig): void {
    this.#config = config;
  }

  get owners(): readonly string[] {
    return [...this.#config.owners.keys()];
  }

  get defaultOwner(): string {
    return this.#config.defaultOwner;
  }

  ownerOf(cluster: string): string {
    return this.#config.ownerOfCluster.get(cluster) ?? this.#config.defaultOwner;
  }

  destinationsOf(owner: string): readonly Destination[] {
    const receiver = receiverOf(owner);
    return (this.#config.owners.get(owner) ?? []).map(({ integration, index }) => ({ receiver, integration, index }));
  }
}

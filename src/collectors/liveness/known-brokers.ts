import type { BrokerState } from './broker-state.ts';
import type { ExpectedBrokerRow, ExpectedBrokersStore } from './expected-brokers.ts';

/**
 * The expected brokers as they are kept, together with which Kafka cluster they belong to. While another cluster
 * answers under the name nothing is written: the rows stay the memory of the one that was meant.
 */
export class KnownBrokers {
  readonly #cluster: string;
  readonly #store: ExpectedBrokersStore;
  readonly #guarded: (what: string, run: () => void) => void;
  /** Kafka's id of the cluster known by this name; empty before any was seen. */
  #known = '';
  #answering = '';

  constructor(cluster: string, store: ExpectedBrokersStore, guarded: (what: string, run: () => void) => void) {
    this.#cluster = cluster;
    this.#store = store;
    this.#guarded = guarded;
  }

  get clusterId(): string {
    return this.#answering;
  }

  get knownClusterId(): string {
    return this.#known;
  }

  /** Undefined before any cluster was seen. */
  get changed(): boolean | undefined {
    return this.#answering === '' ? undefined : this.#answering !== this.#known;
  }

  load(): readonly ExpectedBrokerRow[] {
    let rows: readonly ExpectedBrokerRow[] = [];
    this.#guarded('load', () => {
      rows = this.#store.load(this.#cluster);
    });
    for (const { clusterId } of rows) {
      this.#known = clusterId;
      if (this.#answering === '') this.#answering = clusterId;
    }
    return rows;
  }

  /** The cluster that answers now. True when it is another than before. */
  identify(clusterId: string): boolean {
    const before = this.#answering;
    this.#answering = clusterId;
    if (this.#known === '') this.#known = clusterId;
    return before !== '' && before !== clusterId;
  }

  /** From now on the name means the cluster that answers. */
  accept(): void {
    if (this.changed !== true) return;
    for (const { brokerId } of this.load()) this.#guarded('save', () => this.#store.delete(this.#cluster, brokerId));
    this.#known = this.#answering;
  }

  save(states: readonly BrokerState[]): void {
    if (this.changed !== false) return;
    this.#guarded('save', () => this.#store.save(states.map((state) => state.toRow(this.#cluster, this.#answering))));
  }

  delete(brokerId: number): void {
    if (this.changed === false) this.#guarded('save', () => this.#store.delete(this.#cluster, brokerId));
  }
}

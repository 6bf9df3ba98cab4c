import type { BrokerRow } from './entities.ts';
import type { StateDb } from './state-db.ts';

/** An expected broker as liveness knows it; `V` are its verdicts. */
export type KnownBroker<V extends string> = Omit<BrokerRow, 'shard' | 'verdict'> & { readonly verdict: V | undefined };

/** The expected brokers of each cluster. */
export class BrokerStore<V extends string> {
  readonly #db: StateDb;
  readonly #verdicts: readonly V[];

  /** A stored verdict that is none of `verdicts` is read as none. */
  constructor(db: StateDb, verdicts: readonly V[]) {
    this.#db = db;
    this.#verdicts = verdicts;
  }

  /** Every cluster of which a broker is known, also one that is not configured any more. */
  clusters(): ReadonlySet<string> {
    return new Set(this.#db.rows('broker').map(({ cluster }) => cluster));
  }

  load(cluster: string): readonly KnownBroker<V>[] {
    return this.#db.rows('broker', 'cluster = ? ORDER BY broker_id', cluster).map((row) => ({
      ...row,
      verdict: this.#verdicts.find((verdict) => verdict === row.verdict),
    }));
  }

  /** In one transaction. */
  save(brokers: readonly KnownBroker<V>[]): void {
    this.#db.durably(() => {
      for (const broker of brokers) {
        const { cluster, verdict } = broker;
        this.#db.apply({ v: 1, kind: 'broker.put', row: { ...broker, shard: cluster, verdict: verdict ?? '' } });
      }
    });
  }

  delete(cluster: string, brokerId: number): void {
    this.#db.apply({ v: 1, kind: 'broker.delete', key: { cluster, brokerId } });
  }
}

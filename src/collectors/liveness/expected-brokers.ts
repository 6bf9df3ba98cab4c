import type { Verdict } from './verdict.ts';

/** What outlives a restart of Belfry about one expected broker; times are milliseconds of Belfry time. */
export interface ExpectedBrokerRow {
  /** The configured name of the cluster. */
  readonly cluster: string;
  /** Kafka's own id of the cluster the broker was seen in. */
  readonly clusterId: string;
  readonly brokerId: number;
  /** As advertised; empty and 0 for a broker known from a replica list only. */
  readonly host: string;
  readonly port: number;
  readonly firstSeenAt: number;
  /** When it last answered; 0 if never. */
  readonly lastSeenAt: number;
  readonly state: 'up' | 'down' | 'unknown';
  /** When the present outage began; 0 where there is none. */
  readonly downSince: number;
  /** The latest verdict; it may hold no longer, so that its series can be told to be 0 after a restart. */
  readonly verdict: Verdict | undefined;
  readonly verdictHolds: boolean;
}

/** Where the expected brokers are kept; calls are synchronous and may throw. */
export interface ExpectedBrokersStore {
  load(cluster: string): readonly ExpectedBrokerRow[];
  /** Inserts or replaces the row of each (cluster, brokerId), in one transaction. */
  save(rows: readonly ExpectedBrokerRow[]): void;
  delete(cluster: string, brokerId: number): void;
}

/**
 * Durable state. Every decision is written to `state.db` in the transaction that makes it, before its effect; it is
 * read only at start. If it cannot be written the change is still applied in memory and `durable` is false.
 */
export interface StateStore {
  /**
   * Runs the writes in one transaction, nested calls joining the outer one. Returns false when they could not be made
   * durable (disk full, read-only): nothing was written then, and the caller goes on in memory.
   */
  durably(write: () => void): boolean;
  /** False since the last write failed; true again after one that worked. */
  readonly durable: boolean;
}

/** The durable state of one alert of one rule; times are milliseconds of Belfry time, 0 where not set. */
export interface AlertStateRow {
  /** Content key of the rule: file, group, name and the position among rules of that name. */
  readonly ruleKey: string;
  /** `Labels.key` of the alert's identity. */
  readonly alertKey: string;
  /** The cluster, empty where there is none. */
  readonly shard: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly state: 'pending' | 'firing' | 'inactive';
  readonly value: number;
  readonly activeAt: number;
  readonly firedAt: number;
  readonly resolvedAt: number;
  readonly lastSentAt: number;
  readonly keepFiringSince: number;
  readonly resolveReason: string;
}

/** The write port of rules; `load` is called once at start. */
export interface AlertStateStore extends StateStore {
  loadAlerts(): readonly AlertStateRow[];
  saveAlert(row: AlertStateRow): void;
  deleteAlert(ruleKey: string, alertKey: string): void;
}

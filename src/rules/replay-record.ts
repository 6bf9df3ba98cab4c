import { RESOLVE_REASONS, type ResolveReason } from '../core/alert.ts';
import { Labels } from '../core/labels.ts';
import type { AlertStateRow, AlertStateStore } from '../core/state.ts';

/** From first sight to its end, one time that an alert fired. Milliseconds of Belfry time. */
export interface Firing {
  readonly activeAt: number;
  readonly firedAt: number;
  /** Undefined where it still fired at the end. */
  resolvedAt: number | undefined;
  /** Empty while it fires. */
  resolveReason: ResolveReason | '';
  /** Receivers that were told of it. */
  readonly told: Set<string>;
}

/** One alert of a rule, over the whole replay. */
export interface AlertRecord {
  readonly ruleKey: string;
  readonly labels: Labels;
  readonly firings: Firing[];
  /** How often it was pending and never came to fire, and the longest of those times in ms. */
  pendingOnly: number;
  longestPendingMs: number;
}

interface Open {
  readonly record: AlertRecord;
  /** False where there were too many alerts already. */
  readonly isKept: boolean;
  pendingSince: number;
  firing: Firing | undefined;
}

/** How many alerts and firings are kept. */
export interface RecordLimits {
  readonly alerts: number;
  readonly firings: number;
}

const LIMITS: RecordLimits = { alerts: 200_000, firings: 200_000 };

/**
 * Stands where `state.db` stands in a live Belfry, and remembers what the engine would have written there: every decision
 * about every alert passes here.
 */
export class ReplayRecord implements AlertStateStore {
  readonly durable = true;
  /** Firings, and of alerts beyond the limit also the times that they were pending only, that are no more than counted here. */
  untold = 0;
  readonly #now: () => number;
  readonly #fromTs: number;
  readonly #limits: RecordLimits;
  readonly #records = new Map<string, AlertRecord>();
  /** By the alert's identity and then by rule: two rules may make the same alert. */
  readonly #open = new Map<string, Map<string, Open>>();
  /** How many firings are kept. */
  firings = 0;

  /** What was over before `fromTs` is not kept. */
  constructor(now: () => number, fromTs: number, limits = LIMITS) {
    this.#now = now;
    this.#fromTs = fromTs;
    this.#limits = limits;
  }

  get alerts(): Iterable<AlertRecord> {
    return this.#records.values();
  }

  /** The newest firing of an alert, by the `key` of its labels; there may be one for each rule that makes it. */
  *newestOf(labelsKey: string): Generator<Firing, void> {
    for (const { firing } of this.#open.get(labelsKey)?.values() ?? []) if (firing !== undefined) yield firing;
  }

  durably(write: () => void): boolean {
    write();
    return true;
  }

  loadAlerts(): readonly AlertStateRow[] {
    return [];
  }

  saveAlert(row: AlertStateRow): void {
    const open = this.#openOf(row);
    if (row.state === 'pending') {
      if (row.firedAt === 0) open.pendingSince = row.activeAt;
    } else if (row.state === 'firing') this.#fire(open, row);
    else if (open.firing !== undefined) {
      open.firing.resolvedAt = row.resolvedAt;
      open.firing.resolveReason = RESOLVE_REASONS.find((reason) => reason === row.resolveReason) ?? '';
    }
  }

  deleteAlert(ruleKey: string, alertKey: string): void {
    const ofAlert = this.#open.get(alertKey);
    const open = ofAlert?.get(ruleKey);
    if (open === undefined) return;
    ofAlert?.delete(ruleKey);
    if (ofAlert?.size === 0) this.#open.delete(alertKey);
    if (open.firing === undefined) this.#endPending(open);
    else if (open.firing.resolvedAt === undefined) open.firing.resolvedAt = this.#now();
    this.#dropWarmup(open.record);
    if (open.record.firings.length === 0 && open.record.pendingOnly === 0) this.#records.delete(recordKey(ruleKey, alertKey));
  }

  /** Those that are pending when the replay ends have not come to fire. */
  finish(): void {
    for (const ofAlert of this.#open.values()) for (const open of ofAlert.values()) if (open.firing === undefined) this.#endPending(open);
    this.#open.clear();
  }

  #openOf(row: AlertStateRow): Open {
    let ofAlert = this.#open.get(row.alertKey);
    if (ofAlert === undefined) this.#open.set(row.alertKey, (ofAlert = new Map()));
    let open = ofAlert.get(row.ruleKey);
    // An alert that was over begins anew.
    if (open?.firing?.resolvedAt !== undefined && row.state !== 'inactive') open = undefined;
    if (open !== undefined) return open;
    const key = recordKey(row.ruleKey, row.alertKey);
    let record = this.#records.get(key);
    let isKept = true;
    if (record === undefined) {
      record = { ruleKey: row.ruleKey, labels: Labels.of(row.labels), firings: [], pendingOnly: 0, longestPendingMs: 0 };
      isKept = this.#records.size < this.#limits.alerts;
      if (isKept) this.#records.set(key, record);
    }
    open = { record, isKept, pendingSince: row.activeAt, firing: undefined };
    ofAlert.set(row.ruleKey, open);
    return open;
  }

  #fire(open: Open, { activeAt, firedAt }: AlertStateRow): void {
    if (open.firing !== undefined) return;
    const firing: Firing = { activeAt, firedAt, resolvedAt: undefined, resolveReason: '', told: new Set() };
    open.firing = firing;
    this.#dropWarmup(open.record);
    if (!open.isKept || this.firings >= this.#limits.firings) {
      this.untold++;
      return;
    }
    this.firings++;
    open.record.firings.push(firing);
  }

  /** What ended before the range began is dropped when the alert goes or fires again, so that a warm-up leaves no trace. */
  #dropWarmup({ firings }: AlertRecord): void {
    while (firings[0]?.resolvedAt !== undefined && firings[0].resolvedAt <= this.#fromTs) {
      firings.shift();
      this.firings--;
    }
  }

  #endPending({ record, isKept, pendingSince }: Open): void {
    const endedAt = this.#now();
    if (endedAt < this.#fromTs) return;
    if (!isKept) {
      this.untold++;
      return;
    }
    record.pendingOnly++;
    record.longestPendingMs = Math.max(record.longestPendingMs, endedAt - pendingSince);
  }
}

function recordKey(ruleKey: string, alertKey: string): string {
  return `${ruleKey}\u0000${alertKey}`;
}

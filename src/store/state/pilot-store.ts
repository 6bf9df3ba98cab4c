import { INTENT_STATES, isEnded } from '../../core/autopilot.ts';
import type {
  IntentRow,
  JournalRow,
  PilotBrokerRow,
  PilotClusterRow,
  PilotEvidenceRow,
  PilotHoldRow,
  PilotModeRow,
  PilotStore,
} from '../../core/autopilot-state.ts';
import type { StateDb } from './state-db.ts';

const ENDED = INTENT_STATES.filter(isEnded);
const IS_ENDED = `state IN (${ENDED.map(() => '?').join(', ')})`;
const JOURNAL_ROWS_MAX = 1000;
/** So that forgetting a long past is many small transactions, not one that holds up everything. */
const FORGET_MAX = 5000;
/** Its keys in the table of settings, beside those of others. */
const SETTING_PREFIX = 'autopilot.';

/**
 * The auto-pilot's state in state.db. The settings and the journal's last number are held in memory as well, so that
 * they are right within a transaction and while the disk does not take a write; all else is read as it was committed.
 */
export class PilotStateStore implements PilotStore {
  readonly #db: StateDb;
  #settings: Map<string, string>;
  #lastSeq: number;
  #depth = 0;

  constructor(db: StateDb) {
    this.#db = db;
    const own = db.rows('setting').filter(({ key }) => key.startsWith(SETTING_PREFIX));
    this.#settings = new Map(own.map(({ key, value }) => [key.slice(SETTING_PREFIX.length), value]));
    this.#lastSeq = db.rows('journal', 'seq > 0 ORDER BY seq DESC LIMIT 1')[0]?.seq ?? 0;
  }

  get durable(): boolean {
    return this.#db.durable;
  }

  durably(write: () => void): boolean {
    if (this.#depth > 0) return this.#db.durably(write);
    const before = { settings: new Map(this.#settings), lastSeq: this.#lastSeq };
    this.#depth += 1;
    try {
      return this.#db.durably(write);
    } catch (error) {
      this.#settings = before.settings;
      this.#lastSeq = before.lastSeq;
      throw error;
    } finally {
      this.#depth -= 1;
    }
  }

  loadBrokers(): readonly PilotBrokerRow[] {
    return this.#db.rows('pilot_broker');
  }

  saveBroker(row: PilotBrokerRow): void {
    this.#db.apply({ v: 1, kind: 'pilot_broker.put', row });
  }

  deleteBroker(cluster: string, brokerId: number): void {
    this.#db.apply({ v: 1, kind: 'pilot_broker.delete', key: { cluster, brokerId } });
  }

  loadClusters(): readonly PilotClusterRow[] {
    return this.#db.rows('pilot_cluster');
  }

  saveCluster(row: PilotClusterRow): void {
    this.#db.apply({ v: 1, kind: 'pilot_cluster.put', row });
  }

  loadEvidence(): readonly PilotEvidenceRow[] {
    return this.#db.rows('pilot_evidence');
  }

  saveEvidence(row: PilotEvidenceRow): void {
    this.#db.apply({ v: 1, kind: 'pilot_evidence.put', row });
  }

  deleteEvidence(alertKey: string): void {
    this.#db.apply({ v: 1, kind: 'pilot_evidence.delete', key: { alertKey } });
  }

  /** Oldest first. */
  loadIntents(changedAfter: number): readonly IntentRow[] {
    return this.#db.rows('intent', `NOT ${IS_ENDED} OR changed_at > ? ORDER BY id`, ...ENDED, changedAfter);
  }

  saveIntent(row: IntentRow): void {
    this.#db.apply({ v: 1, kind: 'intent.put', row });
  }

  /** The oldest 5,000 of each at a time; the next call goes on. The last line stays, so that no number comes twice. */
  forgetBefore(at: number): void {
    const intents = this.#db.rows('intent', `${IS_ENDED} AND changed_at < ? ORDER BY changed_at LIMIT ?`, ...ENDED, at, FORGET_MAX);
    const lines = this.#db.rows('journal', 'at < ? AND seq < ? ORDER BY at LIMIT ?', at, this.#lastSeq, FORGET_MAX);
    this.durably(() => {
      for (const { id } of intents) this.#db.apply({ v: 1, kind: 'intent.delete', key: { id } });
      for (const { seq } of lines) this.#db.apply({ v: 1, kind: 'journal.delete', key: { seq } });
    });
  }

  lastJournalSeq(): number {
    return this.#lastSeq;
  }

  appendJournal(row: JournalRow): void {
    this.#db.apply({ v: 1, kind: 'journal.put', row });
    this.#lastSeq = Math.max(this.#lastSeq, row.seq);
  }

  journal(filter: Parameters<PilotStore['journal']>[0]): readonly JournalRow[] {
    const where: string[] = [];
    const params: (string | number)[] = [];
    const add = (condition: string, value: string | number | undefined): void => {
      if (value === undefined) return;
      where.push(condition);
      params.push(value);
    };
    add('shard = ?', filter.cluster);
    // The second condition tells SQLite that the index holds every such line.
    add("intent_id = ? AND intent_id <> ''", filter.intentId);
    add('kind = ?', filter.kind);
    add('seq < ?', filter.before);
    add('at >= ?', filter.since);
    const limit = Math.max(0, Math.min(filter.limit, JOURNAL_ROWS_MAX));
    return this.#db.rows('journal', `${['seq > 0', ...where].join(' AND ')} ORDER BY seq DESC LIMIT ?`, ...params, limit);
  }

  loadModes(): readonly PilotModeRow[] {
    return this.#db.rows('pilot_mode');
  }

  saveMode(row: PilotModeRow): void {
    this.#db.apply({ v: 1, kind: 'pilot_mode.put', row });
  }

  loadHolds(): readonly PilotHoldRow[] {
    return this.#db.rows('pilot_hold');
  }

  saveHold(row: PilotHoldRow): void {
    this.#db.apply({ v: 1, kind: 'pilot_hold.put', row });
  }

  deleteHold(cluster: string): void {
    this.#db.apply({ v: 1, kind: 'pilot_hold.delete', key: { cluster } });
  }

  setting(key: string): string | undefined {
    return this.#settings.get(key);
  }

  saveSetting(key: string, value: string): void {
    this.#db.apply({ v: 1, kind: 'setting.put', row: { key: `${SETTING_PREFIX}${key}`, shard: '', value } });
    this.#settings.set(key, value);
  }
}

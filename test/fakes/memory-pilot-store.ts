import { isEnded } from '../../src/core/autopilot.ts';
import type {
  IntentRow,
  JournalRow,
  PilotBrokerRow,
  PilotClusterRow,
  PilotEvidenceRow,
  PilotHoldRow,
  PilotModeRow,
  PilotStore,
} from '../../src/core/autopilot-state.ts';

class Tables {
  readonly brokers = new Map<string, PilotBrokerRow>();
  readonly clusters = new Map<string, PilotClusterRow>();
  readonly evidence = new Map<string, PilotEvidenceRow>();
  readonly intents = new Map<string, IntentRow>();
  readonly journal = new Map<number, JournalRow>();
  readonly modes = new Map<string, PilotModeRow>();
  readonly holds = new Map<string, PilotHoldRow>();
  readonly settings = new Map<string, string>();
}

type Change = (tables: Tables) => void;

/**
 * The auto-pilot's state in memory, with the transactions of the real one: a throw inside `durably` leaves no trace,
 * what cannot be written waits for a disk that works, and only settings and the journal's last number can be read
 * before they are committed.
 */
export class MemoryPilotStore implements PilotStore {
  /** Called after every commit with its number, 1 for the first. What it throws comes out of the write; the commit stands. */
  onCommit: ((commit: number) => void) | undefined;
  readonly #disk = new Tables();
  #settings = new Map<string, string>();
  #lastSeq = 0;
  #open: Change[] | undefined;
  #waiting: Change[] = [];
  #commits = 0;
  #durable = true;
  #diskWorks = true;

  get durable(): boolean {
    return this.#durable;
  }

  get commits(): number {
    return this.#commits;
  }

  /** From now on no write is durable. With `silently`, `durable` is still true until one was tried, as in real life. */
  breakDisk(options: { readonly silently?: boolean } = {}): void {
    this.#diskWorks = false;
    if (options.silently !== true) this.#durable = false;
  }

  /** Writes what waited. */
  mendDisk(): void {
    this.#diskWorks = true;
    this.#durable = true;
    if (this.#waiting.length > 0) this.#commit([]);
  }

  /** What the next process finds after a kill -9 now: the committed state, without anything that was waiting. */
  copy(): MemoryPilotStore {
    const next = new MemoryPilotStore();
    for (const name of Object.keys(this.#disk) as (keyof Tables)[]) {
      const rows = next.#disk[name] as Map<unknown, unknown>;
      for (const [key, row] of this.#disk[name]) rows.set(key, structuredClone(row));
    }
    next.#settings = new Map(next.#disk.settings);
    next.#lastSeq = Math.max(0, ...next.#disk.journal.keys());
    return next;
  }

  durably(write: () => void): boolean {
    if (this.#open !== undefined) {
      write();
      return this.#durable;
    }
    const before = { settings: new Map(this.#settings), lastSeq: this.#lastSeq };
    const changes: Change[] = [];
    this.#open = changes;
    try {
      write();
    } catch (error) {
      this.#settings = before.settings;
      this.#lastSeq = before.lastSeq;
      throw error;
    } finally {
      this.#open = undefined;
    }
    return changes.length === 0 ? this.#durable : this.#commit(changes);
  }

  loadBrokers(): readonly PilotBrokerRow[] {
    return [...this.#disk.brokers.values()];
  }

  saveBroker(row: PilotBrokerRow): void {
    this.#put('brokers', `${row.cluster}\n${row.brokerId}`, row);
  }

  deleteBroker(cluster: string, brokerId: number): void {
    this.#apply((tables) => tables.brokers.delete(`${cluster}\n${brokerId}`));
  }

  loadClusters(): readonly PilotClusterRow[] {
    return [...this.#disk.clusters.values()];
  }

  saveCluster(row: PilotClusterRow): void {
    this.#put('clusters', row.cluster, row);
  }

  loadEvidence(): readonly PilotEvidenceRow[] {
    return [...this.#disk.evidence.values()];
  }

  saveEvidence(row: PilotEvidenceRow): void {
    this.#put('evidence', row.alertKey, row);
  }

  deleteEvidence(alertKey: string): void {
    this.#apply((tables) => tables.evidence.delete(alertKey));
  }

  loadIntents(changedAfter: number): readonly IntentRow[] {
    const found = [...this.#disk.intents.values()].filter(({ state, changedAt }) => !isEnded(state) || changedAt > changedAfter);
    return found.toSorted((a, b) => (a.id < b.id ? -1 : 1));
  }

  saveIntent(row: IntentRow): void {
    this.#put('intents', row.id, row);
  }

  forgetBefore(at: number): void {
    const last = this.#lastSeq;
    this.#apply((tables) => {
      for (const { id, state, changedAt } of tables.intents.values()) if (isEnded(state) && changedAt < at) tables.intents.delete(id);
      for (const line of tables.journal.values()) if (line.at < at && line.seq < last) tables.journal.delete(line.seq);
    });
  }

  lastJournalSeq(): number {
    return this.#lastSeq;
  }

  appendJournal(row: JournalRow): void {
    const kept = structuredClone(row);
    this.#apply((tables) => tables.journal.set(kept.seq, kept));
    this.#lastSeq = Math.max(this.#lastSeq, row.seq);
  }

  journal({ cluster, intentId, kind, before, since, limit }: Parameters<PilotStore['journal']>[0]): readonly JournalRow[] {
    return [...this.#disk.journal.values()]
      .filter((line) => cluster === undefined || line.shard === cluster)
      .filter((line) => intentId === undefined || (line.intentId === intentId && intentId !== ''))
      .filter((line) => kind === undefined || line.kind === kind)
      .filter((line) => (before === undefined || line.seq < before) && (since === undefined || line.at >= since))
      .toSorted((a, b) => b.seq - a.seq)
      .slice(0, Math.max(0, Math.min(limit, 1000)));
  }

  loadModes(): readonly PilotModeRow[] {
    return [...this.#disk.modes.values()];
  }

  saveMode(row: PilotModeRow): void {
    this.#put('modes', `${row.cluster}\n${row.action}`, row);
  }

  loadHolds(): readonly PilotHoldRow[] {
    return [...this.#disk.holds.values()];
  }

  saveHold(row: PilotHoldRow): void {
    this.#put('holds', row.cluster, row);
  }

  deleteHold(cluster: string): void {
    this.#apply((tables) => tables.holds.delete(cluster));
  }

  setting(key: string): string | undefined {
    return this.#settings.get(key);
  }

  saveSetting(key: string, value: string): void {
    this.#apply((tables) => tables.settings.set(key, value));
    this.#settings.set(key, value);
  }

  #put<T extends Exclude<keyof Tables, 'journal' | 'settings'>>(table: T, key: string, row: object): void {
    // A copy: what the caller does to its object later does not reach the disk.
    const kept = structuredClone(row);
    this.#apply((tables) => (tables[table] as Map<string, object>).set(key, kept));
  }

  #apply(change: Change): void {
    if (this.#open === undefined) this.durably(() => this.#apply(change));
    else this.#open.push(change);
  }

  #commit(changes: readonly Change[]): boolean {
    this.#waiting.push(...changes);
    this.#durable = this.#diskWorks;
    if (!this.#diskWorks) return false;
    for (const change of this.#waiting) change(this.#disk);
    this.#waiting = [];
    this.#commits += 1;
    this.onCommit?.(this.#commits);
    return true;
  }
}

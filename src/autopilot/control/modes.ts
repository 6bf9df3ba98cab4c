import { z } from 'zod';
import { type Action, ACTIONS, lowerMode, type Mode, MODES } from '../../core/autopilot.ts';
import type { PilotModeRow, PilotStore } from '../../core/autopilot-state.ts';
import type { Clock } from '../../core/clock.ts';
import { BelfryError } from '../../core/errors.ts';
import type { Logger } from '../../core/log.ts';
import type { Journal } from '../journal.ts';
import type { PolicySource } from '../ports.ts';
import { checkCommand, type Command, mustBeDurable, readSetting } from './durable.ts';

/** The configured mode is higher than the one that holds: a person has to confirm it. */
export interface PendingRaise {
  readonly cluster: string;
  readonly action: Action;
  /** What holds. */
  readonly from: Mode;
  /** What the configuration says. */
  readonly to: Mode;
  /** A sentence: why it does not hold yet. */
  readonly why: string;
}

export interface ModesOptions {
  readonly store: PilotStore;
  readonly journal: Journal;
  readonly policies: Pick<PolicySource, 'cluster'>;
  /** Names of clusters also come from alerts that anybody may post: of others nothing is remembered. */
  readonly isConfigured: (cluster: string) => boolean;
  readonly clock: Clock;
  readonly log: Logger;
}

/** What was configured when it was last looked at, and since when the action has been at least observed. */
const seenSchema = z.record(z.string(), z.object({ configured: z.enum(MODES), observedSince: z.number() }));
type Seen = z.output<typeof seenSchema>[string];
const SEEN_KEY = 'modes_seen';
const FIRST_SIGHT: Command = { by: 'configuration', reason: 'seen for the first time' };

/**
 * The mode that holds for each (cluster, action). A configuration is taken at its word when the pair is seen for the
 * first time. Later one that lowers applies at once; one that raises waits for `confirm`, across restarts too, and also
 * where the cluster was taken out of the configuration in between. `promote` may go above the configuration, until that
 * changes. `demote` brings automatic acts back to `approve` until somebody promotes or confirms.
 */
export class Modes {
  readonly #options: ModesOptions;
  readonly #rows = new Map<string, PilotModeRow>();
  readonly #seen = new Map<string, Seen>();

  constructor(options: ModesOptions) {
    this.#options = options;
    for (const row of options.store.loadModes()) this.#rows.set(keyOf(row.cluster, row.action), row);
    const { value = {} } = readSetting(options.store, SEEN_KEY, seenSchema, options.log);
    for (const [key, seen] of Object.entries(value)) this.#seen.set(key, seen);
  }

  modeOf(cluster: string, action: Action): Mode {
    const configured = this.#options.policies.cluster(cluster).modes[action];
    const key = keyOf(cluster, action);
    const row = this.#rows.get(key);
    if (row === undefined) return this.#options.isConfigured(cluster) ? this.#firstSight(cluster, action, configured) : 'off';
    if (this.#seen.get(key)?.configured === configured) return row.mode;
    return this.#configurationChanged(row, configured).mode;
  }

  /**
   * Takes the configuration of clusters at its word that are seen for the first time, all of them in one transaction: with
   * many, one for each of their acts would hold up a first start for a second.
   */
  seeAll(clusters: readonly string[]): void {
    const { store, policies } = this.#options;
    const fresh = clusters.flatMap((cluster) =>
      ACTIONS.filter((action) => !this.#rows.has(keyOf(cluster, action))).map((action) => ({ cluster, action })),
    );
    if (fresh.length === 0 || !store.durable) return;
    const rows = fresh.map(({ cluster, action }) => {
      const configured = policies.cluster(cluster).modes[action];
      const row = this.#row(cluster, action, configured, 'config', FIRST_SIGHT);
      this.#rows.set(keyOf(cluster, action), row);
      this.#see(keyOf(cluster, action), configured, configured);
      return row;
    });
    const isWritten = store.durably(() => {
      for (const row of rows) this.#writeRow(row, '', `${row.action} is at ${row.mode}, as configured`);
      this.#saveSeen();
    });
    if (!isWritten) this.#unsee(fresh);
  }

  /** How long the pair has been observed or more without a break, in milliseconds; 0 where it is off. */
  observedForMs(cluster: string, action: Action): number {
    const since = this.#seen.get(keyOf(cluster, action))?.observedSince ?? 0;
    return since === 0 ? 0 : Math.max(0, this.#options.clock.now() - since);
  }

  /** What the configuration asks for and nobody has confirmed, of these clusters. */
  pendingRaises(clusters: readonly string[]): readonly PendingRaise[] {
    return clusters.flatMap((cluster) =>
      ACTIONS.flatMap((action) => {
        const from = this.modeOf(cluster, action);
        const to = this.#options.policies.cluster(cluster).modes[action];
        const row = this.#rows.get(keyOf(cluster, action));
        if (row === undefined || !isHigher(to, from)) return [];
        const why = row.source === 'demote' ? `demoted: ${row.reason}` : `the configuration was raised from ${from} to ${to}`;
        return [{ cluster, action, from, to, why }];
      }),
    );
  }

  /** Takes the configuration at its word again. Returns what was raised. Throws `STATE_NOT_DURABLE`, `BAD_REQUEST`. */
  confirm(clusters: readonly string[], command: Command): readonly PendingRaise[] {
    checkCommand(command);
    const raises = this.pendingRaises(clusters);
    const rows = raises.map(({ cluster, action, to }) => this.#row(cluster, action, to, 'config', command));
    this.#saveBoldly('the confirmation', rows, ({ to, from }) => `confirmed by ${command.by}, from ${from} to ${to}: ${command.reason}`);
    return raises;
  }

  /** Raises by a person's word. Throws `BAD_REQUEST` where it is no raise, `STATE_NOT_DURABLE`. */
  promote(cluster: string, action: Action, to: Mode, command: Command, detail: Readonly<Record<string, unknown>>): void {
    checkCommand(command);
    const from = this.modeOf(cluster, action);
    if (!isHigher(to, from)) throw new BelfryError('BAD_REQUEST', `${action} in ${cluster} is at ${from} already: ${to} is not higher`);
    this.#saveBoldly(
      'the promotion',
      [this.#row(cluster, action, to, 'promote', command)],
      () => `promoted by ${command.by}, from ${from} to ${to}: ${command.reason}`,
      detail,
    );
  }

  /** Back to `approve` from `auto`; nothing where it is not automatic. Returns whether it changed something. */
  demote(cluster: string, action: Action, why: string): boolean {
    const from = this.modeOf(cluster, action);
    if (from !== 'auto') return false;
    this.#saveCarefully(
      this.#row(cluster, action, 'approve', 'demote', { by: 'belfry', reason: why }),
      from,
      `demoted from auto to approve: ${why}`,
    );
    return true;
  }

  /** Whatever is automatic now goes back to `approve`; the pairs that did. */
  demoteAll(clusters: readonly string[], why: string): readonly { readonly cluster: string; readonly action: Action }[] {
    return clusters.flatMap((cluster) =>
      ACTIONS.filter((action) => this.demote(cluster, action, why)).map((action) => ({ cluster, action })),
    );
  }

  #firstSight(cluster: string, action: Action, configured: Mode): Mode {
    // What is not written down does not act, and is a first sight again once it can be.
    if (!this.#options.store.durable) return lowerMode(configured, 'observe');
    const row = this.#row(cluster, action, configured, 'config', FIRST_SIGHT);
    const key = keyOf(cluster, action);
    this.#rows.set(key, row);
    this.#see(key, configured, configured);
    if (this.#write(row, '', `${action} is at ${configured}, as configured`)) return configured;
    this.#unsee([{ cluster, action }]);
    return lowerMode(configured, 'observe');
  }

  #unsee(pairs: readonly { readonly cluster: string; readonly action: Action }[]): void {
    for (const { cluster, action } of pairs) {
      this.#rows.delete(keyOf(cluster, action));
      this.#seen.delete(keyOf(cluster, action));
    }
  }

  #configurationChanged(row: PilotModeRow, configured: Mode): PilotModeRow {
    const { cluster, action } = row;
    const key = keyOf(cluster, action);
    if (isHigher(row.mode, configured)) {
      const lowered = this.#row(cluster, action, configured, 'config', { by: 'configuration', reason: 'lowered' });
      this.#see(key, configured, configured);
      this.#saveCarefully(lowered, row.mode, `${action} is lowered from ${row.mode} to ${configured} by the configuration`);
      return lowered;
    }
    this.#see(key, configured, row.mode);
    const text = `the configuration asks for ${configured}; ${action} stays at ${row.mode} until somebody confirms it`;
    if (isHigher(configured, row.mode)) this.#saveCarefully(row, row.mode, text);
    else this.#options.store.durably(() => this.#saveSeen());
    return row;
  }

  #row(cluster: string, action: Action, mode: Mode, source: PilotModeRow['source'], { by, reason }: Command): PilotModeRow {
    return { cluster, action, shard: cluster, mode, source, by, reason, at: this.#options.clock.now() };
  }

  /** Applied in memory in any case: it makes nothing bolder. */
  #saveCarefully(row: PilotModeRow, from: Mode, text: string): void {
    const key = keyOf(row.cluster, row.action);
    this.#rows.set(key, row);
    this.#see(key, this.#seen.get(key)?.configured ?? row.mode, row.mode);
    this.#write(row, from, text);
  }

  #saveBoldly(
    what: string,
    rows: readonly PilotModeRow[],
    textOf: (change: { readonly from: Mode; readonly to: Mode }) => string,
    detail: Readonly<Record<string, unknown>> = {},
  ): void {
    const rowsBefore = new Map(this.#rows);
    const seenBefore = new Map(this.#seen);
    const { store, journal } = this.#options;
    const froms = rows.map(({ cluster, action }) => this.modeOf(cluster, action));
    for (const row of rows) {
      const key = keyOf(row.cluster, row.action);
      this.#rows.set(key, row);
      this.#see(key, this.#seen.get(key)?.configured ?? row.mode, row.mode);
    }
    try {
      mustBeDurable(
        store,
        what,
        () => {
          for (const [i, row] of rows.entries()) {
            const from = froms[i] ?? 'off';
            store.saveMode(row);
            const text = `${row.action}: ${textOf({ from, to: row.mode })}`;
            journal.write({ cluster: row.cluster, kind: 'mode', from, to: row.mode, text, detail: { ...detail, action: row.action } });
          }
          this.#saveSeen();
        },
        () => {
          replace(this.#rows, rowsBefore);
          replace(this.#seen, seenBefore);
          for (const { cluster, action } of rows) {
            const before = this.#rows.get(keyOf(cluster, action));
            if (before !== undefined) this.#write(before, '', `${action} stays at ${before.mode}: ${what} could not be written`);
          }
        },
      );
    } catch (error) {
      replace(this.#rows, rowsBefore);
      replace(this.#seen, seenBefore);
      throw error;
    }
  }

  #write(row: PilotModeRow, from: Mode | '', text: string): boolean {
    return this.#options.store.durably(() => {
      this.#writeRow(row, from, text);
      this.#saveSeen();
    });
  }

  #writeRow(row: PilotModeRow, from: Mode | '', text: string): void {
    const { store, journal, log } = this.#options;
    const { cluster, action, mode, source } = row;
    log.info('autopilot_mode', { cluster, action, mode, source });
    store.saveMode(row);
    journal.write({ cluster, kind: 'mode', from, to: mode, text, detail: { action } });
  }

  /** Observed time goes on as long as the mode is not `off`. */
  #see(key: string, configured: Mode, mode: Mode): void {
    const since = this.#seen.get(key)?.observedSince ?? 0;
    this.#seen.set(key, { configured, observedSince: mode === 'off' ? 0 : since === 0 ? this.#options.clock.now() : since });
  }

  #saveSeen(): void {
    this.#options.store.saveSetting(SEEN_KEY, JSON.stringify(Object.fromEntries(this.#seen)));
  }
}

export function isHigher(a: Mode, b: Mode): boolean {
  return MODES.indexOf(a) > MODES.indexOf(b);
}

/** A cluster's name holds no line break. */
function keyOf(cluster: string, action: Action): string {
  return `${action}\n${cluster}`;
}

function replace<K, V>(map: Map<K, V>, by: ReadonlyMap<K, V>): void {
  map.clear();
  for (const [key, value] of by) map.set(key, value);
}

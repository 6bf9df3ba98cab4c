import type { PilotHoldRow, PilotStore } from '../../core/autopilot-state.ts';
import type { Clock } from '../../core/clock.ts';
import { humanDuration } from '../../core/duration.ts';
import { BelfryError } from '../../core/errors.ts';
import type { Journal } from '../journal.ts';
import { checkCommand, type Command, mustBeDurable } from './durable.ts';

/** A hold of all clusters. */
export const EVERY_CLUSTER = '*';

const HOLD_MS_MAX = 90 * 86_400_000;

/** Until when nothing is done to a cluster, because somebody said so. Every hold has an end. */
export class Holds {
  readonly #store: PilotStore;
  readonly #journal: Journal;
  readonly #clock: Clock;
  readonly #rows = new Map<string, PilotHoldRow>();

  constructor({ store, journal, clock }: { readonly store: PilotStore; readonly journal: Journal; readonly clock: Clock }) {
    this.#store = store;
    this.#journal = journal;
    this.#clock = clock;
    for (const row of store.loadHolds()) this.#rows.set(row.cluster, row);
  }

  /** Replaces an earlier hold of the same cluster. Holds also while state.db cannot be written. Throws `BAD_REQUEST`. */
  hold(cluster: string, forMs: number, command: Command): PilotHoldRow {
    checkCommand(command);
    if (!(forMs > 0 && forMs <= HOLD_MS_MAX))
      throw new BelfryError('BAD_REQUEST', `a hold lasts more than nothing and at most ${humanDuration(HOLD_MS_MAX)}`);
    const now = this.#clock.now();
    const row = { cluster, shard: shardOf(cluster), until: now + forMs, by: command.by, reason: command.reason, at: now };
    this.#rows.set(cluster, row);
    this.#save(row);
    return row;
  }

  /** Ends a hold before its time. Throws `NOT_FOUND` where there is none, `STATE_NOT_DURABLE`. */
  release(cluster: string, by: string): void {
    const row = this.#rows.get(cluster);
    if (row === undefined || row.until <= this.#clock.now()) throw new BelfryError('NOT_FOUND', `there is no hold of ${nameOf(cluster)}`);
    mustBeDurable(
      this.#store,
      'the end of the hold',
      () => this.#delete(row, `the hold of ${nameOf(cluster)} was ended by ${by}`),
      () => this.#save(row),
    );
    this.#rows.delete(cluster);
  }

  /** A sentence for each hold of this cluster, or of all. */
  of(cluster: string): readonly string[] {
    return this.rows()
      .filter((row) => row.cluster === cluster || row.cluster === EVERY_CLUSTER)
      .map(({ cluster: held, until, by, reason }) => {
        const left = humanDuration(until - this.#clock.now());
        return `${nameOf(held)} is held by ${by} for another ${left}: ${reason}`;
      });
  }

  /** Those that have not ended. */
  rows(): readonly PilotHoldRow[] {
    const now = this.#clock.now();
    return [...this.#rows.values()].filter(({ until }) => until > now);
  }

  /** Lets go of what has ended. */
  tick(now: number): void {
    for (const row of this.#rows.values()) {
      if (row.until > now) continue;
      this.#store.durably(() => this.#delete(row, `the hold of ${nameOf(row.cluster)} by ${row.by} has ended`));
      this.#rows.delete(row.cluster);
    }
  }

  #save(row: PilotHoldRow): void {
    const { cluster, shard, until, by, reason } = row;
    this.#store.durably(() => {
      this.#store.saveHold(row);
      const text = `${nameOf(cluster)} is held by ${by} for ${humanDuration(until - row.at)}: ${reason}`;
      this.#journal.write({ cluster: shard, kind: 'hold', from: '', to: 'held', text, detail: { cluster, until, by, reason } });
    });
  }

  #delete({ cluster, shard, until }: PilotHoldRow, text: string): void {
    this.#store.deleteHold(cluster);
    this.#journal.write({ cluster: shard, kind: 'hold', from: 'held', to: '', text, detail: { cluster, until } });
  }
}

/** A hold of all belongs to no cluster's journal. */
function shardOf(cluster: string): string {
  return cluster === EVERY_CLUSTER ? '' : cluster;
}

function nameOf(cluster: string): string {
  return cluster === EVERY_CLUSTER ? 'every cluster' : cluster;
}

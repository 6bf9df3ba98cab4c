import type { AlertStateRow, AlertStateStore } from '../core/state.ts';
import type { Outcome } from './evaluation.ts';

/**
 * Writes what evaluations decide. What could not be written is kept, the newest of each alert, and goes with the next
 * transaction that works: the state file then is whole again without a restart.
 */
export class AlertWriter {
  readonly #store: AlertStateStore;
  /** By alert: the row to save, or undefined where it is to be deleted. */
  readonly #unsaved = new Map<string, { readonly ruleKey: string; readonly alertKey: string; readonly row: AlertStateRow | undefined }>();

  constructor(store: AlertStateStore) {
    this.#store = store;
  }

  /** How many alerts the state file is behind. */
  get unsaved(): number {
    return this.#unsaved.size;
  }

  /** One transaction for everything there is to write. False where it could not be made durable. */
  write({ saves, deletes }: Pick<Outcome, 'saves' | 'deletes'>): boolean {
    for (const row of saves) this.#put(row.ruleKey, row.alertKey, row);
    for (const { ruleKey, alertKey } of deletes) this.#put(ruleKey, alertKey, undefined);
    if (this.#unsaved.size === 0) return true;
    const durable = this.#store.durably(() => {
      for (const { ruleKey, alertKey, row } of this.#unsaved.values()) {
        if (row === undefined) this.#store.deleteAlert(ruleKey, alertKey);
        else this.#store.saveAlert(row);
      }
    });
    if (durable) this.#unsaved.clear();
    return durable;
  }

  #put(ruleKey: string, alertKey: string, row: AlertStateRow | undefined): void {
    this.#unsaved.set(`${ruleKey}\u0000${alertKey}`, { ruleKey, alertKey, row });
  }
}

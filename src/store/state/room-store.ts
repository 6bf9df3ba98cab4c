import type { StateStore } from '../../core/state.ts';
import type { StateDb } from './state-db.ts';

/** What the stores of all rooms share: one file, and its transactions. */
export abstract class RoomStore implements StateStore {
  protected readonly db: StateDb;

  constructor(db: StateDb) {
    this.db = db;
  }

  get durable(): boolean {
    return this.db.durable;
  }

  durably(write: () => void): boolean {
    return this.db.durably(write);
  }
}

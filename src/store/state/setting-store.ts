import type { StateDb } from './state-db.ts';

/** Small facts by key, such as the hash of the API token; the key `epoch` is the file's own. */
export class SettingStore {
  readonly #db: StateDb;

  constructor(db: StateDb) {
    this.#db = db;
  }

  load(): ReadonlyMap<string, string> {
    return new Map(this.#db.rows('setting').map(({ key, value }) => [key, value]));
  }

  save(key: string, value: string): void {
    this.#db.apply({ v: 1, kind: 'setting.put', row: { key, shard: '', value } });
  }

  delete(key: string): void {
    this.#db.apply({ v: 1, kind: 'setting.delete', key: { key } });
  }
}

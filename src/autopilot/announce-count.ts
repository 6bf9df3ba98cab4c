import { z } from 'zod';
import type { Action } from '../core/autopilot.ts';
import type { PilotStore } from '../core/autopilot-state.ts';

const KEY = 'announced';
const countsSchema = z.record(z.string(), z.number());

/** How many automatic acts of each cluster and action were told ahead so far; durable. */
export class AnnounceCount {
  readonly #store: Pick<PilotStore, 'setting' | 'saveSetting'>;
  readonly #counts: Map<string, number>;

  constructor(store: Pick<PilotStore, 'setting' | 'saveSetting'>) {
    this.#store = store;
    this.#counts = new Map(Object.entries(read(store.setting(KEY))));
  }

  of(cluster: string, action: Action): number {
    return this.#counts.get(`${cluster} ${action}`) ?? 0;
  }

  add(cluster: string, action: Action): void {
    this.#counts.set(`${cluster} ${action}`, this.of(cluster, action) + 1);
    this.#store.saveSetting(KEY, JSON.stringify(Object.fromEntries(this.#counts)));
  }
}

/** What cannot be read counts as nothing announced yet: then more is announced, not less. */
function read(text: string | undefined): Record<string, number> {
  if (text === undefined || text === '') return {};
  try {
    return countsSchema.parse(JSON.parse(text));
  } catch {
    return {};
  }
}

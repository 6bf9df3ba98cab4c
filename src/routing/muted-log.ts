import type { Alert } from '../core/alert.ts';
import { Labels } from '../core/labels.ts';
import type { MutedAlert } from '../core/silence.ts';
import { ulid } from '../core/ulid.ts';
import type { SilenceStore } from './ports.ts';

/** As many are kept; the oldest go first. */
const KEPT_MAX = 2000;

/** The alerts that began and ended while they were muted, so that nobody was told: the trace they leave. */
export class MutedLog {
  readonly #store: SilenceStore;
  /** By id, which sorts by time. */
  readonly #kept = new Map<string, MutedAlert>();

  constructor(store: SilenceStore) {
    this.#store = store;
  }

  load(): void {
    for (const row of this.#store.loadMutedAlerts()) {
      const { id, labels, annotations, startsAt, endsAt, because } = row;
      this.#kept.set(id, { labels: Labels.of(labels), annotations: Labels.of(annotations), startsAt, endsAt, because });
    }
    this.#store.durably(() => this.#forgetOld());
  }

  /** Of more than there is room for the last are kept. Joins the transaction that is open. */
  add(ended: readonly { readonly alert: Alert; readonly because: string }[], at: number): void {
    for (const { alert, because } of ended.slice(-KEPT_MAX)) {
      const { labels, annotations, startsAt, endsAt } = alert;
      const id = ulid(at);
      this.#kept.set(id, { labels, annotations, startsAt, endsAt, because });
      const row = { id, shard: labels.get('cluster'), startsAt, endsAt, because };
      this.#store.saveMutedAlert({ ...row, labels: labels.toObject(), annotations: annotations.toObject() });
    }
    this.#forgetOld();
  }

  /** Latest first. */
  list(): readonly MutedAlert[] {
    return [...this.#kept.values()].toReversed();
  }

  #forgetOld(): void {
    for (const id of this.#kept.keys()) {
      if (this.#kept.size <= KEPT_MAX) break;
      this.#kept.delete(id);
      this.#store.deleteMutedAlert(id);
    }
  }
}

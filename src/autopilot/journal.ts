import type { JournalRow, PilotStore } from '../core/autopilot-state.ts';
import type { Clock } from '../core/clock.ts';

/** A line before it has a number and a time. */
export interface JournalLine {
  readonly cluster: string;
  readonly broker?: number | undefined;
  readonly kind: JournalRow['kind'];
  readonly from?: string;
  readonly to?: string;
  readonly intentId?: string;
  /** A plain sentence. */
  readonly text: string;
  /** What justified it: samples, guards, numbers. */
  readonly detail?: Readonly<Record<string, unknown>>;
}

type JournalStore = Pick<PilotStore, 'appendJournal' | 'lastJournalSeq'>;

/** Numbers the lines of the journal. A line is written in the transaction that is open, with the change it is about. */
export class Journal {
  readonly #store: JournalStore;
  readonly #clock: Clock;
  #seq: number | undefined;

  constructor(store: JournalStore, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
  }

  write(line: JournalLine): void {
    this.#seq = (this.#seq ?? this.#store.lastJournalSeq()) + 1;
    this.#store.appendJournal({
      seq: this.#seq,
      shard: line.cluster,
      at: this.#clock.now(),
      brokerId: line.broker ?? -1,
      kind: line.kind,
      from: line.from ?? '',
      to: line.to ?? '',
      intentId: line.intentId ?? '',
      text: line.text,
      detail: line.detail ?? {},
    });
  }
}

import type { Timer } from '../../core/clock.ts';
import type { BrokerState } from './broker-state.ts';
import { beganAt, isSilence } from './cluster-judgement.ts';
import type { BrokerWatch } from './broker-watch.ts';
import type { OutageLooks, Survivor } from './survivor-look.ts';

/** One expected broker with what is at work on it. */
export interface BrokerEntry {
  readonly state: BrokerState;
  /** Undefined while no address is known. */
  watch: BrokerWatch | undefined;
  looks: OutageLooks | undefined;
  /** Judge once more when survivors, or a stop's last word, are no longer waited for. */
  settle: readonly Timer[];
  savedAt: number;
}

/** Ends the looks of the present outage. */
export function stopLooking(entry: BrokerEntry): void {
  entry.looks?.cancel();
  entry.looks = undefined;
  for (const timer of entry.settle) timer.cancel();
  entry.settle = [];
}

/** Lets go of the connection and every timer. */
export function release(entry: BrokerEntry): void {
  stopLooking(entry);
  entry.watch?.stop();
}

/** The brokers' states, by id. */
export function statesOf(entries: Iterable<BrokerEntry>): readonly BrokerState[] {
  return [...entries].map(({ state }) => state).toSorted((a, b) => a.id - b.id);
}

export function idsWhere(entries: Iterable<BrokerEntry>, holds: (state: BrokerState) => boolean): ReadonlySet<number> {
  const ids = new Set<number>();
  for (const { state } of entries) if (holds(state)) ids.add(state.id);
  return ids;
}

/** Begins anew with those that fell silent since then and are silent still; answers them. */
export function beginAnew(entries: Iterable<BrokerEntry>, since: number, now: number): readonly BrokerEntry[] {
  const begun: BrokerEntry[] = [];
  for (const entry of entries) {
    const { outage } = entry.state;
    if (outage === undefined || entry.watch === undefined || !isSilence(outage) || (beganAt(outage) ?? 0) < since) continue;
    stopLooking(entry);
    entry.state.beginAnew(now);
    entry.watch?.beginAnew();
    begun.push(entry);
  }
  return begun;
}

/** Those, other than the broker, that can be asked about it now. */
export function survivorsAmong(entries: Iterable<BrokerEntry>, brokerId: number): readonly Survivor[] {
  const found: Survivor[] = [];
  for (const { state, watch } of entries) {
    const connection = watch?.usable;
    if (state.id !== brokerId && state.outage === undefined && connection !== undefined) found.push({ id: state.id, connection });
  }
  return found;
}

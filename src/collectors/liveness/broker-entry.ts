import type { Timer } from '../../core/clock.ts';
import type { BrokerState } from './broker-state.ts';
import type { BrokerWatch } from './broker-watch.ts';
import type { OutageLooks } from './survivor-look.ts';

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

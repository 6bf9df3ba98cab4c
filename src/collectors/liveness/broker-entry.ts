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
  /** Judges once more when survivors are no longer waited for. */
  settle: Timer | undefined;
  savedAt: number;
}

/** Ends the looks of the present outage. */
export function stopLooking(entry: BrokerEntry): void {
  entry.looks?.cancel();
  entry.looks = undefined;
  entry.settle?.cancel();
  entry.settle = undefined;
}

/** Lets go of the connection and every timer. */
export function release(entry: BrokerEntry): void {
  stopLooking(entry);
  entry.watch?.stop();
}

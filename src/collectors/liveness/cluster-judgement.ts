import type { BrokerState } from './broker-state.ts';
import type { LivenessTimings } from './timings.ts';
import type { Outage, Verdict } from './verdict.ts';

/** True when no broker answers, false when one does, be it by refusing our login; undefined while that is not known. */
export function isUnreachable(states: readonly BrokerState[], bootstrapFailed: boolean): boolean | undefined {
  if (states.some(isAnswering)) return false;
  if (states.length === 0) return bootstrapFailed ? true : undefined;
  return states.every(({ up }) => up === false) ? true : undefined;
}

/** Whether the broker is there, whatever it thinks of us; undefined before the first outcome. */
export function isAnswering({ up, outage }: BrokerState): boolean | undefined {
  return outage?.verdict === 'auth' ? true : up;
}

/**
 * Every broker failing by timeout at about the same time is more likely our own way to them than all of them. Until
 * then no verdict about a single broker is given: it is shown as `suspect`, which alerts nobody. Brokers that were down
 * before do not count.
 */
export function heldUntil(states: readonly BrokerState[], timings: LivenessTimings): number | undefined {
  const outages: Outage[] = [];
  for (const { outage } of states) {
    if (outage === undefined) return undefined;
    if (outage.origin !== 'found_down') outages.push(outage);
  }
  const last = Math.max(...outages.map(beganAt));
  const recent = outages.filter((outage) => last - beganAt(outage) <= timings.isolationWindowMs);
  return recent.length > 0 && recent.every(failsByTimeout) ? last + timings.isolationHoldMs : undefined;
}

function beganAt(outage: Outage): number {
  return outage.silentSince ?? outage.at;
}

function failsByTimeout(outage: Outage): boolean {
  const latest = outage.attempts.at(-1);
  return latest === undefined ? outage.silentSince !== undefined : latest.kind === 'timeout';
}

/** The verdict as it is shown: the broker's own, or `suspect` while it is held. */
export function shownVerdict(state: BrokerState, held: boolean): Verdict | undefined {
  if (!state.verdictHolds) return undefined;
  return held && state.outage !== undefined ? 'suspect' : state.verdict;
}

import type { BrokerState } from './broker-state.ts';
import type { LivenessTimings } from './timings.ts';
import type { Verdict } from './verdict.ts';

/** True when no broker answers, false when one does; undefined while that is not known. */
export function isUnreachable(states: readonly BrokerState[], bootstrapFailed: boolean): boolean | undefined {
  if (states.some(({ up }) => up === true)) return false;
  if (states.length === 0) return bootstrapFailed ? true : undefined;
  return states.every(({ up }) => up === false) ? true : undefined;
}

/**
 * Every broker failing by timeout at about the same time is more likely our own way to them than all of them. Until
 * then no verdict about a single broker is given: it is shown as `suspect`, which alerts nobody.
 */
export function heldUntil(states: readonly BrokerState[], timings: LivenessTimings): number | undefined {
  let first = Number.POSITIVE_INFINITY;
  let last = Number.NEGATIVE_INFINITY;
  for (const { outage } of states) {
    if (outage === undefined || outage.origin === 'found_down') return undefined;
    const latest = outage.attempts.at(-1);
    const byTimeout = latest === undefined ? outage.silentSince !== undefined : latest.kind === 'timeout';
    if (!byTimeout) return undefined;
    const at = outage.silentSince ?? outage.at;
    first = Math.min(first, at);
    last = Math.max(last, at);
  }
  return states.length > 0 && last - first <= timings.isolationWindowMs ? last + timings.isolationHoldMs : undefined;
}

/** The verdict as it is shown: the broker's own, or `suspect` while it is held. */
export function shownVerdict(state: BrokerState, held: boolean): Verdict | undefined {
  if (!state.verdictHolds) return undefined;
  return held && state.outage !== undefined ? 'suspect' : state.verdict;
}

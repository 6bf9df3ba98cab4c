import type { IntentState } from '../../core/autopilot.ts';

/**
 * What may become of an intent, as data. `unknown` is not left by time or by an executor's word: the auto-pilot ends it by
 * what it has seen itself. An act in flight is never `expired`, and never goes back to `open`: another try is another intent.
 */
export const TRANSITIONS: Readonly<Record<IntentState, readonly IntentState[]>> = {
  blocked: ['awaiting_approval', 'announced', 'open', 'rejected', 'expired', 'cancelled'],
  awaiting_approval: ['blocked', 'open', 'rejected', 'expired', 'cancelled'],
  announced: ['blocked', 'awaiting_approval', 'open', 'rejected', 'expired', 'cancelled'],
  open: ['blocked', 'awaiting_approval', 'leased', 'rejected', 'expired', 'cancelled'],
  leased: ['running', 'unknown', 'succeeded', 'failed', 'rejected', 'cancelled'],
  running: ['unknown', 'succeeded', 'failed', 'rejected', 'cancelled'],
  unknown: ['succeeded', 'failed', 'cancelled'],
  observed: [],
  succeeded: [],
  failed: [],
  rejected: [],
  expired: [],
  cancelled: [],
};

/** States in which an intent may be made. */
export const FIRST_STATES: readonly IntentState[] = ['observed', 'blocked', 'awaiting_approval', 'announced', 'open'];

/** Somebody may be acting, or may have acted. */
export function isInFlight(state: IntentState): boolean {
  return state === 'leased' || state === 'running' || state === 'unknown';
}

export function mayBecome(from: IntentState, to: IntentState): boolean {
  return TRANSITIONS[from].includes(to);
}

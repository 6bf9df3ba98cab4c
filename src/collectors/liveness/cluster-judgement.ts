import type { BreakKind } from '../../kafka/observer.ts';
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

/** How the brokers of one cluster stand towards a silence that may be our own. Times are milliseconds of Belfry time. */
export interface Silence {
  /** Brokers that are expected. */
  readonly brokers: number;
  /** Those that have fallen silent lately, within the window of each other, and since when. */
  readonly since: ReadonlyMap<number, number>;
  /** Some broker answers, be it by refusing our login. */
  readonly answers: boolean;
  /** Where all that have gone lately are silent, and nobody answers: until when no single one is judged. */
  readonly heldUntil: number | undefined;
}

/** Failures in which nothing has come from the other side. */
export const NOT_A_WORD: ReadonlySet<BreakKind> = new Set(['timeout', 'no_route', 'dns', 'local']);

/**
 * Every broker falling silent at about the same time is more likely our own way to them than all of them. Until that is
 * known no verdict about a single broker is given: it is shown as `suspect`, which alerts nobody. Brokers that were away
 * before do not count.
 */
export function silenceOf(states: readonly BrokerState[], timings: LivenessTimings): Silence {
  const began = new Map<BrokerState, number>();
  for (const state of states) {
    const at = state.outage === undefined ? undefined : beganAt(state.outage);
    if (at !== undefined) began.set(state, at);
  }
  const from = Math.max(...began.values()) - timings.isolationWindowMs;
  const since = new Map<number, number>();
  let others = states.some(({ outage }) => outage === undefined);
  for (const [{ id, outage, address }, at] of began) {
    if (at < from || outage === undefined) continue;
    // Whoever has no address has not been asked.
    if (isSilence(outage) && address !== undefined) since.set(id, at);
    else others = true;
  }
  const heldUntil = others || since.size === 0 ? undefined : Math.max(...since.values()) + timings.isolationHoldMs;
  return { brokers: states.length, since, answers: states.some((state) => isAnswering(state) === true), heldUntil };
}

/** A cluster that has never answered: its bootstrap addresses stand for brokers nobody knows. */
export function silenceOfBootstrap(since: number | undefined, timings: LivenessTimings): Silence {
  if (since === undefined) return { brokers: 1, since: new Map(), answers: false, heldUntil: undefined };
  return { brokers: 1, since: new Map([[-1, since]]), answers: false, heldUntil: since + timings.isolationHoldMs };
}

/** When it began, as far as this process has seen it: of a broker found down, when it was first looked for. */
export function beganAt(outage: Outage): number | undefined {
  if (outage.origin === 'found_down') return outage.attempts[0]?.startedAt;
  return outage.silentSince ?? outage.at;
}

/** Whether nothing at all has come from the broker: no refusal, no reset, no end of a connection that a word of it would have made. */
export function isSilence({ attempts, silentSince, origin }: Outage): boolean {
  const latest = attempts.at(-1);
  if (latest === undefined) return silentSince !== undefined;
  if (latest.kind === 'timeout') return true;
  // One found down has not been heard either: a host that starts before its network knows no route and no name.
  return (silentSince !== undefined || origin === 'found_down') && attempts.every(({ kind }) => NOT_A_WORD.has(kind));
}

/** The verdict as it is shown: the broker's own, or while that is held the one from before, else `suspect`. */
export function shownVerdict(state: BrokerState, held: boolean): Verdict | undefined {
  if (held && state.outage !== undefined && state.verdictHolds) return state.verdictBefore ?? 'suspect';
  return state.verdictHolds ? state.verdict : undefined;
}

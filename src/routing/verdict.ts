import type { NotifyReason } from '../core/notification.ts';
import type { DedupRow } from '../core/state.ts';

/** What an integration can do with a message that pings nobody, and how often it may ping. */
export interface IntegrationPolicy {
  /**
   * Whether it is told changes that are not loud: it edits its message in place, or is a machine. Another is told notes
   * only, each a message as if it were loud, in its own time.
   */
  readonly edits: boolean;
  /** Whether it shows one message that is to stay true: it is told when only what clients feel has changed. */
  readonly staysTrue: boolean;
  /** Least time between two loud messages of one group; a resolve does not wait for it. */
  readonly loudIntervalMs: number;
}

/** Of mail, where the configuration says nothing else. */
export const DEFAULT_MAIL_INTERVAL_MS = 5 * 60_000;

const DEFAULT_POLICY: IntegrationPolicy = { edits: true, staysTrue: false, loudIntervalMs: 0 };

/**
 * Mail is sent on first, worse, resolved, repeat and notes, at most once in its interval a group, but a resolve and a
 * loud note at once.
 */
export function policyOf(integration: string, mailIntervalMs: number = DEFAULT_MAIL_INTERVAL_MS): IntegrationPolicy {
  if (integration === 'email') return { edits: false, staysTrue: false, loudIntervalMs: mailIntervalMs };
  return { ...DEFAULT_POLICY, staysTrue: integration === 'slack' };
}

/** What happened to an incident, as far as it matters to whom it is told. */
export interface WhatChanged {
  /** Whether one of its alerts fires. */
  readonly firing: boolean;
  readonly newAlerts: number;
  readonly resolved: number;
  readonly worse: boolean;
  /** What clients feel of an alert that fires still is another thing than was told. */
  readonly texts?: boolean;
  /** The auto-pilot said something about it. */
  readonly note?: 'quiet' | 'loud';
  /** What ended was muted: that it is over is told, but pings nobody who can be told without. */
  readonly quiet?: boolean;
}

/** Nothing to tell, and why. */
export type Silence = 'never_told' | 'already_told' | 'edit_not_sent' | 'unchanged';

/** Why it is told, and whether it pings. `urgent`: it waits for no interval, as it may be too late then. */
export interface Telling {
  readonly reason: NotifyReason;
  readonly loud: boolean;
  readonly urgent?: boolean;
}

export type Verdict = ({ readonly tell: true } & Telling) | { readonly tell: false; readonly because: Silence };

/** Whether the entry is a resolve that is still held back for the group interval, and so was not sent yet. */
export function isResolveHeld(entry: DedupRow | undefined, now: number, groupIntervalMs: number): boolean {
  return entry !== undefined && entry.status === 'resolved' && entry.reason === 'all_resolved' && now < entry.decidedAt + groupIntervalMs;
}

/**
 * Whether one destination is told of a change, why, and whether people are pinged. `entry` is what it was last decided to
 * be told of this incident. The table in the test, numbered, is its proof.
 */
export function verdictOf(
  entry: DedupRow | undefined,
  change: WhatChanged,
  { policy, resolveIsHeld }: { readonly policy: IntegrationPolicy; readonly resolveIsHeld: boolean },
): Verdict {
  if (!change.firing) {
    if (entry === undefined) return { tell: false, because: 'never_told' };
    if (entry.status === 'resolved') {
      // What is held has not been sent yet, and tells the note too.
      if (change.note === undefined || resolveIsHeld) return { tell: false, because: 'already_told' };
      return noteVerdict(change.note, policy);
    }
    return { tell: true, reason: 'all_resolved', loud: change.quiet !== true || !policy.edits };
  }
  // For the destination it never ended: what is held is replaced, also where an edit would not be sent.
  if (entry !== undefined && resolveIsHeld && change.note === 'loud') return noteVerdict('loud', policy);
  if (entry !== undefined && resolveIsHeld) return { tell: true, reason: change.worse ? 'worse' : 'new_alerts', loud: change.worse };
  if (entry === undefined || entry.status === 'resolved') return { tell: true, reason: 'first', loud: true };
  if (change.worse) return { tell: true, reason: 'worse', loud: true };
  if (change.note === 'loud') return noteVerdict('loud', policy);
  if (change.note === 'quiet' && change.newAlerts === 0) return noteVerdict('quiet', policy);
  const reason = change.newAlerts > 0 ? 'new_alerts' : change.resolved > 0 ? 'some_resolved' : 'changed';
  if (reason === 'changed' && change.texts !== true) return { tell: false, because: 'unchanged' };
  if (!(reason === 'changed' ? policy.staysTrue : policy.edits)) return { tell: false, because: 'edit_not_sent' };
  return { tell: true, reason, loud: false };
}

function noteVerdict(note: 'quiet' | 'loud', policy: IntegrationPolicy): Verdict {
  if (note === 'loud') return { tell: true, reason: 'note', loud: true, urgent: true };
  return { tell: true, reason: 'note', loud: !policy.edits };
}

/**
 * When the message is due: what pings at once, but for an integration's least interval; a resolve and an edit after the
 * group interval, so that what belongs together goes together.
 */
export function dueAt(
  verdict: Telling,
  entry: DedupRow | undefined,
  now: number,
  { policy, groupIntervalMs }: { readonly policy: IntegrationPolicy; readonly groupIntervalMs: number },
): number {
  if (verdict.urgent === true) return now;
  if (!verdict.loud || verdict.reason === 'all_resolved') return now + groupIntervalMs;
  if (entry === undefined || entry.loudAt === 0) return now;
  // A loud message that is due later already takes this one with it.
  return entry.loudAt > now ? entry.loudAt : Math.max(now, entry.loudAt + policy.loudIntervalMs);
}

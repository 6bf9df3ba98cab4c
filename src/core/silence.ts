import type { Labels } from './labels.ts';
import type { Matcher } from './matcher.ts';

/**
 * Notifications about alerts that all `matchers` accept are held back from `startsAt` until before `endsAt`, milliseconds
 * of the wall clock, by which people say them. Terms and life as in Alertmanager: pending, active, expired.
 */
export interface Silence {
  /** A UUID, as clients of Alertmanager's API expect it. */
  readonly id: string;
  readonly matchers: readonly Matcher[];
  readonly startsAt: number;
  readonly endsAt: number;
  readonly createdBy: string;
  readonly comment: string;
  /** What tools note on it. */
  readonly annotations: Readonly<Record<string, string>>;
  readonly updatedAt: number;
}

/** A silence as somebody asks for it; with an id it changes that one. */
export type SilenceDraft = Omit<Silence, 'id' | 'updatedAt' | 'annotations'> & Partial<Pick<Silence, 'id' | 'annotations'>>;

export type SilenceState = 'pending' | 'active' | 'expired';

export function silenceStateAt({ startsAt, endsAt }: Pick<Silence, 'startsAt' | 'endsAt'>, now: number): SilenceState {
  if (endsAt <= now) return 'expired';
  return startsAt > now ? 'pending' : 'active';
}

/** Why nobody is told of an alert that fires; all empty where people are told. */
export interface MutedBy {
  /** Ids of active silences, sorted. */
  readonly silences: readonly string[];
  /** Identities (`labels.key`) of the alerts that inhibit it, sorted. */
  readonly inhibitedBy: readonly string[];
  /** Names of maintenance windows that are open now. */
  readonly maintenance: readonly string[];
  /** Belfry has just started and does not know yet whether something inhibits it. */
  readonly starting: boolean;
}

export const NOT_MUTED: MutedBy = { silences: [], inhibitedBy: [], maintenance: [], starting: false };

export function isMuted({ silences, inhibitedBy, maintenance, starting }: MutedBy): boolean {
  return starting || silences.length > 0 || inhibitedBy.length > 0 || maintenance.length > 0;
}

/** An alert that began and ended while it was muted: nobody was told of it. */
export interface MutedAlert {
  readonly labels: Labels;
  readonly annotations: Labels;
  readonly startsAt: number;
  readonly endsAt: number;
  /** What muted it when it ended, such as `silence 1c3…` or `maintenance weekly`. */
  readonly because: string;
}

import type { Alert } from '../core/alert.ts';
import type { MutedAlert, MutedBy, Silence, SilenceDraft } from '../core/silence.ts';

/** Silences, kept durably. */
export interface SilencesPort {
  /** All that are kept, expired ones too. */
  list(): readonly Silence[];
  get(id: string): Silence | undefined;
  /**
   * Makes one, or changes one as Alertmanager does: in place where only what has not begun yet changes, else the old one
   * ends and a new one begins. Throws `BAD_REQUEST` for what is no silence, `NOT_FOUND` for an unknown id, `LIMIT_EXCEEDED`.
   */
  set(draft: SilenceDraft): Silence;
  /** Ends it now; one that has ended stays as it is. Throws `NOT_FOUND`. */
  expire(id: string): Silence;
}

/** An alert that fires, and who is told. */
export interface AlertStatusView {
  readonly alert: Alert;
  /** The receivers of its owner; empty where nobody owns it. */
  readonly receivers: readonly string[];
  readonly mutedBy: MutedBy;
  readonly updatedAt: number;
}

export interface AlertStatusPort {
  /** Every alert that fires, whether people are told or not. */
  alerts(): readonly AlertStatusView[];
  /** Names of all receivers. */
  receivers(): readonly string[];
  /** Alerts that began and ended while they were muted, so that nobody was ever told: the latest 2,000, latest first. */
  mutedHistory(): readonly MutedAlert[];
}

import type { Severity } from './alert.ts';

/**
 * One trouble of one cluster as its owner sees it: the alerts that belong together, one message, one thread. Opened
 * by the first alert of a (cluster, target); an alert joins the open incident of its (cluster, target), else its
 * cluster's; closed when all its alerts have been resolved for five minutes.
 */
export interface Incident {
  /** ULID. */
  readonly id: string;
  /** The cluster's owner, or the default owner. */
  readonly owner: string;
  /** Empty for alerts that name no cluster. */
  readonly cluster: string;
  /** The broker it began with, or empty. */
  readonly broker: string;
  readonly openedAt: number;
  readonly closedAt: number | undefined;
  /** The worst severity it has had. */
  readonly severity: Severity;
}

/** One line of an incident's story, in order of `seq` (1, 2, 3 …), as told in the Slack thread and the log. */
export interface IncidentEvent {
  readonly seq: number;
  readonly at: number;
  readonly kind: 'firing' | 'worse' | 'resolved' | 'closed' | 'note';
  /** A plain sentence without markup. */
  readonly text: string;
}

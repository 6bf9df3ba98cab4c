import type {
  DedupRow,
  Destination,
  IncidentAlertRow,
  IncidentEventRow,
  IncidentRow,
  MutedAlertRow,
  OutboxRow,
  SilenceRow,
  StateStore,
} from '../core/state.ts';

/** Where incidents are kept; read once at start, but for the ids of those that are old enough to be forgotten. */
export interface IncidentStore extends StateStore {
  loadIncidents(): readonly IncidentRow[];
  loadIncidentAlerts(incidentId: string): readonly IncidentAlertRow[];
  loadIncidentEvents(incidentId: string, limit: number): readonly IncidentEventRow[];
  incidentsClosedBefore(at: number): readonly string[];
  saveIncident(row: IncidentRow): void;
  deleteIncident(id: string): void;
  saveIncidentAlert(row: IncidentAlertRow): void;
  saveIncidentEvent(row: IncidentEventRow): void;
}

/** Where is kept what was decided to tell whom. */
export interface NotificationLog {
  loadDedup(): readonly DedupRow[];
  saveDedup(row: DedupRow): void;
  deleteDedup(row: DedupRow): void;
}

/** Where silences are kept, and the alerts of which nobody was told; read once at start, with what fired before it. */
export interface SilenceStore extends StateStore {
  loadSilences(): readonly SilenceRow[];
  saveSilence(row: SilenceRow): void;
  deleteSilence(id: string): void;
  /** Identities of the alerts that rules last said fire. */
  loadFiringKeys(): readonly string[];
  /** Oldest first. */
  loadMutedAlerts(): readonly MutedAlertRow[];
  saveMutedAlert(row: MutedAlertRow): void;
  deleteMutedAlert(id: string): void;
}

/** What became of a message: `withdrawn` where what it would end was never told, `full` where there is no room. */
export type EnqueueResult = 'queued' | 'withdrawn' | 'full';

/** The durable queue that routing hands its messages to. */
export interface OutboxPort {
  /** Joins the transaction that is open. A message for the same group and destination that waits is replaced. */
  enqueue(message: OutboxRow): EnqueueResult;
  /** Whether a message of the group waits or is on its way. */
  holds(groupKey: string): boolean;
  /** Whether the receiver was last told, by one way or another, that the group fires. */
  hasTold(groupKey: string, receiver: string): boolean;
  /** The group is over: what its destinations remember is not needed any more. Joins the open transaction. */
  forget(groupKey: string): void;
}

/** Who is told what; the present configuration. */
export interface OwnerDirectory {
  /** The owner of a cluster; of alerts without one (empty), and of clusters without one, the default owner. Empty: nobody. */
  ownerOf(cluster: string): string;
  /** The ways to reach an owner; empty for one that is not known any more. */
  destinationsOf(owner: string): readonly Destination[];
  /** Who is told when an owner cannot be reached. */
  readonly defaultOwner: string;
  /** Names of all owners. */
  readonly owners: readonly string[];
}

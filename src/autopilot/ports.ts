import type { Ack, Action, GuardVerdict, Intent } from '../core/autopilot.ts';
import type { PilotEvidenceRow } from '../core/autopilot-state.ts';
import type { ClusterPicture, Confirmation } from './picture.ts';
import type { ClusterPolicy, FleetPolicy } from './policy.ts';

/** What the auto-pilot needs of the other rooms; `app.ts` plugs them in. */

export interface ClusterObserver {
  /** The newest picture without any request; undefined for a cluster that is not configured. */
  picture(cluster: string): ClusterPicture | undefined;
  /** Asks two brokers anew, each after the call. Never rejects: nobody answering is an answer. */
  confirm(cluster: string): Promise<Confirmation>;
  /** No longer expects a broker that was replaced or drained and removed; its alerts end. */
  forget(cluster: string, broker: number): void;
  clusters(): readonly string[];
}

export interface PolicySource {
  cluster(name: string): ClusterPolicy;
  fleet(): FleetPolicy;
}

/** The incidents that routing keeps: the auto-pilot's news are replies in their threads. */
export interface IncidentBoard {
  /** The open incident of the cluster and broker (else the cluster's); empty where there is none. */
  incidentOf(cluster: string, broker: number | undefined): string;
  /**
   * Adds a sentence to the open incident of the cluster and broker. `loud` pings people: approval needed, needs human,
   * failed, the breaker. Where no incident is open, a loud one opens its own.
   */
  note(note: {
    readonly cluster: string;
    readonly broker: number | undefined;
    readonly text: string;
    readonly loud: boolean;
    readonly at: number;
  }): void;
  /** The broker is well again: whatever a loud note asked of a person is not needed any more. */
  noteOver(cluster: string, broker: number | undefined, at: number): void;
}

/** The load of one broker, each a share of what it can do (0 to 1); undefined where nothing says. */
export interface BrokerLoad {
  readonly broker: number;
  /** 1 - request handlers' idle share. */
  readonly handlers: number | undefined;
  readonly cpu: number | undefined;
  readonly disk: number | undefined;
  readonly network: number | undefined;
  /** Bytes per second produced to the partitions it leads, from offsets and sizes. */
  readonly bytesPerSecond: number | undefined;
  readonly leaders: number;
  readonly replicas: number;
}

export interface LoadReader {
  /** As averaged over `windowMs` up to `now`; empty where nothing is known. */
  loads(cluster: string, now: number, windowMs: number): readonly BrokerLoad[];
}

/** Tells the executors of one transport that an intent is there, or has changed. Rejects when it could not; tried again by the caller. */
export interface IntentPublisher {
  /** Such as `kafka`, `webhook`. */
  readonly name: string;
  /** The watched cluster that it needs itself; undefined where it needs none. */
  readonly cluster?: string | undefined;
  publish(intent: Intent): Promise<void>;
  close(): Promise<void>;
}

/** An intent to be made. The book gives it an id, a key and its first state. */
export interface IntentRequest {
  readonly cluster: string;
  readonly action: Action;
  readonly broker: number | undefined;
  readonly desiredBrokers: number | undefined;
  readonly currentBrokers: number | undefined;
  readonly incidentId: string;
  readonly attempt: number;
  readonly reason: string;
  readonly evidence: Intent['evidence'];
  readonly drill: boolean;
}

/** Something happened to an intent; told after it was written, in the same transaction where one is open. */
export type IntentEvent =
  | { readonly kind: 'made' | 'opened' | 'blocked' | 'unblocked' | 'approval_needed' | 'announced' | 'approved'; readonly intent: Intent }
  | { readonly kind: 'leased' | 'lease_refused' | 'lease_expired' | 'lease_revoked'; readonly intent: Intent }
  | { readonly kind: 'acked'; readonly intent: Intent; readonly ack: Ack }
  | { readonly kind: 'ended'; readonly intent: Intent };

/**
 * Whoever judges an intent: when it is made and at each tick with what is known already (`made`), and with fresh
 * answers of two brokers when a lease is asked for (`lease`).
 */
export interface IntentJudge {
  made(intent: Intent): readonly GuardVerdict[];
  lease(intent: Intent): Promise<readonly GuardVerdict[]>;
}

/** Whether evidence of an action stands for a broker, or for the cluster (`broker` undefined: any that names none). */
export interface EvidenceView {
  of(cluster: string, action: Action, broker?: number): readonly PilotEvidenceRow[];
}

import type { Ack, Action, Intent, Mode, ScaleState } from '../core/autopilot.ts';
import type { JournalRow, PilotBrokerRow, PilotHoldRow } from '../core/autopilot-state.ts';

/**
 * What the routes of the auto-pilot need; `app` makes it of the auto-pilot. Times are milliseconds of Belfry time. All
 * may throw `NOT_FOUND` for a cluster or intent that there is not, and `STATE_NOT_DURABLE`.
 */
export interface AutopilotPort {
  state(): AutopilotView;
  /** Oldest first; those that ended lately too. */
  intents(): readonly IntentView[];
  /** Throws `NOT_FOUND`. */
  intent(id: string): IntentView;
  /** Calls the listener after any change of an intent. Returns how to stop that. */
  onIntent(listener: () => void): () => void;
  /** Throws `CONFLICT` with the sentence of the guard that stands against it. */
  lease(id: string, executor: string): Promise<LeaseView>;
  /** Throws `LEASE_LOST`, `CONFLICT`. */
  heartbeat(id: string, fencingToken: number): LeaseView;
  /** Throws `FORBIDDEN` where the signature is not the key's, `CONFLICT` for a stale token. */
  ack(ack: Ack, signature: string): IntentView;
  approve(id: string, by: string, reason: string): IntentView;
  reject(id: string, by: string, reason: string): IntentView;
  halt(by: string, reason: string): void;
  resume(by: string, reason: string): void;
  closeBreaker(by: string, reason: string): void;
  /** Of one cluster, or of all. */
  confirm(by: string, reason: string, cluster: string | undefined): readonly RaiseView[];
  hold(cluster: string, forMs: number, by: string, reason: string): PilotHoldRow;
  release(cluster: string, by: string): void;
  /** A broker that needs a person is looked at as if nothing had been tried. Throws `NOT_FOUND`, `CONFLICT`. */
  reset(cluster: string, broker: number, by: string, reason: string): void;
  /** Throws `NOT_READY` while it is not known. */
  desired(cluster: string): DesiredView;
  /** Newest first. */
  journal(filter: JournalFilter): readonly JournalRow[];
  report(cluster: string | undefined, days: number): ReportView;
  /** Throws `CONFLICT` with each condition that is not met. */
  promote(request: PromoteRequest): void;
  simulate(cluster: string, faults: readonly string[]): SimulationView;
  /** Throws `CONFLICT` for a cluster that is not labelled `drill: yes`. */
  drill(cluster: string, broker: number, by: string): IntentView;
  /** What an executor found when it tried everything but the act. */
  noteDryRun(executor: string, ok: boolean, text: string): void;
}

export interface IntentView extends Intent {
  /** `broker/2` or `brokers=4`, as it is signed. */
  readonly target: string;
  /** The guard that stands against it, and what it says; null where none does. */
  readonly blockedBy: { readonly guard: string; readonly sentence: string } | null;
  readonly signature: string;
}

export interface LeaseView {
  readonly intent: IntentView;
  readonly lease: { readonly fencingToken: number; readonly executor: string; readonly expiresAt: number; readonly ttlMs: number };
  readonly signature: string;
}

export interface RaiseView {
  readonly cluster: string;
  readonly action: Action;
  readonly from: Mode;
  readonly to: Mode;
  readonly why: string;
}

export interface AutopilotView {
  /** Why everything is stopped; null where it is not. */
  readonly halted: string | null;
  readonly breaker: string | null;
  /** False while decisions cannot be written: nothing is done then. */
  readonly durable: boolean;
  readonly clusters: readonly ClusterPilotView[];
  /** Those that have not ended. */
  readonly intents: readonly IntentView[];
}

export interface ClusterPilotView {
  readonly name: string;
  readonly modes: Readonly<Record<Action, Mode>>;
  readonly pendingRaises: readonly RaiseView[];
  readonly holds: readonly string[];
  readonly maintenance: string | null;
  readonly blind: string | null;
  /** Those that are not healthy. */
  readonly brokers: readonly PilotBrokerRow[];
  readonly scale: { readonly state: ScaleState; readonly since: number };
  readonly desired: number | null;
}

export interface DesiredView {
  readonly cluster: string;
  readonly desired: number;
  readonly current: number;
  readonly state: ScaleState;
  readonly at: number;
}

export interface JournalFilter {
  readonly cluster?: string;
  readonly intentId?: string;
  /** Only lines with a lower number. */
  readonly before?: number;
  readonly limit: number;
}

export interface PromoteRequest {
  readonly cluster: string;
  readonly action: Action;
  readonly to: Mode;
  readonly by: string;
  readonly reason: string;
  readonly force: boolean;
}

export interface ReportView {
  readonly cluster: string | null;
  readonly since: number;
  readonly acts: readonly {
    readonly at: number;
    readonly cluster: string;
    readonly broker: number;
    readonly intentId: string;
    readonly action: Action;
    readonly outcome: string;
    readonly tookMs: number;
    readonly drill: boolean;
    readonly text: string;
  }[];
  readonly totals: readonly {
    readonly action: Action;
    readonly needed: number;
    readonly healed: number;
    readonly wrong: number;
    readonly blocked: number;
    readonly drilled: number;
  }[];
  /** What a promotion still asks for; empty where the report is of all clusters. */
  readonly promotion: readonly {
    readonly action: Action;
    readonly conditions: readonly { readonly name: string; readonly met: boolean; readonly sentence: string }[];
  }[];
  readonly truncated: boolean;
}

export interface SimulationView {
  readonly cluster: string;
  readonly faults: readonly string[];
  /** What would happen, a sentence each. */
  readonly sentences: readonly string[];
  readonly intents: readonly {
    readonly action: Action;
    readonly target: string;
    readonly mode: Mode;
    readonly state: string;
    readonly guards: readonly {
      readonly guard: string;
      readonly holds: boolean;
      readonly sentence: string;
      readonly approvable?: boolean;
    }[];
  }[];
}

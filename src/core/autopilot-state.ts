import type { Action, BrokerPilotState, EvidenceSample, GuardVerdict, IntentState, Mode, ScaleState } from './autopilot.ts';
import type { StateStore } from './state.ts';

/** Rows of the auto-pilot's state. Times are milliseconds of Belfry time, 0 where not set; ids are empty where there is none. */

/** One broker that is not simply healthy, or was not lately. */
export interface PilotBrokerRow {
  readonly cluster: string;
  readonly brokerId: number;
  /** The cluster. */
  readonly shard: string;
  readonly state: BrokerPilotState;
  /** When it came into this state. */
  readonly since: number;
  /** First evidence of this spell; survives restarts, so that no clock begins anew. */
  readonly suspectSince: number;
  readonly unhealthySince: number;
  readonly incidentId: string;
  /** The intent that is acted on now. */
  readonly intentId: string;
  /** Repairs of this spell that failed. */
  readonly repairsFailed: number;
  /** Acts of this spell, failed or not. */
  readonly attempts: number;
  /** When the last act ended. */
  readonly lastActAt: number;
  /** No act before this time. */
  readonly nextActAt: number;
  /** Under-replicated partitions of the cluster before the act. */
  readonly urpBefore: number;
  /** What is verified: `repair`, `replace`, or empty. */
  readonly verifying: string;
  readonly verifyUntil: number;
  /** Since when it recovers, the last sign of progress, and when that was. */
  readonly recoveringSince: number;
  readonly progress: number;
  readonly progressAt: number;
  /** For a replace: the broker that took its place; -1 where there is none. */
  readonly replacedBy: number;
  /** Why a person is needed. */
  readonly note: string;
}

/** The size of one cluster. */
export interface PilotClusterRow {
  readonly cluster: string;
  readonly shard: string;
  readonly state: ScaleState;
  readonly since: number;
  readonly intentId: string;
  readonly incidentId: string;
  /** Brokers wanted by the last leased scale intent; 0 where none. Lowered only after a verified drain. */
  readonly desired: number;
  /** The broker that is drained; -1 where there is none. */
  readonly drainingBroker: number;
  /** When the last scale act ended. */
  readonly lastScaleAt: number;
  /** Anything else the scaler must remember: windows, warm-ups, load before. */
  readonly memory: Readonly<Record<string, unknown>>;
}

/** Evidence that stands: an alert with a literal `action`. */
export interface PilotEvidenceRow {
  readonly alertKey: string;
  readonly shard: string;
  readonly cluster: string;
  /** -1 where the alert names no broker. */
  readonly brokerId: number;
  readonly action: Action;
  readonly rule: string;
  readonly startsAt: number;
  readonly value: number;
  readonly labels: Readonly<Record<string, string>>;
}

export interface IntentRow {
  readonly id: string;
  readonly key: string;
  /** The cluster. */
  readonly shard: string;
  readonly action: Action;
  /** -1 where there is none; the two counts likewise. */
  readonly brokerId: number;
  readonly desiredBrokers: number;
  readonly currentBrokers: number;
  readonly incidentId: string;
  readonly attempt: number;
  readonly mode: Mode;
  readonly state: IntentState;
  readonly reason: string;
  readonly createdAt: number;
  readonly changedAt: number;
  readonly expiresAt: number;
  readonly opensAt: number;
  readonly guards: readonly GuardVerdict[];
  readonly evidence: readonly EvidenceSample[];
  /** 0 without a lease. */
  readonly fencingToken: number;
  readonly executor: string;
  readonly leasedAt: number;
  readonly leaseExpiresAt: number;
  readonly approvedBy: string;
  readonly lastWord: string;
  readonly drill: boolean;
}

/** One line of the journal: every edge and decision, with what justified it. */
export interface JournalRow {
  /** 1, 2, 3 … over the whole file. */
  readonly seq: number;
  readonly shard: string;
  readonly at: number;
  /** -1 where it is about no single broker. */
  readonly brokerId: number;
  readonly kind: 'edge' | 'intent' | 'guard' | 'lease' | 'ack' | 'mode' | 'halt' | 'hold' | 'breaker' | 'outcome';
  /** States of an edge, or of an intent; empty otherwise. */
  readonly from: string;
  readonly to: string;
  readonly intentId: string;
  /** A plain sentence. */
  readonly text: string;
  /** Samples, guards, numbers: plain JSON. */
  readonly detail: Readonly<Record<string, unknown>>;
}

/** A mode that differs from the configuration, or the configured one as it was last accepted. */
export interface PilotModeRow {
  readonly cluster: string;
  readonly action: Action;
  readonly shard: string;
  readonly mode: Mode;
  /** `config`: as configured and accepted; `promote`, `demote`: by a command or by the auto-pilot itself. */
  readonly source: 'config' | 'promote' | 'demote';
  readonly by: string;
  readonly reason: string;
  readonly at: number;
}

/** `belfry autopilot hold`: nothing is done to the cluster until then. The cluster may be `*`. */
export interface PilotHoldRow {
  readonly cluster: string;
  readonly shard: string;
  readonly until: number;
  readonly by: string;
  readonly reason: string;
  readonly at: number;
}

/** The write port of the auto-pilot; the `load…` are called at start, `journal` also by the API. */
export interface PilotStore extends StateStore {
  loadBrokers(): readonly PilotBrokerRow[];
  saveBroker(row: PilotBrokerRow): void;
  deleteBroker(cluster: string, brokerId: number): void;
  loadClusters(): readonly PilotClusterRow[];
  saveCluster(row: PilotClusterRow): void;
  loadEvidence(): readonly PilotEvidenceRow[];
  saveEvidence(row: PilotEvidenceRow): void;
  deleteEvidence(alertKey: string): void;
  /** Those not ended, and those changed after the time. */
  loadIntents(changedAfter: number): readonly IntentRow[];
  saveIntent(row: IntentRow): void;
  /** Deletes ended intents last changed before the time, and journal lines older than it. */
  forgetBefore(at: number): void;
  /** The highest `seq` so far; 0 for an empty journal. */
  lastJournalSeq(): number;
  appendJournal(row: JournalRow): void;
  /** Newest first; at most `limit` (1,000) rows with a `seq` below `before`. */
  journal(filter: {
    readonly cluster?: string;
    readonly intentId?: string;
    readonly kind?: JournalRow['kind'];
    readonly before?: number;
    readonly since?: number;
    readonly limit: number;
  }): readonly JournalRow[];
  loadModes(): readonly PilotModeRow[];
  saveMode(row: PilotModeRow): void;
  loadHolds(): readonly PilotHoldRow[];
  saveHold(row: PilotHoldRow): void;
  deleteHold(cluster: string): void;
  /** Small durable values: `halt`, `breaker`, `fencing_token`, `acts`. */
  setting(key: string): string | undefined;
  saveSetting(key: string, value: string): void;
}

import type { Ack, Action, EvidenceSample, Intent, Mode } from '../core/autopilot.ts';
import type { PilotBrokerRow, PilotEvidenceRow } from '../core/autopilot-state.ts';
import type { BrokerPicture, ClusterPicture } from './picture.ts';
import type { RecoverySign } from './recovery.ts';

/** Everything one broker's machine may look at. */
export interface BrokerFacts {
  /** Whole and fresh; undefined while nothing may be concluded. The machine stands still then. */
  readonly picture: ClusterPicture | undefined;
  readonly self: BrokerPicture | undefined;
  /** Standing alerts of rules with the action repair or replace. */
  readonly evidence: readonly PilotEvidenceRow[];
  /** Our own evidence that it is down. */
  readonly proof: EvidenceSample | undefined;
  /** Whether evidence or liveness says that it is in trouble, and which others of its cluster are. */
  readonly troubled: boolean;
  readonly othersTroubled: readonly number[];
  readonly recovering: RecoverySign | undefined;
  /** The intent of the row, else one for this broker that somebody acts on. */
  readonly intent: Intent | undefined;
  /** The last ack of that intent that this process has heard; its status alone is also in the intent's last word. */
  readonly ack: Ack | undefined;
  readonly modes: Readonly<Pick<Record<Action, Mode>, 'repair' | 'replace'>>;
  /** False while halted, not durable, or in the grace after a start: then nothing is asked for. */
  readonly mayAct: boolean;
  /** Since when pictures have been whole without a gap: what was not watched does not count against a broker. */
  readonly seeingSince: number;
  /** The incident that routing keeps for it; empty where there is none. */
  readonly incidentId: string;
}

export interface Edge {
  readonly from: PilotBrokerRow['state'];
  readonly to: PilotBrokerRow['state'];
  readonly text: string;
  readonly evidence: readonly EvidenceSample[];
}

/** How an act, or one that would have been, turned out; for the trust report. */
export interface Outcome {
  readonly intentId: string;
  readonly action: Action;
  readonly outcome: 'needed' | 'healed' | 'wrong' | 'blocked';
  readonly text: string;
  /** From the first evidence on, milliseconds. */
  readonly tookMs: number;
  readonly drill: boolean;
}

/** What one step decides. All of it is written in one transaction. */
export interface Advance {
  /** The row as it is to be; in the state `healthy` it is deleted. */
  readonly row: PilotBrokerRow;
  readonly edges: readonly Edge[];
  readonly want:
    { readonly action: 'repair' | 'replace'; readonly reason: string; readonly evidence: readonly EvidenceSample[] } | undefined;
  readonly settle: readonly { readonly intentId: string; readonly as: 'succeeded' | 'failed' | 'cancelled'; readonly word: string }[];
  readonly outcomes: readonly Outcome[];
  /** An action that is to ask for approval from now on, and why. */
  readonly demote: { readonly action: Action; readonly why: string } | undefined;
  /** The broker was replaced: it is no longer expected. */
  readonly forget: boolean;
  readonly notes: readonly { readonly text: string; readonly loud: boolean }[];
}

/** The row of a broker of which there is nothing to say. */
export function healthyRow(cluster: string, brokerId: number, now: number): PilotBrokerRow {
  return {
    cluster,
    brokerId,
    shard: cluster,
    state: 'healthy',
    since: now,
    suspectSince: 0,
    unhealthySince: 0,
    incidentId: '',
    intentId: '',
    repairsFailed: 0,
    attempts: 0,
    lastActAt: 0,
    nextActAt: 0,
    urpBefore: 0,
    verifying: '',
    verifyUntil: 0,
    recoveringSince: 0,
    progress: 0,
    progressAt: 0,
    replacedBy: -1,
    note: '',
  };
}

import type { EvidenceSample, Intent, Mode, ScaleState } from '../../core/autopilot.ts';
import type { PilotClusterRow, PilotEvidenceRow } from '../../core/autopilot-state.ts';
import type { ClusterPicture } from '../picture.ts';
import type { ClusterPolicy } from '../policy.ts';
import type { BrokerLoad } from '../ports.ts';

export type ScaleAction = 'scale_out' | 'scale_in';

/** What the scaler looks at; plain values. */
export interface ScaleInput {
  readonly cluster: string;
  /** Undefined for a cluster that was never looked at. */
  readonly row: PilotClusterRow | undefined;
  readonly picture: ClusterPicture | undefined;
  /** Averaged over some minutes, so that one spike is none. */
  readonly loads: readonly BrokerLoad[];
  /** What stands for this cluster with the actions `scale_out` and `scale_in`, whether it names a broker or not. */
  readonly evidence: readonly PilotEvidenceRow[];
  readonly policy: ClusterPolicy;
  /** The modes that hold, not those configured. */
  readonly modes: Readonly<Record<ScaleAction, Mode>>;
  /** The intent that `row.intentId` names, ended or not. */
  readonly intent: Intent | undefined;
  /** Brokers that evidence or liveness says are in trouble. */
  readonly troubled: ReadonlySet<number>;
  /** Since when pictures have been whole without a gap: right after that not everything is known yet. */
  readonly seeingSince: number;
}

export interface ScaleEdge {
  readonly from: ScaleState;
  readonly to: ScaleState;
  readonly text: string;
  readonly evidence: readonly EvidenceSample[];
}

/** An intent to ask of the book; its id then belongs into `row.intentId`, in the same transaction. */
export interface ScaleWant {
  readonly action: ScaleAction;
  readonly broker: number | undefined;
  readonly desired: number;
  readonly current: number;
  readonly incidentId: string;
  readonly attempt: number;
  readonly reason: string;
  readonly evidence: readonly EvidenceSample[];
}

export interface ScaleOutcome {
  /** The very object that came in where nothing has changed: it need not be written. */
  readonly row: PilotClusterRow;
  readonly edges: readonly ScaleEdge[];
  readonly want?: ScaleWant;
  /** The intent of the row ends so; before a new one is asked for. */
  readonly settle?: { readonly to: 'succeeded' | 'failed' | 'cancelled'; readonly word: string };
  readonly note?: { readonly text: string; readonly loud: boolean };
  /** Drained, gone and to be expected no longer: for `ClusterObserver.forget`. */
  readonly forget?: number;
}

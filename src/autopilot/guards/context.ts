import type { Action, Mode } from '../../core/autopilot.ts';
import type { ClusterPicture, Confirmation } from '../picture.ts';
import type { ClusterPolicy, FleetPolicy } from '../policy.ts';

/** Everything a guard may look at; plain values, no clock and no I/O. */
export interface GuardContext {
  readonly now: number;
  readonly action: Action;
  /** The broker that is acted on; undefined for scale_out. */
  readonly broker: number | undefined;
  readonly incidentId: string;
  readonly desiredBrokers: number | undefined;
  readonly mode: Mode;
  readonly drill: boolean;
  /** A person has approved this very intent. */
  readonly approved: boolean;
  /** `made` with the newest picture at hand, `lease` with answers asked for after the request. */
  readonly moment: 'made' | 'lease';
  readonly picture: ClusterPicture | undefined;
  /** Only at `lease`. */
  readonly confirmation: Confirmation | undefined;
  readonly policy: ClusterPolicy;
  readonly fleet: FleetPolicy;
  readonly startedAt: number;
  /** False while state.db cannot be written. */
  readonly durable: boolean;
  /** Why everything is halted; undefined where it is not. */
  readonly halted: string | undefined;
  /** Why the breaker is open. */
  readonly breaker: string | undefined;
  /** Holds that apply to this cluster: a sentence each. */
  readonly holds: readonly string[];
  /** Acts in flight other than this one: leased, running or unknown. */
  readonly inFlight: readonly { readonly cluster: string; readonly broker: number | undefined; readonly action: Action }[];
  /** Acts (leases granted) of the last hour in all clusters, newest last. */
  readonly actsLastHour: readonly {
    readonly at: number;
    readonly cluster: string;
    readonly broker: number | undefined;
    readonly incidentId: string;
  }[];
  /** When the last act of another incident in this cluster ended; 0 where none. */
  readonly lastActOfOtherIncidentAt: number;
  /** Reassignments that run are our own: of the intent that is acted on, or of a verified rebalance. */
  readonly ownReassignment: boolean;
  /** Cruise Control says that it executes something; undefined where nobody asks it. */
  readonly cruiseControlBusy: string | undefined;
  /** Brokers of this cluster that evidence or liveness says are in trouble, the target included. */
  readonly troubled: ReadonlySet<number>;
  /** A recovery of the target has stood still for `recoveryStallMs`: it is not left alone any more. */
  readonly recoveryStalled?: boolean;
}

/** One guard: a small pure function. `undefined` where it has no say in this action. */
export interface Guard {
  readonly name: string;
  /** What it is for, in one sentence: the row of docs/guards.md. */
  readonly purpose: string;
  readonly actions: readonly Action[];
  /** Whether a person's approval of the very intent overrides it. */
  readonly approvable: boolean;
  /** The sentence says the numbers, whether it holds or lets pass. */
  judge(context: GuardContext): { readonly holds: boolean; readonly sentence: string };
}

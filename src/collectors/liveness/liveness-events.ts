import type { Attempt, SurvivorLook, Verdict } from './verdict.ts';

/** What proves a verdict. */
export interface Evidence {
  /** One line for people. */
  readonly words: string;
  /** The survivor's look it rests on, where it rests on one. */
  readonly look: SurvivorLook | undefined;
  /** The reconnects that failed. */
  readonly attempts: readonly Attempt[];
}

/** Something was found out about a broker; the samples that say so are written already. */
export interface VerdictEvent {
  readonly cluster: string;
  readonly broker: number;
  readonly instance: string;
  /**
   * `reconnected`: the connection broke and stands again, no verdict was given. `up`: it answers again after one.
   * `restored`: a crashed broker is back in all its ISRs, or has been up for long enough.
   */
  readonly verdict: Verdict | 'reconnected' | 'up' | 'restored';
  /** Milliseconds of Belfry time: of the finding, and of the break it is about. */
  readonly at: number;
  readonly brokenAt: number;
  readonly evidence: Evidence;
}

export type VerdictListener = (event: VerdictEvent) => void;

/** Where liveness stands with one expected broker. */
export interface LivenessFacts {
  readonly id: number;
  /** Undefined before the first outcome. */
  readonly up: boolean | undefined;
  /** As of the latest metadata; undefined before it. */
  readonly registered: boolean | undefined;
  /** The finding that holds now; it may outlive the outage, until the copies are back. */
  readonly verdict: Verdict | undefined;
  /** When the present outage began; undefined while there is none. */
  readonly downSince: number | undefined;
  /** Stopped in an orderly way, within its stop grace. */
  readonly inStopGrace: boolean;
}

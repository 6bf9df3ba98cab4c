import type { Action } from '../core/autopilot.ts';

/** The one thing that an executor was asked to do, as its steps see it. */
export interface Task {
  readonly intentId: string;
  readonly cluster: string;
  readonly action: Action;
  readonly broker: number | undefined;
  readonly desiredBrokers: number | undefined;
  readonly currentBrokers: number | undefined;
  readonly fencingToken: number;
  /** Ids of the brokers that the steps so far have made; a step that makes one adds it. */
  readonly added: Set<number>;
}

/** What a step gets while it runs. */
export interface StepRun {
  readonly task: Task;
  /** Aborted when the step's time is over or the executor must end: the step ends at once. */
  readonly signal: AbortSignal;
  /** Aborted as well when the lease was lost or a stop was asked for: nothing new is begun, what is half done is let be. */
  readonly proceed: AbortSignal;
  /** Asks Belfry whether the lease still stands. Rejects with `LEASE_LOST`: call it before whatever cannot be undone. */
  readonly confirm: () => Promise<void>;
  /** Tells how it goes, in a sentence or as output; `progress` is any number that rises. */
  readonly report: (text: string, progress?: number) => void;
}

/**
 * One step of an action. It resolves when it is done and rejects with a sentence when it has failed: with `CONFLICT` only
 * where something forbade it before it had changed anything.
 */
export interface Step {
  /** For people, such as `command ssh` or `rebalance by kafka`. */
  readonly name: string;
  readonly timeoutMs: number;
  run(run: StepRun): Promise<void>;
  /** Looks, without changing anything, whether the step could run. */
  check(signal: AbortSignal): Promise<readonly Finding[]>;
}

/** What a dry run found. */
export interface Finding {
  readonly ok: boolean;
  /** A sentence. */
  readonly text: string;
}

/** What a look at a broker's process found. `unknown`: the look itself failed. */
export interface ProbeResult {
  readonly process: 'running' | 'recovering' | 'stopped' | 'unknown';
  /** Any number that rises while a recovery advances. */
  readonly progress: number | undefined;
  /** A sentence. */
  readonly text: string;
}

export interface Probe {
  /** Never rejects: a look that fails is `unknown`. */
  look(task: Pick<Task, 'cluster' | 'broker' | 'intentId' | 'fencingToken'>, signal: AbortSignal): Promise<ProbeResult>;
}

import type { ReplayAnswer, ReplaySpec } from '../app/replay-spec.ts';
import type { ReplayWatch } from '../app/replay-thread.ts';
import type { StartableClock } from '../core/clock.ts';
import type { Environment } from '../config/env.ts';

/** What a command gets from the process; tests give their own. */
export interface CliContext {
  readonly environment: Environment;
  readonly clock: StartableClock;
  readonly workingFolder: string;
  /** The folder of the installation: default rules, version. */
  readonly installation: string;
  readonly version: string;
  readonly out: Output;
  readonly err: Output;
  /** Aborted by SIGINT and SIGTERM. */
  readonly signal: AbortSignal;
  /** Calls `reload` at each SIGHUP. */
  onHangup(reload: () => void): void;
  setExitCode(code: number): void;
  /** Where a replay runs; in a thread of its own where it is left out. */
  readonly runReplay?: (spec: ReplaySpec, watch: ReplayWatch) => Promise<ReplayAnswer>;
}

export interface Output {
  readonly isTerminal: boolean;
  write(text: string): void;
}

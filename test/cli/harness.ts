import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CommanderError } from 'commander';
import { runSpec } from '../../src/app/replay-spec.ts';
import type { CliContext } from '../../src/cli/context.ts';
import { runProgram } from '../../src/cli/program.ts';
import type { Environment } from '../../src/config/env.ts';
import { ManualClock, SystemClock, yieldToLoop } from '../../src/core/clock.ts';
import { errorText } from '../../src/core/errors.ts';
import { NOW } from '../http/harness.ts';

export interface RunResult {
  readonly out: string;
  readonly err: string;
  readonly exitCode: number;
  /** What the process would print as its last line; empty where the command ended well. */
  readonly failure: string;
}

/** A folder to run commands in, with an environment of its own. */
export class Shell {
  readonly folder = mkdtempSync(join(tmpdir(), 'belfry-cli-'));
  readonly variables: Partial<Record<Exclude<keyof Environment, 'lookup'>, string>> = {};

  close(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** Puts a file into the folder. */
  write(name: string, text: string): void {
    writeFileSync(join(this.folder, name), text);
  }

  /** Runs one command in this process, as main does. */
  async run(...args: readonly string[]): Promise<RunResult> {
    const written = { out: '', err: '' };
    let exitCode = 0;
    const context = this.context({
      out: { isTerminal: false, write: (text) => void (written.out += text) },
      err: { isTerminal: false, write: (text) => void (written.err += text) },
      setExitCode: (code) => void (exitCode = code),
    });
    try {
      await runProgram(context, args);
      return { ...written, exitCode, failure: '' };
    } catch (error) {
      const code = !(error instanceof CommanderError) ? 1 : error.exitCode === 0 ? 0 : 2;
      return { ...written, exitCode: code, failure: errorText(error) };
    }
  }

  context(more: Partial<CliContext>): CliContext {
    const environment: Environment = {
      kafkaBrokers: undefined,
      configPath: undefined,
      logLevel: undefined,
      url: undefined,
      token: undefined,
      lookup: () => undefined,
      ...this.variables,
    };
    return {
      environment,
      clock: new ManualClock(NOW),
      workingFolder: this.folder,
      installation: join(import.meta.dirname, '../..'),
      version: '1.2.3',
      out: { isTerminal: false, write: () => undefined },
      err: { isTerminal: false, write: () => undefined },
      signal: new AbortController().signal,
      onHangup: () => undefined,
      setExitCode: () => undefined,
      // A thread for each would take longer than what it is to do.
      runReplay: (spec, { signal, onProgress }) =>
        runSpec(spec, {
          clock: new SystemClock(),
          isCancelled: () => signal.aborted,
          turn: async (progress) => {
            onProgress(progress);
            await yieldToLoop();
          },
        }),
      ...more,
    };
  }
}

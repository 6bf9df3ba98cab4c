import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { CommanderError } from 'commander';
import { runProgram } from './cli/program.ts';
import type { CliContext, Output } from './cli/context.ts';
import { readEnvironment } from './config/env.ts';
import { SystemClock } from './core/clock.ts';
import { BelfryError, errorText } from './core/errors.ts';

/** After this long a second signal, or a stop that hangs, ends the process anyway. */
const FORCED_EXIT_MS = 10_000;

const installation = fileURLToPath(new URL('..', import.meta.url));
const clock = new SystemClock();
const stopping = new AbortController();
/** What a shell reports of a command that a signal has ended. */
const EXIT_BY_SIGNAL = { SIGINT: 130, SIGTERM: 143 } as const;
let stoppedBy: keyof typeof EXIT_BY_SIGNAL = 'SIGINT';

function stopOn(signal: keyof typeof EXIT_BY_SIGNAL): void {
  process.on(signal, () => {
    if (stopping.signal.aborted) process.exit(EXIT_BY_SIGNAL[signal]);
    stoppedBy = signal;
    stopping.abort(new BelfryError('STOPPING', `stopped by ${signal}`));
    clock.timer(FORCED_EXIT_MS, () => process.exit(1), { unref: true });
  });
}

/** An error nobody handled: said with its cause, and the end. Half alive is worse than restarted. */
function fatal(error: unknown): void {
  process.stderr.write(`belfry: internal error: ${errorText(error)}\n${error instanceof Error ? (error.stack ?? '') : ''}\n`);
  process.exit(70);
}

function output(stream: NodeJS.WriteStream): Output {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    // A reader that went away (head, a closed terminal) is no error of ours. What cannot be logged, as on a full disk, can
    // be said nowhere; the watch must outlive it.
    if (error.code !== 'EPIPE' && stream !== process.stderr) throw error;
  });
  return { isTerminal: stream.isTTY, write: (text) => void stream.write(text) };
}

const context: CliContext = {
  environment: readEnvironment(),
  clock,
  workingFolder: process.cwd(),
  installation,
  version: (JSON.parse(readFileSync(`${installation}package.json`, 'utf8')) as { version: string }).version,
  out: output(process.stdout),
  err: output(process.stderr),
  signal: stopping.signal,
  onHangup: (reload) => void process.on('SIGHUP', reload),
  setExitCode: (code) => {
    process.exitCode = code;
  },
};

// These compute without a pause in which a signal would be heard, and leave nothing half done: it ends them at once.
if (!['check', 'test'].includes(process.argv[2] ?? '')) {
  stopOn('SIGINT');
  stopOn('SIGTERM');
}
process.on('uncaughtException', fatal);
process.on('unhandledRejection', fatal);

try {
  await runProgram(context, process.argv.slice(2));
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : 2;
  else if (stopping.signal.aborted) {
    // Whoever stopped it knows why; but what was asked for was not done, and a script must not take it for done.
    process.exitCode = EXIT_BY_SIGNAL[stoppedBy];
  } else {
    process.stderr.write(`belfry: ${errorText(error)}\n`);
    process.exitCode = 1;
  }
}

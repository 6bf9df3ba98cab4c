import { spawn, spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';

/** A child process that dies with this process, however this process dies. */
export interface GuardedProcess {
  readonly pid: number;
  /** Settles when the process is gone. */
  readonly exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
  readonly running: boolean;
  kill(signal: NodeJS.Signals): void;
}

export interface GuardedProcessOptions {
  command: string;
  args: readonly string[];
  /** stdout and stderr are appended to this file, or handed to `onOutput`. */
  logPath?: string;
  onOutput?: (text: string, from: 'stdout' | 'stderr') => void;
  env?: Readonly<Record<string, string>>;
  /** The process sleeps this long, under its final pid, before it becomes `command`. */
  delayMs?: number;
  /** Pid of a process whose user and mount namespaces the command runs in. */
  namespacePid?: number;
  /** The most files and sockets it may have open at once (`prlimit --nofile`). */
  openFilesMax?: number | undefined;
}

/**
 * Runs as the child, under its final pid, until it becomes the command: stops if the parent died before the death signal was
 * set up; its own sleep must not outlive it either.
 */
const PRELUDE = '[ "$PPID" = "$1" ] || exit 1; [ "$2" = 0 ] || setpriv --pdeathsig KILL sleep "$2"; shift 2; exec "$@"';
const PRELUDE_WITHOUT_SETPRIV = '[ "$2" = 0 ] || sleep "$2"; shift 2; exec "$@"';

let setprivFound: boolean | undefined;
function hasSetpriv(): boolean {
  setprivFound ??= spawnSync('setpriv', ['--pdeathsig', 'KILL', 'true']).status === 0;
  return setprivFound;
}

/**
 * Starts a process that the kernel kills when this one dies (`setpriv --pdeathsig KILL`, util-linux). Where setpriv is
 * missing, a shell that watches a pipe to this process does it. The child is in a session of its own: Ctrl-C reaches only us.
 */
export function spawnGuarded(options: GuardedProcessOptions): GuardedProcess {
  const { command, args, logPath, onOutput, delayMs = 0, namespacePid, openFilesMax } = options;
  const guarded = hasSetpriv();
  const argv = [
    ...(namespacePid === undefined ? [] : ['nsenter', '--preserve-credentials', '-U', '-m', '-t', String(namespacePid)]),
    ...(guarded ? ['setpriv', '--pdeathsig', 'KILL'] : []),
    'sh',
    '-c',
    guarded ? PRELUDE : PRELUDE_WITHOUT_SETPRIV,
    'sh',
    String(process.pid),
    String(delayMs / 1000),
    ...(openFilesMax === undefined ? [] : ['prlimit', `--nofile=${openFilesMax}`]),
    command,
    ...args,
  ];
  const output = logPath === undefined ? 'pipe' : openSync(logPath, 'a');
  let child: ChildProcess;
  try {
    child = spawn(argv[0] ?? '', argv.slice(1), {
      stdio: ['ignore', output, output],
      detached: true,
      env: { ...process.env, ...options.env },
    });
  } finally {
    if (typeof output === 'number') closeSync(output);
  }
  child.stdout?.on('data', (chunk: Buffer) => onOutput?.(chunk.toString(), 'stdout'));
  child.stderr?.on('data', (chunk: Buffer) => onOutput?.(chunk.toString(), 'stderr'));
  const { pid } = child;
  if (pid === undefined) {
    child.on('error', () => undefined);
    throw new Error(`testbed: cannot start ${argv[0] ?? command}`);
  }
  const watcher = guarded ? undefined : watchParent(pid);
  const exited = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve) => {
    child.once('exit', (code, signal) => {
      watcher?.kill('SIGKILL');
      resolve({ code, signal });
    });
  });
  return {
    pid,
    exited,
    get running() {
      return child.exitCode === null && child.signalCode === null;
    },
    kill: (signal) => void child.kill(signal),
  };
}

/** Kills `pid` when the pipe to this process breaks. */
function watchParent(pid: number): ChildProcess {
  const watcher = spawn('sh', ['-c', 'cat >/dev/null; kill -9 "$1"', 'sh', String(pid)], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  });
  watcher.unref();
  return watcher;
}

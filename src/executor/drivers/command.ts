import { spawn, type ChildProcess } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import type { Clock } from '../../core/clock.ts';
import { BelfryError, errorText } from '../../core/errors.ts';
import type { Finding, Probe, ProbeResult, Step, StepRun, Task } from '../driver.ts';
import { OutputTail } from '../output-tail.ts';
import { fillArgv, type TemplateValues } from './argv.ts';

/** Between the request to end and the kill. */
const KILL_AFTER_MS = 2000;
const EXIT_STOPPED = 1;
const EXIT_RECOVERING = 3;
/** A broker id that a command has made: its last line. */
const MADE_BROKER = /^broker=(\d{1,10})$/;
/** Of the executor's own environment; the rest is not for its commands. */
const PASSED_VARIABLES = ['PATH', 'HOME', 'USER', 'LANG'] as const;

export interface CommandSurroundings {
  readonly clock: Clock;
  /** Broker id → its machine. */
  readonly hosts: Readonly<Record<string, string>>;
  /** The executor's own environment. */
  readonly lookup: (variable: string) => string | undefined;
  /** What of it a command may see besides the usual. */
  readonly passEnv: readonly string[];
  /** The folder commands run in. */
  readonly folder: string;
}

interface Ran {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly output: OutputTail;
}

/** Runs a program with the intent's values; its exit status 0 is success, its output what is reported. */
export class CommandStep implements Step {
  readonly name: string;
  readonly timeoutMs: number;
  readonly #template: readonly string[];
  readonly #surroundings: CommandSurroundings;

  constructor(template: readonly string[], timeoutMs: number, surroundings: CommandSurroundings) {
    this.name = `command ${template[0] ?? ''}`;
    this.timeoutMs = timeoutMs;
    this.#template = template;
    this.#surroundings = surroundings;
  }

  async run({ task, signal, report }: StepRun): Promise<void> {
    const argv = fillArgv(this.#template, valuesOf(task, this.#surroundings));
    const ran = await runCommand(argv, { surroundings: this.#surroundings, task, signal, report });
    const { code, output } = ran;
    if (code !== 0) throw new BelfryError('EXECUTOR_FAILED', endText(this.name, ran));
    const made = MADE_BROKER.exec(output.lastLine)?.[1];
    if (made !== undefined) task.added.add(Number(made));
  }

  check(): Promise<readonly Finding[]> {
    return Promise.resolve([programFinding(this.#template[0] ?? '', this.#surroundings)]);
  }
}

/** Looks at a broker's process by a program's exit status: 0 running, 1 stopped, 3 recovering, anything else unknown. */
export class CommandProbe implements Probe {
  readonly #template: readonly string[];
  readonly #timeoutMs: number;
  readonly #surroundings: CommandSurroundings;

  constructor(template: readonly string[], timeoutMs: number, surroundings: CommandSurroundings) {
    this.#template = template;
    this.#timeoutMs = timeoutMs;
    this.#surroundings = surroundings;
  }

  async look(task: Pick<Task, 'cluster' | 'broker' | 'intentId' | 'fencingToken'>, signal: AbortSignal): Promise<ProbeResult> {
    const overdue = new AbortController();
    const timer = this.#surroundings.clock.timer(this.#timeoutMs, () => {
      overdue.abort(new BelfryError('EXECUTOR_FAILED', `the probe did not end within ${this.#timeoutMs} ms`));
    });
    try {
      const probed = { ...task, action: 'probe' as const, desiredBrokers: undefined };
      const argv = fillArgv(this.#template, valuesOf(probed, this.#surroundings));
      const both = AbortSignal.any([signal, overdue.signal]);
      const ran = await runCommand(argv, { surroundings: this.#surroundings, task: probed, signal: both, report: () => undefined });
      return probeResult(ran);
    } catch (error) {
      return { process: 'unknown', progress: undefined, text: `the probe failed: ${errorText(error)}` };
    } finally {
      timer.cancel();
    }
  }

  /** The program is there; the looks themselves are harmless and are the caller's. */
  check(): Finding {
    return programFinding(this.#template[0] ?? '', this.#surroundings);
  }
}

function probeResult(ran: Ran): ProbeResult {
  const { code, output } = ran;
  const number = /(-?\d+(?:\.\d+)?)\s*%?\s*$/.exec(output.lastLine)?.[1];
  // A number too long to be one would reach Belfry as null.
  const progress = number === undefined || !Number.isFinite(Number(number)) ? undefined : Number(number);
  const said = output.text === '' ? '' : `: ${output.text}`;
  if (code === 0) return { process: 'running', progress, text: `the process runs${said}` };
  if (code === EXIT_STOPPED) return { process: 'stopped', progress: undefined, text: `the process is stopped${said}` };
  if (code === EXIT_RECOVERING) return { process: 'recovering', progress, text: `the process is recovering${said}` };
  return { process: 'unknown', progress: undefined, text: endText('the probe', ran) };
}

type CommandTask = Pick<Task, 'cluster' | 'broker' | 'intentId' | 'fencingToken' | 'desiredBrokers'> & {
  readonly action: Task['action'] | 'probe';
};

function valuesOf(task: CommandTask, { hosts }: CommandSurroundings): TemplateValues {
  const host = task.broker === undefined ? undefined : hosts[String(task.broker)];
  return {
    cluster: task.cluster,
    action: task.action,
    intent: task.intentId,
    token: task.fencingToken,
    ...(task.broker === undefined ? {} : { broker: task.broker }),
    ...(host === undefined ? {} : { host }),
    ...(task.desiredBrokers === undefined ? {} : { desired: task.desiredBrokers }),
  };
}

interface RunOptions {
  readonly surroundings: CommandSurroundings;
  readonly task: CommandTask;
  readonly signal: AbortSignal;
  readonly report: (text: string) => void;
}

/**
 * Runs one program to its end, in a process group of its own. When the signal is aborted the whole group is asked to end,
 * and killed 2 s later; the run then rejects with the signal's reason. Rejects where the program cannot be started.
 */
async function runCommand(argv: readonly string[], options: RunOptions): Promise<Ran> {
  const { surroundings, task, signal, report } = options;
  signal.throwIfAborted();
  const output = new OutputTail();
  const child = spawn(argv[0] ?? '', argv.slice(1), {
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
    shell: false,
    cwd: surroundings.folder,
    env: environmentOf(task, surroundings),
  });
  const take = (chunk: string): void => {
    output.add(chunk);
    report(output.text);
  };
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', take);
  const ending = endGroupOn(signal, child, surroundings.clock);
  endWithUs(child);
  try {
    const { code, signal: killedBy } = await ended(child, surroundings.clock);
    signal.throwIfAborted();
    return { code, signal: killedBy, output };
  } finally {
    ending.release();
    running.delete(child);
  }
}

/** What runs now ends with the process, also where that is ended by a second signal or an error: nobody would hear of it any more. */
const running = new Set<ChildProcess>();
let isEndingWithUs = false;

function endWithUs(child: ChildProcess): void {
  running.add(child);
  if (isEndingWithUs) return;
  isEndingWithUs = true;
  process.once('exit', () => {
    for (const one of running) signalGroup(one, 'SIGKILL');
  });
}

/** How long output may still come after the program's end: something it left behind may hold the pipe open for ever. */
const DRAIN_MS = 500;

function ended(child: ChildProcess, clock: Clock): Promise<{ code: number | null; signal: NodeJS.Signals | null }> {
  return new Promise((resolve, reject) => {
    child.once('error', (error) => reject(new BelfryError('EXECUTOR_FAILED', 'cannot be run', { cause: error })));
    child.once('exit', (code, signal) => {
      const timer = clock.timer(DRAIN_MS, () => {
        child.stdout?.destroy();
        child.stderr?.destroy();
      });
      child.once('close', () => {
        timer.cancel();
        resolve({ code, signal });
      });
    });
  });
}

function endGroupOn(signal: AbortSignal, child: ChildProcess, clock: Clock): { release(): void } {
  let cancel = (): void => undefined;
  const onAbort = (): void => {
    signalGroup(child, 'SIGTERM');
    const timer = clock.timer(KILL_AFTER_MS, () => signalGroup(child, 'SIGKILL'));
    cancel = () => timer.cancel();
  };
  signal.addEventListener('abort', onAbort, { once: true });
  return {
    release: () => {
      cancel();
      signal.removeEventListener('abort', onAbort);
      // What the program has started and left behind in its group ends with it, where it was cut short.
      if (signal.aborted) signalGroup(child, 'SIGKILL');
    },
  };
}

/** To the whole group, whose id is the child's; one that is gone needs no signal. */
function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, signal);
  } catch (error) {
    if (!(typeof error === 'object' && error !== null && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}

function environmentOf(task: CommandTask, { lookup, passEnv }: CommandSurroundings): Record<string, string> {
  const passed = [...PASSED_VARIABLES, ...passEnv].flatMap((name) => {
    const value = lookup(name);
    return value === undefined ? [] : [[name, value] as const];
  });
  return {
    ...Object.fromEntries(passed),
    BELFRY_CLUSTER: task.cluster,
    BELFRY_ACTION: task.action,
    BELFRY_INTENT: task.intentId,
    BELFRY_FENCING_TOKEN: String(task.fencingToken),
    ...(task.broker === undefined ? {} : { BELFRY_BROKER: String(task.broker) }),
    ...(task.desiredBrokers === undefined ? {} : { BELFRY_DESIRED_BROKERS: String(task.desiredBrokers) }),
  };
}

function endText(what: string, { code, signal, output }: Ran): string {
  const how = code === null ? `was ended by ${signal ?? 'a signal'}` : `ended with status ${code}`;
  return output.text === '' ? `${what} ${how}` : `${what} ${how}: ${output.text}`;
}

/** Whether a program can be found as it would be when it is run. */
function programFinding(program: string, { lookup, folder }: CommandSurroundings): Finding {
  const folders = program.includes('/') ? [folder] : (lookup('PATH') ?? '/usr/bin:/bin').split(delimiter);
  const found = folders.map((at) => (program.startsWith('/') ? program : join(at, program))).find(isExecutable);
  return found === undefined ? { ok: false, text: `program ${program} was not found` } : { ok: true, text: `program ${found}` };
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    // Not there, or not to be run by us: the same to whoever asks.
    return false;
  }
}

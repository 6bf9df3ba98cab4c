import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Arrivals, type NextOptions } from './arrivals.ts';
import { spawnGuarded, type GuardedProcess } from './guarded-process.ts';

const ENTRY = fileURLToPath(new URL('../bin/belfry.mjs', import.meta.url));

export interface LogLine {
  readonly level: string;
  readonly event: string;
  readonly [field: string]: unknown;
}

/** A sample as `/api/v1/query` gives it. */
export interface QueriedSample {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface BelfryOptions {
  /** Of belfry.yaml; its data folder is the one of the configuration. */
  readonly configPath: string;
  readonly dataPath: string;
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly startTimeoutMs?: number;
  /** Pid of the process that holds the small disk on which its data folder lies. */
  readonly namespacePid?: number;
  readonly openFilesMax?: number;
}

/** A whole Belfry as operators run it: its own process, real HTTP. It dies with this process. */
export class BelfryProcess implements AsyncDisposable {
  readonly log = new Arrivals<LogLine>();
  readonly url: string;
  readonly #options: BelfryOptions;
  readonly #process: GuardedProcess;

  private constructor(options: BelfryOptions, process: GuardedProcess, url: string, log: Arrivals<LogLine>) {
    this.#options = options;
    this.#process = process;
    this.url = url;
    this.log = log;
  }

  /** Resolves once it listens; rejects, with what it said, where it ended instead. */
  static async start(options: BelfryOptions): Promise<BelfryProcess> {
    const log = new Arrivals<LogLine>();
    const out = new Arrivals<string>();
    const rest = { stdout: '', stderr: '' };
    const said: string[] = [];
    const child = spawnGuarded({
      command: process.execPath,
      args: [ENTRY, 'start', '--config', options.configPath, '--json', ...(options.args ?? [])],
      ...(options.env === undefined ? {} : { env: options.env }),
      ...(options.namespacePid === undefined ? {} : { namespacePid: options.namespacePid }),
      openFilesMax: options.openFilesMax,
      onOutput: (text, from) => {
        const lines = (rest[from] + text).split('\n');
        rest[from] = lines.pop() ?? '';
        for (const line of lines) {
          said.push(line);
          if (from === 'stdout') out.add(line);
          else if (line.startsWith('{')) log.add(JSON.parse(line) as LogLine);
        }
      },
    });
    const ended = child.exited.then(({ code, signal }) => {
      throw new Error(`belfry ended with ${code ?? signal}: ${said.slice(-20).join('\n')}`);
    });
    const waiting = new AbortController();
    const listens = out.next(() => true, { timeoutMs: options.startTimeoutMs ?? 60_000, signal: waiting.signal });
    try {
      const line = await Promise.race([listens, ended]);
      ended.catch(() => undefined); // From here on its end is the caller's to look at.
      return new BelfryProcess(options, child, (JSON.parse(line) as { url: string }).url, log);
    } catch (error) {
      child.kill('SIGKILL');
      listens.catch(() => undefined); // Its timer must not outlive the attempt.
      waiting.abort();
      ended.catch(() => undefined); // Told already.
      throw error;
    }
  }

  get pid(): number {
    return this.#process.pid;
  }

  get running(): boolean {
    return this.#process.running;
  }

  get exited(): GuardedProcess['exited'] {
    return this.#process.exited;
  }

  get token(): string {
    return readFileSync(join(this.#options.dataPath, 'token'), 'utf8').trim();
  }

  /** Waits for a line of its log. */
  async logged(event: string, matches: (line: LogLine) => boolean = () => true, options?: NextOptions): Promise<LogLine> {
    return await this.log.next((line) => line.event === event && matches(line), options);
  }

  signal(signal: NodeJS.Signals): void {
    this.#process.kill(signal);
  }

  async kill9(): Promise<void> {
    this.#process.kill('SIGKILL');
    await this.#process.exited;
  }

  /** SIGTERM; the exit code. */
  async stop(): Promise<number | null> {
    this.#process.kill('SIGTERM');
    return (await this.#process.exited).code;
  }

  /** Another process on the same configuration and data. */
  async startAgain(): Promise<BelfryProcess> {
    return await BelfryProcess.start(this.#options);
  }

  async request(
    method: string,
    path: string,
    options: { token?: boolean; form?: Readonly<Record<string, string>> } = {},
  ): Promise<Response> {
    return await fetch(this.url + path, {
      method,
      headers: options.token === false ? {} : { authorization: `Bearer ${this.token}` },
      ...(options.form === undefined ? {} : { body: new URLSearchParams(options.form) }),
    });
  }

  async query(expression: string): Promise<readonly QueriedSample[]> {
    const response = await this.request('POST', '/api/v1/query', { form: { query: expression } });
    const { data, error } = (await response.json()) as {
      data?: { result: { metric: Record<string, string>; value: [number, string] }[] };
      error?: string;
    };
    if (data === undefined) throw new Error(`query ${expression}: ${error ?? response.status}`);
    return data.result.map(({ metric, value }) => ({ metric, value: Number(value[1].replace('Inf', 'Infinity')) }));
  }

  /** Resolves with the first answer that the condition accepts, asking every 50 ms. */
  async queryUntil(
    expression: string,
    accepts: (samples: readonly QueriedSample[]) => boolean,
    timeoutMs = 60_000,
  ): Promise<readonly QueriedSample[]> {
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      const samples = await this.query(expression);
      if (accepts(samples)) return samples;
      if (performance.now() > deadline)
        throw new Error(`${expression} is still ${JSON.stringify(samples).slice(0, 500)} after ${timeoutMs} ms`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.running) return;
    // A test that failed may have left it stopped: it would end only when somebody lets it go on.
    this.signal('SIGCONT');
    await this.stop();
  }
}

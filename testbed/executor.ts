import { randomUUID } from 'node:crypto';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Arrivals, arrivalTime } from './arrivals.ts';
import type { LogLine } from './belfry-process.ts';
import type { Cluster } from './cluster.ts';
import { spawnGuarded, type GuardedProcess } from './guarded-process.ts';
import { HttpStandIn, sendJson } from './http-stand-in.ts';
import { ADMIN } from './node-config.ts';
import { makeTempDir, removeTempDir } from './temp-dir.ts';

const ENTRY = fileURLToPath(new URL('../bin/belfry.mjs', import.meta.url));
const CTL = fileURLToPath(new URL('ctl.mjs', import.meta.url));
const START_TIMEOUT_MS = 60_000;

type Verb = 'restart' | 'add' | 'stop' | 'probe';

/** What an executor did to a cluster, as the owner of the cluster saw it. */
export interface ExecutorCall {
  /** When it was done, ms since the epoch. */
  readonly at: number;
  readonly verb: Verb;
  readonly cluster: string;
  readonly broker: number | undefined;
  readonly fencingToken: number;
  /** Exit status of the command: 0 done or running, 1 failed or stopped, 3 recovering. */
  readonly code: number;
  readonly text: string;
}

export interface TestbedExecutorOptions {
  readonly cluster: Cluster;
  readonly clusterName: string;
  /** Further clusters that it acts on, by their names. */
  readonly more?: Readonly<Record<string, Cluster>>;
  readonly belfryUrl: string;
  readonly token: string;
  /** Belfry's `autopilot-key`. */
  readonly signingKeyPath: string;
  /** Default `testbed`. */
  readonly name?: string;
  /** Of the probing, as executor.yaml says durations; by default every 300ms, stalled after 60s, never hung. */
  readonly probing?: { readonly every?: string; readonly stalled_after?: string; readonly hung_after?: string };
  /** Over the whole file, such as `{throttle_bytes: 1000000}` for each cluster. */
  readonly clusterConfig?: Readonly<Record<string, unknown>>;
}

/**
 * The real `belfry executor` in a process of its own, whose commands act on clusters of this process: repair restarts the
 * broker's process, replace and scale_out add a broker, scale_in drains, stops and unregisters it.
 */
export async function startTestbedExecutor(options: TestbedExecutorOptions): Promise<TestbedExecutor> {
  const clusters = { [options.clusterName]: options.cluster, ...options.more };
  const folder = await makeTempDir();
  const calls = new Arrivals<ExecutorCall>();
  const secret = randomUUID();
  const control = await HttpStandIn.listen((request, response) => {
    answer(request, { secret, clusters, calls }).then(
      (done) => sendJson(response, 200, done),
      (error: unknown) => sendJson(response, 200, { code: 9, text: String(error) }),
    );
  });
  const configPath = path.join(folder, 'executor.yaml');
  const url = `${control.url}/${secret}`;
  const file = {
    name: options.name ?? 'testbed',
    belfry: { url: options.belfryUrl, token: options.token, signing_key_file: path.resolve(options.signingKeyPath) },
    clusters: Object.fromEntries(
      Object.entries(clusters).map(([name, cluster]) => [name, { ...configOf(cluster, url, options), ...options.clusterConfig }]),
    ),
  };
  // JSON is YAML.
  await writeFile(configPath, JSON.stringify(file, null, 2), { mode: 0o600 });
  const executor = new TestbedExecutor({ folder, configPath, control, calls });
  try {
    await executor.startAgain();
    return executor;
  } catch (error) {
    await executor[Symbol.asyncDispose]();
    throw error;
  }
}

function configOf(cluster: Cluster, url: string, { probing = {} }: TestbedExecutorOptions): Record<string, unknown> {
  const ctl = (verb: Verb, ...more: readonly string[]): readonly string[] => [process.execPath, CTL, url, verb, '{cluster}', ...more];
  return {
    brokers: cluster.bootstrap,
    ...securityOf(cluster),
    probe: ctl('probe', '{broker}'),
    probing: { every: '300ms', stalled_after: '60s', ...probing },
    repair: [{ command: ctl('restart', '{broker}') }],
    replace: [{ command: ctl('add') }, { rebalance: 'kafka' }, { unregister: true }],
    scale_out: [{ command: ctl('add') }, { rebalance: 'kafka' }],
    scale_in: [{ rebalance: 'kafka' }, { command: ctl('stop', '{broker}') }, { unregister: true }],
  };
}

function securityOf(cluster: Cluster): Record<string, unknown> {
  const admin = cluster.users[ADMIN];
  return {
    ...(cluster.tls === undefined
      ? {}
      : {
          tls: {
            ca_file: cluster.tls.caPath,
            ...(cluster.security === 'tls' ? { cert_file: cluster.tls.admin.certPath, key_file: cluster.tls.admin.keyPath } : {}),
          },
        }),
    ...(admin === undefined ? {} : { sasl: { mechanism: 'plain', username: admin.username, password: admin.password } }),
  };
}

interface Control {
  readonly secret: string;
  readonly clusters: Readonly<Record<string, Cluster>>;
  readonly calls: Arrivals<ExecutorCall>;
}

async function answer(request: IncomingMessage, control: Control): Promise<{ code: number; text: string }> {
  const [, secret, verb, name = '', id] = (request.url ?? '').split('/').map(decodeURIComponent);
  const cluster = control.clusters[name];
  if (request.method !== 'POST' || secret !== control.secret || cluster === undefined || !isVerb(verb))
    return { code: 9, text: 'no such control' };
  const broker = id === undefined ? undefined : Number(id);
  const done = await act(verb, cluster, broker).catch((error: unknown) => ({
    code: 1,
    text: error instanceof Error ? error.message : String(error),
  }));
  const fencingToken = Number(request.headers['x-fencing-token']);
  control.calls.add({ at: arrivalTime(), verb, cluster: name, broker, fencingToken, ...done });
  return done;
}

function isVerb(verb: string | undefined): verb is Verb {
  return verb === 'restart' || verb === 'add' || verb === 'stop' || verb === 'probe';
}

async function act(verb: Verb, cluster: Cluster, broker = NaN): Promise<{ code: number; text: string }> {
  switch (verb) {
    case 'add':
      return { code: 0, text: `broker=${await cluster.addBroker()}` };
    case 'probe':
      return await probe(cluster, broker);
    case 'stop':
      await cluster.stop(broker);
      return { code: 0, text: `broker ${broker} is stopped` };
    case 'restart':
      // One that hangs has to go first.
      if (cluster.isRunning(broker)) await cluster.kill(broker);
      await cluster.start(broker, { wait: false });
      return { code: 0, text: `broker ${broker} was started` };
    default:
      throw new Error(`testbed: no verb ${String(verb satisfies never)}`);
  }
}

/** A process without an open port starts: Kafka opens it when its logs are recovered and loaded. */
async function probe(cluster: Cluster, broker: number): Promise<{ code: number; text: string }> {
  if (!cluster.isRunning(broker)) return { code: 1, text: `broker ${broker} does not run` };
  if (await isOpen(cluster.port(broker))) return { code: 0, text: `broker ${broker} runs` };
  return { code: 3, text: `broker ${broker} starts; lines of its log so far: ${recoveryLines(cluster.logPath(broker))}` };
}

function isOpen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' });
    const end = (open: boolean): void => {
      socket.destroy();
      resolve(open);
    };
    socket.setTimeout(1000, () => end(false));
    socket.once('connect', () => end(true));
    socket.once('error', () => end(false));
  });
}

/** Lines that tell of logs recovered or loaded. They only grow, since a start appends to the log of the one before. */
function recoveryLines(logPath: string): number {
  if (!existsSync(logPath) || statSync(logPath).size > 64 * 1024 * 1024) return 0;
  return readFileSync(logPath, 'utf8').match(/(?:recover|load)/gi)?.length ?? 0;
}

/** An executor that runs; dispose it before its clusters. */
export class TestbedExecutor implements AsyncDisposable {
  /** Every command that reached a cluster, probes included. */
  readonly calls: Arrivals<ExecutorCall>;
  readonly log = new Arrivals<LogLine>();
  readonly configPath: string;
  /** Make this file to halt it without Belfry. */
  readonly stopFile: string;
  readonly #folder: string;
  readonly #control: HttpStandIn;
  #process: GuardedProcess | undefined;

  constructor(parts: { folder: string; configPath: string; control: HttpStandIn; calls: Arrivals<ExecutorCall> }) {
    this.calls = parts.calls;
    this.configPath = parts.configPath;
    this.stopFile = path.join(parts.folder, 'executor.stop');
    this.#folder = parts.folder;
    this.#control = parts.control;
  }

  get running(): boolean {
    return this.#process?.running === true;
  }

  /** What it has done to clusters so far, without the looks. */
  get acts(): readonly ExecutorCall[] {
    return this.calls.all.filter(({ verb }) => verb !== 'probe');
  }

  /** Starts the process, again after its end. Resolves when it asks for intents. */
  async startAgain(): Promise<void> {
    if (this.running) throw new Error('testbed: the executor runs already');
    const since = this.log.count;
    const said: string[] = [];
    let rest = '';
    const child = spawnGuarded({
      command: process.execPath,
      args: [ENTRY, 'executor', '--config', this.configPath, '--json'],
      onOutput: (text, from) => {
        if (from === 'stdout') return;
        const lines = (rest + text).split('\n');
        rest = lines.pop() ?? '';
        for (const line of lines) {
          said.push(line);
          if (line.startsWith('{')) this.log.add(JSON.parse(line) as LogLine);
        }
      },
    });
    this.#process = child;
    const ended = child.exited.then(({ code, signal }) => {
      throw new Error(`belfry executor ended with ${code ?? signal}: ${said.slice(-20).join('\n')}`);
    });
    const up = this.log.next(({ event }) => event === 'executor_started', { timeoutMs: START_TIMEOUT_MS, since });
    try {
      await Promise.race([up, ended]);
    } finally {
      for (const promise of [up, ended]) promise.catch(() => undefined); // Told already, or the caller's to look at.
    }
  }

  /** SIGKILL: no last word. Commands that run go on. */
  async kill9(): Promise<void> {
    this.#process?.kill('SIGKILL');
    await this.#process?.exited;
  }

  /** SIGTERM; the exit code. */
  async stop(): Promise<number | null> {
    this.#process?.kill('SIGTERM');
    return (await this.#process?.exited)?.code ?? null;
  }

  /** Halts it by its own stop file, or lets it go on. */
  async halt(on: boolean): Promise<void> {
    if (on) await writeFile(this.stopFile, '');
    else await rm(this.stopFile, { force: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.running) await this.kill9();
    await this.#control[Symbol.asyncDispose]();
    await removeTempDir(this.#folder);
  }
}
